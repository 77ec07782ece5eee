/** How fast the npm package cuts a large file in Chromium, how soon, and what that takes of the machine.
 *
 * `cargo xtask bench cut-page [--megabytes N] [--times N]`: a film of N megabytes (1000) is chosen in a page, planned, and all its segments are
 * made, in the order of play; beside that the same file read alone, which nobody does faster who looks at its bytes, and cut by mediabunny.
 * Each N times (3), in a browser of its own; told is the median. Nothing is sent anywhere, and the file is in the memory of the system. */

import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { program } from "./browser.mjs";
import { makeFilm } from "./film.mjs";
import { watchProcesses } from "./processes.mjs";

/** Milliseconds after the file was chosen.
 * @typedef {{ manifests?: number, first: number, all: number, segments: number }} Cut
 * @typedef {Cut & { memory: number, seconds: number, longest: number }} Run */

/** Until a browser that has started does nothing more, in milliseconds. */
const SETTLING = 700;
/** Much longer than anything here takes. */
const PATIENCE = 600_000;
const DIST = fileURLToPath(new URL("../../wasm/dist/", import.meta.url));
const FILES = /** @type {Record<string, string>} */ ({
  "/cutters.mjs": fileURLToPath(new URL("cutters.mjs", import.meta.url)),
  "/mediabunny.mjs": fileURLToPath(new URL("node_modules/mediabunny/dist/bundles/mediabunny.min.mjs", import.meta.url)),
});
const TYPES = /** @type {Record<string, string>} */ ({ js: "text/javascript", mjs: "text/javascript", wasm: "application/wasm" });

/** Each way, run in the page. @type {Record<string, (page: import("playwright-core").Page) => Promise<Cut>>} */
const WAYS = {
  "the file read alone": (page) => page.evaluate(other, "reading"),
  "reelway, memory lent": (page) => page.evaluate(ours, /** @type {const} */ ({ target: "bytes", lend: true })),
  "the same, prepared": (page) => page.evaluate(ours, /** @type {const} */ ({ target: "bytes", lend: true, prepared: true })),
  "reelway": (page) => page.evaluate(ours, {}),
  "mediabunny": (page) => page.evaluate(other, "mediabunny"),
};

const { megabytes, times } = asked(process.argv.slice(2));
const folder = mkdtempSync(join(tmpdir(), "reelway-cut-"));
const film = join(folder, "film.mp4");
const server = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? "", "http://x");
  if (pathname === "/") return void response.writeHead(200, { "content-type": "text/html" }).end('<!doctype html><link rel="icon" href="data:,"><input type="file">');
  const path = FILES[pathname] ?? join(DIST, pathname);
  response.writeHead(200, { "content-type": TYPES[path.split(".").at(-1) ?? ""] ?? "" }).end(readFileSync(path));
});

try {
  makeFilm(film, megabytes);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const size = statSync(film).size;
  console.log(`a file of ${Math.round(size / 1e6)} MB, cut in Chromium into segments of 4 s; milliseconds from when it was chosen, the start of worker and core among them`);
  console.log(["".padEnd(24), "manifests", "first", "all", "MB/s", "of reading", "CPU s/GB", "memory", "held up"].join("\t"));
  let reading = 0;
  for (const [name, way] of Object.entries(WAYS)) {
    /** @type {Run[]} */
    const runs = [];
    for (let time = 0; time < times; time++) runs.push(await run(way));
    const middle = (/** @type {(run: Run) => number} */ of) => runs.map(of).sort((a, b) => a - b)[times >> 1] ?? 0;
    const all = middle((run) => run.all);
    reading ||= all;
    const made = name.includes("read") ? "-" : middle((run) => run.first).toFixed(0);
    const manifests = middle((run) => run.manifests ?? 0);
    const rate = [(size / 1e3 / all).toFixed(0), (reading / all).toFixed(2), (middle((run) => run.seconds) / (size / 1e9)).toFixed(2)];
    const taken = [`${(middle((run) => run.memory) / 2 ** 20).toFixed(0)} MiB`, `${middle((run) => run.longest).toFixed(0)} ms`];
    console.log([name.padEnd(24), manifests ? manifests.toFixed(0) : "-", made, all.toFixed(0), ...rate, ...taken].join("\t"));
  }
} finally {
  server.close();
  rmSync(folder, { recursive: true });
}

/** @param {(page: import("playwright-core").Page) => Promise<Cut>} way @returns {Promise<Run>} */
async function run(way) {
  const profile = mkdtempSync(join(folder, "profile-"));
  const context = await chromium.launchPersistentContext(profile, { executablePath: program(), headless: true, args: ["--disable-gpu"] });
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    const address = server.address();
    await page.goto(`http://127.0.0.1:${typeof address === "object" ? address?.port : ""}/`);
    await page.locator("input").setInputFiles(film);
    await page.evaluate(watch);
    await sleep(SETTLING);
    const taken = watchProcesses(profile);
    const cut = await way(page);
    return { ...cut, ...taken(), longest: await page.evaluate(() => window.longest) };
  } finally {
    await context.close();
  }
}

/** How long the page does not answer, at most. */
function watch() {
  window.longest = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) window.longest = Math.max(window.longest, duration);
  }).observe({ type: "longtask" });
}

/** @param {{ target?: "bytes", lend?: boolean, prepared?: boolean }} how @returns {Promise<Cut>} */
async function ours({ prepared, ...how }) {
  const [file] = /** @type {HTMLInputElement} */ (document.querySelector("input")).files ?? [];
  if (file === undefined) throw new Error("no file is chosen");
  const load = (/** @type {string} */ path) => /** @type {Promise<typeof import("../../wasm/dist/index.js")>} */ (import(path));
  const { open, prepare } = await load("/index.js");
  if (prepared) {
    prepare();
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  const began = performance.now();
  const plan = await open(file);
  await Promise.all([plan.hls(), plan.dash()]);
  const manifests = performance.now() - began;
  let [first, segments] = [0, 0];
  for await (const { blob, bytes, size } of plan.segments(how)) {
    if ((blob?.size ?? bytes?.byteLength) !== size) throw new Error("a segment is not whole");
    first ||= performance.now() - began;
    segments += 1;
  }
  return { manifests, first, all: performance.now() - began, segments };
}

/** @param {string} how @returns {Promise<Cut>} */
function other(how) {
  const file = /** @type {HTMLInputElement} */ (document.querySelector("input")).files?.[0];
  const began = performance.now();
  const worker = new Worker("/cutters.mjs", { type: "module" });
  return new Promise((resolve, reject) => {
    worker.onerror = ({ message }) => reject(new Error(message));
    worker.onmessage = ({ data }) => resolve({ ...data, all: performance.now() - began });
    worker.postMessage({ how, file });
  });
}

/** @param {string[]} args */
function asked(args) {
  const told = { megabytes: 1000, times: 3 };
  for (let at = 0; at < args.length; at += 2) {
    const name = /** @type {keyof typeof told} */ (args[at]?.slice(2));
    const value = Number(args[at + 1]);
    if (!args[at]?.startsWith("--") || told[name] === undefined || !(value >= 1)) throw new Error("usage: cut-page [--megabytes N] [--times N]");
    told[name] = value;
  }
  return told;
}
