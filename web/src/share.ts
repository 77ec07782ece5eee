import "./styles/live.css";
import { copyButton } from "./copy.ts";
import { h } from "./dom.ts";
import { embedPath } from "./route.ts";

/** The width of the frame in the code for other pages, in pixels. */
const WIDTH = 640;

/** What to put into another page to have the player there. `ratio`: of the picture, where it is known. */
export function share(kind: "vod" | "live", id: string, ratio = 16 / 9): HTMLElement {
  const path = embedPath(kind, id);
  const url = new URL(path, location.href).href;
  const code = `<iframe src="${url}" width="${WIDTH}" height="${Math.round(WIDTH / ratio)}" style="border: 0" allow="autoplay; fullscreen; picture-in-picture" allowfullscreen></iframe>`;
  const copy = copyButton(() => code);
  copy.setAttribute("aria-label", "Copy the code for another page");
  return h(
    "div",
    { class: "share" },
    h("h3", {}, "In a page of your own"),
    h("pre", { class: "recipe", tabindex: 0, role: "region", "aria-label": "The code for another page" }, h("code", {}, code)),
    h("div", { class: "publish-row" }, copy, h("a", { class: "button", href: path }, "Open the player alone")),
  );
}
