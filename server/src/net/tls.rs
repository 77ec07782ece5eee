//! A certificate with its key; one provider of cryptography (ring).

use std::{
    fs,
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

    /// Whether each certificate of the chain, which came from `path`, is valid now.
    pub(super) fn check_dates(&self, path: &Path) -> Result<(), Error> {
        let now = UnixTime::now();
        let bad = |reason: String| Err(Error::Pem { path: path.to_owned(), reason });
        for certificate in &self.key.cert {
            // A verifier looks at the dates before it looks for whom it trusts, which here is only to be somebody.
            let mut roots = RootCertStore::empty();
            roots.add(certificate.clone())?;
            let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider()).build();
            let verifier = verifier.map_err(|error| rustls::Error::General(error.to_string()))?;
            let name = ServerName::try_from("localhost").map_err(|error| rustls::Error::General(error.to_string()))?;
            match verifier.verify_server_cert(certificate, &[], &name, &[], now) {
                Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
                    return bad(format!("the certificate expired on {}: renew it", date(not_after)));
                }
                Err(rustls::Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
                    return bad(format!("the certificate is not valid before {}: is the clock right?", date(not_before)));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn date(time: UnixTime) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(time.as_secs()))
}

/// The only provider, named wherever one is needed so that no process-wide default matters.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(crypto::ring::default_provider())
}
