/** A live stream of ffmpeg in every player over HTTP/3: it plays on without a stall, goes back in time, and outlives its viewer's pauses. */

import { strict as assert } from "node:assert";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { PATIENCE, shoot, useLiveSite } from "./browser.mjs";
import { state, stats } from "./player.mjs";
import { NAMES, chooseText, openPlayer, playPast } from "./players.mjs";
import { startSource } from "./source.mjs";
import { look, seeFrom, seen, watchOn } from "./viewer.mjs";
import { startWords } from "./words.mjs";

/** @typedef {import("playwright-core").Page} Page */

/** Players of HLS lie back by three parts, 3 s, and those of DASH by four seconds, so that what else a machine does is not taken for a fault
 * of ours: `live.bench.mjs` measures how close to the source they can be. */
const CONFIG = '[live]\nsegment = "2s"\npart = "1s"\nlatency = "4s"\n[stream.ranges]\nparts = "ranges"\n[stream.over]\nwindow = "10m"\n';
/** How long each is watched, in seconds. */
const WATCHED = 6;
/** Until then it may wait, in seconds; Video.js begins as soon as it has one segment, and then loads those behind it. */
const SETTLED = 1;
const VIDEO_JS_SETTLED = 5;
/** The part that a lost source was about to send is released with 404 (RFC 8216bis 6.2.6). */
const HINTED_IN_VAIN = /^status 404 .*\/\d+\.\d+\.m4s$|^console: Failed to load resource: the server responded with a status of 404/;
/** In the clock of the picture a frame of long ago would be later than this, in milliseconds. */
const NOT_LIVE = 30_000;

/** How much older than any player lies back by itself a broadcast is that is watched from its beginning, in milliseconds. */
const OLD = 12_000;
/** How players are told to begin with the first picture: of HLS by the server, of DASH by the address (ISO/IEC 23009-1 C.4) or their caller;
 * and within how many milliseconds of it they do. By HLS Shaka Player takes what was listed when it came for all that is ever kept, and stays
 * five seconds away from what that lets go of.
 * @type {Record<string, { anchor: string, within: number, prepare?: (player: any) => void }>} */
const FROM_THE_BEGINNING = {
  "hls.js": { anchor: "?start=0", within: 1000 },
  "Shaka Player by HLS": { anchor: "?start=0", within: 8000 },
  // It would hurry back to the newest.
  "dash.js": { anchor: "#t=0", within: 1000, prepare: (player) => player.updateSettings({ streaming: { liveCatchup: { enabled: false } } }) },
  "Shaka Player by DASH": {
    anchor: "",
    within: 3000,
    prepare: (player) => {
      player.addEventListener("manifestparsed", () => player.updateStartTime(0));
      // Paused, it would not get over what the sound lacks at the beginning.
      player.addEventListener("loaded", () => void window.bare.video.play());
    },
  },
};

const SHAKA_TEXT = (/** @type {any} */ player) => player.configure?.({ streaming: { lowLatencyMode: true }, preferredText: [{ language: "en" }] });
/** By DASH in its low latency mode, Shaka Player 5.2 moves text back by where the last chunk of pictures lies in its segment. */
const SHAKA_TEXT_LATE = (/** @type {any} */ player) => player.configure?.({ streaming: { lowLatencyMode: false }, preferredText: [{ language: "en" }] });

/** @param {Page} page @param {string} name */
async function cameOverHttp3(page, name) {
  const requests = await page.evaluate(() => {
    const all = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByType("resource"));
    return all.map(({ name, nextHopProtocol }) => ({ path: new URL(name).pathname, nextHopProtocol }));
  });
  const media = requests.filter(({ path, nextHopProtocol }) => path.startsWith(`/live/${name}/`) && nextHopProtocol !== "");
  assert.deepEqual([...new Set(media.map(({ nextHopProtocol }) => nextHopProtocol))], ["h3"]);
}

/** Waits until a stream is older than any player lies back: its sound begins a little after its pictures, and Shaka Player, paused in front of
 * that, stays there.
 * @param {string} playlist */
async function begun(playlist) {
  while ((await (await fetch(playlist)).text()).split("#EXTINF").length < 5) await sleep(100);
}

/** What is on began to play within so many milliseconds of the first picture, which was made at `began`, and stays as far back.
 * @param {Page} page @param {number} began @param {number} within */
