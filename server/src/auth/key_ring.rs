//! The keys that tokens are signed and verified with.

use std::{collections::HashMap, sync::Arc};

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode, errors::ErrorKind};
use ring::signature::{Ed25519KeyPair, KeyPair};

use super::{
    Secret,
    jwks::Jwks,
    jwt,
    token::{Claims, LONGEST, Refused},
};
use crate::config::{TokenKey, Tokens};

/// By how much the clock of who signs may differ, in seconds.
const LEEWAY: u64 = 5;

/// The id of the key that is made from the secret of the server.
pub const OWN: &str = "server";

/// A key that tokens are verified with.
#[derive(Clone, Debug)]
pub(super) struct VerifyingKey {
    pub key: DecodingKey,
    /// The only algorithm that it is used with.
    pub algorithm: Algorithm,
}

/// The keys of a server, by their ids.
#[derive(Debug, Default)]
pub struct KeyRing {
    keys: HashMap<String, VerifyingKey>,
    signing: HashMap<String, (EncodingKey, Algorithm)>,
    jwks: Option<Arc<Jwks>>,
    issuer: Option<String>,
    audience: Option<String>,
}

impl KeyRing {
    /// The key of the server, those of its configuration, and those that `jwks` gets.
    ///
    /// # Errors
    /// A key of the configuration is none; it is not told.
    pub fn new(secret: Option<&Secret>, config: &Tokens, jwks: Option<Arc<Jwks>>) -> anyhow::Result<Self> {
        jwt::install();
        let mut ring = Self { jwks, issuer: config.issuer.clone(), audience: config.audience.clone(), ..Self::default() };
        if let Some(secret) = secret {
            ring.add_secret(OWN, &secret.token_key())?;
        }
        for (id, key) in &config.key {
            match key {
                TokenKey::Hmac(secret) => ring.add_secret(id, secret)?,
                TokenKey::Ed25519(public) => ring.add_public(id, public),
                TokenKey::Ed25519Private(private) => {
                    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(private)
                        .map_err(|_| anyhow::anyhow!("[tokens.key.{id}]: ed25519_private is no key (PKCS #8)"))?;
                    ring.add_public(id, pair.public_key().as_ref());
                    ring.signing.insert(id.clone(), (EncodingKey::from_ed_der(private), Algorithm::EdDSA));
                }
            }
        }
        Ok(ring)
    }

    fn add_secret(&mut self, id: &str, secret: &[u8]) -> anyhow::Result<()> {
        let algorithm = Algorithm::HS256;
        self.keys.insert(id.into(), VerifyingKey { key: DecodingKey::from_secret(secret)?, algorithm });
        self.signing.insert(id.into(), (EncodingKey::from_secret(secret)?, algorithm));
        Ok(())
    }

    fn add_public(&mut self, id: &str, public: &[u8]) {
        self.keys.insert(id.into(), VerifyingKey { key: DecodingKey::from_ed_der(public), algorithm: Algorithm::EdDSA });
    }

    /// Signs `claims` with the key `id`; `None` if there is no such key, or only the public half of it.
    pub fn sign(&self, id: &str, claims: &Claims) -> Option<String> {
        let (key, algorithm) = self.signing.get(id)?;
        let header = Header { kid: Some(id.to_owned()), ..Header::new(*algorithm) };
        encode(&header, claims, key).ok()
    }

    /// The claims of a token that holds now.
    pub fn verify(&self, token: &str) -> Result<Claims, Refused> {
        if token.len() > LONGEST {
            return Err(Refused::Invalid);
        }
        let id = decode_header(token).map_err(|_| Refused::Invalid)?.kid;
        if let Some(key) = id.as_deref().and_then(|id| self.keys.get(id)) {
            return self.claims(token, key, false);
        }
        let key = self.jwks.as_ref().and_then(|jwks| jwks.find(id.as_deref())).ok_or(Refused::Invalid)?;
        self.claims(token, &key, true)
    }

    fn claims(&self, token: &str, key: &VerifyingKey, foreign: bool) -> Result<Claims, Refused> {
        let mut validation = Validation::new(key.algorithm);
        (validation.leeway, validation.validate_nbf, validation.validate_aud) = (LEEWAY, true, false);
        if foreign {
            if let Some(issuer) = &self.issuer {
                validation.set_issuer(&[issuer]);
                validation.required_spec_claims.insert("iss".into());
            }
            if let Some(audience) = &self.audience {
                validation.validate_aud = true;
                validation.set_audience(&[audience]);
                validation.required_spec_claims.insert("aud".into());
            }
        }
        decode(token, &key.key, &validation).map(|data| data.claims).map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => Refused::Expired,
            ErrorKind::ImmatureSignature => Refused::TooEarly,
            _ => Refused::Invalid,
        })
    }
}

/// The parts of a token that everybody can read, as JSON: header and claims. `None`: it is no token.
pub fn parts(token: &str) -> Option<[serde_json::Value; 2]> {
    let mut parts = token.split('.').map(|part| serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).ok()?).ok());
    Some([parts.next()??, parts.next()??])
}
