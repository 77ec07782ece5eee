/** Sends a plan and its segments to a server: several at once, again where one fails, and on from where it was after a reload. */

import { UploadError } from "./error.js";
import { type Plan, type SegmentFacts, room } from "./plan.js";

/** How a file is uploaded. */
export interface UploadOptions {
  /** Where the server is; the page's own origin unless told otherwise. */
  server?: string | URL;
  /** What people call the file. */
  name?: string;
  /** What the server wants to see before it takes anything, as `Bearer ...`. */
  authorization?: string;
  /** Segments that are sent at once; what the server asks for unless told otherwise. */
  concurrency?: number;
  /** `sha-256` unless told otherwise: the server refuses what was changed on its way. `none` spares the time. */
  digest?: "sha-256" | "none";
  /** How often a request is tried again, and the first pause before that in milliseconds; each pause is twice as long as the one before. */
  retries?: number;
  pause?: number;
  /** `true`, or the handle of the file: {@link unfinished} tells of it after a reload, until it is finished. */
  keep?: boolean | FileSystemFileHandle;
  /** Ends the upload; what has arrived stays, and the next upload of the same file goes on from there. */
  signal?: AbortSignal;
}

/** How far it is; bytes and segments count once they are acknowledged. */
export interface Progress {
  sent: number;
  size: number;
  segments: number;
  of: number;
}

/** What is told of an upload, by name. */
export interface UploadEvents {
  /** It can be played from here on, at these URLs. */
  playable: { hls: string; dash: string };
  progress: Progress;
  /** The server has this segment; of those that it had before, each is told of first. */
  segment: { track: string; number: number };
  /** A request failed, and is tried again. */
  retry: { segment: string; attempt: number; error: UploadError };
}

/** An upload on its way. Awaited, it is done: all segments are kept by the server. */
export interface Upload extends Promise<{ id: string; hls: string; dash: string }> {
  /** Calls `listener` at each event of that name; returns what ends that. */
  on<Name extends keyof UploadEvents>(name: Name, listener: (event: UploadEvents[Name]) => void): () => void;
  /** The URLs, as soon as it can be played. */
  readonly playable: Promise<UploadEvents["playable"]>;
  /** Sends nothing more for now; what is on its way arrives. */
  pause(): void;
  resume(): void;
  /** Ends it, and has the server drop all that has arrived. */
  abandon(): Promise<void>;
}

interface State {
  id: string;
  token: string;
  have: Record<string, [number, number][]>;
  window: number;
  hls: string;
  dash: string;
}

/** What is worth another try: no answer, too early, too much, or a server in trouble. */
const AGAIN = new Set([0, 408, 425, 429, 500, 502, 503, 504]);

/** Uploads `plan`. The server finds the same file again by its index, so an upload that was broken off, here or elsewhere, goes on. */
export function upload(plan: Plan, options: UploadOptions = {}): Upload {
  const sending = new Sending(plan, options);
  const done = sending.run();
  // Who awaits the one need not handle the other.
  sending.playable.catch(() => undefined);
  return Object.assign(done, {
    on: sending.on.bind(sending),
    playable: sending.playable,
    pause: () => sending.hold(),
    resume: () => sending.release(),
    abandon: () => sending.abandon(),
  }) as Upload;
}

class Sending {
  readonly playable: Promise<UploadEvents["playable"]>;
  private readonly listeners = new Map<keyof UploadEvents, Set<(event: never) => void>>();
  private tellPlayable!: { resolve(urls: UploadEvents["playable"]): void; reject(error: unknown): void };
  private held: { promise: Promise<void>; release(): void } | undefined;
  private readonly server: string;
  private readonly ending = new AbortController();
  private state: State | undefined;
  /** Lets go what this browser keeps of it. */
  private kept: (() => Promise<void>) | undefined;

  constructor(
    private readonly plan: Plan,
    private readonly options: UploadOptions,
  ) {
    this.playable = new Promise((resolve, reject) => (this.tellPlayable = { resolve, reject }));
    this.server = String(new URL(options.server ?? "/", globalThis.location?.href));
  }

