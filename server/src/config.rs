//! The configuration file: TOML, `reelway serve --config FILE`. Everything has a default, so that no file is needed.
//!
//! ```toml
//! [live]                  # what holds for every stream
//! segment = "2s"
//!
//! [stream.news]           # what is otherwise for /live/news
//! segment = "1s"
//! record = true
//! key = "..."
//! ```
//!
//! | field | says | default |
//! |---|---|---|
//! | `segment` | how long segments are | 2s |
//! | `part` | how long parts of segments are at most | 200ms |
//! | `window` | how far back viewers can go | 60s |
//! | `memory` | how much of that is kept in memory where the rest is recorded | 60s |
//! | `grace` | how long a stream waits for its publisher to come back | 15s |
//! | `latency` | how far behind players of DASH are to be | of the core |
//! | `record` | whether it is recorded under `--data` | false |
//! | `key` | the key that publishers need | none: `publish` decides |
//! | `publish` | who may publish without a key: `loopback`, `key` (nobody), `anyone` | loopback |
//! | `takeover` | silence after which another publisher may take the place of one that has not gone | 5s |

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::{Context, anyhow, ensure};
use serde::{Deserialize, Deserializer};

use crate::{
    auth::{Access, PublishKey},
    duration::parse_duration,
    http::StreamName,
};

/// The configuration of a server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(default)]
    live: Fields,
    #[serde(default)]
    stream: BTreeMap<String, Fields>,
}

/// What a table of the file says; what it leaves out is as elsewhere.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Fields {
    #[serde(deserialize_with = "duration")]
    segment: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    part: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    window: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    memory: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    grace: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    latency: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    takeover: Option<Duration>,
    record: Option<bool>,
    key: Option<PublishKey>,
    publish: Option<Access>,
}

/// How one stream is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamConfig {
    /// How long segments are.
    pub segment: Duration,
    /// How long parts of segments are at most.
    pub part: Duration,
    /// How far back viewers can go.
    pub window: Duration,
    /// How much of that is kept in memory where the rest is recorded.
    pub memory: Duration,
    /// How long a stream waits for its publisher to come back.
    pub grace: Duration,
    /// How far behind players of DASH are to be.
    pub latency: Option<Duration>,
    /// Silence after which another publisher may take the place of one that has not gone.
    pub takeover: Duration,
    /// Whether it is recorded.
    pub record: bool,
    /// The key that publishers need.
    pub key: Option<PublishKey>,
    /// Who may publish where there is no key.
    pub publish: Access,
}

impl Config {
    /// Reads the file at `path`. Errors tell the file, the line and what stands there, but of a key.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.display();
        let text = fs::read_to_string(path).with_context(|| format!("cannot read the configuration {name}"))?;
        Self::parse(&text).with_context(|| name.to_string())
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let config: Self = toml::from_str(text).map_err(|error| {
            // What the error shows of the file may be a key; where it is and what is wrong is enough.
            let line = error.span().map_or(1, |span| 1 + text.get(..span.start).unwrap_or_default().matches('\n').count());
            anyhow!("line {line}: {}", error.message())
        })?;
        for name in config.stream.keys() {
            let stream = StreamName::new(name).with_context(|| format!("[stream.{name}]: no stream can be called that"))?;
            config.stream(&stream).check().with_context(|| format!("[stream.{name}]"))?;
        }
        config.default_stream().check().context("[live]")?;
        Ok(config)
    }

    /// How the stream `name` is to be.
    pub fn stream(&self, name: &StreamName) -> StreamConfig {
        let own = self.stream.get(name.as_str()).cloned().unwrap_or_default();
        self.resolve(own)
    }

    fn default_stream(&self) -> StreamConfig {
        self.resolve(Fields::default())
    }

    fn resolve(&self, own: Fields) -> StreamConfig {
        let all = &self.live;
        let of = |own: Option<Duration>, all: Option<Duration>, millis| own.or(all).unwrap_or(Duration::from_millis(millis));
        StreamConfig {
            segment: of(own.segment, all.segment, 2000),
            part: of(own.part, all.part, 200),
            window: of(own.window, all.window, 60_000),
            memory: of(own.memory, all.memory, 60_000),
            grace: of(own.grace, all.grace, 15_000),
            latency: own.latency.or(all.latency),
            takeover: of(own.takeover, all.takeover, 5000),
            record: own.record.or(all.record).unwrap_or(false),
            key: own.key.or_else(|| all.key.clone()),
            publish: own.publish.or(all.publish).unwrap_or_default(),
        }
    }
}

impl Default for StreamConfig {
    fn default() -> Self {
        Config::default().default_stream()
    }
}

impl StreamConfig {
    /// What no stream can be.
    fn check(&self) -> anyhow::Result<()> {
        let millis = Duration::from_millis;
        ensure!((millis(500)..=millis(10_000)).contains(&self.segment), "segment is {:?}: it may be 500ms to 10s", self.segment);
        ensure!((millis(20)..=self.segment).contains(&self.part), "part is {:?}: it may be 20ms to the length of a segment", self.part);
        ensure!(self.window >= self.segment * 6, "window is {:?}: it must hold six segments at least", self.window);
        ensure!(self.window <= Duration::from_hours(48), "window is {:?}: it may be 48h at most", self.window);
        ensure!(self.memory >= self.segment * 6, "memory is {:?}: it must hold six segments at least", self.memory);
        Ok(())
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    parse_duration(&String::deserialize(deserializer)?).map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_as_its_table_says_then_as_all_are_then_as_usual() -> anyhow::Result<()> {
        let text = "[live]\nsegment = \"1s\"\nrecord = true\n\n[stream.news]\nrecord = false\nkey = \"hush\"\nwindow = \"2h\"\n";
        let config = Config::parse(text)?;
        let stream = |name| config.stream(&StreamName::new(name).unwrap());
        let (news, other) = (stream("news"), stream("other"));
        assert_eq!(
            (news.segment, news.record, news.key, news.window.as_secs()),
            (Duration::from_secs(1), false, Some("hush".to_owned().into()), 7200)
        );
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
            ("[live]\npublish = \"nobody\"\n", "line 2: unknown variant `nobody`"),
            ("[live]\nkey = hush\n", "line 2: "),
        ] {
            let error = format!("{:#}", Config::parse(text).unwrap_err());
            assert!(error.starts_with(told), "{text}: {error}");
            assert!(!error.contains("hush"), "{error}");
        }
    }
}
