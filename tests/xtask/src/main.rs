//! The project's own commands, run as `cargo xtask COMMAND` from anywhere in the repository.
//!
//! Each command first makes sure of what it needs on the machine (`needs`), then builds what changed and runs it. Every step may be
//! repeated and interrupted: finished work is found again, half-made work is not.

use std::process::ExitCode;

use anyhow::Result;

mod demo;
mod fuzz;
mod interop;
mod needs;
mod node;
mod place;
mod run;
mod sample;
mod stamp;
mod test;
mod wasm;
mod web;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  demo [--media DIR] [-- ARGS]  build everything, then `reelway serve` on DIR, or on a small sample made here
  test [FILTER]                 set up and run all checks and tests; with FILTER only the Rust tests whose name contains it
  setup                         install what `test` needs, build nothing of the project
  web                           build the web app into web/dist
  wasm                          build the npm package into wasm/dist, the core for JavaScript into wasm/pkg
  bundlers                      build a page that uses the npm package with each bundler, and run it in Chromium; run it in Deno and Bun
  bench [ARGS]                  build and run the benchmarks
  bench cut-page [ARGS]         how fast, and how soon, the npm package cuts a large file in Chromium
  bench live-players [ARGS]     how late live pictures are in each player, in Chromium
  bench upload-page [ARGS]      how fast a large file goes up from Chromium, and when it plays
  fuzz [TARGET] [--minutes N]   run one fuzz target, or each of them, for so long (1 minute)
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let args: Vec<String> = args.collect();
    match dispatch(&command, &args) {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(error)) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
        None if matches!(command.as_str(), "help" | "--help" | "-h") => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        None => {
            eprint!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Runs one command; `None` where the command line says nothing that we know.
fn dispatch(command: &str, args: &[String]) -> Option<Result<()>> {
    match (command, args) {
        ("demo", args) => demo::Options::parse(args).map(|options| demo::run(&options)),
        ("test", []) => Some(test::all()),
        ("test", [filter]) if !filter.starts_with('-') => Some(test::matching(filter)),
        ("setup", []) => Some(test::set_up().map(drop)),
        ("web", []) => Some(wasm::ensure_tools(&[needs::NODE]).and_then(|tools| web::build(&tools))),
        ("wasm", []) => Some(wasm_package()),
        ("bundlers", []) => Some(bundlers()),
        ("bench", [name, args @ ..]) if test::BROWSER_BENCHES.contains(&name.as_str()) => Some(test::bench_in_browser(name, args)),
        ("bench", args) => Some(bench(args)),
        ("fuzz", args) => fuzz::Options::parse(args).map(|options| fuzz::run(&options)),
        _ => None,
    }
}

/// The core for JavaScript, and the npm package around it.
fn wasm_package() -> Result<()> {
    let tools = wasm::ensure_tools(&[needs::NODE])?;
    wasm::build(&tools)?;
    wasm::build_package()
}

/// The bundlers and the other runtimes are large: they are installed for this alone.
fn bundlers() -> Result<()> {
    const BUNDLERS: node::Package = node::Package { name: "tests/bundlers" };
    needs::ensure(&[needs::NODE, needs::FFMPEG, needs::CHROMIUM])?;
    wasm_package()?;
    BUNDLERS.install()?;
    BUNDLERS.script("test").shown()
}

/// Runs the benchmark program on the release build, with the arguments as they are.
fn bench(args: &[String]) -> Result<()> {
    needs::ensure(&[needs::FFMPEG])?;
    build_release()?;
    let bench = ["run", "--quiet", "--release", "--package", "reelway-bench", "--"];
    run::Step::cargo("benchmarks").args(bench).args(args).shown()
}

/// The program as it is given to people, with the pages in it.
fn build_release() -> Result<()> {
    web::build(&wasm::ensure_tools(&[needs::NODE])?)?;
    run::Step::cargo("reelway, release build").args(["build", "--release", "--package", "reelway"]).shown()
}
