/** What is published: which files, how large, and that the README tells the truth. */

import { strict as assert } from "node:assert";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { ffmpeg, folder, picture } from "./support.mjs";

const PACKAGE = join(import.meta.dirname, "..");
/** Bytes by gzip: of the scripts of a page that plans and uploads and of its worker, and with the core. They are to become fewer, not more. */
const MOST_SCRIPT = 10 * 1024;
const MOST = 128_100;

/** @param {Uint8Array} bytes */
const compressed = (bytes) => gzipSync(bytes, { level: 9 }).length;

test("the package holds what its entries name, and nothing else", () => {
  const told = JSON.parse(execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: PACKAGE, encoding: "utf8" }));
  /** @type {string[]} */
  const files = told[0].files.map((/** @type {{ path: string }} */ { path }) => path);
  const modules = ["beside", "core", "engine", "error", "index", "inline", "inlined", "kept", "module", "options", "plan", "preview", "remote", "request", "segmenter", "source", "upload", "window", "worker"];
  const wanted = ["README.md", "package.json", "dist/LICENSE-APACHE", "dist/LICENSE-MIT", "dist/segmenter.wasm", ...modules.flatMap((name) => [`dist/${name}.d.ts`, `dist/${name}.js`])];
  assert.deepEqual(files.sort(), wanted.sort());
  const { exports } = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8"));
  for (const entry of Object.values(exports)) {
    const paths = typeof entry === "string" ? [entry] : Object.values(/** @type {Record<string, string>} */ (entry));
    for (const path of paths) assert.ok(existsSync(join(PACKAGE, path)), path);
    if (typeof entry !== "string") assert.equal(Object.keys(/** @type {object} */ (entry))[0], "types", "TypeScript reads the first condition");
  }
});

test("the package stays small", async () => {
  const script = async (/** @type {string} */ contents) => {
    const stdin = { contents, resolveDir: PACKAGE };
    const options = /** @type {const} */ ({ bundle: true, minify: true, write: false, format: "esm", target: "es2022", logLevel: "silent" });
    const made = await build({ stdin, ...options, splitting: true, outdir: "/", metafile: true });
    // What is loaded at once: the module and what it imports other than on demand.
    const { outputs } = made.metafile;
    const entry = Object.keys(outputs).find((path) => outputs[path]?.entryPoint) ?? "";
    const loaded = new Set([entry]);
    for (const path of loaded) {
      for (const { kind, path: other } of outputs[path]?.imports ?? []) if (kind === "import-statement") loaded.add(other);
    }
    const name = (/** @type {string} */ path) => path.split("/").at(-1);
    const files = made.outputFiles.filter(({ path }) => [...loaded].some((other) => name(other) === name(path)));
    assert.equal(files.length, loaded.size);
    return files.reduce((sum, { contents }) => sum + compressed(contents), 0);
  };
  const page = await script('export { open, upload } from "./dist/index.js"');
  const worker = await script('import "./dist/worker.js"');
  const wasm = compressed(readFileSync(join(PACKAGE, "dist/segmenter.wasm")));
  console.log(`by gzip: page ${page}, worker ${worker}, core ${wasm} bytes`);
  assert.ok(page + worker <= MOST_SCRIPT, `scripts of ${page} and ${worker} bytes`);
  assert.ok(page + worker + wasm <= MOST, `${page + worker + wasm} bytes in all`);
});

test("nothing that only a browser has is asked for when a module is loaded", () => {
  const entries = ["index", "core", "inline", "worker"].map((name) => `await import(${JSON.stringify(join(PACKAGE, `dist/${name}.js`))});`);
  const run = spawnSync(process.execPath, ["--input-type=module", "-e", entries.join("\n")], { encoding: "utf8" });
  assert.equal(run.stderr + run.stdout, "");
});

describe("the README", () => {
  // In the package's own folder, where its name leads to itself.
  const at = join(PACKAGE, "pkg/readme");
  const text = readFileSync(join(PACKAGE, "README.md"), "utf8");
  const snippets = [...text.matchAll(/^```(js|ts)\n([^]*?)^```$/gm)].map(([, language, code]) => ({ language, code: code ?? "" }));
  before(() => void mkdirSync(at, { recursive: true }));
  after(() => rmSync(at, { recursive: true, force: true }));

  test("its types are right", () => {
    const known = ["file: File", "plan: import('reelway').Plan", "video: HTMLVideoElement", "canvas: HTMLCanvasElement"];
    for (const [number, { code }] of snippets.entries()) {
      const missing = known.filter((variable) => !new RegExp(`const (\\{[^}]*)?${variable.split(":")[0]}\\b`).test(code));
      const declared = missing.map((variable) => `declare const ${variable};\n`).join("");
      writeFileSync(join(at, `${number}.mts`), `${declared}${code}\nexport {};\n`);
    }
    const options = { extends: "../../tsconfig.json", compilerOptions: { rootDir: ".", noEmit: true, noUnusedLocals: false }, include: ["*.mts"] };
    writeFileSync(join(at, "tsconfig.json"), JSON.stringify(options));
    const { stdout } = spawnSync(join(PACKAGE, "node_modules/.bin/tsc"), ["-p", at], { encoding: "utf8" });
    assert.equal(stdout, "");
  });

  const runs = snippets.filter(({ language }) => language === "js");
  for (const [number, { code }] of runs.entries()) {
    test(`its snippet ${number + 1} of ${runs.length} runs`, () => {
      const clip = ffmpeg(join(folder(), "clip.mp4"), ...picture(5));
      const given = [
        'import { openAsBlob } from "node:fs";',
        `const file = await openAsBlob(${JSON.stringify(clip)});`,
        // A server that takes all.
        "globalThis.fetch = async (_, { body }) => new Response(body);",
      ];
      writeFileSync(join(at, "run.mjs"), `${given.join("\n")}\n${code}`);
      const run = spawnSync(process.execPath, [join(at, "run.mjs")], { encoding: "utf8" });
      assert.equal(run.status, 0, run.stderr);
    });
  }
});
