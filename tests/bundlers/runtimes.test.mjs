/** The package as it is published, in Deno and Bun: the same bytes and errors as in Node.js, whose bytes are those of the native program. */

import { strict as assert } from "node:assert";
import { execFile } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { ffmpeg, picture } from "../../wasm/tests/support.mjs";
import { published } from "./published.mjs";

const HERE = import.meta.dirname;
const PATIENCE = 60_000;

/** A program that a package has one of for each system, of which the right one is installed. @param {string} scope @param {string} path */
function installed(scope, path) {
  const all = join(HERE, "node_modules", scope);
  const [system] = readdirSync(all);
  return join(all, system ?? "", path);
}

/** Each with what it is to be allowed: to read the project, and to ask the server of the file. */
const RUNTIMES = {
  "Deno": () => [installed("@deno", "deno"), "run", "--no-prompt", "--allow-read=.", "--allow-net=127.0.0.1"],
  "Bun": () => [installed("@oven", "bin/bun")],
};

describe("the package, in", { concurrency: false }, () => {
  const project = mkdtempSync(join(HERE, ".projects-"));
  const clip = join(project, "clip.mp4");
  /** Of the file, by range. */
  const server = createServer((request, response) => {
    const bytes = readFileSync(clip);
    const [, start, end] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "") ?? [];
    response.writeHead(206, { etag: '"1"', "content-range": `bytes ${start}-${end}/${bytes.length}` }).end(bytes.subarray(Number(start), Number(end) + 1));
  });
  before(async () => {
    mkdirSync(join(project, "node_modules"));
    cpSync(published(project), join(project, "node_modules/reelway"), { recursive: true });
    writeFileSync(join(project, "package.json"), '{ "private": true, "type": "module" }\n');
    copyFileSync(join(HERE, "everywhere.mjs"), join(project, "everywhere.mjs"));
    copyFileSync(join(HERE, "../../wasm/tests/made.mjs"), join(project, "made.mjs"));
    ffmpeg(clip, ...picture(12));
    await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  });
  after(() => {
    server.close();
    rmSync(project, { recursive: true, force: true });
  });

  /** What it tells there of what it does. @param {string[]} runtime @param {string} entry */
  async function told([program = "", ...args], entry) {
    const address = server.address();
    const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}/clip.mp4`;
    const { stdout } = await promisify(execFile)(program, [...args, "everywhere.mjs", entry, "clip.mp4", url], { cwd: project, timeout: PATIENCE });
    return JSON.parse(stdout);
  }

  for (const [name, runtime] of Object.entries(RUNTIMES)) {
    for (const entry of ["reelway", "reelway/core", "reelway/inline"]) {
      test(`${name}, by ${entry}`, { timeout: 2 * PATIENCE }, async () => {
        const wanted = await told([process.execPath], entry);
        const files = wanted["bytes"];
        const { ["no video"]: unsupported, ["cut short"]: truncated, ["a read that never ends"]: late, ...all } = await told(runtime(), entry);
        assert.deepEqual([unsupported, truncated, late], [wanted["no video"], wanted["cut short"], wanted["a read that never ends"]]);
        assert.match(String(unsupported), /^UnsupportedError,true,/);
        for (const [how, made] of Object.entries(all)) assert.deepEqual(made, files, how);
        assert.equal(Object.keys(all).length, 5 + (name === "Bun" ? 1 : 0) + (entry === "reelway/core" ? 0 : 2));
      });
    }
  }
});
