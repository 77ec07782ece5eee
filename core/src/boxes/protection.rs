//! Protection of tracks: `sinf` in sample entries (ISO/IEC 14496-12 8.12), `tenc`, `pssh`, and the sample groups and auxiliary
//! information of Common Encryption (ISO/IEC 23001-7 7 and 8).

use alloc::{format, vec::Vec};

use super::{BoxHeader, FourCc, children, sample_entry::SampleEntry};
use crate::{
    coding::{Reader, Writer},
    error::{Error, Result},
};

/// The number of a key: 16 bytes, most often a UUID.
pub type KeyId = [u8; 16];

/// `cenc`: counter mode, the whole of what may be encrypted (ISO/IEC 23001-7 10.1).
pub const CENC: FourCc = FourCc(*b"cenc");
/// `cbcs`: chained blocks, some of them in a pattern, one initialization vector for all (10.4).
pub const CBCS: FourCc = FourCc(*b"cbcs");

/// `SystemID` of the common `pssh`, which any system can read (W3C, "cenc" Initialization Data Format).
pub const COMMON_SYSTEM: [u8; 16] = [0x10, 0x77, 0xef, 0xec, 0xc0, 0xb2, 0x4d, 0x02, 0xac, 0xe3, 0x3c, 0x1e, 0x52, 0xe2, 0xfb, 0x4b];
/// `SystemID` of Widevine.
pub const WIDEVINE: [u8; 16] = [0xed, 0xef, 0x8b, 0xa9, 0x79, 0xd6, 0x4a, 0xce, 0xa3, 0xc8, 0x27, 0xdc, 0xd5, 0x1d, 0x21, 0xed];
/// `SystemID` of PlayReady.
pub const PLAYREADY: [u8; 16] = [0x9a, 0x04, 0xf0, 0x79, 0x98, 0x40, 0x42, 0x86, 0xab, 0x92, 0xe6, 0x5b, 0xe0, 0x88, 0x5f, 0x95];

/// How samples are encrypted: of a track (`tenc`, 8.2), or of a group of its samples (`seig`, 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleEncryption {
    /// Blocks of 16 bytes that are encrypted, then blocks that are not, in turn; (0, 0): all are.
    pub pattern: (u8, u8),
    /// Bytes of the initialization vector that each sample has: 8, 16, or 0 where it is constant.
    pub iv_size: u8,
    /// The key.
    pub key_id: KeyId,
    /// The initialization vector of all samples, where they have none of their own.
    pub constant_iv: Option<[u8; 16]>,
}

impl SampleEncryption {
    /// Writes the fields that `tenc` and `seig` share.
    fn write(&self, w: &mut Writer) {
        w.u8(0);
        w.u8((self.pattern.0 << 4) | (self.pattern.1 & 15));
        w.u8(1); // protected
        w.u8(self.iv_size);
        w.bytes(&self.key_id);
        if let Some(iv) = &self.constant_iv {
            w.u8(16);
            w.bytes(iv);
        }
    }

    /// Reads `tenc`; `None`: samples are not protected unless a group says so.
    pub fn read_track(mut content: Reader<'_>) -> Result<Option<Self>> {
        let (version, _) = content.full_box()?;
        // Version 0 has no patterns: what stands there is reserved.
        Ok(Self::read_fields(&mut content)?.map(|read| Self { pattern: if version == 0 { (0, 0) } else { read.pattern }, ..read }))
    }

    /// Reads `sgpd` with one description; `None`: groups of another type than `seig`, or samples that are not protected.
    pub fn read_group(mut content: Reader<'_>) -> Result<Option<Self>> {
        let (version, _) = content.full_box()?;
        if &content.four_cc()?.0 != b"seig" {
            return Ok(None);
        }
        let at = content.position();
        let length = if version == 1 { content.u32()? } else { 0 };
        if length == 0 || content.u32()? != 1 {
            let message = "a group of encrypted samples whose descriptions are not one, of a length that is told";
            return Err(Error::unsupported(message).at(at).by("ISO/IEC 14496-12 8.9.3"));
        }
        Self::read_fields(&mut content)
    }

