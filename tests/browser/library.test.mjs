/** The list of videos, and the pages that are not a video. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { PATIENCE, shoot, useSite } from "./browser.mjs";

/** @typedef {import("playwright-core").Page} Page */

/** The words on a card, with spaces that break in place of those that do not. Not `innerText`: cards are laid out when they come into sight.
 * @param {Page} page @param {string} name */
async function card(page, name) {
  const text = await page.locator(".card", { has: page.getByRole("heading", { name, exact: true }) }).textContent();
  return text?.replaceAll("\u00a0", " ") ?? "";
}

describe("the library", () => {
  const site = useSite("forced", "counter.mp4", "sound.m4a", "hevc.mp4", "broken.mp4", "two-languages.mp4", "Größe & 50 % #1/a?b c.mp4");

  test("a card tells name, length, size and codecs", { timeout: PATIENCE }, async () => {
    await site.inPage(async (page) => {
      await page.goto(site.secure());
      const counter = await card(page, "counter.mp4");
      for (const fact of [/0:12/, /640×360/, /1\.\d MB/, /H\.264/, /AAC/]) assert.match(counter, fact);
      const hevc = await card(page, "hevc.mp4");
      assert.match(hevc, /HEVC/);
      const decodes = await page.evaluate(() => MediaSource.isTypeSupported('video/mp4; codecs="hvc1.1.6.L63.90"'));
      assert.equal(/No decoder/.test(hevc), !decodes, "what cannot be shown here is told beforehand");
      assert.doesNotMatch(counter, /No decoder/);
      assert.match(await card(page, "sound.m4a"), /Audio only/);
      assert.match(await card(page, "a?b c.mp4"), /Größe & 50 % #1/);
      assert.match(await page.locator(".summary").innerText(), /6 videos/);
      await page.getByText("you are on HTTP/3").waitFor();
      await shoot(page, "library");
    });
  });

  test("a broken file tells its problem", { timeout: PATIENCE }, async () => {
    await site.inPage(async (page) => {
      await page.goto(site.secure());
      assert.match(await card(page, "broken.mp4"), /Cannot be played:.*cut short/);
      await page.goto(`${site.secure()}#/watch/broken.mp4`);
      const notice = page.locator(".notice");
      await notice.getByRole("heading", { name: "This file cannot be played" }).waitFor();
      assert.match(await notice.innerText(), /cut short/);
      await shoot(page, "broken");
    });
  });

  test("a video is opened from its card, and back leads to the list", { timeout: PATIENCE }, async () => {
    await site.inPage(async (page) => {
      await page.goto(site.secure());
      await page.getByRole("link", { name: /^a\?b c\.mp4/ }).click();
      await page.getByRole("heading", { level: 1, name: "a?b c.mp4" }).waitFor();
      await page.waitForFunction(() => (document.querySelector("video")?.currentTime ?? 0) > 0);
      await page.getByRole("link", { name: "All videos" }).click();
      await page.getByRole("heading", { level: 1, name: "Videos" }).waitFor();
      assert.equal(await page.locator("video").count(), 0);
    });
  });

  test("search finds by name and by codec", { timeout: PATIENCE }, async () => {
    await site.inPage(async (page) => {
      await page.goto(site.secure());
      const search = page.getByRole("searchbox");
      await search.fill("hevc aac");
      assert.deepEqual(await page.locator(".card h2").allTextContents(), ["hevc.mp4"]);
      await search.fill("no such thing");
      await page.getByRole("heading", { name: "Nothing found" }).waitFor();
    });
  });

  test("a video that is not there is said to be not there", { timeout: PATIENCE }, async () => {
    await site.inPage(async (page) => {
      await page.goto(`${site.secure()}#/watch/nothing.mp4`);
      await page.getByRole("heading", { name: "No such video" }).waitFor();
      assert.match(await page.locator(".notice").innerText(), /nothing\.mp4/);
      await shoot(page, "unknown");
    });
  });

  test("the server answers 404 with the reason for what it does not have", { timeout: PATIENCE }, async () => {
    await site.inPage(async (page) => {
      for (const path of ["no-page", "vod/nothing.mp4/master.m3u8", "vod/nothing.mp4/manifest.mpd", "media/nothing.mp4"]) {
        const answer = await page.goto(site.secure() + path);
        assert.equal(answer?.status(), 404, path);
        assert.match(answer.headers()["content-type"] ?? "", /json/, path);
      }
    }, /404/);
  });

  for (const scheme of /** @type {const} */ (["light", "dark"])) {
    test(`fits a phone, ${scheme}`, { timeout: PATIENCE }, async () => {
      await site.inPage(async (page) => {
        await page.setViewportSize({ width: 360, height: 740 });
        await page.emulateMedia({ colorScheme: scheme });
        for (const [place, ready] of [["#/", ".card-link"], ["#/watch/two-languages.mp4", "video"]]) {
          await page.goto(site.secure() + place);
          await page.locator(ready ?? "").first().waitFor();
          const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
          assert.equal(over, 0, `${place} is too wide by ${over}`);
          await shoot(page, `phone-${scheme}-${ready === "video" ? "player" : "library"}`);
        }
      });
    });
  }
});

describe("an empty library", () => {
  const site = useSite("forced");

  test("tells how to fill it", { timeout: PATIENCE }, async () => {
    await site.inPage(async (page) => {
      await page.goto(site.secure());
      await page.getByRole("heading", { name: "No videos yet" }).waitFor();
      await shoot(page, "empty");
    });
  });
});
