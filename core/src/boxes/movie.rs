//! The movie box and what describes its tracks; the sample tables are in [`super::sample_table`].
//!
//! ```text
//! moov  mvhd, mvex (trex...), trak...
//! trak  tkhd, edts (elst), mdia
//! mdia  mdhd, hdlr, elng, minf (stbl)
//! ```

use alloc::{format, string::String, vec::Vec};

use super::{FourCc, children, sample_table::SampleTableBoxes};
use crate::{
    coding::Reader,
    error::{Error, Result},
    time::Timescale,
};

/// Tracks more than this are refused: no player shows them, and each costs work.
const MAX_TRACKS: usize = 256;

/// `moov` (ISO/IEC 14496-12 8.2.1).
#[derive(Debug)]
pub struct MovieBox<'a> {
    /// Ticks a second of the movie timeline, in which edits are measured; `None` where `mvhd` is missing, as real files have it.
    pub timescale: Option<Timescale>,
    /// The tracks, in file order; those that could not be read say why.
    pub tracks: Vec<TrackBox<'a>>,
    /// `mvex`/`trex`: defaults for the fragments of each track; `None`: the movie has no fragments.
    pub extends: Option<Vec<TrackExtends>>,
}

/// `trak` (8.3.1) with the fields of `tkhd`, `mdhd`, `hdlr`, `elng` and `elst` in it.
#[derive(Debug)]
pub struct TrackBox<'a> {
    /// `track_ID` (8.3.2).
    pub id: u32,
    /// `track_enabled` (8.3.2).
    pub enabled: bool,
    /// The transformation matrix of `tkhd`, as it stands there.
    pub matrix: [u8; 36],
    /// Width and height of presentation in 16.16 fixed point (8.3.2).
    pub dimensions: (u32, u32),
    /// Ticks a second of the media (8.4.2).
    pub timescale: Timescale,
    /// `handler_type` (8.4.3).
    pub handler: FourCc,
    /// ISO 639-2/T code of `mdhd`, or the BCP 47 tag of `elng`; `None` for undetermined.
    pub language: Option<String>,
    /// `elst` (8.6.6).
    pub edits: Vec<Edit>,
    /// `stbl` (8.5.1).
    pub sample_table: SampleTableBoxes<'a>,
}

/// One entry of `elst` (8.6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Length in ticks of the movie timeline; 0: to the end of the media.
    pub duration: u64,
    /// First media time in ticks of the media; `None`: an empty edit.
    pub media_time: Option<u64>,
    /// `media_rate` in 16.16 fixed point.
    pub rate: i32,
}

/// `trex` (8.8.3): what fragments of a track leave out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrackExtends {
    /// `track_ID`.
    pub track_id: u32,
    /// `default_sample_description_index`.
    pub description_index: u32,
    /// `default_sample_duration`, in ticks of the media.
    pub duration: u32,
    /// `default_sample_size`, in bytes.
    pub size: u32,
    /// `default_sample_flags`.
    pub flags: u32,
}

impl<'a> MovieBox<'a> {
    /// Reads the content of `moov`.
    pub fn read(content: Reader<'a>) -> Result<Self> {
        let mut timescale = None;
        let mut tracks = Vec::new();
        let mut extends = None;
        for child in children(content) {
            let (name, child) = child?;
            match &name.0 {
                b"mvhd" => timescale = Some(read_timescale(child).map_err(|e| e.within(name))?),
                b"trak" if tracks.len() == MAX_TRACKS => {
                    return Err(Error::unsupported(format!("more than {MAX_TRACKS} tracks")).at(child.position()));
                }
                b"trak" => tracks.push(TrackBox::read(child).map_err(|e| e.within(name))?),
                b"mvex" => extends = Some(read_extends(child).map_err(|e| e.within(name))?),
                _ => {}
            }
        }
        Ok(Self { timescale, tracks, extends })
    }
}

