//! How files are to be: `[media]` for all of them, `[asset."PATH"]` for one, or for a folder.

use serde::Deserialize;

/// Who may read what is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Play {
    /// Everybody.
    #[default]
    Anyone,
    /// Who has a token for it.
    Token,
}

/// What a table of the file says; what it leaves out is as elsewhere.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Fields {
    play: Option<Play>,
}

/// How a file or a folder is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssetConfig {
    /// Who may read it.
    pub play: Play,
}

impl Fields {
    /// By tables of which the first go before.
    pub fn resolve<'a>(tables: impl IntoIterator<Item = &'a Self>) -> AssetConfig {
        let play = tables.into_iter().find_map(|table| table.play);
        AssetConfig { play: play.unwrap_or_default() }
    }
}
