/** What a file is read from. */

import { ReadError } from "./error.js";

/** Reads ranges of a file of known size. */
export interface Source {
  /** Bytes. */
  readonly size: number;
  /** The bytes from `start` to before `end`, all of them. */
  read(start: number, end: number): Promise<Uint8Array>;
}

/** What can be opened: a `File` or any `Blob`, bytes, the URL of a file whose server answers byte ranges, the handle of a file that was
 * picked, or anything that reads ranges. */
export type Input = Blob | ArrayBuffer | ArrayBufferView | URL | string | FileSystemFileHandle | Source;

/** How long a read may take, in milliseconds, until it counts as lost. */
export const PATIENCE = 30_000;

/** The same as a `Blob` or a `Source`. Reads of a URL end with `signal`. */
export async function resolve(input: Input, signal?: AbortSignal): Promise<Blob | Source> {
  if (input instanceof Blob) return input;
  if (input instanceof ArrayBuffer) return new Bytes(new Uint8Array(input));
  if (ArrayBuffer.isView(input)) return new Bytes(new Uint8Array(input.buffer, input.byteOffset, input.byteLength));
  if (typeof input === "string" || input instanceof URL) return Remote.open(String(input), signal);
  if ("getFile" in input) return input.getFile();
  return input;
}

/** Bytes in memory. */
class Bytes implements Source {
  readonly size: number;
  constructor(private readonly bytes: Uint8Array) {
    this.size = bytes.byteLength;
  }
  read(start: number, end: number): Promise<Uint8Array> {
    return Promise.resolve(this.bytes.subarray(start, end));
  }
}

/** A file of a server, by range requests (RFC 9110 14). */
class Remote implements Source {
  private constructor(
    private readonly url: string,
    readonly size: number,
    private readonly etag: string | null,
    private readonly signal: AbortSignal | undefined,
  ) {}

  static async open(url: string, signal?: AbortSignal): Promise<Remote> {
    const response = await get(url, 0, 1, signal);
    await response.body?.cancel();
    const size = Number(/\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1]);
    if (response.status !== 206 || !Number.isSafeInteger(size)) {
      const message = `${url}: the server answers ${response.status} to a request for a range of bytes; it must answer 206`;
      throw new ReadError({ kind: "read", message, status: response.status });
    }
    return new Remote(url, size, response.headers.get("etag"), signal);
  }

  async read(start: number, end: number): Promise<Uint8Array> {
    const response = await get(this.url, start, end, this.signal);
    const bytes = new Uint8Array(await response.arrayBuffer());
    const same = response.headers.get("etag") === this.etag;
    if (response.status === 206 && same && bytes.byteLength === end - start) return bytes;
    const why = same ? `the server answers ${response.status} with ${bytes.byteLength} bytes` : "the file was replaced while it was read";
    throw new ReadError({ kind: "read", message: `${this.url}, bytes ${start} to ${end}: ${why}`, offset: start, status: response.status });
  }
}

async function get(url: string, start: number, end: number, signal?: AbortSignal): Promise<Response> {
  try {
    return await fetch(url, { headers: { range: `bytes=${start}-${end - 1}` }, signal: signal ?? null });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ReadError({ kind: "read", message: `${url}: cannot be reached`, offset: start }, error);
  }
}

/** `promise`, given up after `patience`: `late` says what then becomes of it. */
export async function within<T>(promise: Promise<T>, patience: number, late: () => Error): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const lost = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), patience);
  });
  try {
    return await Promise.race([promise, lost]);
  } finally {
    clearTimeout(timer);
  }
}
