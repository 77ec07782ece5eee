//! `reelway verify`.

use std::{io::Write, path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};
use clap::Args;

use crate::verify::verify_folder;

/// Arguments of `reelway verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// The folder with the playlists and MPDs
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Write the faults as JSON
    #[arg(long)]
    json: bool,
}

impl Verify {
    /// Exit code 0: no fault; 1: faults, each in a line.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let name = self.folder.display();
        if self.folder.to_str().is_some_and(|text| text.starts_with("http://") || text.starts_with("https://")) {
            bail!("{name}: only folders can be verified so far: download the presentation and name its folder");
        }
        let faults = verify_folder(&self.folder).with_context(|| format!("cannot read {name}"))?;
        let mut out = std::io::stdout().lock();
        let written = if self.json {
            serde_json::to_writer_pretty(&mut out, &faults).map_err(std::io::Error::from).and_then(|()| writeln!(out))
        } else {
            faults.iter().try_for_each(|fault| writeln!(out, "{fault}"))
        };
        match written {
            // The reader has seen enough: `reelway verify DIR | head`.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
            written => written?,
        }
        if faults.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        eprintln!("reelway: {name}: {} fault{}", faults.len(), if faults.len() == 1 { "" } else { "s" });
        Ok(ExitCode::FAILURE)
    }
}
