/** A live stream with a ladder: who changes the rung at every segment goes on in one time line, also when the encoder of the rungs dies. */

import { strict as assert } from "node:assert";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { PATIENCE, useLiveSite } from "./browser.mjs";
import { noError, openPlayer, playPast } from "./players.mjs";
import { startSource } from "./source.mjs";
import { watchOn } from "./viewer.mjs";

const CONFIG = '[live]\nsegment = "1s"\npart = "200ms"\nladder = "144p,96p"\n';
/** With the source. */
const RUNGS = 3;

/** Asks for the next rung whenever a segment has come, and keeps what came. */
const SWITCHING = {
  "hls.js": (/** @type {any} */ player) => {
    window.segments = [];
    player.on("hlsFragBuffered", (/** @type {any} */ _, /** @type {any} */ { frag }) => {
      const last = window.segments.at(-1);
      if (frag.type !== "main" || frag.sn === "initSegment" || last?.number === frag.sn) return;
      window.segments.push({ number: frag.sn, rung: String(frag.level) });
      player.loadLevel = (frag.level + 1) % player.levels.length;
    });
  },
  "dash.js": (/** @type {any} */ player) => {
    window.segments = [];
    player.updateSettings({ streaming: { abr: { autoSwitchBitrate: { video: false } } } });
    player.on("fragmentLoadingCompleted", (/** @type {any} */ { request, mediaType }) => {
      if (mediaType !== "video" || request.type !== "MediaSegment") return;
      const rungs = player.getRepresentationsByType("video").map((/** @type {any} */ { id }) => id);
      window.segments.push({ number: request.index, rung: request.representation.id });
      player.setRepresentationForTypeById("video", rungs[(rungs.indexOf(request.representation.id) + 1) % rungs.length], false);
    });
  },
};

/** The ffmpeg of the server's ladder: a grandchild of this process. */
function encoder() {
  const read = (/** @type {string} */ file) => {
    try {
      return readFileSync(file, "utf8");
    } catch {
      return "";
    }
  };
  const parent = (/** @type {string} */ id) => /^PPid:\s*(\d+)$/m.exec(read(`/proc/${id}/status`))?.[1] ?? "";
  const words = (/** @type {string} */ id) => read(`/proc/${id}/cmdline`).split("\0");
  const ids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return Number(ids.find((id) => words(id)[0] === "ffmpeg" && words(id).includes("source") && parent(parent(id)) === String(process.pid)));
}

describe("a live ladder", () => {
  const site = useLiveSite(CONFIG, /^$|the ladder of the stream stops/);
  /** @type {ReturnType<typeof startSource>} */
  let source;
  before(async () => void (source = startSource(`${site.plain()}ingest/clock`)));
  after(() => source?.kill());

  /** Until all rungs have been there for some segments.
   * @param {AbortSignal} signal */
  async function ready(signal) {
    for (;;) {
      signal.throwIfAborted();
      const answer = await fetch(`${site.plain()}live/clock/v${RUNGS}/media.m3u8`);
      if (answer.ok && (await answer.text()).split("#EXTINF").length > 4) return;
      await sleep(200);
    }
  }

  for (const name of /** @type {const} */ (["dash.js", "hls.js"])) {
    test(`${name} changes the rung at every segment`, { timeout: 3 * PATIENCE }, async ({ signal }) => {
      await ready(signal);
      await site.inPage(async (page) => {
        await openPlayer(page, site.secure(), name, "live/clock", SWITCHING[name]);
        await playPast(page, 0);
        await page.waitForFunction((rungs) => new Set(window.segments.map(({ rung }) => rung)).size === rungs, RUNGS);
        await watchOn(page, 3);
        await noError(page);
        // A player that comes late on a slow machine may leave something out: that all fits together is told by times, elsewhere.
        const segments = await page.evaluate(() => window.segments);
        const switches = segments.filter(({ rung }, i) => i > 0 && rung !== segments[i - 1]?.rung).length;
        assert.ok(switches >= 3, JSON.stringify(segments));
        // What is missing while there is no ffmpeg, HLS tells; where an MPD tells segments by number, those are answered without media.
        process.kill(encoder(), "SIGKILL");
        await watchOn(page, 6);
        await noError(page);
      });
    });
  }
});
