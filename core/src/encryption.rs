//! How a presentation is encrypted: the scheme, the keys, which segment has which.

use alloc::{format, string::String, vec::Vec};
use core::{fmt, num::NonZeroU32};

use zeroize::Zeroize;

use crate::{
    boxes::protection::SampleEncryption,
    codec::Kind,
    error::{Error, Result},
    protection::{KeyInfo, Protection, Scheme},
};

/// A secret key. It is wiped when it is dropped, and nothing prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 16]);

impl Key {
    /// The key with these bytes.
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// A key with what everybody may know of it.
#[derive(Clone, Debug)]
pub struct ContentKey {
    /// The secret.
    pub key: Key,
    /// Its number, its vector, and what players need to get it.
    pub info: KeyInfo,
}

impl ContentKey {
    /// How samples with it are encrypted, as headers tell it; `pattern`: one block in ten, as video has it in `cbcs`.
    pub(crate) fn samples(&self, scheme: Scheme, pattern: bool) -> SampleEncryption {
        let (iv_size, constant_iv) = match scheme {
            Scheme::Cenc => (8, None),
            Scheme::Cenc16 => (16, None),
            Scheme::Cbcs | Scheme::Aes128 => (0, self.info.iv),
        };
        let pattern = if pattern && scheme == Scheme::Cbcs { (1, 9) } else { (0, 0) };
        SampleEncryption { pattern, iv_size, key_id: self.info.id, constant_iv }
    }
}

/// Which keys a presentation is encrypted with, and how. Text stays clear.
#[derive(Clone, Debug)]
pub struct Encryption {
    scheme: Scheme,
    video: Keys,
    audio: Keys,
    period: Option<NonZeroU32>,
    clear_key_url: Option<String>,
}

/// Keys that are used in turn: the first, then the others.
#[derive(Clone, Debug)]
struct Keys {
    first: ContentKey,
    others: Vec<ContentKey>,
}

impl Keys {
    fn new(kind: &str, keys: Vec<ContentKey>, changes: bool) -> Result<Self> {
        let mut others = keys;
        if others.is_empty() {
            return Err(Error::misuse(format!("there is no key for {kind}")));
        }
        let first = others.remove(0);
        if !changes && !others.is_empty() {
            return Err(Error::misuse(format!("several keys for {kind}, but no number of segments after which they change")));
        }
        Ok(Self { first, others })
    }

    fn all(&self) -> impl Iterator<Item = &ContentKey> {
        core::iter::once(&self.first).chain(&self.others)
    }

    fn turn(&self, turn: u32) -> &ContentKey {
        let turn = usize::try_from(turn).unwrap_or(0) % (self.others.len() + 1);
        turn.checked_sub(1).and_then(|index| self.others.get(index)).unwrap_or(&self.first)
    }
}

impl Encryption {
    /// Encrypts with the keys `video` and `audio`, at least one each: with `period` each for so many segments, in turn, and from the
    /// first again after the last; without, the one key for all.
    pub fn new(scheme: Scheme, video: Vec<ContentKey>, audio: Vec<ContentKey>, period: Option<NonZeroU32>) -> Result<Self> {
        let (video, audio) = (Keys::new("video", video, period.is_some())?, Keys::new("audio", audio, period.is_some())?);
        let all = || video.all().chain(audio.all());
        for key in all() {
            let what = match scheme {
                Scheme::Aes128 if key.info.uri.is_none() => "has no URI: with AES-128 it is how players get it",
                Scheme::Cenc | Scheme::Cenc16 | Scheme::Cbcs if key.info.iv.is_none() => "has no initialization vector",
                _ if all().any(|other| other.info.id == key.info.id && other.key != key.key) => "is given twice, with different bytes",
                _ => continue,
            };
            return Err(Error::misuse(format!("key {} {what}", crate::notation::Hex(&key.info.id))));
        }
        Ok(Self { scheme, video, audio, period, clear_key_url: None })
    }

    /// Names in manifests where players get keys as W3C ClearKey: for tests and small sites, as it protects from nobody.
    #[must_use]
    pub fn with_clear_key_url(mut self, url: Option<String>) -> Self {
        self.clear_key_url = url;
        self
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The key of segment `number`, from 1, of a rendition of this kind.
    pub fn key(&self, kind: Kind, number: u32) -> &ContentKey {
        let turn = self.period.map_or(0, |period| number.saturating_sub(1) / period);
        self.of(kind).turn(turn)
    }

    /// Whether keys of renditions of this kind change.
    pub fn rotates(&self, kind: Kind) -> bool {
        !self.of(kind).others.is_empty()
    }

    /// What manifests say of a rendition of this kind with so many segments.
    pub fn protection(&self, kind: Kind, segments: u32) -> Protection {
        let step = self.period.filter(|_| self.rotates(kind)).map_or(u32::MAX, NonZeroU32::get);
        let starts = (0..segments.div_ceil(step).max(1)).map(|turn| turn.saturating_mul(step).saturating_add(1));
        let keys: Vec<_> = starts.map(|start| (start, self.key(kind, start).info.clone())).collect();
        Protection { scheme: self.scheme, changes: keys.len() > 1, keys, clear_key_url: self.clear_key_url.clone() }
    }

    fn of(&self, kind: Kind) -> &Keys {
        if kind == Kind::Video { &self.video } else { &self.audio }
    }
}
