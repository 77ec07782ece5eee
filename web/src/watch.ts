import "./styles/watch.css";
import { ApiError, isBroken, listAssets, type Track, type Video } from "./api.ts";
import { exposeState } from "./debug.ts";
import { announce, button, h } from "./dom.ts";
import { codecName, formatBitrate, formatBytes, formatChannels, formatDuration, formatFrameRate, protocolName } from "./format.ts";
import { knownVideo } from "./library.ts";
import { canPlay, type Failure, type Way, WAYS } from "./player/engine.ts";
import { Player } from "./player/player.ts";
import { LIBRARY_HREF } from "./route.ts";
import type { View } from "./view.ts";

const WAY_LABELS: Record<Way, string> = { hls: "HLS", dash: "DASH", file: "MP4" };
const WAY_KEY = "reelway.way";

/** One video: the player, how it plays, and what is in the file. */
export class WatchView implements View {
  readonly title: string;
  readonly root = h("div", { class: "page watch" });
  private readonly leaving = new AbortController();
  private stage: Stage | undefined;

  constructor(private readonly id: string) {
    this.title = `${id.slice(id.lastIndexOf("/") + 1)} · Reelway`;
    const video = knownVideo(id);
    if (video) this.showVideo(video);
    else void this.find();
  }

  destroy(): void {
    this.leaving.abort();
    this.stage?.destroy();
  }

  private async find(): Promise<void> {
    const { signal } = this.leaving;
    this.showNotice("Loading…", "");
    try {
      const asset = (await listAssets(signal)).find(({ id }) => id === this.id);
      if (!asset) this.showNotice("No such video", `There is no “${this.id}” on this server. It may have been moved or renamed.`);
      else if (isBroken(asset)) this.showNotice("This file cannot be played", asset.problem, { file: asset.file });
      else this.showVideo(asset);
    } catch (error) {
      if (signal.aborted) return;
      const { title, detail } = error instanceof ApiError ? error : { title: "The video did not load", detail: String(error) };
      this.showNotice(title, detail, { retry: () => void this.find() });
    }
  }

  private showNotice(title: string, detail: string, { file, retry }: { file?: string | undefined; retry?: () => void } = {}): void {
    this.root.replaceChildren(
      backLink(),
      h("section", { class: "notice", role: "status" }, h("h1", {}, title), h("p", {}, detail), file !== undefined && h("p", {}, h("a", { href: file }, "Open the file as it is")), retry && button("Try again", retry)),
    );
  }

  private showVideo(video: Video): void {
    this.stage = new Stage(video);
    this.root.replaceChildren(backLink(), h("h1", { class: "watch-title" }, video.name), this.stage.root, details(video));
    this.stage.open();
  }
}

function backLink(): HTMLElement {
  return h("nav", { "aria-label": "Back" }, h("a", { class: "back", href: LIBRARY_HREF }, h("span", { "aria-hidden": "true" }, "←"), " All videos"));
}

/** The player with its switches and its stats. */
class Stage {
  readonly root: HTMLElement;
  private readonly player: Player;
  private readonly quality = h("select", { id: "quality" });
  private readonly qualityField = h("div", { class: "field", hidden: true }, h("label", { class: "field-label", for: "quality" }, "Quality"), this.quality);
  private readonly radios = new Map<Way, HTMLInputElement>();
  private readonly failure = h("div", { class: "notice problem-box", role: "alert", hidden: true });
  private readonly playButton = button("", () => this.player.start(), { class: "big-play", "aria-label": "Play", hidden: true });
  private readonly soundButton = button("Sound is off. Turn it on", () => this.player.unmute(), { class: "button sound", hidden: true });
  private readonly stats = new Stats();
  private readonly ticker: number;
  private listed = "";
  private announced = "";
  private shownFailure: Failure | undefined;

  constructor(video: Video) {
    this.player = new Player(video, () => this.refresh());
    this.player.video.setAttribute("aria-label", video.name);
    const frame = h("div", { class: "frame" }, this.player.video, this.playButton, this.soundButton);
    const picture = video.tracks.find((track) => track.kind === "video");
    frame.style.setProperty("--ratio", picture ? String(picture.width / picture.height) : "4");
    this.quality.addEventListener("change", () => this.player.select(this.quality.value || undefined));
    this.root = h(
      "section",
      { class: "stage", "aria-label": "Player" },
      frame,
      this.failure,
      h("div", { class: "controls" }, this.switch(video), this.qualityField),
      this.stats.root,
    );
    // Buffer and frame counts move without events.
    this.ticker = window.setInterval(() => this.refresh(), 500);
    exposeState(() => this.player.state());
  }

  open(): void {
    const ways = this.player.ways();
    const remembered = rememberedWay();
    const way = ways.find((each) => each === remembered) ?? ways[0];
    if (way) this.play(way);
  }

  destroy(): void {
    clearInterval(this.ticker);
    exposeState(undefined);
    this.player.destroy();
  }

  private play(way: Way): void {
    const radio = this.radios.get(way);
    if (radio) radio.checked = true;
    void this.player.open(way);
  }

  private switch(video: Video): HTMLElement {
    const choices = WAYS.filter((way) => video[way] !== undefined).map((way) => {
      const radio = h("input", { type: "radio", name: "way", value: way, disabled: !canPlay(way) });
      radio.addEventListener("change", () => {
        rememberWay(way);
        this.play(way);
      });
      this.radios.set(way, radio);
      return h("label", { title: canPlay(way) ? undefined : "This browser cannot play it this way" }, radio, h("span", {}, WAY_LABELS[way]));
    });
    return h("fieldset", { class: "switch" }, h("legend", { class: "field-label" }, "Play by"), ...choices);
  }

