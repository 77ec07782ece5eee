//! `reelway inspect`.

use std::{io::Write, path::PathBuf};

use clap::Args;

use super::input;
use crate::report::Report;

/// Arguments of `reelway inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// The video file
    input: PathBuf,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (_, movie) = input::open(&self.input)?;
        let report = Report::new(movie)?;
        let mut out = std::io::stdout().lock();
        let written = if self.json {
            serde_json::to_writer_pretty(&mut out, &report).map_err(std::io::Error::from).and_then(|()| writeln!(out))
        } else {
            write!(out, "{report}")
        };
        match written {
            // The reader has seen enough: `reelway inspect FILE | head`.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
            written => written?,
        }
        for fault in &report.faults {
            eprintln!("reelway: {}: {}", self.input.display(), fault.message);
        }
        Ok(())
    }
}
