/** How late live pictures are in each player, from the making of a frame to its being shown, and how often playing stands still.
 *
 * `cargo xtask bench live-players [--seconds N] [--only TEXT]`: each player, or each that has TEXT in its name, is watched for N seconds (60), one
 * after the other, by HTTP/3, with segments of 1 s and parts of 200 ms. Encoder, server and browser share the machine and its clock. The last is
 * shown a smaller rung that the server makes of a stream: what it is later than the same player of the source is what the ladder adds. */

import { setTimeout as sleep } from "node:timers/promises";
import { openSite, inPage } from "./browser.mjs";
import { state } from "./player.mjs";
import { openPlayer, playPast } from "./players.mjs";
import { startSource } from "./source.mjs";
import { look, seen, watchOn } from "./viewer.mjs";

/** @typedef {import("playwright-core").Page} Page */

const CONFIG = '[live]\nsegment = "1s"\npart = "200ms"\n[stream.ladder]\nladder = "144p"\n';
const NAME = "clock";
/** The stream with a ladder; its second picture is the rung. */
const LADDER = "ladder";
/** Until it has found its distance, in seconds. */
const SETTLING = 5;

const { seconds, only } = asked(process.argv.slice(2));
const site = await openSite("forced", [], CONFIG);
const sources = [startSource(`${site.plain}ingest/${NAME}`)];

/** @param {"hls" | "dash" | "file"} way @returns {(page: Page) => Promise<void>} */
const ours = (way) => async (page) => {
  await page.goto(`${site.secure}#/live/${NAME}`);
  await page.locator(".switch label", { has: page.locator(`input[value=${way}]`) }).click();
  await page.waitForFunction((way) => window.reelway.state().engine === way && (document.querySelector("video")?.currentTime ?? 0) > 0, way);
};

/** @param {import("./players.mjs").Name} name @returns {(page: Page) => Promise<void>} */
const bare = (name) => async (page) => {
  await openPlayer(page, site.secure, name, `live/${NAME}`, (player) => player.configure?.("streaming.lowLatencyMode", true));
  await playPast(page, 0);
};

/** @param {Page} page */
async function rung(page) {
  while ((await (await fetch(`${site.plain}live/${LADDER}/v2/media.m3u8`)).text()).split("#EXTINF").length < 5) await sleep(200);
  await openPlayer(page, site.secure, "hls.js", `live/${LADDER}`, (player) => {
    player.on("hlsManifestParsed", () => {
      const heights = player.levels.map((/** @type {{ height: number }} */ { height }) => height);
      player.currentLevel = heights.indexOf(Math.min(...heights));
    });
  });
  await playPast(page, 0);
  const height = await page.evaluate(() => window.bare.video.videoHeight);
  if (height !== 144) throw new Error(`the rung is not shown, but ${height} lines`);
}

/** @type {Record<string, (page: Page) => Promise<void>>} */
const VIEWERS = {
  "the page, LL-HLS (hls.js)": ours("hls"),
  "the page, LL-DASH (dash.js)": ours("dash"),
  "the page, endless MP4": ours("file"),
  "hls.js, LL-HLS": bare("hls.js"),
  "dash.js, LL-DASH": bare("dash.js"),
  "Shaka Player, LL-HLS": bare("Shaka Player by HLS"),
  "Shaka Player, LL-DASH": bare("Shaka Player by DASH"),
  "hls.js, a rung of the ladder": rung,
};

try {
  console.log(`live, glass to glass, ${seconds} s each; milliseconds`);
  console.log(["player".padEnd(30), "median", "least", "95 %", "most", "stalls", "frames", "source late"].join("\t"));
  for (const [name, open] of Object.entries(VIEWERS).filter(([name]) => name.includes(only))) {
    // The encoder of the rung is not to cost the others time.
    if (open === rung) sources.push(startSource(`${site.plain}ingest/${LADDER}`));
    await inPage(site.context, async (page) => {
      await open(page);
      await watchOn(page, SETTLING);
      await look(page);
      for (const source of sources) source.late();
      await watchOn(page, seconds);
      const late = Math.max(...sources.map((source) => source.late()));
      const { median, least, p95, most, stalls, frames } = await seen(page);
      const told = (await state(page).catch(() => undefined))?.latency;
      const said = told ? `the player says ${Math.round(told * 1000)}` : "";
      console.log([name.padEnd(30), median, least, p95, most, stalls, frames, late, said].join("\t"));
    });
  }
} finally {
  for (const source of sources) await source.kill();
  await site.close();
}

/** @param {string[]} args */
function asked(args) {
  let [seconds, only] = [60, ""];
  for (let at = 0; at < args.length; at += 2) {
    const value = args[at + 1] ?? "";
    if (args[at] === "--seconds" && Number(value) > 0) seconds = Number(value);
    else if (args[at] === "--only" && value !== "") only = value;
    else throw new Error("usage: live-players [--seconds N] [--only TEXT]");
  }
  return { seconds, only };
}
