import "./styles/watch.css";
import "./styles/live.css";
import { addresses } from "./addresses.ts";
import { ApiError, type LiveStream, listStreams } from "./api.ts";
import { button, h } from "./dom.ts";
import { capital } from "./format.ts";
import { LIVE_HREF } from "./route.ts";
import type { Source } from "./player/player.ts";
import { share } from "./share.ts";
import { Stage } from "./stage.ts";
import type { View } from "./view.ts";

/** Milliseconds between two looks at how the stream is. */
const EVERY = 2000;
/** How much the file without end holds in hand: the browser asks for nothing, and has to outlive a part that comes late. */
const HOLD_BACK = "2s";

/** One live stream: the player, how late it is, and where else it plays. It comes as soon as the stream does. */
export class StreamView implements View {
  readonly title: string;
  readonly root = h("div", { class: "page watch" });
  private readonly leaving = new AbortController();
  private readonly state = h("span", { class: "badge-state" });
  private readonly delay = h("p", { class: "delay" });
  private stage: Stage | undefined;
  private started = "";

  constructor(private readonly name: string) {
    this.title = `${name} · Live · Reelway`;
    this.notice("Loading…", "");
    void this.follow();
  }

  destroy(): void {
    this.leaving.abort();
    this.stage?.destroy();
  }

  private async follow(): Promise<void> {
    const { signal } = this.leaving;
    while (!signal.aborted) {
      try {
        const stream = (await listStreams(signal)).find(({ name }) => name === this.name);
        if (signal.aborted) return;
        this.show(stream);
      } catch (error) {
        if (signal.aborted) return;
        // A player that is at work is not taken away because the list did not come once.
        if (!this.stage) {
          const { title, detail } = error instanceof ApiError ? error : { title: "The stream did not load", detail: String(error) };
          this.notice(title, detail, () => void this.follow());
          return;
        }
      }
      await new Promise((resolve) => setTimeout(resolve, EVERY));
    }
  }

  private show(stream: LiveStream | undefined): void {
    if (!stream) {
      if (!this.stage) this.notice(`“${this.name}” is not on`, "The page goes over to it as soon as an encoder sends it.");
      else this.mark("ended");
      return;
    }
    this.mark(stream.state);
    // A stream that has begun anew after its end is another one.
    if (this.stage && stream.started === this.started) return;
    if (stream.state === "ended" && !this.stage) {
      this.notice(`“${this.name}” has ended`, "The page goes over to it when it is on again.");
      return;
    }
    this.started = stream.started;
    this.stage?.destroy();
    this.stage = new Stage(liveSource(stream));
    const head = h("div", { class: "stream-head" }, h("h1", { class: "watch-title" }, stream.name), this.state);
    this.root.replaceChildren(backLink(), head, this.stage.root, this.delay, elsewhere(stream, this.stage.shortcuts()));
    this.stage.open();
  }

  private mark(state: LiveStream["state"]): void {
    this.state.textContent = capital(state);
    this.state.className = `badge-state ${state}`;
    this.delay.textContent = state === "waiting" ? "The encoder has gone. What it sends when it comes back goes on here." : state === "ended" ? "The stream has ended." : "";
  }

  private notice(title: string, detail: string, retry?: () => void): void {
    const box = h("section", { class: "notice", role: "status" }, h("h1", {}, title), h("p", {}, detail), retry && button("Try again", retry));
    // The same words again would be read out again.
    if (this.root.querySelector("h1")?.textContent !== title) this.root.replaceChildren(backLink(), box);
  }
}

/** How a stream is played. */
export function liveSource({ name, hls, dash, mp4, windowMs }: LiveStream): Source {
  return { name, tracks: [], live: true, windowMs, hls, dash, file: `${mp4}?hold-back=${HOLD_BACK}` };
}

function backLink(): HTMLElement {
  return h("nav", { "aria-label": "Back" }, h("a", { class: "back", href: LIVE_HREF }, h("span", { "aria-hidden": "true" }, "←"), " All streams"));
}

function elsewhere({ name, hls, dash, mp4, segmentMs, partMs }: LiveStream, shortcuts: HTMLElement): HTMLElement {
  const seconds = (ms: number): string => `${Math.round(ms / 100) / 10} s`;
  return h(
    "section",
    { class: "details", "aria-labelledby": "details" },
    h("h2", { id: "details" }, "Watch it elsewhere"),
    h("p", { class: "facts" }, h("span", {}, `segments of ${seconds(segmentMs)}`), h("span", {}, `parts of ${seconds(partMs)}`)),
    addresses(["HLS", hls], ["DASH", dash], ["MP4 without end", mp4]),
    share("live", name, undefined),
    shortcuts,
  );
}
