import type { Problem } from "../api.ts";

/** The ways to play one video. */
export const WAYS = ["hls", "dash", "file"] as const;
export type Way = (typeof WAYS)[number];

/** One quality of the picture; without width and height, of the sound alone. */
export interface Rendition {
  id: string;
  width: number;
  height: number;
  /** Bits per second, as the manifest says. */
  bitrate: number;
  codec: string;
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
  destroy(): void;
}

export interface EngineOptions {
  video: HTMLVideoElement;
  url: string;
  /** Seconds. */
  startAt: number;
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
  return (await import("./native.ts")).openNative;
}
