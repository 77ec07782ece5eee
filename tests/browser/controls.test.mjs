/** The player of the page by mouse and keyboard. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { PATIENCE, shoot, useSite } from "./browser.mjs";
import { accessible } from "./axe.mjs";
import { CHAPTERS, LADDER, LINES } from "./media.mjs";
import { choose, state, stats, watch } from "./player.mjs";

/** @typedef {import("playwright-core").Page} Page */

/** @param {Page} page @param {(video: HTMLVideoElement) => boolean} is */
async function video(page, is) {
  const element = /** @type {import("playwright-core").ElementHandle<HTMLVideoElement>} */ (await page.locator("video").elementHandle());
  await page.waitForFunction(is, element);
}

/** @param {Page} page */
function choices(page) {
  return page.getByRole("menuitemradio").allTextContents();
}

/** @param {Page} page */
function shownLines(page) {
  return page.waitForFunction(() => {
    const shown = [...(document.querySelector("video")?.textTracks ?? [])].filter(({ mode }) => mode === "showing");
    const cues = shown.flatMap(({ activeCues }) => [...(activeCues ?? [])]);
    return cues.map((cue) => /** @type {VTTCue} */ (cue).text.trim()).join() || undefined;
  });
}

describe("the controls", () => {
  const site = useSite("forced", "spoken.mp4", "chapters.mp4", ...LADDER);

  test("the keyboard", { timeout: PATIENCE }, async () => {
    await site.inPage(async (page) => {
      await watch(page, site.secure(), "spoken.mp4", "hls");
      await page.keyboard.press("k");
      await video(page, ({ paused }) => paused);
      await page.keyboard.press("9");
      await video(page, ({ currentTime }) => Math.abs(currentTime - 10.8) < 0.1);
      await page.keyboard.press("j");
      await video(page, ({ currentTime }) => Math.abs(currentTime - 0.8) < 0.1);
      await page.keyboard.press("ArrowRight");
      await video(page, ({ currentTime }) => Math.abs(currentTime - 5.8) < 0.1);
      await page.keyboard.press("m");
      await video(page, ({ muted }) => muted);
      await page.keyboard.press(">");
      await video(page, ({ playbackRate }) => playbackRate === 1.25);
      await page.keyboard.press("ArrowDown");
      await video(page, ({ muted, volume }) => !muted && Math.abs(volume - 0.9) < 0.01);
      await page.keyboard.press("i");
      await page.locator(".stats").waitFor({ state: "visible" });
      assert.match((await stats(page))["Protocol"] ?? "", /HTTP\/3/);
      await page.keyboard.press("f");
      await page.waitForFunction(() => document.fullscreenElement?.classList.contains("frame"));
      await page.keyboard.press("f");
      await page.waitForFunction(() => document.fullscreenElement === null);
      await page.getByRole("slider", { name: "Position" }).focus();
      await page.keyboard.press("Home");
      await video(page, ({ currentTime }) => currentTime === 0);
      await page.keyboard.press(" ");
      await video(page, ({ paused, currentTime }) => !paused && currentTime > 0);
      // What is typed somewhere else is not for the player.
      await page.goto(site.secure());
      await page.getByRole("searchbox").fill("k m");
      assert.equal(await page.getByRole("searchbox").inputValue(), "k m");
    });
  });

  test("chapters, by menu, by keyboard and under the pointer", { timeout: PATIENCE }, async () => {
    await site.inPage(async (page) => {
      const titles = CHAPTERS.map(([, title]) => title);
      await watch(page, site.secure(), "chapters.mp4", "hls");
      await page.keyboard.press("k");
      await video(page, ({ paused }) => paused);
      await page.getByRole("button", { name: "Chapters: Opening" }).click();
      assert.deepEqual(await choices(page), titles);
      await accessible(page);
      await shoot(page, "chapters");
      await page.getByRole("menuitemradio", { name: "The end" }).click();
      await video(page, ({ currentTime }) => Math.abs(currentTime - 9) < 0.1);
      await page.keyboard.press("b");
      await video(page, ({ currentTime }) => Math.abs(currentTime - 5) < 0.1);
      await page.keyboard.press("n");
      await page.getByRole("button", { name: "Chapters: The end" }).waitFor();
      assert.match((await page.getByRole("slider", { name: "Position" }).getAttribute("aria-valuetext")) ?? "", /^0:09 of 0:12, The end$/);
      assert.equal(await page.locator(".marks span").count(), 2);
      await page.locator(".frame").hover();
      await page.getByRole("slider", { name: "Position" }).hover();
      await page.locator(".preview-title", { hasText: titles[1] }).waitFor();
      await shoot(page, "chapter-preview");
    });
  });

  for (const way of /** @type {const} */ (["hls", "dash"])) {
    test(`menus of subtitles, sound and speed, by ${way}`, { timeout: PATIENCE }, async () => {
      await site.inPage(async (page) => {
        await watch(page, site.secure(), "spoken.mp4", way);
        await page.getByRole("button", { name: "Subtitles: Off" }).click();
        assert.deepEqual(await choices(page), ["Off", "English", "German"]);
        await page.getByRole("menuitemradio", { name: "German" }).click();
        await page.getByRole("button", { name: "Subtitles: German" }).waitFor();
        await video(page, ({ currentTime }) => currentTime > 1.2);
        assert.equal(await (await shownLines(page)).jsonValue(), LINES.deu[0]);
        await shoot(page, `subtitles-${way}`);

        // By keyboard alone: it opens on what is chosen, and gives the focus back.
        await page.getByRole("button", { name: "Sound: English" }).focus();
        await page.keyboard.press("ArrowUp");
        assert.deepEqual(await choices(page), ["English", "German"]);
        await page.keyboard.press("ArrowDown");
        await page.keyboard.press("Enter");
        await page.getByRole("button", { name: "Sound: German" }).waitFor();
        await page.waitForFunction(() => document.activeElement?.getAttribute("aria-label")?.startsWith("Sound"));

        await page.getByRole("button", { name: "Speed: 1×" }).click();
        await page.getByRole("menuitemradio", { name: "2×" }).click();
        await video(page, ({ playbackRate }) => playbackRate === 2);
        await page.keyboard.press("c");
        await page.getByRole("button", { name: "Subtitles: Off" }).waitFor();
        await page.keyboard.press("c");
        await page.getByRole("button", { name: "Subtitles: German" }).waitFor();

        // What was chosen holds for the other way, and for the time after.
        await choose(page, way === "hls" ? "dash" : "hls");
        await page.getByRole("button", { name: "Subtitles: German" }).waitFor();
        await page.getByRole("button", { name: "Sound: German" }).waitFor();
        await video(page, ({ playbackRate }) => playbackRate === 2);
      });
    });

    test(`the quality, by ${way}`, { timeout: PATIENCE }, async () => {
      await site.inPage(async (page) => {
        await watch(page, site.secure(), "ladder", way);
        for (const [name, height] of [["180p", 180], ["360p", 360]]) {
          await page.getByRole("button", { name: /^Quality/ }).click();
          assert.deepEqual((await choices(page)).map((text) => text.split(" ")[0]), ["Auto", "360p", "270p", "180p"]);
          await page.getByRole("menuitemradio", { name: String(name) }).click();
          await page.waitForFunction((height) => document.querySelector("video")?.videoHeight === height, height);
          await page.waitForFunction((height) => window.reelway.state().rendition?.includes(`×${height} `), height);
        }
        assert.equal((await state(page)).error, null);
      });
    });
  }
});
