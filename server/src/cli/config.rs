//! `reelway config`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::{auth::KeyRing, config::Config};

/// Arguments of `reelway config`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// Say what is wrong with a configuration, by file and line; with the environment, which goes before it
    Check {
        /// The configuration, in TOML
        file: PathBuf,
    },
}

impl Arguments {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Kind::Check { file } = self.kind;
        let config = Config::read(&file)?;
        KeyRing::new(None, &config.tokens, None)?;
        println!("{}: nothing is wrong with it", file.display());
        Ok(())
    }
}
