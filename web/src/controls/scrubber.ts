import { type Chapter, chapterAt } from "../chapters.ts";
import { h } from "../dom.ts";
import { formatDuration } from "../format.ts";
import type { Player } from "../player/player.ts";
import { Storyboard } from "../storyboard.ts";

/** Seconds; nearer to the newest moment than this counts as live. */
const AT_EDGE = 2;
/** The width of the picture over the pointer, in pixels. */
const PREVIEW = 160;
/** Seconds; who is no further in a chapter goes back to the one before it. */
const JUST_BEGUN = 3;

/** Where the video is, how far it is buffered, and the way to go elsewhere; of a live stream within the window that the server keeps. */
export class Scrubber {
  readonly range = h("input", { type: "range", class: "scrubber", min: 0, max: 0, step: "any", value: 0, "aria-label": "Position" });
  readonly time = h("span", { class: "time" });
  readonly toLive = h("button", { type: "button", class: "control to-live", hidden: true }, h("span", { class: "dot", "aria-hidden": "true" }), "Live");
  /** What is at the place that the pointer is over. */
  readonly preview = h("div", { class: "preview", hidden: true, "aria-hidden": "true" });
  /** Where chapters begin. */
  readonly marks = h("div", { class: "marks", "aria-hidden": "true" });
  chapters: readonly Chapter[] = [];
  private marked = "";
  private held = false;

  constructor(private readonly player: Player) {
    if (player.storyboard !== undefined || player.chapters !== undefined) this.showPreviews(player.storyboard);
    this.range.addEventListener("input", () => {
      this.held = true;
      player.seek(this.range.valueAsNumber);
      this.describe();
    });
    this.range.addEventListener("change", () => (this.held = false));
    this.toLive.addEventListener("click", () => player.goLive());
  }

  /** Seconds from where it is; negative goes back. */
  step(seconds: number): void {
    const { start, end } = this.span();
    this.player.seek(Math.min(Math.max(this.player.video.currentTime + seconds, start), end));
  }

  /** A fraction of the whole, from 0 to 1. */
  jump(fraction: number): void {
    const { start, end } = this.span();
    this.player.seek(start + (end - start) * fraction);
  }

  toChapter(number: number): void {
    const chapter = this.chapters[number];
    if (chapter) this.player.seek(chapter.start);
  }

  /** To the chapter before or behind. */
  stepChapter(step: 1 | -1): void {
    const { currentTime } = this.player.video;
    const here = chapterAt(this.chapters, currentTime);
    const begun = currentTime - (this.chapters[here]?.start ?? 0) < JUST_BEGUN;
    this.toChapter(step < 0 && !begun ? here : Math.max(0, here + step));
  }

  show(): void {
    const { video } = this.player;
    const { start, end } = this.span();
    const bounded = end > start;
    this.range.disabled = !bounded;
    this.toLive.hidden = !this.player.isLive;
    if (bounded) {
      this.range.min = String(start);
      this.range.max = String(end);
      if (!this.held) this.range.value = String(Math.min(Math.max(video.currentTime, start), end));
      const part = (time: number): string => `${Math.min(100, Math.max(0, ((time - start) / (end - start)) * 100))}%`;
      this.range.style.setProperty("--played", part(this.held ? this.range.valueAsNumber : video.currentTime));
      this.range.style.setProperty("--buffered", part(bufferedTo(video)));
    }
    this.mark(end);
    this.toLive.classList.toggle("at-edge", this.behind() < AT_EDGE);
    this.describe();
  }

  /** A mark for each chapter but one that begins with the video, once it is known how long that is. */
  private mark(end: number): void {
    const key = `${this.chapters.length} ${end}`;
    if (key === this.marked) return;
    this.marked = key;
    const marks = this.chapters.filter(({ start }) => start > 0 && start < end).map(({ start }) => {
      const mark = h("span");
      mark.style.left = `${(start / end) * 100}%`;
      return mark;
    });
    this.marks.replaceChildren(...marks);
  }

  /** The picture of a time, if there are any, and what chapter it is in. */
  private showPreviews(url: string | undefined): void {
    const tile = h("div", { class: "tile", hidden: url === undefined });
    const time = h("span", { class: "preview-time" });
    const title = h("span", { class: "preview-title" });
    this.preview.append(tile, title, time);
    let board: Promise<Storyboard | undefined> | undefined;
    const show = async ({ clientX }: PointerEvent): Promise<void> => {
      if (url !== undefined) board ??= Storyboard.load(url);
      const found = await board;
      if ((!found && this.chapters.length === 0) || this.range.disabled || !this.range.matches(":hover")) return;
      const { left, width } = this.range.getBoundingClientRect();
      const at = Math.min(1, Math.max(0, (clientX - left) / width));
      const seconds = at * Number(this.range.max);
      found?.show(tile, found.at(seconds), PREVIEW);
      put(time, formatDuration(seconds * 1000));
      put(title, this.chapters[chapterAt(this.chapters, seconds)]?.title ?? "");
      this.preview.style.height = found ? `${PREVIEW * found.ratio}px` : "";
      this.preview.style.left = `${Math.min(Math.max(at * width, PREVIEW / 2), width - PREVIEW / 2)}px`;
      this.preview.hidden = false;
    };
    this.range.addEventListener("pointermove", (event) => void show(event));
    this.range.addEventListener("pointerleave", () => (this.preview.hidden = true));
  }

  private span(): { start: number; end: number } {
    const live = this.player.live();
    if (live) return { start: live.start, end: Math.max(live.start, live.edge) };
    return { start: 0, end: this.player.length };
  }

  private behind(): number {
    return this.player.live() ? Math.max(0, this.span().end - this.player.video.currentTime) : 0;
  }

  private describe(): void {
    const at = this.held ? this.range.valueAsNumber : this.player.video.currentTime;
    const { end } = this.span();
    if (this.player.isLive) {
      const behind = Math.max(0, end - at);
      const late = behind >= AT_EDGE && this.player.live() !== undefined;
      put(this.time, late ? `−${formatDuration(behind * 1000)}` : "");
      this.range.setAttribute("aria-valuetext", late ? `${formatDuration(behind * 1000)} behind live` : "live");
    } else {
      put(this.time, `${formatDuration(at * 1000)} / ${formatDuration(end * 1000)}`);
      const chapter = this.chapters[chapterAt(this.chapters, at)]?.title;
      this.range.setAttribute("aria-valuetext", [`${formatDuration(at * 1000)} of ${formatDuration(end * 1000)}`, chapter].filter(Boolean).join(", "));
    }
  }
}

function put(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** The end of the stretch that the playhead is in. */
function bufferedTo({ buffered, currentTime }: HTMLVideoElement): number {
  for (let i = 0; i < buffered.length; i += 1) {
    if (buffered.start(i) <= currentTime + 0.1 && currentTime <= buffered.end(i)) return buffered.end(i);
  }
  return currentTime;
}
