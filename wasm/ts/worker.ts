/** `reelway/worker`: the script of the worker that {@link open} starts. For `new Worker(...)` of your own, given as `worker`. */

import { type Engine, type IndexRange, plan } from "./engine.js";
import { errorOf } from "./error.js";
import { type Wasm, core } from "./module.js";
import { type Answer, type Question, factsOf } from "./remote.js";
import type { Source } from "./source.js";

/** The part of a worker's global scope that is used. */
interface Scope {
  onmessage: ((event: MessageEvent<Question>) => void) | null;
  postMessage(answer: Answer, transfer?: Transferable[]): void;
}

const scope = globalThis as unknown as Scope;
const reads = new Map<number, { resolve(bytes: Uint8Array): void; reject(error: unknown): void }>();
let lastRead = 0;
/** What ends the calls that are under way. */
const running = new Map<number, AbortController>();
let engine: Promise<Engine> | undefined;

/** A file that the other thread reads. */
class Elsewhere implements Source {
  constructor(readonly size: number) {}
  read(start: number, end: number): Promise<Uint8Array> {
    const id = (lastRead -= 1);
    return new Promise((resolve, reject) => {
      reads.set(id, { resolve, reject });
      scope.postMessage({ id, read: [start, end] });
    });
  }
}

async function answer(question: Exclude<Question, { read: unknown } | { end: true }>): Promise<unknown> {
  if ("open" in question) {
    const { file, target, wasm, patience } = question.open;
    engine = plan(file instanceof Blob ? file : new Elsewhere(file.size), { target, wasm: wasm as Wasm | undefined, patience });
    return (await engine).description;
  }
  if ("prepare" in question) return void (await core(question.prepare as Wasm | undefined));
  const open = await engine;
  if (open === undefined) throw new Error("nothing is open");
  const [method, ...given] = question.call;
  const ending = new AbortController();
  running.set(question.id, ending);
  try {
    // Methods that nothing ends do not look at the signal.
    return await (open[method] as (...given: unknown[]) => unknown).call(open, ...given, ending.signal);
  } finally {
    running.delete(question.id);
  }
}

scope.onmessage = async ({ data: question }) => {
  const { id } = question;
  if ("end" in question) return running.get(id)?.abort();
  if ("read" in question) {
    const read = reads.get(id);
    reads.delete(id);
    if (question.read) read?.resolve(question.read);
    else read?.reject(question.fault ? errorOf(question.fault) : new Error("no bytes"));
    return;
  }
  try {
    const ok = await answer(question);
    const bytes = Array.isArray(ok) ? (ok as IndexRange[]).map(({ bytes }) => bytes) : ok instanceof Uint8Array ? [ok] : [];
    scope.postMessage({ id, ok }, bytes.map(({ buffer }) => buffer as ArrayBuffer));
  } catch (error) {
    scope.postMessage({ id, fault: factsOf(error) });
  }
};
