//! Keys of somebody else who signs tokens: a JSON Web Key Set (RFC 7517), in a file or at a URL.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use http::{HeaderMap, StatusCode, Uri};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse},
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until, timeout_at},
};

use super::key_ring::VerifyingKey;
use crate::net::client::{Client, Version};

/// The largest set, in bytes.
const MOST: usize = 256 << 10;

/// How often it is read again, and how soon at most when a token names a key that is not known.
const AGAIN: Duration = Duration::from_mins(10);
const SOONEST: Duration = Duration::from_secs(30);

/// Where a set of keys is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    File(PathBuf),
    /// At a URL: `https`, or `http` on this machine.
    Url(Uri),
}

impl Place {
    /// As the configuration says it.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        if !text.contains("://") {
            return Ok(Self::File(text.into()));
        }
        let uri: Uri = text.parse().context("it is no URL")?;
        let local = matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
        match uri.scheme_str() {
            Some("https") => Ok(Self::Url(uri)),
            Some("http") if local => Ok(Self::Url(uri)),
            _ => bail!("keys come by https, or by http from this machine"),
        }
    }

    async fn read(&self) -> anyhow::Result<Vec<u8>> {
        let bytes = match self {
            Self::File(path) => tokio::fs::read(path).await.with_context(|| path.display().to_string())?,
            Self::Url(uri) => {
                let answer = Client::new(Version::Any, None)?.get(uri, HeaderMap::new(), MOST + 1).await?;
                ensure!(answer.status == StatusCode::OK, "it says {}", answer.status);
                answer.content.to_vec()
            }
        };
        ensure!(bytes.len() <= MOST, "it has more than {MOST} bytes");
        Ok(bytes)
    }
}

/// The keys as they were read last.
#[derive(Debug)]
pub struct Jwks {
    place: Place,
    keys: RwLock<HashMap<String, VerifyingKey>>,
    /// Woken by a token whose key is not known.
    wanted: Notify,
}

impl Jwks {
    /// The keys at `place`, read now.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn read(place: Place) -> anyhow::Result<Self> {
        let jwks = Self { place, keys: RwLock::default(), wanted: Notify::new() };
        jwks.refresh().await?;
        Ok(jwks)
    }

    /// Reads them again now and then, as long as somebody has them. When that fails, those that there are stay.
    pub async fn keep(self: Arc<Self>) {
        let jwks = Arc::downgrade(&self);
        drop(self);
        loop {
            sleep(SOONEST).await;
            let Some(jwks) = jwks.upgrade() else { return };
            let _ = timeout_at(Instant::now() + AGAIN - SOONEST, jwks.wanted.notified()).await;
            if let Err(error) = jwks.refresh().await {
                tracing::warn!(error = format!("{error:#}"), "the keys of tokens stay as they are");
                sleep_until(Instant::now() + SOONEST).await;
            }
        }
    }

    async fn refresh(&self) -> anyhow::Result<()> {
        let set: JwkSet = serde_json::from_slice(&self.place.read().await?).context("this is no JSON Web Key Set (RFC 7517)")?;
        let keys = set.keys.iter().filter_map(|key| Some((key.common.key_id.clone().unwrap_or_default(), verifying(key)?))).collect();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// The key of this id; where there is one key only, a token need not name it.
    pub(super) fn find(&self, id: Option<&str>) -> Option<VerifyingKey> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let found = match id {
            Some(id) => keys.get(id),
            None => keys.values().next().filter(|_| keys.len() == 1),
        };
        if found.is_none() {
            self.wanted.notify_one();
        }
        found.cloned()
    }
}

/// A public key for signatures that ring verifies. A secret has no place in such a set, which anybody may read.
fn verifying(key: &Jwk) -> Option<VerifyingKey> {
    if key.common.public_key_use.as_ref().is_some_and(|told| *told != PublicKeyUse::Signature) {
        return None;
    }
    let algorithm = match &key.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(told) if told.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(told) if told.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        _ => return None,
    };
    let named = key.common.key_algorithm.map(|named| named.to_string());
    if named.is_some_and(|named| named != format!("{algorithm:?}")) {
        return None;
    }
    Some(VerifyingKey { key: DecodingKey::from_jwk(key).ok()?, algorithm })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_keys() {
        for (text, is_one) in [
            ("/etc/keys.json", true),
            ("https://id.example/.well-known/jwks.json", true),
            ("http://127.0.0.1:9000/jwks.json", true),
            ("http://id.example/jwks.json", false),
            ("ftp://id.example/jwks.json", false),
            ("https://", false),
        ] {
            assert_eq!(Place::parse(text).is_ok(), is_one, "{text}");
        }
    }

    #[test]
    fn keys_that_are_taken() {
        let ed = r#"{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        for (text, taken) in [
            (ed.to_owned(), true),
            (ed.replace("\"kid\"", "\"use\":\"sig\",\"alg\":\"EdDSA\",\"kid\""), true),
            (ed.replace("\"kid\"", "\"use\":\"enc\",\"kid\""), false),
            (ed.replace("\"kid\"", "\"alg\":\"RS256\",\"kid\""), false),
            (r#"{"kty":"oct","kid":"a","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}"#.to_owned(), false),
        ] {
            let key: Jwk = serde_json::from_str(&text).unwrap();
            assert_eq!(verifying(&key).is_some(), taken, "{text}");
        }
    }
}
