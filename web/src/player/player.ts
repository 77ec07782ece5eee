import { problemOf, type Track } from "../api.ts";
import type { PlayerState } from "../debug.ts";
import { bufferAhead, codecName, formatBitrate } from "../format.ts";
import { type AutoplayLimit, autoplay } from "./autoplay.ts";
import { canPlay, type Engine, type Failure, type Format, FORMATS, type Languages, type LiveWindow, loadEngine, NO_LANGUAGES, type Rendition, type Way, WAYS } from "./engine.ts";
import { ProtocolWatch } from "./protocol.ts";
import { watchStill } from "./still.ts";
import { type Kind, Wanted } from "./wanted.ts";

/** Seconds; what is about to leave the window of a live stream sooner would be gone before it plays. */
const STAYS = 12;
/** Seconds; a broadcast may begin with pictures that have no sound yet, and hls.js, sent there, waits for it without end. */
const LACKING = 0.5;

/** What is played: a video of the library, or a live stream. */
export interface Source extends Partial<Record<Format, string>> {
  name: string;
  tracks: readonly Track[];
  live?: boolean;
  /** How much the server keeps of a live stream. */
  windowMs?: number;
  /** How long it is, where that is known beforehand. */
  durationMs?: number;
  /** URL of small pictures of it, by time. */
  storyboard?: string;
  /** URL of its chapters. */
  chapters?: string;
}

/** One opening of one source; everything it starts ends with it. */
interface Session {
  way: Way;
  startAt: number | undefined;
  openedAt: number;
  ending: AbortController;
  protocol: ProtocolWatch;
  engine?: Engine;
  /** Metadata is there, so the element's own time and paused state count. */
  ready: boolean;
  /** It is to play when its media is there, or there again: to load it anew pauses the element, of which nobody is told. */
  plays: boolean;
  canPlayAfter?: number;
  startupMs?: number;
  /** How often it had to wait for more once it played. */
  stalls: number;
  /** Of what the language that is wanted has been asked for. */
  restored: Set<Kind>;
  failure?: Failure;
}

/** A video element and the engine that feeds it; the page around it is not its business. */
export class Player {
  readonly video = document.createElement("video");
  limit: AutoplayLimit | undefined;
  private session: Session | undefined;
  private wantsToPlay = true;
  private readonly wanted = new Wanted();

  constructor(
    private readonly source: Source,
    private readonly changed: () => void,
  ) {
    this.video.playsInline = true;
    this.video.preload = "auto";
    for (const type of ["playing", "pause", "waiting", "ended", "timeupdate", "durationchange", "progress", "ratechange"]) this.video.addEventListener(type, changed);
    this.video.addEventListener("playing", () => {
      if (this.limit === "stopped") this.limit = undefined;
    });
    this.video.addEventListener("volumechange", () => {
      if (this.limit === "silent" && !this.video.muted) this.limit = undefined;
      changed();
    });
  }

  /** The ways this video can be played in this browser. */
  ways(): Way[] {
    return WAYS.filter((way) => this.url(way) !== undefined && canPlay(way));
  }

  private url(way: Way): string | undefined {
    return this.source[FORMATS[way]];
  }

  /** Plays by another way (or the same afresh) from where the video is now. */
  async open(way: Way): Promise<void> {
    const url = this.url(way);
    if (url === undefined) return;
    const startAt = this.leave();
    const session: Session = {
      way,
      startAt,
      openedAt: performance.now(),
      ending: new AbortController(),
      // The renditions lie beside the manifest.
      protocol: new ProtocolWatch(way === "file" ? url : url.slice(0, url.lastIndexOf("/") + 1)),
      ready: false,
      plays: this.wantsToPlay,
      stalls: 0,
      restored: new Set(),
    };
    this.session = session;
    this.follow(session);
    this.changed();
    try {
      const openEngine = await loadEngine(way);
      if (session.ending.signal.aborted) return;
      session.engine = openEngine({
        video: this.video,
        url,
        startAt,
        live: this.source.live === true,
        host: {
          failed: (failure) => void this.fail(session, failure),
          changed: () => {
            // After the engine has made its own choice, which it may not have yet.
            queueMicrotask(() => this.restore(session));
            this.changed();
          },
        },
      });
    } catch (error) {
      if (session.ending.signal.aborted) return;
      const detail = "Its code could not be fetched or started. The server may be gone, or newer than this page.";
      void this.fail(session, { title: "The player did not load", detail, note: String(error) });
    }
  }

