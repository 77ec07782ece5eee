import shaka from "shaka-player";
import { type Engine, type EngineOptions, type Failure, type Language, NO_LANGUAGES, type Rendition } from "./engine.ts";

// Shaka Player tells errors apart by number only: the thousands are the category.

const DOWNLOAD = 1;
const MANIFEST = 4;
const NO_DECODER: ReadonlySet<number> = new Set([4012, 4032]);

export function openShaka({ video, url, startAt, live, host }: EngineOptions): Engine {
  shaka.polyfill.installAll();
  const player = new shaka.Player();
  let ready = false;
  let alive = true;
  player.configure({ streaming: { lowLatencyMode: live }, abr: { enabled: true } });
  player.addEventListener("error", (event) => fail((event as unknown as { detail: shaka.util.Error }).detail));
  for (const event of ["adaptation", "variantchanged", "trackschanged", "textchanged", "audiotrackchanged"]) {
    player.addEventListener(event, () => alive && host.changed());
  }
  const fail = (error: shaka.util.Error): void => {
    if (alive && error.severity === 2) host.failed(describe(error));
  };
  const open = async (): Promise<void> => {
    try {
      await player.attach(video);
      await player.load(url, startAt ?? null);
      ready = true;
      if (alive) host.changed();
    } catch (error) {
      fail(error as shaka.util.Error);
    }
  };
  void open();

  /** One for each picture: each comes with every sound. */
  const variants = (): shaka.extern.Track[] => {
    const all = ready ? player.getVariantTracks() : [];
    const current = all.find(({ active }) => active);
    const alike = all.filter(({ audioId }) => audioId === current?.audioId);
    return alike.length > 0 ? alike : all;
  };

  return {
    label: `Shaka Player ${shaka.Player.version}`,
    renditions: () => variants().map(rendition),
    current() {
      const active = variants().find(({ active }) => active);
      return active && rendition(active);
    },
    select(id) {
      player.configure("abr.enabled", id === undefined);
      const chosen = variants().find((variant) => rendition(variant).id === id);
      if (chosen) player.selectVariantTrack(chosen, true);
    },
    sounds() {
      if (!ready) return NO_LANGUAGES;
      const tracks = player.getAudioTracks();
      const current = tracks.findIndex(({ active }) => active);
      return { list: tracks.map(language), current: current < 0 ? undefined : String(current) };
    },
    selectSound(id) {
      const track = player.getAudioTracks()[Number(id)];
      if (track) player.selectAudioTrack(track);
    },
    subtitles() {
      if (!ready) return NO_LANGUAGES;
      const tracks = player.getTextTracks();
      const current = tracks.findIndex(({ active }) => active);
      return { list: tracks.map(language), current: current < 0 ? undefined : String(current) };
    },
    selectSubtitles(id) {
      player.selectTextTrack(id === undefined ? null : (player.getTextTracks()[Number(id)] ?? null));
      host.changed();
    },
    throughput: () => (ready ? player.getStats().estimatedBandwidth || undefined : undefined),
    live() {
      if (!ready || !player.isLive()) return undefined;
      const { start, end } = player.seekRange();
      const latency = player.getStats().liveLatency;
      return { start, end, edge: end, latency: Number.isFinite(latency) && latency > 0 ? latency : undefined };
    },
    seek: (time) => void (video.currentTime = time),
    goLive: () => (ready ? player.goToLive() : undefined),
    destroy() {
      alive = false;
      void player.destroy();
    },
  };
}

function rendition({ id, videoId, width, height, bandwidth, videoBandwidth, videoCodec, audioCodec }: shaka.extern.Track): Rendition {
  return { id: String(videoId ?? id), width: width ?? 0, height: height ?? 0, bitrate: videoBandwidth ?? bandwidth, codec: videoCodec ?? audioCodec ?? "" };
}

function language({ language, label }: { language: string; label: string | null }, index: number): Language {
  return { id: String(index), language: language === "und" ? "" : language, name: label ?? "" };
}

function describe({ code, message, data }: shaka.util.Error): Failure {
  const note = `Shaka Player: code ${code}, ${message}`;
  const category = Math.floor(code / 1000);
  if (NO_DECODER.has(code)) {
    return { title: "No decoder for this video", detail: "This browser supports none of the codecs that the video comes in.", note };
  }
  const title = category === MANIFEST ? "The video did not load" : "The video stopped";
  if (category === DOWNLOAD) return { title, detail: "A request to the server failed.", note, url: typeof data[0] === "string" ? data[0] : undefined };
  return { title, detail: category === MANIFEST ? "The manifest cannot be understood." : "The player met an error that it cannot get past.", note };
}
