/** Every pair of codecs plays in every player that browsers are given, to the end, after a seek: made on demand, and as `package` writes it
 * with one file a rendition, where players ask for byte ranges. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { PATIENCE, useSite } from "./browser.mjs";
import { PICTURES, SECONDS, SOUNDS, WIDTH } from "./media.mjs";
import { NAMES, openPlayer, playOut, playPast, seekTo } from "./players.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("./players.mjs").Name} Name */

const PAIRS = PICTURES.flatMap((picture) => SOUNDS.map((sound) => `${picture}-${sound}.mp4`));
const SINGLE = ["h264-aac.mp4", "vp9-opus.mp4", "av1-flac.mp4"];

/** @param {Page} page @param {string} origin @param {Name} name @param {string} path */
async function plays(page, origin, name, path) {
  await openPlayer(page, origin, name, path);
  await playPast(page, 0.5);
  await seekTo(page, SECONDS * 0.7);
  const { time, duration, width } = await playOut(page);
  assert.equal(width, WIDTH);
  assert.ok(Math.abs(time - SECONDS) < 0.1 && Math.abs(duration - SECONDS) < 0.1, `ended at ${time} of ${duration}`);
}

describe("every picture with every sound, to the end after a seek", { concurrency: 3 }, () => {
  const site = useSite("forced", ...PAIRS);

  for (const id of PAIRS) {
    for (const name of NAMES) {
      test(`${id} in ${name}`, { timeout: PATIENCE }, async () => {
        await site.inPage((page) => plays(page, site.secure(), name, `vod/${id}`));
      });
    }
  }

  for (const id of SINGLE) {
    test(`${id} in single files`, { timeout: 2 * PATIENCE }, async () => {
      const folder = site.package(id, "--layout", "single-file");
      for (const name of NAMES) {
        await site.inPage(async (page) => {
          /** @type {Set<number>} */
          const statuses = new Set();
          page.on("response", (response) => response.url().endsWith(".mp4") && statuses.add(response.status()));
          await plays(page, site.secure(), name, `media/${folder}`);
          assert.deepEqual([...statuses], [206], name);
        });
      }
    });
  }
});
