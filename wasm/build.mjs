/** Builds the package into dist/: the TypeScript, and the core that `cargo xtask wasm` has put into pkg/. */

import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

process.chdir(import.meta.dirname);
rmSync("dist", { recursive: true, force: true });
mkdirSync("dist");
execFileSync("node_modules/.bin/tsc", { stdio: "inherit" });
for (const name of ["LICENSE-APACHE", "LICENSE-MIT"]) copyFileSync(`../${name}`, `dist/${name}`);
copyFileSync("pkg/reelway_wasm_bg.wasm", "dist/segmenter.wasm");
// Of what wasm-bindgen offers, what is used.
const used = { contents: 'export { Opener, initSync } from "./pkg/reelway_wasm.js"', resolveDir: "." };
const options = /** @type {const} */ ({ bundle: true, write: false, minify: true, target: "es2022" });
const glue = await build({ stdin: used, ...options, format: "esm", define: { "Symbol.dispose": "undefined" } });
writeFileSync("dist/segmenter.js", glue.outputFiles[0].text);
for (const name of ["segmenter", "inlined"]) cpSync(`ts/${name}.d.ts`, `dist/${name}.d.ts`);

const wasm = readFileSync("dist/segmenter.wasm").toString("base64");
const inlined = await build({
  entryPoints: ["dist/worker.js"],
  ...options,
  format: "iife",
  plugins: [
    {
      name: "the core from the text of the script",
      setup({ onLoad }) {
        onLoad({ filter: /dist\/beside\.js$/ }, () => ({ contents: `export const beside = () => Uint8Array.from(atob("${wasm}"), (c) => c.charCodeAt(0));` }));
      },
    },
  ],
});
writeFileSync("dist/inlined.js", `export const worker = ${JSON.stringify(inlined.outputFiles[0].text)};\n`);

// In one piece: a page without a bundler waits for one answer rather than for one after the other.
await build({ entryPoints: ["dist/worker.js"], ...options, write: true, format: "esm", outfile: "dist/worker.js", allowOverwrite: true });