    /// Reads the fields that `tenc` and `seig` share.
    fn read_fields(content: &mut Reader<'_>) -> Result<Option<Self>> {
        content.skip(1)?;
        let pattern = content.u8()?;
        let (protected, iv_size) = (content.u8()? == 1, content.u8()?);
        let mut key_id = KeyId::default();
        key_id.copy_from_slice(content.take(16)?);
        let mut constant_iv = None;
        if protected && iv_size == 0 {
            let at = content.position();
            let size = usize::from(content.u8()?);
            let mut iv = [0; 16];
            match iv.get_mut(..size) {
                Some(slot) if matches!(size, 8 | 16) => slot.copy_from_slice(content.take(size)?),
                _ => {
                    let message = format!("a constant initialization vector has {size} bytes, it may have 8 or 16");
                    return Err(Error::malformed(message).at(at).by("ISO/IEC 23001-7 8.2"));
                }
            }
            constant_iv = Some(iv);
        }
        Ok(protected.then_some(Self { pattern: (pattern >> 4, pattern & 15), iv_size, key_id, constant_iv }))
    }
}

/// What `sinf` says of a sample entry (ISO/IEC 14496-12 8.12.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtectionScheme {
    /// The name of the sample entry before it was protected.
    pub original: FourCc,
    /// The scheme, such as `cenc`.
    pub scheme: FourCc,
    /// How samples are encrypted, where nothing else is said of them.
    pub default: Option<SampleEncryption>,
}

impl ProtectionScheme {
    /// Reads the content of `sinf`.
    pub fn read(content: Reader<'_>) -> Result<Self> {
        let missing = |name| Error::malformed(format!("box '{name}' is missing")).at(content.position()).by("ISO/IEC 14496-12 8.12.2");
        let (mut original, mut scheme, mut default) = (None, None, None);
        for child in children(content) {
            let (name, mut child) = child?;
            match &name.0 {
                b"frma" => original = Some(child.four_cc()?),
                b"schm" => {
                    child.full_box()?;
                    scheme = Some(child.four_cc()?);
                }
                b"schi" => {
                    for inner in children(child) {
                        let (name, inner) = inner?;
                        if &name.0 == b"tenc" {
                            default = SampleEncryption::read_track(inner).map_err(|error| error.within(name))?;
                        }
                    }
                }
                _ => {}
            }
        }
        let original = original.ok_or_else(|| missing("frma"))?;
        Ok(Self { original, scheme: scheme.ok_or_else(|| missing("schm"))?, default })
    }

    /// What `entry`, a sample entry `encv` or `enca`, says of itself.
    pub fn of(entry: &SampleEntry<'_>) -> Result<Self> {
        let sinf = if &entry.name.0 == b"encv" { entry.visual()?.find(*b"sinf") } else { entry.audio()?.find(*b"sinf") };
        let sinf = sinf.ok_or_else(|| {
            Error::malformed("box 'sinf' is missing").at(entry.content.position()).within(entry.name).by("ISO/IEC 14496-12 8.12")
        })?;
        Self::read(sinf).map_err(|error| error.within(FourCc(*b"sinf")).within(entry.name))
    }
}

/// The sample entry `bytes` as one whose samples are protected: `encv` or `enca` with what it was, and `sinf` behind it.
pub fn write_protected_entry(w: &mut Writer, bytes: &[u8], video: bool, scheme: FourCc, default: &SampleEncryption) {
    let mut content = Reader::new(bytes, 0);
    let Ok(header) = BoxHeader::read(&mut content) else { return };
    w.boxed(if video { b"encv" } else { b"enca" }, |w| {
        w.bytes(content.rest());
        w.boxed(b"sinf", |w| {
            w.boxed(b"frma", |w| w.bytes(&header.name.0));
            w.full_box(b"schm", 0, 0, |w| {
                w.bytes(&scheme.0);
                w.u32(0x1_0000);
            });
            w.boxed(b"schi", |w| {
                // Patterns and constant vectors are of version 1.
                w.full_box(b"tenc", (scheme == CBCS).into(), 0, |w| default.write(w));
            });
        });
    });
}

/// Says of all `count` samples of a fragment that they are encrypted as `own` tells, whatever the track says (`sgpd` and `sbgp` of type
/// `seig`; ISO/IEC 14496-12 8.9).
pub fn write_sample_group(w: &mut Writer, count: u32, own: &SampleEncryption) {
    w.full_box(b"sgpd", 1, 0, |w| {
        w.bytes(b"seig");
        w.u32(if own.constant_iv.is_some() { 20 + 17 } else { 20 });
        w.u32(1);
        own.write(w);
    });
    w.full_box(b"sbgp", 0, 0, |w| {
        w.bytes(b"seig");
        w.u32(1);
        w.u32(count);
        w.u32(0x1_0001); // the first description of the fragment itself
    });
}

