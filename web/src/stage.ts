import { Controls } from "./controls/controls.ts";
import { exposeState } from "./debug.ts";
import { announce, button, h } from "./dom.ts";
import { protocolName } from "./format.ts";
import { canPlay, type Failure, FORMATS, loadEngine, type Way, WAYS } from "./player/engine.ts";
import { Player, type Source } from "./player/player.ts";
import { Stats } from "./stats.ts";

const WAY_LABELS: Record<Way, string> = { hls: "HLS", dash: "DASH", shaka: "Shaka", videojs: "Video.js", file: "MP4" };
const WAY_TITLES: Record<Way, string> = { hls: "HLS by hls.js", dash: "DASH by dash.js", shaka: "DASH by Shaka Player", videojs: "HLS by Video.js", file: "The file, by the browser itself" };
const WAY_KEY = "reelway.way";

/** The player with its controls, the switch of how it plays, and what goes wrong. */
export class Stage {
  readonly root: HTMLElement;
  private readonly player: Player;
  private readonly controls: Controls;
  private readonly radios = new Map<Way, HTMLInputElement>();
  private readonly failure = h("div", { class: "notice problem-box", role: "alert", hidden: true });
  private readonly playButton = button("", () => this.player.start(), { class: "big-play", "aria-label": "Play", hidden: true });
  private readonly soundButton = button("Sound is off. Turn it on", () => this.player.unmute(), { class: "button sound", hidden: true });
  private readonly waiting = h("div", { class: "spinner", role: "img", "aria-label": "Loading", hidden: true });
  private readonly protocol = h("p", { class: "protocol" });
  private readonly stats = new Stats();
  private readonly ticker: number;
  private announced = "";
  private shownFailure: Failure | undefined;

  constructor(source: Source) {
    this.player = new Player(source, () => this.refresh());
    const { video } = this.player;
    video.setAttribute("aria-label", source.name);
    const frame = h("div", { class: "frame" }, video, this.waiting, this.playButton, this.soundButton, this.stats.root);
    this.controls = new Controls(this.player, frame, this.stats.root);
    frame.append(this.controls.root);
    const picture = source.tracks.find((track) => track.kind === "video");
    const height = picture || source.live ? undefined : "3.2";
    frame.style.setProperty("--ratio", height ?? (picture ? String(picture.width / picture.height) : "1.7778"));
    this.root = h("section", { class: "stage", "aria-label": "Player" }, frame, this.failure, h("div", { class: "below" }, this.switch(source), this.protocol));
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
    this.controls.destroy();
    this.player.destroy();
  }

  /** What the keys do, for the page to tell. */
  shortcuts(): HTMLElement {
    return h(
      "details",
      { class: "shortcuts" },
      h("summary", {}, "Keyboard"),
      h("dl", {}, ...this.controls.shortcuts.map(({ shown, does }) => h("div", {}, h("dt", {}, shown), h("dd", {}, does)))),
    );
  }

  private play(way: Way): void {
    const radio = this.radios.get(way);
    if (radio) radio.checked = true;
    this.controls.reset();
    void this.player.open(way);
  }

  private switch(source: Source): HTMLElement {
    const choices = WAYS.filter((way) => source[FORMATS[way]] !== undefined).map((way) => {
      const radio = h("input", { type: "radio", name: "way", value: way, disabled: !canPlay(way) });
      radio.addEventListener("change", () => {
        rememberWay(way);
        this.play(way);
      });
      this.radios.set(way, radio);
      return h("label", { title: canPlay(way) ? WAY_TITLES[way] : "This browser cannot play it this way" }, radio, h("span", {}, WAY_LABELS[way]));
    });
    return h("fieldset", { class: "switch" }, h("legend", { class: "field-label" }, "Play by"), ...choices);
  }

  private refresh(): void {
    const { player } = this;
    const { video } = player;
    this.controls.show();
    this.playButton.hidden = player.limit !== "stopped";
    this.soundButton.hidden = player.limit !== "silent";
    const loading = player.way !== undefined && !player.failure && player.limit !== "stopped";
    this.waiting.hidden = !loading || video.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA || video.ended || (video.paused && video.readyState > 0);
    this.showFailure();
    this.stats.show(player);
    const { protocol } = player.state();
    const text = protocol === null ? "" : `over ${protocolName(protocol)}`;
    if (this.protocol.textContent !== text) this.protocol.textContent = text;
    if (player.way && !video.paused && !player.failure) this.say(`Playing by ${WAY_LABELS[player.way]}`);
  }

  private say(text: string): void {
    if (text === this.announced) return;
    this.announced = text;
    announce(text);
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

/** Fetches the library that will play, before there is anything to play. */
export function prepareToPlay(): void {
  const remembered = rememberedWay();
  // What does not come is asked for again once it is needed, and told of then.
  loadEngine(WAYS.find((each) => each === remembered) ?? WAYS[0]).catch(() => undefined);
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
