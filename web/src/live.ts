import "./styles/live.css";
import { ApiError, type LiveStream, listStreams } from "./api.ts";
import { button, h } from "./dom.ts";
import { capital, formatDuration } from "./format.ts";
import { Publishing } from "./publishing.ts";
import { streamHref } from "./route.ts";
import type { View } from "./view.ts";

/** Milliseconds between two looks at what is on. */
const EVERY = 3000;

/** The streams that are on, and how to send one. */
export class LiveView implements View {
  readonly title = "Live · Reelway";
  readonly root: HTMLElement;
  private readonly summary = h("p", { class: "summary" }, "Loading…");
  private readonly list = h("div", { class: "streams" });
  private readonly publishing = new Publishing();
  private readonly leaving = new AbortController();
  private shownStreams = "";

  constructor() {
    this.root = h("div", { class: "page" }, h("div", { class: "page-head" }, h("div", {}, h("h1", {}, "Live"), this.summary)), this.list, this.publishing.root);
    void this.follow();
  }

  destroy(): void {
    this.leaving.abort();
    this.publishing.destroy();
  }

  private async follow(): Promise<void> {
    const { signal } = this.leaving;
    while (!signal.aborted) {
      try {
        this.show(await listStreams(signal));
      } catch (error) {
        if (signal.aborted) return;
        const { title, detail } = error instanceof ApiError ? error : { title: "The list did not load", detail: String(error) };
        this.shownStreams = "";
        this.summary.textContent = "";
        this.list.replaceChildren(h("section", { class: "notice", role: "alert" }, h("h2", {}, title), h("p", {}, detail), button("Try again", () => void this.follow())));
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, EVERY));
    }
  }

  private show(streams: readonly LiveStream[]): void {
    const on = streams.filter(({ state }) => state === "live").length;
    this.summary.textContent = on === 0 ? "Nothing is on" : on === 1 ? "1 stream is on" : `${on} streams are on`;
    // Nothing new: leave the focus alone.
    const key = JSON.stringify(streams.map(({ name, state, viewers }) => [name, state, viewers]));
    if (key === this.shownStreams) return;
    this.shownStreams = key;
    this.list.replaceChildren(...(streams.length > 0 ? [h("ul", { class: "stream-list" }, ...streams.map(line))] : []));
  }
}

function line({ name, state, viewers, started, windowMs }: LiveStream): HTMLElement {
  const since = new Date(started);
  const facts = [
    Number.isNaN(since.getTime()) ? "" : `since ${since.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}`,
    viewers === 1 ? "1 viewer" : `${viewers} viewers`,
    `${formatDuration(windowMs)} to go back`,
  ];
  return h(
    "li",
    {},
    h(
      "a",
      { class: "stream", href: streamHref(name) },
      h("span", { class: "stream-name" }, name),
      h("span", { class: `badge-state ${state}` }, capital(state)),
      h("span", { class: "facts" }, ...facts.filter(Boolean).map((fact) => h("span", {}, fact))),
    ),
  );
}
