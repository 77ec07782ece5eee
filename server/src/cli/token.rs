//! `reelway token`.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use data_encoding::BASE64URL_NOPAD;
use reelway_core::time::Date;
use ring::{
    rand::{SecureRandom, SystemRandom},
    signature::{Ed25519KeyPair, KeyPair},
};
use serde_json::Value;

use crate::{
    auth::{Claims, KeyRing, OWN, PublishKey, Refused, Secret, parts},
    config::Config,
    duration::parse_duration,
    http::{LivePart, Resource, StreamName, VodPart},
};

/// Arguments of `reelway token`.
#[derive(Debug, Args)]
pub struct Token {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// Make the key to publish a live stream with. It holds as long as the secret in the data folder is there
    Publish {
        /// The stream
        #[arg(value_parser = stream_name)]
        name: StreamName,
        /// The data folder of the server
        #[arg(long, value_name = "DIR", default_value = "reelway-data")]
        data: PathBuf,
        /// Make a key that is random instead, and the line of the configuration that takes it, which does not tell it
        #[arg(long)]
        hashed: bool,
    },
    /// Make a signed URL to play something that is not open to everybody
    Play(Play),
    /// Make a token to bring files with, where the configuration says so
    Upload {
        /// Whose the files are
        owner: String,
        /// How long it holds
        #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_duration)]
        expires: Duration,
        #[command(flatten)]
        keys: Keys,
    },
    /// Tell what a token says, and whether this server takes it
    Explain {
        /// The token, or a path that begins with /t/TOKEN
        token: String,
        #[command(flatten)]
        keys: Keys,
    },
    /// Make a key to sign tokens with, as the table of the configuration that holds it
    Key {
        /// What it is called
        id: String,
        /// A pair of keys: who has the public one alone verifies tokens and makes none
        #[arg(long)]
        ed25519: bool,
    },
}

#[derive(Debug, Args)]
struct Play {
    /// The path of its URL, such as /vod/film.mp4/master.m3u8; the token opens the whole presentation, or with a slash at the end all
    /// that is below
    path: String,
    /// Something else that the token opens: a path, or with a slash at the end all that is below
    #[arg(long, value_name = "PATH")]
    also: Vec<String>,
    /// How long the token holds
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_duration)]
    expires: Duration,
    /// After which time it begins to hold
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_duration)]
    begins: Duration,
    /// The only address that may use it
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// The key of the configuration to sign it with; without, the secret of the server
    #[arg(long, value_name = "ID", default_value = OWN, requires = "config")]
    key: String,
    #[command(flatten)]
    keys: Keys,
}

/// Where the keys of a server are.
#[derive(Debug, Args)]
struct Keys {
    /// The data folder of the server
    #[arg(long, value_name = "DIR", default_value = "reelway-data")]
    data: PathBuf,
    /// The configuration of the server
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Keys {
    fn read(&self, make: bool) -> anyhow::Result<KeyRing> {
        let config = self.config.as_deref().map(Config::read).transpose()?.unwrap_or_default();
        let secret = if make || self.data.is_dir() { Some(secret(&self.data)?) } else { None };
        KeyRing::new(secret.as_ref(), &config.tokens, None)
    }
}

impl Token {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.kind {
            Kind::Publish { hashed: true, .. } => {
                let key = random()?;
                println!("{key}\nkey = \"{}\"", PublishKey::hashed(&key));
            }
            Kind::Publish { name, data, .. } => println!("{}", secret(&data)?.publish_key(name.as_str())),
            Kind::Play(play) => println!("{}", play.url()?),
            Kind::Upload { owner, expires, keys } => println!("{}", upload(owner, expires, &keys.read(true)?)?),
            Kind::Explain { token, keys } => {
                let token = token.strip_prefix("/t/").and_then(|rest| rest.split('/').next()).unwrap_or(&token);
                print!("{}", explain(token, &keys.read(false)?)?);
            }
            Kind::Key { id, ed25519 } => print!("{}", key(&id, ed25519)?),
        }
        Ok(())
    }
}

impl Play {
    fn url(self) -> anyhow::Result<String> {
        let mut paths = vec![scope(&self.path)?];
        paths.extend(self.also);
        if let Some(path) = paths.iter().find(|path| !path.starts_with('/')) {
            bail!("{path}: a path begins with a slash");
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let begins = (!self.begins.is_zero()).then(|| (now + self.begins).as_secs());
        let claims = Claims { exp: (now + self.begins + self.expires).as_secs(), nbf: begins, paths, ip: self.ip, sub: None };
        let token = self.keys.read(true)?.sign(&self.key, &claims);
        let token = token.with_context(|| format!("there is no key {} to sign with: see [tokens.key.ID] in --config", self.key))?;
        Ok(format!("/t/{token}{}", self.path))
    }
}

fn upload(owner: String, expires: Duration, keys: &KeyRing) -> anyhow::Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let paths = ["/api/v1/uploads", "/upload/tus", "/upload/tus/"].map(ToOwned::to_owned).into();
    let claims = Claims { exp: (now + expires).as_secs(), nbf: None, paths, ip: None, sub: Some(owner) };
    keys.sign(OWN, &claims).context("the server has no secret to sign with")
}

