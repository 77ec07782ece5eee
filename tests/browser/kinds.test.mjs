/** The kinds of files that people have. Each plays by every way, or the page says in plain words why not. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { PATIENCE, shoot, useSite } from "./browser.mjs";
import { FRAMES, SECONDS } from "./media.mjs";
import { NAMES, openPlayer, playOut, playPast, seekTo } from "./players.mjs";
import { open, playToTheEnd, seek, stats, watch } from "./player.mjs";

const WAYS = /** @type {const} */ (["hls", "dash", "file"]);
const ODD_NAME = "Größe & 50 % #1/a?b c.mp4";

describe("kinds of files", () => {
  const site = useSite("forced", "sound.m4a", "quicktime.mov", "fragmented.mp4", "two-languages.mp4", "hevc.mp4", "metadata.mp4", ODD_NAME);

  for (const id of ["quicktime.mov", "fragmented.mp4", "two-languages.mp4", ODD_NAME]) {
    for (const way of WAYS) {
      test(`${id} by ${way}`, { timeout: PATIENCE }, async () => {
        await site.inPage(async (page) => {
          await watch(page, site.secure(), id, way);
          // See the timeline tests for what the file is without its edit list.
          await seek(page, FRAMES - 40, id === "fragmented.mp4" ? 2 : 0);
          await playToTheEnd(page);
        });
      });
    }
  }

  for (const name of NAMES) {
    test(`timed metadata does not keep ${name} from playing`, { timeout: PATIENCE }, async () => {
      const manifest = await (await fetch(new URL("vod/metadata.mp4/manifest.mpd", site.plain()))).text();
      assert.match(manifest, /mimeType="application\/mp4"[^]+codecs="mett"/);
      await site.inPage(async (page) => {
        await openPlayer(page, site.secure(), name, "vod/metadata.mp4");
        await playPast(page, 0.5);
        await seekTo(page, SECONDS * 0.7);
        const { time } = await playOut(page);
        assert.ok(Math.abs(time - SECONDS) < 0.1, `ended at ${time}`);
      });
    });
  }

  for (const way of WAYS) {
    test(`sound alone by ${way}`, { timeout: PATIENCE }, async () => {
      await site.inPage(async (page) => {
        await watch(page, site.secure(), "sound.m4a", way);
        await playToTheEnd(page);
        const time = await page.locator("video").evaluate((/** @type {HTMLVideoElement} */ video) => video.currentTime);
        assert.ok(Math.abs(time - SECONDS) < 0.05, `ended at ${time}`);
        assert.match((await stats(page))["Rendition"] ?? "", /^a1 · .*AAC$/);
        await shoot(page, `sound-${way}`);
      });
    });
  }

  for (const way of WAYS) {
    test(`HEVC by ${way}: plays, or says that there is no decoder`, { timeout: PATIENCE }, async () => {
      await site.inPage(async (page) => {
        await page.goto(site.secure());
        const decodes = await page.evaluate(() => MediaSource.isTypeSupported('video/mp4; codecs="hvc1.1.6.L63.90"'));
        if (decodes) {
          await watch(page, site.secure(), "hevc.mp4", way);
          await seek(page, FRAMES / 2);
          return;
        }
        await open(page, site.secure(), "hevc.mp4", way);
        await page.waitForFunction(() => window.reelway.state().error !== null || (document.querySelector("video")?.currentTime ?? 0) > 0.5);
        await shoot(page, `hevc-${way}`);
        assert.match((await page.locator(".stage [role=alert]").textContent()) ?? "", /decoder/, "sound without a picture, and no word about it");
      });
    });
  }

  test("two languages are listed, in the page and in both manifests", { timeout: PATIENCE }, async () => {
    await site.inPage(async (page) => {
      await watch(page, site.secure(), "two-languages.mp4", "hls");
      assert.match(await page.locator(".tracks").innerText(), /English[^]*German/);
      const texts = [];
      for (const name of ["master.m3u8", "manifest.mpd"]) {
        texts.push(await page.evaluate(async (url) => (await fetch(url)).text(), `/vod/two-languages.mp4/${name}`));
      }
      for (const text of texts) assert.match(text, /\b(eng|en)\b[^]*\b(deu|de)\b/);
    });
  });
});