  on<Name extends keyof UploadEvents>(name: Name, listener: (event: UploadEvents[Name]) => void): () => void {
    const listeners = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  private tell<Name extends keyof UploadEvents>(name: Name, event: UploadEvents[Name]): void {
    for (const listener of this.listeners.get(name) ?? []) (listener as (event: UploadEvents[Name]) => void)(event);
  }

  hold(): void {
    if (this.held) return;
    let release!: () => void;
    const promise = new Promise<void>((resolve) => (release = resolve));
    this.held = { promise, release };
  }

  release(): void {
    this.held?.release();
    this.held = undefined;
  }

  async abandon(): Promise<void> {
    this.ending.abort();
    await this.kept?.();
    if (this.state === undefined) return;
    const { id, token } = this.state;
    await this.ask("the end", `/upload/${id}`, () => ({ method: "DELETE", headers: { authorization: `Bearer ${token}` } }));
  }

  async run(): Promise<{ id: string; hls: string; dash: string }> {
    try {
      return await this.send();
    } catch (error) {
      this.tellPlayable.reject(error);
      throw error;
    }
  }

  private async send(): Promise<{ id: string; hls: string; dash: string }> {
    const signal = this.options.signal ? AbortSignal.any([this.options.signal, this.ending.signal]) : this.ending.signal;
    const state = (this.state = await this.announce(signal));
    const urls = { hls: this.url(state.hls), dash: this.url(state.dash) };
    const order = this.plan.order();
    const arrived = new Set(Object.entries(state.have).flatMap(([track, stretches]) => stretches.flatMap(([first, last]) => keys(track, first, last))));
    const progress: Progress = { sent: 0, size: 0, segments: 0, of: order.length };
    const tellArrived = (segment: SegmentFacts) => {
      progress.sent += segment.size;
      progress.segments += 1;
      this.tell("segment", { track: segment.track, number: segment.number });
    };
    for (const segment of order) {
      progress.size += segment.size;
      if (arrived.has(key(segment))) tellArrived(segment);
    }
    // Apart, for those that keep nothing.
    if (this.options.keep) this.kept = await (await import("./kept.js")).keep(state.id, this.server, this.plan, this.options);
    const first = this.plan.tracks.map(({ id }) => `${id}/1`);
    let told = false;
    const tellOnce = () => {
      if (told || !first.every((segment) => arrived.has(segment))) return;
      told = true;
      this.tell("playable", urls);
      this.tellPlayable.resolve(urls);
    };
    this.tell("progress", { ...progress });
    tellOnce();
    const missing = order.filter((segment) => !arrived.has(key(segment)));
    const worker = async () => {
      let sent: ArrayBuffer | undefined = room(missing);
      for (let segment; (segment = missing.shift()) !== undefined; ) {
        while (this.held) await this.held.promise;
        signal.throwIfAborted();
        sent = await this.put(state, segment, signal, sent);
        arrived.add(key(segment));
        tellArrived(segment);
        this.tell("progress", { ...progress });
        tellOnce();
      }
    };
    try {
      await Promise.all(Array.from({ length: this.options.concurrency ?? state.window }, worker));
    } catch (error) {
      // The others end too.
      this.ending.abort(error);
      throw error;
    }
    await this.kept?.();
    return { id: state.id, ...urls };
  }

  /** Sends the plan: the bytes that it was made from, so that the server makes the same. */
  private async announce(signal: AbortSignal): Promise<State> {
    const index = (await this.plan.index()).map(({ at, bytes }) => ({ at, bytes: base64(bytes) }));
    const { name = "", authorization } = this.options;
    const body = JSON.stringify({ size: this.plan.size, segment: Math.round(this.plan.target * 1000), name, index });
    const headers = { "content-type": "application/json", ...(authorization && { authorization }) };
    const response = await this.ask("the plan", "/api/v1/uploads", () => ({ method: "POST", headers, body }), signal);
    return (await response.json()) as State;
  }

  /** One URL for all segments, so that a browser asks once whether it may send to another origin. What was sent before gives its memory. */
  private async put({ id, token }: State, { track, number }: SegmentFacts, signal: AbortSignal, into?: ArrayBuffer): Promise<ArrayBuffer | undefined> {
    const digested = this.options.digest !== "none" && globalThis.crypto?.subtle !== undefined;
    const { blob, bytes } = await this.plan.segment(track, number, { target: digested ? "bytes" : undefined, into });
    const segment = key({ track, number });
    const headers: Record<string, string> = { authorization: `Bearer ${token}`, segment };
    if (digested && bytes) headers["content-digest"] = `sha-256=:${base64(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)))}:`;
    // Chromium takes a buffer apart in the page, which stands still meanwhile, and sends it at a fraction of the rate of a blob.
    const body = bytes ? new Blob([bytes as Uint8Array<ArrayBuffer>]) : blob;
    // What plays waits for the first of each track alone.
    const priority = number === 1 ? "high" : "low";
    const response = await this.ask(segment, `/upload/${id}`, () => ({ method: "PUT", headers, body, priority }), signal);
    await response.body?.cancel();
    return bytes?.buffer;
  }

  /** Asks until there is an answer that is worth having. */
  private async ask(what: string, path: string, request: () => RequestInit, signal?: AbortSignal): Promise<Response> {
    const { retries = 8, pause = 500 } = this.options;
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted();
      let error: UploadError;
      let wait = pause * 2 ** (attempt - 1) * (0.75 + Math.random() / 2);
      try {
        const response = await fetch(this.url(path), { ...request(), signal: signal ?? null });
        if (response.ok) return response;
        const detail = await response.json().then(({ detail }: { detail?: string }) => detail, () => undefined);
        const message = `${what}: the server answers ${response.status}${detail ? `: ${detail}` : ""}`;
        error = new UploadError({ kind: "upload", message, status: response.status });
        wait = Math.max(wait, 1000 * (Number(response.headers.get("retry-after")) || 0));
      } catch (cause) {
        signal?.throwIfAborted();
        error = new UploadError({ kind: "upload", message: `${what}: the server cannot be reached`, status: 0 }, cause);
      }
      if (!AGAIN.has(error.status ?? 0) || attempt > retries) throw error;
      this.tell("retry", { segment: what, attempt, error });
      await sleep(Math.min(wait, 60_000), signal);
    }
  }

  private url(path: string): string {
    return new URL(path, this.server).href;
  }
}

const key = ({ track, number }: { track: string; number: number }) => `${track}/${number}`;
const keys = (track: string, first: number, last: number) => Array.from({ length: last - first + 1 }, (_, index) => key({ track, number: first + index }));

/** Waits, but not for longer than it takes to be online again, or to be given up. */
async function sleep(millis: number, signal?: AbortSignal): Promise<void> {
  const over = new AbortController();
  const once = { once: true, signal: over.signal };
  let timer;
  try {
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(resolve, millis);
      globalThis.addEventListener?.("online", () => resolve(), once);
      signal?.addEventListener("abort", () => reject(signal.reason), once);
    });
  } finally {
    clearTimeout(timer);
    over.abort();
  }
}

/** RFC 4648 4. */
function base64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.byteLength; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}