/// What is to be opened for `path` to play: of a manifest all of its presentation.
fn scope(path: &str) -> anyhow::Result<String> {
    if path.ends_with('/') {
        return Ok(path.to_owned());
    }
    let folder = || path.rsplit_once('/').map(|(folder, _)| format!("{folder}/"));
    match Resource::parse(path) {
        Some(
            Resource::Vod(_, VodPart::MultivariantPlaylist | VodPart::Mpd)
            | Resource::Live(_, LivePart::MultivariantPlaylist | LivePart::Mpd),
        ) => folder().context("it has no folder"),
        Some(Resource::Vod(..) | Resource::Live(..) | Resource::Media(_) | Resource::ApiAssets | Resource::ApiStreams) => {
            Ok(path.to_owned())
        }
        _ => bail!("{path}: this is nothing that is played, such as /vod/film.mp4/master.m3u8 or /live/news/master.m3u8"),
    }
}

fn explain(token: &str, keys: &KeyRing) -> anyhow::Result<String> {
    let [header, claims] = parts(token).context("this is no token: three parts in base64url, with a '.' between them")?;
    let mut lines = Vec::new();
    let mut line = |name: &str, value: String| lines.push(format!("{name:<10} {value}\n"));
    line("key", header.get("kid").map_or("not named".into(), ToString::to_string));
    line("algorithm", header.get("alg").map_or("not named".into(), ToString::to_string));
    for (name, claim) in claims.as_object().into_iter().flatten() {
        let date = match (name.as_str(), claim.as_i64()) {
            ("exp" | "nbf" | "iat", Some(seconds)) => Some(Date(seconds.saturating_mul(1000)).to_string()),
            _ => None,
        };
        let value = match claim {
            Value::Array(paths) => paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            claim => claim.to_string(),
        };
        line(name, date.unwrap_or(value));
    }
    line(
        "verdict",
        match keys.verify(token) {
            Ok(_) => "it holds".into(),
            Err(Refused::Invalid) => format!("{}; keys that [tokens] jwks names are not looked at here", Refused::Invalid.detail()),
            Err(refused) => refused.detail().into(),
        },
    );
    Ok(lines.concat())
}

fn key(id: &str, ed25519: bool) -> anyhow::Result<String> {
    let plain = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_');
    if id.is_empty() || id == OWN || !id.bytes().all(plain) {
        bail!("'{id}': a key is called by letters, digits, '-' and '_', and not '{OWN}'");
    }
    if !ed25519 {
        return Ok(format!("[tokens.key.{id}]\nhmac = \"{}\"\n", random()?));
    }
    let no_numbers = |_| anyhow!("the system has no random numbers");
    let pair = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(no_numbers)?;
    let public = Ed25519KeyPair::from_pkcs8(pair.as_ref()).map_err(|_| anyhow!("the key cannot be made"))?;
    let [private, public] = [pair.as_ref(), public.public_key().as_ref()].map(|bytes| BASE64URL_NOPAD.encode(bytes));
    Ok(format!(
        "# for who signs\n[tokens.key.{id}]\ned25519_private = \"{private}\"\n\n# for who verifies alone\n# [tokens.key.{id}]\n# ed25519 = \"{public}\"\n"
    ))
}

fn random() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow!("the system has no random numbers"))?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

fn secret(data: &Path) -> anyhow::Result<Secret> {
    let folder = data.display();
    std::fs::create_dir_all(data).with_context(|| format!("cannot make the data folder {folder}: name another with --data"))?;
    Secret::of(data).context("cannot read the secret of the server")
}

fn stream_name(text: &str) -> anyhow::Result<StreamName> {
    StreamName::new(text).ok_or_else(|| anyhow!("a stream is called by up to 64 letters, digits, '-', '_' and '.', not '.' first"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_opened() {
        for (path, expected) in [
            ("/vod/films/a.mp4/master.m3u8", Some("/vod/films/a.mp4/")),
            ("/live/news/manifest.mpd", Some("/live/news/")),
            ("/live/news/stream.mp4", Some("/live/news/stream.mp4")),
            ("/media/a.mp4", Some("/media/a.mp4")),
            ("/vod/films/", Some("/vod/films/")),
            ("/", Some("/")),
            ("/metrics", None),
            ("vod/a.mp4/master.m3u8", None),
        ] {
            assert_eq!(scope(path).ok().as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn keys_are_such_as_the_configuration_takes() {
        for ed25519 in [false, true] {
            let config: Config = toml::from_str(&key("k1", ed25519).unwrap()).unwrap();
            let keys = KeyRing::new(None, &config.tokens, None).unwrap();
            let claims = Claims { exp: u64::from(u32::MAX), nbf: None, paths: vec!["/".into()], ip: None, sub: None };
            let token = keys.sign("k1", &claims).unwrap();
            assert_eq!(keys.verify(&token), Ok(claims));
            let told = explain(&token, &keys).unwrap();
            assert!(told.contains("exp        2106-02-07T06:28:15") && told.ends_with("it holds\n"), "{told}");
        }
        assert!(key("server", false).is_err() && key("a b", false).is_err());
    }
}
