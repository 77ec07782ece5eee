/** Sends a plan and its segments to a server: several at once, again where one fails, and on from where it was after a reload. */

import type { Destination } from "./engine.js";
import { UploadError } from "./error.js";
import type { Plan, SegmentFacts } from "./plan.js";
import type { Reply, Told } from "./request.js";

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

interface State extends Required<Pick<Told, "have">> {
  id: string;
  token: string;
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
  /** What lets go what this browser keeps of it. */
  private kept: Promise<(() => Promise<void>) | undefined> | undefined;

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
    await (await this.kept)?.();
    if (this.state === undefined) return;
    const { id, token } = this.state;
    const once = () => fetch(this.url(`/upload/${id}`), { method: "DELETE", headers: { authorization: `Bearer ${token}` } });
    // From this thread: the plan may be closed, and its worker gone.
    await this.ask("the end", (): Promise<Reply> => once().catch(() => ({ status: 0 })));
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
    const order = this.plan.order();
    const [first, rest] = [order.filter(({ number }) => number === 1), order.filter(({ number }) => number > 1)];
    const urls = { hls: this.url(state.hls), dash: this.url(state.dash) };
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
    // Apart, for those that keep nothing; nothing waits for it.
    const { keep } = this.options;
    if (keep) this.kept = import("./kept.js").then((kept) => kept.keep(state.id, this.server, this.plan, this.options)).catch(() => undefined);
    let told = false;
    const tellOnce = () => {
      if (told || !first.every((segment) => arrived.has(key(segment)))) return;
      told = true;
      this.tell("playable", urls);
      this.tellPlayable.resolve(urls);
    };
    this.tell("progress", { ...progress });
    tellOnce();
    const worker = async (missing: SegmentFacts[]) => {
      for (let segment; (segment = missing.shift()) !== undefined; ) {
        while (this.held) await this.held.promise;
        signal.throwIfAborted();
        await this.put(state, segment, signal);
        arrived.add(key(segment));
        tellArrived(segment);
        this.tell("progress", { ...progress });
        tellOnce();
      }
    };
    try {
      // Nothing is in the way of the first of each track.
      for (const segments of [first, rest]) {
        const missing = segments.filter((segment) => !arrived.has(key(segment)));
        await Promise.all(Array.from({ length: this.options.concurrency ?? state.window }, () => worker(missing)));
      }
    } catch (error) {
      // The others end too.
      this.ending.abort(error);
      throw error;
    }
    await (await this.kept)?.();
    return { id: state.id, ...urls };
  }

  /** Sends the plan. */
  private async announce(signal: AbortSignal): Promise<State> {
    const { name = "", authorization } = this.options;
    const to = this.to("/api/v1/uploads", authorization && { authorization });
    const { status, told } = await this.ask("the plan", () => this.plan.engine.announce(name, to, signal), signal);
    if (told?.have) return told as State;
    const message = `${to.url} answers ${status} like no server of Reelway: check \`server\``;
    throw new UploadError({ kind: "upload", message, status });
  }

  /** One URL for all segments, so that a browser asks once whether it may send to another origin. */
  private async put({ id, token }: State, facts: SegmentFacts, signal: AbortSignal): Promise<void> {
    const { track, number } = facts;
    const segment = key(facts);
    const to = this.to(`/upload/${id}`, { authorization: `Bearer ${token}`, segment });
    await this.ask(segment, () => this.plan.engine.send(track, number, to, signal), signal);
  }

  private to(path: string, headers: Record<string, string> | "" | undefined): Destination {
    return { url: this.url(path), headers: headers || {}, digested: this.options.digest !== "none" };
  }

  /** Asks until there is an answer that is worth having. */
  private async ask(what: string, once: () => Promise<Reply>, signal?: AbortSignal): Promise<Reply> {
    const { retries = 8, pause = 500 } = this.options;
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted();
      const reply = await once();
      const { status, after, told } = reply;
      if (status >= 200 && status < 300) return reply;
      const message = status ? `the server answers ${status}${told?.detail ? `: ${told.detail}` : ""}` : "the server cannot be reached";
      const error = new UploadError({ kind: "upload", message: `${what}: ${message}`, status });
      if (!AGAIN.has(status) || attempt > retries) throw error;
      this.tell("retry", { segment: what, attempt, error });
      const wait = pause * 2 ** (attempt - 1) * (0.75 + Math.random() / 2);
      await sleep(Math.min(Math.max(wait, 1000 * (after || 0)), 60_000), signal);
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
