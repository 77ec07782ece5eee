import { MediaPlayer, type ErrorEvent, type MediaInfo, type QualityChangeRenderedEvent, type Representation } from "dashjs";
import { type Engine, type EngineOptions, type Failure, type Language, type Languages, NO_LANGUAGES, type Rendition } from "./engine.ts";

// dash.js tells errors apart by number only; its index.d.ts names them.

/** After these it goes on: optional parts, clock differences, clearing of old buffer, subtitles. */
const HARMLESS: ReadonlySet<number> = new Set([12, 16, 18, 21, 29, 33]);
const MANIFEST: ReadonlySet<number> = new Set([10, 11, 25, 31]);
const DOWNLOAD: ReadonlySet<number> = new Set([11, 15, 17, 25, 26, 27, 28]);
const NO_DECODER: ReadonlySet<number> = new Set([23, 32, 35]);

export function openDash({ video, url, startAt, live, host }: EngineOptions): Engine {
  const player = MediaPlayer().create();
  player.updateSettings({
    debug: { logLevel: 0 },
    streaming: {
      // Subtitles are shown when they are asked for, and the language of another video is not that of this one.
      text: { defaultEnabled: false },
      lastMediaSettingsCachingInfo: { enabled: false },
      // Late in a live stream, it plays faster until it is not.
      liveCatchup: { enabled: live },
    },
  });

  /** What there is to choose: pictures, or sound where there is no picture. */
  let kind: "video" | "audio" = "video";
  let renditions: Rendition[] = [];
  let shown: Rendition | undefined;
  /** dash.js leaves a listener on the element when it is destroyed; what the next engine sets off there must not reach it. */
  let alive = true;
  let ready = false;

  const languages = (type: "audio" | "text", current: () => number): Languages => {
    if (!ready) return NO_LANGUAGES;
    const index = current();
    return { list: player.getTracksFor(type).map(language), current: index < 0 ? undefined : String(index) };
  };

  player.on("streamInitialized", () => {
    if (!alive) return;
    kind = player.getRepresentationsByType("video").length > 0 ? "video" : "audio";
    renditions = player.getRepresentationsByType(kind).map(rendition);
    ready = true;
    host.changed();
  });
  for (const event of ["currentTrackChanged", "textTracksAdded", "textTrackAdded"]) {
    player.on(event, () => alive && host.changed());
  }
  player.on("qualityChangeRendered", (event: QualityChangeRenderedEvent) => {
    if (event.mediaType !== kind || !event.newRepresentation) return;
    shown = rendition(event.newRepresentation);
    host.changed();
  });
  player.on("error", (event: ErrorEvent) => {
    // The older events carry a word in place of the error.
    const { error } = event;
    if (typeof error === "string") host.failed(describe(0, error, undefined));
    else if (!HARMLESS.has(error.code)) host.failed(describe(error.code, error.message, error.data));
  });
  // Its own check for the end pauses the video just before the browser would say that it ended, and then it never does.
  player.on("playbackEnded", () => {
    if (alive && !video.ended) void video.play().catch(() => undefined);
  });
  player.on("playbackError", () => {
    const { error } = video;
    const note = error?.message || `code ${error?.code ?? "unknown"}`;
    host.failed({ title: "The video stopped", detail: "The browser could not decode a part of it.", note });
  });
  player.initialize(video, url, false, startAt);

  return {
    label: `dash.js ${player.getVersion()}`,
    renditions: () => renditions,
    current() {
      if (shown || renditions.length === 0) return shown;
      // Before the first switch nothing is announced: what is loading is also what is shown.
      const loading = player.getCurrentRepresentationForType(kind);
      return loading ? rendition(loading) : undefined;
    },
    select(id) {
      player.updateSettings({ streaming: { abr: { autoSwitchBitrate: { [kind]: id === undefined } } } });
      // Forced, or what is buffered already would play out in the old quality first.
      if (id !== undefined) player.setRepresentationForTypeById(kind, id, true);
    },
    sounds: () =>
      languages("audio", () => {
        const current = player.getCurrentTrackFor("audio");
        return player.getTracksFor("audio").findIndex(({ index }) => index === current?.index);
      }),
    selectSound(id) {
      const track = player.getTracksFor("audio")[Number(id)];
      if (track) player.setCurrentTrack(track);
    },
    subtitles: () => languages("text", () => (player.isTextEnabled() ? player.getCurrentTextTrackIndex() : -1)),
    selectSubtitles(id) {
      player.enableText(id !== undefined);
      player.setTextTrack(id === undefined ? -1 : Number(id));
      host.changed();
    },
    throughput() {
      const kilobits = ready ? player.getAverageThroughput(kind) : 0;
      return kilobits > 0 ? kilobits * 1000 : undefined;
    },
    live() {
      if (!ready || !player.isDynamic()) return undefined;
      const { start, end } = player.getDvrWindow();
      const latency = player.getCurrentLiveLatency();
      return { start, end, edge: Math.max(start, end - player.getTargetLiveDelay()), latency: Number.isFinite(latency) ? latency : undefined };
    },
    // Not by the element: dash.js would take what is behind for late, and hurry back.
    seek: (time) => (ready ? player.seekToPresentationTime(time) : undefined),
    goLive: () => (ready ? player.seekToOriginalLive() : undefined),
    destroy() {
      alive = false;
      player.destroy();
    },
  };
}

function rendition({ id, width, height, bandwidth, codecs }: Representation): Rendition {
  // dash.js gives the whole MIME type here in places.
  const codec = /codecs="([^"]+)"/.exec(codecs ?? "")?.[1] ?? codecs ?? "";
  return { id, width, height, bitrate: bandwidth, codec };
}

function language({ lang, labels }: MediaInfo, index: number): Language {
  return { id: String(index), language: lang ?? "", name: labels?.[0]?.text ?? "" };
}

function describe(code: number, message: string, data: unknown): Failure {
  const note = `dash.js: code ${code}, ${message}`;
  if (NO_DECODER.has(code)) {
    return { title: "No decoder for this video", detail: "This browser supports none of the codecs that the video comes in.", note };
  }
  const title = MANIFEST.has(code) ? "The video did not load" : "The video stopped";
  if (DOWNLOAD.has(code)) {
    const { request, url } = (data ?? {}) as { request?: { url?: string }; url?: string };
    return { title, detail: "A request to the server failed.", note, url: request?.url ?? url };
  }
  const detail = MANIFEST.has(code) ? "The manifest cannot be understood." : "The player met an error that it cannot get past.";
  return { title, detail, note };
}
