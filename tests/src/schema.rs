//! MPDs against the schema of MPEG, by xmllint.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{ffmpeg, files};

/// The schema, ready for use without a network.
pub struct Schema(PathBuf);

impl Schema {
    /// `None`, said in a line, where the schema or xmllint is not there. `folder` is for a copy of the schema, which imports XLink from
    /// the web: the copy imports the file beside it.
    pub fn open(folder: &Path) -> Result<Option<Self>> {
        let Some(source) = files::shared_schemas().filter(|_| ffmpeg::is_there("xmllint")) else { return Ok(None) };
        let text = fs::read_to_string(source.join("DASH-MPD.xsd"))?;
        let local = text.replace("http://www.w3.org/XML/2008/06/xlink.xsd", "xlink.xsd");
        ensure!(local != text, "the schema imports XLink from elsewhere");
        let path = folder.join("DASH-MPD.xsd");
        fs::write(&path, local)?;
        fs::copy(source.join("xlink.xsd"), folder.join("xlink.xsd"))?;
        Ok(Some(Self(path)))
    }

    /// Whether an MPD keeps the schema; the error holds what xmllint says.
    pub fn check(&self, mpd: &Path) -> Result<()> {
        let checked = Command::new("xmllint").args(["--noout", "--nonet", "--schema"]).arg(&self.0).arg(mpd).output();
        let checked = checked.context("xmllint does not run")?;
        ensure!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        Ok(())
    }
}
