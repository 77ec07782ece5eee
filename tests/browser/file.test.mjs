/** The file as it is, in a plain video element: the browser seeks in it by byte ranges. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { PATIENCE, useSite } from "./browser.mjs";
import { mediaRequests, seek } from "./player.mjs";

const CLIP = "bulky.mp4";

describe("plain files", () => {
  const site = useSite("forced", CLIP);

  test("a video element seeks by byte ranges over HTTP/3", { timeout: PATIENCE }, async () => {
    await site.inPage(async (page) => {
      /** @type {{ status: number, range: string }[]} */
      const answers = [];
      page.on("response", (response) => {
        if (response.url().endsWith(CLIP)) answers.push({ status: response.status(), range: response.headers()["content-range"] ?? "" });
      });
      await page.goto(site.secure());
      await page.evaluate((src) => {
        const video = document.createElement("video");
        video.src = src;
        video.muted = true;
        document.body.replaceChildren(video);
        return new Promise((resolve, reject) => {
          video.addEventListener("loadeddata", () => resolve(undefined), { once: true });
          video.addEventListener("error", () => reject(new Error(video.error?.message)), { once: true });
        });
      }, `/media/${CLIP}`);
      await seek(page, 440);
      await seek(page, 20);
      await seek(page, 257);

      assert.deepEqual([...new Set(answers.map(({ status }) => status))], [206]);
      const sizes = new Set(answers.map(({ range }) => range.split("/")[1]));
      assert.equal(sizes.size, 1);
      const starts = answers.map(({ range }) => Number(/^bytes (\d+)-/.exec(range)?.[1]));
      // From the start, for the index at the end, and for at least one of the places in between.
      assert.ok(new Set(starts).size >= 3, `began at ${starts.join(", ")}`);

      const requests = await mediaRequests(page);
      assert.ok(requests.length > 0);
      for (const request of requests) assert.equal(request.nextHopProtocol, "h3", JSON.stringify(request));
    });
  });
});
