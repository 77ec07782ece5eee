//! Certificates from an authority, by ACME (RFC 8555): obtained when there are none, and again in time.
//!
//! ```text
//! DATA/acme/AUTHORITY/account.json    who we are there, with the key of the account
//!                     NAME.pem        chain and key of a name
//! ```
//!
//! A name is shown to be ours over TLS on port 443 (TLS-ALPN-01), and if that cannot be seen, over HTTP on port 80 (HTTP-01). What is
//! written here is in use a second later: [`Certificates`] look for it.

mod http;
mod order;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ::http::{Uri, uri::Scheme};
use anyhow::{Context, bail};
use instant_acme::{Account, AccountCredentials, ChallengeType, LetsEncrypt, NewAccount};
use rustls::pki_types::DnsName;
use tokio::{sync::Mutex, task::JoinSet, time::sleep};

use crate::{
    net::{
        Certificates, Challenges, Identity,
        client::{Client, Version},
    },
    storage::{Readers, replace},
};
use http::Http;
use order::Outcome;

/// Where certificates come from unless another directory is named.
pub const LETS_ENCRYPT: &str = LetsEncrypt::Production.url();

/// Time to wait after so many failures in a row; the last of them from then on. Authorities count failures and shut out who has many.
const AGAIN: [Duration; 4] = [Duration::from_mins(1), Duration::from_mins(10), Duration::from_hours(1), Duration::from_hours(6)];

/// The longest that the clock of the machine is not looked at.
const LOOK: Duration = Duration::from_hours(1);

/// What an operator asks for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The names that are served, each with a certificate of its own.
    pub names: Vec<String>,
    /// The URL of the authority's directory.
    pub directory: Uri,
    /// Where the authority may tell of trouble.
    pub email: Option<String>,
    /// PEM of who vouches for the directory itself, when the system does not know them.
    pub trusted: Option<PathBuf>,
}

/// A name that one may have a certificate for, as it is written in one. For clap.
pub fn parse_name(text: &str) -> Result<String, String> {
    let name = text.trim_end_matches('.').to_ascii_lowercase();
    match DnsName::try_from(name.as_str()) {
        Ok(_) if !name.starts_with('*') => Ok(name),
        _ => Err("this is no name of a host, such as video.example.com".to_owned()),
    }
}

/// The URL of a directory. For clap.
pub fn parse_directory(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
    if uri.scheme() == Some(&Scheme::HTTPS) { Ok(uri) } else { Err("RFC 8555 section 6.1 wants an https URL".to_owned()) }
}

/// Keeps certificates for the names.
pub struct Acme {
    options: Options,
    folder: PathBuf,
    challenges: Challenges,
    /// Held while a certificate is ordered: one after the other.
    account: Mutex<Option<Account>>,
}

