import { type Engine, type EngineOptions, NO_LANGUAGES } from "./engine.ts";

const WORDS: Record<number, string> = {
  [MediaError.MEDIA_ERR_NETWORK]: "The connection broke while the video was loading.",
  [MediaError.MEDIA_ERR_DECODE]: "The browser could not decode the video.",
  [MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED]: "The browser cannot play this file: its codec or container is not supported here, or it did not load.",
};

/** The browser's own player: the plain file, and HLS where there is no Media Source Extensions. */
export function openNative({ video, url, startAt, live, host }: EngineOptions): Engine {
  const ending = new AbortController();
  const { signal } = ending;
  video.addEventListener(
    "loadedmetadata",
    () => {
      if (startAt) video.currentTime = startAt;
      host.changed();
      // A media request is measured when it ends, which for a long file is hours away. One byte
      // asked for beside it takes the same connection and tells the protocol now. Of a live stream the head alone: it has no end.
      fetch(url, live ? { method: "HEAD", signal } : { headers: { range: "bytes=0-0" }, signal }).catch(() => undefined);
    },
    { once: true, signal },
  );
  video.addEventListener(
    "error",
    () => {
      const { error } = video;
      host.failed({
        title: video.readyState === 0 ? "The video did not load" : "The video stopped",
        detail: WORDS[error?.code ?? 0] ?? "The browser gave no reason.",
        note: error?.message ?? "",
        url,
      });
    },
    { signal },
  );
  video.src = url;

  return {
    label: "Browser",
    renditions: () => [],
    current: () => undefined,
    select() {},
    sounds: () => NO_LANGUAGES,
    selectSound() {},
    subtitles: () => NO_LANGUAGES,
    selectSubtitles() {},
    throughput: () => undefined,
    live: () => undefined,
    seek: (time) => void (video.currentTime = time),
    goLive() {
      // What has been played is all there is to go to; the newest is the end of what has come.
      const { buffered } = video;
      if (buffered.length > 0) video.currentTime = Math.max(0, buffered.end(buffered.length - 1) - 0.5);
    },
    destroy() {
      ending.abort();
      video.removeAttribute("src");
      video.load();
    },
  };
}
