//! The configuration file: TOML, `reelway serve --config FILE`. Everything has a default, so that no file is needed.
//!
//! ```toml
//! [server]                # the options of `reelway serve`, with `_` for `-`; on the command line they go before
//! http = "127.0.0.1:80"
//!
//! [live]                  # what holds for every stream
//! segment = "2s"
//!
//! [stream.news]           # what is otherwise for /live/news
//! segment = "1s"
//! record = true
//! key = "..."
//!
//! [media]                 # what holds for every file below --media
//! play = "token"
//!
//! [asset."trailers"]      # what is otherwise for a file, or for a folder and all that is in it
//! play = "anyone"
//!
//! [tokens.key.2026-11]    # a key that tokens of viewers are signed with; `reelway token key` makes one
//! hmac = "..."
//! ```
//!
//! A variable of the environment goes before the file: `REELWAY__LIVE__SEGMENT=1s`. `reelway config check FILE` says what is wrong with a
//! file; a server reads it again on SIGHUP. Streams that run stay as they are but for who may publish and watch, until they begin
//! anew.
//!
#![doc = include_str!("reference.md")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::Path,
};

use anyhow::{Context, anyhow, ensure};
use serde::{Deserialize, de::IgnoredAny};

mod asset;
mod cpix;
mod current;
pub(crate) mod environment;
mod hooks;
mod live;
mod srt;
mod tokens;
mod uploads;

use crate::{
    auth::{Access, PublishKey},
    http::{AssetPath, StreamName},
};
pub use asset::{AssetConfig, OwnKey, Play};
pub use cpix::OwnKeys;
pub use current::Current;
pub use hooks::Hooks;
pub use live::{Parts, StreamConfig};
pub use srt::{Passphrase, Srt};
pub use tokens::{TokenKey, Tokens};
pub use uploads::{Bring, Uploads};

/// All that can stand in a configuration but for the options of `reelway serve`, with what it is by default.
pub const REFERENCE: &str = include_str!("reference.md");

/// The configuration of a server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The options of the command line, which are read there.
    #[serde(rename = "server")]
    _server: IgnoredAny,
    live: live::Fields,
    stream: BTreeMap<String, live::Fields>,
    media: asset::Fields,
    asset: BTreeMap<String, asset::Fields>,
    /// The keys of tokens.
    pub tokens: Tokens,
    /// Whom to ask who may publish and play.
    pub hooks: Hooks,
    /// Who may bring files, how many, and what becomes of them.
    pub uploads: Uploads,
    /// What operators need.
    pub admin: Admin,
}

/// What operators need: `[admin]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// The key that they come with.
    pub key: Option<PublishKey>,
}

