// Loads the built package in Node.js as a page loads it: `node smoke.mjs PACKAGE_FOLDER`.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';

/** Bytes that the module may come to, compressed as a server would: it is to be smaller, not larger. */
const MOST = 144_500;

const folder = process.argv[2];
const bytes = await readFile(join(folder, 'reelway_wasm_bg.wasm'));
const foreign = WebAssembly.Module.imports(await WebAssembly.compile(bytes)).filter((it) => !it.module.includes('reelway_wasm_bg'));
if (foreign.length > 0) {
  console.error('the core must need nothing of its host, but imports', foreign);
  process.exit(1);
}
const core = await import(pathToFileURL(join(folder, 'reelway_wasm.js')).href);
core.initSync({ module: bytes });
const compressed = gzipSync(bytes, { level: 9 }).length;
if (compressed > MOST) {
  console.error(`the module is ${compressed} bytes by gzip, more than ${MOST}`);
  process.exit(1);
}
console.log(`reelway_wasm: ${bytes.length} bytes, ${compressed} by gzip, exports ${Object.keys(core).join(', ')}`);
