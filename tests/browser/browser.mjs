/** Headless Chromium, the page in it, and everything that a person would see in the developer tools in red. */

import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { makeMedia } from "./media.mjs";
import { binary, startServer } from "./server.mjs";

/** @typedef {import("playwright-core").Page} Page */

/** Patience with a slow machine. Nothing is measured by it. */
export const PATIENCE = 60_000;
/** Less than that, so that what a page waits for in vain is named. */
export const PAGE_PATIENCE = 30_000;

const QUIET = ["--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
/** A camera and a microphone that no machine has to have, and a browser that nobody has to tell that it may use them. */
const DEVICES = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];

/** How the browser comes to HTTP/3.
 * `forced`: it knows of it beforehand. `offered`: by Alt-Svc alone. `refused`: QUIC demands a known root on top of a trusted key, so Alt-Svc
 * leads nowhere and all stays on TCP.
 * @typedef {"forced" | "offered" | "refused"} Quic */

/** What Chromium is started with, to be quiet and to trust a server.
 * @param {Quic} quic @param {{ secure: string, spki: string }} server */
export function flags(quic, server) {
  return [...QUIET, ...trust(quic, server)];
}

/** @param {Quic} quic @param {{ secure: string, spki: string }} server */
function trust(quic, { secure, spki }) {
  const { hostname, port } = new URL(secure);
  const list = `--ignore-certificate-errors-spki-list=${spki}`;
  // Naming a host here also lifts the demand for a known root from it, on every port. Port 9 is not ours: only that is wanted of it.
  const exempt = (/** @type {string} */ at) => `--origin-to-force-quic-on=${hostname}:${at}`;
  return quic === "forced" ? [list, exempt(port)] : quic === "offered" ? [list, exempt("9")] : [list];
}

/** A server with these clips and a browser that trusts it.
 * @param {Quic} quic @param {string[]} clips @param {string} [config] of the server, in TOML
 * @param {RegExp} [complaints] of the server, that are expected
 * @param {string[]} options of the server */
