//! The keys of tokens: `[tokens]`.

use std::{collections::BTreeMap, fmt};

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Deserializer, de::Error};
use zeroize::Zeroizing;

use crate::auth::{OWN, Place};

/// Bytes of a secret, at least: as many as HMAC-SHA-256 gives (RFC 7518 3.2).
const LEAST: usize = 32;

/// Which tokens count.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tokens {
    /// Where the keys of an issuer are.
    #[serde(deserialize_with = "place")]
    pub jwks: Option<Place>,
    /// What `iss` of its tokens must say.
    pub issuer: Option<String>,
    /// What `aud` of its tokens must say.
    pub audience: Option<String>,
    /// Keys of ours, by their ids.
    #[serde(deserialize_with = "keys")]
    pub key: BTreeMap<String, TokenKey>,
}

/// A key that tokens are signed with. It is shown nowhere.
#[derive(Clone)]
pub enum TokenKey {
    /// A secret, for HMAC-SHA-256.
    Hmac(Zeroizing<Vec<u8>>),
    /// A public key of Ed25519: tokens are verified, not made.
    Ed25519(Vec<u8>),
    /// A private key of Ed25519 (PKCS #8).
    Ed25519Private(Zeroizing<Vec<u8>>),
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey")
    }
}

/// A key as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    hmac: Option<String>,
    ed25519: Option<String>,
    ed25519_private: Option<String>,
}

impl Written {
    fn read(self) -> Result<TokenKey, &'static str> {
        let bytes = |text: &str| BASE64URL_NOPAD.decode(text.trim_end_matches('=').as_bytes()).map(Zeroizing::new);
        let [hmac, public, private] = [self.hmac, self.ed25519, self.ed25519_private].map(|text| text.map(Zeroizing::new));
        match (hmac, public, private) {
            (Some(text), None, None) => match bytes(&text) {
                Ok(secret) if secret.len() >= LEAST => Ok(TokenKey::Hmac(secret)),
                _ => Err("hmac is not 32 bytes or more in base64url"),
            },
            (None, Some(text), None) => match bytes(&text) {
                Ok(key) if key.len() == 32 => Ok(TokenKey::Ed25519(key.to_vec())),
                _ => Err("ed25519 is not the 32 bytes of a public key in base64url"),
            },
            (None, None, Some(text)) => bytes(&text).map(TokenKey::Ed25519Private).map_err(|_| "ed25519_private is not in base64url"),
            _ => Err("a key has one of hmac, ed25519 and ed25519_private"),
        }
    }
}

fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, TokenKey>, D::Error> {
    let written = BTreeMap::<String, Written>::deserialize(deserializer)?;
    let keys = written.into_iter().map(|(id, key)| match id.as_str() {
        OWN => Err(D::Error::custom(format!("the key '{OWN}' is made from the secret of the server; call this one otherwise"))),
        _ => Ok((id, key.read().map_err(D::Error::custom)?)),
    });
    keys.collect()
}

fn place<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Place>, D::Error> {
    Place::parse(&String::deserialize(deserializer)?).map(Some).map_err(|error| D::Error::custom(format!("{error:#}")))
}
