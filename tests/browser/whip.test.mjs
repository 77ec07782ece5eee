/** Chromium publishes by WebRTC (WHIP), and others watch: by HLS, by DASH and as one endless file, with pictures and sound together. */

import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { PATIENCE, shoot, useLiveSite } from "./browser.mjs";
import { openPlayer, playPast } from "./players.mjs";
import { publish } from "./publisher.mjs";
import { BITS } from "./source.mjs";
import { look, seeFrom, watchOn } from "./viewer.mjs";

/** A publisher that is gone is taken for gone after a second. */
const CONFIG = '[live]\nsegment = "1s"\npart = "500ms"\nlatency = "4s"\ntakeover = "1s"\n';
/** The part that a lost source was about to send is released with 404 (RFC 8216bis 6.2.6); who comes before it is taken for gone is refused. */
const EXPECTED = /^status (404|409) |^console: Failed to load resource: the server responded with a status of (404|409)/;
/** So much of the stream is looked at, in bytes, and its pictures and sound may be apart by so much, in milliseconds: less than a part. */
const LOOKED_AT = 400_000;
const TOGETHER = 250;

/** The first bytes of what a stream is from now on.
 * @param {string} url @param {number} length */
async function read(url, length) {
  const response = await fetch(url);
  assert.equal(response.status, 200);
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  /** @type {Uint8Array[]} */
  const pieces = [];
  for (let size = 0; size < length; ) {
    const { done, value } = await reader.read();
    if (done) break;
    pieces.push(value);
    size += value.length;
  }
  await reader.cancel();
  return Buffer.concat(pieces);
}

/** @param {number[]} values */
const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;

/** By how many milliseconds each beep comes later than the picture of that moment.
 * @param {string} file */
function apart(file) {
  const quiet = ["-nostdin", "-v", "fatal", "-i", file];
  const times = (/** @type {string} */ stream) => {
    const told = execFileSync("ffprobe", ["-v", "fatal", "-select_streams", stream, "-show_entries", "frame=pts_time", "-of", "csv=p=0", file], { encoding: "utf8" });
    return told.trim().split("\n").map((line) => 1000 * parseFloat(line));
  };
  const bars = execFileSync("ffmpeg", [...quiet, "-map", "0:v", "-fps_mode", "passthrough", "-vf", `crop=iw:16:0:ih-16,scale=${BITS}:1:flags=area`, "-f", "rawvideo", "-pix_fmt", "gray", "-"]);
  const sound = execFileSync("ffmpeg", [...quiet, "-map", "0:a", "-ac", "1", "-ar", "8000", "-f", "s16le", "-"]);
  const now = Date.now();
  const shown = times("v").slice(0, bars.length / BITS);
  const clocks = shown.map((shown, frame) => {
    const made = [...bars.subarray(frame * BITS, (frame + 1) * BITS)].reduce((sum, bar, bit) => sum + (bar > 127 ? 2 ** bit : 0), 0);
    return { shown, made: now - ((((now - made) % 2 ** BITS) + 2 ** BITS) % 2 ** BITS) };
  });
  const behind = median(clocks.map(({ shown, made }) => made - shown));
  const [start = NaN] = times("a");
  const samples = new Int16Array(sound.buffer, sound.byteOffset, Math.floor(sound.length / 2));
  /** @type {number[]} */
  const beeps = [];
  let silent = 0;
  samples.forEach((sample, index) => {
    if (Math.abs(sample) > 2000) {
      if (silent > 1600) beeps.push(start + index / 8 + behind);
      silent = 0;
    } else silent += 1;
  });
  return { frames: clocks, beeps: beeps.map((at) => ((at % 1000) + 1500) % 1000 - 500) };
}

describe("WHIP", () => {
  const site = useLiveSite(CONFIG);
  const folder = mkdtempSync(join(tmpdir(), "reelway-whip-"));
  after(() => rmSync(folder, { recursive: true, force: true }));

  test("from Chromium to players, and back after it is gone", { timeout: 4 * PATIENCE }, async () => {
    await site.inPage(async (page) => {
      const context = page.context();
      const first = await context.newPage();
      assert.deepEqual(await publish(first, site.secure(), "cam"), [201]);
      await first.waitForFunction(() => window.publishing.peer.connectionState === "connected");
      const master = `${site.plain()}live/cam/master.m3u8`;
      while ((await fetch(master)).status !== 200) await first.waitForTimeout(100);
      const playlist = await (await fetch(master)).text();
      assert.match(playlist, /CODECS="avc1\.42[0-9A-F]{4},Opus"/);

      // Somebody else is not let in beside it, and cannot end it.
      const elsewhere = await fetch(`${site.plain()}whip/cam/${"0".repeat(32)}`, { method: "DELETE" });
      assert.equal(elsewhere.status, 404);

      const file = join(folder, "cam.mp4");
      writeFileSync(file, await read(`${site.plain()}live/cam/stream.mp4`, LOOKED_AT));
      const { frames, beeps } = apart(file);
      assert.ok(frames.length > 30, `${frames.length} pictures`);
      assert.ok(new Set(frames.map(({ made }) => made)).size > frames.length / 2, "they move");
      assert.ok(beeps.length > 0, "there is sound");
      assert.ok(Math.abs(median(beeps)) < TOGETHER, `sound comes ${beeps.map(Math.round).join(", ")} ms later than pictures`);

      for (const name of /** @type {const} */ (["dash.js", "hls.js"])) {
        await openPlayer(page, site.secure(), name, "live/cam");
        await playPast(page, 0);
        await look(page);
        await watchOn(page, 3);
        const heard = await page.evaluate(() => /** @type {any} */ (window.bare.video).webkitAudioDecodedByteCount);
        assert.ok(heard > 0, `${name} decodes sound`);
      }
      await first.close();
      const second = await context.newPage();
      const statuses = await publish(second, site.secure(), "cam");
      assert.equal(statuses.at(-1), 201);
      await seeFrom(page, Date.now());
      await watchOn(page, 2);

      // Who publishes says that it is over.
      const { session, status } = await second.evaluate(async () => {
        const { session } = window.publishing;
        return { session, status: (await fetch(session, { method: "DELETE" })).status };
      });
      assert.equal(status, 200);
      await page.waitForFunction(() => window.bare.video.ended || window.bare.error !== "");
      assert.equal((await fetch(session.replace(site.secure(), site.plain()), { method: "DELETE" })).status, 404);
      await second.close();
    }, EXPECTED);
  });

  test("from the live page, with camera and microphone", { timeout: 2 * PATIENCE }, async () => {
    await site.inPage(async (page) => {
      await page.goto(`${site.secure()}#/live`);
      await page.locator("label", { hasText: "This browser" }).click();
      await page.getByLabel("Name").fill("me");
      await page.getByRole("button", { name: "Camera and microphone" }).click();
      await page.locator(".broadcast").getByText("“me” is on air.").waitFor();
      const opened = page.context().waitForEvent("page");
      await page.getByRole("link", { name: "Open its page" }).click();
      const viewer = await opened;
      await viewer.waitForFunction(() => {
        const video = document.querySelector("video");
        return video !== null && video.currentTime > 1 && video.videoWidth === 1280;
      });
      await shoot(page, "broadcast");
      await page.getByRole("button", { name: "Stop" }).click();
      await page.getByRole("button", { name: "Screen" }).waitFor();
      // It ends for those who watch as well, at once.
      await viewer.waitForFunction(() => document.querySelector("video")?.ended);
      await viewer.close();
    });
  });
});
