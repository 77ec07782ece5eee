/** A stretch of a file in memory that moves through it: tracks that lie between each other are read from the file once. */

import { ReadError } from "./error.js";
import { PATIENCE, type Source, within } from "./source.js";

type ByobReader = ReadableStreamBYOBReader & {
  /** As the Streams Standard has it: answers once at least `min` bytes are there. Where that is not known, with fewer. */
  read<T extends ArrayBufferView>(view: T, options: { min: number }): Promise<ReadableStreamReadResult<T>>;
};

/** Readers of blobs whose reads are pending. Chromium collects a stream that nothing but its own pending read refers to, and the read
 * then never ends. */
const reading = new Set<ByobReader>();

/** The least that a stream is asked for, as each read costs as much as some hundred kilobytes. */
const LEAST = 1 << 20;
/** The most that a read waits for: less than a slow disk gives while a read is not yet lost. */
const STEP = 8 << 20;
/** The most that is kept before the stretch that was asked for last, as the next track may begin before it (half of the stretch does, if
 * that is less), and what is read over rather than to begin a new stream. */
const NEAR = 4 << 20;
/** What a window keeps; a longer stretch is read for itself. */
const MOST = 64 << 20;

/** Reads stretches of a file, mostly forwards. One at a time: a call waits for those before it. */
export class Window {
  /** What a stream reads into, so that nothing is copied; what is there of the file stands at its front. */
  private bytes = new Uint8Array(0);
  private start = 0;
  private end = 0;
  /** It goes on at `end`. */
  private stream: ByobReader | undefined;
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
    this.forget(0);
  }

  private async take(start: number, end: number): Promise<Uint8Array> {
    if (start === end || (start >= this.start && end <= this.end)) return this.bytes.subarray(start - this.start, end - this.start);
    if (!(this.file instanceof Blob)) return this.keep(start, await this.whole(this.file.read(start, end), start, end));
    if (!streams() || end - start > MOST) {
      const bytes = this.file.slice(start, end).arrayBuffer();
      return this.keep(start, new Uint8Array(await this.whole(bytes, start, end)));
    }
    if (this.stream === undefined || start < this.start || start > this.end + NEAR) {
      this.drop();
      // What is there stays useful as what is read into.
      this.start = this.end = start;
    }
    for (let tries = 0; this.end < end; ) {
      try {
        await this.fill(this.file, start, end);
      } catch (error) {
        this.drop();
        this.forget(start);
        // A read that is lost may be had by another stream; one that fails fails again.
        if (!(error instanceof Late) || (tries += 1) > 2) throw unreadable(start, end, error);
      }
    }
    return this.bytes.subarray(start - this.start, end - this.start);
  }

  /** Makes sure that what is there has room to grow to `end`. */
  private makeRoom(start: number, end: number): void {
    if (end - this.start <= this.bytes.byteLength) return;
    const near = Math.min(NEAR, (end - start) >> 1);
    const from = Math.min(Math.max(this.start, start - near), this.end);
    const kept = this.bytes.subarray(from - this.start, this.end - this.start);
    if (end - from <= this.bytes.byteLength) this.bytes.set(kept);
    else {
      // Room for the next stretch too, which may be somewhat larger: memory that is let go stays for long.
      const larger = new Uint8Array(Math.max(LEAST, 1.25 * Math.max(end - from, end - start + near)));
      larger.set(kept);
      this.bytes = larger;
    }
    this.start = from;
  }

  private async fill(file: Blob, start: number, end: number): Promise<void> {
    this.makeRoom(start, end);
    if (this.stream === undefined) {
      this.stream = file.slice(this.end).stream().getReader({ mode: "byob" }) as ByobReader;
      reading.add(this.stream);
    }
    const at = this.end - this.start;
    const min = Math.min(end - this.end, STEP);
    const view = new Uint8Array(this.bytes.buffer, at, Math.min(Math.max(min, LEAST), this.bytes.byteLength - at));
    const { done, value } = await within(this.stream.read(view, { min }), this.patience, () => new Late());
    if (done || value === undefined) throw new Error("the file is shorter than it was");
    // The buffer has gone through the stream, and is another object now.
    this.bytes = new Uint8Array(value.buffer as ArrayBuffer);
    this.end += value.byteLength;
  }

  private drop(): void {
    if (this.stream === undefined) return;
    reading.delete(this.stream);
    this.stream.cancel().catch(() => undefined);
    this.stream = undefined;
  }

  /** Nothing is there any more. A buffer that a lost read still has is not to be had back. */
  private forget(at: number): void {
    this.bytes = new Uint8Array(0);
    this.start = this.end = at;
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
