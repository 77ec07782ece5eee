// Loads the built package in Node.js as a page loads it: `node smoke.mjs PACKAGE_FOLDER`.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const folder = process.argv[2];
const bytes = await readFile(join(folder, 'reelway_wasm_bg.wasm'));
const foreign = WebAssembly.Module.imports(await WebAssembly.compile(bytes)).filter((it) => !it.module.includes('reelway_wasm_bg'));
if (foreign.length > 0) {
  console.error('the core must need nothing of its host, but imports', foreign);
  process.exit(1);
}
const core = await import(pathToFileURL(join(folder, 'reelway_wasm.js')).href);
core.initSync({ module: bytes });
console.log(`reelway_wasm: ${bytes.length} bytes, exports ${Object.keys(core).join(', ')}`);
