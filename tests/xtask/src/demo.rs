//! `cargo xtask demo`: from a fresh clone to a running server.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::run::Step;
use crate::{needs, place, sample, wasm, web};

/// What was asked for.
#[derive(Debug, Default, PartialEq)]
pub struct Options {
    media: Option<PathBuf>,
    serve: Vec<String>,
}

impl Options {
    /// Reads `[--media DIR] [-- ARGS]`; `None` for anything else.
    pub fn parse(args: &[String]) -> Option<Self> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--" => options.serve = args.by_ref().cloned().collect(),
                "--media" => options.media = Some(args.next().filter(|dir| !dir.starts_with('-'))?.into()),
                arg => options.media = Some(arg.strip_prefix("--media=")?.into()),
            }
        }
        Some(options)
    }
}

/// Builds the web app and the server, makes a sample where no folder was given, and becomes `reelway serve`.
pub fn run(options: &Options) -> Result<()> {
    let media = match &options.media {
        Some(folder) => {
            let whole = folder.canonicalize().with_context(|| format!("--media {}: give a folder of videos", folder.display()))?;
            if !whole.is_dir() {
                bail!("--media {}: not a folder; give the folder that holds the videos", folder.display());
            }
            needs::ensure(&[needs::NODE])?;
            whole
        }
        None if sample::is_missing() => {
            needs::ensure(&[needs::NODE, needs::FFMPEG])?;
            sample::make()?;
            sample::folder()
        }
        None => {
            needs::ensure(&[needs::NODE])?;
            sample::folder()
        }
    };
    web::build(&wasm::ensure_tools(&[needs::NODE])?)?;
    let build = ["build", "--release", "--package", "reelway", "--bin", "reelway"];
    Step::cargo("reelway, release build (some minutes the first time)").args(build).hidden()?;
    println!("reelway serve --media {} --uploads (Ctrl-C ends it)", media.display());
    let reelway = place::target().join("release").join(format!("reelway{}", std::env::consts::EXE_SUFFIX));
    Step::new("reelway serve", reelway)
        .within(std::env::current_dir()?)
        .args(["serve", "--media"])
        .arg(media)
        .arg("--uploads")
        .args(&options.serve)
        .become_it()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Option<Options> {
        Options::parse(&args.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read() {
        let media = || Some(PathBuf::from("films"));
        assert_eq!(parse(&[]), Some(Options::default()));
        assert_eq!(parse(&["--media", "films"]), Some(Options { media: media(), serve: vec![] }));
        let serve = vec!["--listen".into(), "[::]:443".into()];
        assert_eq!(parse(&["--media=films", "--", "--listen", "[::]:443"]), Some(Options { media: media(), serve }));
        assert_eq!(parse(&["--media"]), None);
        assert_eq!(parse(&["films"]), None);
    }
}
