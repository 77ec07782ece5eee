/** The few helpers that stand in for a framework. */

type Child = Node | string | undefined | false;
type Attributes = Record<string, string | number | boolean | undefined>;

/** Makes an element; true gives an empty attribute, false and undefined none. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child): child is Node | string => child !== undefined && child !== false));
  return element;
}

export function button(label: string, onClick: () => void, attributes: Attributes = {}): HTMLButtonElement {
  const element = h("button", { type: "button", class: "button", ...attributes }, label);
  element.addEventListener("click", onClick);
  return element;
}

/** Says something to people who do not see the page change. */
export function announce(text: string): void {
  const region = document.getElementById("status");
  if (region) region.textContent = text;
}