  /** Goes on after a problem. */
  retry(): void {
    if (this.session) void this.open(this.session.way);
  }

  /** Starts after the browser wanted a click first. */
  start(): void {
    this.limit = undefined;
    void this.video.play().catch(() => undefined);
    this.changed();
  }

  unmute(): void {
    this.video.muted = false;
  }

  get way(): Way | undefined {
    return this.session?.way;
  }

  get engineLabel(): string | undefined {
    return this.session?.engine?.label;
  }

  get failure(): Failure | undefined {
    return this.session?.failure;
  }

  renditions(): readonly Rendition[] {
    return this.session?.engine?.renditions() ?? [];
  }

  select(id: string | undefined): void {
    this.session?.engine?.select(id);
  }

  sounds(): Languages {
    return this.session?.engine?.sounds() ?? NO_LANGUAGES;
  }

  selectSound(id: string): void {
    this.wanted.remember("sound", this.sounds(), id);
    this.session?.engine?.selectSound(id);
    this.changed();
  }

  subtitles(): Languages {
    return this.session?.engine?.subtitles() ?? NO_LANGUAGES;
  }

  selectSubtitles(id: string | undefined): void {
    this.wanted.remember("subtitles", this.subtitles(), id);
    this.session?.engine?.selectSubtitles(id);
    this.changed();
  }

  /** The element goes back to its default whenever it is loaded. */
  setRate(rate: number): void {
    this.video.defaultPlaybackRate = rate;
    this.video.playbackRate = rate;
  }

  /** Whether there is something to see. */
  get hasPicture(): boolean {
    return this.isLive || this.source.tracks.some(({ kind }) => kind === "video");
  }

  get storyboard(): string | undefined {
    return this.source.storyboard;
  }

  /** Where its chapters are told. */
  get chapters(): string | undefined {
    return this.source.chapters;
  }

  get isLive(): boolean {
    return this.source.live === true;
  }

  /** How long it is, in seconds; 0 as long as nothing tells that. */
  get length(): number {
    const { duration } = this.video;
    if (this.isLive || Number.isNaN(duration)) return 0;
    const known = (this.source.durationMs ?? 0) / 1000;
    if (known === 0) return Number.isFinite(duration) ? duration : 0;
    // To players, what is still being uploaded has no end, or that of what has come. The last frame may last longer than was known.
    return duration > known && duration < known + 1 ? duration : known;
  }

  /** Where it is live; what only grows is not, whatever its manifest looks like to a player. */
  live(): LiveWindow | undefined {
    return this.isLive ? this.session?.engine?.live() : undefined;
  }

  seek(time: number): void {
    this.session?.engine?.seek(time);
  }

  goLive(): void {
    this.session?.engine?.goLive();
    this.start();
  }

  /** Goes to the beginning of what is kept of a live stream. */
  startOver(): void {
    const live = this.live();
    if (!live) return;
    const kept = (this.source.windowMs ?? 0) / 1000;
    const stay = kept - Math.min(STAYS, kept / 2);
    this.seek(live.start + Math.max(LACKING, live.end - live.start - stay));
    this.start();
  }

  throughput(): number | undefined {
    return this.session?.engine?.throughput();
  }

  get stalls(): number {
    return this.session?.stalls ?? 0;
  }

  state(): PlayerState {
    const { session, video } = this;
    return {
      engine: session?.way ?? null,
      protocol: session?.protocol.latest ?? null,
      startupMs: session?.startupMs ?? null,
      buffer: Math.round(bufferAhead(video.buffered, video.currentTime) * 10) / 10,
      latency: this.live()?.latency ?? null,
      stalls: this.stalls,
      rendition: this.renditionText()?.replaceAll("\u00a0", " ") ?? null,
      ended: video.ended,
      error: session?.failure ? `${session.failure.title}: ${session.failure.detail} ${session.failure.note}` : null,
    };
  }

  destroy(): void {
    this.leave();
  }

  /** Ends the session and tells where the next one begins, in seconds; undefined: where it begins by itself. */
  private leave(): number | undefined {
    const { session, video } = this;
    if (!session) return undefined;
    let position = session.startAt;
    if (session.ready) {
      // From the end there is nothing to go on with, so it begins again.
      position = video.ended || this.isLive ? undefined : video.currentTime;
      if (this.limit !== "stopped" && !session.failure) this.wantsToPlay = !video.paused || video.ended;
    }
    session.ending.abort();
    session.protocol.stop();
    this.stop(session);
    this.session = undefined;
    return position;
  }

