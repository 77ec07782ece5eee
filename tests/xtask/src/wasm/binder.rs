//! wasm-bindgen of just the version that Cargo.lock names, and wasm-opt.
//!
//! The binder is a few lines on wasm-bindgen's own library: compiled in a third of the time of its command line program.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::FOREIGN_ENV;
use crate::node;
use crate::place;
use crate::run::{Step, answer};

/// The release of npm's `binaryen` that wasm-opt is taken from.
const BINARYEN: &str = "132.0.0";
/// For size, again and again until nothing changes any more. What is called from one place stays a function unless it is tiny: inlined it
/// packs worse, and a browser that finds the one huge function hot takes 20 MB to compile it. At the lowest addresses is the end of the
/// stack, where no object is, so that offsets need no sum; and what engines are told of alignment only makes instructions differ.
const OPTIMISE: [&str; 6] = [
    "-Oz",
    "--converge",
    "--one-caller-inline-max-function-size=10",
    "--always-inline-max-function-size=4",
    "--low-memory-unused",
    "--dealign",
];
/// The binder's program text.
const PROGRAM: &str = include_str!("../../wasm/binder.rs");

/// Both programs, in place.
pub struct Binder {
    wasm_bindgen: PathBuf,
    /// The folder of binaryen: its library, and wasm-opt.
    binaryen: PathBuf,
    /// Tells both versions, in its text.
    versions: PathBuf,
}

/// Finds or makes both; `None` where the workspace does not use wasm-bindgen.
pub fn ensure(cache: &Path) -> Result<Option<Binder>> {
    let lock = fs::read_to_string(place::root().join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let Some(version) = locked_version(&lock, "wasm-bindgen") else { return Ok(None) };
    let versions = cache.join("versions");
    fs::write(&versions, format!("wasm-bindgen {version}, binaryen {BINARYEN} {}\n", OPTIMISE.join(" ")))
        .with_context(|| format!("cannot write {}", versions.display()))?;
    Ok(Some(Binder { wasm_bindgen: wasm_bindgen(cache, version)?, binaryen: binaryen(cache)?, versions }))
}

impl Binder {
    /// Files whose texts change with the version of either program, and with what is asked of it.
    pub fn version_files(&self) -> [PathBuf; 2] {
        [self.versions.clone(), traps()]
    }

    /// Makes `package` from `module`: the wasm, its JavaScript, its types.
    pub fn run(&self, module: &Path, package: &Path) -> Result<()> {
        if package.exists() {
            fs::remove_dir_all(package).with_context(|| format!("cannot remove {}", package.display()))?;
        }
        Step::new("wasm: bind", &self.wasm_bindgen).args(["--target", "web", "--out-dir"]).arg(package).arg(module).hidden()?;
        let name = module.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let bound = package.join(format!("{name}_bg.wasm"));
        Step::new("wasm: panics to traps", "node").arg(traps()).arg(&self.binaryen).arg(&bound).hidden()?;
        let small = package.join(".optimised.wasm");
        Step::new("wasm: optimise", self.binaryen.join("bin/wasm-opt")).args(OPTIMISE).arg(&bound).arg("-o").arg(&small).hidden()?;
        // wasm-opt has been seen to end well without its work done.
        if !small.is_file() {
            bail!("wasm-opt wrote no {}", small.display());
        }
        fs::rename(&small, &bound).with_context(|| format!("cannot write {}", bound.display()))
    }
}

fn wasm_bindgen(cache: &Path, version: &str) -> Result<PathBuf> {
    if answer("wasm-bindgen", &["--version"]).is_some_and(|told| told == format!("wasm-bindgen {version}")) {
        return Ok("wasm-bindgen".into());
    }
    let folder = cache.join(format!("wasm-bindgen-{version}"));
    let program = folder.join("binder");
    if program.is_file() {
        return Ok(program);
    }
    let source = cache.join("binder.part");
    fs::create_dir_all(source.join("src")).with_context(|| format!("cannot make the folder {}", source.display()))?;
    let manifest = format!(
        "[package]\nname = \"binder\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
         wasm-bindgen-cli-support = \"={version}\"\n\n[profile.dev]\ndebug = false\n"
    );
    fs::write(source.join("Cargo.toml"), manifest)?;
    fs::write(source.join("src/main.rs"), PROGRAM)?;
    Step::cargo(format!("wasm: compile the binder, wasm-bindgen {version}"))
        .without_env(&FOREIGN_ENV)
        .within(&source)
        .args(["build", "--target-dir", "target"])
        .hidden()?;
    fs::create_dir_all(&folder)?;
    let part = folder.join("binder.part");
    fs::copy(source.join("target/debug/binder"), &part).context("cargo made no binder")?;
    fs::rename(&part, &program)?;
    fs::remove_dir_all(&source).ok();
    Ok(program)
}

/// The script that makes traps of panics.
fn traps() -> PathBuf {
    place::root().join("tests/xtask/wasm/traps.mjs")
}

fn binaryen(cache: &Path) -> Result<PathBuf> {
    let folder = cache.join(format!("binaryen-{BINARYEN}"));
    let package = folder.join("node_modules/binaryen");
    if package.join("bin/wasm-opt").is_file() {
        return Ok(package);
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    fs::write(folder.join("package.json"), "{ \"private\": true }\n")?;
    node::npm(format!("wasm: fetch binaryen {BINARYEN}"), &folder)
        .args(["install", "--no-audit", "--no-fund", "--ignore-scripts", &format!("binaryen@{BINARYEN}")])
        .hidden()?;
    Ok(package)
}

/// The version of a package in the text of a Cargo.lock.
fn locked_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let (_, rest) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    rest.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::locked_version;

    #[test]
    fn the_locked_version_is_found_by_the_whole_name() {
        let lock = "[[package]]\nname = \"wasm-bindgen-shared\"\nversion = \"1.2.3\"\n\n[[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\n";
        assert_eq!(locked_version(lock, "wasm-bindgen"), Some("0.2.130"));
        assert_eq!(locked_version(lock, "wasm"), None);
    }
}
