/** How fast a large file goes up from the upload page, and how soon it plays.
 *
 * `cargo xtask bench upload-page [--megabytes N]`: a film of N megabytes (1000) goes up, cut into segments by the page, and plays beside
 * it; then the same bytes as one request by tus, which is the most that this browser and this server do. Once over HTTP/3 and once over
 * HTTP/2. Browser and server share the machine. */

import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inPage, openSite } from "./browser.mjs";
import { makeFilm } from "./film.mjs";

/** How often the page is asked. By frames, as Playwright does unless told otherwise, all of it would be painted for that. */
const EVERY = { polling: 100 };
/** Milliseconds: much longer than anything here takes. */
const PATIENCE = 600_000;

const { megabytes } = asked(process.argv.slice(2));
const folder = mkdtempSync(join(tmpdir(), "reelway-upload-"));
const film = join(folder, "film.mp4");

try {
  makeFilm(film, megabytes);
  console.log(`upload of ${Math.round(statSync(film).size / 1e6)} MB from Chromium to the server on the same machine`);
  for (const quic of /** @type {const} */ (["forced", "refused"])) await run(quic);
} finally {
  rmSync(folder, { recursive: true });
}

/** @param {import("./browser.mjs").Quic} quic */
async function run(quic) {
  const site = await openSite(quic, [], undefined, undefined, "--uploads");
  try {
    await inPage(site.context, async (page) => {
      page.setDefaultTimeout(PATIENCE);
      await page.goto(`${site.secure}#/upload`);
      await page.getByText("or drop them here").waitFor();
      await page.evaluate(watch);
      await page.locator("#files").setInputFiles(film);
      await page.waitForFunction(() => window.sent.done > 0 && window.sent.playing > 0, undefined, EVERY);
      const { chosen, playable, playing, there, of, done, longest } = await page.evaluate(() => window.sent);
      const protocols = await page.evaluate(() => {
        const all = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByType("resource"));
        return [...new Set(all.map(({ nextHopProtocol }) => nextHopProtocol).filter(Boolean))];
      });
      const whole = await page.evaluate(inOne);
      const rate = (/** @type {number} */ ms) => `${(statSync(film).size / 1e3 / ms).toFixed(0)} MB/s`;
      const line = (/** @type {string} */ what, /** @type {string} */ figure) => console.log(`    ${what.padEnd(46)} ${figure}`);
      console.log(`  by ${protocols.join(", ")}`);
      line("by segments, as the page does", `${rate(done - chosen)}, ${(whole / (done - chosen)).toFixed(2)} times that in one request of tus`);
      line("in one request of tus", rate(whole));
      line("what plays of it is told", `${Math.round(playable - chosen)} ms after it was chosen`);
      line("it plays beside that", `after ${Math.round(playing - chosen)} ms, with ${there} of ${of} segments there`);
      line("longest that the page did not answer", `${Math.round(longest)} ms`);
      if (playing > done) console.log("    its end was there before it played");
    });
  } finally {
    await site.close();
  }
}

/** Notes in the page when things happen. */
function watch() {
  const sent = { chosen: 0, playable: 0, playing: 0, there: 0, of: 0, done: 0, longest: 0 };
  window.sent = sent;
  const input = /** @type {HTMLInputElement} */ (document.querySelector("#files"));
  // The page empties it once it has taken what is in it.
  input.addEventListener("change", () => {
    sent.chosen = performance.now();
    const [film] = input.files ?? [];
    if (film) window.film = film;
  }, { capture: true });
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) sent.longest = Math.max(sent.longest, duration);
  }).observe({ type: "longtask" });
  // Not by frames: the page would be painted for it.
  const timer = setInterval(() => {
    const facts = document.querySelector(".sending-facts")?.textContent ?? "";
    const [, there = 0, of = 0] = /(\d+) of (\d+) segments/.exec(facts) ?? [];
    const video = document.querySelector("video");
    if (sent.playable === 0 && document.querySelector("[aria-label='Watch: film.mp4']")) sent.playable = performance.now();
    if (sent.playing === 0 && video && video.currentTime > 0) Object.assign(sent, { playing: performance.now(), there: Number(there), of: Number(of) });
    if (sent.done === 0 && document.querySelector(".badge-state")?.textContent === "Done") sent.done = performance.now();
    if (sent.done > 0 && sent.playing > 0) clearInterval(timer);
  }, 5);
}

/** Sends the same file in one request, and tells how many milliseconds that takes. */
async function inOne() {
  const { film } = window;
  const resumable = { "Tus-Resumable": "1.0.0" };
  const began = performance.now();
  const made = await fetch("/upload/tus/", { method: "POST", headers: { ...resumable, "Upload-Length": String(film.size), "Upload-Metadata": `filename ${btoa("film.mp4")}` } });
  const place = made.headers.get("Location") ?? "";
  const answer = await fetch(place, { method: "PATCH", headers: { ...resumable, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream" }, body: film });
  if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
  return performance.now() - began;
}

/** @param {string[]} args */
function asked(args) {
  let megabytes = 1000;
  for (let at = 0; at < args.length; at += 2) {
    const value = Number(args[at + 1]);
    if (args[at] === "--megabytes" && value >= 1) megabytes = value;
    else throw new Error("usage: upload-page [--megabytes N]");
  }
  return { megabytes };
}
