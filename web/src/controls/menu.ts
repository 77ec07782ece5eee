import { h } from "../dom.ts";
import { type Icon, icon } from "./icons.ts";

export interface Choice {
  id: string;
  label: string;
}

/** A button that opens a list to choose one of (ARIA Authoring Practices, menu button with radio items). */
export class Menu {
  readonly root: HTMLElement;
  private readonly button: HTMLButtonElement;
  private readonly face = h("span", { class: "menu-face" });
  private readonly list: HTMLElement;
  private listed = "";
  private closing: AbortController | undefined;

  /** The button shows the sign, or what is chosen where there is none. */
  constructor(
    private readonly label: string,
    private readonly sign: Icon | undefined,
    private readonly choose: (id: string) => void,
  ) {
    this.list = h("div", { class: "menu-list", role: "menu", "aria-label": label, hidden: true });
    this.button = h("button", { type: "button", class: "control", "aria-haspopup": "menu", "aria-expanded": "false" }, this.face);
    if (sign) this.face.append(icon(sign));
    this.root = h("div", { class: "menu", hidden: true }, this.button, this.list);
    this.button.addEventListener("click", () => (this.list.hidden ? this.open() : this.close()));
    this.root.addEventListener("keydown", (event) => this.onKey(event));
  }

  /** What there is to choose; a menu of one is none. */
  show(choices: readonly Choice[], current: string): void {
    this.root.hidden = choices.length < 2;
    const chosen = choices.find(({ id }) => id === current);
    const name = `${this.label}: ${chosen?.label ?? "none"}`;
    if (this.button.getAttribute("aria-label") !== name) {
      this.button.setAttribute("aria-label", name);
      this.button.title = name;
      if (!this.sign) this.face.textContent = chosen?.label ?? "";
    }
    // Made again only when it has changed, or the focus in it would be lost.
    const key = JSON.stringify([choices, current]);
    if (key === this.listed) return;
    this.listed = key;
    const focused = this.items().findIndex((item) => item === document.activeElement);
    this.list.replaceChildren(
      h("div", { class: "menu-title", "aria-hidden": "true" }, this.label),
      ...choices.map(({ id, label }) => {
        const item = h("button", { type: "button", role: "menuitemradio", "aria-checked": String(id === current), tabindex: -1 }, label);
        item.addEventListener("click", () => {
          this.choose(id);
          this.close(true);
        });
        return item;
      }),
    );
    if (focused >= 0) this.items()[focused]?.focus();
  }

  get isOpen(): boolean {
    return !this.list.hidden;
  }

  private items(): HTMLElement[] {
    return [...this.list.querySelectorAll<HTMLElement>("[role=menuitemradio]")];
  }

  private open(): void {
    this.list.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    (this.list.querySelector<HTMLElement>("[aria-checked=true]") ?? this.items()[0])?.focus();
    this.closing = new AbortController();
    const { signal } = this.closing;
    addEventListener("pointerdown", ({ target }) => this.root.contains(target as Node) || this.close(), { signal });
    this.root.addEventListener("focusout", ({ relatedTarget }) => relatedTarget && !this.root.contains(relatedTarget as Node) && this.close(), { signal });
  }

  private close(focus = false): void {
    this.closing?.abort();
    this.list.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
    if (focus) this.button.focus();
  }

  private onKey(event: KeyboardEvent): void {
    const items = this.items();
    const at = items.indexOf(document.activeElement as HTMLElement);
    const go = (to: number): void => items[(to + items.length) % items.length]?.focus();
    if (!this.isOpen) {
      if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
      this.open();
    } else if (event.key === "ArrowDown") go(at + 1);
    else if (event.key === "ArrowUp") go(at - 1);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(-1);
    else if (event.key === "Escape") this.close(true);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
