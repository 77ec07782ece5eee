//! The certificates of a server: chosen by the name that a client asks for, exchanged while it serves.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::SystemTime,
};

use quinn::crypto::rustls::QuicServerConfig;
use rustls::{
    ServerConfig,
    client::verify_server_name,
    crypto,
    pki_types::ServerName,
    server::{ClientHello, ParsedCertificate, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::{
    Challenges, Error, Identity,
    challenges::{ACME_TLS, is_challenge},
    tls::provider,
};

/// Files that hold a certificate chain and its key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PemFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// The private key of the first certificate.
    pub key: PathBuf,
}

/// One or several certificates for TCP and QUIC. A client gets the first one that is good for the name it asks for (SNI, RFC 6066
/// section 3), and the first of all when none is, so that it can tell its user what is wrong.
#[derive(Clone, Debug)]
pub struct Certificates(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    source: Source,
    serving: RwLock<Vec<Identity>>,
    /// What was there when it was last read, and whether that was good.
    seen: Mutex<Vec<Stamp>>,
    challenges: Option<Challenges>,
}

#[derive(Debug)]
enum Source {
    Given,
    Files(Vec<PemFiles>),
    Folder(PathBuf),
    /// Each holds a chain and its key, when it has come; until then there is another.
    Expected(Vec<PathBuf>, Identity),
}

/// Tells whether a file was replaced or written anew.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp(PathBuf, Option<(SystemTime, u64, u64)>);

impl From<Identity> for Certificates {
    /// One that stays as it is.
    fn from(identity: Identity) -> Self {
        let serving = RwLock::new(vec![identity]);
        Self(Arc::new(Shared { source: Source::Given, serving, seen: Mutex::default(), challenges: None }))
    }
}

impl Certificates {
    /// Reads the pairs, of which there is one at least.
    ///
    /// # Errors
    /// The first file that cannot be read, is no PEM, has expired, or does not fit to the other of its pair.
    pub fn from_files(files: Vec<PemFiles>) -> Result<Self, Error> {
        Self::open(Source::Files(files), None)
    }

    /// Reads all pairs of a folder: `NAME.crt` or `NAME.pem` beside `NAME.key`, and `fullchain.pem` beside `privkey.pem` in folders
    /// within, as ACME clients keep them. In the order of their names.
    ///
    /// # Errors
    /// As [`from_files`](Self::from_files), or there is none.
    pub fn from_folder(folder: &Path) -> Result<Self, Error> {
        Self::open(Source::Folder(folder.to_owned()), None)
    }

    /// Those that an authority gives while the server runs: each of `files` holds a chain and its key, once it has come. What is not
    /// there or of no use is left out, and as long as that is all of them, there is `meanwhile`. `challenges` are answered over TLS.
    pub fn expected(files: Vec<PathBuf>, meanwhile: Identity, challenges: Challenges) -> Result<Self, Error> {
        Self::open(Source::Expected(files, meanwhile), Some(challenges))
    }

    fn open(source: Source, challenges: Option<Challenges>) -> Result<Self, Error> {
        let files = source.files()?;
        let seen = stamps(&files);
        let identities = source.read(&files)?;
        Ok(Self(Arc::new(Shared { source, serving: RwLock::new(identities), seen: Mutex::new(seen), challenges })))
    }

    /// Reads the files again if they have changed, or in any case if `always`. New connections get the new certificates; those there
    /// are go on. True when there are new ones.
    ///
    /// # Errors
    /// What was read is not usable, and the old certificates go on to be used. It is told once for every change of the files.
    pub fn reload(&self, always: bool) -> Result<bool, Error> {
        let files = self.0.source.files()?;
        let stamps = stamps(&files);
        {
            let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if files.is_empty() || (*seen == stamps && !always) {
                return Ok(false);
            }
            *seen = stamps;
        }
        let identities = self.0.source.read(&files)?;
        *self.0.serving.write().unwrap_or_else(PoisonError::into_inner) = identities;
        Ok(true)
    }

    /// The certificate for clients that ask for none of the names.
    pub fn first(&self) -> Identity {
        self.serving(|identities| identities[0].clone()) // never empty: neither constructor allows that
    }

    /// For TCP: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
    pub(crate) fn tcp(&self) -> Result<Arc<ServerConfig>, Error> {
        let mut config = self.config(rustls::ALL_VERSIONS)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        if self.0.challenges.is_some() {
            config.alpn_protocols.push(ACME_TLS.to_vec());
        }
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
        let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions)?;
        Ok(builder.with_no_client_auth().with_cert_resolver(Arc::new(self.clone())))
    }

    fn serving<R>(&self, with: impl FnOnce(&[Identity]) -> R) -> R {
        with(&self.0.serving.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(challenges) = &self.0.challenges
            && is_challenge(&client)
        {
            return challenges.certificate(client.server_name()?);
        }
        let name = client.server_name().and_then(|name| ServerName::try_from(name.to_owned()).ok());
        self.serving(|identities| {
            let asked = name.and_then(|name| identities.iter().find(|identity| is_good_for(identity, &name)));
            asked.or(identities.first()).map(Identity::certified_key)
        })
    }
}

/// The certificate names it, a wildcard included (RFC 9525).
fn is_good_for(identity: &Identity, name: &ServerName<'_>) -> bool {
    ParsedCertificate::try_from(identity.certificate()).is_ok_and(|certificate| verify_server_name(&certificate, name).is_ok())
}

impl Source {
    /// The files that there are by now.
    fn files(&self) -> Result<Vec<PemFiles>, Error> {
        match self {
            Self::Given => Ok(Vec::new()),
            Self::Files(files) => Ok(files.clone()),
            Self::Folder(folder) => {
                let mut files = pairs(folder).map_err(|source| Error::File { path: folder.clone(), source })?;
                files.sort();
                if files.is_empty() {
                    let reason = "holds no certificate with its key: NAME.crt and NAME.key, or NAME/fullchain.pem and NAME/privkey.pem";
                    return Err(Error::Pem { path: folder.clone(), reason: reason.to_owned() });
                }
                Ok(files)
            }
            Self::Expected(files, _) => Ok(files.iter().map(|file| PemFiles { certificate: file.clone(), key: file.clone() }).collect()),
        }
    }

    /// What is in the files.
    fn read(&self, files: &[PemFiles]) -> Result<Vec<Identity>, Error> {
        let Self::Expected(_, meanwhile) = self else { return files.iter().map(read).collect() };
        let mut come: Vec<Identity> = files.iter().filter_map(|files| read(files).ok()).collect();
        if come.is_empty() {
            come.push(meanwhile.clone());
        }
        Ok(come)
    }
}

fn pairs(folder: &Path) -> io::Result<Vec<PemFiles>> {
    let mut pairs = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let pair = if path.is_dir() {
            PemFiles { certificate: path.join("fullchain.pem"), key: path.join("privkey.pem") }
        } else if path.extension().is_some_and(|extension| extension == "crt" || extension == "pem") {
            PemFiles { key: path.with_extension("key"), certificate: path }
        } else {
            continue;
        };
        if pair.certificate.is_file() && pair.key.is_file() {
            pairs.push(pair);
        }
    }
    Ok(pairs)
}

