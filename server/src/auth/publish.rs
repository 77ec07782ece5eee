//! Whether a request may publish.

use std::{fmt, net::IpAddr, sync::Arc};

use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use http::{HeaderMap, header};
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Hooks, Question, Secret};
use crate::{config::StreamConfig, http::StreamName};

/// Who may publish a stream for which no key is given in the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Programs on the same machine, and whoever has a key.
    #[default]
    Loopback,
    /// Who has a key.
    Key,
    /// Everybody.
    Anyone,
    /// Whom `on_publish` of `[hooks]` lets in; keys are its own.
    Hook,
}

/// The publish key of a stream as the configuration gives it, or several while one takes the place of another. It is shown nowhere.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct PublishKey(Vec<Digest>);

/// SHA-256 of a key.
type Digest = [u8; SHA256_OUTPUT_LEN];

#[derive(Deserialize)]
#[serde(untagged, expecting = "a publish key is a text, or a list of texts")]
enum Written {
    One(String),
    Several(Vec<String>),
}

impl TryFrom<Written> for PublishKey {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let keys = match written {
            Written::One(key) => vec![key],
            Written::Several(keys) => keys,
        };
        let digest = |key: String| {
            let key = Zeroizing::new(key);
            match key.strip_prefix(HASHED) {
                None => Ok(sha256(&key)),
                Some(digits) => HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(()),
            }
        };
        let digests: Result<Vec<Digest>, ()> = keys.into_iter().map(digest).collect();
        match digests {
            Ok(digests) if !digests.is_empty() => Ok(Self(digests)),
            _ => Err("a publish key is a text, a digest as sha256: and 64 hexadecimal digits, or a list of these"),
        }
    }
}

impl PublishKey {
    /// Whether `given` is it. Digests are compared, so that time tells nothing of it.
    pub fn is(&self, given: &str) -> bool {
        self.0.contains(&sha256(given))
    }

    /// What stands in a configuration for `key`, so that who reads it there cannot publish. It hides only what nobody can guess.
    pub fn hashed(key: &str) -> String {
        format!("{HASHED}{}", HEXLOWER.encode(&sha256(key)))
    }
}

/// What a digest begins with, where a key could stand.
const HASHED: &str = "sha256:";

fn sha256(key: &str) -> Digest {
    digest(&SHA256, key.as_bytes()).as_ref().try_into().unwrap_or_default()
}

impl fmt::Debug for PublishKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublishKey")
    }
}

/// What a request tells of who sends it.
#[derive(Clone)]
pub struct Credentials {
    key: Option<Zeroizing<String>>,
    peer: Option<IpAddr>,
    local: bool,
}

impl Credentials {
    /// Of a request from `peer` with these `fields` and, perhaps, a key in its path. The key is looked for in the path, then in
    /// `Authorization`: a Bearer token, or the password of Basic, whoever it is of.
    pub fn of(peer: Option<IpAddr>, fields: &HeaderMap, in_path: Option<&str>) -> Self {
        // A proxy on this machine speaks for others.
        let forwarded = ["forwarded", "x-forwarded-for", "via"].iter().any(|name| fields.contains_key(*name));
        let local = peer.is_some_and(|address| address.to_canonical().is_loopback()) && !forwarded;
        let told = || fields.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(authorization);
        Self { key: in_path.map(|key| Zeroizing::new(key.to_owned())).or_else(told), peer, local }
    }

    /// The same of whom it is not known that it is on this machine, wherever it comes from.
    #[must_use]
    pub fn of_anybody(self) -> Self {
        Self { local: false, ..self }
    }

    /// Whether there is a key, right or wrong.
    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }
}

/// The key in an `Authorization` field (RFC 9110 11.6.2, RFC 6750 2.1, RFC 7617 2).
fn authorization(field: &str) -> Option<Zeroizing<String>> {
    let (scheme, rest) = field.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Zeroizing::new(rest.to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = Zeroizing::new(String::from_utf8(BASE64.decode(rest.as_bytes()).ok()?).ok()?);
    pair.split_once(':').map(|(_, password)| Zeroizing::new(password.to_owned()))
}

/// Decides who may publish.
#[derive(Debug)]
pub struct Gate {
    secret: Secret,
    hooks: Option<Arc<Hooks>>,
}

/// What becomes of who asks to publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Admitted,
    /// It may not.
    Refused,
    /// Who decides does not answer.
    Unanswered,
}

impl Gate {
    /// Takes keys made from `secret`.
    pub fn new(secret: Secret) -> Self {
        Self { secret, hooks: None }
    }

    /// The same, that asks `hooks` where the configuration says so.
    #[must_use]
    pub fn with_hooks(mut self, hooks: Arc<Hooks>) -> Self {
        self.hooks = Some(hooks);
        self
    }

