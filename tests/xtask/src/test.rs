//! `cargo xtask test`: everything that a change must pass, on a developer's machine and on CI alike.

use anyhow::Result;

use crate::needs::{self, CHROMIUM, CLIPPY, FFMPEG, NGTCP2, NODE, PEBBLE, PYTHON, RUSTFMT, XMLLINT};
use crate::node::Package;
use crate::run::{Step, answer, cargo_program, on_ci};
use crate::{interop, place, wasm, web};

/// The browser tests.
const BROWSER: Package = Package { name: "tests/browser" };

/// Makes sure of every tool and module the tests use.
pub fn set_up() -> Result<wasm::Tools> {
    let tools = wasm::ensure_tools(&[NODE, FFMPEG, CHROMIUM, XMLLINT, PEBBLE, NGTCP2, PYTHON, RUSTFMT, CLIPPY])?;
    for package in [wasm::PACKAGE, web::WEB, BROWSER] {
        if package.exists() {
            package.install()?;
        }
    }
    interop::install()?;
    Ok(tools)
}

/// All checks and tests, the quickest to fail first.
pub fn all() -> Result<()> {
    let tools = set_up()?;
    cargo("format").args(["fmt", "--all", "--check"]).shown()?;
    let core_for_js = wasm::build(&tools)?;
    web::build(&tools)?;
    cargo("lints").args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]).shown()?;
    cargo("documentation").args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings").shown()?;
    scripts("check", &[wasm::PACKAGE, web::WEB, BROWSER])?;
    // All at once, with the server that the browser tests talk to: built one by one, they would differ in the features of what they share.
    cargo("build").args(["build", "--workspace", "--bins", "--tests"]).shown()?;
    rust_tests(&[])?;
    if let Some(package) = core_for_js {
        wasm::smoke_test(&package)?;
    }
    scripts("test", &[wasm::PACKAGE, BROWSER])?;
    println!("all checks and tests passed");
    Ok(())
}

/// The Rust tests whose name contains `filter`. Of the web app they need no more than that it is there.
pub fn matching(filter: &str) -> Result<()> {
    needs::ensure(&[NODE, FFMPEG, XMLLINT])?;
    if !web::is_built() {
        web::build(&wasm::ensure_tools(&[NODE])?)?;
    }
    rust_tests(&[filter])
}

/// The benches that need a browser, by name; they live with the browser tests.
pub const BROWSER_BENCHES: [&str; 3] = ["cut-page", "live-players", "upload-page"];

/// Runs one of them on the release build.
pub fn bench_in_browser(name: &str, args: &[String]) -> Result<()> {
    needs::ensure(&[NODE, FFMPEG, CHROMIUM])?;
    for package in [web::WEB, BROWSER] {
        package.install()?;
    }
    crate::build_release()?;
    let server = place::target().join("release").join(format!("reelway{}", std::env::consts::EXE_SUFFIX));
    let step = BROWSER.script(&format!("bench-{name}")).args(["--"]).args(args);
    step.env("REELWAY_BIN", &server).env("CHROMIUM", place::on_path("chromium").unwrap_or_default()).shown()
}

/// The examples in the documentation first: the summary of the tests proper then comes last.
fn rust_tests(filter: &[&str]) -> Result<()> {
    if filter.is_empty() {
        cargo("examples in the documentation").args(["test", "--workspace", "--doc"]).shown()?;
    }
    let nextest = answer(cargo_program(), &["nextest", "--version"]).is_some();
    let run: &[&str] = if nextest { &["nextest", "run", "--workspace"] } else { &["test", "--workspace", "--lib", "--bins", "--tests"] };
    let step = cargo("Rust tests").args(run).args(filter);
    if interop::is_ready() { step.env("REELWAY_INTEROP", interop::python()).shown() } else { step.shown() }
}

/// Runs the script of that name in those of the npm packages that have it. What needs no server is in `check`.
fn scripts(name: &str, packages: &[Package]) -> Result<()> {
    let server = place::target().join("debug").join(format!("reelway{}", std::env::consts::EXE_SUFFIX));
    for package in packages {
        if package.has_script(name) {
            package.script(name).env("REELWAY_BIN", &server).env("CHROMIUM", place::on_path("chromium").unwrap_or_default()).shown()?;
        }
    }
    Ok(())
}

/// A cargo call that does not keep what a machine used once never reads.
fn cargo(label: &str) -> Step {
    let step = Step::cargo(label);
    if on_ci() { step.env("CARGO_INCREMENTAL", "0") } else { step }
}