/// `pssh` (ISO/IEC 23001-7 8.1): what a key system needs for a licence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectionSystem {
    /// `SystemID`.
    pub system: [u8; 16],
    /// The keys that it is about, where it tells them (version 1).
    pub key_ids: Vec<KeyId>,
    /// What the system alone understands.
    pub data: Vec<u8>,
}

impl ProtectionSystem {
    /// The common one, for `key_ids`.
    pub fn common(key_ids: Vec<KeyId>) -> Self {
        Self { system: COMMON_SYSTEM, key_ids, data: Vec::new() }
    }

    /// Reads one box that is all of `bytes`.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        const CLAUSE: &str = "ISO/IEC 23001-7 8.1";
        let mut boxes = children(Reader::new(bytes, 0));
        let (Some(first), None) = (boxes.next(), boxes.next()) else {
            return Err(Error::malformed("this is not one box 'pssh'").by(CLAUSE));
        };
        let (name, mut content) = first?;
        if &name.0 != b"pssh" {
            return Err(Error::malformed(format!("this is a box '{name}', not 'pssh'")).by(CLAUSE));
        }
        let mut read = || {
            let (version, _) = content.full_box()?;
            let mut system = [0; 16];
            system.copy_from_slice(content.take(16)?);
            let mut key_ids = Vec::new();
            if version > 0 {
                for _ in 0..content.u32()? {
                    let mut key_id = KeyId::default();
                    key_id.copy_from_slice(content.take(16)?);
                    key_ids.push(key_id);
                }
            }
            let length = content.u32()?;
            let data = content.take(usize::try_from(length).unwrap_or(usize::MAX))?.to_vec();
            Ok(Self { system, key_ids, data })
        };
        read().map_err(|error: Error| error.within(name).by(CLAUSE))
    }

    /// Writes the box: of version 1 where it tells keys, else of version 0.
    pub fn write(&self, w: &mut Writer) {
        w.full_box(b"pssh", u8::from(!self.key_ids.is_empty()), 0, |w| {
            w.bytes(&self.system);
            if !self.key_ids.is_empty() {
                w.u32(u32::try_from(self.key_ids.len()).unwrap_or(u32::MAX));
                for key_id in &self.key_ids {
                    w.bytes(key_id);
                }
            }
            w.u32(u32::try_from(self.data.len()).unwrap_or(u32::MAX));
            w.bytes(&self.data);
        });
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn key_systems_read_back() {
        for system in [
            ProtectionSystem::common(vec![[1; 16], [2; 16]]),
            ProtectionSystem { system: WIDEVINE, key_ids: Vec::new(), data: vec![1, 2, 3] },
        ] {
            let mut w = Writer::default();
            system.write(&mut w);
            let bytes = w.into_bytes();
            assert_eq!(ProtectionSystem::read(&bytes).unwrap(), system);
            assert!(ProtectionSystem::read(&bytes[..bytes.len() - 1]).is_err());
            assert!(ProtectionSystem::read(&[&bytes[..], &bytes[..]].concat()).is_err(), "two boxes");
        }
    }

    #[test]
    fn protected_entries_read_back() {
        let mut entry = Writer::default();
        entry.boxed(b"mp4a", |w| w.zeros(28));
        let entry = entry.into_bytes();
        for (scheme, default) in [
            (CENC, SampleEncryption { pattern: (0, 0), iv_size: 8, key_id: [7; 16], constant_iv: None }),
            (CBCS, SampleEncryption { pattern: (1, 9), iv_size: 0, key_id: [8; 16], constant_iv: Some([9; 16]) }),
        ] {
            let mut w = Writer::default();
            w.u32(0);
            w.u32(1);
            write_protected_entry(&mut w, &entry, false, scheme, &default);
            let descriptions = w.into_bytes();
            let entries = super::super::sample_entry::read_descriptions(Reader::new(&descriptions, 0)).unwrap();
            assert_eq!(entries[0].name.0, *b"enca");
            let expected = ProtectionScheme { original: FourCc(*b"mp4a"), scheme, default: Some(default) };
            assert_eq!(ProtectionScheme::of(&entries[0]).unwrap(), expected);
        }
    }
}
