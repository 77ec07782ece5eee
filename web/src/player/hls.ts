import Hls, { type ErrorData, ErrorDetails, ErrorTypes, Events, type Level } from "hls.js";
import { ServerClock } from "./clock.ts";
import type { Engine, EngineOptions, Failure, Language, LiveWindow, Rendition } from "./engine.ts";

/** How much faster it may play to come back to the newest moment; by ear it is hardly noticed. */
const CATCH_UP = 1.05;

export function openHls({ video, url, startAt, live, host }: EngineOptions): Engine {
  const hls = new Hls({
    startPosition: startAt ? startAt : -1,
    // Live, the newest parts are played as they come, and lateness is made good by playing a little faster.
    lowLatencyMode: live,
    maxLiveSyncPlaybackRate: live ? CATCH_UP : 1,
    // Fetch the first segment while the media source is still opening.
    startFragPrefetch: true,
    // fMP4 goes to the decoder as it is; a worker (from a blob: URL) would have nothing to do.
    enableWorker: false,
    // hls.js keeps all that was played unless told; long videos then fill the browser's quota.
    backBufferLength: 60,
  });

  const clock = live ? new ServerClock() : { offset: 0 };
  let recovered = false;
  hls.on(Events.ERROR, (_event, data) => {
    if (!data.fatal) return;
    if (data.type === ErrorTypes.MEDIA_ERROR && !recovered && !NO_DECODER.has(data.details)) {
      // A decoder that stumbled once often runs on when it is set up afresh.
      recovered = true;
      hls.recoverMediaError();
      return;
    }
    host.failed(describe(data));
  });
  for (const event of [
    Events.MANIFEST_PARSED,
    Events.LEVEL_SWITCHED,
    Events.AUDIO_TRACKS_UPDATED,
    Events.AUDIO_TRACK_SWITCHED,
    Events.SUBTITLE_TRACKS_UPDATED,
    Events.SUBTITLE_TRACK_SWITCH,
  ] as const) {
    hls.on(event, () => host.changed());
  }
  hls.loadSource(url);
  hls.attachMedia(video);

  return {
    label: `hls.js ${Hls.version}`,
    renditions: () => hls.levels.map(rendition),
    current() {
      const level = hls.levels[hls.currentLevel];
      return level && rendition(level, hls.currentLevel);
    },
    select(id) {
      hls.nextLevel = id === undefined ? -1 : hls.levels.findIndex((level, index) => rendition(level, index).id === id);
    },
    sounds: () => ({ list: hls.audioTracks.map(language), current: hls.audioTrack < 0 ? undefined : String(hls.audioTrack) }),
    selectSound: (id) => void (hls.audioTrack = Number(id)),
    subtitles: () => ({ list: hls.subtitleTracks.map(language), current: hls.subtitleTrack < 0 ? undefined : String(hls.subtitleTrack) }),
    selectSubtitles(id) {
      hls.subtitleDisplay = id !== undefined;
      hls.subtitleTrack = id === undefined ? -1 : Number(id);
    },
    throughput: () => (hls.bandwidthEstimate > 0 ? hls.bandwidthEstimate : undefined),
    live: () => liveWindow(hls, clock.offset),
    seek: (time) => void (video.currentTime = time),
    goLive() {
      if (hls.liveSyncPosition !== null) video.currentTime = hls.liveSyncPosition;
    },
    destroy: () => hls.destroy(),
  };
}

function liveWindow(hls: Hls, offset: number): LiveWindow | undefined {
  const details = hls.latestLevelDetails;
  if (!details?.live) return undefined;
  const shown = hls.playingDate;
  return {
    start: details.fragmentStart,
    end: details.edge,
    edge: hls.liveSyncPosition ?? details.edge,
    latency: shown ? (Date.now() + offset - shown.getTime()) / 1000 : undefined,
  };
}

function language({ lang, name }: { lang?: string | undefined; name: string }, index: number): Language {
  return { id: String(index), language: lang ?? "", name };
}

/** Our playlists are .../REP/media.m3u8; other origins have no such name, there the place in the list serves. */
function rendition(level: Level, index: number): Rendition {
  return {
    id: /([^/]+)\/media\.m3u8(?:[?#]|$)/.exec(level.uri)?.[1] ?? `level ${index + 1}`,
    width: level.width,
    height: level.height,
    bitrate: level.averageBitrate || level.bitrate,
    codec: level.videoCodec ?? level.audioCodec ?? "",
  };
}

const NO_DECODER: ReadonlySet<string> = new Set([
  ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR,
  ErrorDetails.BUFFER_INCOMPATIBLE_CODECS_ERROR,
  ErrorDetails.BUFFER_ADD_CODEC_ERROR,
]);

function describe({ type, details, response, error, reason, url, context, frag }: ErrorData): Failure {
  const note = [`hls.js: ${details}`, response?.code ? `status ${response.code}` : "", reason ?? error?.message].filter(Boolean).join(", ");
  if (NO_DECODER.has(details)) {
    return { title: "No decoder for this video", detail: "This browser supports none of the codecs that the video comes in.", note };
  }
  switch (type) {
    case ErrorTypes.NETWORK_ERROR: {
      const title = details.startsWith("manifest") ? "The video did not load" : "The video stopped loading";
      if (details === ErrorDetails.MANIFEST_PARSING_ERROR) return { title, detail: "The playlist cannot be understood.", note };
      const late = details.toLowerCase().includes("timeout");
      const detail = late ? "The server took too long to answer." : "A request to the server failed.";
      return { title, detail, note, url: url ?? context?.url ?? frag?.url };
    }
    case ErrorTypes.MEDIA_ERROR:
      return { title: "The video stopped", detail: "The browser could not decode a part of it.", note };
    default:
      return { title: "The video stopped", detail: "The player met an error that it cannot get past.", note };
  }
}
