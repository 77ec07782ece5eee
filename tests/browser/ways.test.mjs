/** Going from one way of playing to another in the middle. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { PATIENCE, useSite } from "./browser.mjs";
import { FRAME_RATE } from "./media.mjs";
import { choose, seek, shownFrame, state, stats, watch } from "./player.mjs";

/** @typedef {import("playwright-core").Page} Page */

const CLIP = "counter.mp4";
const LABELS = { hls: /^hls\.js/, dash: /^dash\.js/, file: /^Browser$/ };

/** @param {Page} page */
function position(page) {
  return page.locator("video").evaluate((/** @type {HTMLVideoElement} */ { currentTime, paused }) => ({ currentTime, paused }));
}

describe("ways of playing", () => {
  const site = useSite("forced", CLIP);

  test("paused, each way goes on at the same frame", { timeout: PATIENCE }, async () => {
    await site.inPage(async (page) => {
      await watch(page, site.secure(), CLIP, "hls");
      const frame = 137;
      await seek(page, frame);
      for (const way of /** @type {const} */ (["dash", "file", "hls", "file", "dash", "hls"])) {
        await choose(page, way);
        assert.match((await stats(page))["Player"] ?? "", LABELS[way]);
        await page.waitForFunction(() => !document.querySelector("video")?.seeking);
        const { currentTime, paused } = await position(page);
        assert.ok(Math.abs(currentTime - (frame + 0.5) / FRAME_RATE) < 0.5 / FRAME_RATE, `by ${way} at ${currentTime}`);
        assert.equal(paused, true, `by ${way}`);
        assert.equal(await shownFrame(page), frame, `by ${way}`);
      }
    });
  });

  test("playing, each way plays on from there", { timeout: PATIENCE }, async () => {
    await site.inPage(async (page) => {
      await watch(page, site.secure(), CLIP, "file");
      let last = 0;
      for (const way of /** @type {const} */ (["dash", "hls", "dash", "file", "hls"])) {
        await page.waitForFunction((last) => (document.querySelector("video")?.currentTime ?? 0) > last + 0.4, last);
        const before = (await position(page)).currentTime;
        await choose(page, way);
        const now = await position(page);
        assert.ok(now.currentTime >= before - 0.1, `by ${way} from ${before} to ${now.currentTime}`);
        assert.equal(now.paused, false, `by ${way}`);
        last = now.currentTime;
      }
      assert.equal((await state(page)).error, null);
    });
  });

  test("what an engine loads anew plays on, and stays paused where it was", { timeout: PATIENCE }, async () => {
    await site.inPage(async (page) => {
      await watch(page, site.secure(), CLIP, "file");
      const video = page.locator("video");
      await page.waitForFunction(() => (document.querySelector("video")?.currentTime ?? 0) > 0.5);
      for (const paused of [false, true]) {
        if (paused) await video.evaluate((/** @type {HTMLVideoElement} */ video) => video.pause());
        // It pauses the element, without an event.
        await video.evaluate((/** @type {HTMLVideoElement} */ video) => video.load());
        await page.waitForFunction((paused) => {
          const video = document.querySelector("video");
          return video?.readyState === 4 && (paused ? video.paused : video.currentTime > 0.5);
        }, paused);
      }
    });
  });

  for (const other of /** @type {const} */ (["hls", "file"])) {
    test(`dash.js, left for ${other} before it has begun, is gone for good`, { timeout: PATIENCE }, async () => {
      await site.inPage(async (page) => {
        await page.goto(site.secure());
        // At the same point each time: it has made its buffers and waits for what goes into them.
        await page.evaluate((other) => {
          localStorage.setItem("reelway.way", "dash");
          const made = window.sourceBuffers;
          made.push = (...items) => {
            const length = Array.prototype.push.apply(made, items);
            if (length === 2) setTimeout(() => /** @type {HTMLElement} */ (document.querySelector(`input[value=${other}]`)).click());
            return length;
          };
        }, other);
        await page.goto(`${site.secure()}#/watch/${CLIP}`);
        await page.waitForFunction((other) => window.reelway.state().engine === other, other);
        await page.waitForFunction(() => (document.querySelector("video")?.currentTime ?? 0) > 1);
      });
    });
  }
});
