//! Which bytes of a sample may be encrypted: what a decoder needs to find its way stays clear (ISO/IEC 23001-7 9.5).
//!
//! Parameter sets, headers of NAL units and OBUs, slice headers and frame headers stay clear; slice data and tile data do not. Sound is
//! encrypted whole. What cannot be read is an error: bytes that would wrongly stay clear, or wrongly not, are never guessed.

mod av1;
mod avc;
mod hevc;
mod rbsp;
mod vp9;

use alloc::{format, vec::Vec};
use core::ops::Range;

use crate::{
    boxes::sample_entry::SampleEntry,
    codec::Media,
    coding::Reader,
    error::{Error, Result},
};

/// Finds, sample after sample in decoding order, the bytes that may be encrypted.
///
/// Headers are read by what came before them, so a finder begins at a sync sample.
#[derive(Clone, Debug)]
pub struct Finder {
    kind: Kind,
    /// Stretches found in the sample at hand.
    found: Vec<Range<usize>>,
}

#[derive(Clone, Debug)]
enum Kind {
    Whole,
    Avc { sets: avc::Avc, length_size: usize },
    Hevc { sets: hevc::Hevc, length_size: usize },
    Av1(av1::Av1),
    Vp9(vp9::Vp9),
}

impl Finder {
    /// For samples of `entry`, a sample entry of a track that carries `media`. Video codecs for which there is no rule are
    /// [`Error::unsupported`].
    pub fn new(entry: &SampleEntry<'_>, media: &Media) -> Result<Self> {
        if !matches!(media, Media::Video(_)) {
            return Ok(Self { kind: Kind::Whole, found: Vec::new() });
        }
        let visual = entry.visual()?;
        let kind = if let Some(config) = visual.find(*b"avcC") {
            let (sets, length_size) = avc_config(config)?;
            Kind::Avc { sets, length_size }
        } else if let Some(config) = visual.find(*b"hvcC") {
            let (sets, length_size) = hevc_config(config)?;
            Kind::Hevc { sets, length_size }
        } else if let Some(config) = visual.find(*b"av1C") {
            Kind::Av1(av1::Av1::new(config)?)
        } else if &entry.name.0 == b"vp09" {
            Kind::Vp9(vp9::Vp9::default())
        } else {
            return Err(Error::unsupported(format!("sample entry '{}': Common Encryption has no rule for this codec", entry.name)));
        };
        Ok(Self { kind, found: Vec::new() })
    }

    /// Whether what is encrypted is whole blocks of 16 bytes in every scheme, and ends with the stretch: so it is in AV1 (AV1-ISOBMFF
    /// 4.3) and in VP9 (VP-ISOBMFF 'Common Encryption').
    pub fn is_aligned(&self) -> bool {
        matches!(self.kind, Kind::Av1(_) | Kind::Vp9(_))
    }

    /// The stretches of `sample` that may be encrypted, in order, none empty. `position`: where it stands in the input, for errors.
    pub fn find(&mut self, sample: &[u8], position: u64) -> Result<&[Range<usize>]> {
        self.found.clear();
        let found = &mut self.found;
        match &mut self.kind {
            Kind::Whole => found.push(0..sample.len()),
            Kind::Avc { sets, length_size } => nal_units(sample, position, *length_size, found, |nal, at| sets.clear(nal, at))?,
            Kind::Hevc { sets, length_size } => nal_units(sample, position, *length_size, found, |nal, at| sets.clear(nal, at))?,
            Kind::Av1(state) => state.find(sample, position, found)?,
            Kind::Vp9(state) => state.find(sample, position, found)?,
        }
        found.retain(|stretch| !stretch.is_empty());
        Ok(found)
    }
}

/// Walks over the NAL units of a sample; `clear` tells how many bytes of one stay clear, or that all do.
fn nal_units(
    sample: &[u8],
    position: u64,
    length_size: usize,
    found: &mut Vec<Range<usize>>,
    mut clear: impl FnMut(&[u8], u64) -> Result<Option<usize>>,
) -> Result<()> {
    let mut reader = Reader::new(sample, position);
    while !reader.is_empty() {
        let at = reader.position();
        let length = reader.take(length_size)?.iter().fold(0usize, |length, byte| (length << 8) | usize::from(*byte));
        let start = sample.len().saturating_sub(reader.remaining());
        let inside = reader.position();
        let nal = reader.take(length).map_err(|_| {
            let message = format!("a NAL unit says that it has {length} bytes, {} of its sample are left", reader.remaining());
            Error::malformed(message).at(at).by("ISO/IEC 14496-15 4.2.2")
        })?;
        if nal.is_empty() {
            continue;
        }
        if let Some(clear) = clear(nal, inside).map_err(|error| error.at(inside))? {
            found.push(start.saturating_add(clear)..start.saturating_add(length));
        }
    }
    Ok(())
}

/// `avcC`: the length of NAL unit lengths, and parameter sets (ISO/IEC 14496-15 5.3.3.1).
fn avc_config(mut config: Reader<'_>) -> Result<(avc::Avc, usize)> {
    config.skip(4)?;
    let length_size = usize::from(config.u8()? & 3) + 1;
    let mut sets = avc::Avc::default();
    for mask in [0x1f, 0xff] {
        for _ in 0..config.u8()? & mask {
            let length = config.u16()?;
            let position = config.position();
            sets.clear(config.take(length.into())?, position)?;
        }
    }
    Ok((sets, length_size))
}

/// `hvcC`: the same (8.3.3.1).
fn hevc_config(mut config: Reader<'_>) -> Result<(hevc::Hevc, usize)> {
    config.skip(21)?;
    let length_size = usize::from(config.u8()? & 3) + 1;
    let mut sets = hevc::Hevc::default();
    for _ in 0..config.u8()? {
        config.skip(1)?;
        for _ in 0..config.u16()? {
            let length = config.u16()?;
            let position = config.position();
            sets.clear(config.take(length.into())?, position)?;
        }
    }
    Ok((sets, length_size))
}

/// A slice whose parameter sets are not known.
fn missing_set() -> Error {
    Error::malformed(
        "a slice needs a parameter set that neither the sample entry nor a sample of its segment before it holds, or that cannot be read",
    )
}
