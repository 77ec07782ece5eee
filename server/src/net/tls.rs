//! A certificate with its key; one provider of cryptography (ring).

use std::{
    fmt, fs,
    ops::Range,
    path::Path,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::digest::{SHA256, digest};
use rustls::{
    CertificateError, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::{self, CryptoProvider},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
    sign::CertifiedKey,
};

use super::Error;

/// A certificate chain and its private key.
#[derive(Clone, Debug)]
pub struct Identity {
    key: Arc<CertifiedKey>,
}

impl Identity {
    /// Reads a PEM chain, the server's own certificate first, and its PEM key (PKCS #8, PKCS #1 or SEC 1).
    ///
    /// # Errors
    /// A file that cannot be read or holds no PEM of its kind is named; a key that belongs to another certificate is refused.
    pub fn from_pem_files(chain: &Path, key: &Path) -> Result<Self, Error> {
        let pem = |path: &Path| fs::read(path).map_err(|source| Error::File { path: path.to_owned(), source });
        let bad = |path: &Path, reason: String| Error::Pem { path: path.to_owned(), reason };
        let certificates = CertificateDer::pem_slice_iter(&pem(chain)?)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| bad(chain, format!("is no PEM file: {error}")))?;
        if certificates.is_empty() {
            return Err(bad(chain, "holds no certificate".to_owned()));
        }
        let secret = PrivateKeyDer::from_pem_slice(&pem(key)?).map_err(|error| bad(key, format!("holds no private key: {error}")))?;
        match CertifiedKey::from_der(certificates, secret, &provider()) {
            Ok(certified) => Ok(Self { key: Arc::new(certified) }),
            Err(rustls::Error::InconsistentKeys(_)) => Err(bad(key, format!("is not the key of the certificate in {}", chain.display()))),
            Err(error) => Err(bad(chain, format!("cannot be used: {error}"))),
        }
    }

    /// The server's own certificate, DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.key.cert[0] // never empty: CertifiedKey::from_der has refused that
    }

    /// SHA-256 of the certificate in DER: what WebTransport's `serverCertificateHashes` and a person comparing ask for.
    pub fn certificate_sha256(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, self.certificate()).as_ref());
        hash
    }

    /// Base64 of the SHA-256 of the public key (SPKI): what Chromium's `--ignore-certificate-errors-spki-list` takes.
    ///
    /// # Errors
    /// The certificate cannot be parsed.
    pub fn spki_sha256_base64(&self) -> Result<String, Error> {
        let parsed = ParsedCertificate::try_from(self.certificate())?;
        Ok(STANDARD.encode(digest(&SHA256, &parsed.subject_public_key_info())))
    }

    pub(super) fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }

    /// From when until when the server's own certificate is valid, in seconds since 1970.
    ///
    /// # Errors
    /// The certificate cannot be parsed.
    pub fn validity(&self) -> Result<Range<u64>, Error> {
        validity(self.certificate())
    }

    /// Whether each certificate of the chain, which came from `path`, is valid now.
    pub(super) fn check_dates(&self, path: &Path) -> Result<(), Error> {
        let now = UnixTime::now().as_secs();
        let bad = |reason: String| Err(Error::Pem { path: path.to_owned(), reason });
        for certificate in &self.key.cert {
            let Range { start, end } = validity(certificate)?;
            if now >= end {
                return bad(format!("the certificate expired on {}: renew it", date(end)));
            }
            if now < start {
                return bad(format!("the certificate is not valid before {}: is the clock right?", date(start)));
            }
        }
        Ok(())
    }
}

/// The dates of a certificate, as a verifier tells them that is asked about long ago and about times far off: it looks at them before
/// it looks for whom it trusts, which here is only to be somebody.
fn validity(certificate: &CertificateDer<'static>) -> Result<Range<u64>, Error> {
    const FAR: u64 = 1 << 40;
    let general = |error: &dyn fmt::Display| rustls::Error::General(error.to_string());
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone())?;
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider()).build().map_err(|error| general(&error))?;
    let name = ServerName::try_from("localhost").map_err(|error| general(&error))?;
    let judged = |at: u64| verifier.verify_server_cert(certificate, &[], &name, &[], UnixTime::since_unix_epoch(Duration::from_secs(at)));
    let start = match judged(0) {
        Err(rustls::Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => not_before.as_secs(),
        _ => 0,
    };
    let end = match judged(FAR) {
        Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => not_after.as_secs(),
        _ => FAR,
    };
    Ok(start..end)
}

fn date(seconds: u64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// The only provider, named wherever one is needed so that no process-wide default matters.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(crypto::ring::default_provider())
}
