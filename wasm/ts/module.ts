/** The core: found, compiled and started once. */

import { beside } from "./beside.js";
import { Opener, initSync } from "./segmenter.js";

/** Where the compiled core comes from, if not from beside this package. */
export type Wasm = URL | string | Response | BufferSource | WebAssembly.Module;

let started: Promise<typeof Opener> | undefined;

/** The core, ready. The first call decides from where. */
export function core(wasm?: Wasm): Promise<typeof Opener> {
  started ??= begin(wasm ?? beside());
  // What failed may work the next time.
  started.catch(() => (started = undefined));
  return started;
}

async function begin(place: Wasm): Promise<typeof Opener> {
  initSync({ module: await compiled(place) });
  return Opener;
}

async function compiled(place: Wasm): Promise<WebAssembly.Module> {
  if (place instanceof WebAssembly.Module) return place;
  const local = place instanceof URL && place.protocol === "file:" ? globalThis.process?.getBuiltinModule?.("node:fs") : undefined;
  if (local) return WebAssembly.compile(await local.promises.readFile(place as URL));
  const found = typeof place === "string" || place instanceof URL ? await fetch(place) : place;
  if (!(found instanceof Response)) return WebAssembly.compile(found);
  if (!found.ok) throw new Error(`${found.url}: the server answers ${found.status}`);
  // While it comes, where the server says what it is.
  const streams = found.headers.get("content-type") === "application/wasm";
  return streams ? WebAssembly.compileStreaming(found) : WebAssembly.compile(await found.arrayBuffer());
}
