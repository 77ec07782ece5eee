//! A rustc with std for wasm32: the active one, the active one after rustup has added the target, or Debian's in the cache.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{TARGET, debian};
use crate::place;
use crate::run::{Step, answer};

/// What the user can do where nothing else works.
pub const ADVICE: &str = "`rustup target add wasm32-unknown-unknown`";
/// How long rustup may take to fetch the target.
const RUSTUP_PATIENCE: Duration = Duration::from_mins(3);

/// A compiler that builds for wasm32.
pub enum Toolchain {
    /// The one cargo finds by itself.
    Active,
    /// Another, with the folder of its shared libraries.
    Private {
        /// The compiler.
        rustc: PathBuf,
        /// Where its shared libraries are: it does not know by itself.
        libraries: PathBuf,
    },
}

/// How to come by one.
pub enum Plan {
    /// It is there.
    Ready(Toolchain),
    /// Unpack Debian's and compile std with it.
    Debian(debian::Source),
    /// Only the user can help.
    Nowhere,
}

/// Finds the quickest way. Changes nothing but, where rustup can do it, the active toolchain.
pub fn plan() -> Plan {
    let active = Toolchain::Active;
    if active.has_std() {
        return Plan::Ready(active);
    }
    if let Some(cached) = debian::cached() {
        return Plan::Ready(cached);
    }
    if rustup_adds_it() && active.has_std() {
        return Plan::Ready(active);
    }
    debian::Source::find().map_or(Plan::Nowhere, Plan::Debian)
}

impl Toolchain {
    /// Makes cargo build with this compiler.
    pub fn lend_to(&self, step: Step) -> Step {
        match self {
            Self::Active => step,
            Self::Private { rustc, libraries } => step.env("RUSTC", rustc).env("LD_LIBRARY_PATH", library_path(libraries)),
        }
    }

    /// Whether std for wasm32 is installed beside the compiler.
    pub fn has_std(&self) -> bool {
        let told = match self {
            Self::Active => {
                answer(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()), &["--print", "target-libdir", "--target", TARGET])
            }
            Self::Private { .. } => self.ask(&["--print", "target-libdir", "--target", TARGET]),
        };
        let Some(Ok(entries)) = told.map(std::fs::read_dir) else { return false };
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            name.to_string_lossy().starts_with("libstd-") && Path::new(&name).extension().is_some_and(|end| end == "rlib")
        })
    }

    /// What the private compiler answers, trimmed.
    pub fn ask(&self, args: &[&str]) -> Option<String> {
        let Self::Private { rustc, libraries } = self else { return None };
        let output = Command::new(rustc).args(args).env("LD_LIBRARY_PATH", library_path(libraries)).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// The private libraries first, then what was there.
fn library_path(first: &Path) -> std::ffi::OsString {
    let mut path = first.as_os_str().to_owned();
    if let Some(rest) = env::var_os("LD_LIBRARY_PATH").filter(|rest| !rest.is_empty()) {
        path.push(":");
        path.push(rest);
    }
    path
}

/// Lets rustup add the target. Not where the user forbids rustup to fetch; given up when it takes too long, as without a network.
fn rustup_adds_it() -> bool {
    if env::var("RUSTUP_AUTO_INSTALL").is_ok_and(|value| value == "0") || place::on_path("rustup").is_none() {
        return false;
    }
    println!("rustup target add {TARGET}");
    let mut command = Command::new("rustup");
    command.args(["target", "add", TARGET]).env("RUSTUP_MAX_RETRIES", "1");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut rustup) = command.spawn() else { return false };
    let begin = Instant::now();
    while begin.elapsed() < RUSTUP_PATIENCE {
        match rustup.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => sleep(Duration::from_millis(100)),
            Err(_) => return false,
        }
    }
    rustup.kill().ok();
    rustup.wait().ok();
    false
}
