//! How files are to be: `[media]` for all of them, `[asset."PATH"]` for one, or for a folder.

use std::fmt;

use data_encoding::HEXLOWER_PERMISSIVE;
use reelway_core::protection::Scheme;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::OwnKeys;

/// Who may read what is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Play {
    /// Everybody.
    #[default]
    Anyone,
    /// Whom `on_play` of `[hooks]` lets in.
    Hook,
    /// Who has a token for it.
    Token,
}

/// What a table of the file says; what it leaves out is as elsewhere.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Fields {
    pub play: Option<Play>,
    encrypt: Option<Encrypt>,
    content_key: Option<OwnKey>,
    keys: Option<OwnKeys>,
}

/// How segments are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Encrypt {
    #[serde(rename = "none")]
    None,
    #[serde(rename = "cenc")]
    Cenc,
    #[serde(rename = "cbcs")]
    Cbcs,
    #[serde(rename = "aes-128")]
    Aes128,
}

impl Encrypt {
    /// As the core calls it.
    pub fn scheme(self) -> Option<Scheme> {
        match self {
            Self::None => None,
            Self::Cenc => Some(Scheme::Cenc),
            Self::Cbcs => Some(Scheme::Cbcs),
            Self::Aes128 => Some(Scheme::Aes128),
        }
    }
}

/// A key as the configuration gives it: `KID:KEY`, 32 hexadecimal digits each. It is shown nowhere.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct OwnKey {
    /// Its number.
    pub id: [u8; 16],
    /// The key.
    pub key: Zeroizing<[u8; 16]>,
}

impl fmt::Debug for OwnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnKey")
    }
}

impl TryFrom<String> for OwnKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let text = Zeroizing::new(text);
        let sixteen = |digits: &str| {
            let digits = Zeroizing::new(digits.replace('-', ""));
            let bytes = Zeroizing::new(HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()?);
            <[u8; 16]>::try_from(bytes.as_slice()).ok()
        };
        let parts = text.split_once(':').and_then(|(id, key)| Some((sixteen(id)?, Zeroizing::new(sixteen(key)?))));
        let (id, key) = parts.ok_or("a content key is written KID:KEY, 32 hexadecimal digits each")?;
        Ok(Self { id, key })
    }
}

/// How a file or a folder is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssetConfig {
    /// Who may read it.
    pub play: Play,
    /// How its segments are encrypted, if they are.
    pub encrypt: Option<Scheme>,
    /// With which keys; `None`: they are made.
    pub keys: Option<OwnKeys>,
}

impl Fields {
    /// By tables of which the first go before.
    pub fn resolve<'a>(tables: impl IntoIterator<Item = &'a Self>) -> AssetConfig {
        let (mut play, mut encrypt, mut keys) = (None, None, None);
        for table in tables {
            play = play.or(table.play);
            encrypt = encrypt.or(table.encrypt);
            keys = keys.or_else(|| table.own_keys());
        }
        AssetConfig { play: play.unwrap_or_default(), encrypt: encrypt.and_then(Encrypt::scheme), keys }
    }

    /// The keys that it names: of a document first.
    fn own_keys(&self) -> Option<OwnKeys> {
        self.keys.clone().or_else(|| self.content_key.clone().map(OwnKeys::from))
    }

    /// Brings in what is said of a file within a folder: the folder is no more open than that.
    pub fn close(&self, folder: &mut AssetConfig) {
        folder.play = folder.play.max(self.play.unwrap_or_default());
        if let Some(scheme) = self.encrypt.and_then(Encrypt::scheme)
            && folder.encrypt.is_none()
        {
            (folder.encrypt, folder.keys) = (Some(scheme), self.own_keys());
        }
    }
}