impl<'a> TrackBox<'a> {
    fn read(content: Reader<'a>) -> Result<Self> {
        let mut header = None;
        let mut edits = Vec::new();
        let mut media = None;
        for child in children(content) {
            let (name, child) = child?;
            match &name.0 {
                b"tkhd" => header = Some(TrackHeader::read(child).map_err(|e| e.within(name))?),
                b"edts" => {
                    for grandchild in children(child) {
                        let (inner, grandchild) = grandchild.map_err(|e| e.within(name))?;
                        if &inner.0 == b"elst" {
                            edits = read_edits(grandchild).map_err(|e| e.within(inner).within(name))?;
                        }
                    }
                }
                b"mdia" => media = Some(Media::read(child).map_err(|e| e.within(name))?),
                _ => {}
            }
        }
        let header = header.ok_or_else(|| missing("tkhd", content, "ISO/IEC 14496-12 8.3.2"))?;
        let media = media.ok_or_else(|| missing("mdia", content, "ISO/IEC 14496-12 8.4.1"))?;
        Ok(Self {
            id: header.id,
            enabled: header.enabled,
            matrix: header.matrix,
            dimensions: header.dimensions,
            timescale: media.timescale,
            handler: media.handler,
            language: media.language,
            edits,
            sample_table: media.sample_table,
        })
    }
}

fn missing(name: &str, container: Reader<'_>, clause: &'static str) -> Error {
    Error::malformed(format!("box '{name}' is missing")).at(container.position()).by(clause)
}

/// The time fields that `mvhd` and `mdhd` begin with: creation, modification, timescale, duration.
fn read_timescale_field(reader: &mut Reader<'_>) -> Result<Timescale> {
    let (version, _) = reader.full_box()?;
    reader.skip(if version == 1 { 16 } else { 8 })?;
    let at = reader.position();
    let timescale = Timescale::new(reader.u32()?)
        .ok_or_else(|| Error::malformed("the timescale is zero: no time can be told").at(at).by("ISO/IEC 14496-12 8.4.2"))?;
    reader.skip(if version == 1 { 8 } else { 4 })?;
    Ok(timescale)
}

fn read_timescale(mut reader: Reader<'_>) -> Result<Timescale> {
    read_timescale_field(&mut reader)
}

struct TrackHeader {
    id: u32,
    enabled: bool,
    matrix: [u8; 36],
    dimensions: (u32, u32),
}

impl TrackHeader {
    fn read(mut reader: Reader<'_>) -> Result<Self> {
        let (version, flags) = reader.full_box()?;
        reader.skip(if version == 1 { 16 } else { 8 })?;
        let id = reader.u32()?;
        reader.skip(if version == 1 { 12 } else { 8 })?; // reserved, duration
        reader.skip(16)?; // reserved, layer, alternate_group, volume, reserved
        let mut matrix = [0; 36];
        matrix.copy_from_slice(reader.take(36)?);
        Ok(Self { id, enabled: flags & 1 != 0, matrix, dimensions: (reader.u32()?, reader.u32()?) })
    }
}

struct Media<'a> {
    timescale: Timescale,
    handler: FourCc,
    language: Option<String>,
    sample_table: SampleTableBoxes<'a>,
}

