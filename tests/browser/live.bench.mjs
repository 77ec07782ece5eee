/** How late live pictures are in each player, from the making of a frame to its being shown, and how often playing stands still.
 *
 * `cargo xtask bench live-players [--seconds N] [--only TEXT]`: each player, or each that has TEXT in its name, is watched for N seconds (60), one
 * after the other, by HTTP/3, with segments of 1 s and parts of 200 ms. Encoder, server and browser share the machine and its clock. */

import { openSite, inPage } from "./browser.mjs";
import { state } from "./player.mjs";
import { openPlayer, playPast } from "./players.mjs";
import { startSource } from "./source.mjs";
import { look, seen, watchOn } from "./viewer.mjs";

/** @typedef {import("playwright-core").Page} Page */

const CONFIG = '[live]\nsegment = "1s"\npart = "200ms"\n';
const NAME = "clock";
/** Until it has found its distance, in seconds. */
const SETTLING = 5;

const { seconds, only } = asked(process.argv.slice(2));
const site = await openSite("forced", [], CONFIG);
const source = startSource(`${site.plain}ingest/${NAME}`);

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

/** @type {Record<string, (page: Page) => Promise<void>>} */
const VIEWERS = {
  "the page, LL-HLS (hls.js)": ours("hls"),
  "the page, LL-DASH (dash.js)": ours("dash"),
  "the page, endless MP4": ours("file"),
  "hls.js, LL-HLS": bare("hls.js"),
  "dash.js, LL-DASH": bare("dash.js"),
  "Shaka Player, LL-HLS": bare("Shaka Player by HLS"),
  "Shaka Player, LL-DASH": bare("Shaka Player by DASH"),
};

try {
  console.log(`live, glass to glass, ${seconds} s each; milliseconds`);
  console.log(["player".padEnd(30), "median", "least", "95 %", "most", "stalls", "frames"].join("\t"));
  for (const [name, open] of Object.entries(VIEWERS).filter(([name]) => name.includes(only))) {
    await inPage(site.context, async (page) => {
      await open(page);
      await watchOn(page, SETTLING);
      await look(page);
      await watchOn(page, seconds);
      const { median, least, p95, most, stalls, frames } = await seen(page);
      const told = (await state(page).catch(() => undefined))?.latency;
      const said = told ? `the player says ${Math.round(told * 1000)}` : "";
      console.log([name.padEnd(30), median, least, p95, most, stalls, frames, said].join("\t"));
    });
  }
} finally {
  await source.kill();
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
