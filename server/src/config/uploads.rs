//! Who may bring files, how many, and what becomes of those that are whole: `[uploads]`.

use anyhow::ensure;
use http::Uri;
use serde::{Deserialize, Deserializer, de::Error};

use super::hooks::url;
use crate::ladder::{Codec, Wanted};

/// Who may bring files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bring {
    /// Everybody; who has no token is told by the address.
    #[default]
    Anyone,
    /// Who has a token.
    Token,
}

/// Who may bring files, how many, and what becomes of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Uploads {
    /// Who may.
    pub bring: Bring,
    /// Bytes of a file.
    pub file: u64,
    /// Files of one owner, be they whole or not.
    pub files: usize,
    /// Requests of one owner that bring bytes at once.
    pub parallel: usize,
    /// The rungs of the ladder that is made of each one that is whole; `None`: none is made.
    #[serde(deserialize_with = "rungs")]
    pub ladder: Option<String>,
    /// The codec of the rungs.
    pub codec: Codec,
    /// To whom it is told when a ladder has ended.
    #[serde(deserialize_with = "url")]
    pub webhook: Option<Uri>,
}

impl Default for Uploads {
    fn default() -> Self {
        let (ladder, codec, webhook) = (None, Codec::default(), None);
        Self { bring: Bring::Anyone, file: 64 << 30, files: 1000, parallel: 64, ladder, codec, webhook }
    }
}

impl Uploads {
    /// What cannot be.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(self.parallel > 0, "parallel is 0: nobody could bring anything");
        Ok(())
    }
}

/// As `reelway ladder --rungs` takes them; it is read again when a ladder is made.
fn rungs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == "none" {
        return Ok(None);
    }
    Wanted::parse(&text).map_err(D::Error::custom)?;
    Ok(Some(text))
}
