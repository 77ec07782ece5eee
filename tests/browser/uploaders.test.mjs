/** Whole files by the clients that others have made: tus-js-client, Uppy, UpChunk, from a page of another origin. */

import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, test } from "node:test";
import { buildSync } from "esbuild";
import { PATIENCE, useUploadSite } from "./browser.mjs";
import { watch } from "./player.mjs";

/** @typedef {import("playwright-core").Page} Page */

const FILM = "bulky.mp4";
const CLIENTS = ["tus-js-client", "Uppy", "UpChunk"];

describe("uploads by clients of others", () => {
  const site = useUploadSite(FILM);
  const entryPoints = [join(import.meta.dirname, "uploaders.mjs")];
  const code = buildSync({ entryPoints, bundle: true, write: false, format: "iife", target: "es2023", logLevel: "error" }).outputFiles[0]?.text ?? "";
  const sum = (/** @type {string} */ path) => createHash("sha256").update(readFileSync(path)).digest("hex");
  const folder = () => join(site.data(), "uploads");
  const size = () => statSync(site.path(FILM)).size;

  /** Sends the film with a client.
   * @param {Page} page @param {{ client: string, stop?: number, chunk?: number }} how */
  async function send(page, how) {
    // Without TLS it is another origin.
    await page.goto(`${site.plain()}healthz`);
    await page.setContent("<input type=file>");
    await page.setInputFiles("input", site.path(FILM));
    await page.evaluate(`${code};undefined`);
    await page.evaluate((how) => window.send(how), { ...how, endpoint: `${site.secure()}upload/tus/` });
  }

  /** What the server has of it, by tus.
   * @param {Page} page */
  async function held(page) {
    const name = new URL(await page.evaluate(() => window.sending.url)).pathname.split("/").at(-1);
    const told = await fetch(`${site.plain()}upload/tus/${name}`, { method: "HEAD", headers: { "tus-resumable": "1.0.0" } });
    return { status: told.status, offset: Number(told.headers.get("upload-offset")) };
  }

  /** Waits for its end: the server has the very bytes, and they play.
   * @param {Page} page */
  async function arrives(page) {
    await page.waitForFunction(() => window.sending.ended, undefined, { timeout: PATIENCE });
    const { error, asset } = await page.evaluate(() => window.sending);
    assert.equal(error, "");
    assert.equal(sum(join(folder(), asset)), sum(site.path(FILM)));
    await watch(page, site.secure(), asset, "hls");
  }

  for (const client of CLIENTS) {
    test(`${client} sends a whole file`, { timeout: 2 * PATIENCE }, async () => {
      await site.inPage(async (page) => {
        await send(page, { client, chunk: 8 << 20 });
        await arrives(page);
      });
    });

    test(`${client} pauses, and goes on from what is there`, { timeout: 2 * PATIENCE }, async () => {
      await site.inPage(async (page) => {
        const begun = new Set();
        page.on("request", (request) => void (request.method() === "POST" && begun.add(request)));
        // A question about the file would cut off what is on its way: UpChunk lets that come.
        const flying = new Set();
        page.on("request", (request) => void (["PATCH", "PUT"].includes(request.method()) && flying.add(request)));
        page.on("requestfinished", (request) => void flying.delete(request));
        page.on("requestfailed", (request) => void flying.delete(request));
        await send(page, { client, stop: 1 << 20, chunk: 1 << 20 });
        await page.waitForFunction(() => window.sending.paused);
        while (flying.size > 0) await sleep(5);
        const { status, offset } = await held(page);
        assert.ok(status === 200 && offset >= 1 << 20 && offset < size(), `${status}, ${offset} bytes`);
        assert.equal(await page.evaluate(() => window.sending.ended), false);
        await page.evaluate(() => window.sending.resume());
        await arrives(page);
        assert.equal(begun.size, 1);
      });
    });

    test(`${client} gives up`, { timeout: 2 * PATIENCE }, async () => {
      await site.inPage(async (page) => {
        await send(page, { client, stop: 1 << 20, chunk: 1 << 20 });
        await page.waitForFunction(() => window.sending.paused);
        await page.evaluate(() => window.sending.abandon());
        // UpChunk tells nobody: what it leaves expires.
        if (client === "UpChunk") assert.equal((await held(page)).status, 200);
        else while ((await held(page)).status !== 404) await sleep(20);
      });
    });
  }

  test("after a reload tus-js-client goes on with the same file", { timeout: 2 * PATIENCE }, async () => {
    await site.inPage(async (page) => {
      await send(page, { client: "tus-js-client", stop: 1 << 20, chunk: 1 << 20 });
      await page.waitForFunction(() => window.sending.paused);
      const { offset } = await held(page);
      /** @type {(string | undefined)[]} */
      const offsets = [];
      page.on("request", (request) => void (request.method() === "PATCH" && offsets.push(request.headers()["upload-offset"])));
      await send(page, { client: "tus-js-client", chunk: 64 << 20 });
      await arrives(page);
      assert.deepEqual(offsets, [String(offset)]);
    });
  });

  test("the server is killed in the middle of a request, and all that it has written is there", { timeout: 2 * PATIENCE }, async () => {
    await site.inPage(async (page) => {
      const known = new Set(readdirSync(folder()));
      await send(page, { client: "tus-js-client", chunk: 64 << 20 });
      const written = () => readdirSync(folder()).filter((name) => !known.has(name)).reduce((sum, name) => sum + statSync(join(folder(), name)).size, 0);
      while (written() < 1 << 20) await sleep(2);
      /** @type {number[]} */
      const offsets = [];
      page.on("request", (request) => void (request.method() === "PATCH" && offsets.push(Number(request.headers()["upload-offset"]))));
      await site.crash();
      const there = written();
      await arrives(page);
      assert.ok(there < size(), "it was killed before the end");
      assert.equal(offsets.at(-1), there);
      // Chromium may send a request that broke off once more by itself; it begins before what is there by then.
    }, /ERR_|Failed to load resource|status 409/);
  });
});
