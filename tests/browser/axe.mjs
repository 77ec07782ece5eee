/** What axe-core finds in a page against WCAG 2.2 AA: nothing. */

import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** @typedef {import("playwright-core").Page} Page */

const AXE = `${readFileSync(fileURLToPath(new URL("node_modules/axe-core/axe.min.js", import.meta.url)), "utf8")}\n;undefined`;

/** @param {Page} page */
export async function accessible(page) {
  await page.evaluate(AXE);
  const faults = await page.evaluate(async () => {
    const { violations } = await /** @type {any} */ (window).axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    });
    return violations.map((/** @type {any} */ { id, help, nodes }) => `${id}: ${help}: ${nodes.map((/** @type {any} */ { html }) => html).join(" ")}`);
  });
  assert.deepEqual(faults, []);
}
