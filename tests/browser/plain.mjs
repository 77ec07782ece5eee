/** Chromium without anybody who watches its network: Playwright has all bodies that a page sends told to it, of which each megabyte takes
 * longer than to send it. For what is measured, not for what is tested. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { flags, program } from "./browser.mjs";
import { startServer } from "./server.mjs";

/** Where its messages go out and come in: what follows the standard streams, each message with a zero behind it. */
const PIPE = ["ignore", "ignore", "ignore", "pipe", "pipe"];

/** In milliseconds: longer than anything here takes. */
const LONG = 240_000;

/** A server, and a browser that trusts it with one empty page.
 * @param {import("./browser.mjs").Quic} quic @param {string[]} options of the server */
export async function openPlain(quic, ...options) {
  const media = mkdtempSync(join(tmpdir(), "reelway-plain-"));
  const server = await startServer(media, undefined, ...options);
  const profile = mkdtempSync(join(tmpdir(), "reelway-profile-"));
  const own = ["--headless=new", "--no-sandbox", `--user-data-dir=${profile}`, "--remote-debugging-pipe", "--window-size=1280,800"];
  const browser = spawn(program(), [...own, ...flags(quic, server), "about:blank"], { stdio: /** @type {any} */ (PIPE) });
  const kill = () => browser.kill("SIGKILL");
  process.once("exit", kill);
  const send = conversation(browser);
  const { targetInfos } = await send("Target.getTargets");
  const { targetId } = targetInfos.find((/** @type {{ type: string }} */ { type }) => type === "page");
  const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
  const ask = (/** @type {string} */ method, /** @type {object} */ params = {}) => send(method, params, sessionId);

  /** What `work` gives in the page. @template A, T @param {(given: A) => T} work @param {A} [given] @returns {Promise<Awaited<T>>} */
  async function evaluate(work, given) {
    const expression = `(${work})(${JSON.stringify(given)})`;
    const { result, exceptionDetails } = await ask("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  return {
    ...server,
    /** What stands in the command lines of all its processes. */
    marker: profile,
    evaluate,
    /** Asks in the page until there is an answer. @template T @param {() => T | false | null | undefined} question @returns {Promise<T>} */
    async until(question) {
      for (const began = Date.now(); ; await sleep(100)) {
        const answer = /** @type {T | undefined} */ (await evaluate(question));
        if (answer) return answer;
        if (Date.now() - began > LONG) throw new Error(`no answer in four minutes to ${question}; the page says: ${await evaluate(() => document.body.innerText)}`);
      }
    },
    /** @param {string} url */
    async goto(url) {
      const { errorText } = await ask("Page.navigate", { url });
      if (errorText) throw new Error(`${url}: ${errorText}`);
      await evaluate(loaded);
    },
    /** Chooses a file as a person does. @param {string} selector @param {string} file */
    async choose(selector, file) {
      const { root } = await ask("DOM.getDocument");
      const { nodeId } = await ask("DOM.querySelector", { nodeId: root.nodeId, selector });
      await ask("DOM.setFileInputFiles", { nodeId, files: [file] });
    },
    async close() {
      const ended = once(browser, "exit");
      kill();
      await ended;
      process.off("exit", kill);
      await server.stop();
      for (const folder of [profile, media]) rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Asks the browser by the DevTools protocol. @param {import("node:child_process").ChildProcess} browser */
function conversation(browser) {
  const [, , , out, back] = /** @type {any[]} */ (browser.stdio);
  /** @type {Map<number, { resolve(answer: any): void, reject(error: Error): void }>} */
  const waiting = new Map();
  let [last, rest] = [0, ""];
  back.setEncoding("utf8").on("data", (/** @type {string} */ text) => {
    const messages = (rest + text).split("\0");
    rest = messages.pop() ?? "";
    for (const message of messages) {
      const { id, result, error } = JSON.parse(message);
      const asked = waiting.get(id);
      waiting.delete(id);
      if (error) asked?.reject(new Error(error.message));
      else asked?.resolve(result);
    }
  });
  browser.once("exit", () => waiting.forEach(({ reject }) => reject(new Error("the browser has ended"))));
  return (/** @type {string} */ method, /** @type {object} */ params = {}, /** @type {string | undefined} */ sessionId = undefined) =>
    /** @type {Promise<any>} */ (
      new Promise((resolve, reject) => {
        waiting.set((last += 1), { resolve, reject });
        out.write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
      })
    );
}

/** Runs in the page. */
async function loaded() {
  if (document.readyState !== "complete") await new Promise((resolve) => addEventListener("load", resolve, { once: true }));
}
