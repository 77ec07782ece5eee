/** The pages beside library and player: jobs while they are done, what is known of the server, and the player alone for other pages. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { PATIENCE, shoot, useSite } from "./browser.mjs";
import { accessible } from "./axe.mjs";
import { state } from "./player.mjs";

/** @typedef {import("playwright-core").Page} Page */

/** @param {Page} page */
async function plays(page) {
  await page.waitForFunction(() => (document.querySelector("video")?.currentTime ?? 0) > 0);
  assert.equal((await state(page)).error, null);
}

describe("the other pages", () => {
  const site = useSite("forced", "counter.mp4", "spoken.mp4");

  test("a job is followed to its end, and what it made has a poster and a storyboard", { timeout: 2 * PATIENCE }, async () => {
    await site.inPage(async (page) => {
      await page.goto(`${site.secure()}#/jobs`);
      await page.getByText("Nothing has been ordered").waitFor();
      const order = { asset: "counter.mp4", rungs: "180p,96p", preset: "ultrafast" };
      const headers = { "content-type": "application/json", authorization: `Bearer ${site.jobsKey()}` };
      const answer = await fetch(`${site.plain()}api/v1/jobs`, { method: "POST", headers, body: JSON.stringify(order) });
      assert.equal(answer.status, 201, await answer.text());
      const job = page.locator(".job", { hasText: "counter.mp4" });
      await job.waitFor();
      await job.getByText("Done").waitFor({ timeout: PATIENCE });
      await accessible(page);
      await shoot(page, "jobs");
      await job.getByRole("link", { name: "Play it" }).click();
      await page.getByRole("heading", { level: 1, name: "counter" }).waitFor();
      await plays(page);
      await page.locator(".frame").hover();
      await page.getByLabel("Position").hover();
      await page.locator(".preview:not([hidden])").waitFor();
      assert.match(await page.locator(".preview-time").innerText(), /^0:0\d$/);
      await shoot(page, "storyboard");

      await page.goto(site.secure());
      const card = page.locator(".card", { has: page.getByRole("heading", { name: "counter", exact: true }) });
      await card.locator("img").evaluate((/** @type {HTMLImageElement} */ image) => image.decode());
      await card.locator(".poster").hover();
      await card.locator(".tile:not([hidden])").waitFor();
      await shoot(page, "posters");
    });
  });

  test("facts of the server", { timeout: PATIENCE }, async () => {
    await site.inPage(async (page) => {
      await page.goto(`${site.secure()}#/about`);
      await page.getByText(/^reelway \d/).first().waitFor();
      const facts = await page.locator(".facts-table").first().innerText();
      for (const fact of [/HTTP\/3, HTTP\/2, HTTP\/1\.1/, /You are on\s+HTTP\/3/, /SHA-256 [0-9a-f]{64}/]) assert.match(facts, fact);
      await accessible(page);
      await shoot(page, "about");
    });
  });

  test("the code for another page has the player alone", { timeout: PATIENCE }, async () => {
    await site.inPage(async (page) => {
      await page.goto(`${site.secure()}#/watch/spoken.mp4`);
      const code = await page.getByRole("region", { name: "The code for another page" }).innerText();
      const address = /src="([^"]+)"/.exec(code)?.[1] ?? "";
      assert.equal(address, `${site.secure()}embed/vod/spoken.mp4`);
      const answer = await page.goto(address);
      assert.doesNotMatch(answer?.headers()["content-security-policy"] ?? "", /frame-ancestors/);
      await plays(page);
      assert.equal(await page.locator("header, .below:visible").count(), 0);
      const size = await page.locator("video").boundingBox();
      assert.deepEqual([size?.width, size?.height], [1280, 800]);
      await page.keyboard.press("k");
      await accessible(page);
      await shoot(page, "embed");
      // As another page has it.
      await page.goto(`${site.plain()}healthz`);
      await page.evaluate((address) => {
        const frame = document.createElement("iframe");
        Object.assign(frame, { src: address, width: 640, height: 360, allow: "autoplay" });
        document.body.replaceChildren(frame);
      }, `${site.plain()}embed/vod/spoken.mp4`);
      await page.frameLocator("iframe").locator("video").waitFor();
      await page.waitForFunction(() => (window.frames[0]?.document.querySelector("video")?.currentTime ?? 0) > 0);

      await page.goto(`${site.secure()}embed/vod/nothing.mp4`);
      await page.getByRole("heading", { name: "No such video" }).waitFor();
      await page.goto(`${site.secure()}embed/live/nothing`);
      await page.getByRole("heading", { name: "Not on" }).waitFor();
    });
  });

  for (const way of /** @type {const} */ (["shaka", "videojs"])) {
    test(`another player: ${way}`, { timeout: PATIENCE }, async () => {
      await site.inPage(async (page) => {
        await page.goto(`${site.secure()}#/watch/spoken.mp4`);
        for (const each of /** @type {const} */ (["hls", way, "dash", way])) {
          await page.locator(".switch label", { has: page.locator(`input[value=${each}]`) }).click();
          await page.waitForFunction((way) => window.reelway.state().engine === way && (document.querySelector("video")?.currentTime ?? 0) > 0.5 && !document.querySelector("video")?.paused, each);
          assert.equal((await state(page)).error, null);
        }
        await page.getByRole("button", { name: /^Subtitles:/ }).click();
        await page.getByRole("menuitemradio", { name: "German" }).click();
        await page.getByRole("button", { name: "Subtitles: German" }).waitFor();
        await page.getByRole("button", { name: /^Sound:/ }).click();
        await page.getByRole("menuitemradio", { name: "German" }).click();
        await page.getByRole("button", { name: "Sound: German" }).waitFor();
        // Shaka Player stands still for good where it is sent elsewhere before the other sound has come.
        const heard = await page.locator("video").evaluate((/** @type {HTMLVideoElement} */ video) => video.currentTime);
        await page.waitForFunction((heard) => (document.querySelector("video")?.currentTime ?? 0) > heard + 1 && window.reelway.state().buffer > 1, heard);
        await page.keyboard.press("9");
        await page.waitForFunction(() => (document.querySelector("video")?.currentTime ?? 0) > 10.8 && !document.querySelector("video")?.seeking);
        assert.equal((await state(page)).error, null);
        await shoot(page, `player-${way}`);
      });
    });
  }
});
