/** What tests and curious people can read of the player from outside: `reelway.state()`. */

export interface PlayerState {
  engine: "hls" | "dash" | "shaka" | "videojs" | "file" | null;
  /** ALPN name of the protocol of the newest media request: "h3", "h2", "http/1.1". */
  protocol: string | null;
  startupMs: number | null;
  /** Seconds buffered ahead of the playhead. */
  buffer: number;
  /** Seconds behind the source of a live stream. */
  latency: number | null;
  /** How often playing had to wait for more. */
  stalls: number;
  rendition: string | null;
  ended: boolean;
  error: string | null;
}

declare global {
  interface Window {
    reelway: { state(): PlayerState };
  }
}

const IDLE: PlayerState = {
  engine: null,
  protocol: null,
  startupMs: null,
  buffer: 0,
  latency: null,
  stalls: 0,
  rendition: null,
  ended: false,
  error: null,
};

let read: (() => PlayerState) | undefined;

window.reelway = { state: () => read?.() ?? { ...IDLE } };

export function exposeState(source: (() => PlayerState) | undefined): void {
  read = source;
}
