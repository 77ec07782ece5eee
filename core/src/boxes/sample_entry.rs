//! `stsd` (ISO/IEC 14496-12 8.5.2): sample entries, kept byte for byte (but for QuickTime's sound), with the few fields that manifests need read out of them.

use alloc::{format, vec::Vec};

use super::{BoxHeader, FourCc, children};
use crate::{
    coding::{Reader, Writer},
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

    /// The entry as ISO files have it, where the source is QuickTime's version 1 or 2: the same fields without the extension, and the
    /// boxes that describe the codec out of their `wave`; and `mp4a` for [QuickTime's MP3](Self::is_quicktime_mp3). Browsers refuse the
    /// QuickTime form. `None`: it is in the ISO form already.
    pub fn iso_audio(&self, channels: u32, sample_rate: u32) -> Result<Option<Vec<u8>>> {
        let audio = self.audio()?;
        let mp3 = self.is_quicktime_mp3();
        if audio.version == 0 && find(audio.boxes, *b"wave").is_none() && !mp3 {
            return Ok(None);
        }
        let mut w = Writer::with_capacity(self.bytes.len());
        w.boxed(if mp3 { b"mp4a" } else { &self.name.0 }, |w| {
            w.zeros(6);
            w.u16(1); // data_reference_index
            w.zeros(8);
            w.u16(u16::try_from(channels).unwrap_or(u16::MAX));
            w.u16(16); // samplesize, a template field
            w.zeros(4);
            w.u32(u16::try_from(sample_rate).map_or(0, |rate| u32::from(rate) << 16));
            let inner = find(audio.boxes, *b"wave").into_iter().flat_map(children);
            for (name, content) in inner.chain(children(audio.boxes)).filter_map(Result::ok) {
                // QuickTime's own: the nested container, a repetition of the coding name, its terminator, channel layout, a nested dummy.
                if !matches!(&name.0, b"wave" | b"frma" | b"\0\0\0\0" | b"chan" | b"mp4a") {
                    w.boxed(&name.0, |w| w.bytes(content.rest()));
                }
            }
            if mp3 {
                // Elementary stream, its decoder (a sound stream of unknown rate), its synchronization layer (ISO/IEC 14496-1 7.2.6).
                w.full_box(b"esds", 0, 0, |w| {
                    w.bytes(&[3, 21, 0, 0, 0, 4, 13, mp3_object_type(sample_rate), 0x15, 0, 0, 0]);
                    w.zeros(8);
                    w.bytes(&[6, 1, 2]);
                });
            }
        });
        Ok(Some(w.into_bytes()))
    }

    /// Whether it is MP3 under a name of QuickTime: `.mp3`, or `ms` and the number that it has in WAVE files.
    pub fn is_quicktime_mp3(&self) -> bool {
        matches!(&self.name.0, b".mp3" | b"ms\0\x55")
    }

    fn read_audio(&self) -> Result<AudioEntry<'a>> {
        let mut reader = self.content;
        reader.skip(8)?;
        let version = reader.u16()?;
        reader.skip(6)?;
        let mut channels = u32::from(reader.u16()?);
        reader.skip(6)?;
        let mut sample_rate = reader.u32()? >> 16;
        match version {
            1 => reader.skip(16)?,
            2 => {
                reader.skip(4)?;
                // QuickTime's version 2 holds the rate as a 64-bit float: its value stands in the codec configuration too.
                reader.skip(8)?;
                sample_rate = 0;
                channels = reader.u32()?;
                reader.skip(20)?;
            }
            _ => {}
        }
        Ok(AudioEntry { version, channels, sample_rate, boxes: reader })
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
    /// `samplerate` in Hz; 0 where the entry does not hold it.
    pub sample_rate: u32,
    boxes: Reader<'a>,
}

impl<'a> AudioEntry<'a> {
    /// The content of the first box `name` of the entry, or of QuickTime's `wave` box in it.
    pub fn find(&self, name: [u8; 4]) -> Option<Reader<'a>> {
        find(self.boxes, name).or_else(|| find(find(self.boxes, *b"wave")?, name))
    }
}

fn find(boxes: Reader<'_>, name: [u8; 4]) -> Option<Reader<'_>> {
    children(boxes).filter_map(Result::ok).find(|(found, _)| found.0 == name).map(|(_, content)| content)
}

/// `objectTypeIndication` of MP3: MPEG-1 audio, or the lower rates that MPEG-2 added.
pub fn mp3_object_type(sample_rate: u32) -> u8 {
    if sample_rate < 32_000 { 0x69 } else { 0x6b }
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

    fn fields(w: &mut Writer, version: u16, rate: u32) {
        w.zeros(6);
        w.u16(1);
        w.u16(version);
        w.zeros(6);
        w.u16(2);
        w.u16(16);
        w.zeros(4);
        w.u32(rate << 16);
    }

    fn iso_form(bytes: &[u8]) -> Option<Vec<u8>> {
        let mut descriptions = Writer::default();
        descriptions.u32(0);
        descriptions.u32(1);
        descriptions.bytes(bytes);
        let descriptions = descriptions.into_bytes();
        let entries = read_descriptions(Reader::new(&descriptions, 0)).unwrap();
        entries[0].iso_audio(2, 48_000).unwrap()
    }

    #[test]
    fn quicktime_sound_is_brought_into_the_iso_form() {
        let mut expected = Writer::default();
        expected.boxed(b"mp4a", |w| {
            fields(w, 0, 48_000);
            w.boxed(b"esds", |w| w.bytes(&[1, 2, 3]));
            w.boxed(b"btrt", |w| w.zeros(12));
        });
        let expected = expected.into_bytes();
        assert_eq!(iso_form(&expected), None, "nothing to be done");
        let mut version_1 = Writer::default();
        version_1.boxed(b"mp4a", |w| {
            fields(w, 1, 48_000);
            w.zeros(16);
            w.boxed(b"wave", |w| {
                w.boxed(b"frma", |w| w.bytes(b"mp4a"));
                w.boxed(b"mp4a", |w| w.zeros(4));
                w.boxed(b"esds", |w| w.bytes(&[1, 2, 3]));
                w.boxed(&[0; 4], |_| {});
            });
            w.boxed(b"chan", |w| w.zeros(16));
            w.boxed(b"btrt", |w| w.zeros(12));
        });
        assert_eq!(iso_form(&version_1.into_bytes()), Some(expected.clone()));
        let mut version_2 = Writer::default();
        version_2.boxed(b"mp4a", |w| {
            fields(w, 2, 1);
            w.zeros(4 + 8);
            w.u32(2);
            w.zeros(20);
            w.boxed(b"esds", |w| w.bytes(&[1, 2, 3]));
            w.boxed(b"btrt", |w| w.zeros(12));
        });
        assert_eq!(iso_form(&version_2.into_bytes()), Some(expected));
        let mut mp3 = Writer::default();
        mp3.boxed(b".mp3", |w| {
            fields(w, 1, 48_000);
            w.zeros(16);
        });
        let mut expected = Writer::default();
        expected.boxed(b"mp4a", |w| {
            fields(w, 0, 48_000);
            w.full_box(b"esds", 0, 0, |w| w.bytes(&[3, 21, 0, 0, 0, 4, 13, 0x6b, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 1, 2]));
        });
        let expected = expected.into_bytes();
        assert_eq!(iso_form(&mp3.into_bytes()).as_ref(), Some(&expected));
        assert_eq!(iso_form(&expected), None);
    }
}
