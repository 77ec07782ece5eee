/** The core for JavaScript, in Node and in Chromium, against the same core in the server: the same tracks, segments and bytes. */

import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { PATIENCE, useSite } from "./browser.mjs";
import { planOf } from "./plan.mjs";

const PACKAGE = new URL("../../wasm/pkg/", import.meta.url);
const CLIPS = ["counter.mp4", "fragmented.mp4", "quicktime.mov", "two-languages.mp4", "sound.m4a"];

/** @typedef {Awaited<ReturnType<typeof planOf>>} Plan */

/** What the server makes of a file.
 * @param {string} origin @param {string} id */
async function served(origin, id) {
  const get = async (/** @type {string} */ path) => {
    const response = await fetch(new URL(path, origin));
    assert.equal(response.status, 200, path);
    return response;
  };
  const { assets } = await (await get("/api/v1/assets")).json();
  const asset = assets.find((/** @type {{ id: string }} */ each) => each.id === id);
  const count = async (/** @type {string} */ rendition) => (await (await get(`/vod/${id}/${rendition}/media.m3u8`)).text()).match(/^\d+\.m4s$/gm)?.length;
  const tracks = [];
  for (const { id: rendition, ...track } of asset.tracks) tracks.push({ rendition, ...track, segments: await count(rendition) });
  const last = tracks.at(-1);
  const bytes = async (/** @type {string} */ path) => [...new Uint8Array(await (await get(path)).arrayBuffer())];
  return {
    tracks,
    hls: await (await get(asset.hls)).text(),
    mpd: await (await get(asset.dash)).text(),
    header: await bytes(`/vod/${id}/${last.rendition}/init.mp4`),
    segment: await bytes(`/vod/${id}/${last.rendition}/${last.segments}.m4s`),
  };
}

/** @param {Plan} plan @param {string} origin @param {string} id */
async function isWhatIsServed({ asked: _, ...plan }, origin, id) {
  // JSON leaves out what is undefined.
  assert.deepEqual(JSON.parse(JSON.stringify(plan)), await served(origin, id));
}

describe("the core in JavaScript", () => {
  const site = useSite("forced", ...CLIPS);

  for (const id of CLIPS) {
    test(`in Node: ${id}`, { timeout: PATIENCE }, async () => {
      const core = await import(new URL("reelway_wasm.js", PACKAGE).href);
      core.initSync({ module: await readFile(new URL("reelway_wasm_bg.wasm", PACKAGE)) });
      const file = new Uint8Array(await (await fetch(new URL(`/media/${id}`, site.plain()))).arrayBuffer());
      const plan = await planOf(core, file.length, async (start, end) => file.subarray(start, end));
      assert.ok(plan.asked < file.length / 4, `${plan.asked} bytes were read of ${file.length}: the index is far less`);
      await isWhatIsServed(plan, site.plain(), id);
    });

    test(`in Chromium: ${id}`, { timeout: PATIENCE }, async () => {
      await site.inPage(async (page) => {
        // Beside the site, so that the page may load it.
        await page.route("**/core/*", async (route) => {
          const name = new URL(route.request().url()).pathname.slice("/core/".length);
          const path = fileURLToPath(new URL(name, name === "plan.mjs" ? import.meta.url : PACKAGE));
          await route.fulfill({ path, contentType: name.endsWith(".wasm") ? "application/wasm" : "text/javascript" });
        });
        // A page without the policy of the web app, which has no use for WebAssembly.
        await page.goto(`${site.secure()}healthz`);
        const plan = await page.evaluate(async (id) => {
          const load = (/** @type {string} */ path) => import(path);
          const core = await load("/core/reelway_wasm.js");
          await core.default();
          const { planOf } = await load("/core/plan.mjs");
          const blob = await (await fetch(`/media/${id}`)).blob();
          const read = async (/** @type {number} */ start, /** @type {number} */ end) => new Uint8Array(await blob.slice(start, end).arrayBuffer());
          return planOf(core, blob.size, read);
        }, id);
        await isWhatIsServed(plan, site.plain(), id);
      });
    });
  }

  test("errors say what is wrong and where", async () => {
    const core = await import(new URL("reelway_wasm.js", PACKAGE).href);
    core.initSync({ module: await readFile(new URL("reelway_wasm_bg.wasm", PACKAGE)) });
    const read = async () => new TextEncoder().encode("no video at all.");
    await assert.rejects(planOf(core, 16, read), (error) => {
      const { kind, offset, message } = JSON.parse(String(error));
      assert.deepEqual([kind, offset], ["unsupported", 0]);
      assert.match(message, /not an MP4 or MOV file/);
      return true;
    });
  });
});
