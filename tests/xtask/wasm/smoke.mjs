// Loads the built package in Node.js as a page loads it: `node smoke.mjs PACKAGE_FOLDER`.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';

/** Bytes that the module may come to, compressed as a server would: it is to be smaller, not larger. */
const MOST = 117_900;
/** Bytes that one function may come to: a browser takes hundreds of times as many to compile it well, once it is found to be hot. */
const MOST_FUNCTION = 16 << 10;

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
const largest = Math.max(...functions(bytes));
if (largest > MOST_FUNCTION) {
  console.error(`the largest function has ${largest} bytes, more than ${MOST_FUNCTION}`);
  process.exit(1);
}
console.log(`reelway_wasm: ${bytes.length} bytes, ${compressed} by gzip, exports ${Object.keys(core).join(', ')}`);

/** The bytes of each function: those of the code section (WebAssembly Core 5.5.13). */
function* functions(/** @type {Buffer} */ module) {
  let at = 8;
  const number = () => {
    for (let value = 0, unit = 1; ; unit *= 128) {
      const byte = module[at++];
      value += (byte & 127) * unit;
      if (byte < 128) return value;
    }
  };
  while (at < module.length) {
    const code = module[at++] === 10;
    const end = number() + at;
    if (code) {
      for (let count = number(); count > 0; count--) {
        const size = number();
        yield size;
        at += size;
      }
    }
    at = end;
  }
}
