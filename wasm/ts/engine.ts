/** Plans a file in this thread: the core makes heads, bytes of media go around it. */

import { thrown } from "./error.js";
import { type Wasm, core } from "./module.js";
import { type Reply, base64, request } from "./request.js";
import type { Plan as CorePlan } from "./segmenter.js";
import { type Source } from "./source.js";
import { Window } from "./window.js";

/** What the core tells of a file, and when its segments begin. */
export interface Description {
  /** Bytes of the file. */
  size: number;
  /** Aimed at for segments, in milliseconds. */
  target: number;
  /** Of the presentation, in milliseconds. */
  duration: number;
  tracks: (TrackFacts & { timeline: Float64Array })[];
  problems: Problem[];
}

/** A track, as the manifests have it. */
export interface TrackFacts {
  /** Its name in URLs: `v1`, `a1`, `t1`, ... */
  id: string;
  /** `application`: timed metadata, which only the MPD has. */
  kind: "video" | "audio" | "text" | "application";
  /** RFC 6381 codecs string. */
  codec: string;
  /** BCP 47 tag, the shortest there is. */
  language?: string;
  /** What people call it. */
  label?: string;
  /** What it is for: roles of DASH. */
  roles: string[];
  /** Coded width in pixels. */
  width?: number;
  /** Coded height in pixels. */
  height?: number;
  /** Frames a second, as a fraction such as `30000/1001`. */
  frameRate?: string;
  channels?: number;
  /** In Hz. */
  sampleRate?: number;
  /** Bits a second on average. */
  bitrate: number;
  /** Ticks a second. */
  timescale: number;
  samples: number;
  segments: number;
  /** Whether HLS has its segments as WebVTT. */
  webvtt?: true;
}

/** Something that whoever publishes the file should know; it can be published all the same. */
export interface Problem {
  /** Faults of the file, key frames too far apart, or a remark on the presentation. */
  kind: "malformed" | "unsupported" | "truncated" | "sparse-key-frames" | "remark";
  /** A sentence for a person. */
  message: string;
  /** The boxes around it, as `moov/trak`. */
  path?: string;
  /** The byte of the file. */
  offset?: number;
  /** The clause that is broken. */
  clause?: string;
  /** Number of the track in the file, where it is left out for this. */
  leftOut?: number;
  /** The track that it is about. */
  rendition?: string;
  /** The longest segment in milliseconds, where key frames are too far apart. */
  longest?: number;
}

/** A segment as it leaves: a `Blob` of ranges of the file, or bytes. */
export type Form = "blob" | "bytes";
/** Bytes of the file that the plan was made from, and where they stand in it. */
export interface IndexRange {
  at: number;
  bytes: Uint8Array;
}

/** Where something goes, and how. */
export interface Destination {
  url: string;
  headers: Record<string, string>;
  /** The SHA-256 of segments is told with them, where the browser computes that. */
  digested: boolean;
}

/** A planned file, in this thread or in a worker. */
export interface Engine {
  description: Description;
  /** A manifest by its path, as `master.m3u8`, `v1/media.m3u8`, `manifest.mpd`, or a segment of WebVTT, as `t1/1.vtt`. */
  text(path: string): Promise<string>;
  header(track: string): Promise<Uint8Array>;
  /** A segment; in no `form`, in the one that costs less. Bytes are put `into` a buffer where one is given that is large enough. */
  segment(track: string, number: number, form?: Form, into?: ArrayBuffer): Promise<Blob | Uint8Array>;
  /** Sends a segment. */
  send(track: string, number: number, to: Destination, signal: AbortSignal): Promise<Reply>;
  /** Sends the plan: the bytes that it was made from, so that a server makes the same. */
  announce(name: string, to: Destination, signal: AbortSignal): Promise<Reply>;
  index(): Promise<IndexRange[]>;
  close(): void;
}

