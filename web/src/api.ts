/** The JSON that the server answers under /api/v1, and the calls that fetch it. */

export interface ServerInfo {
  name: string;
  version: string;
  /** Protocols the server offers, as ALPN names, best first. */
  protocols: string[];
  /** SHA-256 of a development certificate, in hex. */
  certificateSha256: string | null;
  /** Whether it takes uploads. */
  uploads: boolean;
  /** The port at which streams are published by RTMP. */
  rtmp: number | null;
  /** Whether streams are published by WebRTC, at /whip/NAME. */
  webrtc: boolean;
}

interface TrackCommon {
  id: string;
  codec: string;
  /** Bits per second. */
  bitrate?: number;
  language?: string;
}

export interface VideoTrack extends TrackCommon {
  kind: "video";
  width: number;
  height: number;
  /** A whole number or a fraction: "25", "30000/1001". */
  frameRate?: string;
}

export interface AudioTrack extends TrackCommon {
  kind: "audio";
  channels: number;
  sampleRate: number;
}

export interface TextTrack extends TrackCommon {
  kind: "text";
}

export type Track = VideoTrack | AudioTrack | TextTrack;

interface AssetCommon {
  /** Path under the media folder; unique. */
  id: string;
  name: string;
  /** Bytes. */
  size: number;
  modified: string;
  /** URL of the file as it is. */
  file?: string;
}

export interface Video extends AssetCommon {
  durationMs: number;
  tracks: Track[];
  hls: string;
  dash: string;
  /** URL of a picture of it. */
  poster?: string;
  /** URL of a WebVTT file of small pictures of it, by time. */
  storyboard?: string;
  /** URL of a WebVTT file of its chapters. */
  chapters?: string;
}

export interface BrokenFile extends AssetCommon {
  /** What is wrong with the file, and where. */
  problem: string;
}

export type Asset = Video | BrokenFile;

export function isBroken(asset: Asset): asset is BrokenFile {
  return "problem" in asset;
}

/** What went wrong, in words for the person at the page. */
export interface Problem {
  title: string;
  detail: string;
}

export class ApiError extends Error implements Problem {
  override readonly name = "ApiError";

  constructor(
    readonly title: string,
    readonly detail: string,
  ) {
    super(`${title}: ${detail}`);
  }
}

/** The reason for an answer that is not 2xx: the server's own words where it gave some. */
export async function problemOf(response: Response): Promise<ApiError> {
  const fallback = `The server answered ${response.status} ${response.statusText}`.trim() + ` to ${new URL(response.url).pathname}.`;
  if (response.headers.get("content-type")?.includes("json")) {
    try {
      const body = (await response.json()) as Partial<Problem>;
      return new ApiError(body.title ?? "Request refused", body.detail ?? fallback);
    } catch {
      // Not JSON after all: the status has to do.
    }
  }
  return new ApiError("Request refused", fallback);
}

async function get<T>(path: string, signal?: AbortSignal, cache: RequestCache = "default"): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, { headers: { accept: "application/json" }, cache, ...(signal && { signal }) });
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new ApiError("The server cannot be reached", "Check that reelway is running and that the network is up.");
  }
  if (!response.ok) throw await problemOf(response);
  try {
    return (await response.json()) as T;
  } catch {
    throw new ApiError("The answer cannot be read", `${path} did not answer with JSON.`);
  }
}

/** Asked of the server itself, past every cache, so that the protocol it came over is that of the connection. */
export async function serverInfo(): Promise<ServerInfo & { over: string | undefined }> {
  const path = "/api/v1/server";
  const info = await get<ServerInfo>(path, undefined, "no-store");
  const entries = performance.getEntriesByName(new URL(path, location.href).href) as PerformanceResourceTiming[];
  return { ...info, over: entries.at(-1)?.nextHopProtocol || undefined };
}

/** A live stream, as it is now. */
export interface LiveStream {
  name: string;
  /** `waiting`: its publisher has gone and may come back. */
  state: "live" | "waiting" | "ended";
  started: string;
  viewers: number;
  segmentMs: number;
  partMs: number;
  /** How far back one can go. */
  windowMs: number;
  /** The recording, where there is one. */
  vod?: string;
  hls: string;
  dash: string;
  mp4: string;
}

export async function listStreams(signal?: AbortSignal): Promise<LiveStream[]> {
  const { streams } = await get<{ streams: LiveStream[] }>("/api/v1/streams", signal, "no-store");
  return streams;
}

export type JobState = "queued" | "running" | "done" | "failed" | "cancelled";

/** A ladder that the server makes, or was asked to make. Times in milliseconds since 1970. */
export interface Job {
  id: string;
  asset: string;
  rungs: string;
  codec: string;
  /** The title that it becomes. */
  output: string;
  state: JobState;
  attempts: number;
  created: number;
  problem?: string;
  notes: string[];
  products: string[];
  /** Tenths of a thousandth of all, and thousandths of the speed at which it plays. */
  progress?: { done: number; speed: number; secondsLeft?: number };
}

export async function listJobs(signal?: AbortSignal): Promise<Job[]> {
  const { jobs } = await get<{ jobs: Job[] }>("/api/v1/jobs", signal, "no-store");
  return jobs;
}

/** One of the library, or what was uploaded; undefined where there is none of that name. */
export async function findAsset(id: string, signal?: AbortSignal): Promise<Asset | undefined> {
  if (/^up-[0-9a-f]{32}$/.test(id)) return get<Video>(`/api/v1/uploads/${id}`, signal, "no-store");
  return (await listAssets(signal)).find((asset) => asset.id === id);
}

export async function listAssets(signal?: AbortSignal): Promise<Asset[]> {
  const { assets } = await get<{ assets: Asset[] }>("/api/v1/assets", signal);
  return assets;
}
