/** Plans a file in a worker. Messages go both ways: questions to the engine there, and, of a file that only this thread can read, reads here. */

import type { Description, Destination, Engine, EngineOptions, Form, IndexRange } from "./engine.js";
import { type ErrorFacts, ReadError, ReelwayError, errorOf } from "./error.js";
import type { Wasm } from "./module.js";
import type { Reply } from "./request.js";
import type { Source } from "./source.js";

/** To the worker. */
export type Question =
  | { id: number; open: { file: Blob | { size: number }; target: number; wasm?: unknown; patience?: number | undefined } }
  | { id: number; prepare: unknown }
  | { id: number; call: Call }
  /** Ends what was called by that id. */
  | { id: number; end: true }
  | { id: number; read: Uint8Array | undefined; fault?: ErrorFacts };

/** Methods of the engine that are asked for. */
export type Method = Exclude<keyof Engine, "description" | "close">;

/** One of them, and what it is given, but for the signal that ends it: there it is another. */
type Call = { [Name in Method]: [Name, ...Given<Parameters<Engine[Name]>>] }[Method];
type Given<All> = All extends [...infer Others, AbortSignal] ? Others : All;

/** From the worker. */
export type Answer = { id: number; ok: unknown } | { id: number; fault: ErrorFacts } | { id: number; read: [number, number] };

/** Ids are told apart by thread: questions count up, reads are asked for by negative ids. */
export async function planIn(worker: Worker, file: Blob | Source, { target, wasm, patience, signal }: EngineOptions): Promise<Engine> {
  const line = new Line(worker, file);
  try {
    const open = { file: file instanceof Blob ? file : { size: file.size }, target, wasm: await crossing(wasm), patience };
    return new Remote(line, (await line.ask({ open }, [], signal)) as Description);
  } catch (error) {
    line.close(error);
    throw error;
  }
}

/** The same core as it can be given to another thread, to which it would be another address. */
export async function crossing(wasm: Wasm | undefined): Promise<unknown> {
  if (typeof wasm === "string" || wasm instanceof URL) return new URL(wasm, globalThis.location?.href).href;
  return wasm instanceof Response ? wasm.arrayBuffer() : wasm;
}

class Remote implements Engine {
  constructor(
    private readonly line: Line,
    readonly description: Description,
  ) {}

  text(path: string): Promise<string> {
    return this.line.ask({ call: ["text", path] }) as Promise<string>;
  }
  header(track: string): Promise<Uint8Array> {
    return this.line.ask({ call: ["header", track] }) as Promise<Uint8Array>;
  }
  segment(track: string, number: number, form?: Form, into?: ArrayBuffer): Promise<Blob | Uint8Array> {
    return this.line.ask({ call: ["segment", track, number, form, into] }, into ? [into] : []) as Promise<Blob | Uint8Array>;
  }
  announce(name: string, to: Destination, signal: AbortSignal): Promise<Reply> {
    return this.line.ask({ call: ["announce", name, to] }, [], signal) as Promise<Reply>;
  }
  send(track: string, number: number, to: Destination, signal: AbortSignal): Promise<Reply> {
    return this.line.ask({ call: ["send", track, number, to] }, [], signal) as Promise<Reply>;
  }
  index(): Promise<IndexRange[]> {
    return this.line.ask({ call: ["index"] }) as Promise<IndexRange[]>;
  }
  close(): void {
    this.line.close(new ReadError({ kind: "read", message: "the plan is closed" }));
  }
}

type Without<Q> = Q extends unknown ? Omit<Q, "id"> : never;
interface Waiting {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** The messages between this thread and a worker. */
class Line {
  private readonly waiting = new Map<number, Waiting>();
  private last = 0;
  private closed: { reason: unknown } | undefined;

  constructor(
    private readonly worker: Worker,
    private readonly file: Blob | Source,
  ) {
    worker.onmessage = ({ data }: MessageEvent<Answer>) => this.take(data);
    // A script that cannot be loaded tells nothing more than that.
    worker.onerror = (event) => this.close(event.message ? new Error(event.message) : new WorkerError());
  }

  async ask(question: Without<Question>, given: Transferable[] = [], signal?: AbortSignal): Promise<unknown> {
    signal?.throwIfAborted();
    if (this.closed) throw this.closed.reason;
    const id = (this.last += 1);
    const end = () => {
      this.worker.postMessage({ id, end: true });
      this.waiting.get(id)?.reject(signal?.reason);
    };
    signal?.addEventListener("abort", end, { once: true });
    try {
      return await new Promise((resolve, reject) => {
        this.waiting.set(id, { resolve, reject });
        this.worker.postMessage({ id, ...question }, given);
      });
    } finally {
      this.waiting.delete(id);
      signal?.removeEventListener("abort", end);
    }
  }

  private take(answer: Answer): void {
    if ("read" in answer) return void this.read(answer.id, ...answer.read);
    const waiting = this.waiting.get(answer.id);
    if ("fault" in answer) waiting?.reject(errorOf(answer.fault));
    else waiting?.resolve(answer.ok);
  }

  private async read(id: number, start: number, end: number): Promise<void> {
    try {
      this.worker.postMessage({ id, read: await (this.file as Source).read(start, end) });
    } catch (error) {
      this.worker.postMessage({ id, read: undefined, fault: factsOf(error) });
    }
  }

  close(reason: unknown): void {
    if (this.closed) return;
    this.closed = { reason };
    this.worker.terminate();
    for (const { reject } of this.waiting.values()) reject(reason);
  }
}

/** The worker did not start: its script is not where it should be, or a Content-Security-Policy forbids it. */
export class WorkerError extends Error {
  constructor() {
    super("the worker of reelway does not start: serve its script, allow it by `worker-src`, or use `reelway/inline`");
    this.name = "WorkerError";
  }
}

/** What crosses of an error. */
export function factsOf(error: unknown): ErrorFacts {
  if (!(error instanceof ReelwayError)) return { kind: "read", message: error instanceof Error ? error.message : String(error) };
  const { kind, message, path, offset, clause, status } = error;
  const facts = { path, offset, clause, status };
  const known = Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
  return { kind, message, ...known };
}
