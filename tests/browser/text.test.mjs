/** Subtitles are shown when they should be, and the language of text and sound can be changed while it plays, in every player. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { PATIENCE, useSite } from "./browser.mjs";
import { LINES, LINE_TIMES, PITCHES } from "./media.mjs";
import { NAMES, chooseText, openPlayer, playPast, seekTo } from "./players.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {keyof typeof LINES} Language */

/** Shaka Player takes the offset of WebVTT from the next segment of video, so text that is chosen when all of that is there never comes. */
const TEXT_FROM_THE_START = (/** @type {any} */ player) => player.configure({ preferredText: [{ language: "en" }] });

/** How each player is told the language of the sound; `de` or `deu`, as the manifest has it.
 * @type {Record<string, (language: string) => void>} */
const CHOOSE_SOUND = {
  "hls.js": (language) => {
    const { player } = window.bare;
    player.audioTrack = player.audioTracks.findIndex((/** @type {any} */ { lang }) => lang.startsWith(language));
  },
  "dash.js": (language) => {
    const { player } = window.bare;
    player.setCurrentTrack(player.getTracksFor("audio").find((/** @type {any} */ { lang }) => lang.startsWith(language)));
  },
  "Shaka Player": (language) => {
    const { player } = window.bare;
    player.selectAudioTrack(player.getAudioTracks().find((/** @type {any} */ track) => track.language.startsWith(language)));
  },
};

/** @param {string} name @param {Page} page @param {Language} language */
async function chooseSound(name, page, language) {
  const choice = CHOOSE_SOUND[name.replace(/ by .*/, "")];
  assert.ok(choice);
  await page.evaluate(choice, language.slice(0, 2));
}

/** Goes to a time, and waits for the browser to show these lines over the picture.
 * @param {Page} page @param {number} time @param {string[]} wanted */
async function shows(page, time, wanted) {
  await seekTo(page, time);
  const shown = () =>
    [...window.bare.video.textTracks]
      .filter(({ mode }) => mode === "showing")
      .flatMap(({ activeCues }) => [...(activeCues ?? [])].map((cue) => /** @type {VTTCue} */ (cue).text.trim()));
  try {
    await page.waitForFunction(`JSON.stringify((${shown})()) === ${JSON.stringify(JSON.stringify(wanted))}`);
  } catch {
    assert.deepEqual(await page.evaluate(shown), wanted, `at ${time} s`);
  }
}

/** The loudest frequency that is heard, once it is near to this one.
 * @param {Page} page @param {number} pitch */
async function hears(page, pitch) {
  await page.waitForFunction((pitch) => {
    const { analyser } = /** @type {any} */ (window);
    const levels = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(levels);
    const loudest = (levels.indexOf(Math.max(...levels)) * analyser.context.sampleRate) / analyser.fftSize;
    return window.bare.error !== "" || Math.abs(loudest - pitch) < 60;
  }, pitch);
  assert.equal(await page.evaluate(() => window.bare.error), "");
}

describe("languages", () => {
  const site = useSite("forced", "spoken.mp4");

  for (const name of NAMES) {
    test(`subtitles in ${name}`, { timeout: PATIENCE }, async () => {
      await site.inPage(async (page) => {
        await openPlayer(page, site.secure(), name, "vod/spoken.mp4", name.startsWith("Shaka") ? TEXT_FROM_THE_START : undefined);
        for (const language of /** @type {const} */ (["eng", "deu", "eng"])) {
          await seekTo(page, 0.2);
          await chooseText(page, name, language.slice(0, 2));
          await playPast(page, 0.2);
          await page.waitForFunction((language) => {
            const shown = [...window.bare.video.textTracks].filter(({ mode }) => mode === "showing");
            return shown.some((track) => track.language.startsWith(language) && (track.cues?.length ?? 0) > 0);
          }, language.slice(0, 2));
          await page.evaluate(() => window.bare.video.pause());
          for (const [index, [start = NaN, end = NaN]] of LINE_TIMES.entries()) {
            const line = [LINES[language][index] ?? ""];
            await shows(page, start - 0.2, []);
            await shows(page, start + 0.2, line);
            await shows(page, end - 0.2, line);
            await shows(page, end + 0.2, []);
          }
        }
      });
    });

    test(`languages of the sound in ${name}`, { timeout: PATIENCE }, async () => {
      await site.inPage(async (page) => {
        await openPlayer(page, site.secure(), name, "vod/spoken.mp4");
        await page.evaluate(async () => {
          const { video } = window.bare;
          const context = new AudioContext();
          const analyser = context.createAnalyser();
          context.createMediaElementSource(video).connect(analyser).connect(context.destination);
          Object.assign(window, { analyser });
          video.muted = false;
          video.loop = true;
          await context.resume();
        });
        await playPast(page, 0.2);
        for (const language of /** @type {const} */ (["deu", "eng", "deu"])) {
          await chooseSound(name, page, language);
          await hears(page, PITCHES[language]);
        }
      });
    });
  }
});