impl Acme {
    /// With what is below `data` already.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(data: &Path, options: Options) -> anyhow::Result<Self> {
        let authority = options.directory.authority().map_or("", |authority| authority.as_str());
        let folder = data.join("acme").join(authority);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self { options, folder, challenges: Challenges::default(), account: Mutex::default() })
    }

    /// The certificates as they come, and `meanwhile` until then.
    ///
    /// # Errors
    /// None that depends on what is in the folder.
    pub fn certificates(&self, meanwhile: Identity) -> Result<Certificates, crate::net::Error> {
        let files = self.options.names.iter().map(|name| self.file(name)).collect();
        Certificates::expected(files, meanwhile, self.challenges.clone())
    }

    /// What is to be answered to the authority over HTTP.
    pub fn challenges(&self) -> Challenges {
        self.challenges.clone()
    }

    /// Obtains what is missing and renews what is old, for as long as it is polled.
    pub async fn keep(self) {
        let acme = Arc::new(self);
        let mut names = JoinSet::new();
        for name in acme.options.names.clone() {
            let acme = Arc::clone(&acme);
            names.spawn(async move { acme.keep_one(&name).await });
        }
        names.join_all().await;
    }

    async fn keep_one(&self, name: &str) {
        let mut failures = 0;
        loop {
            let rest = self.rest(name);
            if !rest.is_zero() {
                sleep(rest.min(LOOK)).await;
                continue;
            }
            match self.obtain(name).await {
                Ok(()) => {
                    failures = 0;
                    tracing::info!(name, "a certificate has been obtained");
                }
                Err(error) => {
                    let again = AGAIN[failures.min(AGAIN.len() - 1)];
                    failures += 1;
                    tracing::error!(name, "no certificate can be obtained, next try in {again:?}: {error:#}");
                    sleep(again).await;
                }
            }
        }
    }

    /// How long the certificate of `name` is good enough; not at all if there is none.
    fn rest(&self, name: &str) -> Duration {
        let file = self.file(name);
        let validity = Identity::from_pem_files(&file, &file).and_then(|identity| identity.validity());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // The last third of its time is for trying.
        validity.map_or(Duration::ZERO, |validity| {
            let due = validity.end - (validity.end.saturating_sub(validity.start)) / 3;
            Duration::from_secs(due).saturating_sub(now)
        })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.pem"))
    }

    async fn obtain(&self, name: &str) -> anyhow::Result<()> {
        let mut account = self.account.lock().await;
        let account = match &mut *account {
            Some(account) => account,
            none => none.insert(self.account().await.with_context(|| format!("the account at {}", self.options.directory))?),
        };
        let mut refusals = Vec::new();
        for (kind, port) in [(ChallengeType::TlsAlpn01, "port 443 (TLS)"), (ChallengeType::Http01, "port 80 (HTTP)")] {
            match order::order(account, name, kind, &self.challenges).await? {
                Outcome::Issued(pem) => {
                    let file = self.file(name);
                    return replace(&file, pem.as_bytes(), Readers::Owner).with_context(|| format!("cannot write {}", file.display()));
                }
                Outcome::Refused(reason) => refusals.push(format!("by {port}: {reason}")),
            }
        }
        bail!("the authority does not see that {name} is this server; {}", refusals.join("; "))
    }

    /// The account that is kept, or a new one. Who asks for it agrees to the terms of the authority.
    async fn account(&self) -> anyhow::Result<Account> {
        let client = Client::new(Version::Any, self.options.trusted.as_deref())?;
        let builder = Account::builder_with_http(Box::new(Http::new(client)));
        let file = self.folder.join("account.json");
        match fs::read(&file) {
            Ok(text) => {
                let credentials: AccountCredentials = serde_json::from_slice(&text)
                    .map_err(|error| io::Error::other(format!("line {}, column {}", error.line(), error.column())))
                    .with_context(|| format!("{} is no account: mend or remove it", file.display()))?;
                Ok(builder.from_credentials(credentials).await?)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let contact = self.options.email.as_ref().map(|email| format!("mailto:{email}"));
                let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
                let asked = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
                let (account, credentials) = builder.create(&asked, self.options.directory.to_string(), None).await?;
                let text = serde_json::to_vec(&credentials)?;
                replace(&file, &text, Readers::Owner).with_context(|| format!("cannot write {}", file.display()))?;
                Ok(account)
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use time::OffsetDateTime;

    use super::*;

    #[test]
    fn names_and_directories() {
        for (text, name) in [
            ("a.example", Some("a.example")),
            ("A.Example.", Some("a.example")),
            ("*.example", None),
            ("a b", None),
            ("../a", None),
            ("", None),
        ] {
            assert_eq!(parse_name(text).ok().as_deref(), name, "{text}");
        }
        assert!(parse_directory(LETS_ENCRYPT).is_ok());
        for text in ["http://a.example/dir", "a.example", "/dir", "https://"] {
            assert!(parse_directory(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_last_third_of_its_time_is_for_renewal() {
        let data = tempfile::tempdir().unwrap();
        let options = Options {
            names: vec!["a.example".to_owned()],
            directory: Uri::from_static("https://ca.example/dir"),
            email: None,
            trusted: None,
        };
        let acme = Acme::open(data.path(), options).unwrap();
        assert_eq!(acme.rest("a.example"), Duration::ZERO, "there is none");
        let now = OffsetDateTime::now_utc();
        let day = |days: i64| now + time::Duration::days(days);
        // From, until, and the days until it is due.
        for (from, until, due) in [(-1, 89, Some(59)), (-59, 31, Some(1)), (-61, 29, None), (-91, -1, None), (-1, 5, Some(3))] {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
            (params.not_before, params.not_after) = (day(from), day(until));
            let pem = params.self_signed(&key).unwrap().pem() + &key.serialize_pem();
            fs::write(acme.file("a.example"), pem).unwrap();
            let rest = acme.rest("a.example");
            let days = due.map_or(0, |days: u64| days * 86_400);
            assert!(rest.as_secs().abs_diff(days) < 60, "{from} to {until}: {rest:?}");
        }
        assert!(acme.folder.ends_with("acme/ca.example"));
    }
}
