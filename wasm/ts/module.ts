/** The core: found, compiled and started once. */

import start, { Opener } from "./segmenter.js";

/** Where the compiled core comes from, if not from beside this package. */
export type Wasm = URL | string | Response | BufferSource | WebAssembly.Module;

let started: Promise<typeof Opener> | undefined;

/** The core, ready. The first call decides from where. */
export function core(wasm?: Wasm): Promise<typeof Opener> {
  started ??= begin(wasm);
  // What failed may work the next time.
  started.catch(() => (started = undefined));
  return started;
}

async function begin(wasm?: Wasm): Promise<typeof Opener> {
  // Bundlers know this form, and put the file where it is then found.
  const place = wasm ?? new URL("./segmenter.wasm", import.meta.url);
  const local = place instanceof URL && place.protocol === "file:" ? globalThis.process?.getBuiltinModule?.("node:fs") : undefined;
  await start({ module_or_path: local ? await local.promises.readFile(place as URL) : place });
  return Opener;
}
