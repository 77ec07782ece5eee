//! What stands in for the standard library in a browser: memory, and the end of a program that has a fault. With the library come the
//! texts and places of all panics, a sixth of the module; here a panic is a trap, which JavaScript gets as a `RuntimeError`.

use core::{arch::wasm32::unreachable, panic::PanicInfo};

use talc::wasm::{WasmDynamicTalc, new_wasm_dynamic_allocator};

#[global_allocator]
static MEMORY: WasmDynamicTalc = new_wasm_dynamic_allocator();

#[panic_handler]
fn trap(_: &PanicInfo<'_>) -> ! {
    unreachable()
}
