//! The core for JavaScript: compiled for wasm32, bound by wasm-bindgen, made small by wasm-opt, into wasm/pkg.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::needs::{self, Need};
use crate::node::Package;
use crate::run::Step;
use crate::stamp::Stamp;
use crate::{place, wasm::toolchain::Toolchain};

mod binder;
mod debian;
mod toolchain;

/// The target we compile for.
const TARGET: &str = "wasm32-unknown-unknown";
/// What a caller's shell or an outer cargo may carry, and what must not reach the builds here.
const FOREIGN_ENV: [&str; 7] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_TARGET_DIR",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
];

/// All that the build needs, in place.
pub struct Tools {
    toolchain: Toolchain,
    /// wasm-bindgen and wasm-opt; `None` as long as the workspace does not use wasm-bindgen.
    binder: Option<binder::Binder>,
}

/// Makes sure of `needs` and of the wasm tools: first finds all that is missing, then gets it.
pub fn ensure_tools(needs: &[Need]) -> Result<Tools> {
    let plan = toolchain::plan();
    let (packages, others) = match &plan {
        toolchain::Plan::Debian(source) => (source.missing_libraries(), Vec::new()),
        toolchain::Plan::Nowhere => (Vec::new(), vec![("Rust's std for wasm32", toolchain::ADVICE)]),
        toolchain::Plan::Ready(_) => (Vec::new(), Vec::new()),
    };
    needs::ensure_with(needs, &packages, &others)?;
    let cache = place::wasm_cache();
    fs::create_dir_all(&cache).with_context(|| format!("cannot make the cache folder {}", cache.display()))?;
    let lock = fs::File::create(cache.join(".lock")).with_context(|| format!("cannot write in {}", cache.display()))?;
    lock.lock().context("cannot lock the cache folder")?;
    let toolchain = match plan {
        toolchain::Plan::Ready(toolchain) => toolchain,
        toolchain::Plan::Debian(source) => source.build()?,
        toolchain::Plan::Nowhere => bail!("{}", toolchain::ADVICE),
    };
    Ok(Tools { toolchain, binder: binder::ensure(&cache)? })
}

/// Builds wasm/pkg from what has changed. Returns its folder, or `None` as long as there is nothing to bind.
pub fn build(tools: &Tools) -> Result<Option<PathBuf>> {
    let module = compile(&tools.toolchain)?;
    let Some(binder) = &tools.binder else {
        println!("wasm: compiled; not bound, because Cargo.lock names no wasm-bindgen");
        return Ok(None);
    };
    let package = place::root().join("wasm/pkg");
    // Kept out of the package, which is built anew each time.
    let stamp = Stamp::new(target_folder().join("bound.stamp"), &[[module.clone()].as_slice(), &binder.version_files()].concat(), &[])?;
    if !(stamp.is_fresh() && package.join("reelway_wasm_bg.wasm").is_file()) {
        binder.run(&module, &package)?;
        stamp.keep()?;
    }
    Ok(Some(package))
}

/// The npm package: its TypeScript beside the core, in wasm/dist.
pub const PACKAGE: Package = Package { name: "wasm" };

/// Builds the npm package from the core in wasm/pkg.
pub fn build_package() -> Result<()> {
    PACKAGE.install()?;
    PACKAGE.script("build").hidden()
}

/// Loads the package in Node.js as a page would, and checks that it asks nothing of its host but what wasm-bindgen gives.
pub fn smoke_test(package: &Path) -> Result<()> {
    let script = place::root().join("tests/xtask/wasm/smoke.mjs");
    Step::new("wasm: loads in Node.js", "node").arg(script).arg(package).shown()
}

fn target_folder() -> PathBuf {
    place::target().join("wasm")
}

fn compile(toolchain: &Toolchain) -> Result<PathBuf> {
    let root = place::root();
    // Panic messages name source files: without the folders of the machine that built them.
    let mut flags = remapped(&[(&cargo_home().join("registry/src"), "/crates"), (&root, "/reelway")]);
    // Loops with more counters, that add less, are longer.
    flags.push("\x1f-Cllvm-args=-disable-lsr");
    let step = Step::cargo(format!("wasm: build for {TARGET}"))
        .without_env(&FOREIGN_ENV)
        .args(["build", "--release", "--package", "reelway-wasm", "--target", TARGET, "--target-dir"])
        .arg(target_folder())
        // Small first: one unit, optimised as a whole. Panics trap in wasm whatever the profile says.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "z")
        .env("CARGO_PROFILE_RELEASE_LTO", "fat")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags);
    toolchain.lend_to(step).hidden()?;
    let module = target_folder().join(TARGET).join("release/reelway_wasm.wasm");
    if !module.is_file() {
        bail!("wasm: cargo made no {}; the crate must be a cdylib of that name", module.display());
    }
    Ok(module)
}

/// Compiler flags that put other folders into messages, in the form of `CARGO_ENCODED_RUSTFLAGS`.
fn remapped(folders: &[(&Path, &str)]) -> OsString {
    let mut flags = OsString::new();
    for (from, to) in folders {
        if !flags.is_empty() {
            flags.push("\x1f");
        }
        flags.push("--remap-path-prefix=");
        flags.push(from);
        flags.push("=");
        flags.push(to);
    }
    flags
}

fn cargo_home() -> PathBuf {
    let home = || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cargo");
    env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from)
}