async function beginsWithin(page, began, within) {
  await look(page);
  await page.locator("video").evaluate((/** @type {HTMLVideoElement} */ video) => video.play());
  await page.waitForFunction(() => window.seen.latencies.length > 0);
  const first = await page.locator("video").evaluate((/** @type {HTMLVideoElement} */ { played, currentTime }) => {
    const starts = Array.from({ length: played.length }, (_, index) => played.start(index));
    return window.seen.newest - 1000 * (currentTime - Math.max(...starts.filter((start) => start <= currentTime)));
  });
  assert.ok(Math.abs(first - began) < within, `it begins ${first - began} ms behind the first picture`);
  await watchOn(page, WATCHED);
  const { frames, least, stalls } = await seen(page);
  assert.ok(frames > 0 && least > OLD, `it comes as near as ${least} ms`);
  assert.equal(stalls, 0);
}

/** Opens the page of a stream, to be played one way.
 * @param {Page} page @param {string} origin @param {string} name @param {"hls" | "dash" | "shaka" | "videojs" | "file"} way */
async function openStream(page, origin, name, way) {
  // Not as the last one was watched: Shaka Player, sent away while it begins, warns that it has not heard the time yet.
  await page.goto(`${origin}#/live`);
  await page.evaluate(() => localStorage.setItem("reelway.way", "hls"));
  await page.goto(`${origin}#/live/${name}`);
  await page.locator(".switch label", { has: page.locator(`input[value=${way}]`) }).click();
  await page.waitForFunction((way) => window.reelway.state().engine === way && (document.querySelector("video")?.currentTime ?? 0) > 0 && !document.querySelector("video")?.paused, way);
}

