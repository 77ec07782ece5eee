//! `stsd` (ISO/IEC 14496-12 8.5.2): sample entries, kept byte for byte (but for QuickTime's sound), with the few fields that manifests need read out of them.

use alloc::{format, vec::Vec};

use super::{BoxHeader, FourCc, children};
use crate::{
    coding::Reader,
    error::{Error, Result},
};

/// A sample entry as it stands in `stsd`.
#[derive(Clone, Copy, Debug)]
pub struct SampleEntry<'a> {
    /// The coding name, such as `avc1`.
    pub name: FourCc,
    /// The whole box, header included.
    pub bytes: &'a [u8],
    /// The content of the box.
    pub content: Reader<'a>,
}

/// Entries more than this are refused.
const MAX_ENTRIES: usize = 64;

/// Reads the content of `stsd`.
pub fn read_descriptions(mut content: Reader<'_>) -> Result<Vec<SampleEntry<'_>>> {
    content.full_box()?;
    let at = content.position();
    let count = content.u32()?;
    let mut entries = Vec::new();
    while !content.is_empty() && entries.len() < usize::try_from(count).unwrap_or(usize::MAX) {
        if entries.len() == MAX_ENTRIES {
            return Err(Error::unsupported(format!("{count} sample descriptions, more than {MAX_ENTRIES}")).at(at));
        }
        entries.push(read_entry(&mut content)?);
    }
    Ok(entries)
}

/// Reads the entry that `content` begins with.
pub fn read_entry<'a>(content: &mut Reader<'a>) -> Result<SampleEntry<'a>> {
    let position = content.position();
    let whole = content.rest();
    let header = BoxHeader::read(content)?;
    let length = header.size.unwrap_or(whole.len() as u64);
    let bytes = usize::try_from(length).ok().and_then(|length| whole.get(..length)).ok_or_else(|| {
        let message = format!("sample entry '{}' says that it has {length} bytes, {} are left", header.name, whole.len());
        Error::malformed(message).at(position).by("ISO/IEC 14496-12 8.5.2")
    })?;
    let inner = content.sub(bytes.len().saturating_sub(usize::try_from(header.header).unwrap_or(0)))?;
    Ok(SampleEntry { name: header.name, bytes, content: inner })
}

/// Colour by code points (`colr` of type `nclx`; ISO/IEC 23091-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    /// `colour_primaries`.
    pub primaries: u16,
    /// `transfer_characteristics`.
    pub transfer: u16,
    /// `matrix_coefficients`.
    pub matrix: u16,
    /// `full_range_flag`.
    pub full_range: bool,
}

/// The fields of `VisualSampleEntry` (12.1.3).
#[derive(Clone, Copy, Debug)]
pub struct VisualEntry<'a> {
    /// Coded width in pixels.
    pub width: u16,
    /// Coded height in pixels.
    pub height: u16,
    /// `pasp`: horizontal and vertical spacing of a pixel.
    pub pixel_aspect: Option<(u32, u32)>,
    /// `colr`.
    pub colour: Option<Colour>,
    /// The boxes of the entry.
    boxes: Reader<'a>,
}