  private stop(session: Session): void {
    session.engine?.destroy();
    delete session.engine;
    if (this.video.hasAttribute("src")) {
      this.video.removeAttribute("src");
      this.video.load();
    }
  }

  private follow(session: Session): void {
    const { signal } = session.ending;
    const once = { once: true, signal };
    const since = (): number => Math.round(performance.now() - session.openedAt);
    // Again where an engine sets up its decoder afresh.
    this.video.addEventListener(
      "loadedmetadata",
      () => {
        session.ready = true;
        if (session.plays) void this.autoplay(session);
      },
      { signal },
    );
    this.video.addEventListener("play", () => (session.plays = true), { signal });
    this.video.addEventListener("pause", () => (session.plays = false), { signal });
    this.video.addEventListener(
      "canplay",
      () => {
        session.canPlayAfter = since();
        this.settleStartup(session);
      },
      once,
    );
    this.video.addEventListener("playing", () => (session.startupMs ??= since()), once);
    this.video.addEventListener("waiting", () => (session.stalls += session.startupMs !== undefined && !this.video.seeking ? 1 : 0), { signal });
    this.video.addEventListener("loadeddata", () => this.checkPicture(session), once);
    if (this.isLive) watchStill(this.video, () => this.live(), signal, () => this.retry());
  }

  /** Where the picture has no decoder, browsers and dash.js play the sound alone, over black, and call that a success. */
  private checkPicture(session: Session): void {
    const picture = this.source.tracks.find(({ kind }) => kind === "video");
    if (!picture || this.video.videoWidth > 0) return;
    // Nothing worth keeping has begun.
    session.ready = false;
    const detail = `This browser has no decoder for ${codecName(picture.codec)}, which its picture comes in.`;
    void this.fail(session, { title: "No decoder for this video", detail, note: picture.codec });
  }

  /** Where nothing will play without a click, being able to play is what counts as started. */
  private settleStartup(session: Session): void {
    if (session.canPlayAfter === undefined || (this.wantsToPlay && this.limit !== "stopped")) return;
    session.startupMs ??= session.canPlayAfter;
    this.changed();
  }

  /** Asks a new engine for the languages that were chosen before, once it knows what there is. */
  private restore({ engine, restored }: Session): void {
    if (!engine) return;
    const sound = this.wanted.restore("sound", engine.sounds(), restored);
    if (sound !== undefined) engine.selectSound(sound);
    const subtitles = this.wanted.restore("subtitles", engine.subtitles(), restored);
    if (subtitles !== undefined) engine.selectSubtitles(subtitles);
  }

  private async autoplay(session: Session): Promise<void> {
    const { signal } = session.ending;
    const limit = await autoplay(this.video, signal);
    if (limit === undefined || signal.aborted) return;
    this.limit = limit;
    if (limit === "stopped") this.settleStartup(session);
    this.changed();
  }

  private async fail(session: Session, failure: Failure): Promise<void> {
    const { signal } = session.ending;
    if (signal.aborted || session.failure) return;
    session.failure = failure;
    this.changed();
    // Engines keep only the status; the server can say why.
    const reason = failure.url === undefined ? undefined : await serverReason(failure.url, signal);
    if (signal.aborted) return;
    if (reason !== undefined) session.failure = { ...failure, detail: reason };
    // What is buffered may still play out, but an engine that has shown nothing would spin for ever.
    if (!session.ready) {
      this.stop(session);
    }
    this.changed();
  }

  /** What is on the screen, for people. */
  renditionText(): string | undefined {
    const current = this.session?.engine?.current();
    if (current) return describe(current);
    if (this.session?.way !== "file" || !this.session.ready) return undefined;
    const track = this.source.tracks.find(({ kind }) => kind === "video") ?? this.source.tracks[0];
    return track && describe({ bitrate: 0, width: 0, height: 0, ...track });
  }
}

export function describe({ id, width, height, bitrate, codec }: Rendition): string {
  return [id, width > 0 ? `${width}×${height}` : "", bitrate > 0 ? formatBitrate(bitrate) : "", codecName(codec)].filter(Boolean).join(" · ");
}

async function serverReason(url: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const response = await fetch(url, { signal, headers: { range: "bytes=0-0" } });
    if (response.ok) return undefined;
    const { detail } = await problemOf(response);
    return `The server says: ${detail.replace(/\.?$/, ".")}`;
  } catch {
    return "The server cannot be reached.";
  }
}
