/** How fast a large file goes up by the npm package, and how soon it plays.
 *
 * `cargo xtask bench upload-page [--megabytes N] [--only TEXT]`: a film of N megabytes (1000) goes up, cut into segments: once from an
 * empty page of another origin that has the package alone, and once from the upload page, which plays it meanwhile; each time then the same
 * bytes as one request by tus, which is the most that this browser and this server do. Over HTTP/3 and over HTTP/2; `--only` chooses by a
 * part of what stands above the figures, as "page, by h2". Browser and server share the machine. */

import { mkdtempSync, rmSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeFilm } from "./film.mjs";
import { openPlain } from "./plain.mjs";
import { watchProcesses } from "./processes.mjs";

/** @typedef {import("./browser.mjs").Quic} Quic */

const DIST = fileURLToPath(new URL("../../wasm/dist/", import.meta.url));

const { megabytes, only } = asked(process.argv.slice(2));
const folder = mkdtempSync(join(tmpdir(), "reelway-upload-"));
const film = join(folder, "film.mp4");

try {
  makeFilm(film, megabytes);
  console.log(`upload of ${Math.round(statSync(film).size / 1e6)} MB from Chromium to the server on the same machine`);
  for (const [protocol, quic] of /** @type {const} */ ([["h3", "forced"], ["h2", "refused"]])) {
    for (const [what, run] of /** @type {const} */ ([["the package alone", byPackage], ["the upload page", byPage]])) {
      const title = `${what}, by ${protocol}`;
      if (title.includes(only)) await run(title, quic);
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}

/** @param {string} what @param {string} figure */
function line(what, figure) {
  console.log(`    ${what.padEnd(46)} ${figure}`);
}

/** @param {number} ms that the film took */
function rate(ms) {
  return `${(statSync(film).size / 1e3 / ms).toFixed(0)} MB/s`;
}

/** Says what the figures are of, and which other versions of HTTP were spoken with the server.
 * @param {Awaited<ReturnType<typeof openPlain>>} site @param {string} title */
async function tell(site, title) {
  const spoken = await site.evaluate((origin) => {
    const entries = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByType("resource"));
    return entries.filter(({ name }) => name.startsWith(origin)).map(({ nextHopProtocol }) => nextHopProtocol);
  }, site.secure);
  const others = new Set(spoken.filter((protocol) => protocol && !title.endsWith(protocol)));
  console.log(`  ${title}${others.size > 0 ? `, but for requests by ${[...others].join(", ")}` : ""}`);
}

/** @param {string} title @param {Quic} quic */
async function byPackage(title, quic) {
  const site = await openPlain(quic, "--uploads");
  const page = await servePackage();
  try {
    await site.goto(page.url);
    await site.choose("#files", film);
    const watched = watchProcesses(site.marker);
    const { planned, manifests, first, playable, done, longest } = await site.evaluate(send, site.secure);
    const { memory, seconds } = watched();
    const whole = await site.evaluate(inOne, site.secure);
    await tell(site, title);
    line("its core and the plan are there", `${Math.round(planned)} ms after a file is opened, all manifests after ${Math.round(manifests)} ms`);
    line("a first segment is acknowledged", `${Math.round(first)} ms after the upload begins`);
    line("it can be played", `${Math.round(playable)} ms after the upload begins`);
    line("by segments", `${rate(done)}, ${(whole / done).toFixed(2)} times that in one request of tus`);
    line("in one request of tus", rate(whole));
    line("what that takes of the browser at most", `${(memory / 2 ** 20).toFixed(0)} MiB, and ${(seconds / (statSync(film).size / 1e9)).toFixed(1)} s of processor time a GB`);
    line("longest that the page did not answer", `${Math.round(longest)} ms`);
  } finally {
    page.server.close();
    await site.close();
  }
}

/** The package on an origin of its own, and a page that lets a file be chosen. */
async function servePackage() {
  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? "", "http://x").pathname.slice(1);
    const body = path === "" ? "<!doctype html><title>upload</title><input type=file id=files>" : await readFile(join(DIST, path)).catch(() => undefined);
    const type = path === "" ? "text/html" : path.endsWith(".wasm") ? "application/wasm" : "text/javascript";
    response.writeHead(body === undefined ? 404 : 200, { "content-type": type }).end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const address = server.address();
  return { server, url: typeof address === "object" ? `http://127.0.0.1:${address?.port}/` : "" };
}

