/** hls.js and dash.js play a video to its end and seek in it, over each protocol that the server speaks. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { PATIENCE, shoot, useSite } from "./browser.mjs";
import { FRAMES } from "./media.mjs";
import { cameOver, choose, playedFromStartToEnd, playToTheEnd, seek, shownFrame, state, stats, watch, withoutCache } from "./player.mjs";

/** Chromium takes up an offer of HTTP/3 for new requests when it has tried the connection; more than this it never needed. */
const RELOADS = 30;
const CLIP = "counter.mp4";

/** @typedef {import("playwright-core").Page} Page */

/** @param {Page} page */
function pageProtocol(page) {
  return page.evaluate(() => {
    const [entry] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
    return entry?.nextHopProtocol;
  });
}

/** What every way of playing must do over every protocol.
 * @param {Page} page @param {string} origin @param {"hls" | "dash"} way @param {{ alpn: string, words: string }} protocol */
async function plays(page, origin, way, { alpn, words }) {
  await withoutCache(page);
  await watch(page, origin, CLIP, way);
  await playToTheEnd(page);
  await playedFromStartToEnd(page);
  assert.equal(await shownFrame(page), FRAMES - 1);
  await seek(page, FRAMES / 2 + 7);
  await seek(page, FRAMES - 30);
  await seek(page, 3);
  await seek(page, FRAMES - 60);
  await playToTheEnd(page);
  assert.equal((await state(page)).ended, true);
  assert.equal((await state(page)).protocol, alpn);
  assert.equal((await stats(page))["Protocol"], words);
  await cameOver(page, CLIP, way, alpn);
}

const HTTP3 = { alpn: "h3", words: "HTTP/3 (h3)" };
const HTTP2 = { alpn: "h2", words: "HTTP/2 (h2)" };
const HTTP1 = { alpn: "http/1.1", words: "HTTP/1.1" };
const WAYS = /** @type {const} */ (["hls", "dash"]);

describe("HTTP/3 from the first byte", () => {
  const site = useSite("forced", CLIP);

  for (const way of WAYS) {
    test(way, { timeout: PATIENCE }, async () => {
      await site.inPage(async (page) => {
        await plays(page, site.secure(), way, HTTP3);
        assert.equal(await pageProtocol(page), "h3");
        await shoot(page, `player-${way}`);
      });
    });
  }
});

describe("HTTP/3 taken up from the offer of Alt-Svc", () => {
  const site = useSite("offered", CLIP);

  test("begins with HTTP/2 and goes over to HTTP/3", { timeout: PATIENCE }, async () => {
    await site.inPage(async (page) => {
      // What a 304 confirms is told to have come as it did the first time.
      await withoutCache(page);
      await page.goto(site.secure());
      assert.equal(await pageProtocol(page), "h2");
      for (let i = 0; i < RELOADS && (await pageProtocol(page)) !== "h3"; i += 1) await page.reload();
      assert.equal(await pageProtocol(page), "h3");
    });
  });

  for (const way of WAYS) {
    test(way, { timeout: PATIENCE }, async () => {
      await site.inPage(async (page) => {
        await plays(page, site.secure(), way, HTTP3);
      });
    });
  }
});

describe("HTTP/2", () => {
  const site = useSite("refused", CLIP);

  for (const way of WAYS) {
    test(way, { timeout: PATIENCE }, async () => {
      await site.inPage(async (page) => {
        await plays(page, site.secure(), way, HTTP2);
      });
    });
  }
});

describe("plain HTTP/1.1", () => {
  const site = useSite("refused", CLIP);
  for (const way of WAYS) {
    test(way, { timeout: PATIENCE }, async () => {
      await site.inPage(async (page) => {
        await plays(page, site.plain(), way, HTTP1);
      });
    });
  }

  test("a way that is chosen in the page holds for the next video", { timeout: PATIENCE }, async () => {
    await site.inPage(async (page) => {
      await watch(page, site.plain(), CLIP, "dash");
      await choose(page, "hls");
      await page.reload();
      await page.waitForFunction(() => window.reelway.state().engine === "hls");
    });
  });
});