impl Config {
    /// Reads the file at `path`, and the environment over it. Errors tell the file, the line and what stands there, but of a key.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.display();
        let text = fs::read_to_string(path).with_context(|| format!("cannot read the configuration {name}"))?;
        let file = Self::parse(&text).with_context(|| name.to_string())?;
        Self::with_environment(file, &text, env::vars())
    }

    /// The environment alone, where there is no file.
    pub fn of_environment() -> anyhow::Result<Self> {
        Self::with_environment(Self::default(), "", env::vars())
    }

    /// `file`, which is written as `text`, with what `variables` say otherwise.
    fn with_environment(file: Self, text: &str, variables: impl Iterator<Item = (String, String)>) -> anyhow::Result<Self> {
        let settings = environment::settings(variables);
        if settings.is_empty() {
            return Ok(file);
        }
        let mut table: toml::Table = toml::from_str(text).map_err(|error| anyhow!("{}", error.message()))?;
        let mut config = file;
        for (name, steps, value) in settings {
            ensure!(environment::set(&mut table, &steps, value), "{name}: there is no such setting");
            // One after the other, so that the error names the one at fault.
            config = table.clone().try_into().map_err(|error: toml::de::Error| anyhow!("{name}: {}", error.message()))?;
            config.check().with_context(|| name.clone())?;
        }
        Ok(config)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let config: Self = toml::from_str(text).map_err(|error| {
            // What the error shows of the file may be a key; where it is and what is wrong is enough.
            let line = error.span().map_or(1, |span| 1 + text.get(..span.start).unwrap_or_default().matches('\n').count());
            anyhow!("line {line}: {}", error.message())
        })?;
        config.check()?;
        Ok(config)
    }

    /// What no configuration can be.
    fn check(&self) -> anyhow::Result<()> {
        let config = self;
        for name in config.stream.keys() {
            let stream = StreamName::new(name).with_context(|| format!("[stream.{name}]: no stream can be called that"))?;
            config.stream(&stream).check().with_context(|| format!("[stream.{name}]"))?;
        }
        for path in config.asset.keys() {
            let found = AssetPath::from_relative(Path::new(path)).filter(|found| found.id() == *path);
            found.with_context(|| format!("[asset.\"{path}\"]: no path below the media folder is written so"))?;
        }
        config.default_stream().check().context("[live]")?;
        ensure!(config.default_stream().srt.is_none(), "[live]: srt is an address of one stream: it belongs to [stream.NAME]");
        let mut addresses = BTreeSet::new();
        for (name, srt) in config.srt() {
            ensure!(addresses.insert(srt.address), "[stream.{name}]: another stream has the srt address {}", srt.address);
        }
        config.hooks.check().context("[hooks]")?;
        config.uploads.check().context("[uploads]")?;
        let streams = || config.stream.keys().filter_map(|name| StreamName::new(name)).map(|name| config.stream(&name));
        let streams = || streams().chain([config.default_stream()]);
        let assets = config.asset.values().chain([&config.media]).filter_map(|table| table.play);
        let plays = streams().map(|stream| stream.play).chain(assets).any(|play| play == Play::Hook);
        ensure!(!plays || config.hooks.on_play.is_some(), "[hooks]: it has no on_play, which is to be asked who may play");
        let publishes = streams().any(|stream| stream.publish == Access::Hook);
        ensure!(!publishes || config.hooks.on_publish.is_some(), "[hooks]: it has no on_publish, which is to be asked who may publish");
        Ok(())
    }

    /// How the stream `name` is to be.
    pub fn stream(&self, name: &StreamName) -> StreamConfig {
        let own = self.stream.get(name.as_str()).cloned().unwrap_or_default();
        own.resolve(&self.live)
    }

    /// The streams that have an address of SRT of their own, and which.
    pub fn srt(&self) -> BTreeMap<StreamName, Srt> {
        let names = self.stream.keys().filter_map(|name| StreamName::new(name));
        names.filter_map(|name| Some((name.clone(), self.stream(&name).srt()?))).collect()
    }

    /// How streams are to be of which nothing else is said.
    pub fn default_stream(&self) -> StreamConfig {
        live::Fields::default().resolve(&self.live)
    }

    /// How the file or folder `path` is to be.
    pub fn asset(&self, path: &AssetPath) -> AssetConfig {
        let told = path.outwards().filter_map(|path| self.asset.get(&path.id()));
        let mut config = asset::Fields::resolve(told.chain([&self.media]));
        let folder = path.id() + "/";
        for (_, file) in self.asset.range(folder.clone()..).take_while(|(path, _)| path.starts_with(&folder)) {
            file.close(&mut config);
        }
        // What was recorded of a stream is no more open than the stream, and encrypted as that is.
        let stream = path.below("live").and_then(|rest| StreamName::new(rest.outwards().last()?.file_name()));
        if let Some(name) = stream {
            let stream = self.stream(&name);
            config.play = config.play.max(stream.play);
            if config.encrypt.is_none() {
                (config.encrypt, config.keys) = (stream.encrypt, stream.keys);
            }
        }
        config
    }

    /// How files are to be of which nothing else is said.
    pub fn default_asset(&self) -> AssetConfig {
        asset::Fields::resolve([&self.media])
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_stream_is_as_its_table_says_then_as_all_are_then_as_usual() -> anyhow::Result<()> {
        let text = "[live]\nsegment = \"1s\"\nrecord = true\n\n[stream.news]\nrecord = false\nkey = \"hush\"\nwindow = \"2h\"\n";
        let config = Config::parse(text)?;
        let stream = |name| config.stream(&StreamName::new(name).unwrap());
        let (news, other) = (stream("news"), stream("other"));
        assert_eq!((news.segment, news.record, news.key.is_some(), news.window.as_secs()), (Duration::from_secs(1), false, true, 7200));
        assert_eq!((other.segment, other.record, other.key, other.part.as_millis()), (Duration::from_secs(1), true, None, 200));
        Ok(())
    }

    #[test]
    fn errors_tell_where_and_what_but_no_key() {
        for (text, told) in [
            ("[live]\nsegment = \"2s\"\nsegments = 3\n", "line 3: unknown field `segments`"),
            ("[lives]\n", "line 1: unknown field `lives`"),
            ("[live]\n\nsegment = \"2 weeks\"\n", "line 3: '2 weeks' is no duration"),
            ("[live]\nrecord = \"yes\"\n", "line 2: invalid type"),
            ("[stream.\"a b\"]\n", "[stream.a b]: no stream can be called that"),
            ("[stream.a]\nwindow = \"3s\"\n", "[stream.a]: window is 3s"),
            ("[live]\npart = \"5s\"\n", "[live]: part is 5s"),
            ("[live]\nladder = \"big\"\n", "line 2: 'big' is no size"),
            ("[live]\npublish = \"nobody\"\n", "line 2: unknown variant `nobody`"),
            ("[live]\nsrt = \"127.0.0.1:9000\"\n", "[live]: srt is an address of one stream"),
            ("[stream.a]\nsrt = \"9000\"\n", "line 2: "),
            ("[stream.a]\nsrt = \"0.0.0.0:9000\"\n", "[stream.a]: srt at 0.0.0.0:9000 is for everybody"),
            ("[stream.a]\nsrt = \"127.0.0.1:9000\"\nsrt_passphrase = \"hush\"\n", "line 3: a passphrase of SRT has 10"),
            (
                "[stream.a]\nsrt = \"127.0.0.1:9000\"\n[stream.b]\nsrt = \"127.0.0.1:9000\"\n",
                "[stream.b]: another stream has the srt address",
            ),
            ("[live]\nkey = hush\n", "line 2: "),
            ("[live]\nkey = \"sha256:hush\"\n", "line 2: a publish key is"),
            ("[live]\nkey = 7\n", "line 2: a publish key is"),
            ("[asset.\"/a\"]\n", "[asset.\"/a\"]: no path below the media folder"),
            ("[asset.\"a/\"]\n", "[asset.\"a/\"]: no path below the media folder"),
            ("[media]\nplay = \"hush\"\n", "line 2: unknown variant"),
            ("[media]\nplay = \"hook\"\n", "[hooks]: it has no on_play"),
            ("[live]\npublish = \"hook\"\n", "[hooks]: it has no on_publish"),
            ("[hooks]\non_play = \"hush\"\n", "line 2: this is no URL"),
            ("[hooks]\ntimeout = \"1m\"\n", "[hooks]: timeout is 60s"),
            ("[uploads]\nladder = \"big\"\n", "line 2: 'big' is no size"),
            ("[uploads]\nwebhook = \"hush\"\n", "line 2: this is no URL"),
            ("[live]\nencrypt = \"aes-128\"\nparts = \"ranges\"\n", "[live]: encrypt is aes-128"),
            ("[live]\nkey_period = 0\n", "line 2: invalid value: integer `0`"),
            ("[live]\nencrypt = \"cenc\"\nkey_period = 1\nwindow = \"10h\"\n", "[live]: key_period is 1"),
            (
                "[stream.a]\nencrypt = \"cenc\"\nkey_period = 9\ncontent_key = \"00000000000000000000000000000000:000102030405060708090a0b0c0d0e0f\"\n",
                "[stream.a]: it names keys, and has a key_period",
            ),
            ("[media]\nencrypt = \"des\"\n", "line 2: unknown variant"),
            ("[media]\nkeys = \"/nowhere/keys.xml\"\n", "line 2: /nowhere/keys.xml: No such file"),
            ("[media]\ncontent_key = \"hush\"\n", "line 2: a content key is written"),
            ("[tokens.key.a]\n", "line 1: a key has one of hmac"),
            ("[tokens.key.a]\nhmac = \"aHVzaA\"\n", "line 1: hmac"),
            ("[tokens.key.a]\ned25519 = \"hush!\"\n", "line 1: ed25519"),
            ("[tokens.key.server]\nhmac = \"aHVzaGh1c2hodXNoaHVzaGh1c2hodXNoaHVzaGh1c2g\"\n", "line 1: "),
            ("[tokens]\njwks = \"http://hush.example/\"\n", "line 2: keys come by https"),
        ] {
            let error = format!("{:#}", Config::parse(text).unwrap_err());
            assert!(error.starts_with(told), "{text}: {error}");
            assert!(!error.contains("hush") || text.contains("play"), "{error}");
        }
    }

    /// Every field that is known is in the reference.
    #[test]
    fn all_settings_are_documented() {
        for table in ["live", "stream.a", "media", "asset.a", "hooks", "uploads", "admin", "tokens", "tokens.key.a"] {
            let error = Config::parse(&format!("[{table}]\nhush = 1\n")).unwrap_err().to_string();
            let names = error.split('`').skip(3).step_by(2);
            assert!(error.contains("unknown field `hush`") && names.clone().count() > 0, "{table}: {error}");
            for name in names {
                assert!(REFERENCE.contains(&format!("`{name}`")) || name == "key" && table == "tokens", "{table}: {name}");
            }
        }
    }

    #[test]
    fn the_environment_goes_before_the_file() {
        let text = "[live]\nsegment = \"1s\"\nrecord = true\n";
        let with = |variables: &[(&str, &str)]| {
            let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            Config::with_environment(Config::parse(text)?, text, variables)
        };
        let stream = with(&[("PATH", "/bin"), ("REELWAY__LIVE__SEGMENT", "4s"), ("REELWAY__STREAM__NEWS__RECORD", "false")]).unwrap();
        let of = |name| stream.stream(&StreamName::new(name).unwrap());
        assert_eq!((of("news").segment, of("news").record, of("other").record), (Duration::from_secs(4), false, true));
        for (name, value, told) in [
            ("REELWAY__LIVE__SEGMENTS", "4s", "REELWAY__LIVE__SEGMENTS: unknown field"),
            ("REELWAY__LIVE__SEGMENT", "hush", "REELWAY__LIVE__SEGMENT: 'hush' is no duration"),
            ("REELWAY__LIVE__WINDOW", "1s", "REELWAY__LIVE__WINDOW: [live]: window is 1s"),
            ("REELWAY__LIVE__SEGMENT__X", "1", "REELWAY__LIVE__SEGMENT__X: there is no such setting"),
            ("REELWAY__", "1", "REELWAY__: unknown field"),
        ] {
            let error = format!("{:#}", with(&[(name, value)]).unwrap_err());
            assert!(error.starts_with(told), "{error}");
        }
    }

    #[test]
    fn an_asset_is_as_the_longest_path_says() -> anyhow::Result<()> {
        let text = "[media]\nplay = \"token\"\n[asset.films]\nplay = \"anyone\"\n[asset.\"films/new\"]\nplay = \"token\"\n\
                    [asset.live]\nplay = \"anyone\"\n[stream.news]\nplay = \"token\"\n[asset.title]\nplay = \"anyone\"\n[asset.\"title/a.mp4\"]\nplay = \"token\"\n";
        let config = Config::parse(text)?;
        for (path, play) in [
            ("a.mp4", Play::Token),
            ("films/a.mp4", Play::Anyone),
            ("films/new/a.mp4", Play::Token),
            ("films", Play::Token), // something in it is
            ("filmsx/a.mp4", Play::Token),
            ("live/news/2026-11-28", Play::Token),
            ("live/sport/2026-11-28", Play::Anyone),
            ("title", Play::Token),
            ("title/b.mp4", Play::Anyone),
        ] {
            assert_eq!(config.asset(&AssetPath::from_relative(Path::new(path)).unwrap()).play, play, "{path}");
        }
        Ok(())
    }
}
