//! `reelway config`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::settings;
use crate::{
    auth::KeyRing,
    config::{Config, REFERENCE},
};

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
    /// Tell all that can stand in a configuration, with what it is by default
    Reference,
}

impl Arguments {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Kind::Check { file } = self.kind else {
            print!("{}\n{REFERENCE}", settings::reference());
            return Ok(());
        };
        let config = Config::read(&file)?;
        settings::check(&file)?;
        KeyRing::new(None, &config.tokens, None)?;
        println!("{}: nothing is wrong with it", file.display());
        Ok(())
    }
}