impl<'a> SampleEntry<'a> {
    /// Reads the entry as one of a video track.
    pub fn visual(&self) -> Result<VisualEntry<'a>> {
        let mut reader = self.content;
        let read = |reader: &mut Reader<'a>| {
            reader.skip(8 + 16)?;
            let size = (reader.u16()?, reader.u16()?);
            reader.skip(50)?;
            Ok(size)
        };
        let (width, height) = read(&mut reader).map_err(|e: Error| e.within(self.name))?;
        let mut entry = VisualEntry { width, height, pixel_aspect: None, colour: None, boxes: reader };
        entry.pixel_aspect = entry.find(*b"pasp").and_then(|mut pasp| Some((pasp.u32().ok()?, pasp.u32().ok()?)));
        entry.colour = entry.find(*b"colr").and_then(read_colour);
        Ok(entry)
    }

    /// Reads the entry as one of a sound track (12.2.3), QuickTime's versions 1 and 2 included.
    pub fn audio(&self) -> Result<AudioEntry<'a>> {
        self.read_audio().map_err(|e| e.within(self.name))
    }

    fn read_audio(&self) -> Result<AudioEntry<'a>> {
        let mut reader = self.content;
        reader.skip(8)?;
        let version = reader.u16()?;
        reader.skip(6)?;
        let mut channels = u32::from(reader.u16()?);
        let mut sample_size = u32::from(reader.u16()?);
        let mut format = 0;
        reader.skip(4)?;
        let mut sample_rate = reader.u32()? >> 16;
        match version {
            // That of ISO (12.2.3.2) adds nothing but boxes; QuickTime's four numbers are no head of one.
            1 if BoxHeader::read(&mut reader.clone()).is_ok_and(|header| header.name.0.iter().all(u8::is_ascii_graphic)) => {
                let rate = find(reader, *b"srat").and_then(|mut rate| rate.full_box().and_then(|_| rate.u32()).ok());
                sample_rate = rate.unwrap_or(sample_rate);
            }
            1 => reader.skip(16)?,
            2 => {
                reader.skip(4)?;
                sample_rate = whole(reader.u64()?);
                channels = reader.u32()?;
                reader.skip(4)?;
                sample_size = reader.u32()?;
                format = reader.u32()?;
                reader.skip(8)?;
            }
            _ => {}
        }
        Ok(AudioEntry { version, channels, sample_size, sample_rate, format, boxes: reader })
    }
}

impl<'a> VisualEntry<'a> {
    /// The content of the first box `name` of the entry.
    pub fn find(&self, name: [u8; 4]) -> Option<Reader<'a>> {
        find(self.boxes, name)
    }
}

/// The fields of `AudioSampleEntry` (12.2.3).
#[derive(Clone, Copy, Debug)]
pub struct AudioEntry<'a> {
    /// 0 in ISO files; 1 and 2 are QuickTime's.
    pub version: u16,
    /// `channelcount`.
    pub channels: u32,
    /// `samplesize`, in bits.
    pub sample_size: u32,
    /// `samplerate` in Hz; 0 where the entry does not hold it.
    pub sample_rate: u32,
    /// `formatSpecificFlags` of QuickTime's version 2; else 0.
    pub format: u32,
    /// The boxes of the entry.
    pub(super) boxes: Reader<'a>,
}

impl<'a> AudioEntry<'a> {
    /// The content of the first box `name` of the entry, or of QuickTime's `wave` box in it.
    pub fn find(&self, name: [u8; 4]) -> Option<Reader<'a>> {
        find(self.boxes, name).or_else(|| find(find(self.boxes, *b"wave")?, name))
    }
}

pub(super) fn find(boxes: Reader<'_>, name: [u8; 4]) -> Option<Reader<'_>> {
    children(boxes).filter_map(Result::ok).find(|(found, _)| found.0 == name).map(|(_, content)| content)
}

/// A 64-bit float of IEEE 754 that holds a whole number; 0 for what does not.
fn whole(float: u64) -> u32 {
    let exponent = (float >> 52).checked_sub(1023).filter(|exponent| *exponent < 32);
    let fraction = float & ((1 << 52) - 1) | 1 << 52;
    exponent.and_then(|exponent| u32::try_from(fraction >> (52 - exponent)).ok()).unwrap_or(0)
}

/// `nclx` of ISO, and `nclc` of QuickTime, which has no range flag.
fn read_colour(mut reader: Reader<'_>) -> Option<Colour> {
    let kind = reader.four_cc().ok()?;
    if !matches!(&kind.0, b"nclx" | b"nclc") {
        return None;
    }
    let (primaries, transfer, matrix) = (reader.u16().ok()?, reader.u16().ok()?, reader.u16().ok()?);
    Some(Colour { primaries, transfer, matrix, full_range: reader.u8().is_ok_and(|byte| byte & 0x80 != 0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_of_version_2() {
        for (float, expected) in
            [(0x40e5_8880_0000_0000, 44_100), (0x4107_7000_0000_0000, 192_000), (0x3ff0_0000_0000_0000, 1), (0, 0), (u64::MAX, 0)]
        {
            assert_eq!(whole(float), expected, "{float:x}");
        }
    }
}