impl<'a> Media<'a> {
    fn read(content: Reader<'a>) -> Result<Self> {
        let (mut timescale, mut handler, mut sample_table) = (None, None, None);
        let (mut packed_language, mut extended_language) = (None, None);
        for child in children(content) {
            let (name, mut child) = child?;
            match &name.0 {
                b"mdhd" => {
                    timescale = Some(read_timescale_field(&mut child).map_err(|e| e.within(name))?);
                    packed_language = child.u16().ok().and_then(unpack_language);
                }
                b"hdlr" => {
                    child.skip(8).map_err(|e| e.within(name))?;
                    handler = Some(child.four_cc().map_err(|e| e.within(name))?);
                }
                b"elng" => extended_language = read_extended_language(child),
                b"minf" => {
                    for grandchild in children(child) {
                        let (inner, grandchild) = grandchild.map_err(|e| e.within(name))?;
                        if &inner.0 == b"stbl" {
                            sample_table = Some(SampleTableBoxes::read(grandchild).map_err(|e| e.within(inner).within(name))?);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(Self {
            timescale: timescale.ok_or_else(|| missing("mdhd", content, "ISO/IEC 14496-12 8.4.2"))?,
            handler: handler.ok_or_else(|| missing("hdlr", content, "ISO/IEC 14496-12 8.4.3"))?,
            language: extended_language.or(packed_language),
            sample_table: sample_table.ok_or_else(|| missing("stbl", content, "ISO/IEC 14496-12 8.5.1"))?,
        })
    }
}

/// Three letters of five bits each (8.4.2.3). QuickTime's numbers below 0x400 and `und` say nothing.
fn unpack_language(packed: u16) -> Option<String> {
    let letters = [packed >> 10, packed >> 5, packed].map(|bits| u8::try_from(bits & 0x1f).unwrap_or(0) + 0x60);
    let text = core::str::from_utf8(&letters).ok()?;
    (letters.iter().all(u8::is_ascii_lowercase) && text != "und").then(|| String::from(text))
}

/// Three letters of five bits each; `und` for what cannot be packed.
pub fn pack_language(language: Option<&str>) -> u16 {
    let letters = language.map(str::as_bytes).filter(|code| code.len() == 3 && code.iter().all(u8::is_ascii_lowercase)).unwrap_or(b"und");
    letters.iter().fold(0, |packed, letter| (packed << 5) | (u16::from(*letter) & 0x1f))
}

fn read_extended_language(mut reader: Reader<'_>) -> Option<String> {
    reader.full_box().ok()?;
    let text = core::str::from_utf8(reader.rest()).ok()?.trim_end_matches('\0');
    let tag = !text.is_empty() && text.len() <= 35 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (tag && text != "und").then(|| String::from(text))
}

fn read_edits(mut reader: Reader<'_>) -> Result<Vec<Edit>> {
    let (version, _) = reader.full_box()?;
    let at = reader.position();
    let count = reader.u32()?;
    let entry = if version == 1 { 20 } else { 12 };
    if u64::from(count) * entry > reader.remaining() as u64 {
        let message = format!("{count} edits need {} bytes, {} are left", u64::from(count) * entry, reader.remaining());
        return Err(Error::malformed(message).at(at).by("ISO/IEC 14496-12 8.6.6"));
    }
    let mut edits = Vec::new();
    for _ in 0..count {
        let at = reader.position();
        let (duration, media_time) =
            if version == 1 { (reader.u64()?, reader.i64()?) } else { (u64::from(reader.u32()?), i64::from(reader.i32()?)) };
        let media_time = match media_time {
            -1 => None,
            time => Some(u64::try_from(time).map_err(|_| {
                Error::malformed(format!("edit {} begins at the negative media time {time}", edits.len() + 1))
                    .at(at)
                    .by("ISO/IEC 14496-12 8.6.6")
            })?),
        };
        edits.push(Edit { duration, media_time, rate: reader.i32()? });
    }
    Ok(edits)
}

fn read_extends(content: Reader<'_>) -> Result<Vec<TrackExtends>> {
    let mut extends = Vec::new();
    for child in children(content) {
        let (name, mut child) = child?;
        if &name.0 != b"trex" || extends.len() == MAX_TRACKS {
            continue;
        }
        let mut read = || {
            child.full_box()?;
            Ok(TrackExtends {
                track_id: child.u32()?,
                description_index: child.u32()?,
                duration: child.u32()?,
                size: child.u32()?,
                flags: child.u32()?,
            })
        };
        extends.push(read().map_err(|e: Error| e.within(name))?);
    }
    Ok(extends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_survive_packing() {
        for code in ["eng", "fra", "zxx"] {
            assert_eq!(unpack_language(pack_language(Some(code))).as_deref(), Some(code));
        }
        assert_eq!(unpack_language(pack_language(None)), None);
        assert_eq!(unpack_language(0), None, "a QuickTime language number");
    }

    #[test]
    fn edits_of_both_versions() {
        let v0 = [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff, 0, 1, 0, 0];
        assert_eq!(read_edits(Reader::new(&v0, 0)).unwrap(), [Edit { duration: 9, media_time: None, rate: 0x10000 }]);
        let too_many = [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 9];
        assert_eq!(read_edits(Reader::new(&too_many, 10)).unwrap_err().offset(), Some(14));
    }
}
