/** What the package does in a runtime, told as JSON: `everywhere.mjs ENTRY FILE URL`. It runs unchanged in Node.js, Deno and Bun, beside the
 * package. */

import { openAsBlob } from "node:fs";
import { readFile } from "node:fs/promises";
import { made } from "./made.mjs";

const [entry = "", file = "", url = ""] = process.argv.slice(2);
const { open, ReelwayError } = await import(entry);
const bytes = await readFile(file);

/** @param {unknown} input @param {object} [options] */
async function all(input, options) {
  const plan = await open(input, options);
  const files = await made(plan);
  plan.close();
  return { ...files, plan: JSON.stringify(plan) };
}

/** @param {Promise<unknown>} promise */
const fault = (promise) =>
  promise.then(
    () => "none",
    (error) => [error.name, error instanceof ReelwayError, error.message, error.path, error.offset].join(),
  );

const read = async (/** @type {number} */ start, /** @type {number} */ end) => bytes.subarray(start, end);
/** @type {Record<string, Promise<unknown>>} */
const told = {
  "bytes": all(bytes),
  "a Blob": all(new Blob([bytes])),
  "a file": all(await openAsBlob(file)),
  "a URL": all(url),
  "a source": all({ size: bytes.length, read }),
  "no video": fault(open(new Blob(["no video at all."]))),
  "cut short": fault(open(bytes.subarray(0, 2000))),
  "a read that never ends": fault(open({ size: 1000, read: () => new Promise(() => undefined) }, { patience: 20 })),
};
if ("Bun" in globalThis) told["a file of Bun"] = all(/** @type {any} */ (globalThis).Bun.file(file));
// Node.js has none of this kind.
if (typeof Worker === "function" && entry !== "reelway/core") {
  const worker = () => new Worker(import.meta.resolve("reelway/worker"), { type: "module" });
  told["a worker of one's own"] = all(bytes, { worker: worker() });
  told["a worker and the core from elsewhere"] = all(new Blob([bytes]), { worker: worker(), wasm: import.meta.resolve("reelway/segmenter.wasm") });
}
const names = Object.keys(told);
const answers = await Promise.all(Object.values(told));
console.log(JSON.stringify(Object.fromEntries(names.map((name, index) => [name, answers[index]]))));
