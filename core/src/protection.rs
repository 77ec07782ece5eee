//! What manifests say of encryption: the scheme, and which segments have which key. Never a key itself.

use alloc::{string::String, vec::Vec};

use crate::boxes::protection::{KeyId, ProtectionSystem};

/// A way to encrypt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `cenc` of Common Encryption: counter mode, a vector of 8 bytes for each sample.
    Cenc,
    /// `cenc` with vectors of 16 bytes.
    Cenc16,
    /// `cbcs` of Common Encryption: chained blocks, of video one in ten, one vector for all samples of a key.
    Cbcs,
    /// AES-128 of HLS: whole segments (RFC 8216bis 4.4.4.4). DASH has no such scheme.
    Aes128,
}

/// What everybody may know of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its number.
    pub id: KeyId,
    /// `cbcs`: the constant vector. `cenc`: where the vectors of samples begin: as no two samples of one key may have the same, it
    /// must be random, or the key new. `AES-128`: the vector of each segment; `None` there: the segment's number.
    pub iv: Option<[u8; 16]>,
    /// Where players of HLS get the key itself.
    pub uri: Option<String>,
    /// What key systems need, beside the common `pssh`, which every key has.
    pub systems: Vec<ProtectionSystem>,
}

impl KeyInfo {
    /// What all key systems need, the common one first.
    pub fn systems(&self) -> impl Iterator<Item = ProtectionSystem> + '_ {
        core::iter::once(ProtectionSystem::common(Vec::from([self.id]))).chain(self.systems.iter().cloned())
    }
}

/// How the segments of a rendition are encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protection {
    /// The scheme.
    pub scheme: Scheme,
    /// The keys, each with the number of the first segment that has it; the first is of segment 1.
    pub keys: Vec<(u32, KeyInfo)>,
    /// Whether others take its place later: segments tell them.
    pub changes: bool,
    /// Where players get keys as W3C ClearKey, if they can.
    pub clear_key_url: Option<String>,
}

impl Protection {
    /// The key that segment `number` is the first to have; `None`: it has that of the segment before.
    pub fn key_from(&self, number: u32) -> Option<&KeyInfo> {
        let index = self.keys.binary_search_by_key(&number, |(first, _)| *first).ok()?;
        self.keys.get(index).map(|(_, key)| key)
    }

    /// The key of segment `number`, with the index of the period in which it is used.
    pub fn key_of(&self, number: u32) -> Option<(usize, &KeyInfo)> {
        let index = self.keys.partition_point(|(first, _)| *first <= number).checked_sub(1)?;
        self.keys.get(index).map(|(_, key)| (index, key))
    }
}
