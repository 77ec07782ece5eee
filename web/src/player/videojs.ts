import videojs from "video.js";
import { type Engine, type EngineOptions, type Failure, type Language, NO_LANGUAGES, type Rendition } from "./engine.ts";

/** What Video.js is asked here, of which its own types tell only a part. */
interface QualityLevel {
  id: string;
  width?: number;
  height?: number;
  bitrate: number;
  enabled: boolean;
}
interface Levels extends ArrayLike<QualityLevel> {
  selectedIndex: number;
  on(type: string, listener: () => void): void;
}
interface Streaming {
  systemBandwidth?: number;
}
type Player = ReturnType<typeof videojs> & { qualityLevels(): Levels };

export function openVideoJs({ video, url, startAt, live, host }: EngineOptions): Engine {
  const player = videojs(video, {
    // The page has controls of its own, and words for what goes wrong.
    controls: false,
    errorDisplay: false,
    bigPlayButton: false,
    loadingSpinner: false,
    textTrackSettings: false,
    preload: "auto",
    // The element is the page's, and stays when this ends.
    restoreEl: video,
    // Where it is to play parts it waits for ever before the first.
    html5: { vhs: { overrideNative: true, llhls: false }, nativeAudioTracks: false, nativeVideoTracks: false, nativeTextTracks: false },
  }) as Player;
  let alive = true;
  const changed = (): void => void (alive && host.changed());
  const levels = player.qualityLevels();
  for (const event of ["addqualitylevel", "removequalitylevel", "change"]) levels.on(event, changed);
  player.on("loadedmetadata", () => {
    if (startAt) player.currentTime(startAt);
    changed();
  });
  player.on("error", () => {
    const error = player.error();
    if (alive && error) host.failed(describe(error.code, error.message));
  });
  player.src({ src: url, type: "application/x-mpegURL" });
  // Of a live stream it fetches nothing before it is to play.
  if (live) void player.play()?.catch(() => undefined);

  const texts = (): TextTrack[] => Array.from(player.textTracks() as unknown as ArrayLike<TextTrack>).filter(({ kind }) => kind === "subtitles" || kind === "captions");
  const sounds = (): { enabled: boolean; label: string; language: string }[] => Array.from(player.audioTracks() as unknown as ArrayLike<{ enabled: boolean; label: string; language: string }>);

  return {
    label: `Video.js ${(videojs as unknown as { VERSION: string }).VERSION}`,
    renditions: () => Array.from(levels).map(rendition),
    current() {
      const level = levels[levels.selectedIndex];
      return level && rendition(level);
    },
    select(id) {
      for (const level of Array.from(levels)) level.enabled = id === undefined || level.id === id;
    },
    sounds() {
      const list = sounds();
      const current = list.findIndex(({ enabled }) => enabled);
      return list.length === 0 ? NO_LANGUAGES : { list: list.map(language), current: current < 0 ? undefined : String(current) };
    },
    selectSound(id) {
      const chosen = sounds()[Number(id)];
      if (chosen) chosen.enabled = true;
    },
    subtitles() {
      const list = texts();
      const current = list.findIndex(({ mode }) => mode === "showing");
      return { list: list.map(language), current: current < 0 ? undefined : String(current) };
    },
    selectSubtitles(id) {
      texts().forEach((track, index) => (track.mode = String(index) === id ? "showing" : "disabled"));
      host.changed();
    },
    throughput: () => (player.tech(true) as unknown as { vhs?: Streaming } | undefined)?.vhs?.systemBandwidth,
    live() {
      const range = live ? player.seekable() : undefined;
      if (!range || range.length === 0) return undefined;
      const end = range.end(range.length - 1);
      return { start: range.start(0), end, edge: end, latency: undefined };
    },
    seek: (time) => void player.currentTime(time),
    goLive() {
      const range = player.seekable();
      if (range.length > 0) player.currentTime(range.end(range.length - 1));
    },
    destroy() {
      alive = false;
      player.dispose();
    },
  };
}

function rendition({ id, width, height, bitrate }: QualityLevel): Rendition {
  return { id, width: width ?? 0, height: height ?? 0, bitrate, codec: "" };
}

function language({ language, label }: { language: string; label: string }, index: number): Language {
  return { id: String(index), language, name: label };
}

function describe(code: number, message: string): Failure {
  const note = `Video.js: code ${code}, ${message}`;
  if (code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED) return { title: "The video did not load", detail: "It did not come, or this browser supports none of its codecs.", note };
  if (code === MediaError.MEDIA_ERR_NETWORK) return { title: "The video stopped", detail: "A request to the server failed.", note };
  return { title: "The video stopped", detail: "The browser could not decode a part of it.", note };
}
