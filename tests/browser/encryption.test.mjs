/** Encrypted presentations in Chromium: decrypted by Encrypted Media Extensions with W3C ClearKey, by two players, to the end. Keys that
 * change are asked for by the page itself, as the segments name them. */

import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { PATIENCE, program } from "./browser.mjs";
import { openPlayer, playPast } from "./players.mjs";
import { binary, startServer } from "./server.mjs";
import { WIDTH, startSource } from "./source.mjs";

const SECONDS = 12;
const KEYS = /** @type {const} */ ([
  ["000102030405060708090a0b0c0d0e0f", "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"],
  ["101112131415161718191a1b1c1d1e1f", "b0b1b2b3b4b5b6b7b8b9babbbcbdbebf"],
  ["202122232425262728292a2b2c2d2e2f", "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf"],
]);
const PLAYERS = { "/hls.js": "hls.js/dist/hls.min.js", "/dash.js": "dashjs/dist/modern/umd/dash.all.min.js" };
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".m3u8": "application/vnd.apple.mpegurl", ".mpd": "application/dash+xml" };

const CLIPS = {
  "h264.mp4": ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-bf", "2", "-g", "50", "-sc_threshold", "0", "-c:a", "aac"],
  "vp9.mp4": ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "200k", "-g", "50", "-c:a", "libopus"],
  "av1.mp4": ["-c:v", "libsvtav1", "-preset", "12", "-b:v", "200k", "-g", "50", "-svtav1-params", "scd=0", "-c:a", "aac"],
};

const base64url = (/** @type {string} */ hex) => Buffer.from(hex, "hex").toString("base64url");

/** What a licence server of ClearKey answers (Encrypted Media Extensions 9.1.4): the keys that were asked for and no others.
 * @param {string} request */
function licence(request) {
  const { kids } = /** @type {{ kids: string[] }} */ (JSON.parse(request));
  const known = KEYS.filter(([kid]) => kids.includes(base64url(kid)));
  return JSON.stringify({ keys: known.map(([kid, key]) => ({ kty: "oct", kid: base64url(kid), k: base64url(key) })), type: "temporary" });
}

