/** `reelway/inline`: the same with worker and core inside, for whoever cannot serve them as files: some bundlers, and pages without one. A
 * Content-Security-Policy must allow `worker-src blob:` and `'wasm-unsafe-eval'`.
 */

import { open as openWith, type OpenOptions } from "./index.js";
import { worker } from "./inlined.js";
import type { Plan } from "./plan.js";
import type { Input } from "./source.js";

export * from "./index.js";

/** Plans a file from its index alone, in a worker that is made from this script. */
export async function open(input: Input, options: OpenOptions = {}): Promise<Plan> {
  if (options.worker !== undefined || typeof Worker !== "function" || globalThis.process?.versions?.node !== undefined) return openWith(input, options);
  const url = URL.createObjectURL(new Blob([worker], { type: "text/javascript" }));
  try {
    return await openWith(input, { ...options, worker: url });
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** Nothing: there is no worker to be fetched beforehand. */
export function prepare(): void {}
