import { announce, button } from "./dom.ts";

/** A button that puts a text on the clipboard, and says so. */
export function copyButton(text: () => string): HTMLButtonElement {
  const element = button("Copy", () => void copy());
  const copy = async (): Promise<void> => {
    // Pages that came over plain HTTP from another machine have no clipboard.
    const done = await (navigator.clipboard?.writeText(text()).then(() => true, () => false) ?? false);
    element.textContent = done ? "Copied" : "Not allowed here";
    announce(element.textContent);
    setTimeout(() => (element.textContent = "Copy"), 2000);
  };
  return element;
}
