/** Sound and picture begin where the file says, in every player, and each moment shows its own picture. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { PATIENCE, useSite } from "./browser.mjs";
import { FRAME_RATE, FRAMES, LATE } from "./media.mjs";
import { bufferStarts, seek, watch } from "./player.mjs";
import { openPlayer } from "./players.mjs";

/** An AAC frame that begins before the picture, the decoder's warm-up, and rounding. */
const TOLERANCE = 0.05;

/** @param {number | undefined} actual @param {number} wanted @param {number} tolerance @param {string} what */
function near(actual = NaN, wanted, tolerance, what) {
  assert.ok(Math.abs(actual - wanted) <= tolerance, `${what} at ${actual}, should be ${wanted}`);
}

/** Runs in the page. Paused, Shaka Player may stay in front of sound that comes late; it goes on to it once it is to play. */
function playAtOnce() {
  const video = document.querySelector("video");
  video?.addEventListener("loadedmetadata", () => void video.play());
}

describe("timelines", () => {
  const site = useSite("forced", "counter.mp4", "late-audio.mp4", "fragmented.mp4");

  for (const way of /** @type {const} */ (["hls", "dash"])) {
    test(`${way}: with B-frames, both begin at 0`, { timeout: PATIENCE }, async () => {
      await site.inPage(async (page) => {
        await watch(page, site.secure(), "counter.mp4", way);
        const { video, audio } = await bufferStarts(page);
        near(video, 0, 0.5 / FRAME_RATE, "the picture begins");
        near(audio, 0, TOLERANCE, "the sound begins");
      });
    });

    test(`${way}: sound that comes late stays late`, { timeout: PATIENCE }, async () => {
      await site.inPage(async (page) => {
        await watch(page, site.secure(), "late-audio.mp4", way);
        const { video, audio } = await bufferStarts(page);
        near(video, 0, 0.5 / FRAME_RATE, "the picture begins");
        near(audio, LATE, TOLERANCE, "the sound begins");
        await seek(page, FRAMES / 2);
        await seek(page, FRAMES - 2);
      });
    });
  }

  // By HLS, Shaka Player moves the first segment of late sound to where the playlist begins, so there it is only asked of even ones.
  for (const [name, id, late] of /** @type {const} */ ([
    ["Shaka Player by HLS", "counter.mp4", 0],
    ["Shaka Player by DASH", "counter.mp4", 0],
    ["Shaka Player by DASH", "late-audio.mp4", LATE],
  ])) {
    test(`${name}: ${id}`, { timeout: PATIENCE }, async () => {
      await site.inPage(async (page) => {
        await openPlayer(page, site.secure(), name, `vod/${id}`, playAtOnce);
        const { video, audio } = await bufferStarts(page);
        near(video, 0, 0.5 / FRAME_RATE, "the picture begins");
        near(audio, late, TOLERANCE, "the sound begins");
        await seek(page, FRAMES / 2);
      });
    });
  }

  test("Shaka Player by DASH: fast forward goes on with key frames alone", { timeout: PATIENCE }, async () => {
    await site.inPage(async (page) => {
      // Little is fetched ahead, so that something is left to fetch.
      await openPlayer(page, site.secure(), "Shaka Player by DASH", "vod/counter.mp4", (player) =>
        player.configure({ streaming: { bufferingGoal: 1 } }),
      );
      await page.evaluate(async () => {
        window.bare.player.trickPlay(2);
        await window.bare.video.play();
      });
      await page.waitForFunction(() => window.bare.video.ended, undefined, { timeout: PATIENCE });
      const fetched = await page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => name));
      assert.ok(fetched.some((name) => name.endsWith("/k1/3.m4s")) && !fetched.some((name) => name.endsWith("/v1/3.m4s")), fetched.join("\n"));
      assert.equal(await page.evaluate(() => window.bare.error), "");
    });
  });

  // No edit list: the two frames that decoding runs ahead stay in front of the first picture.
  for (const way of /** @type {const} */ (["file", "hls", "dash"])) {
    test(`${way}: a fragmented file without edit list keeps its own time`, { timeout: PATIENCE }, async () => {
      await site.inPage(async (page) => {
        await watch(page, site.secure(), "fragmented.mp4", way);
        await seek(page, FRAMES / 2, 2);
        await seek(page, 40, 2);
      });
    });
  }
});
