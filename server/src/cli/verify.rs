//! `reelway verify`.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use crate::{
    net::client::{Client, Version},
    verify::{Folder, Site, Verdict, verify},
};

/// Arguments of `reelway verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// The folder with the playlists and MPDs; or the URL of a manifest, or of what holds master.m3u8 or manifest.mpd
    #[arg(value_name = "DIR|URL")]
    place: String,
    /// Write the faults as JSON
    #[arg(long)]
    json: bool,
    /// The version of HTTP in which a URL is asked for; if none is told, HTTP/2 or HTTP/1.1, as the server chooses
    #[arg(long, value_name = "VERSION")]
    http: Option<HttpVersion>,
    /// Certificates (PEM) to trust beside those of the system, such as DATA/tls/dev-cert.pem of `serve`
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum HttpVersion {
    #[value(name = "1.1")]
    One,
    #[value(name = "2")]
    Two,
    #[value(name = "3")]
    Three,
}

impl Verify {
    /// Exit code 0: no fault; 1: faults, each in a line.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let name = &self.place;
        let Verdict { faults, live } = self.verdict().with_context(|| format!("cannot read {name}"))?;
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
        if live {
            eprintln!(
                "reelway: {name}: it is live, and was judged as it is at this moment: reloads, parts of segments and bit rates were not"
            );
        }
        if faults.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        eprintln!("reelway: {name}: {} fault{}", faults.len(), if faults.len() == 1 { "" } else { "s" });
        Ok(ExitCode::FAILURE)
    }
    fn verdict(&self) -> anyhow::Result<Verdict> {
        if !["http://", "https://"].iter().any(|scheme| self.place.starts_with(scheme)) {
            if self.http.is_some() || self.ca.is_some() {
                bail!("--http and --ca are for URLs");
            }
            return Ok(verify(&Folder::open(Path::new(&self.place))?)?);
        }
        let version = match self.http {
            None => Version::Any,
            Some(HttpVersion::One) => Version::Http1,
            Some(HttpVersion::Two) => Version::Http2,
            Some(HttpVersion::Three) => Version::Http3,
        };
        Ok(verify(&Site::new(&self.place, Client::new(version, self.ca.as_deref())?)?)?)
    }
}
