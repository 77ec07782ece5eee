//! How live streams are to be: `[live]` for all of them, `[stream.NAME]` for one.

use std::{net::SocketAddr, num::NonZeroU32, time::Duration};

use anyhow::ensure;
use reelway_core::protection::Scheme;
use serde::{Deserialize, Deserializer};

use super::{OwnKey, OwnKeys, Passphrase, Play, Srt, asset::Encrypt};
use crate::{
    auth::{Access, PublishKey},
    duration::parse_duration,
    ladder::Wanted,
};

/// What a table of the file says; what it leaves out is as elsewhere.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Fields {
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
    parts: Option<Parts>,
    #[serde(deserialize_with = "duration")]
    takeover: Option<Duration>,
    ladder: Option<Ladder>,
    record: Option<bool>,
    key: Option<PublishKey>,
    publish: Option<Access>,
    play: Option<Play>,
    srt: Option<SocketAddr>,
    srt_passphrase: Option<Passphrase>,
    encrypt: Option<Encrypt>,
    content_key: Option<OwnKey>,
    keys: Option<OwnKeys>,
    key_period: Option<NonZeroU32>,
}

/// The ladder of a stream: `none`, `auto`, or a list of rungs.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Ladder(Option<Wanted>);

impl TryFrom<String> for Ladder {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "none" { Ok(Self(None)) } else { Wanted::parse(&text).map(|wanted| Self(Some(wanted))) }
    }
}

/// How players of HLS ask for the parts of segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Parts {
    /// Each by a URL of its own.
    #[default]
    Files,
    /// By ranges of its segment.
    Ranges,
}

/// The most keys of a stream at once.
const MOST_KEYS: u32 = 1000;

/// How one stream is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamConfig {
    /// How long segments are.
    pub segment: Duration,
    /// Whether nobody has said how long: then they may get longer where key frames are further apart.
    pub follows: bool,
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
    /// How players of HLS ask for parts.
    pub parts: Parts,
    /// Silence after which another publisher may take the place of one that has not gone.
    pub takeover: Duration,
    /// Smaller sizes that are made of its pictures.
    pub ladder: Option<Wanted>,
    /// Whether it is recorded.
    pub record: bool,
    /// The key that publishers need.
    pub key: Option<PublishKey>,
    /// Who may publish where there is no key.
    pub publish: Access,
    /// Who may watch it.
    pub play: Play,
    /// Where it alone is taken by SRT.
    pub srt: Option<SocketAddr>,
    /// What callers of SRT must know.
    pub srt_passphrase: Option<Passphrase>,
    /// How it is encrypted, if it is.
    pub encrypt: Option<Scheme>,
    /// With which keys; `None`: they are made.
    pub keys: Option<OwnKeys>,
    /// After how many segments another key is made.
    pub key_period: Option<NonZeroU32>,
}

impl Fields {
    /// The keys that it names: of a document first.
    fn own_keys(&self) -> Option<OwnKeys> {
        self.keys.clone().or_else(|| self.content_key.clone().map(OwnKeys::from))
    }

    /// What is left out is as `all` has it, and where that says nothing as usual.
    pub fn resolve(self, all: &Self) -> StreamConfig {
        let own = self;
        let own_keys = own.own_keys().or_else(|| all.own_keys());
        let of = |own: Option<Duration>, all: Option<Duration>, millis| own.or(all).unwrap_or(Duration::from_millis(millis));
        StreamConfig {
            segment: of(own.segment, all.segment, 2000),
            follows: own.segment.or(all.segment).is_none(),
            part: of(own.part, all.part, 200),
            window: of(own.window, all.window, 60_000),
            memory: of(own.memory, all.memory, 60_000),
            grace: of(own.grace, all.grace, 15_000),
            latency: own.latency.or(all.latency),
            parts: own.parts.or(all.parts).unwrap_or_default(),
            takeover: of(own.takeover, all.takeover, 5000),
            ladder: own.ladder.or_else(|| all.ladder.clone()).and_then(|ladder| ladder.0),
            record: own.record.or(all.record).unwrap_or(true),
            key: own.key.or_else(|| all.key.clone()),
            publish: own.publish.or(all.publish).unwrap_or_default(),
            play: own.play.or(all.play).unwrap_or_default(),
            srt: own.srt.or(all.srt),
            srt_passphrase: own.srt_passphrase.or_else(|| all.srt_passphrase.clone()),
            encrypt: own.encrypt.or(all.encrypt).and_then(Encrypt::scheme),
            keys: own_keys,
            key_period: own.key_period.or(all.key_period),
        }
    }
}

impl Default for StreamConfig {
    fn default() -> Self {
        Fields::default().resolve(&Fields::default())
    }
}

impl StreamConfig {
    /// Where it alone is taken by SRT, if it is.
    pub fn srt(&self) -> Option<Srt> {
        Some(Srt { address: self.srt?, passphrase: self.srt_passphrase.clone() })
    }

    /// What in `now` is another than here, and is as here as long as a stream that began so lasts: players and recordings rely on it.
    pub fn lasting(&self, now: &Self) -> Vec<&'static str> {
        let changed = [
            ("segment", self.segment != now.segment),
            ("part", self.part != now.part),
            ("window", self.window != now.window),
            ("memory", self.memory != now.memory),
            ("grace", self.grace != now.grace),
            ("latency", self.latency != now.latency),
            ("parts", self.parts != now.parts),
            ("takeover", self.takeover != now.takeover),
            ("ladder", self.ladder != now.ladder),
            ("record", self.record != now.record),
            ("encrypt", self.encrypt != now.encrypt),
            ("keys", self.keys != now.keys),
            ("key_period", self.key_period != now.key_period),
        ];
        changed.into_iter().filter_map(|(name, changed)| changed.then_some(name)).collect()
    }

    /// What no stream can be.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let millis = Duration::from_millis;
        ensure!((millis(500)..=millis(10_000)).contains(&self.segment), "segment is {:?}: it may be 500ms to 10s", self.segment);
        ensure!((millis(20)..=self.segment).contains(&self.part), "part is {:?}: it may be 20ms to the length of a segment", self.part);
        ensure!(self.window >= self.segment * 6, "window is {:?}: it must hold six segments at least", self.window);
        ensure!(self.window <= Duration::from_hours(48), "window is {:?}: it may be 48h at most", self.window);
        if let (Some(address), None) = (self.srt, &self.srt_passphrase) {
            let closed = address.ip().is_loopback() || self.publish == Access::Anyone;
            ensure!(closed, "srt at {address} is for everybody: give it a srt_passphrase");
        }
        ensure!(
            self.encrypt != Some(Scheme::Aes128) || self.parts == Parts::Files,
            "encrypt is aes-128, which encrypts each part by itself, and parts is ranges of segments: choose files, or cbcs or cenc"
        );
        ensure!(
            self.keys.is_none() || self.key_period.is_none(),
            "it names keys, and has a key_period, after which others are made: leave one out"
        );
        let most = MOST_KEYS.saturating_mul(self.key_period.map_or(1, NonZeroU32::get));
        let fits = self.encrypt.is_none() || self.key_period.is_none() || self.window <= self.segment * most;
        ensure!(
            fits,
            "key_period is {}: there would be more than {MOST_KEYS} keys within window",
            self.key_period.map_or(0, NonZeroU32::get)
        );
        ensure!(self.memory >= self.segment * 6, "memory is {:?}: it must hold six segments at least", self.memory);
        Ok(())
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    parse_duration(&String::deserialize(deserializer)?).map(Some).map_err(serde::de::Error::custom)
}
