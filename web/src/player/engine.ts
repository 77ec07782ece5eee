import type { Problem } from "../api.ts";

/** The ways to play one video: HLS by hls.js, DASH by dash.js, either by another library, or the file by the browser itself. */
export const WAYS = ["hls", "dash", "shaka", "videojs", "file"] as const;
export type Way = (typeof WAYS)[number];

/** What a way plays. */
export const FORMATS = { hls: "hls", dash: "dash", shaka: "dash", videojs: "hls", file: "file" } as const satisfies Record<Way, string>;
export type Format = (typeof FORMATS)[Way];

/** One quality of the picture; without width and height, of the sound alone. */
export interface Rendition {
  id: string;
  width: number;
  height: number;
  /** Bits per second, as the manifest says. */
  bitrate: number;
  codec: string;
}

/** A language of the sound or of the subtitles. */
export interface Language {
  id: string;
  /** BCP 47, empty where the manifest says nothing. */
  language: string;
  /** What the manifest calls it. */
  name: string;
}

/** What there is to choose from, and what is chosen. */
export interface Languages {
  list: readonly Language[];
  current: string | undefined;
}

export const NO_LANGUAGES: Languages = { list: [], current: undefined };

/** Where in a live stream one can go, in seconds of the video element. */
export interface LiveWindow {
  start: number;
  /** The newest moment; what plays is a little before it. */
  end: number;
  /** Where the engine plays when it is said to be live. */
  edge: number;
  /** Seconds from the moment on the screen to now, by the clock of the source; unknown until the manifest tells of it. */
  latency: number | undefined;
}

/** Why playing ended, with what a bug report would want to quote. */
export interface Failure extends Problem {
  note: string;
  /** What failed to load, if that was the reason. */
  url?: string | undefined;
}

/** What an engine tells its player. */
export interface EngineHost {
  /** The engine cannot go on. */
  failed(failure: Failure): void;
  /** The renditions, or the one on the screen, have changed. */
  changed(): void;
}

/** A player library at work on one video element. Made open, ends with `destroy`. */
export interface Engine {
  /** Name and version, for the stats. */
  readonly label: string;
  /** The renditions to choose from; empty until the manifest is read. */
  renditions(): readonly Rendition[];
  /** The rendition on the screen. */
  current(): Rendition | undefined;
  /** Stays with one rendition; undefined adapts to the network again. */
  select(id: string | undefined): void;
  sounds(): Languages;
  selectSound(id: string): void;
  subtitles(): Languages;
  /** Undefined shows none. */
  selectSubtitles(id: string | undefined): void;
  /** What the network was found to carry, in bit/s. */
  throughput(): number | undefined;
  /** Undefined for what has an end. */
  live(): LiveWindow | undefined;
  /** Goes to a time of the video element, in seconds. */
  seek(time: number): void;
  /** Goes to the newest moment of a live stream. */
  goLive(): void;
  destroy(): void;
}

export interface EngineOptions {
  video: HTMLVideoElement;
  url: string;
  /** Seconds; of a live stream undefined, which is its newest. */
  startAt: number | undefined;
  live: boolean;
  host: EngineHost;
}

export type OpenEngine = (options: EngineOptions) => Engine;

const hasMediaSource = "MediaSource" in window || "ManagedMediaSource" in window;

/** Whether this browser can play that way at all. */
export function canPlay(way: Way): boolean {
  if (way === "file" || hasMediaSource) return true;
  return way === "hls" && document.createElement("video").canPlayType("application/vnd.apple.mpegurl") !== "";
}

/** Fetches the library for a way; each is a chunk of its own, loaded when first wanted. */
export async function loadEngine(way: Way): Promise<OpenEngine> {
  if (way === "hls" && hasMediaSource) return (await import("./hls.ts")).openHls;
  if (way === "dash") return (await import("./dash.ts")).openDash;
  if (way === "shaka") return (await import("./shaka.ts")).openShaka;
  if (way === "videojs") {
    // Its own look would need styles that the policy of the page does not let in, and the page has another.
    Object.assign(window, { VIDEOJS_NO_DYNAMIC_STYLE: true });
    return (await import("./videojs.ts")).openVideoJs;
  }
  return (await import("./native.ts")).openNative;
}
