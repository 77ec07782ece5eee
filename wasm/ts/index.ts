/** `reelway`: plans files in a worker where there are workers, and in the thread that calls where there are none.
 *
 * ```js
 * import { open } from "reelway";
 * const plan = await open(file, { segment: 4 });
 * ```
 */

import type { KeptUpload } from "./kept.js";
import { type OpenOptions as CoreOptions, millis } from "./options.js";
import { Plan } from "./plan.js";
import { crossing, planIn } from "./remote.js";
import { type Input, resolve } from "./source.js";

export * from "./error.js";
export { WorkerError } from "./remote.js";
export { type Preview, preview, thumbnails } from "./preview.js";
export { Plan, type Segment, type SegmentFacts, type SegmentOptions, type SegmentsOptions, type Track } from "./plan.js";
export type { KeptUpload } from "./kept.js";
export { type Progress, type Upload, type UploadEvents, type UploadOptions, upload } from "./upload.js";
export type { Form, IndexRange, Problem, TrackFacts, Input, Source, Wasm } from "./core.js";

/** Uploads that were begun here with `keep` and are not finished, the newest first; none where the browser keeps nothing. */
export async function unfinished(): Promise<KeptUpload[]> {
  return (await import("./kept.js")).unfinished();
}

/** Lets one go: it is not told of any more. What the server has of it stays there until it expires. */
export async function forget(kept: Pick<KeptUpload, "server" | "id">): Promise<void> {
  await (await import("./kept.js")).forget(kept);
}

/** How a file is opened. */
export interface OpenOptions extends CoreOptions {
  /** The worker, or where its script is (`reelway/worker`), if not beside this package; `false`: none, it is done here. A worker that is
   * given belongs to the plan, and ends with it. */
  worker?: Worker | URL | string | false;
}

/** Plans a file from its index alone.
 *
 * @throws {ReelwayError} The file cannot be read, or holds nothing that can be played: the class says which. */
export async function open(input: Input, options: OpenOptions = {}): Promise<Plan> {
  const { worker, segment, ...rest } = options;
  if (worker === false || (worker === undefined && !hasWorkers())) {
    // Apart, so that a page that has a worker does not load it.
    const { open: openHere } = await import("./core.js");
    return openHere(input, options);
  }
  const file = await resolve(input, options.signal);
  return new Plan(await planIn((worker === undefined && take()) || start(worker), file, { ...rest, target: millis(segment) }));
}

let ready: Worker | undefined;

/** Starts a worker with the core in it, so that the next {@link open} without a worker of its own finds both there: for a page that waits
 * for somebody to choose a file. Nothing is done where there are no workers. */
export function prepare({ wasm }: Pick<OpenOptions, "wasm"> = {}): void {
  if (ready || !hasWorkers()) return;
  const worker = (ready = start(undefined));
  // Whoever opens a file then is told why there is none.
  worker.onerror = take;
  crossing(wasm).then((prepare) => worker.postMessage({ id: 0, prepare }), take);
}

function take(): Worker | undefined {
  const worker = ready;
  ready = undefined;
  return worker;
}

/** Node.js has no workers of this kind; in those of Deno and Bun the package is not found by its URL. */
function hasWorkers(): boolean {
  return typeof Worker === "function" && globalThis.process?.versions?.node === undefined;
}

function start(worker: Worker | URL | string | undefined): Worker {
  if (worker instanceof Worker) return worker;
  if (worker !== undefined) return new Worker(worker, { type: "module" });
  // Bundlers know this form, and put the script where it is then found.
  return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
}
