//! Debian's compiler, unpacked into the cache and given std for wasm32. Nothing is installed, PATH and rustup stay as they are.
//!
//! Debian has no std for wasm32 alone, but the compiler's source beside a compiler of just that version: std is compiled from it once,
//! as Rust's own build does it. The packages are those of `rustc-web`, the recent compiler that Debian builds its browsers with.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::toolchain::Toolchain;
use super::{FOREIGN_ENV, TARGET, cargo_home, remapped};
use crate::run::{Step, answer};
use crate::{needs, place};

/// What Debian offers this machine.
pub struct Source {
    /// Version of rustc-web and of all that is built with it.
    version: String,
    /// The package of the compiler's shared library: `libstd-rust-web-1.96`.
    driver: String,
    /// The number of its LLVM: 22.
    llvm: String,
}

/// The compiler in the cache, if it is whole and not too old for this workspace.
pub fn cached() -> Option<Toolchain> {
    let toolchain = unpacked(&place::wasm_cache().join("rust"))?;
    let new_enough = minor(&toolchain.ask(&["--version"])?)? >= minor(concat!("rustc ", env!("CARGO_PKG_RUST_VERSION")))?;
    (new_enough && toolchain.has_std()).then_some(toolchain)
}

impl Source {
    /// Looks the packages up; `None` where this is no Debian or its compiler is too old.
    pub fn find() -> Option<Self> {
        let there = |program| place::on_path(program).is_some();
        if !(there("apt-get") && there("apt-cache") && there("dpkg-deb")) {
            return None;
        }
        Self::look_up().or_else(|| {
            // A bare machine has no package lists yet.
            (needs::is_root() && needs::refresh_package_lists().is_ok()).then(Self::look_up)?
        })
    }

    fn look_up() -> Option<Self> {
        let version = field("rustc-web", "Version")?;
        let driver = dependencies("libstd-rust-web-dev").into_iter().find(|name| name.starts_with("libstd-rust-web-"))?;
        let llvm = dependencies(&driver).into_iter().find_map(|name| name.strip_prefix("libllvm").map(str::to_owned))?;
        let new_enough = minor(&format!("rustc {version}"))? >= minor(concat!("rustc ", env!("CARGO_PKG_RUST_VERSION")))?;
        new_enough.then_some(Self { version, driver, llvm })
    }

    /// Debian's libraries that the compiler needs beside its own and that are not installed.
    pub fn missing_libraries(&self) -> Vec<String> {
        let mut names = dependencies(&format!("libllvm{}", self.llvm));
        names.retain(|name| answer("dpkg-query", &["-W", "-f", "${db:Status-Status}", name]).as_deref() != Some("installed"));
        names
    }

    /// Makes the compiler in the cache, whole or not at all.
    pub fn build(&self) -> Result<Toolchain> {
        let cache = place::wasm_cache();
        let (part, done) = (cache.join("rust.part"), cache.join("rust"));
        clear(&part)?;
        clear(&done)?;
        self.unpack(&part)?;
        compile_std(&part)?;
        fs::rename(&part, &done).with_context(|| format!("cannot write {}", done.display()))?;
        match cached() {
            Some(toolchain) => Ok(toolchain),
            None => bail!("the compiler in {} does not work; remove that folder and try again", done.display()),
        }
    }

    fn unpack(&self, folder: &Path) -> Result<()> {
        let debs = folder.join("debs");
        fs::create_dir_all(&debs).with_context(|| format!("cannot make the folder {}", debs.display()))?;
        let of_version = |name: &str| format!("{name}={}", self.version);
        let mut packages = ["rustc-web", "libstd-rust-web-dev", &self.driver, "rust-web-src"].map(of_version).to_vec();
        packages.extend([format!("libllvm{}", self.llvm), format!("lld-{}", self.llvm)]);
        let label = format!("wasm: fetch Debian's rustc {} (140 MB)", self.version);
        Step::new(label, "apt-get").arg("-q").arg("download").args(packages).within(&debs).hidden()?;
        for deb in files(&debs)? {
            let name = deb.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let name = name.split('_').next().unwrap_or_default();
            Step::new(format!("wasm: unpack {name}"), "dpkg-deb").arg("-x").arg(&deb).arg(folder).hidden()?;
        }
        clear(&debs)
    }
}

