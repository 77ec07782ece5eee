/** A viewer of a live stream with a clock in its picture (source.mjs): how late each frame is, and how often playing stood still. */

import { BITS, HEIGHT, WIDTH } from "./source.mjs";

/** @typedef {import("playwright-core").Page} Page */

/** Begins to look at the video of the page.
 * @param {Page} page */
export async function look(page) {
  await page.locator("video").evaluate((/** @type {HTMLVideoElement} */ video, { bits, width, height }) => {
    const seen = { latencies: /** @type {number[]} */ ([]), stalls: 0, waits: /** @type {number[]} */ ([]), newest: 0 };
    window.seen = seen;
    // A decoder that is late on a busy machine waits too, with all that it needs before it.
    const ahead = () => {
      const ranges = Array.from({ length: video.buffered.length }, (_, index) => [video.buffered.start(index), video.buffered.end(index)]);
      const range = ranges.find(([start = 0, end = 0]) => start <= video.currentTime && video.currentTime <= end);
      return (range?.[1] ?? video.currentTime) - video.currentTime;
    };
    video.addEventListener("waiting", () => {
      if (video.seeking) return;
      seen.waits.push(ahead());
      if (ahead() < 0.5) seen.stalls += 1;
    });
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const note = () => {
      const now = Date.now();
      context?.drawImage(video, 0, 0, width, height);
      const row = context?.getImageData(0, height - 16, width, 1).data ?? [];
      const lit = (/** @type {number} */ bit) => (row[Math.floor(((bit + 0.5) * width) / bits) * 4] ?? 0) > 127;
      const made = Array.from({ length: bits }, (_, bit) => (lit(bit) ? 2 ** bit : 0)).reduce((sum, value) => sum + value);
      const latency = (((now - made) % 2 ** bits) + 2 ** bits) % 2 ** bits;
      seen.latencies.push(latency);
      seen.newest = Math.max(seen.newest, now - latency);
      video.requestVideoFrameCallback(note);
    };
    video.requestVideoFrameCallback(note);
  }, { bits: BITS, width: WIDTH, height: HEIGHT });
}

/** What has been seen since: milliseconds from the making of a frame to its being shown, and stalls.
 * @param {Page} page */
export async function seen(page) {
  const { latencies, stalls } = await page.evaluate(() => window.seen);
  const sorted = [...latencies].sort((a, b) => a - b);
  const at = (/** @type {number} */ part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
  return { frames: sorted.length, median: at(0.5), least: at(0), p95: at(0.95), most: at(1), stalls };
}

/** Waits until a frame is shown that was made after a moment, by the clock of this machine.
 * @param {Page} page @param {number} moment */
export async function seeFrom(page, moment) {
  await page.waitForFunction((moment) => window.seen.newest > moment, moment);
}

/** Waits until this many more seconds have been played.
 * @param {Page} page @param {number} seconds */
export async function watchOn(page, seconds) {
  const from = await page.locator("video").evaluate((/** @type {HTMLVideoElement} */ video) => video.currentTime);
  await page.waitForFunction((until) => (document.querySelector("video")?.currentTime ?? 0) > until, from + seconds, { timeout: seconds * 1000 + 30_000 });
}