describe("encrypted presentations", () => {
  const folder = mkdtempSync(join(tmpdir(), "reelway-encrypted-"));
  /** @type {string[]} */
  const asked = [];
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    if (path === "/licence") {
      let body = "";
      request.setEncoding("utf8").on("data", (text) => (body += text));
      request.on("end", () => {
        asked.push(...JSON.parse(body).kids);
        response.setHeader("Content-Type", "application/json").end(licence(body));
      });
      return;
    }
    const player = PLAYERS[/** @type {keyof typeof PLAYERS} */ (path)];
    const file = player ? fileURLToPath(new URL(`../../web/node_modules/${player}`, import.meta.url)) : join(folder, normalize(path));
    try {
      const bytes = path === "/page.html" ? "<!doctype html><title>t</title><link rel=icon href=data:,><video muted></video>" : readFileSync(file);
      response.setHeader("Content-Type", TYPES[/** @type {keyof typeof TYPES} */ (extname(path))] ?? "video/mp4").end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  });
  /** @type {import("playwright-core").Browser} */
  let browser;
  let origin = "";

  before(async () => {
    await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
    origin = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
    for (const [name, codecs] of Object.entries(CLIPS)) {
      const picture = ["-f", "lavfi", "-i", `testsrc2=size=320x180:rate=25:duration=${SECONDS}`];
      const sound = ["-f", "lavfi", "-i", `sine=frequency=440:sample_rate=48000:duration=${SECONDS}`];
      execFileSync("ffmpeg", ["-nostdin", "-v", "error", ...picture, ...sound, ...codecs, join(folder, name)]);
    }
    browser = await chromium.launch({ executablePath: program(), headless: true, args: ["--disable-gpu", "--autoplay-policy=no-user-gesture-required"] });
  }, { timeout: 2 * PATIENCE });

  after(async () => {
    await browser?.close();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Packages a clip.
   * @param {string} clip @param {string} scheme @param {string} name @param {object} keys */
  function encrypt(clip, scheme, name, keys) {
    writeFileSync(join(folder, "keys.json"), JSON.stringify({ clear_key_url: `${origin}/licence`, ...keys }));
    const to = ["-o", join(folder, name), "--segment", "2s", "--encrypt", scheme, "--keys", join(folder, "keys.json")];
    execFileSync(binary(), ["package", join(folder, clip), ...to]);
  }

  /** Plays, goes to the last quarter, plays to the end; what was presented is counted.
   * @param {"hls" | "dash" | "page"} way @param {string} name @param {{ url: string, licence: string }} [from] */
  async function play(way, name, from = { url: `${origin}/${name}`, licence: `${origin}/licence` }) {
    const page = await browser.newPage();
    /** @type {string[]} */
    const faults = [];
    page.on("pageerror", (error) => faults.push(String(error)));
    page.on("response", (response) => response.status() >= 400 && faults.push(`${response.status()} ${response.url()}`));
    try {
      await page.goto(`${origin}/page.html`);
      if (way !== "page") await page.addScriptTag({ url: `${origin}/${way}.js` });
      await page.evaluate(
        async ({ way, url, licence, segments }) => {
          const video = /** @type {HTMLVideoElement} */ (document.querySelector("video"));
          const state = { error: "", frames: 0 };
          const count = () => (state.frames++, video.requestVideoFrameCallback(count));
          video.requestVideoFrameCallback(count);
          Object.assign(window, { state });
          video.addEventListener("error", () => (state.error = video.error?.message ?? "error"));
          const { Hls, dashjs } = /** @type {any} */ (window);
          if (way === "hls") {
            const hls = new Hls({ emeEnabled: true, drmSystems: { "org.w3.clearkey": { licenseUrl: licence } } });
            hls.on("hlsError", (/** @type {unknown} */ _, /** @type {any} */ data) => data.fatal && (state.error = `${data.details} ${data.error?.message}`));
            hls.loadSource(`${url}/master.m3u8`);
            hls.attachMedia(video);
          } else if (way === "page") {
            const access = await navigator.requestMediaKeySystemAccess("org.w3.clearkey", [
              { initDataTypes: ["cenc"], videoCapabilities: [{ contentType: 'video/mp4; codecs="avc1.64001F"' }] },
            ]);
            const keys = await access.createMediaKeys();
            await video.setMediaKeys(keys);
            const known = new Set();
            video.addEventListener("encrypted", ({ initDataType, initData }) => {
              const text = String(new Uint8Array(initData ?? new ArrayBuffer(0)));
              if (!initData || known.has(text)) return;
              known.add(text);
              const session = keys.createSession();
              session.addEventListener("message", async ({ message }) => {
                const answer = await fetch(licence, { method: "POST", body: message });
                await session.update(await answer.arrayBuffer());
              });
              session.generateRequest(initDataType, initData).catch((error) => (state.error = String(error)));
            });
            const source = new MediaSource();
            video.src = URL.createObjectURL(source);
            await new Promise((resolve) => source.addEventListener("sourceopen", resolve, { once: true }));
            const types = { v1: 'video/mp4; codecs="avc1.64001F"', a1: 'audio/mp4; codecs="mp4a.40.2"' };
            await Promise.all(
              Object.entries(types).map(([name, type]) => [name, source.addSourceBuffer(type)]).map(async ([name, buffer]) => {
                const target = /** @type {SourceBuffer} */ (buffer);
                for (const part of ["init.mp4", ...Array.from({ length: segments }, (_, index) => `${index + 1}.m4s`)]) {
                  target.appendBuffer(await (await fetch(`${url}/${name}/${part}`)).arrayBuffer());
                  await new Promise((resolve) => target.addEventListener("updateend", resolve, { once: true }));
                }
              }),
            );
            source.endOfStream();
          } else {
            const player = dashjs.MediaPlayer().create();
            player.on("error", (/** @type {any} */ event) => (state.error = event.error?.message ?? "error"));
            // Its own check for the end may pause the video just before the browser would say that it ended, and then it never does.
            player.on("playbackEnded", () => !video.ended && void video.play());
            player.registerLicenseRequestFilter(async (/** @type {any} */ request) => void (request.url = licence));
            player.initialize(video, `${url}/manifest.mpd`, false);
          }
        },
        { way, ...from, segments: SECONDS / 2 },
      );
      const failed = () => page.evaluate(() => /** @type {any} */ (window).state.error);
      const reached = (/** @type {number} */ time) =>
        page.waitForFunction((time) => {
          const video = document.querySelector("video");
          return /** @type {any} */ (window).state.error || (video && (time < 0 ? video.ended : video.currentTime > time && video.readyState > 2));
        }, time, { timeout: PATIENCE / 2 }).catch(async (error) => {
          const at = await page.evaluate(() => {
            const { currentTime, paused, readyState, buffered } = /** @type {HTMLVideoElement} */ (document.querySelector("video"));
            return { currentTime, paused, readyState, buffered: Array.from({ length: buffered.length }, (_, i) => [buffered.start(i), buffered.end(i)]) };
          });
          throw new Error(`${time < 0 ? "the end" : time} was not reached: ${JSON.stringify(at)}`, { cause: error });
        });
      await page.waitForFunction(() => (document.querySelector("video")?.readyState ?? 0) > 1 || /** @type {any} */ (window).state.error, undefined, { timeout: PATIENCE / 2 });
      assert.equal(await failed(), "");
      await page.evaluate(() => document.querySelector("video")?.play());
      await reached(2.5);
      assert.equal(await failed(), "");
      await page.evaluate((time) => {
        const video = document.querySelector("video");
        if (video) video.currentTime = time;
      }, SECONDS * 0.75);
      await reached(-1);
      assert.equal(await failed(), "");
      const told = await page.evaluate(() => {
        const video = /** @type {HTMLVideoElement} */ (document.querySelector("video"));
        return { keys: video.mediaKeys !== null, width: video.videoWidth, time: video.currentTime, frames: /** @type {any} */ (window).state.frames };
      });
      assert.ok(told.keys && told.width === 320 && Math.abs(told.time - SECONDS) < 0.2 && told.frames > 50, JSON.stringify(told));
      assert.deepEqual(faults, []);
    } finally {
      await page.close();
    }
  }

  const one = { keys: [{ kid: KEYS[0][0], key: KEYS[0][1] }] };
  for (const clip of Object.keys(CLIPS)) {
    for (const scheme of ["cenc", "cbcs"]) {
      for (const way of /** @type {const} */ (["hls", "dash"])) {
        test(`${clip} by ${scheme}, ${way}`, { timeout: 2 * PATIENCE }, async () => {
          encrypt(clip, scheme, `${scheme}-${way}-${clip}`, one);
          await play(way, `${scheme}-${way}-${clip}`);
        });
      }
    }
  }

  for (const scheme of ["cenc", "cbcs"]) {
    test(`keys of ${scheme} that change after two segments`, { timeout: 2 * PATIENCE }, async () => {
      const keys = KEYS.map(([kid, key]) => ({ kid, key }));
      encrypt("h264.mp4", scheme, `turns-${scheme}`, { keys, period: 2 });
      asked.length = 0;
      await play("page", `turns-${scheme}`);
      assert.deepEqual([...new Set(asked)].sort(), KEYS.map(([kid]) => base64url(kid)).sort(), "each key is asked for");
    });
  }

  test("encrypted as it is asked for, for those who have a token", { timeout: 4 * PATIENCE }, async () => {
    const media = join(folder, "media");
    const kinds = { "cenc.mp4": "cenc", "cbcs.mp4": "cbcs" };
    mkdirSync(media);
    for (const name of Object.keys(kinds)) copyFileSync(join(folder, "h264.mp4"), join(media, name));
    const tables = Object.entries(kinds).map(([name, scheme]) => `[asset."${name}"]\nencrypt = "${scheme}"\n`);
    const site = await startServer(media, `[media]\nplay = "token"\n${tables.join("")}`);
    try {
      for (const [way, name] of /** @type {const} */ ([["hls", "cenc.mp4"], ["dash", "cbcs.mp4"], ["hls", "cbcs.mp4"]])) {
        const path = `/vod/${name}/master.m3u8`;
        const signed = execFileSync(binary(), ["token", "play", path, "--data", site.data], { encoding: "utf8" }).trim();
        const url = `${site.plain.replace(/\/$/, "")}${signed.replace("/master.m3u8", "")}`;
        await play(way, name, { url, licence: `${url}/clearkey` });
      }
    } finally {
      await site.stop();
    }
  });

  describe("live, for those who have a token", () => {
    /** @type {Awaited<ReturnType<typeof startServer>>} */
    let site;
    /** @type {ReturnType<typeof startSource>[]} */
    const sources = [];
    // The keys of the second and the third change every two seconds.
    const streams = { one: 'encrypt = "cbcs"\n', turns: 'encrypt = "cenc"\nkey_period = 2\n', whole: 'encrypt = "aes-128"\nkey_period = 2\n' };
    before(async () => {
      const tables = Object.entries(streams).map(([name, settings]) => `[stream.${name}]\n${settings}`);
      const live = '[live]\nsegment = "1s"\npart = "500ms"\nlatency = "3s"\nplay = "token"\n';
      site = await startServer(folder, live + tables.join(""));
      sources.push(...Object.keys(streams).map((name) => startSource(`${site.plain}ingest/${name}`)));
    }, { timeout: PATIENCE });
    after(async () => {
      for (const source of sources) await source.kill();
      await site?.stop();
    });

    for (const stream of /** @type {(keyof typeof streams)[]} */ (Object.keys(streams))) {
      // Where a key is told by a segment, in a box of the common system, dash.js 5.2 asks ClearKey for it as if the box were a list of numbers of
      // keys (`createKeySession` of its DefaultProtectionModel says "keyids", not "cenc"), which the browser refuses. DASH has no whole segments.
      const players = /** @type {const} */ ({
        one: ["hls.js", "dash.js", "Shaka Player by DASH"],
        turns: ["hls.js", "Shaka Player by DASH"],
        whole: ["hls.js", "Shaka Player by HLS"],
      })[stream];
      for (const name of players) {
        test(`${stream}, ${name}`, { timeout: 2 * PATIENCE }, async () => {
          const signed = execFileSync(binary(), ["token", "play", `/live/${stream}/master.m3u8`, "--data", site.data], { encoding: "utf8" }).trim();
          const folder = signed.replace(/\/master\.m3u8$/, "");
          const page = await browser.newPage();
          page.setDefaultTimeout(PATIENCE);
          let [licences, parts] = [0, 0];
          // Players begin a few seconds back.
          while (((await (await fetch(`${site.plain}${folder.slice(1)}/v1/media.m3u8`)).text()).match(/#EXTINF/g) ?? []).length < 5) await sleep(200);
          page.on("response", (response) => {
            licences += Number(/\/(clearkey|[0-9a-f]{32}\.key)$/.test(response.url()) && response.ok());
            parts += Number(/\/\d+\.\d+\.m4s$/.test(response.url()) && response.ok());
          });
          try {
            // hls.js alone is not told by the manifest where keys are.
            await page.addInitScript((licence) => Object.assign(window, { licence }), `${folder}/clearkey`);
            await openPlayer(page, site.plain, name, folder.slice(1), (player) => {
              if (player.config) Object.assign(player.config, { emeEnabled: true, drmSystems: { "org.w3.clearkey": { licenseUrl: /** @type {any} */ (window).licence } } });
            });
            const begun = await page.evaluate(() => window.bare.video.currentTime);
            // Shaka Player asks again for what is refused, and says nothing that would be an end.
            let refused = 0;
            if (name === "Shaka Player by DASH") await page.route(/\/v1\/\d+\.m4s$/, (route) => (refused++ < 4 ? route.fulfill({ status: 404 }) : route.continue()));
            // A licence has the keys of what is there at first, and the next.
            await playPast(page, begun + (stream === "one" ? 3 : 10));
            const told = await page.evaluate(() => {
              const { video } = window.bare;
              return { keys: video.mediaKeys !== null, width: video.videoWidth, frames: video.getVideoPlaybackQuality().totalVideoFrames };
            });
            assert.ok(told.keys === (stream !== "whole") && told.width === WIDTH && told.frames > 50, JSON.stringify(told));
            assert.ok(licences > (stream === "one" ? 0 : 1), `${licences} licences or keys`);
            if (name === "Shaka Player by DASH") assert.ok(refused > 4, `${refused} segments asked for`);
            if (stream === "whole") assert.ok(parts > 5, `${parts} parts`);
          } finally {
            await page.close();
          }
        });
      }
    }
  });
});
