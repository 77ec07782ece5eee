/** All that the package makes of a file. It asks for nothing but `node:crypto`, so that it runs in Deno and Bun too. */

import { createHash } from "node:crypto";

/** @param {Uint8Array | string} bytes */
export const digest = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** Files by path, each by its digest: as `reelway package` writes them.
 * @param {import("../dist/core.js").Plan} plan */
export async function made(plan) {
  /** @type {[string, string][]} */
  const files = Object.entries(await plan.hls()).map(([path, text]) => [path, digest(text)]);
  files.push(["manifest.mpd", digest(await plan.dash())]);
  for (const { id, segments, webvtt } of plan.tracks) {
    files.push([`${id}/init.mp4`, digest(await plan.header(id))]);
    for (let number = 1; webvtt && number <= segments; number++) files.push([`${id}/${number}.vtt`, digest(await plan.webvtt(id, number))]);
  }
  for await (const { track, number, size, bytes, blob } of plan.segments()) {
    const whole = bytes ?? new Uint8Array(await blob.arrayBuffer());
    if (whole.byteLength !== size) throw new Error(`${track}/${number} has ${whole.byteLength} bytes, not ${size}`);
    files.push([`${track}/${number}.m4s`, digest(whole)]);
  }
  return Object.fromEntries(files.sort(([a], [b]) => (a < b ? -1 : 1)));
}