fn read(files: &PemFiles) -> Result<Identity, Error> {
    let identity = Identity::from_pem_files(&files.certificate, &files.key)?;
    identity.check_dates(&files.certificate)?;
    Ok(identity)
}

fn stamps(files: &[PemFiles]) -> Vec<Stamp> {
    let stamp = |path: &Path| {
        // Through symbolic links, which ACME clients and Kubernetes turn to a new file.
        let metadata = fs::metadata(path).ok();
        Stamp(path.to_owned(), metadata.and_then(|metadata| Some((metadata.modified().ok()?, metadata.len(), inode(&metadata)))))
    };
    files.iter().flat_map(|files| [stamp(&files.certificate), stamp(&files.key)]).collect()
}

fn inode(metadata: &fs::Metadata) -> u64 {
    #[cfg(unix)]
    return std::os::unix::fs::MetadataExt::ino(metadata);
    #[cfg(not(unix))]
    {
        let _ = metadata;
        0
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use time::{Duration, OffsetDateTime};

    use super::*;

    /// Writes a pair for `names`, and gives its files.
    fn write(folder: &Path, name: &str, names: &[&str], expires: OffsetDateTime) -> PemFiles {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        params.not_before = expires - Duration::days(30);
        params.not_after = expires;
        let files = PemFiles { certificate: folder.join(format!("{name}.crt")), key: folder.join(format!("{name}.key")) };
        fs::write(&files.certificate, params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    fn soon() -> OffsetDateTime {
        OffsetDateTime::now_utc() + Duration::days(1)
    }

    #[test]
    fn each_name_has_its_certificate() {
        let folder = tempfile::tempdir().unwrap();
        for (file, names) in [("a", &["a.example", "www.a.example"][..]), ("b", &["*.b.example"])] {
            write(folder.path(), file, names, soon());
        }
        fs::write(folder.path().join("readme.txt"), "").unwrap();
        let certificates = Certificates::from_folder(folder.path()).unwrap();
        let chosen = |name: &str| {
            let name = ServerName::try_from(name.to_owned()).unwrap();
            certificates.serving(|identities| identities.iter().position(|identity| is_good_for(identity, &name)))
        };
        let names = ["a.example", "www.a.example", "x.b.example", "b.example", "c.example"];
        assert_eq!(names.map(chosen), [Some(0), Some(0), Some(1), None, None]);
    }

    #[test]
    fn files_that_are_replaced_are_read_again_and_bad_ones_are_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let files = write(folder.path(), "a", &["a.example"], soon());
        let certificates = Certificates::from_files(vec![files.clone()]).unwrap();
        let first = certificates.first().certificate_sha256();
        assert!(!certificates.reload(false).unwrap());

        // Half of a new pair: the old one goes on.
        let other = write(folder.path(), "b", &["a.example"], soon());
        fs::rename(&other.key, &files.key).unwrap();
        assert!(certificates.reload(false).is_err());
        assert!(!certificates.reload(false).unwrap(), "told once");
        assert_eq!(certificates.first().certificate_sha256(), first);
        fs::rename(&other.certificate, &files.certificate).unwrap();
        assert!(certificates.reload(false).unwrap());
        assert_ne!(certificates.first().certificate_sha256(), first);
        assert!(certificates.reload(true).unwrap());
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let good = write(folder.path(), "good", &["a.example"], soon());
        let other = write(folder.path(), "other", &["a.example"], soon());
        let old = write(folder.path(), "old", &["a.example"], OffsetDateTime::now_utc() - Duration::days(1));
        let early = write(folder.path(), "early", &["a.example"], OffsetDateTime::now_utc() + Duration::days(40));
        let text = folder.path().join("text.pem");
        fs::write(&text, "-----BEGIN NONSENSE-----\n").unwrap();
        let missing = folder.path().join("missing.pem");
        for (certificate, key, named, says) in [
            (&good.certificate, &other.key, &other.key, "good.crt"),
            (&good.key, &good.key, &good.key, "holds no certificate"),
            (&good.certificate, &good.certificate, &good.certificate, "holds no private key"),
            (&text, &good.key, &text, "no PEM"),
            (&missing, &good.key, &missing, "No such file"),
            (&old.certificate, &old.key, &old.certificate, "expired on"),
            (&early.certificate, &early.key, &early.certificate, "not valid before"),
        ] {
            let files = PemFiles { certificate: certificate.clone(), key: key.clone() };
            let error = Certificates::from_files(vec![files]).unwrap_err().to_string();
            assert!(error.starts_with(&named.display().to_string()) && error.contains(says), "{error}");
        }
        let empty = tempfile::tempdir().unwrap();
        assert!(Certificates::from_folder(empty.path()).unwrap_err().to_string().contains("holds no certificate with its key"));
    }
}
