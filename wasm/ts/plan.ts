/** The plan of a file: all that is known of its presentation before a byte of media is read. */

import type { Description, Engine, Form, IndexRange, Problem, TrackFacts } from "./engine.js";

/** A track of a plan. */
export interface Track extends TrackFacts {
  /** Content type with codec, as `MediaSource` and the Media Capabilities take it. */
  type: string;
  /** Whether this browser plays it; undefined where that cannot be told. */
  playable: boolean | undefined;
}

/** A segment of a plan; times are of the presentation, in seconds. */
export interface SegmentFacts {
  track: string;
  /** From 1. */
  number: number;
  start: number;
  duration: number;
  /** Bytes. */
  size: number;
  /** Whether it can be decoded without those before it. */
  independent: boolean;
}

/** A segment with its bytes: in one of two forms. */
export type Segment = SegmentFacts & ({ blob: Blob; bytes?: never } | { bytes: Uint8Array<ArrayBuffer>; blob?: never });

/** How a segment is made. */
export interface SegmentOptions {
  /** `blob`: it refers to the file, nothing is read. `bytes`: read. Otherwise it is what costs less. */
  target?: Form | undefined;
  /** A buffer that is done with, such as that of an earlier segment: bytes are put into it if it is large enough. It is transferred: use
   * `bytes` of the answer alone. */
  into?: ArrayBuffer | undefined;
}

/** Which segments, and how. */
export interface SegmentsOptions {
  /** As of a segment. */
  target?: Form;
  /** Bytes are only lent, until the next segment is asked for: their memory is then used again. */
  lend?: boolean;
  /** Those of these tracks alone. */
  tracks?: string[];
  signal?: AbortSignal;
}

/** The plan of a file. */
export class Plan {
  /** Video first, then sound, then text. */
  readonly tracks: readonly Track[];
  /** What whoever publishes it should know, before a byte is sent. */
  readonly problems: readonly Problem[];
  /** Seconds. */
  readonly duration: number;
  /** Bytes of the file. */
  readonly size: number;
  private readonly description: Description;

  /** @internal */
  constructor(
    /** What makes and sends it all.
     *
     * @internal */
    readonly engine: Engine,
  ) {
    this.description = engine.description;
    this.size = this.description.size;
    this.duration = this.description.duration / 1000;
    this.problems = this.description.problems;
    this.tracks = this.description.tracks.map(({ timeline: _, ...track }) => {
      const type = `${track.kind === "text" ? "application" : track.kind}/mp4; codecs="${track.codec}"`;
      const playable = "MediaSource" in globalThis && !type.startsWith("application") ? MediaSource.isTypeSupported(type) : undefined;
      return { ...track, type, playable };
    });
  }

  /** All HLS playlists by their paths: `master.m3u8`, `v1/media.m3u8`, `v1/iframes.m3u8`, ... */
  async hls(): Promise<Record<string, string>> {
    const paths = ["master.m3u8"];
    for (const { id, kind } of this.tracks) {
      if (kind !== "application") paths.push(`${id}/media.m3u8`);
      if (kind === "video") paths.push(`${id}/iframes.m3u8`);
    }
    return Object.fromEntries(await Promise.all(paths.map(async (path) => [path, await this.engine.text(path)] as const)));
  }

  /** The DASH manifest: `manifest.mpd`. */
  dash(): Promise<string> {
    return this.engine.text("manifest.mpd");
  }

  /** The CMAF header of a track: `init.mp4`. */
  header(track: string): Promise<Uint8Array> {
    return this.engine.header(track);
  }

  /** A segment of a track, numbered from 1, in any order and as often as you like: the bytes are the same each time. */
  async segment(track: string, number: number, { target, into }: SegmentOptions = {}): Promise<Segment> {
    const media = await this.engine.segment(track, number, target, into);
    const facts = this.facts(track, number);
    return media instanceof Blob ? { ...facts, blob: media } : { ...facts, bytes: media as Uint8Array<ArrayBuffer> };
  }

  /** A segment of a track of text, numbered from 1, in the form of HLS: WebVTT. */
  webvtt(track: string, number: number): Promise<string> {
    return this.engine.text(`${track}/${number}.vtt`);
  }

  /** All segments in the order in which a player needs them. While one is looked at the next is made, and no more. */
  async *segments({ target, tracks, lend = false, signal }: SegmentsOptions = {}): AsyncGenerator<Segment, void, void> {
    const order = this.order(tracks);
    /** While one is lent the next is made in the other. */
    const memory = lend ? [room(order), room(order)] : [];
    const make = () => {
      const next = order.shift();
      const segment = next && this.segment(next.track, next.number, { target, into: memory.pop() });
      // Whoever asks for no more is not told.
      segment?.catch(() => undefined);
      return segment;
    };
    for (let coming = make(); coming; ) {
      signal?.throwIfAborted();
      const segment = await coming;
      coming = make();
      yield segment;
      if (lend && segment.bytes) memory.push(segment.bytes.buffer);
    }
  }

  /** What is known of all segments, in the order in which a player needs them. */
  order(tracks?: string[]): SegmentFacts[] {
    const wanted = this.tracks.filter(({ id }) => tracks?.includes(id) ?? true);
    const all = wanted.flatMap(({ id, segments }) => Array.from({ length: segments }, (_, index) => this.facts(id, index + 1)));
    return all.sort((a, b) => a.start - b.start);
  }

  private facts(track: string, number: number): SegmentFacts {
    const { timeline, timescale = 1 } = this.description.tracks.find(({ id }) => id === track) ?? {};
    const [start = 0, duration = 0, size = 0, closed = 0] = timeline?.subarray((number - 1) * 4, number * 4) ?? [];
    return { track, number, start: start / timescale, duration: duration / timescale, size, independent: closed === 1 };
  }

  /** Tracks, problems and segments, as plain data. */
  toJSON(): unknown {
    const { size, target, duration, problems } = this.description;
    return { size, segment: target / 1000, duration: duration / 1000, problems, tracks: this.tracks, segments: this.order() };
  }

  /** The bytes of the file that the plan was made from: a reader that knows these has the same plan. */
  index(): Promise<IndexRange[]> {
    return this.engine.index();
  }

  /** Aimed at for segments, in seconds. */
  get target(): number {
    return this.description.target / 1000;
  }

  /** Lets the file and the worker go. */
  close(): void {
    this.engine.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Memory for any of these segments. */
function room(segments: SegmentFacts[]): ArrayBuffer {
  return new ArrayBuffer(segments.reduce((most, { size }) => Math.max(most, size), 0));
}
