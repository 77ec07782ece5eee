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
const used = { contents: 'export { Opener, default } from "./pkg/reelway_wasm.js"', resolveDir: "." };
const glue = await build({ stdin: used, bundle: true, write: false, minify: true, format: "esm", target: "es2022", define: { Request: "undefined" } });
// The core is always named by whoever starts it: a second name would make bundlers take it in twice.
const script = glue.outputFiles[0].text.replace(/new URL\("[^"]*\.wasm",import\.meta\.url\)/, "undefined");
writeFileSync("dist/segmenter.js", script);
for (const name of ["segmenter", "inlined"]) cpSync(`ts/${name}.d.ts`, `dist/${name}.d.ts`);

const wasm = readFileSync("dist/segmenter.wasm").toString("base64");
const inlined = await build({
  entryPoints: ["dist/worker.js"],
  bundle: true,
  write: false,
  minify: true,
  format: "iife",
  target: "es2022",
  plugins: [
    {
      name: "the core from the text of the script",
      setup({ onLoad }) {
        onLoad({ filter: /dist\/module\.js$/ }, () => ({
          contents: `import start, { Opener } from "./segmenter.js";
            let started;
            export const core = (wasm) => started ??= start({ module_or_path: wasm ?? Uint8Array.from(atob("${wasm}"), (c) => c.charCodeAt(0)) }).then(() => Opener);`,
          resolveDir: "dist",
        }));
      },
    },
  ],
});
writeFileSync("dist/inlined.js", `export const worker = ${JSON.stringify(inlined.outputFiles[0].text)};\n`);
