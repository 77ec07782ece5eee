//! Whose certificates a client takes.

use std::{fs, path::Path};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::net::{Error, tls::provider};

/// TLS that trusts the authorities of the system, and the certificates in the PEM file at `trusted`.
pub(super) fn config(trusted: Option<&Path>) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    // Where the system has none that can be read, the file has to do.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = trusted {
        let pem = fs::read(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
        let bad = |reason: String| Error::Pem { path: path.to_owned(), reason };
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let certificates = certificates.map_err(|error| bad(format!("is no PEM file: {error}")))?;
        if certificates.is_empty() {
            return Err(bad("holds no certificate".to_owned()));
        }
        for certificate in certificates {
            roots.add(certificate)?;
        }
    }
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
