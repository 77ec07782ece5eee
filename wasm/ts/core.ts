/** `reelway/core`: plans files in the thread that calls. For Node.js, Deno, Bun, and workers of your own.
 *
 * ```js
 * import { open } from "reelway/core";
 * const plan = await open(bytes);
 * ```
 */

import { plan } from "./engine.js";
import { type OpenOptions, millis } from "./options.js";
import { Plan } from "./plan.js";
import { type Input, resolve } from "./source.js";

export type { Form, IndexRange, Problem, TrackFacts } from "./engine.js";
export * from "./error.js";
export type { Wasm } from "./module.js";
export type { OpenOptions } from "./options.js";
export { Plan, type Segment, type SegmentFacts, type SegmentOptions, type SegmentsOptions, type Track } from "./plan.js";
export type { Input, Source } from "./source.js";

/** Plans a file from its index alone.
 *
 * @throws {ReelwayError} The file cannot be read, or holds nothing that can be played: the class says which. */
export async function open(input: Input, options: OpenOptions = {}): Promise<Plan> {
  const file = await resolve(input, options.signal);
  return new Plan(await plan(file, { ...options, target: millis(options.segment) }));
}