  private refresh(): void {
    const { player } = this;
    this.listQualities();
    this.playButton.hidden = player.limit !== "stopped";
    this.soundButton.hidden = player.limit !== "silent";
    this.showFailure();
    this.stats.show(player);
    if (player.way && !player.video.paused && !player.failure) this.say(`Playing by ${WAY_LABELS[player.way]}`);
  }

  private say(text: string): void {
    if (text === this.announced) return;
    this.announced = text;
    announce(text);
  }

  private listQualities(): void {
    // Rebuilding the menu would close it under the hand of whoever has it open.
    const renditions = [...this.player.renditions()].sort((a, b) => b.height - a.height || b.bitrate - a.bitrate);
    const key = [this.player.way, ...renditions.map(({ id }) => id)].join();
    if (key === this.listed) return;
    this.listed = key;
    this.qualityField.hidden = renditions.length < 2;
    this.quality.replaceChildren(
      h("option", { value: "" }, "Automatic"),
      ...renditions.map(({ id, width, height, bitrate }) => h("option", { value: id }, `${width > 0 ? `${width}×${height}` : "Audio only"} · ${formatBitrate(bitrate)}`)),
    );
  }

  private showFailure(): void {
    const { failure } = this.player;
    this.failure.hidden = failure === undefined;
    // An alert that is written again is read out again.
    if (failure === this.shownFailure) return;
    this.shownFailure = failure;
    if (!failure) return;
    this.failure.replaceChildren(
      h("h2", {}, failure.title),
      h("p", {}, failure.detail),
      ...(failure.note ? [h("p", { class: "note" }, failure.note)] : []),
      button("Try again", () => this.player.retry()),
    );
  }
}

/** The line under the player. */
class Stats {
  readonly root = h("dl", { class: "stats", "aria-label": "Playback statistics" });
  private readonly protocol = this.add("Protocol", "What the newest media request came over, as the browser measured it");
  private readonly engine = this.add("Player", "The library that feeds the video element");
  private readonly rendition = this.add("Rendition", "The quality on the screen: name, size, bit rate, codec");
  private readonly buffer = this.add("Buffer", "Seconds that can play on without another byte");
  private readonly startup = this.add(
    "Startup",
    "From opening this video this way until it plays, with the loading of the player itself. Where the browser waits for a click: until it could play",
  );
  private readonly dropped = this.add("Dropped frames", "Frames that came too late to be shown, of all frames so far");

  show(player: Player): void {
    const { protocol, buffer, startupMs } = player.state();
    const frames = player.video.getVideoPlaybackQuality();
    put(this.protocol, protocol === null ? undefined : protocolText(protocol));
    put(this.engine, player.engineLabel);
    put(this.rendition, player.renditionText());
    put(this.buffer, `${buffer.toFixed(1)} s`);
    put(this.startup, startupMs === null ? undefined : `${startupMs} ms`);
    put(this.dropped, frames.totalVideoFrames > 0 ? `${frames.droppedVideoFrames} of ${frames.totalVideoFrames}` : undefined);
  }

  private add(name: string, meaning: string): HTMLElement {
    const value = h("dd", {}, "–");
    this.root.append(h("div", { title: meaning }, h("dt", {}, name), value));
    return value;
  }
}

function put(element: HTMLElement, text = "–"): void {
  if (element.textContent !== text) element.textContent = text;
}

/** "HTTP/3 (h3)": the name people know and the one that logs and tools show. */
function protocolText(alpn: string): string {
  const name = protocolName(alpn);
  return name.toLowerCase() === alpn ? name : `${name} (${alpn})`;
}

function details(video: Video): HTMLElement {
  const link = (label: string, href: string | undefined): HTMLElement | undefined =>
    href === undefined ? undefined : h("li", {}, h("a", { href }, label));
  const modified = new Date(video.modified);
  return h(
    "section",
    { class: "details", "aria-labelledby": "details" },
    h("h2", { id: "details" }, "In this file"),
    h(
      "p",
      { class: "facts" },
      ...[formatDuration(video.durationMs), formatBytes(video.size), Number.isNaN(modified.getTime()) ? "" : modified.toLocaleString()]
        .filter(Boolean)
        .map((fact) => h("span", {}, fact)),
    ),
    h("ul", { class: "tracks" }, ...video.tracks.map(trackLine)),
    h("h2", {}, "Use it elsewhere"),
    h("ul", { class: "links" }, link("HLS playlist", video.hls), link("DASH manifest", video.dash), link("The file as it is", video.file)),
  );
}

function trackLine(track: Track): HTMLElement {
  const facts = [track.language === "und" ? undefined : track.language, track.bitrate ? formatBitrate(track.bitrate) : undefined];
  if (track.kind === "video") {
    facts.unshift(`${track.width}×${track.height}`, track.frameRate && `${formatFrameRate(track.frameRate)} frames/s`);
  } else if (track.kind === "audio") {
    facts.unshift(formatChannels(track.channels), `${track.sampleRate / 1000} kHz`);
  }
  return h(
    "li",
    {},
    h("span", { class: "track-id" }, track.id),
    h("span", { class: "chip", title: track.codec }, codecName(track.codec)),
    h("span", { class: "facts" }, ...facts.filter((fact) => fact !== undefined && fact !== "").map((fact) => h("span", {}, fact))),
  );
}

/** Private windows and strict settings may refuse storage; then the choice lasts as long as the page. */
function rememberedWay(): string | null {
  try {
    return localStorage.getItem(WAY_KEY);
  } catch {
    return null;
  }
}

function rememberWay(way: Way): void {
  try {
    localStorage.setItem(WAY_KEY, way);
  } catch {
    // See rememberedWay.
  }
}
