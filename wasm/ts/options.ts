/** How files are opened, in whatever thread. */

import type { Wasm } from "./module.js";

/** How a file is opened. */
export interface OpenOptions {
  /** How long segments are to be, in seconds; 4 unless told otherwise. They begin where decoding can begin. */
  segment?: number;
  /** Where the compiled core comes from, if not from beside this package. */
  wasm?: Wasm;
  /** How long a read may take, in milliseconds, until it counts as lost. */
  patience?: number;
  /** Ends the opening, and all reads of a URL. */
  signal?: AbortSignal;
}

/** Seconds, or what is usual, in milliseconds. */
export function millis(seconds = 4): number {
  return Math.max(1, Math.round(seconds * 1000));
}