/** Opens and uploads the chosen file; runs in the page. Tells in milliseconds when what was there, of the plan from the opening of the
 * file on, of the upload from its own beginning on.
 * @param {string} server */
async function send(server) {
  const { open, upload } = /** @type {typeof import("../../wasm/dist/index.js")} */ (await import(new URL("index.js", location.href).href));
  const file = /** @type {HTMLInputElement} */ (document.querySelector("#files")).files?.[0];
  if (!file) throw new Error("no file is chosen");
  window.film = file;
  const told = { planned: 0, manifests: 0, first: 0, playable: 0, done: 0, longest: 0 };
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) told.longest = Math.max(told.longest, duration);
  }).observe({ type: "longtask" });
  const opened = performance.now();
  const plan = await open(file);
  told.planned = performance.now() - opened;
  await Promise.all([plan.hls(), plan.dash()]);
  told.manifests = performance.now() - opened;
  const began = performance.now();
  const sending = upload(plan, { server });
  sending.on("segment", () => (told.first ||= performance.now() - began));
  sending.on("playable", () => (told.playable = performance.now() - began));
  await sending;
  told.done = performance.now() - began;
  plan.close();
  return told;
}

/** @param {string} title @param {Quic} quic */
async function byPage(title, quic) {
  const site = await openPlain(quic, "--uploads");
  try {
    await site.goto(`${site.secure}#/upload`);
    await site.until(() => document.querySelector(".drop-hint"));
    await site.evaluate(watch);
    await site.choose("#files", film);
    const { chosen, playable, playing, there, of, done, longest } = await site.until(() => window.sent.done > 0 && window.sent.playing > 0 && window.sent);
    const whole = await site.evaluate(inOne, site.secure);
    await tell(site, title);
    line("by segments, while it plays", `${rate(done - chosen)}, ${(whole / (done - chosen)).toFixed(2)} times that in one request of tus`);
    line("in one request of tus", rate(whole));
    line("what plays of it is told", `${Math.round(playable - chosen)} ms after it was chosen`);
    line("it plays beside that", `after ${Math.round(playing - chosen)} ms, with ${there} of ${of} segments there`);
    line("longest that the page did not answer", `${Math.round(longest)} ms`);
    if (playing > done) console.log("    its end was there before it played");
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

/** Sends the same file in one request, and tells how many milliseconds that takes.
 * @param {string} server */
async function inOne(server) {
  const { film } = window;
  const resumable = { "Tus-Resumable": "1.0.0" };
  const began = performance.now();
  const made = await fetch(new URL("/upload/tus/", server), { method: "POST", headers: { ...resumable, "Upload-Length": String(film.size), "Upload-Metadata": `filename ${btoa("film.mp4")}` } });
  const place = made.headers.get("Location") ?? "";
  const answer = await fetch(new URL(place, server), { method: "PATCH", headers: { ...resumable, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream" }, body: film });
  if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
  return performance.now() - began;
}

/** @param {string[]} args */
function asked(args) {
  let [megabytes, only] = [1000, ""];
  for (let at = 0; at < args.length; at += 2) {
    const value = args[at + 1] ?? "";
    if (args[at] === "--megabytes" && Number(value) >= 1) megabytes = Number(value);
    else if (args[at] === "--only" && value !== "") only = value;
    else throw new Error("usage: upload-page [--megabytes N] [--only TEXT]");
  }
  return { megabytes, only };
}
