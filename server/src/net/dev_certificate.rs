//! The certificate for a machine that has none: good for development, for tests, and for WebTransport by hash.

use std::{
    fs, io,
    net::{Ipv4Addr, Ipv6Addr},
    path::Path,
    time::Duration,
};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    pki_types::{ServerName, UnixTime},
};
use time::OffsetDateTime;

use super::{Error, Identity, tls::provider};
use crate::storage::{Readers, replace};

/// Browsers take a certificate by its hash only when it is ECDSA and lives no longer than two weeks (W3C WebTransport, section
/// "custom certificate requirements"); the hour before now is for clocks that are a little behind.
const LIFETIME: time::Duration = time::Duration::days(13);
const CLOCK_SKEW: time::Duration = time::Duration::hours(1);

/// A certificate with less time left than this is made anew at the start.
const TIME_LEFT: Duration = Duration::from_hours(24);

impl Identity {
    /// The certificate of this machine for `localhost`, `127.0.0.1` and `::1`: `DATA/tls/dev-cert.pem` and `dev-key.pem`. It is made
    /// when there is none, and made anew when a client that trusts it would refuse it a day from now. The key file is readable by
    /// its owner only.
    ///
    /// A running server keeps the one it has: after 13 days it wants a restart.
    ///
    /// # Errors
    /// The folder or the files cannot be read or written.
    pub fn development(data: &Path) -> Result<Self, Error> {
        let folder = data.join("tls");
        let (chain, key) = (folder.join("dev-cert.pem"), folder.join("dev-key.pem"));
        match Self::from_pem_files(&chain, &key) {
            Ok(identity) if identity.serves_localhost_for(TIME_LEFT) => return Ok(identity),
            // One that is damaged, too old, or half replaced by a run that was killed is worth nothing: make another.
            Ok(_) | Err(Error::Pem { .. } | Error::Tls(_)) => {}
            Err(Error::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        fs::create_dir_all(&folder).map_err(|source| Error::File { path: folder, source })?;
        let (certificate, secret) = make(OffsetDateTime::now_utc())?;
        for (path, text, readers) in [(&key, secret, Readers::Owner), (&chain, certificate, Readers::All)] {
            replace(path, text.as_bytes(), readers).map_err(|source| Error::File { path: path.clone(), source })?;
        }
        Self::from_pem_files(&chain, &key)
    }

    /// A client that trusts this very certificate would accept it for localhost now and after `time`.
    fn serves_localhost_for(&self, time: Duration) -> bool {
        let mut roots = RootCertStore::empty();
        let (Ok(()), Ok(name)) = (roots.add(self.certificate().clone()), ServerName::try_from("localhost")) else { return false };
        let Ok(verifier) = WebPkiServerVerifier::builder_with_provider(roots.into(), provider()).build() else { return false };
        let now = Duration::from_secs(UnixTime::now().as_secs());
        [now, now + time]
            .into_iter()
            .all(|moment| verifier.verify_server_cert(self.certificate(), &[], &name, &[], UnixTime::since_unix_epoch(moment)).is_ok())
    }
}

/// A certificate that begins to be valid about now, and its key, both PEM.
fn make(now: OffsetDateTime) -> Result<(String, String), Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Reelway development");
    params.subject_alt_names = vec![
        SanType::DnsName("localhost".try_into()?),
        SanType::IpAddress(Ipv4Addr::LOCALHOST.into()),
        SanType::IpAddress(Ipv6Addr::LOCALHOST.into()),
    ];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = now - CLOCK_SKEW;
    params.not_after = now - CLOCK_SKEW + LIFETIME;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept_while_good_and_replaced_when_old_damaged_or_torn() {
        let data = std::env::temp_dir().join(format!("reelway-dev-certificate-{}", std::process::id()));
        let first = Identity::development(&data).unwrap();
        let again = Identity::development(&data).unwrap();
        assert_eq!(first.certificate_sha256(), again.certificate_sha256());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(data.join("tls/dev-key.pem")).unwrap().permissions().mode() & 0o777, 0o600);
        }

        let (old, old_key) = make(OffsetDateTime::now_utc() - time::Duration::days(12)).unwrap();
        for (certificate, key) in [(old.as_str(), Some(old_key.as_str())), ("no pem", None), (old.as_str(), None)] {
            let before = Identity::development(&data).unwrap().certificate_sha256();
            fs::write(data.join("tls/dev-cert.pem"), certificate).unwrap();
            if let Some(key) = key {
                fs::write(data.join("tls/dev-key.pem"), key).unwrap();
            }
            let made = Identity::development(&data).unwrap();
            assert!(made.serves_localhost_for(TIME_LEFT) && made.certificate_sha256() != before);
            assert!(!made.serves_localhost_for(Duration::from_hours(24 * 14)), "browsers refuse hashes of certificates older than 14 days");
        }
        fs::remove_dir_all(&data).unwrap();
    }
}
