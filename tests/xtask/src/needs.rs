//! What must be on the machine. All that is missing is found first; then it is installed, or named in one line, before any long work.

use anyhow::{Result, bail};

use crate::place::on_path;
use crate::run::{Step, answer, cargo_program};

/// A program from outside.
#[derive(Clone, Copy)]
pub struct Need {
    /// Its name for a person.
    pub name: &'static str,
    ready: fn() -> bool,
    source: Source,
}

/// Where a missing program comes from.
#[derive(Clone, Copy)]
enum Source {
    /// Debian's package.
    Debian(&'static str),
    /// The user's own hands, with this advice.
    User(&'static str),
}

/// For the web app and its tests.
pub const NODE: Need = Need {
    name: "Node.js (20.19 on, or 22.12 on) with npm",
    ready: node_is_new_enough,
    source: Source::User("Node.js from nodejs.org or your system's packages (nodejs and npm)"),
};
/// For sample media and test media.
pub const FFMPEG: Need =
    Need { name: "ffmpeg", ready: || on_path("ffmpeg").is_some() && on_path("ffprobe").is_some(), source: Source::Debian("ffmpeg") };
/// For the browser tests.
pub const CHROMIUM: Need = Need { name: "chromium", ready: || on_path("chromium").is_some(), source: Source::Debian("chromium") };
/// For checking manifests against their schema.
pub const XMLLINT: Need = Need { name: "xmllint", ready: || on_path("xmllint").is_some(), source: Source::Debian("libxml2-utils") };
/// For the tests of certificates: the test server of Let's Encrypt.
pub const PEBBLE: Need = Need { name: "pebble", ready: || on_path("pebble").is_some(), source: Source::Debian("pebble") };
/// For the tests with other makers' clients.
pub const NGTCP2: Need = Need { name: "gtlsclient", ready: || on_path("gtlsclient").is_some(), source: Source::Debian("ngtcp2-client") };
/// For the same.
pub const PYTHON: Need = Need {
    name: "python3 with venv",
    ready: || answer("python3", &["-c", "import venv, ensurepip"]).is_some(),
    source: Source::Debian("python3-venv"),
};
/// For the format check.
pub const RUSTFMT: Need = Need { name: "rustfmt", ready: || cargo_has("fmt"), source: Source::User("`rustup component add rustfmt`") };
/// For the lints.
pub const CLIPPY: Need = Need { name: "clippy", ready: || cargo_has("clippy"), source: Source::User("`rustup component add clippy`") };

/// For fuzzing.
pub const NIGHTLY: Need = Need {
    name: "a nightly Rust",
    ready: || answer("cargo", &["+nightly", "--version"]).is_some(),
    source: Source::User("`rustup toolchain install nightly`"),
};
/// For fuzzing.
pub const CARGO_FUZZ: Need = Need {
    name: "cargo-fuzz",
    ready: || answer("cargo", &["fuzz", "--version"]).is_some(),
    source: Source::User("`cargo install cargo-fuzz`"),
};

/// Makes sure of all these, or says in one line what to install.
pub fn ensure(needs: &[Need]) -> Result<()> {
    ensure_with(needs, &[], &[])
}

/// The same with Debian packages that turned out to be missing, and with things only the user can get: (name, advice).
pub fn ensure_with(needs: &[Need], packages: &[String], others: &[(&str, &str)]) -> Result<()> {
    let mut names: Vec<&str> = packages.iter().map(String::as_str).collect();
    let mut packages: Vec<&str> = names.clone();
    let mut advice: Vec<&str> = Vec::new();
    for need in needs.iter().filter(|need| !(need.ready)()) {
        names.push(need.name);
        match need.source {
            Source::Debian(package) => packages.push(package),
            Source::User(how) => advice.push(how),
        }
    }
    for (name, how) in others {
        names.push(name);
        advice.push(how);
    }
    if names.is_empty() {
        return Ok(());
    }
    let debian = on_path("apt-get").is_some();
    if advice.is_empty() && debian && is_root() {
        install(&packages)?;
        return match needs.iter().find(|need| !(need.ready)()) {
            Some(need) => bail!("{} was installed by apt-get, but is still not found on PATH", need.name),
            None => Ok(()),
        };
    }
    bail!("{}", told(&names, &packages, &advice, debian))
}

/// The one line that says what is missing and what to do.
fn told(names: &[&str], packages: &[&str], advice: &[&str], debian: bool) -> String {
    let mut ways: Vec<String> = Vec::new();
    if !packages.is_empty() {
        let packages = packages.join(" ");
        ways.push(if debian {
            format!("sudo apt-get install {packages}")
        } else {
            format!("your system's package manager (Debian's names: {packages})")
        });
    }
    ways.extend(advice.iter().map(|&how| how.to_owned()));
    format!("missing: {}. Install with: {}", names.join(", "), ways.join("; and "))
}

/// Whether we may install packages.
pub fn is_root() -> bool {
    answer("id", &["-u"]).as_deref() == Some("0")
}

/// Brings the lists of Debian's packages up to date.
pub fn refresh_package_lists() -> Result<()> {
    Step::new("package lists", "apt-get").args(["-q", "update"]).hidden()
}

fn install(packages: &[&str]) -> Result<()> {
    let known = packages.iter().all(|package| answer("apt-cache", &["show", package]).is_some_and(|text| !text.is_empty()));
    let attempt = || {
        Step::new(format!("apt-get install {}", packages.join(" ")), "apt-get")
            .args(["-q", "-y", "install", "--no-install-recommends"])
            .args(packages)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .hidden()
    };
    if known && attempt().is_ok() {
        return Ok(());
    }
    // The lists are absent, or so old that the versions they name are gone.
    refresh_package_lists()?;
    attempt()
}

fn node_is_new_enough() -> bool {
    answer("node", &["--version"]).is_some_and(|version| runs_our_tools(&version)) && on_path("npm").is_some()
}

/// Whether the web app's tools run on the Node.js of that version, as told by itself: "v20.20.2".
fn runs_our_tools(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split('.').map_while(|number| number.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(20), Some(minor)) => minor >= 19,
        (Some(22), Some(minor)) => minor >= 12,
        (Some(major), _) => major > 22,
        _ => false,
    }
}

fn cargo_has(subcommand: &str) -> bool {
    answer(cargo_program(), &[subcommand, "--version"]).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_tells_all_that_is_missing() {
        let line = told(&["xmllint", "Node"], &["libxml2-utils"], &["Node from its site"], true);
        assert_eq!(line, "missing: xmllint, Node. Install with: sudo apt-get install libxml2-utils; and Node from its site");
        assert!(told(&["ffmpeg"], &["ffmpeg"], &[], false).contains("package manager"));
    }

    #[test]
    fn node_versions_are_judged() {
        for (version, good) in
            [("v20.20.2", true), ("v20.18.0", false), ("v21.9.0", false), ("v22.12.0", true), ("v24.0.0", true), ("?", false)]
        {
            assert_eq!(runs_our_tools(version), good, "{version}");
        }
    }
}