    /// The key with which the stream `name` may be published: the one that `reelway token publish` makes.
    pub fn key(&self, name: &StreamName) -> String {
        self.secret.publish_key(name.as_str())
    }

    /// Whether who has `credentials` may publish the stream `name`, which is to be as `config` says.
    pub async fn decide(&self, name: &str, config: &StreamConfig, credentials: &Credentials) -> Verdict {
        let admitted = if config.publish == Access::Hook {
            let path = format!("/live/{name}/");
            let credential = credentials.key.as_ref().map(|key| key.as_str());
            let question = Question { event: "publish", path: &path, credential, address: credentials.peer };
            match &self.hooks {
                Some(hooks) => hooks.ask(question).await,
                None => None,
            }
        } else {
            Some(self.admits(name, config.key.as_ref(), config.publish, credentials))
        };
        match admitted {
            Some(true) => Verdict::Admitted,
            Some(false) => Verdict::Refused,
            None => Verdict::Unanswered,
        }
    }

    /// Whether who has `credentials` may publish the stream `name`, whose configuration has this `key` and this `access`. A key, where
    /// the configuration has one, is asked of everybody.
    fn admits(&self, name: &str, key: Option<&PublishKey>, access: Access, credentials: &Credentials) -> bool {
        if let Some(given) = &credentials.key {
            let configured = key.is_some_and(|key| key.is(given));
            if configured || self.secret.is_publish_key(name, given) {
                return true;
            }
        }
        match access {
            Access::Anyone => key.is_none(),
            Access::Loopback => key.is_none() && credentials.local,
            Access::Key | Access::Hook => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn who_may_publish() {
        let folder = tempfile::tempdir().unwrap();
        let secret = Secret::of(folder.path()).unwrap();
        let made = secret.publish_key("news");
        let gate = Gate::new(secret);
        let (here, there) = ("127.0.0.1", "192.0.2.1");
        let bearer = format!("Bearer {made}");
        let basic = format!("basic {}", BASE64.encode(format!("me:{made}").as_bytes()));
        let key = |written| PublishKey::try_from(written).unwrap();
        let configured = key(Written::One("hush".into()));
        let hashed = key(Written::One(PublishKey::hashed("hush")));
        let several = key(Written::Several(vec!["old".into(), PublishKey::hashed("hush")]));
        let none: &[(&str, &str)] = &[];
        for (peer, fields, in_path, key, access, admitted, why) in [
            (here, none, None, None, Access::Loopback, true, "this machine"),
            (there, none, None, None, Access::Loopback, false, "another machine"),
            (here, &[("x-forwarded-for", "192.0.2.1")], None, None, Access::Loopback, false, "through a proxy"),
            (here, none, None, None, Access::Key, false, "a key is demanded"),
            (there, none, None, None, Access::Anyone, true, "open"),
            (there, none, Some(made.as_str()), None, Access::Loopback, true, "a made key in the path"),
            (there, &[("authorization", bearer.as_str())], None, None, Access::Key, true, "in a Bearer token"),
            (there, &[("authorization", basic.as_str())], None, None, Access::Key, true, "as a password"),
            (there, &[("authorization", "Bearer hush")], None, Some(&configured), Access::Loopback, true, "a configured key"),
            (there, none, Some("hush"), Some(&hashed), Access::Loopback, true, "a configured digest"),
            (there, none, Some(PublishKey::hashed("hush").leak()), Some(&hashed), Access::Loopback, false, "a digest is no key"),
            (there, none, Some("hush"), Some(&several), Access::Loopback, true, "one of several keys"),
            (there, none, Some("old"), Some(&several), Access::Loopback, true, "the other"),
            (there, none, Some("older"), Some(&several), Access::Loopback, false, "none of them"),
            (there, &[("authorization", "Digest hush")], None, Some(&configured), Access::Loopback, false, "another scheme"),
            (here, none, None, Some(&configured), Access::Loopback, false, "a configured key is asked of everybody"),
            (there, none, None, Some(&configured), Access::Anyone, false, "also where all else is open"),
            (there, none, Some("hush!"), Some(&configured), Access::Loopback, false, "a wrong key"),
            (there, none, Some(""), Some(&configured), Access::Loopback, false, "an empty key"),
        ] {
            let fields = fields
                .iter()
                .map(|(name, value)| (header::HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap()));
            let credentials = Credentials::of(peer.parse().ok(), &fields.collect(), in_path);
            assert_eq!(gate.admits("news", key, access, &credentials), admitted, "{why}");
        }
        assert_eq!(format!("{configured:?}"), "PublishKey");
        for written in [Written::One("sha256:hush".into()), Written::Several(Vec::new())] {
            assert!(PublishKey::try_from(written).is_err());
        }
    }
}