export async function openSite(quic, clips, config, complaints, ...options) {
  /** @type {(() => unknown)[]} */
  const undo = [];
  const close = async () => {
    /** @type {unknown[]} */
    const failures = [];
    for (const step of undo.reverse()) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  };
  try {
    const media = makeMedia(...clips);
    undo.push(media.remove);
    const server = await startServer(media.folder, config, ...options);
    undo.push(() => server.stop(complaints));
    const profile = mkdtempSync(join(tmpdir(), "reelway-profile-"));
    undo.push(() => rmSync(profile, { recursive: true, force: true }));
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: program(),
      headless: true,
      args: [...flags(quic, server), ...DEVICES],
      viewport: { width: 1280, height: 800 },
    });
    undo.push(() => context.close());
    context.setDefaultTimeout(PAGE_PATIENCE);
    await context.addInitScript(keepSourceBuffers);
    return { ...server, folder: media.folder, context, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The same for all tests of a file or suite.
 * @param {Quic} quic @param {string[]} clips */
export function useSite(quic, ...clips) {
  return use(() => openSite(quic, clips));
}

/** The same with live streams, and nothing in the library.
 * @param {string} config of the server, in TOML
 * @param {RegExp} [complaints] of the server, that are expected */
export function useLiveSite(config, complaints) {
  return use(() => openSite("forced", [], config, complaints));
}

/** The same taking uploads; the clips are in its folder too.
 * @param {string[]} clips */
export function useUploadSite(...clips) {
  return use(() => openSite("forced", clips, undefined, undefined, "--uploads"));
}

/** @param {() => ReturnType<typeof openSite>} open */
function use(open) {
  /** @type {Awaited<ReturnType<typeof openSite>>} */
  let site;
  before(async () => void (site = await open()), { timeout: PATIENCE });
  after(() => site?.close(), { timeout: PATIENCE });
  return {
    /** Where it is with TLS and HTTP/3. */
    secure: () => site.secure,
    /** A file of the folder, on the disk. */
    path: (/** @type {string} */ clip) => join(site.folder, clip),
    /** Where it is without. */
    plain: () => site.plain,
    /** The data folder of the server. */
    data: () => site.data,
    /** Kills the server in the middle of what it does, and starts it again where it was. */
    crash: () => site.crash(),
    /** The key of those who may order jobs. */
    jobsKey: () => site.jobsKey(),
    /** Makes a ladder of a clip, in a folder called `name`.
     * @param {string} clip @param {string} name @param {string[]} options */
    ladder: (clip, name, ...options) => {
      execFileSync(binary(), ["ladder", join(site.folder, clip), "-o", join(site.folder, name), ...options]);
    },
    /** Writes a clip of the folder as static files, and tells where below the folder they are.
     * @param {string} clip @param {string[]} options */
    package: (clip, ...options) => {
      const name = `packaged/${clip}`;
      execFileSync(binary(), ["package", join(site.folder, clip), "-o", join(site.folder, name), ...options]);
      return name;
    },
    /** @param {(page: Page) => Promise<void>} visit @param {RegExp} [expected] */
    inPage: (visit, expected) => inPage(site.context, visit, expected),
  };
}

export function program() {
  const path = process.env["CHROMIUM"] || "/usr/bin/chromium";
  if (!existsSync(path)) throw new Error(`no Chromium at ${path}: install it, or name one in CHROMIUM`);
  return path;
}

/** Players keep their SourceBuffers to themselves, and `video.buffered` shows only what all of them have. */
function keepSourceBuffers() {
  window.sourceBuffers = [];
  const add = MediaSource.prototype.addSourceBuffer;
  MediaSource.prototype.addSourceBuffer = function (type) {
    const buffer = add.call(this, type);
    window.sourceBuffers.push({ type, source: this, buffer });
    return buffer;
  };
}

/** How far a page has come. */
function playing() {
  const video = document.querySelector("video");
  const buffered = video && Array.from({ length: video.buffered.length }, (_, index) => [video.buffered.start(index), video.buffered.end(index)]);
  const { currentTime, readyState, paused, seeking } = video ?? {};
  const { latencies, ...seen } = window.seen ?? {};
  return JSON.stringify({ page: window.reelway?.state(), error: window.bare?.error, currentTime, buffered, readyState, paused, seeking, seen, frames: latencies?.length });
}

/** Opens a tab for a test and closes it after. Whatever went wrong in it fails the test, but for what `expected` matches.
 * @param {import("playwright-core").BrowserContext} context
 * @param {(page: Page) => Promise<void>} visit
 * @param {RegExp} [expected] */
export async function inPage(context, visit, expected) {
  const page = await context.newPage();
  /** @type {string[]} */
  const faults = [];
  page.on("console", (message) => {
    // Of a page that names no icon, Chromium asks for one, once.
    if (message.location().url.endsWith("/favicon.ico")) return;
    if (["error", "warning"].includes(message.type())) faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`uncaught: ${error.message || String(error)}`));
  page.on("requestfailed", (request) => {
    const why = request.failure()?.errorText ?? "";
    // Who seeks, switches or leaves drops what was still on its way.
    if (why !== "net::ERR_ABORTED") faults.push(`${why} ${request.url()}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 400) faults.push(`status ${response.status()} ${response.url()}`);
  });
  try {
    await visit(page);
  } catch (error) {
    // What the page complained of is mostly why.
    const state = await page.evaluate(playing).catch(() => "no page");
    throw new Error([error instanceof Error ? error.message : error, "in the page:", state, ...faults].join("\n  "), { cause: error });
  } finally {
    await page.close();
  }
  assert.deepEqual(faults.filter((fault) => !expected?.test(fault)), []);
}

/** Pictures for whoever wants to look.
 * @param {Page} page @param {string} name */
export async function shoot(page, name) {
  const folder = fileURLToPath(new URL("shots/", import.meta.url));
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}
