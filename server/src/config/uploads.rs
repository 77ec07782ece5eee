//! What becomes of uploads: `[uploads]`.

use http::Uri;
use serde::{Deserialize, Deserializer, de::Error};

use super::hooks::url;
use crate::ladder::{Codec, Wanted};

/// What becomes of uploads.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Uploads {
    /// The rungs of the ladder that is made of each one that is whole; `None`: none is made.
    #[serde(deserialize_with = "rungs")]
    pub ladder: Option<String>,
    /// The codec of the rungs.
    pub codec: Codec,
    /// To whom it is told when a ladder has ended.
    #[serde(deserialize_with = "url")]
    pub webhook: Option<Uri>,
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
