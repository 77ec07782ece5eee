import { copyButton } from "./copy.ts";
import { h } from "./dom.ts";

/** Addresses to take to another player, each with a button that copies it; those that there are not are left out. */
export function addresses(...list: (readonly [label: string, path: string | undefined])[]): HTMLElement {
  const lines = list.map(([label, path]) => {
    if (path === undefined) return undefined;
    const url = new URL(path, location.href).href;
    const copy = copyButton(() => url);
    copy.setAttribute("aria-label", `Copy the address: ${label}`);
    return h("li", {}, h("span", { class: "address-name" }, label), h("a", { href: path }, url), copy);
  });
  return h("ul", { class: "addresses" }, ...lines);
}