describe("live", () => {
  const site = useLiveSite(CONFIG);
  /** @type {ReturnType<typeof startSource>} */
  let source;
  before(async () => void (source = startSource(`${site.plain()}ingest/clock`)));
  after(() => source?.kill());

  test("the list tells how to publish, and shows what is on", { timeout: PATIENCE }, async () => {
    await site.inPage(async (page) => {
      await page.goto(`${site.secure()}#/live`);
      await page.getByRole("link", { name: /^clock Live/ }).waitFor();
      await page.getByLabel("Name").fill("my cam");
      assert.match(await page.locator(".recipe").innerText(), /ffmpeg [^]*\/ingest\/my-cam$/);
      await page.locator("label", { hasText: "GStreamer" }).click();
      assert.match(await page.locator(".recipe").innerText(), /gst-launch-1\.0 [^]*\/ingest\/my-cam/);
      await shoot(page, "live-list");
      await page.getByRole("link", { name: /^clock Live/ }).click();
      await page.getByRole("heading", { level: 1, name: "clock" }).waitFor();
      await page.waitForFunction(() => (document.querySelector("video")?.currentTime ?? 0) > 0);
    });
  });

  for (const way of /** @type {const} */ (["hls", "dash", "shaka", "videojs", "file"])) {
    test(`the page by ${way}`, { timeout: 2 * PATIENCE }, async () => {
      await site.inPage(async (page) => {
        await openStream(page, site.secure(), "clock", way);
        await watchOn(page, way === "videojs" ? VIDEO_JS_SETTLED : SETTLED);
        await look(page);
        await watchOn(page, WATCHED);
        const { frames, most, stalls } = await seen(page);
        assert.equal(stalls, 0);
        assert.ok(frames > 0 && most < NOT_LIVE, `${frames} frames, at most ${most} ms late`);
        assert.equal((await state(page)).error, null);
        assert.match((await stats(page))["Protocol"] ?? "", /HTTP\/3/);
        const { latency } = await state(page);
        if (way === "hls" || way === "dash" || way === "shaka") assert.ok(Number(latency) > 0 && Number(latency) * 1000 < NOT_LIVE, `${latency} s`);
        await shoot(page, `live-${way}`);
      });
    });
  }

  for (const name of /** @type {const} */ (["hls.js", "dash.js", "Shaka Player by HLS", "Shaka Player by DASH", "the browser"])) {
    test(name, { timeout: 2 * PATIENCE }, async () => {
      await site.inPage(async (page) => {
        const lowLatency = (/** @type {any} */ player) => player.configure?.("streaming.lowLatencyMode", true);
        await openPlayer(page, site.secure(), name, "live/clock", lowLatency);
        await playPast(page, 0);
        await watchOn(page, SETTLED);
        await look(page);
        await watchOn(page, WATCHED);
        const { frames, most, stalls } = await seen(page);
        assert.equal(stalls, 0);
        assert.ok(frames > 0 && most < NOT_LIVE, `${frames} frames, at most ${most} ms late`);
        assert.equal(await page.evaluate(() => window.bare.error), "");
        if (name !== "the browser") await cameOverHttp3(page, "clock");
      });
    });
  }

  test("text is shown with the pictures that it belongs to", { timeout: 3 * PATIENCE }, async () => {
    const spoken = startSource(`${site.plain()}ingest/spoken/Streams(av.cmfv)`);
    const words = startWords(`${site.plain()}ingest/spoken/Streams(en.cmft)`);
    try {
      await begun(`${site.plain()}live/spoken/t1/media.m3u8`);
      for (const name of /** @type {const} */ (["hls.js", "dash.js", "Shaka Player by HLS", "Shaka Player by DASH"])) {
        await site.inPage(async (page) => {
          await openPlayer(page, site.secure(), name, "live/spoken", name === "Shaka Player by HLS" ? SHAKA_TEXT : SHAKA_TEXT_LATE);
          await chooseText(page, name, "en");
          await playPast(page, 0);
          await look(page);
          const began = spoken.began();
          // As a line is shown its pictures are: those of its second, to what a busy machine takes to draw.
          for (let [line, count] = [-1, 0]; count < 4; count += 1) {
            const shown = await page.waitForFunction((line) => {
              if (window.bare.error) throw new Error(window.bare.error);
              const tracks = [...window.bare.video.textTracks].filter(({ mode }) => mode === "showing");
              const cues = tracks.flatMap(({ activeCues }) => [...(activeCues ?? [])]);
              const lines = cues.map((cue) => Number(/** @type {VTTCue} */ (cue).text.trim().replace("line ", "")));
              const newest = Math.max(...lines);
              return newest > line && window.seen.newest > 0 && { newest, made: window.seen.newest, told: `at ${window.bare.video.currentTime}: ${cues.map((cue) => `${cue.startTime} to ${cue.endTime}: ${/** @type {VTTCue} */ (cue).text}`)}` };
            }, line);
            const { newest, made, told } = /** @type {{ newest: number, made: number, told: string }} */ (await shown.jsonValue());
            const second = (made - began) / 1000;
            assert.ok(count === 0 || newest <= line + 2, `line ${newest} follows ${line}`);
            assert.ok(second > newest - 0.7 && second < newest + 1.7, `${name}: line ${newest} over the picture of ${second} s: ${told}`);
            line = newest;
          }
        }, /^console: Low-latency live stream detected/);
      }
    } finally {
      await words.end();
      await spoken.kill();
    }
  });

  test("parts by ranges of their segment", { timeout: 3 * PATIENCE }, async () => {
    const ranges = startSource(`${site.plain()}ingest/ranges`);
    try {
      await begun(`${site.plain()}live/ranges/v1/media.m3u8`);
      for (const name of /** @type {const} */ (["hls.js", "Shaka Player by HLS"])) {
        await site.inPage(async (page) => {
          await openPlayer(page, site.secure(), name, "live/ranges", (player) => player.configure?.("streaming.lowLatencyMode", true));
          await playPast(page, 0);
          await watchOn(page, SETTLED);
          await look(page);
          await watchOn(page, WATCHED);
          const { frames, most, stalls } = await seen(page);
          assert.equal(stalls, 0, name);
          assert.ok(frames > 0 && most < NOT_LIVE, `${frames} frames, at most ${most} ms late`);
          const paths = await page.evaluate(() => performance.getEntriesByType("resource").map((entry) => new URL(entry.name).pathname));
          assert.ok(!paths.some((path) => /\/\d+\.\d+\.m4s$/.test(path)), "no part has a URL of its own");
          const segments = paths.filter((path) => /\/v1\/\d+\.m4s$/.test(path));
          // Shaka Player reads all that comes of a segment by one request; hls.js asks for each part.
          if (name === "hls.js") assert.ok(segments.length > new Set(segments).size, segments.join(" "));
          assert.ok(segments.length > 0);
        });
      }
    } finally {
      await ranges.kill();
    }
  });

  test("an encoder that is killed and comes back", { timeout: 3 * PATIENCE }, async () => {
    const url = `${site.plain()}ingest/flaky`;
    const killed = startSource(url);
    /** @type {ReturnType<typeof startSource> | undefined} */
    let back;
    try {
      await begun(`${site.plain()}live/flaky/v1/media.m3u8`);
      /** @type {(() => void)[]} */
      const ready = [];
      const all = Promise.all(NAMES.map(() => new Promise((resolve) => ready.push(() => resolve(undefined)))));
      const returned = all.then(async () => {
        await killed.kill();
        // Two segments are missing.
        await sleep(2500);
        back = startSource(url);
        return Date.now();
      });
      await Promise.all(
        NAMES.map((name, index) =>
          site.inPage(async (page) => {
            await openPlayer(page, site.secure(), name, "live/flaky", (player) => player.configure?.("streaming.lowLatencyMode", true));
            await playPast(page, 0);
            await look(page);
            await watchOn(page, 2);
            ready[index]?.();
            await seeFrom(page, await returned);
            await watchOn(page, 3);
            // Shaka Player takes a hinted part that never came for an error, which it tells, and goes on.
            if (name !== "Shaka Player by HLS") assert.equal(await page.evaluate(() => window.bare.error), "", name);
          }, name.match(/hls/i) ? HINTED_IN_VAIN : undefined),
        ),
      );
    } finally {
      await killed.kill();
      await back?.kill();
    }
  });

  for (const way of /** @type {const} */ (["hls", "dash"])) {
    test(`back in time and to the newest again, by ${way}`, { timeout: 2 * PATIENCE }, async () => {
      await site.inPage(async (page) => {
        await openStream(page, site.secure(), "clock", way);
        await watchOn(page, 1);
        await page.keyboard.press("j");
        await page.locator(".to-live:not(.at-edge)").waitFor();
        await watchOn(page, 2);
        await page.getByRole("button", { name: "Live", exact: true }).click();
        await page.locator(".to-live.at-edge").waitFor();
        await watchOn(page, 2);
        assert.equal((await state(page)).error, null);
      });
    });
  }

  describe("from the beginning, while the stream goes on", () => {
    /** @type {ReturnType<typeof startSource>} */
    let over;
    before(async () => {
      over = startSource(`${site.plain()}ingest/over`);
      await begun(`${site.plain()}live/over/v1/media.m3u8`);
      await sleep(OLD);
    });
    after(() => over?.kill());

    for (const [name, { anchor, within, prepare }] of Object.entries(FROM_THE_BEGINNING)) {
      test(name, { timeout: 2 * PATIENCE }, async () => {
        await site.inPage(async (page) => {
          await openPlayer(page, site.secure(), /** @type {import("./players.mjs").Name} */ (name), "live/over", prepare, anchor);
          await beginsWithin(page, over.began(), within);
          assert.equal(await page.evaluate(() => window.bare.error), "");
        });
      });
    }

    for (const way of /** @type {const} */ (["hls", "dash", "shaka"])) {
      test(`the page by ${way}`, { timeout: 2 * PATIENCE }, async () => {
        await site.inPage(async (page) => {
          await openStream(page, site.secure(), "over", way);
          await watchOn(page, 1);
          await page.getByRole("button", { name: "From the beginning", exact: true }).click();
          await page.waitForFunction(() => !document.querySelector("video")?.seeking);
          await beginsWithin(page, over.began(), 3000);
          assert.equal((await state(page)).error, null);
        });
      });
    }
  });

  test("a player that stands still while the stream goes on begins afresh", { timeout: 2 * PATIENCE }, async () => {
    await site.inPage(async (page) => {
      await openStream(page, site.secure(), "clock", "hls");
      await watchOn(page, 1);
      await page.evaluate(() => {
        // What is given to the decoder is lost from here on, until somebody sets it up anew.
        const { appendBuffer } = SourceBuffer.prototype;
        const { addSourceBuffer } = MediaSource.prototype;
        SourceBuffer.prototype.appendBuffer = function () {
          setTimeout(() => this.dispatchEvent(new Event("updateend")));
        };
        MediaSource.prototype.addSourceBuffer = function (type) {
          SourceBuffer.prototype.appendBuffer = appendBuffer;
          window.afresh = true;
          return addSourceBuffer.call(this, type);
        };
      });
      await page.waitForFunction(() => window.afresh && (document.querySelector("video")?.readyState ?? 0) >= HTMLMediaElement.HAVE_FUTURE_DATA);
      await watchOn(page, 2);
      assert.equal((await state(page)).error, null);
    });
  });

  test("a viewer who pauses for half a minute goes on", { timeout: 3 * PATIENCE }, async () => {
    await Promise.all(
      /** @type {const} */ (["hls", "dash", "file"]).map((way) =>
        site.inPage(async (page) => {
          await openStream(page, site.secure(), "clock", way);
          await watchOn(page, 1);
          await page.keyboard.press("k");
          await sleep(30_000);
          await page.keyboard.press("k");
          await watchOn(page, 3);
          assert.equal((await state(page)).error, null);
        }),
      ),
    );
  });
});
