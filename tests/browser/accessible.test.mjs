/** The pages for everybody: what axe-core finds against WCAG 2.2 AA on each of them, and what the first one weighs. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { accessible } from "./axe.mjs";
import { PATIENCE, useSite } from "./browser.mjs";
import { watch } from "./player.mjs";

/** Bytes on the wire, without a player. */
const FIRST_PAGE = 150_000;
describe("the pages for everybody", () => {
  const site = useSite("forced", "spoken.mp4", "broken.mp4");

  for (const scheme of /** @type {const} */ (["light", "dark"])) {
    for (const width of [1280, 360]) {
      test(`${scheme}, ${width} pixels wide`, { timeout: PATIENCE }, async () => {
        await site.inPage(async (page) => {
          await page.emulateMedia({ colorScheme: scheme });
          await page.setViewportSize({ width, height: 800 });
          for (const [place, ready] of [["#/", ".card-link"], ["#/watch/broken.mp4", ".notice h1"], ["#/watch/nothing", ".notice h1"], ["#/live", ".recipe"], ["#/live/nothing", ".notice h1"], ["#/jobs", ".recipe"], ["#/about", ".facts-table dd"]]) {
            await page.goto(site.secure() + place);
            await page.locator(ready ?? "").first().waitFor();
            await accessible(page);
          }
          await watch(page, site.secure(), "spoken.mp4", "hls");
          await page.keyboard.press("k");
          await page.keyboard.press("i");
          await page.getByText("Keyboard").click();
          await accessible(page);
          await page.getByRole("button", { name: /^Subtitles/ }).click();
          await accessible(page);
          const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
          assert.equal(over, 0);
        });
      });
    }
  }

  test("the first page is light", { timeout: PATIENCE }, async () => {
    await site.inPage(async (page) => {
      await page.goto(site.secure());
      await page.locator(".card-link").first().waitFor();
      const sizes = await page.evaluate(() => {
        const all = /** @type {PerformanceResourceTiming[]} */ ([...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]);
        return all.map(({ name, encodedBodySize }) => [new URL(name).pathname, encodedBodySize]);
      });
      const total = sizes.reduce((sum, [, size]) => sum + Number(size), 0);
      assert.ok(sizes.length >= 4 && total > 0 && total < FIRST_PAGE, JSON.stringify(sizes));
    });
  });
});
