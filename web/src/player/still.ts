import type { LiveWindow } from "./engine.ts";

/** How far a live stream may go on, in seconds, while its picture stands still. Every engine has its own ways out of a hole by then. */
const PATIENCE = 10;

/** Calls `stands` once if a stream goes on while its viewer, who wants to see it, sees none of that. */
export function watchStill(video: HTMLVideoElement, live: () => LiveWindow | undefined, signal: AbortSignal, stands: () => void): void {
  // No time is NaN, so that it counts from the first look that there is a window.
  let moved = { time: NaN, end: 0 };
  const look = (): void => {
    const window = live();
    if (!window || video.paused || video.currentTime !== moved.time) {
      moved = window ? { time: video.currentTime, end: window.end } : { time: NaN, end: 0 };
    } else if (window.end > moved.end + PATIENCE) {
      clearInterval(timer);
      stands();
    }
  };
  const timer = setInterval(look, 1000);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
}
