import { type Plan, type Problem, type Progress, type Upload, open, ReelwayError, upload } from "reelway";
import type { Track } from "./api.ts";
import { announce, button, h } from "./dom.ts";
import { codecName, formatBytes, formatDuration } from "./format.ts";
import type { Source } from "./player/player.ts";
import { watchHref } from "./route.ts";
import { Speed } from "./speed.ts";
import { trackList } from "./tracks.ts";

/** What the page does for one of its uploads. */
interface Host {
  /** It can be played from here on. */
  playable(source: Source): void;
  /** Somebody wants to see it. */
  watch(source: Source): void;
}

/** Cells of a lane: more could not be told apart on a phone. */
const CELLS = 64;
/** Milliseconds from one account of the progress to the next: nobody reads more, and each is laid out and painted. */
const EVERY = 200;

/** One file on its way: what is in it, what is wrong with it, and which of its segments have arrived. */
export class Sending {
  readonly root: HTMLElement;
  private readonly state = h("span", { class: "badge-state" }, "Waits");
  private readonly words = h("p", { class: "facts sending-facts" });
  private readonly bar = h("div", { class: "sending-bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": 0 });
  private readonly filled = h("div", { class: "sending-filled" });
  private readonly lanes = h("div", { class: "lanes", "aria-hidden": "true" });
  private readonly buttons = h("div", { class: "publish-row" });
  private readonly details = h("div", {});
  private readonly giveUp = new AbortController();
  private readonly speed = new Speed();
  private plan: Plan | undefined;
  private sending: Upload | undefined;
  /** What plays of it, once anything does. */
  private source: Source | undefined;
  private paused = false;
  /** How far it is, and whether that was told just now. */
  private newest: Progress | undefined;
  private resting = false;

  constructor(
    private readonly file: File,
    private readonly handle: FileSystemFileHandle | undefined,
    private readonly segment: number | undefined,
    private readonly host: Host,
  ) {
    this.bar.setAttribute("aria-label", `Upload of ${file.name}`);
    this.bar.append(this.filled);
    this.root = h(
      "article",
      { class: "sending", "aria-label": file.name },
      h("div", { class: "sending-head" }, h("h2", { class: "sending-name" }, file.name), this.state),
      this.bar,
      this.words,
      this.lanes,
      this.buttons,
      this.details,
    );
    this.tell([formatBytes(file.size)]);
    this.offer(["Cancel", () => this.cancel()]);
  }

  /** Ends with the upload, whatever becomes of it. */
  async run(): Promise<void> {
    try {
      this.giveUp.signal.throwIfAborted();
      await this.send();
    } catch (error) {
      this.fail(error);
    } finally {
      this.plan?.close();
    }
  }

  destroy(): void {
    this.giveUp.abort();
  }

  private async send(): Promise<void> {
    const { file, handle, segment } = this;
    const { signal } = this.giveUp;
    this.show("Reads");
    const plan = await open(file, { signal, ...(segment !== undefined && { segment }) });
    this.plan = plan;
    const tracks = plan.tracks.flatMap(trackOf);
    this.details.replaceChildren(...problems(plan), trackList(tracks));
    const arrive = this.lay(plan);
    const sending = upload(plan, { name: file.name, keep: handle ?? true, signal });
    this.sending = sending;
    sending.on("segment", ({ track, number }) => arrive(track, number));
    sending.on("progress", (progress) => this.progress(progress));
    sending.on("retry", () => this.show(navigator.onLine ? "Tries again" : "Offline", "waiting"));
    sending.on("playable", (urls) => {
      this.source = { name: file.name, tracks, durationMs: plan.duration * 1000, ...urls };
      this.host.playable(this.source);
      this.offerRunning();
    });
    this.show("Uploads", "live");
    this.offerRunning();
    const { id } = await sending;
    this.show("Done", "done");
    announce(`${file.name} is uploaded`);
    this.buttons.replaceChildren(
      button("Watch here", () => this.watch()),
      h("a", { class: "button", href: watchHref(id) }, "Open its page"),
    );
  }

  private offerRunning(): void {
    const { sending } = this;
    if (!sending) return;
    const toggle = (): void => {
      this.paused = !this.paused;
      if (this.paused) sending.pause();
      else sending.resume();
      this.show(this.paused ? "Paused" : "Uploads", this.paused ? "waiting" : "live");
      this.offerRunning();
      this.buttons.querySelector("button")?.focus();
    };
    this.offer(
      [this.paused ? "Resume" : "Pause", toggle],
      this.source && ["Watch", () => this.watch()],
      ["Cancel", () => this.cancel()],
    );
  }

  private watch(): void {
    if (this.source) this.host.watch(this.source);
  }

