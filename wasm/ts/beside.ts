/** Where the compiled core is found: beside this package. `reelway/inline` has it inside instead. */

import type { Wasm } from "./module.js";

export function beside(): Wasm {
  // Bundlers know this form, and put the file where it is then found.
  return new URL("./segmenter.wasm", import.meta.url);
}
