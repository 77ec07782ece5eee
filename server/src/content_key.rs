//! The keys that files and live streams are encrypted with, where the configuration says that they are. Nothing shows them.

use std::{num::NonZeroU32, ops::RangeInclusive};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use reelway_core::{
    encryption::{ContentKey, Encryption, Key},
    live::LiveEncryption,
    protection::{KeyInfo, Scheme},
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{
    auth::Secret,
    config::{OwnKey, OwnKeys},
};

/// A key.
#[derive(Clone)]
struct MediaKey {
    id: [u8; 16],
    key: Zeroizing<[u8; 16]>,
    iv: [u8; 16],
}

impl MediaKey {
    /// The `own` key, or one that is made of `secret` for `name` and nothing else; its vectors are those of `name` too.
    fn new(own: Option<&OwnKey>, secret: &Secret, name: &str) -> Self {
        let made = |purpose: &str| secret.derive(purpose, name);
        let (id, key) = match own {
            Some(own) => (own.id, own.key.clone()),
            None => (*made("key id"), made("content key")),
        };
        let iv = secret.derive("vector", &format!("{}\0{name}", HEXLOWER.encode(&id)));
        Self { id, key, iv: *iv }
    }

    /// Its number, in hexadecimal digits.
    fn name(&self) -> String {
        HEXLOWER.encode(&self.id)
    }

    /// As the core takes it.
    fn content_key(&self, scheme: Scheme) -> ContentKey {
        let whole = scheme == Scheme::Aes128;
        // Media playlists stand one folder below.
        let uri = whole.then(|| format!("../{}.key", self.name()));
        // Told of AES-128 too: players count segments of a live stream for a vector, and some count from where they have begun.
        let info = KeyInfo { id: self.id, iv: Some(self.iv), uri, systems: Vec::new() };
        ContentKey { key: Key::new(*self.key), info }
    }

    fn is_asked(&self, kids: &[String]) -> bool {
        let id = BASE64URL_NOPAD.encode(&self.id);
        kids.iter().any(|kid| kid.trim_end_matches('=') == id)
    }
}

/// The keys of what does not change: for pictures and for sound, which may be one.
#[derive(Clone)]
pub struct MediaKeys {
    /// How they are used.
    pub scheme: Scheme,
    video: MediaKey,
    audio: MediaKey,
}

impl MediaKeys {
    /// The `own` keys, or one that is made of `secret` for `name`.
    pub fn new(scheme: Scheme, own: Option<&OwnKeys>, secret: &Secret, name: &str) -> Self {
        let key = |own| MediaKey::new(own, secret, name);
        Self { scheme, video: key(own.map(|own| &own.video)), audio: key(own.map(|own| &own.audio)) }
    }

    /// What tells them from others: their numbers.
    pub fn name(&self) -> String {
        self.video.name() + &self.audio.name()
    }

    /// The bytes of the key with the number `name`, in hexadecimal digits.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        [&self.video, &self.audio].into_iter().find(|key| key.name() == name).map(|key| key.key.to_vec())
    }

    /// As the core takes them, for what plays below the path `place`.
    pub fn encryption(&self, place: &str) -> reelway_core::Result<Encryption> {
        let [video, audio] = [&self.video, &self.audio].map(|key| vec![key.content_key(self.scheme)]);
        let url = (self.scheme != Scheme::Aes128).then(|| format!("{place}/clearkey"));
        Ok(Encryption::new(self.scheme, video, audio, None)?.with_clear_key_url(url))
    }

    /// What a licence server of W3C ClearKey answers: those that were asked for.
    pub fn licence(&self, kids: &[String]) -> Value {
        licence(self.all().filter(|key| key.is_asked(kids)))
    }

    fn all(&self) -> impl Iterator<Item = &MediaKey> {
        let other = (self.audio.id != self.video.id).then_some(&self.audio);
        std::iter::once(&self.video).chain(other)
    }
}

/// The keys of a live stream: one, or another for every so many segments.
#[derive(Clone)]
pub struct StreamKeys {
    /// The one that headers and MPDs name.
    named: MediaKeys,
    turns: Option<Turns>,
}

/// Keys that are made in turn.
#[derive(Clone)]
struct Turns {
    segments: NonZeroU32,
    secret: Secret,
    name: String,
}

impl Turns {
    fn of(&self, number: u32) -> u32 {
        number.saturating_sub(1) / self.segments
    }

    fn key(&self, turn: u32) -> MediaKey {
        MediaKey::new(None, &self.secret, &format!("{}\0{turn}", self.name))
    }
}

impl StreamKeys {
    /// The `own` keys or one made of `secret` for `name`; `period`: made keys, each for so many segments.
    pub fn new(scheme: Scheme, own: Option<&OwnKeys>, period: Option<NonZeroU32>, secret: &Secret, name: String) -> Self {
        let named = MediaKeys::new(scheme, own, secret, &name);
        Self { named, turns: period.map(|segments| Turns { segments, secret: secret.clone(), name }) }
    }

    /// As the core takes them, for what plays below the path `place`.
    pub fn encryption(&self, place: &str) -> reelway_core::Result<LiveEncryption> {
        let encryption = LiveEncryption::new(self.named.encryption(place)?);
        Ok(match self.turns.clone() {
            Some(turns) => {
                let scheme = self.named.scheme;
                encryption.with_turns(turns.segments, Box::new(move |turn| turns.key(turn).content_key(scheme)))
            }
            None => encryption,
        })
    }

    /// Whether whole segments are encrypted with them, and not samples.
    pub fn are_of_segments(&self) -> bool {
        self.named.scheme == Scheme::Aes128
    }

    /// What a licence server of W3C ClearKey answers for a stream of which the segments `numbers` are there: who asks for a key of it gets
    /// those of all these segments, and the next one, so that nobody waits when it is used.
    pub fn licence(&self, kids: &[String], numbers: RangeInclusive<u32>) -> Value {
        let keys = self.of(numbers);
        let asked = keys.iter().any(|key| key.is_asked(kids));
        licence(keys.iter().filter(|_| asked))
    }

    /// The bytes of the key with the number `name`, in hexadecimal digits, if it is of one of the segments `numbers` or the next.
    pub fn bytes(&self, name: &str, numbers: RangeInclusive<u32>) -> Option<Vec<u8>> {
        self.of(numbers).iter().find(|key| key.name() == name).map(|key| key.key.to_vec())
    }

    /// The keys of the segments `numbers`, and the next one.
    fn of(&self, numbers: RangeInclusive<u32>) -> Vec<MediaKey> {
        let turns = self.turns.iter().flat_map(|turns| {
            let last = turns.of(*numbers.end()).saturating_add(1);
            (turns.of(*numbers.start())..=last).map(|turn| turns.key(turn))
        });
        self.named.all().cloned().chain(turns).collect()
    }
}

/// A licence (Encrypted Media Extensions 9.1.4).
fn licence<'a>(keys: impl Iterator<Item = &'a MediaKey>) -> Value {
    let jwk = |key: &MediaKey| json!({"kty": "oct", "kid": BASE64URL_NOPAD.encode(&key.id), "k": BASE64URL_NOPAD.encode(&*key.key)});
    json!({"keys": keys.map(jwk).collect::<Vec<_>>(), "type": "temporary"})
}
