/** What `reelway ladder` makes: who changes the rung at every segment sees each frame once, in one timeline. */

import { strict as assert } from "node:assert";
import { before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { PATIENCE, useSite } from "./browser.mjs";
import { FRAME_RATE, LONG } from "./media.mjs";
import { seek, shownFrame } from "./player.mjs";
import { openPlayer, playOut } from "./players.mjs";

const RUNGS = ["360p", "270p", "180p"];
const FRAMES = LONG * FRAME_RATE;
/** As the origin cuts them, in seconds. */
const SEGMENT = 4;

/** Asks for the next rung whenever a segment has come, as if the network kept changing, and keeps what came: number and rung. */
const SWITCHING = {
  "hls.js": (/** @type {any} */ player) => {
    window.segments = [];
    player.on("hlsFragBuffered", (/** @type {any} */ _, /** @type {any} */ { frag }) => {
      if (frag.type !== "main" || frag.sn === "initSegment") return;
      window.segments.push({ number: frag.sn, rung: String(frag.level) });
      player.loadLevel = (frag.level + 1) % player.levels.length;
    });
  },
  "dash.js": (/** @type {any} */ player) => {
    window.segments = [];
    const buffer = { bufferTimeDefault: 60, bufferTimeAtTopQuality: 60 };
    player.updateSettings({ streaming: { abr: { autoSwitchBitrate: { video: false } }, buffer } });
    player.on("fragmentLoadingCompleted", (/** @type {any} */ { request, mediaType }) => {
      if (mediaType !== "video" || request.type !== "MediaSegment") return;
      const rungs = player.getRepresentationsByType("video").map((/** @type {any} */ { id }) => id);
      window.segments.push({ number: request.index + 1, rung: request.representation.id });
      player.setRepresentationForTypeById("video", rungs[(rungs.indexOf(request.representation.id) + 1) % rungs.length], false);
    });
  },
};

describe("a ladder", () => {
  const site = useSite("forced", "long.mp4");
  before(() => site.ladder("long.mp4", "ladder", "--rungs", RUNGS.join(), "--preset", "ultrafast", "--no-images"));

  for (const name of /** @type {const} */ (["hls.js", "dash.js"])) {
    test(`${name} changes the rung at segment borders`, { timeout: 2 * PATIENCE }, async () => {
      await site.inPage(async (page) => {
        await openPlayer(page, site.secure(), name, "vod/ladder", SWITCHING[name]);
        // Played from a full buffer, so that a slow machine changes nothing.
        await page.waitForFunction((length) => {
          return window.bare.error !== "" || window.sourceBuffers.every(({ buffer: { buffered } }) => buffered.length === 1 && buffered.end(0) > length - 0.1);
        }, LONG);
        const { time } = await playOut(page);
        assert.ok(Math.abs(time - LONG) < 0.1, `ended at ${time}`);
        // The last picture may come onto the screen a moment after the end has been told.
        for (let tries = 0; tries < 50 && (await shownFrame(page)) !== FRAMES - 1; tries += 1) await sleep(100);
        assert.equal(await shownFrame(page), FRAMES - 1);

        const { gaps, frames, segments } = await page.evaluate(() => ({
          gaps: window.sourceBuffers.map(({ buffer }) => buffer.buffered.length - 1),
          frames: window.bare.video.getVideoPlaybackQuality().totalVideoFrames,
          segments: window.segments,
        }));
        assert.deepEqual(gaps, [0, 0]);
        assert.equal(frames, FRAMES, "frames that were decoded");
        // A player that is told to change may fetch a segment again; the last that came is shown.
        const shown = new Map(segments.map(({ number, rung }) => [number, rung]));
        const rungs = Array.from({ length: LONG / SEGMENT }, (_, i) => shown.get(i + 1));
        assert.deepEqual(new Set(rungs), new Set(segments.map(({ rung }) => rung)));
        assert.equal(new Set(rungs).size, RUNGS.length);
        assert.ok(rungs.filter((rung, i) => i > 0 && rung !== rungs[i - 1]).length >= 3, `played ${rungs.join()}`);

        for (let border = SEGMENT; border < LONG; border += SEGMENT) {
          for (const frame of [border * FRAME_RATE - 1, border * FRAME_RATE]) await seek(page, frame);
        }
      });
    });
  }
});
