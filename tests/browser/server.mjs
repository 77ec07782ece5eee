/** The real server, on ports of its own. */

import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** From the first line it prints to the last; far more than it needs. */
const START_MS = 30_000;

export function binary() {
  const named = process.env["REELWAY_BIN"];
  const built = ["release", "debug"].map((profile) => fileURLToPath(new URL(`../../target/${profile}/reelway`, import.meta.url)));
  const found = named ? [named].find(existsSync) : built.find(existsSync);
  if (found === undefined) {
    const looked = named ? `REELWAY_BIN names ${named}, which is not there` : "neither target/release nor target/debug has one";
    throw new Error(`no reelway binary: ${looked}; build it with \`cargo build --release --bin reelway\``);
  }
  return found;
}

/** Serves a folder.
 * @param {string} media @param {string} [config] its configuration, in TOML @param {string[]} options */
export async function startServer(media, config, ...options) {
  const data = mkdtempSync(join(tmpdir(), "reelway-data-"));
  const file = join(data, "reelway.toml");
  if (config !== undefined) writeFileSync(file, config);
  const configured = config === undefined ? [] : ["--config", file];
  const run = (/** @type {string} */ secure, /** @type {string} */ plain) =>
    runServer(["serve", "--media", media, "--data", data, "--listen", secure, "--http", plain, ...configured, ...options]);
  const leave = () => rmSync(data, { recursive: true, force: true });

  try {
    let running = await run("127.0.0.1:0", "127.0.0.1:0");
    const { secure, plain, spki } = running;
    return {
      secure,
      plain,
      spki,
      /** Its data folder. */
      data,
      /** The key of those who may order jobs. */
      jobsKey: () => readFileSync(join(data, "jobs.key"), "utf8").trim(),
      /** Kills it in the middle of what it does, and starts it again where it was. */
      async crash() {
        await running.kill();
        const [first, second] = [secure, plain].map((url) => `127.0.0.1:${new URL(url).port}`);
        running = await run(first ?? "", second ?? "");
      },
      /** Ends it as an operator does, and holds it to going in peace, having complained of nothing, or of what `expected` matches alone.
       * @param {RegExp} [expected] */
      async stop(expected) {
        const { code, complaints } = await running.stop();
        leave();
        const others = complaints.split("\n").filter((line) => !expected?.test(line));
        assert.equal(others.join("\n"), "", "what the server wrote to standard error");
        assert.equal(code, 0, "the server's exit code");
      },
    };
  } catch (error) {
    leave();
    throw error;
  }
}

/** Runs the program until it says where it can be reached, and on.
 * @param {string[]} args */
async function runServer(args) {
  const child = spawn(binary(), args, { stdio: ["ignore", "pipe", "pipe"] });
  // However the tests end, the server ends with them.
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const ended = once(child, "exit");
  let said = "";
  let complaints = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (complaints += text));

  /** @type {Promise<{ secure: string, plain: string, spki: string }>} */
  const told = new Promise((resolve, reject) => {
    const fail = (/** @type {string} */ why) => reject(new Error(`reelway serve ${why}; it said:\n${said}${complaints}`));
    const timer = setTimeout(fail, START_MS, "did not say where it can be reached");
    child.once("error", reject);
    child.once("exit", (code, signal) => fail(`ended at once (${code ?? signal})`));
    child.stdout.setEncoding("utf8").on("data", (text) => {
      said += text;
      // The last thing that it prints.
      const spki = /--ignore-certificate-errors-spki-list=(\S+)\s/.exec(said)?.[1];
      if (spki === undefined) return;
      clearTimeout(timer);
      const [secure, plain] = ["https", "http"].map((scheme) => new RegExp(`${scheme}://\\S+`).exec(said)?.[0]);
      if (secure === undefined || plain === undefined) fail("printed no address");
      else resolve({ secure, plain, spki });
    });
  });
  const end = async (/** @type {NodeJS.Signals} */ signal) => {
    child.kill(signal);
    const [code] = await ended;
    process.off("exit", kill);
    return { code, complaints };
  };
  try {
    return { ...(await told), kill: () => end("SIGKILL"), stop: () => end("SIGTERM") };
  } catch (error) {
    kill();
    throw error;
  }
}
