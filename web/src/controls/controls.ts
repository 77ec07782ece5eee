import "../styles/controls.css";
import { chapterAt, loadChapters } from "../chapters.ts";
import { h } from "../dom.ts";
import { codecName, formatBitrate, languageName } from "../format.ts";
import type { Languages, Rendition } from "../player/engine.ts";
import type { Player } from "../player/player.ts";
import { type Icon, icon } from "./icons.ts";
import { listen, type Shortcut } from "./keys.ts";
import { type Choice, Menu } from "./menu.ts";
import { Scrubber } from "./scrubber.ts";

const RATES = [0.5, 0.75, 1, 1.25, 1.5, 2];
/** Milliseconds without a movement until the controls of a playing video go. */
const LINGER = 2500;
const OFF: Choice = { id: "", label: "Off" };

/** The controls over the picture, and the keyboard. */
export class Controls {
  readonly root: HTMLElement;
  readonly shortcuts: readonly Shortcut[];
  private readonly ending = new AbortController();
  private readonly scrubber: Scrubber;
  private readonly playButton = control("Play", "play", () => this.toggle());
  private readonly startOver = control("From the beginning", "replay", () => this.player.startOver());
  private readonly muteButton = control("Mute", "loud", () => this.mute());
  private readonly volume = h("input", { type: "range", class: "volume", min: 0, max: 1, step: 0.05, "aria-label": "Volume" });
  private readonly insetButton = control("Picture in picture", "inset", () => void this.inset());
  private readonly wholeButton = control("Full screen", "fullscreen", () => void this.whole());
  private readonly statsButton: HTMLButtonElement;
  private readonly subtitles = new Menu("Subtitles", "subtitles", (id) => this.player.selectSubtitles(id || undefined));
  private readonly sounds = new Menu("Sound", "sound", (id) => this.player.selectSound(id));
  private readonly chapters = new Menu("Chapters", "chapters", (id) => this.scrubber.toChapter(Number(id)));
  private readonly qualities: Menu;
  private readonly rates = new Menu("Speed", undefined, (id) => this.player.setRate(Number(id)));
  private quality = "";
  private lastSubtitles: string | undefined;
  private hiding: number | undefined;

  /** `frame` holds the picture and these controls. */
  constructor(
    private readonly player: Player,
    private readonly frame: HTMLElement,
    private readonly stats: HTMLElement,
  ) {
    this.scrubber = new Scrubber(player);
    this.qualities = new Menu("Quality", undefined, (id) => {
      this.quality = id;
      player.select(id || undefined);
      this.show();
    });
    this.statsButton = control("Statistics", "stats", () => this.toggleStats());
    this.statsButton.setAttribute("aria-pressed", "false");
    this.insetButton.classList.add("inset");
    this.insetButton.hidden = !document.pictureInPictureEnabled || !player.hasPicture;
    this.wholeButton.hidden = !document.fullscreenEnabled;
    this.volume.addEventListener("input", () => this.setVolume(this.volume.valueAsNumber));
    this.root = h(
      "div",
      { class: "bar", role: "group", "aria-label": "Controls" },
      this.scrubber.range,
      this.scrubber.marks,
      this.scrubber.preview,
      h("div", { class: "bar-row" }, this.playButton, this.startOver, this.muteButton, this.volume, this.scrubber.toLive, this.scrubber.time, h("span", { class: "spring" }), this.chapters.root, this.subtitles.root, this.sounds.root, this.qualities.root, this.rates.root, this.statsButton, this.insetButton, this.wholeButton),
    );
    this.shortcuts = this.makeShortcuts();
    listen(this.shortcuts, this.ending.signal);
    this.linger();
    if (player.chapters !== undefined) void this.showChapters(player.chapters);
    player.video.addEventListener("click", () => this.toggle());
    player.video.addEventListener("dblclick", () => void this.whole());
  }

  destroy(): void {
    this.ending.abort();
    clearTimeout(this.hiding);
  }

  /** Another way of playing begins with what it thinks best. */
  reset(): void {
    this.quality = "";
  }

  show(): void {
    const { video } = this.player;
    face(this.playButton, video.ended ? "Play again" : video.paused ? "Play" : "Pause", video.ended ? "replay" : video.paused ? "play" : "pause");
    const silent = video.muted || video.volume === 0;
    face(this.muteButton, silent ? "Turn the sound on" : "Mute", silent ? "silent" : "loud");
    const volume = video.muted ? 0 : video.volume;
    if (this.volume.valueAsNumber !== volume) this.volume.value = String(volume);
    this.volume.style.setProperty("--played", `${volume * 100}%`);
    this.startOver.hidden = this.player.live() === undefined;
    this.scrubber.show();
    this.showMenus();
  }

  private async showChapters(url: string): Promise<void> {
    this.scrubber.chapters = await loadChapters(url);
    if (!this.ending.signal.aborted) this.show();
  }

  private showMenus(): void {
    const { chapters } = this.scrubber;
    const chapter = chapterAt(chapters, this.player.video.currentTime);
    this.chapters.show(chapters.map(({ title }, index) => ({ id: String(index), label: title })), String(chapter));
    const texts = this.player.subtitles();
    this.subtitles.show(texts.list.length > 0 ? [OFF, ...languageChoices(texts)] : [], texts.current ?? "");
    const sounds = this.player.sounds();
    this.sounds.show(languageChoices(sounds), sounds.current ?? "");
    const renditions = [...this.player.renditions()].sort((a, b) => b.height - a.height || b.bitrate - a.bitrate);
    const mixed = new Set(renditions.map(({ codec }) => codecName(codec))).size > 1;
    this.qualities.show(renditions.length > 1 ? [{ id: "", label: "Auto" }, ...renditions.map((each) => qualityChoice(each, mixed))] : [], this.quality);
    const rate = String(this.player.video.playbackRate);
    // A live stream has only one speed, and players change it by a little to stay near.
    this.rates.show(this.player.isLive ? [] : RATES.map((each) => ({ id: String(each), label: `${each}×` })), rate);
  }