  /** Cells for the segments of each track; several share one where there are many. Returns what is called as each of them arrives. */
  private lay(plan: Plan): (track: string, number: number) => void {
    const lanes = new Map(
      plan.tracks.map(({ id, segments }) => {
        const count = Math.min(segments, CELLS);
        const cells = Array.from({ length: count }, () => ({ cell: h("span"), missing: 0 }));
        const at = (number: number) => cells[Math.floor(((number - 1) * count) / segments)];
        for (let number = 1; number <= segments; number += 1) (at(number) ?? { missing: 0 }).missing += 1;
        return [id, { cells, at }] as const;
      }),
    );
    const rows = [...lanes].map(([id, { cells }]) => h("div", { class: "lane" }, h("span", { class: "track-id" }, id), h("div", { class: "cells" }, ...cells.map(({ cell }) => cell))));
    this.lanes.replaceChildren(...rows);
    return (track, number) => {
      const found = lanes.get(track)?.at(number);
      if (!found) return;
      found.missing -= 1;
      found.cell.className = found.missing > 0 ? "partly" : "there";
    };
  }

  private progress(progress: Progress): void {
    if (!this.paused) this.show("Uploads", "live");
    this.newest = progress;
    if (!this.resting) this.account(progress);
  }

  /** Tells how far it is, and again in a while if it has come further by then. */
  private account(progress: Progress): void {
    const { sent, size, segments, of } = progress;
    this.resting = true;
    setTimeout(() => {
      this.resting = false;
      if (this.newest !== progress && this.newest) this.account(this.newest);
    }, EVERY);
    const percent = size > 0 ? Math.floor((100 * sent) / size) : 100;
    this.bar.setAttribute("aria-valuenow", String(percent));
    this.filled.style.setProperty("inline-size", `${percent}%`);
    const perSecond = this.speed.at(sent, performance.now());
    const left = perSecond && sent < size ? `${formatDuration((1000 * (size - sent)) / perSecond)} left` : "";
    const speed = perSecond ? `${formatBytes(perSecond)}/s` : "";
    this.tell([`${percent} %`, `${formatBytes(sent)} of ${formatBytes(size)}`, `${segments} of ${of} segments`, speed, left]);
  }

  private tell(facts: readonly string[]): void {
    this.words.replaceChildren(...facts.filter(Boolean).map((fact) => h("span", {}, fact)));
  }

  private show(state: string, kind = ""): void {
    if (this.state.textContent === state) return;
    this.state.textContent = state;
    this.state.className = `badge-state ${kind}`;
  }

  private offer(...buttons: (readonly [label: string, act: () => void] | undefined)[]): void {
    const shown = buttons.filter((each) => each !== undefined);
    this.buttons.replaceChildren(...shown.map(([label, act]) => button(label, act, { "aria-label": `${label}: ${this.file.name}` })));
  }

  private cancel(): void {
    this.giveUp.abort();
    // What the server has goes too: who cancels does not come back for it.
    void this.sending?.abandon().catch(() => undefined);
    this.show("Cancelled");
    this.buttons.replaceChildren();
  }

  private fail(error: unknown): void {
    if (this.giveUp.signal.aborted) return;
    const words = error instanceof ReelwayError ? error.message : String(error);
    const place = error instanceof ReelwayError && error.offset !== undefined ? `byte ${error.offset}${error.path ? `, in ${error.path}` : ""}` : "";
    this.show("Failed", "failed");
    this.buttons.replaceChildren();
    this.details.replaceChildren(
      h("section", { class: "notice problem-box", role: "alert" }, h("h3", {}, "This file is not uploaded"), h("p", {}, words), place !== "" && h("p", { class: "note" }, place)),
    );
  }
}

/** What viewers will miss, where there is any of that. */
function problems({ problems: found, tracks }: Plan): HTMLElement[] {
  const unplayable = tracks.filter(({ playable }) => playable === false);
  const lines = [
    ...found.map(problem),
    ...unplayable.map(({ id, codec }) => h("li", {}, `This browser cannot play ${id}, which is ${codecName(codec)}. It is uploaded all the same.`)),
  ];
  return lines.length > 0 ? [h("h3", {}, "Worth knowing"), h("ul", { class: "problems" }, ...lines)] : [];
}

function problem({ message, offset, path, longest }: Problem): HTMLElement {
  const where = [offset === undefined ? "" : `byte ${offset}`, path ? `in ${path}` : "", longest === undefined ? "" : `longest segment ${formatDuration(longest)}`].filter(Boolean);
  return h("li", {}, message, where.length > 0 && h("span", { class: "quiet" }, ` (${where.join(", ")})`));
}

/** Metadata is no track to people. */
function trackOf(track: Plan["tracks"][number]): Track[] {
  const { id, codec, bitrate, language, kind, width = 0, height = 0, channels = 0, sampleRate = 0, frameRate } = track;
  const common = { id, codec, bitrate, ...(language !== undefined && { language }) };
  if (kind === "video") return [{ ...common, kind, width, height, ...(frameRate !== undefined && { frameRate }) }];
  if (kind === "audio") return [{ ...common, kind, channels, sampleRate }];
  return kind === "text" ? [{ ...common, kind }] : [];
}
