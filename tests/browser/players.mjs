/** hls.js, dash.js and Shaka Player as they come, with none of our page around them. */

import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** @typedef {import("playwright-core").Page} Page */

const LIBRARIES = {
  hls: "../../web/node_modules/hls.js/dist/hls.min.js",
  dash: "../../web/node_modules/dashjs/dist/modern/umd/dash.all.min.js",
  shaka: "node_modules/shaka-player/dist/shaka-player.compiled.js",
};

/** Each player with each kind of manifest that it reads. */
export const PLAYERS = /** @type {const} */ ({
  "hls.js": { library: "hls", manifest: "master.m3u8" },
  "dash.js": { library: "dash", manifest: "manifest.mpd" },
  "Shaka Player by HLS": { library: "shaka", manifest: "master.m3u8" },
  "Shaka Player by DASH": { library: "shaka", manifest: "manifest.mpd" },
});
/** And the browser alone, which plays what has no end as a file.
 * @typedef {keyof typeof PLAYERS | "the browser"} Name */
export const NAMES = /** @type {Name[]} */ (Object.keys(PLAYERS));

/** The text of a library, as an expression without a value.
 * @param {keyof typeof LIBRARIES} library */
function code(library) {
  return `${readFileSync(fileURLToPath(new URL(LIBRARIES[library], import.meta.url)), "utf8")}\n;undefined`;
}

/** A video element and a player on it, in an otherwise empty page of the server; returns when the first picture (or sound) is there.
 * @param {Page} page @param {string} origin @param {Name} name @param {string} path of the folder that the manifest is in
 * @param {((player: any) => void)} [prepare] runs in the page before anything is loaded
 * @param {string} [anchor] what stands behind the address of the manifest */
export async function openPlayer(page, origin, name, path, prepare, anchor = "") {
  const { library, manifest } = name === "the browser" ? { library: undefined, manifest: "stream.mp4?hold-back=2s" } : PLAYERS[name];
  await page.goto(`${origin}healthz`);
  if (library) await page.evaluate(code(library));
  await page.evaluate(`window.prepare = ${prepare ?? "() => undefined"}`);
  await page.evaluate(
    async ({ library, url }) => {
      const video = document.createElement("video");
      video.muted = true;
      document.body.replaceChildren(video);
      const { Hls, dashjs, shaka, prepare } = /** @type {any} */ (window);
      const bare = { video, player: /** @type {any} */ (undefined), error: "" };
      window.bare = bare;
      video.addEventListener("error", () => (bare.error = video.error?.message || "the element failed"));
      if (library === undefined) {
        video.src = url;
      } else if (library === "hls") {
        bare.player = new Hls();
        bare.player.on("hlsError", (/** @type {unknown} */ _, /** @type {any} */ data) => {
          if (data.fatal) bare.error = `${data.details}: ${data.error?.message}`;
        });
        prepare(bare.player);
        bare.player.loadSource(url);
        bare.player.attachMedia(video);
      } else if (library === "dash") {
        bare.player = dashjs.MediaPlayer().create();
        bare.player.updateSettings({ debug: { logLevel: 0 } });
        bare.player.on("error", (/** @type {any} */ { error }) => (bare.error = error.message ?? error));
        // Its own check for the end may pause the video just before the browser would say that it ended, and then it never does.
        bare.player.on("playbackEnded", () => !video.ended && void video.play());
        prepare(bare.player);
        bare.player.initialize(video, url, false);
      } else {
        bare.player = new shaka.Player();
        const told = (/** @type {any} */ { code, message, data }) => `${code}: ${message} ${data?.slice(0, 2).join(" ") ?? ""}`;
        bare.player.addEventListener("error", (/** @type {any} */ { detail }) => {
          // From the others it recovers by itself: of a live stream it asks again for what was refused. Which it does it decides once all have
          // heard of it.
          setTimeout(() => {
            if (detail.severity === shaka.util.Error.Severity.CRITICAL) bare.error = told(detail);
          });
        });
        prepare(bare.player);
        await bare.player.attach(video);
        await bare.player.load(url).catch((/** @type {any} */ error) => (bare.error = told(error)));
      }
    },
    { library, url: `/${path.split("/").map(encodeURIComponent).join("/")}/${manifest}${anchor}` },
  );
  await page.waitForFunction(() => window.bare.error !== "" || window.bare.video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA);
  await noError(page);
}

/** @param {Page} page */
export async function noError(page) {
  assert.equal(await page.evaluate(() => window.bare.error), "");
}

/** Plays on until the playhead is past a time, in seconds.
 * @param {Page} page @param {number} time @param {number} rate */
export async function playPast(page, time, rate = 1) {
  await page.evaluate((rate) => {
    window.bare.video.playbackRate = rate;
    return window.bare.video.play();
  }, rate);
  await page.waitForFunction((time) => window.bare.error !== "" || window.bare.video.ended || window.bare.video.currentTime > time, time);
  await noError(page);
}

/** @param {Page} page @param {number} time in seconds */
export async function seekTo(page, time) {
  await page.evaluate((time) => void (window.bare.video.currentTime = time), time);
  await page.waitForFunction(() => window.bare.error !== "" || !window.bare.video.seeking);
  await noError(page);
}

/** Plays until the browser says that it has ended.
 * @param {Page} page @param {number} rate */
export async function playOut(page, rate = 4) {
  await playPast(page, Infinity, rate);
  return page.evaluate(() => {
    const { video } = window.bare;
    return { time: video.currentTime, duration: video.duration, width: video.videoWidth };
  });
}

/** How each player is told the language of the text; `de` or `deu`, as the manifest has it.
 * @type {Record<string, (language: string) => void>} */
const CHOOSE_TEXT = {
  "hls.js": (language) => {
    const { player } = window.bare;
    player.subtitleDisplay = true;
    player.subtitleTrack = player.subtitleTracks.findIndex((/** @type {any} */ { lang }) => lang.startsWith(language));
  },
  "dash.js": (language) => {
    const { player } = window.bare;
    player.enableText(true);
    player.setTextTrack(player.getTracksFor("text").findIndex((/** @type {any} */ { lang }) => lang.startsWith(language)));
  },
  "Shaka Player": (language) => {
    const { player } = window.bare;
    player.selectTextTrack(player.getTextTracks().find((/** @type {any} */ track) => track.language.startsWith(language)));
  },
};

/** Has a player show the text of a language.
 * @param {Page} page @param {string} name @param {string} language by two letters */
export async function chooseText(page, name, language) {
  const choice = CHOOSE_TEXT[name.replace(/ by .*/, "")];
  assert.ok(choice);
  await page.evaluate(choice, language);
}
