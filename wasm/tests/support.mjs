/** Media, and the native program. */

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, openAsBlob, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { digest } from "./made.mjs";

/** @type {string[]} */
const folders = [];
process.once("exit", () => folders.forEach((path) => rmSync(path, { recursive: true, force: true })));

/** A folder that is removed when the tests have ended. */
export function folder() {
  const path = mkdtempSync(join(tmpdir(), "reelway-package-"));
  folders.push(path);
  return path;
}

/** What ffmpeg makes of these arguments, which end without the name of the file.
 * @param {string} path @param {string[]} args */
export function ffmpeg(path, ...args) {
  execFileSync("ffmpeg", ["-hide_banner", "-loglevel", "error", "-nostdin", "-y", ...args, path], { stdio: ["ignore", "ignore", "inherit"] });
  return path;
}

/** Pictures and sound, a key frame every `gop` frames at 25 a second.
 * @param {number} seconds @param {number} [gop] */
export const picture = (seconds, gop = 50) => [
  ...["-f", "lavfi", "-i", `testsrc2=size=320x180:rate=25:duration=${seconds}`],
  ...["-f", "lavfi", "-i", `sine=frequency=440:sample_rate=48000:duration=${seconds}`],
  ...["-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", `${gop}`, "-keyint_min", `${gop}`, "-sc_threshold", "0", "-pix_fmt", "yuv420p"],
  ...["-c:a", "aac"],
];

/** The native program, which tells what it makes of the same file. */
export function program() {
  const named = process.env["REELWAY_BIN"];
  const built = ["release", "debug"].map((profile) => join(import.meta.dirname, `../../target/${profile}/reelway`));
  const found = [...(named ? [named] : built)].find(existsSync);
  if (found === undefined) throw new Error("no reelway binary: build it with `cargo build --bin reelway`, or name one in REELWAY_BIN");
  return found;
}

/** Files by path, each by its digest: what `reelway package` writes for a file, or what it says against it.
 * @param {string} file */
export function native(file) {
  const out = folder();
  const run = spawnSync(program(), ["package", file, "-o", out], { encoding: "utf8" });
  if (run.status !== 0) {
    rmSync(out, { recursive: true, force: true });
    return { error: run.stderr.trim() };
  }
  const paths = /** @type {string[]} */ (readdirSync(out, { recursive: true, encoding: "utf8" })).filter((path) => /\.\w+$/.test(path));
  const files = Object.fromEntries(paths.sort().map((path) => [path, digest(readFileSync(join(out, path)))]));
  rmSync(out, { recursive: true, force: true });
  return { files };
}

/** An error as the native program prints it.
 * @param {import("../dist/error.js").ReelwayError} error */
export function printed({ message, path, offset, clause }) {
  const place = [path ? `in ${path}` : "", offset === undefined ? "" : `at byte ${offset}`].filter(Boolean).join(", ");
  const told = [place, clause].filter(Boolean).join("; ");
  return told ? `${message} (${told})` : message;
}

/** @param {string} path */
export const blob = (path) => openAsBlob(path);

/** What servers are running. Where a test fails, nobody waits for the one that it has left.
 * @type {Set<() => void>} */
const running = new Set();
after(() => running.forEach((kill) => kill()));

/** The native program as a server that takes uploads, on `port` or a free one.
 * @param {string} data @param {number} [port] */
export async function serve(data, port = 0) {
  const child = spawn(program(), ["serve", "--uploads", "--data", data, "--listen", "127.0.0.1:0", "--http", `127.0.0.1:${port}`], { stdio: ["ignore", "pipe", "inherit"] });
  const kill = () => child.kill("SIGKILL");
  running.add(kill);
  process.once("exit", kill);
  const ended = once(child, "exit");
  const server = await new Promise((resolve, reject) => {
    let said = "";
    child.once("exit", () => reject(new Error(`reelway serve ended: ${said}`)));
    child.stdout.setEncoding("utf8").on("data", (text) => {
      said += text;
      const found = /http:\/\/[^\s/]+\//.exec(said);
      if (found && said.includes("spki")) resolve(found[0]);
    });
  });
  return {
    server: String(server),
    port: Number(new URL(String(server)).port),
    /** Ends it as a power cut would. */
    async kill() {
      kill();
      await ended;
      running.delete(kill);
      process.off("exit", kill);
    },
  };
}
