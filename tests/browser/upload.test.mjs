/** The upload page: what is chosen goes up by segments over HTTP/3 and plays while it does; pause, reload, offline. */

import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { accessible } from "./axe.mjs";
import { PATIENCE, shoot, useUploadSite } from "./browser.mjs";
import { makeFilm } from "./film.mjs";
import { openPlain } from "./plain.mjs";
import { choose as choosePlayer, mediaRequests } from "./player.mjs";

/** @typedef {import("playwright-core").Page} Page */

describe("the upload page", () => {
  const site = useUploadSite("counter.mp4", "two-languages.mp4", "late-audio.mp4", "quicktime.mov", "broken.mp4");

  /** @param {Page} page */
  async function open(page) {
    await page.goto(`${site.secure()}#/upload`);
    await page.getByText("or drop them here").waitFor();
  }

  /** @param {Page} page @param {string[]} clips */
  const choose = (page, ...clips) => page.locator("#files").setInputFiles(clips.map(site.path));
  /** @param {Page} page @param {string} clip */
  const card = (page, clip) => page.getByRole("article", { name: clip });
  /** @param {Page} page @param {string} clip @param {string} state */
  const becomes = (page, clip, state) => card(page, clip).locator(".badge-state", { hasText: state }).waitFor();

  /** Lets so many segments through, and holds the others back until it is told to let go.
   * @param {Page} page @param {number} count */
  async function dam(page, count) {
    let through = 0;
    /** @type {(() => void)[]} */
    const held = [];
    let open = false;
    await page.route("**/upload/up-*", async (route) => {
      if (!open && (through += 1) > count) await new Promise((resolve) => held.push(() => resolve(undefined)));
      await route.continue().catch(() => undefined);
    });
    return {
      release: () => {
        open = true;
        held.forEach((letGo) => letGo());
      },
      /** Waits until so many are held back. */
      async holds(/** @type {number} */ wanted) {
        while (held.length < wanted) await page.waitForTimeout(20);
      },
    };
  }

  test("a file goes up over HTTP/3 and plays before the end of it is there", { timeout: 2 * PATIENCE }, async () => {
    await site.inPage(async (page) => {
      await open(page);
      const { release } = await dam(page, 5);
      await choose(page, "counter.mp4");
      // The first segments play, and the last cannot be there.
      await page.waitForFunction(() => (document.querySelector("video")?.currentTime ?? 0) > 1);
      await card(page, "counter.mp4").getByText(/^5 of 6 segments/).waitFor();
      // A slow machine would come to the end of what is there while the page is looked at.
      await page.locator("video").evaluate((/** @type {HTMLVideoElement} */ video) => video.pause());
      assert.equal(await page.locator(".cells .there").count(), 5);
      await accessible(page);
      // Both begin again where it was.
      for (const way of /** @type {const} */ (["dash", "hls"])) {
        await choosePlayer(page, way);
        // It is as long as it will be, whatever has come of it.
        await page.locator(".time").filter({ hasText: /^0:0\d \/ 0:12$/ }).waitFor();
      }
      await shoot(page, "upload-desk");
      release();
      await becomes(page, "counter.mp4", "Done");
      await page.locator("video").evaluate((/** @type {HTMLVideoElement} */ video) => {
        video.playbackRate = 4;
        void video.play();
      });
      await page.waitForFunction(() => document.querySelector("video")?.ended || window.reelway.state().error);
      assert.equal((await page.evaluate(() => window.reelway.state())).error, null);
      // What comes out of the cache comes over nothing.
      const over = new Set((await mediaRequests(page)).filter(({ transferSize }) => transferSize > 0).map(({ nextHopProtocol }) => nextHopProtocol));
      assert.deepEqual([...over], ["h3"]);
      // It has a page of its own, by both manifests.
      await card(page, "counter.mp4").getByRole("link", { name: "Open its page" }).click();
      await page.getByRole("heading", { name: "counter.mp4", level: 1 }).waitFor();
      await page.waitForFunction(() => (document.querySelector("video")?.readyState ?? 0) >= 2);
    });
  });

  test("it says what is in a file, and what is wrong with one that is refused; pauses, and goes on", { timeout: 2 * PATIENCE }, async () => {
    await site.inPage(async (page) => {
      await open(page);
      const { release, holds } = await dam(page, 1);
      await choose(page, "broken.mp4", "quicktime.mov");
      await becomes(page, "broken.mp4", "Failed");
      assert.match(await card(page, "broken.mp4").getByRole("alert").innerText(), /not uploaded/);
      const film = card(page, "quicktime.mov");
      await film.getByText("H.264").waitFor();
      await film.getByText(/^1 of 6 segments/).waitFor();
      // The first of the other track: until it has arrived it has the line for itself.
      await holds(1);
      await film.getByRole("button", { name: /^Pause/ }).click();
      await becomes(page, "quicktime.mov", "Paused");
      await shoot(page, "upload-refused");
      await accessible(page);
      release();
      // What was on its way arrives, and no more.
      await film.getByText(/^2 of 6 segments/).waitFor();
      await film.getByRole("button", { name: /^Resume/ }).click();
      await becomes(page, "quicktime.mov", "Done");
    });
  });

  test("after a reload it goes on with what is missing; the browser has kept the file", { timeout: 2 * PATIENCE }, async () => {
    await site.inPage(async (page) => {
      await open(page);
      // A file of the browser's own, whose handle needs no leave.
      await page.route("**/clip", (route) => route.fulfill({ path: site.path("two-languages.mp4") }));
      await page.evaluate(async () => {
        const folder = await navigator.storage.getDirectory();
        const handle = await folder.getFileHandle("two-languages.mp4", { create: true });
        const sink = await handle.createWritable();
        await sink.write(await (await fetch("/clip")).blob());
        await sink.close();
        const data = new DataTransfer();
        data.items.add(await handle.getFile());
        // As if it had been dropped: only the handle tells the two apart.
        Object.defineProperty(DataTransferItem.prototype, "getAsFileSystemHandle", { value: async () => handle });
        document.querySelector(".drop")?.dispatchEvent(new DragEvent("drop", { dataTransfer: data }));
      });
      await dam(page, 5);
      await card(page, "two-languages.mp4").getByText(/^5 of 9 segments/).waitFor();
      await page.reload();
      await page.unrouteAll({ behavior: "ignoreErrors" });
      await page.getByText("Not finished").waitFor();
      await accessible(page);
      /** @type {string[]} */
      const sent = [];
      page.on("request", (request) => void (request.method() === "PUT" && sent.push(request.headers()["segment"] ?? "")));
      await page.getByRole("button", { name: "Go on with two-languages.mp4" }).click();
      await becomes(page, "two-languages.mp4", "Done");
      assert.equal(sent.length, 4, sent.join(" "));
      await page.reload();
      await page.getByText("or drop them here").waitFor();
      assert.equal(await page.getByRole("button", { name: "Go on with two-languages.mp4" }).count(), 0);
    });
  });

  test("offline it waits, and online it goes on at once", { timeout: 2 * PATIENCE }, async () => {
    const offline = /ERR_INTERNET_DISCONNECTED|Failed to load resource/;
    await site.inPage(async (page) => {
      await open(page);
      const { release } = await dam(page, 3);
      await choose(page, "late-audio.mp4");
      await card(page, "late-audio.mp4").getByText(/^3 of \d+ segments/).waitFor();
      await page.context().setOffline(true);
      release();
      await becomes(page, "late-audio.mp4", "Offline");
      await page.context().setOffline(false);
      await becomes(page, "late-audio.mp4", "Done");
    }, offline);
  });

  for (const scheme of /** @type {const} */ (["light", "dark"])) {
    test(`on a phone, ${scheme}, for everybody`, { timeout: 2 * PATIENCE }, async () => {
      await site.inPage(async (page) => {
        await page.emulateMedia({ colorScheme: scheme });
        await page.setViewportSize({ width: 360, height: 800 });
        await open(page);
        await accessible(page);
        await choose(page, "counter.mp4");
        await becomes(page, "counter.mp4", "Done");
        await accessible(page);
        const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.equal(over, 0);
        await shoot(page, `upload-phone-${scheme}`);
      });
    });
  }
});

/** What a browser has no room for in blobs: Chromium has refused them from 540 MB on. */
const LONG = 640;

test("a film of any length goes up, and plays meanwhile", { timeout: 5 * PATIENCE }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "reelway-long-"));
  const film = join(folder, "long.mp4");
  try {
    makeFilm(film, LONG);
    // Whoever watches the network of a browser has all these bytes told to it.
    const site = await openPlain("forced", "--uploads");
    try {
      await site.goto(`${site.secure}#/upload`);
      await site.until(() => document.querySelector(".drop-hint"));
      await site.choose("#files", film);
      await site.until(() => (document.querySelector("video")?.currentTime ?? 0) > 0);
      const state = await site.evaluate(() => document.querySelector(".badge-state")?.textContent);
      assert.equal(state, "Uploads", "it plays before its end is there");
      const ended = await site.until(() => ["Done", "Failed", "Tries again"].find((state) => document.querySelector(".badge-state")?.textContent === state));
      assert.equal(ended, "Done", await site.evaluate(() => document.querySelector(".sending")?.textContent));
    } finally {
      await site.close();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