/** How a file is opened. */
export interface EngineOptions {
  /** Aimed at for segments, in milliseconds. */
  target: number;
  wasm?: Wasm | undefined;
  /** Milliseconds until a read counts as lost. */
  patience?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** At least this much is read at a time, as most boxes are small and reads are not cheap. */
const LEAST = 1 << 16;
/** Bytes between two samples that are read over: a request for the second costs more. */
const GAP = 1 << 18;
/** The most that is read at once. */
const MOST = 16 << 20;
/** The most pieces of one `Blob`: each range of a file costs as much as a quarter of a megabyte copied. */
const MOST_PIECES = 48;

/** Reads the index of `file`, and plans it. */
export async function plan(file: Blob | Source, { target, wasm, patience, signal }: EngineOptions): Promise<Engine> {
  const window = new Window(file, patience);
  const ranges: [number, number][] = [];
  let planned: CorePlan;
  let head: Uint8Array;
  try {
    // While the core comes what it asks for first is read.
    const [Opener, read] = await Promise.all([core(wasm), window.with(0, Math.min(file.size, LEAST), (bytes) => bytes.slice())]);
    head = read;
    const opener = new Opener(file.size);
    for (let range; (range = opener.required()) !== undefined; ) {
      signal?.throwIfAborted();
      const [start = 0, needed = 0] = range;
      const end = Math.min(file.size, Math.max(needed, start + LEAST));
      await window.with(start, end, (bytes) => opener.handle(start, bytes));
      ranges.push([start, end]);
    }
    planned = opener.finish(target);
  } catch (error) {
    window.close();
    throw thrown(error);
  }
  return new Local(file, window, planned, ranges, head, target);
}

class Local implements Engine {
  readonly description: Description;
  /** Segments that are made before they can be sent. */
  private readonly made = new Map<string, Promise<Made>>();
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly file: Blob | Source,
    private readonly window: Window,
    private readonly plan: CorePlan,
    private readonly ranges: [number, number][],
    /** The first bytes of the file. */
    private readonly head: Uint8Array,
    target: number,
  ) {
    const told = JSON.parse(plan.describe()) as { duration: number; tracks: TrackFacts[]; problems: Problem[] };
    const tracks = told.tracks.map((track) => ({ ...track, timeline: plan.timeline(track.id) }));
    this.description = { size: file.size, target, duration: told.duration, tracks, problems: told.problems };
  }

  async text(path: string): Promise<string> {
    return this.ask(() => this.plan.text(path));
  }

  async header(track: string): Promise<Uint8Array> {
    return this.ask(() => this.plan.header(track));
  }

  async segment(track: string, number: number, form?: Form, into?: ArrayBuffer): Promise<Blob | Uint8Array> {
    const pieces = this.pieces(track, number);
    const { file } = this;
    if (file instanceof Blob && (form === "blob" || (form === undefined && pieces.length <= MOST_PIECES))) {
      return new Blob(pieces.map((piece) => ("start" in piece ? file.slice(piece.start, piece.end) : (piece as Uint8Array<ArrayBuffer>))));
    }
    const bytes = await this.gather(pieces, into);
    return form === "blob" ? new Blob([bytes]) : bytes;
  }

  async announce(name: string, { url, headers, digested }: Destination, signal: AbortSignal): Promise<Reply> {
    const index = (await this.index()).map(({ at, bytes }) => ({ at, bytes: base64(bytes) }));
    const { size, target, tracks } = this.description;
    const body = JSON.stringify({ size, segment: target, name, index });
    const asked = request(url, { method: "POST", headers: { ...headers, "content-type": "application/json" }, body, signal });
    // What plays waits for these: they are made while the server looks at the plan.
    for (const { id } of tracks) {
      const made = this.make(id, 1, digested);
      // Nobody may ask for it.
      made.catch(() => undefined);
      this.made.set(`${id}/1`, made);
    }
    const reply = await asked;
    const have = reply.told?.have;
    // Nobody asks for what the server has, nor for any where it takes none.
    for (const { id } of tracks) if (!have || have[id]?.[0]?.[0] === 1) this.made.delete(`${id}/1`);
    return reply;
  }