  private makeShortcuts(): Shortcut[] {
    const { scrubber } = this;
    const digits = Array.from({ length: 10 }, (_, digit) => String(digit));
    return [
      { keys: [" ", "k"], shown: "Space or K", does: "play and pause", run: () => this.toggle() },
      { keys: ["ArrowLeft", "ArrowRight"], shown: "← →", does: "5 seconds back and on", run: (key) => scrubber.step(key === "ArrowLeft" ? -5 : 5) },
      { keys: ["j", "l"], shown: "J L", does: "10 seconds back and on", run: (key) => scrubber.step(key === "j" ? -10 : 10) },
      { keys: digits, shown: "0 … 9", does: "to a tenth of the video", run: (key) => scrubber.jump(Number(key) / 10) },
      { keys: ["ArrowUp", "ArrowDown"], shown: "↑ ↓", does: "louder and quieter", run: (key) => this.setVolume(this.player.video.volume + (key === "ArrowUp" ? 0.1 : -0.1)) },
      { keys: ["m"], shown: "M", does: "sound off and on", run: () => this.mute() },
      { keys: ["c"], shown: "C", does: "subtitles on and off", run: () => this.toggleSubtitles() },
      ...(this.player.chapters === undefined ? [] : [{ keys: ["b", "n"], shown: "B N", does: "a chapter back and on", run: (key: string) => scrubber.stepChapter(key === "b" ? -1 : 1) }]),
      ...(this.player.isLive ? [] : [{ keys: ["<", ">"], shown: "< >", does: "slower and faster", run: (key: string) => this.changeRate(key === "<" ? -1 : 1) }]),
      { keys: ["f"], shown: "F", does: "full screen", run: () => void this.whole() },
      { keys: ["p"], shown: "P", does: "picture in picture", run: () => void this.inset() },
      { keys: ["i"], shown: "I", does: "statistics", run: () => this.toggleStats() },
    ];
  }

  private toggle(): void {
    if (this.player.video.paused) this.player.start();
    else this.player.video.pause();
    this.wake();
  }

  private mute(): void {
    const { video } = this.player;
    if (video.volume === 0) this.setVolume(0.5);
    else video.muted = !video.muted;
  }

  private setVolume(volume: number): void {
    const { video } = this.player;
    video.volume = Math.min(1, Math.max(0, volume));
    video.muted = false;
    this.wake();
  }

  private toggleSubtitles(): void {
    const { list, current } = this.player.subtitles();
    if (current !== undefined) this.lastSubtitles = current;
    this.player.selectSubtitles(current === undefined ? (this.lastSubtitles ?? list[0]?.id) : undefined);
  }

  private changeRate(step: number): void {
    const at = RATES.indexOf(this.player.video.playbackRate);
    this.player.setRate(RATES[Math.min(Math.max(at + step, 0), RATES.length - 1)] ?? 1);
  }

  private toggleStats(): void {
    this.stats.hidden = !this.stats.hidden;
    this.statsButton.setAttribute("aria-pressed", String(!this.stats.hidden));
  }

  /** Browsers refuse it without a picture, and there is no harm in that. */
  private async inset(): Promise<void> {
    const { video } = this.player;
    await (document.pictureInPictureElement === video ? document.exitPictureInPicture() : video.requestPictureInPicture()).catch(() => undefined);
  }

  private async whole(): Promise<void> {
    await (document.fullscreenElement ? document.exitFullscreen() : this.frame.requestFullscreen()).catch(() => undefined);
  }

  /** The controls of a playing video go when nothing moves, and come when something does. */
  private linger(): void {
    const { signal } = this.ending;
    for (const type of ["pointermove", "pointerdown", "focusin", "keydown"]) this.frame.addEventListener(type, () => this.wake(), { signal });
    this.frame.addEventListener("pointerleave", () => this.wake(300), { signal });
  }

  private wake(linger = LINGER): void {
    this.frame.classList.remove("idle");
    clearTimeout(this.hiding);
    this.hiding = window.setTimeout(() => {
      const busy = this.player.video.paused || this.root.querySelector(":focus-visible, [aria-expanded=true]") !== null;
      if (!busy) this.frame.classList.add("idle");
    }, linger);
  }
}

function control(label: string, sign: Icon, run: () => void): HTMLButtonElement {
  const button = h("button", { type: "button", class: "control" });
  button.addEventListener("click", run);
  face(button, label, sign);
  return button;
}

function face(button: HTMLButtonElement, label: string, sign: Icon): void {
  if (button.title === label) return;
  button.title = label;
  button.setAttribute("aria-label", label);
  button.replaceChildren(icon(sign));
}

function languageChoices({ list }: Languages): Choice[] {
  const labels = list.map(({ language, name }, index) => languageName(language) || name || `Track ${index + 1}`);
  return list.map(({ id, name }, index) => {
    const label = labels[index] ?? "";
    // Two of a language are told apart by what the manifest calls them.
    const twice = labels.filter((each) => each === label).length > 1;
    return { id, label: twice ? `${label} (${name || index + 1})` : label };
  });
}

function qualityChoice({ id, width, height, bitrate, codec }: Rendition, withCodec: boolean): Choice {
  return { id, label: [width > 0 ? `${height}p` : "Sound", formatBitrate(bitrate), ...(withCodec ? [codecName(codec)] : [])].join(" · ") };
}
