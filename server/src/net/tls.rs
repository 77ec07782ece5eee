//! TLS: one certificate for TCP and QUIC, one provider (ring).

use std::{fs, path::Path, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use quinn::crypto::rustls::QuicServerConfig;
use ring::digest::{SHA256, digest};
use rustls::{
    ServerConfig,
    crypto::{self, CryptoProvider},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
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
        let key = PrivateKeyDer::from_pem_slice(&pem(key)?).map_err(|error| bad(key, format!("holds no private key: {error}")))?;
        Self::new(certificates, key)
    }

    pub(super) fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, Error> {
        Ok(Self { key: Arc::new(CertifiedKey::from_der(chain, key, &provider())?) })
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

    /// For TCP: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
    pub(super) fn tcp(&self) -> Result<Arc<ServerConfig>, Error> {
        let mut config = self.config(rustls::ALL_VERSIONS)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = crypto::ring::Ticketer::new()?;
        Ok(Arc::new(config))
    }

    /// For QUIC: TLS 1.3 only (RFC 9001 section 4.2), HTTP/3. `max_early_data_size` stays 0: h3 cannot tell a handler that a request
    /// came as 0-RTT data, which anybody may replay.
    pub(super) fn quic(&self) -> Result<Arc<QuicServerConfig>, Error> {
        let mut config = self.config(&[&rustls::version::TLS13])?;
        config.alpn_protocols = vec![b"h3".to_vec()];
        let config = QuicServerConfig::try_from(config)
            .map_err(|_| rustls::Error::General("the provider has no TLS13_AES_128_GCM_SHA256, which QUIC needs".to_owned()))?;
        Ok(Arc::new(config))
    }

    fn config(&self, versions: &[&'static rustls::SupportedProtocolVersion]) -> Result<ServerConfig, Error> {
        let resolver = rustls::sign::SingleCertAndKey::from(Arc::clone(&self.key));
        let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions)?;
        Ok(builder.with_no_client_auth().with_cert_resolver(Arc::new(resolver)))
    }
}

/// The only provider, named wherever one is needed so that no process-wide default matters.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(crypto::ring::default_provider())
}
