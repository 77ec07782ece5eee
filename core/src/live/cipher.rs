//! Encryption of a live stream: every part once, for all who watch. Keys may change every so many segments, without end, so they come from
//! a function; it has to tell the same of the same turn each time.
//!
//! AES-128 of HLS encrypts what is asked for, not samples: a part by itself, from the vector of its segment on, and the segment once more
//! when all of it is there.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{fmt, mem, num::NonZeroU32, ops::RangeInclusive};

use bytes::Bytes;

use crate::{
    codec::Kind,
    encryption::{ContentKey, Encryption},
    error::Result,
    protection::{Protection, Scheme},
    sample::LiveSample,
    segment::{
        chunk::Additions,
        encrypt::{self, SampleCipher, finders_for},
    },
    subsamples::Finder,
    track::Track,
};

/// How a live stream is encrypted.
#[derive(Clone)]
pub struct LiveEncryption {
    named: Encryption,
    turns: Option<Turns>,
}

/// Keys that take turns.
#[derive(Clone)]
struct Turns {
    /// For how many segments each is.
    segments: NonZeroU32,
    key: Arc<dyn Fn(u32) -> ContentKey + Send + Sync>,
}

impl fmt::Debug for LiveEncryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveEncryption").field("named", &self.named).finish_non_exhaustive()
    }
}

impl LiveEncryption {
    /// As `encryption` says, with its first keys.
    pub fn new(encryption: Encryption) -> Self {
        Self { named: encryption, turns: None }
    }

    /// Whether parts and segments are encrypted whole, so that there is no MPD of them, and no part is a range of its segment.
    pub fn is_whole(&self) -> bool {
        self.named.scheme() == Scheme::Aes128
    }

    /// Another key for every so many `segments`: that of turn 0 for the segments from 1 on, and so on; each needs a vector, but with
    /// AES-128. The keys given before are then those that headers and MPDs name, and nothing is encrypted with them.
    #[must_use]
    pub fn with_turns(mut self, segments: NonZeroU32, key: Box<dyn Fn(u32) -> ContentKey + Send + Sync>) -> Self {
        self.turns = Some(Turns { segments, key: key.into() });
        self
    }
}

impl Turns {
    fn of(&self, number: u32) -> u32 {
        number.saturating_sub(1) / self.segments
    }

    fn first_of(&self, turn: u32) -> u32 {
        turn.saturating_mul(self.segments.get()).saturating_add(1)
    }
}

/// Encrypts the parts of a rendition, one after the other.
#[derive(Debug)]
pub struct PartCipher {
    encryption: LiveEncryption,
    kind: Kind,
    /// A number that no other rendition of the stream has.
    rendition: u32,
    finders: Vec<Finder>,
    /// Samples so far: no two have one vector.
    count: u32,
    /// The segment that grows, as it is, where whole segments are encrypted.
    clear: Vec<u8>,
}

impl PartCipher {
    /// For the rendition with this number, of `track`.
    ///
    /// # Errors
    /// The track cannot be encrypted.
    pub fn new(track: &Track, rendition: usize, encryption: LiveEncryption) -> Result<Self> {
        let rendition = u32::try_from(rendition).unwrap_or(u32::MAX);
        let finders = finders_for(track, &encryption.named)?;
        Ok(Self { encryption, kind: track.kind(), rendition, finders, count: 0, clear: Vec::new() })
    }

    /// The header of the rendition, described as `track` is.
    ///
    /// # Errors
    /// The track cannot be encrypted.
    pub fn header(&self, track: &Track) -> Result<Vec<u8>> {
        encrypt::check(track, &self.encryption.named)?;
        Ok(encrypt::header(track, &self.encryption.named))
    }

    /// A segment begins, whose samples are described as `track` is.
    ///
    /// # Errors
    /// As for its [`header`](Self::header).
    pub fn begin(&mut self, track: &Track) -> Result<()> {
        self.finders = finders_for(track, &self.encryption.named)?;
        Ok(())
    }

    /// The payload of a part of segment `number`, encrypted, and what its head says of that; `first`: of the segment.
    ///
    /// # Errors
    /// A sample cannot be encrypted.
    pub fn encrypt<'a>(&mut self, number: u32, first: bool, samples: impl Iterator<Item = &'a LiveSample>) -> Result<(Vec<u8>, Additions)> {
        let key = self.key(number);
        let form = (self.encryption.named.scheme(), self.encryption.turns.is_some());
        let mut cipher = SampleCipher::new(self.kind, self.rendition, form, &key, mem::take(&mut self.finders));
        let (mut payload, begin) = (Vec::new(), self.count);
        let mut done = Ok(());
        for sample in samples {
            let start = payload.len();
            sample.payload.iter().for_each(|piece| payload.extend_from_slice(piece));
            let bytes = payload.get_mut(start..).unwrap_or_default();
            done = done.and_then(|()| cipher.encrypt(self.count, sample.description, bytes, 0));
            self.count = self.count.wrapping_add(1);
        }
        let additions = cipher.additions(&(0..self.count.wrapping_sub(begin)), first);
        self.finders = cipher.finders;
        done.map(|()| (payload, additions))
    }

    /// Whether parts and segments are encrypted whole.
    pub fn is_whole(&self) -> bool {
        self.encryption.is_whole()
    }

    /// A part of segment `number`, encrypted whole.
    pub fn seal_part(&mut self, number: u32, head: &[u8], payload: &[Bytes]) -> Vec<u8> {
        let mut part = Vec::from(head);
        for piece in payload {
            part.extend_from_slice(piece);
        }
        self.clear.extend_from_slice(&part);
        encrypt::seal(part, number, &self.key(number))
    }

    /// Segment `number`, whose parts are those that were encrypted since the last one; `None`: there were none.
    pub fn seal_segment(&mut self, number: u32) -> Option<Vec<u8>> {
        let clear = mem::take(&mut self.clear);
        (!clear.is_empty()).then(|| encrypt::seal(clear, number, &self.key(number)))
    }

    /// The key of segment `number`.
    fn key(&self, number: u32) -> ContentKey {
        let LiveEncryption { named, turns } = &self.encryption;
        turns.as_ref().map_or_else(|| named.key(self.kind, 1).clone(), |turns| (turns.key)(turns.of(number)))
    }

    /// What manifests say of all of it.
    pub fn protection(&self) -> Protection {
        Protection { changes: self.encryption.turns.is_some(), ..self.encryption.named.protection(self.kind, 1) }
    }

    /// What playlists say of the segments with these numbers.
    pub fn protection_of(&self, numbers: RangeInclusive<u32>) -> Protection {
        let mut told = self.protection();
        if let Some(turns) = &self.encryption.turns {
            let all = turns.of(*numbers.start())..=turns.of(*numbers.end());
            told.keys = all.map(|turn| (turns.first_of(turn), (turns.key)(turn).info)).collect();
        }
        told
    }
}
