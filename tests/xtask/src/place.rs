//! Where things are: the repository, the build output, the cache that outlives both.

use std::env;
use std::path::{Path, PathBuf};

/// The repository's root folder.
pub fn root() -> PathBuf {
    let crate_folder = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    crate_folder.ancestors().nth(2).unwrap_or(Path::new(".")).to_path_buf()
}

/// Cargo's output folder, wherever the user has put it: we were built into it ourselves.
pub fn target() -> PathBuf {
    let of_program = env::current_exe().ok().and_then(|program| program.ancestors().nth(2).map(Path::to_path_buf));
    of_program.unwrap_or_else(|| root().join("target"))
}

/// Logs of the steps whose output is hidden.
pub fn logs() -> PathBuf {
    target().join("xtask/logs")
}

/// The toolchain for wasm32.
pub fn wasm_cache() -> PathBuf {
    cache().join("wasm-toolchain")
}

/// The clients of other makers that are written in Python.
pub fn interop_cache() -> PathBuf {
    cache().join("interop")
}

/// What is costly to make and the same for every clone.
fn cache() -> PathBuf {
    let of_user = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    of_user("XDG_CACHE_HOME")
        .or_else(|| of_user("HOME").map(|home| home.join(".cache")))
        .map_or_else(|| target().join("xtask/cache"), |cache| cache.join("reelway"))
}

/// The first file of that name on PATH that exists.
pub fn on_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(program)).find(|file| file.is_file())
}
