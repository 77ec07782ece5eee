/** A stretch of a file in memory that moves through it: tracks that lie between each other are read from the file once. */

import { ReadError } from "./error.js";
import { PATIENCE, type Source, within } from "./source.js";

type ByobReader = ReadableStreamBYOBReader;

/** Readers of blobs whose reads are pending. Chromium collects a stream that nothing but its own pending read refers to, and the read
 * then never ends. */
const reading = new Set<ByobReader>();

/** Bytes of one read of a stream. */
const CHUNK = 1 << 20;
/** What is kept before the stretch that was asked for last, as the next track may begin a little before it, and what is read over rather
 * than to begin a new stream. */
const NEAR = 4 << 20;
/** What a window keeps; a longer stretch is read for itself. */
const MOST = 64 << 20;

/** Reads stretches of a file, mostly forwards. One at a time: a call waits for those before it. */
export class Window {
  private bytes = new Uint8Array(0);
  private start = 0;
  private end = 0;
  private stream: ByobReader | undefined;
  /** Where the stream goes on. */
  private next = 0;
  private chunk = new ArrayBuffer(CHUNK);
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly file: Blob | Source,
    private readonly patience = PATIENCE,
  ) {}

  /** Calls `use` with the bytes from `start` to before `end`, which are only lent. */
  with<T>(start: number, end: number, use: (bytes: Uint8Array) => T): Promise<T> {
    const turn = this.turn.then(async () => use(await this.take(start, end)));
    this.turn = turn.catch(() => undefined);
    return turn;
  }

  /** Lets the file go. */
  close(): void {
    this.drop();
    this.bytes = new Uint8Array(0);
    this.start = this.end = 0;
  }

  private async take(start: number, end: number): Promise<Uint8Array> {
    if (start >= this.start && end <= this.end) return this.bytes.subarray(start - this.start, end - this.start);
    if (!(this.file instanceof Blob)) return this.keep(start, await this.whole(this.file.read(start, end), start, end));
    if (!streams() || end - start > MOST) {
      const bytes = this.file.slice(start, end).arrayBuffer();
      return this.keep(start, new Uint8Array(await this.whole(bytes, start, end)));
    }
    if (this.stream === undefined || start < this.start || start > this.end + NEAR) {
      this.drop();
      this.start = this.end = this.next = start;
    }
    this.makeRoom(start, end);
    for (let tries = 0; this.end < end; ) {
      try {
        await this.fill(this.file, end);
      } catch (error) {
        this.drop();
        // A read that is lost may be had by another stream; one that fails fails again.
        if (!(error instanceof Late) || (tries += 1) > 2) throw unreadable(start, end, error);
      }
    }
    return this.bytes.subarray(start - this.start, end - this.start);
  }

  /** Moves what is kept, from a little before `start` on, to the front of a buffer that reaches to `end`. */
  private makeRoom(start: number, end: number): void {
    const from = Math.min(Math.max(this.start, start - NEAR), this.end);
    const kept = this.bytes.subarray(from - this.start, this.end - this.start);
    if (this.bytes.byteLength < end - from + CHUNK) {
      const larger = new Uint8Array(Math.ceil((end - from) * 1.25) + CHUNK);
      larger.set(kept);
      this.bytes = larger;
    } else {
      this.bytes.copyWithin(0, from - this.start, this.end - this.start);
    }
    this.start = from;
  }

  private async fill(file: Blob, end: number): Promise<void> {
    if (this.stream === undefined || this.next !== this.end) {
      this.drop();
      this.stream = file.slice(this.end).stream().getReader({ mode: "byob" });
      this.next = this.end;
      reading.add(this.stream);
    }
    const room = Math.min(CHUNK, this.bytes.byteLength - (this.end - this.start), Math.max(end - this.end, CHUNK));
    // A buffer that a lost read still has is not to be had back.
    if (this.chunk.byteLength === 0) this.chunk = new ArrayBuffer(CHUNK);
    const read = this.stream.read(new Uint8Array(this.chunk, 0, room));
    const { done, value } = await within(read, this.patience, () => new Late());
    if (done || value === undefined) throw new Error("the file is shorter than it was");
    this.bytes.set(value, this.end - this.start);
    this.end += value.byteLength;
    this.next = this.end;
    this.chunk = value.buffer as ArrayBuffer;
  }

  private drop(): void {
    if (this.stream === undefined) return;
    reading.delete(this.stream);
    this.stream.cancel().catch(() => undefined);
    this.stream = undefined;
  }

  private async whole<T extends { byteLength: number }>(read: Promise<T>, start: number, end: number): Promise<T> {
    try {
      const bytes = await within(read, this.patience, () => new Late());
      if (bytes.byteLength < end - start) throw new Error("the file is shorter than it was");
      return bytes;
    } catch (error) {
      throw error instanceof ReadError ? error : unreadable(start, end, error);
    }
  }

  private keep(start: number, bytes: Uint8Array): Uint8Array {
    if (bytes.byteLength <= MOST) [this.bytes, this.start, this.end] = [bytes as Uint8Array<ArrayBuffer>, start, start + bytes.byteLength];
    return bytes;
  }
}

/** A read that does not end. */
class Late extends Error {
  constructor() {
    super("no answer");
  }
}

function unreadable(start: number, end: number, error: unknown): ReadError {
  const why = error instanceof Error ? error.message : String(error);
  return new ReadError({ kind: "read", message: `bytes ${start} to ${end} of the file cannot be read: ${why}`, offset: start }, error);
}

/** Whether blobs are read by streams. Safari's crash, and those of Node.js are no faster. */
function streams(): boolean {
  const { userAgent } = globalThis.navigator ?? { userAgent: "" };
  return typeof ReadableStreamBYOBReader === "function" && /Chrome\/|Firefox\//.test(userAgent);
}
