/** What the browser did about sound or start without a click. */
export type AutoplayLimit = "silent" | "stopped";

/** Starts with sound, else without, as the browser's policy lets it; undefined: with what was asked for, or somebody ended it meanwhile. */
export async function autoplay(video: HTMLVideoElement, signal: AbortSignal): Promise<AutoplayLimit | undefined> {
  if (!(await refused(video)) || signal.aborted) return undefined;
  const audible = !video.muted;
  video.muted = true;
  if (!(await refused(video))) return audible ? "silent" : undefined;
  if (signal.aborted) return undefined;
  video.muted = !audible;
  return "stopped";
}

async function refused(video: HTMLVideoElement): Promise<boolean> {
  try {
    await video.play();
    return false;
  } catch (error) {
    // An abort is a new source or a pause, not the browser's policy.
    return error instanceof DOMException && error.name === "NotAllowedError";
  }
}
