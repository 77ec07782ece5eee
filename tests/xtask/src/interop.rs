//! The clients of other makers that are Python packages, in an environment of their own in the cache.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::place;
use crate::run::Step;
use crate::stamp::Stamp;

/// The Python that has them, whether they are there or not.
pub fn python() -> PathBuf {
    place::interop_cache().join("bin/python")
}

/// Whether they are there, in the versions that are asked for.
pub fn is_ready() -> bool {
    stamp().is_ok_and(|stamp| stamp.is_fresh()) && python().exists()
}

/// Installs what is missing.
pub fn install() -> Result<()> {
    if is_ready() {
        return Ok(());
    }
    let folder = place::interop_cache();
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot make the folder {}", parent.display()))?;
    }
    Step::new("Python for other makers' clients", "python3").args(["-m", "venv", "--clear"]).arg(&folder).hidden()?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--requirement"];
    Step::new("aioquic, aiortc and curl_cffi", python()).args(pip).arg(requirements()).hidden()?;
    stamp()?.keep()
}

fn requirements() -> PathBuf {
    place::root().join("tests/interop/requirements.txt")
}

fn stamp() -> Result<Stamp> {
    Stamp::new(place::interop_cache().join(".installed"), &[requirements()], &[])
}
