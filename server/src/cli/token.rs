//! `reelway token`.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};

use crate::{auth::Secret, http::StreamName};

/// Arguments of `reelway token`.
#[derive(Debug, Args)]
pub struct Token {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// Make the key to publish a live stream with. It holds as long as the secret in the data folder is there
    Publish {
        /// The stream
        #[arg(value_parser = stream_name)]
        name: StreamName,
        /// The data folder of the server
        #[arg(long, value_name = "DIR", default_value = "reelway-data")]
        data: PathBuf,
    },
}

impl Token {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.kind {
            Kind::Publish { name, data } => {
                let folder = data.display();
                std::fs::create_dir_all(&data)
                    .with_context(|| format!("cannot make the data folder {folder}: name another with --data"))?;
                let secret = Secret::of(&data).context("cannot read the secret of the server")?;
                println!("{}", secret.publish_key(name.as_str()));
                Ok(())
            }
        }
    }
}

fn stream_name(text: &str) -> anyhow::Result<StreamName> {
    StreamName::new(text).ok_or_else(|| anyhow!("a stream is called by up to 64 letters, digits, '-', '_' and '.', not '.' first"))
}
