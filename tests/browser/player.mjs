/** The page of one video, through the eyes and hands of who watches it. */

import { strict as assert } from "node:assert";
import { PAGE_PATIENCE } from "./browser.mjs";
import { BITS, FRAME_RATE, HEIGHT, SECONDS, WIDTH } from "./media.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {"hls" | "dash" | "file"} Way */

/** Opens a video by its address, to be played one way.
 * @param {Page} page @param {string} origin @param {string} id @param {Way} way */
export async function open(page, origin, id, way) {
  await page.goto(origin);
  // As if chosen for an earlier video: no other way then begins before this one.
  await page.evaluate((way) => localStorage.setItem("reelway.way", way), way);
  await page.goto(`${origin}#/watch/${id.split("/").map(encodeURIComponent).join("/")}`);
}

/** Opens a video and waits until it has begun.
 * @param {Page} page @param {string} origin @param {string} id @param {Way} way */
export async function watch(page, origin, id, way) {
  await open(page, origin, id, way);
  await begun(page, way);
}

/** Chooses a way of playing in the page.
 * @param {Page} page @param {Way} way */
export async function choose(page, way) {
  await page.locator(".switch label", { has: page.locator(`input[value=${way}]`) }).click();
  await begun(page, way);
}

/** Waits until there is something to see or hear.
 * @param {Page} page @param {Way} way */
async function begun(page, way) {
  await page.waitForFunction((way) => {
    const { engine, error } = window.reelway.state();
    const video = document.querySelector("video");
    return engine === way && (error !== null || (video !== null && video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA));
  }, way);
  assert.equal((await state(page)).error, null);
}

/** @param {Page} page */
export function state(page) {
  return page.evaluate(() => window.reelway.state());
}

/** The stats under the player, by their names.
 * @param {Page} page @returns {Promise<Record<string, string>>} */
export function stats(page) {
  return page.evaluate(() => {
    const cells = [...document.querySelectorAll(".stats > div")];
    return Object.fromEntries(cells.map((cell) => [cell.querySelector("dt")?.textContent ?? "", cell.querySelector("dd")?.textContent ?? ""]));
  });
}

/** Plays from wherever it is to the end, quickly.
 * @param {Page} page */
export async function playToTheEnd(page) {
  await page.locator("video").evaluate(async (/** @type {HTMLVideoElement} */ video) => {
    video.playbackRate = 4;
    await video.play();
  });
  await page.waitForFunction(() => document.querySelector("video")?.ended || window.reelway.state().error !== null);
  assert.equal((await state(page)).error, null);
}

/** The stretches that have been played, in seconds.
 * @param {Page} page */
export function played(page) {
  return page.locator("video").evaluate((/** @type {HTMLVideoElement} */ { played }) => {
    return Array.from({ length: played.length }, (_, i) => [played.start(i), played.end(i)]);
  });
}

/** @param {Page} page */
export async function playedFromStartToEnd(page) {
  const stretches = await played(page);
  assert.equal(stretches.length, 1, `played ${JSON.stringify(stretches)}`);
  const [start = NaN, end = NaN] = stretches[0] ?? [];
  assert.ok(start < 0.1 && Math.abs(end - SECONDS) < 0.1, `played ${JSON.stringify(stretches)}`);
}

/** Goes to the middle of a frame, and sees that it is this one which is shown. `lead`: frames of time before the first.
 * @param {Page} page @param {number} frame */
export async function seek(page, frame, lead = 0) {
  await page.locator("video").evaluate((/** @type {HTMLVideoElement} */ video, time) => {
    video.pause();
    delete video.dataset["seeked"];
    video.addEventListener("seeked", () => (video.dataset["seeked"] = "yes"), { once: true });
    video.currentTime = time;
  }, (frame + lead + 0.5) / FRAME_RATE);
  await page.waitForFunction(() => document.querySelector("video")?.dataset["seeked"] !== undefined);
  // The picture may come a little later than the event. One that was drawn before somebody waits for the next is told to nobody.
  const end = performance.now() + PAGE_PATIENCE;
  let shown = await shownFrame(page);
  while (shown !== frame && performance.now() < end) shown = await shownFrame(page);
  assert.equal(shown, frame, "the number in the picture");
}

/** The number in the picture that is on the screen.
 * @param {Page} page */
export function shownFrame(page) {
  return page.locator("video").evaluate((/** @type {HTMLVideoElement} */ video, { bits, width, height }) => {
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (!context) throw new Error("no canvas");
    context.drawImage(video, 0, 0, width, height);
    const bar = width / bits;
    const lit = (/** @type {number} */ bit) => (context.getImageData((bit + 0.5) * bar, height - 20, 1, 1).data[0] ?? 0) > 127;
    return Array.from({ length: bits }, (_, bit) => (lit(bit) ? 2 ** bit : 0)).reduce((sum, value) => sum + value);
  }, { bits: BITS, width: WIDTH, height: HEIGHT });
}

/** Where the newest SourceBuffer of each kind begins, once each has something.
 * @param {Page} page */
export async function bufferStarts(page) {
  const starts = await page.waitForFunction(() => {
    const live = window.sourceBuffers.filter(({ source, buffer }) => [...source.sourceBuffers].includes(buffer));
    if (live.length === 0 || live.some(({ buffer }) => buffer.buffered.length === 0)) return undefined;
    return Object.fromEntries(live.map(({ type, buffer }) => [type.slice(0, type.indexOf("/")), buffer.buffered.start(0)]));
  });
  return /** @type {Promise<Record<string, number>>} */ (starts.jsonValue());
}

/** What the browser measured of each media request that got an answer: what was asked for, by which protocol.
 * @param {Page} page */
export async function mediaRequests(page) {
  const entries = await page.evaluate(() => {
    const all = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByType("resource"));
    return all.map(({ name, nextHopProtocol, responseStatus, transferSize }) => ({ name, nextHopProtocol, responseStatus, transferSize }));
  });
  return (
    entries
      .map(({ name, ...rest }) => ({ path: decodeURIComponent(new URL(name).pathname), ...rest }))
      .filter(({ path }) => path.startsWith("/vod/") || path.startsWith("/media/"))
      // A request that was given up has no answer and so no protocol.
      .filter(({ responseStatus, nextHopProtocol }) => responseStatus !== 0 || nextHopProtocol !== "")
  );
}

/** All parts of a presentation of the source's length were fetched, each over this protocol and none out of the cache.
 * @param {Page} page @param {string} id @param {"hls" | "dash"} way @param {string} protocol */
export async function cameOver(page, id, way, protocol) {
  const parts = ["v1", "a1"].flatMap((name) => ["init.mp4", "1.m4s", "2.m4s", "3.m4s"].map((part) => `${name}/${part}`));
  const lists = way === "hls" ? ["master.m3u8", "v1/media.m3u8", "a1/media.m3u8"] : ["manifest.mpd"];
  const wanted = [...parts, ...lists].map((part) => `/vod/${id}/${part}`);
  const requests = await mediaRequests(page);
  assert.deepEqual([...new Set(requests.map(({ path }) => path))].sort(), wanted.sort());
  for (const request of requests) {
    assert.equal(request.nextHopProtocol, protocol, JSON.stringify(request));
    assert.ok(request.transferSize > 0, `from the cache: ${JSON.stringify(request)}`);
  }
}

/** @param {Page} page */
export async function withoutCache(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  await session.send("Network.setCacheDisabled", { cacheDisabled: true });
}
