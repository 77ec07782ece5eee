/** What the tests find in a page: the app's own window on the player, and what our init script adds. */

interface Window {
  reelway: {
    state(): {
      engine: "hls" | "dash" | "shaka" | "videojs" | "file" | null;
      protocol: string | null;
      startupMs: number | null;
      buffer: number;
      latency: number | null;
      stalls: number;
      rendition: string | null;
      ended: boolean;
      error: string | null;
    };
  };
  /** A player library on its own, and what went wrong with it. */
  bare: { video: HTMLVideoElement; player: any; error: string };
  /** The segments of video that came, in a test that keeps them. */
  segments: { number: number; rung: string }[];
  /** What a viewer of a live stream has seen: milliseconds each frame was late, stalls, and at each wait how many seconds lay ahead. */
  seen: { latencies: number[]; stalls: number; waits: number[]; newest: number };
  /** Whether the player has been set up again. */
  afresh: boolean;
  /** An upload by the page: milliseconds by its clock, and segments that were there when it played. */
  sent: { chosen: number; playable: number; playing: number; there: number; of: number; done: number; longest: number };
  /** The longest that a page did not answer, in milliseconds. */
  longest: number;
  /** What was chosen for it. */
  film: File;
  /** Sends the chosen file by a client of others, see uploaders.mjs. */
  send(how: { client: string; endpoint: string; stop?: number; chunk?: number }): Promise<void>;
  /** How far it is, and how it is steered. */
  sending: {
    acknowledged: number;
    url: string;
    asset: string;
    paused: boolean;
    ended: boolean;
    error: string;
    pause(): unknown;
    resume(): unknown;
    abandon(): unknown;
  };
  /** What is published by WebRTC, and the URL of its session. */
  publishing: { peer: RTCPeerConnection; session: string };
  /** Every SourceBuffer that was made, oldest first. */
  sourceBuffers: { type: string; source: MediaSource; buffer: SourceBuffer }[];
}