/// Compiles std for wasm32 and puts it where that compiler looks for it. The source is not kept: it is half the size of it all.
fn compile_std(folder: &Path) -> Result<()> {
    let Some(toolchain) = unpacked(folder) else {
        bail!("Debian's packages in {} are not laid out as expected", folder.display());
    };
    let Some(version) = toolchain.ask(&["--version"]) else {
        bail!("Debian's rustc in {} does not run on this machine; instead try {}", folder.display(), super::toolchain::ADVICE);
    };
    let libraries = folder.join("usr/lib/rustlib");
    // rustc calls the linker by this name, and Debian has it elsewhere.
    let host = toolchain.ask(&["--print", "host-tuple"]).context("Debian's rustc does not tell its host")?;
    let linker = folder.join("usr/lib").join(llvm_folder(folder)?).join("bin/lld");
    let tools = libraries.join(host).join("bin");
    fs::create_dir_all(&tools)?;
    fs::copy(&linker, tools.join("rust-lld")).with_context(|| format!("cannot read {}", linker.display()))?;

    let source = only_folder(&folder.join("usr/src"), "rustc-")?;
    let output = folder.join("std");
    let mut flags = remapped(&[(&source, "/rust"), (&cargo_home().join("registry/src"), "/crates")]);
    // As Rust's own build does: unstable by default, and with the bitcode that LTO wants.
    flags.push("\x1f-Zforce-unstable-if-unmarked\x1f-Cembed-bitcode=yes");
    let step = Step::cargo(format!("wasm: compile std with {version}"))
        .without_env(&FOREIGN_ENV)
        .args(["build", "--release", "--locked", "--target", TARGET, "--target-dir"])
        .arg(&output)
        .within(source.join("library/sysroot"))
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .env("RUSTC_BOOTSTRAP", "1")
        // Marks these crates as std's, so that they never clash with the same crates of a program.
        .env("__CARGO_DEFAULT_LIB_METADATA", "stablestd");
    toolchain.lend_to(step).hidden()?;

    let home = libraries.join(TARGET).join("lib");
    fs::create_dir_all(&home)?;
    for file in files(&output.join(TARGET).join("release/deps"))? {
        if let (Some("rlib" | "rmeta"), Some(name)) = (file.extension().and_then(|end| end.to_str()), file.file_name()) {
            fs::copy(&file, home.join(name)).with_context(|| format!("cannot copy {}", file.display()))?;
        }
    }
    clear(&output)?;
    clear(&folder.join("usr/src"))?;
    if !toolchain.has_std() {
        bail!("std was compiled, but Debian's rustc does not find it in {}", home.display());
    }
    Ok(())
}

/// The compiler under a folder the packages were unpacked into.
fn unpacked(folder: &Path) -> Option<Toolchain> {
    let rustc = folder.join("usr/bin/rustc");
    let multiarch = format!("{}-linux-gnu", std::env::consts::ARCH);
    let libraries = folder.join("usr/lib").join(multiarch);
    (rustc.is_file() && libraries.is_dir()).then_some(Toolchain::Private { rustc, libraries })
}

fn llvm_folder(folder: &Path) -> Result<PathBuf> {
    Ok(only_folder(&folder.join("usr/lib"), "llvm-")?.file_name().unwrap_or_default().into())
}

fn only_folder(parent: &Path, prefix: &str) -> Result<PathBuf> {
    let named = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
    files(parent)?.into_iter().find(named).with_context(|| format!("no folder {prefix}* in {}", parent.display()))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// Removes a folder, there or not.
fn clear(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// One field of the newest package of that name.
fn field(package: &str, name: &str) -> Option<String> {
    let text = answer("apt-cache", &["show", "--no-all-versions", package])?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
}

/// The names in a package's Depends field: of alternatives the first.
fn dependencies(package: &str) -> Vec<String> {
    let depends = field(package, "Depends").unwrap_or_default();
    depends.split(',').filter_map(|one| one.split_whitespace().next().map(str::to_owned)).collect()
}

/// 96 of "rustc 1.96.0 (…)".
fn minor(version: &str) -> Option<u32> {
    version.strip_prefix("rustc 1.")?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::minor;

    #[test]
    fn compiler_versions_are_compared_by_number() {
        assert_eq!(minor("rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)"), Some(96));
        assert_eq!(minor("rustc 1.100.0+dfsg1-1~deb14u1"), Some(100));
        assert_eq!(minor("rustc 1.95"), Some(95));
        assert_eq!(minor("rustc 2.0.0"), None);
    }
}