  /** By bytes, not by a blob of them: that is kept by the browser until its collector comes by, which it does not for something so small
   * as a handle, and the browser's room for blobs ends after some hundred megabytes. */
  async send(track: string, number: number, { url, headers, digested }: Destination, signal: AbortSignal): Promise<Reply> {
    const name = `${track}/${number}`;
    const made = this.made.get(name) ?? this.make(track, number, digested);
    this.made.delete(name);
    const { body, digest } = await made;
    signal.throwIfAborted();
    if (digest) headers = { ...headers, "content-digest": `sha-256=:${base64(new Uint8Array(digest))}:` };
    return request(url, { method: "PUT", headers, body, priority: number === 1 ? "high" : "low", signal });
  }

  /** One after another, as each moves the window on; while the digest of one is computed the next is read. Each in memory of its own: by
   * what is taken in this way the collector knows that it is time, and with it goes what a browser keeps of requests that are answered. */
  private async make(track: string, number: number, digested: boolean): Promise<Made> {
    const subtle = digested && globalThis.crypto?.subtle;
    const read = this.turn.then(() => this.segment(track, number, subtle ? "bytes" : undefined));
    this.turn = read.catch(() => undefined);
    const body = (await read) as Made["body"];
    return { body, digest: subtle ? await subtle.digest("SHA-256", body as Uint8Array<ArrayBuffer>) : undefined };
  }

  /** The heads of a segment and the ranges of the file between them. */
  private pieces(track: string, number: number): (Range | Uint8Array)[] {
    const segment = this.ask(() => this.plan.segment(track, number));
    const heads = segment.heads();
    const layout = segment.layout();
    const pieces: (Range | Uint8Array)[] = [];
    for (let at = 0, head = 0; at < layout.length; ) {
      const length = layout[at++] ?? 0;
      let count = layout[at++] ?? 0;
      pieces.push(heads.subarray(head, (head += length)));
      for (; count > 0; count--) pieces.push({ start: layout[at++] ?? 0, end: layout[at++] ?? 0 });
    }
    return pieces;
  }

  private async gather(pieces: (Range | Uint8Array)[], into?: ArrayBuffer): Promise<Uint8Array<ArrayBuffer>> {
    const size = pieces.reduce((sum, piece) => sum + ("start" in piece ? piece.end - piece.start : piece.byteLength), 0);
    const out = new Uint8Array(into && into.byteLength >= size ? into : new ArrayBuffer(size), 0, size);
    let at = 0;
    for (let first = 0, next = 0; first < pieces.length; first = next) {
      // Samples that lie near each other are read at once, as each wait costs as much as some of them.
      let [start, end] = [0, 0];
      for (; next < pieces.length; next++) {
        const piece = pieces[next] as Range | Uint8Array;
        if (!("start" in piece)) continue;
        if (end === 0) start = piece.start;
        else if (piece.start < start || piece.start > end + GAP || piece.end > start + MOST) break;
        end = Math.max(end, piece.end);
      }
      await this.window.with(start, end, (window) => {
        for (const piece of pieces.slice(first, next)) {
          const bytes = "start" in piece ? window.subarray(piece.start - start, piece.end - start) : piece;
          out.set(bytes, at);
          at += bytes.byteLength;
        }
      });
    }
    return out;
  }

  async index(): Promise<IndexRange[]> {
    const index: IndexRange[] = [];
    // From the last on, which is in the window still where the file was just opened.
    for (const [at, end] of joined(this.ranges).reverse()) {
      const bytes = end > this.head.length ? await this.window.with(at, end, (bytes) => bytes.slice()) : this.head.slice(at, end);
      index.unshift({ at, bytes });
    }
    return index;
  }

  close(): void {
    this.window.close();
    this.plan.free();
  }

  private ask<T>(question: () => T): T {
    try {
      return question();
    } catch (error) {
      throw thrown(error);
    }
  }
}

/** Ranges by their places; those that touch or overlap are one. */
function joined(ranges: [number, number][]): [number, number][] {
  const out: [number, number][] = [];
  for (const [start, end] of ranges.sort(([a], [b]) => a - b)) {
    const last = out.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else out.push([start, end]);
  }
  return out;
}

/** A segment, as a request sends it. */
interface Made {
  body: Blob | Uint8Array<ArrayBuffer>;
  digest: ArrayBuffer | undefined;
}

interface Range {
  start: number;
  end: number;
}
