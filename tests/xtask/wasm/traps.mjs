// Makes each function of Rust's that tells of a panic a trap at once: `node traps.mjs BINARYEN_FOLDER MODULE`. A panic here is a trap in any
// case (wasm/src/bare.rs), and what nobody is told need not be put into words. The module must have its names still.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const PANIC =
  /panicking::panic|unwrap_failed|expect_failed|assert_failed|slice_index_fail|len_mismatch_fail|panic_bounds_check|panic_nounwind|raw_vec::handle_error|capacity_overflow|handle_alloc_error/;

const [folder, module] = process.argv.slice(2);
const { default: binaryen } = await import(pathToFileURL(join(folder, 'index.js')).href);
const core = binaryen.readBinary(readFileSync(module));
const functions = Array.from({ length: core.getNumFunctions() }, (_, index) => core.getFunctionByIndex(index));
const panics = functions.filter((it) => PANIC.test(binaryen.getFunctionInfo(it).name));
if (panics.length === 0) throw new Error(`${module} names no function that panics`);
for (const panic of panics) binaryen.Function.setBody(panic, core.unreachable());
writeFileSync(module, core.emitBinary());
