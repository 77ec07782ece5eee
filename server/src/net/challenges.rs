//! What shows an authority that a name is ours, while it looks (ACME: RFC 8555 section 8.3 over HTTP, RFC 8737 over TLS).

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use ring::digest::{SHA256, digest};
use rustls::{pki_types::PrivateKeyDer, server::ClientHello, sign::CertifiedKey};

use super::{Error, tls::provider};

/// The protocol in which an authority looks at our certificate, by ALPN.
pub(super) const ACME_TLS: &[u8] = b"acme-tls/1";

/// Where an authority looks over HTTP.
const PATH: &str = "/.well-known/acme-challenge/";

/// The challenges that are under way.
#[derive(Clone, Debug, Default)]
pub struct Challenges(Arc<RwLock<Vec<Arc<Challenge>>>>);

struct Challenge {
    name: String,
    token: String,
    authorization: String,
    certificate: Arc<CertifiedKey>,
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a challenge of {}", self.name)
    }
}

/// A challenge that is answered until this is dropped.
#[must_use]
#[derive(Debug)]
pub struct Shown {
    challenges: Challenges,
    challenge: Arc<Challenge>,
}

impl Challenges {
    /// Answers the challenge with this `token` for `name`, over HTTP and over TLS alike.
    ///
    /// # Errors
    /// The certificate that holds the answer over TLS cannot be made.
    pub fn show(&self, name: &str, token: &str, authorization: &str) -> Result<Shown, Error> {
        // RFC 8737 section 3: self-signed, with the name and the hash of the key authorization in it.
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest(&SHA256, authorization.as_bytes()).as_ref())];
        let certificate = params.self_signed(&key)?.der().clone();
        // Not by CertifiedKey::from_der: it takes no certificate with an extension that is critical and unknown to it.
        let key = provider().key_provider.load_private_key(PrivateKeyDer::Pkcs8(key.serialize_der().into()))?;
        let challenge = Arc::new(Challenge {
            name: name.to_owned(),
            token: token.to_owned(),
            authorization: authorization.to_owned(),
            certificate: Arc::new(CertifiedKey::new(vec![certificate], key)),
        });
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&challenge));
        Ok(Shown { challenges: self.clone(), challenge })
    }

    /// The key authorization that belongs at `path`, if a challenge is answered there.
    pub fn at(&self, path: &str) -> Option<String> {
        let token = path.strip_prefix(PATH)?;
        self.find(|challenge| challenge.token == token, |challenge| challenge.authorization.clone())
    }

    /// The certificate that answers for `name`, newest first.
    pub(super) fn certificate(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.find(|challenge| challenge.name == name, |challenge| Arc::clone(&challenge.certificate))
    }

    fn find<T>(&self, which: impl Fn(&Challenge) -> bool, what: impl Fn(&Challenge) -> T) -> Option<T> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .rev()
            .find(|challenge| which(challenge))
            .map(|challenge| what(challenge))
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let mut shown = self.challenges.0.write().unwrap_or_else(PoisonError::into_inner);
        shown.retain(|challenge| !Arc::ptr_eq(challenge, &self.challenge));
    }
}

/// Whether an authority looks, and not a client of HTTP.
pub(super) fn is_challenge(client: &ClientHello<'_>) -> bool {
    client.alpn().is_some_and(|mut protocols| protocols.any(|protocol| protocol == ACME_TLS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_answered_while_it_is_shown() {
        let challenges = Challenges::default();
        let first = challenges.show("a.example", "token-1", "token-1.key").unwrap();
        let second = challenges.show("a.example", "token-2", "token-2.key").unwrap();
        let newest = challenges.certificate("a.example").unwrap();
        for (path, answer) in [
            ("/.well-known/acme-challenge/token-1", Some("token-1.key")),
            ("/.well-known/acme-challenge/token-2", Some("token-2.key")),
            ("/.well-known/acme-challenge/token-3", None),
            ("/.well-known/acme-challenge/", None),
            ("/token-1", None),
        ] {
            assert_eq!(challenges.at(path).as_deref(), answer, "{path}");
        }
        drop(second);
        assert_eq!(challenges.at("/.well-known/acme-challenge/token-2"), None);
        assert!(challenges.certificate("a.example").is_some_and(|older| !Arc::ptr_eq(&older, &newest)));
        assert!(challenges.certificate("b.example").is_none());
        drop(first);
        assert!(challenges.certificate("a.example").is_none());
    }
}
