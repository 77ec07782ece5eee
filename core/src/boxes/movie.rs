//! The movie box and what describes its tracks; the sample tables are in [`super::sample_table`].
//!
//! ```text
//! moov  mvhd, mvex (trex...), trak...
//! trak  tkhd, edts (elst), mdia, udta
//! mdia  mdhd, hdlr, elng, minf (stbl)
//! ```

use alloc::{format, string::String, vec::Vec};

use super::{FourCc, children, legible, sample_table::SampleTableBoxes, user_data::UserData};
use crate::{
    coding::Reader,
    error::{Error, Result},
    time::Timescale,
};

/// Tracks more than this are refused: no player shows them, and each costs work.
const MAX_TRACKS: usize = 256;

/// `moov` (ISO/IEC 14496-12 8.2.1). What can be read of it is here; what cannot is told.
#[derive(Debug)]
pub struct MovieBox<'a> {
    /// Ticks a second of the movie timeline, in which edits are measured; `None` where `mvhd` is missing, as real files have it.
    pub timescale: Option<Timescale>,
    /// The tracks, in file order.
    pub tracks: Vec<TrackBox<'a>>,
    /// `mvex`/`trex`: defaults for the fragments of each track; `None`: the movie has no fragments.
    pub extends: Option<Vec<TrackExtends>>,
    /// The first thing that is wrong outside the tracks.
    pub fault: Option<Error>,
}

/// `trak` (8.3.1) with the fields of `tkhd`, `mdhd`, `hdlr`, `elng` and `elst` in it.
#[derive(Debug)]
pub struct TrackBox<'a> {
    /// `track_ID` (8.3.2); 0 where `tkhd` cannot be read.
    pub id: u32,
    /// `track_enabled` (8.3.2).
    pub enabled: bool,
    /// The transformation matrix of `tkhd`, as it stands there.
    pub matrix: [u8; 36],
    /// Width and height of presentation in 16.16 fixed point (8.3.2).
    pub dimensions: (u32, u32),
    /// Ticks a second of the media (8.4.2); `None` where `mdhd` does not tell it.
    pub timescale: Option<Timescale>,
    /// `handler_type` (8.4.3); where `hdlr` is missing or does not tell it, what the media header (8.4.5) tells; else zeros.
    pub handler: FourCc,
    /// ISO 639-2/T code of `mdhd`, or the BCP 47 tag of `elng`; `None` for undetermined.
    pub language: Option<String>,
    /// `udta` (8.10.1).
    pub user_data: UserData,
    /// Tracks that list its chapters: `track_ID`s of the reference `chap` in `tref` (8.3.3; QuickTime File Format, Chapter Lists).
    pub chapters: Vec<u32>,
    /// `elst` (8.6.6).
    pub edits: Vec<Edit>,
    /// `stbl` (8.5.1), where there is one.
    pub sample_table: Option<SampleTableBoxes<'a>>,
    /// The first thing that is wrong in it.
    pub fault: Option<Error>,
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
        let (mut timescale, mut extends, mut fault, mut broken) = (None, None, None, None);
        let mut tracks = Vec::new();
        for (name, mut child) in legible(content, &mut fault) {
            match &name.0 {
                b"mvhd" => timescale = note(read_timescale(&mut child), name, &mut broken).flatten(),
                b"trak" if tracks.len() == MAX_TRACKS => {
                    return Err(Error::unsupported(format!("more than {MAX_TRACKS} tracks")).at(child.position()));
                }
                b"trak" => tracks.push(TrackBox::read(child)),
                // QuickTime File Format, Compressed Movie Resources and Reference Movies.
                b"cmov" | b"rmra" => return Err(Error::unsupported("the movie is compressed ('cmov') or in other files ('rmra')")),
                b"mvex" => extends = Some(note(read_extends(child), name, &mut broken).unwrap_or_default()),
                _ => {}
            }
        }
        Ok(Self { timescale, tracks, extends, fault: fault.or(broken) })
    }
}

/// What was read of the box `name`; its fault goes to `fault`, if nothing is there yet.
fn note<T>(read: Result<T>, name: FourCc, fault: &mut Option<Error>) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(error) => {
            fault.get_or_insert(error.within(name));
            None
        }
    }
}

impl<'a> TrackBox<'a> {
    fn read(content: Reader<'a>) -> Self {
        let mut track = Self {
            id: 0,
            enabled: true,
            matrix: [0; 36],
            dimensions: (0, 0),
            timescale: None,
            handler: FourCc([0; 4]),
            language: None,
            user_data: UserData::default(),
            chapters: Vec::new(),
            edits: Vec::new(),
            sample_table: None,
            fault: None,
        };
        let (mut fault, mut broken) = (None, None);
        for (name, child) in legible(content, &mut fault) {
            match &name.0 {
                b"udta" => track.user_data = UserData::read(child),
                b"tkhd" => drop(note(track.read_header(child), name, &mut broken)),
                b"edts" => {
                    let mut inside = None;
                    for (inner, grandchild) in legible(child, &mut inside) {
                        if &inner.0 == b"elst" {
                            let edits = note(read_edits(grandchild).map_err(|e| e.within(inner)), name, &mut broken);
                            track.edits = edits.unwrap_or_default();
                        }
                    }
                    broken = broken.or(inside.map(|error| error.within(name)));
                }
                b"tref" => {
                    let chapters = children(child).filter_map(Result::ok).find(|(name, _)| &name.0 == b"chap");
                    let ids = chapters.map_or(&[][..], |(_, chapters)| chapters.rest().as_chunks().0);
                    track.chapters = ids.iter().take(MAX_TRACKS).map(|id| u32::from_be_bytes(*id)).collect();
                }
                b"mdia" => {
                    let mut inside = None;
                    track.read_media(child, &mut inside);
                    broken = broken.or(inside.map(|error| error.within(name)));
                }
                _ => {}
            }
        }
        track.fault = fault.or(broken);
        track
    }

    fn read_header(&mut self, mut reader: Reader<'_>) -> Result<()> {
        let (version, flags) = reader.full_box()?;
        self.enabled = flags & 1 != 0;
        reader.skip(if version == 1 { 16 } else { 8 })?;
        self.id = reader.u32()?;
        reader.skip(if version == 1 { 12 } else { 8 })?; // reserved, duration
        reader.skip(16)?; // reserved, layer, alternate_group, volume, reserved
        self.matrix.copy_from_slice(reader.take(36)?);
        self.dimensions = (reader.u32()?, reader.u32()?);
        Ok(())
    }

    /// `mdia` (8.4.1).
    fn read_media(&mut self, content: Reader<'a>, fault: &mut Option<Error>) {
        let (mut packed_language, mut extended_language) = (None, None);
        let (mut handler, mut kind) = (None, None);
        let mut broken = None;
        for (name, mut child) in legible(content, fault) {
            match &name.0 {
                b"mdhd" => {
                    self.timescale = note(read_timescale(&mut child), name, &mut broken).flatten();
                    packed_language = child.u16().ok().and_then(unpack_language);
                }
                b"hdlr" => handler = note(child.skip(8).and_then(|()| child.four_cc()), name, &mut broken),
                b"elng" => extended_language = read_extended_language(child),
                b"minf" => {
                    let mut inside = None;
                    for (inner, grandchild) in legible(child, &mut inside) {
                        match &inner.0 {
                            b"vmhd" => kind = Some(FourCc(*b"vide")),
                            b"smhd" => kind = Some(FourCc(*b"soun")),
                            b"stbl" => {
                                let mut within = None;
                                self.sample_table = Some(SampleTableBoxes::read(grandchild, &mut within));
                                broken = broken.or(within.map(|error| error.within(inner).within(name)));
                            }
                            _ => {}
                        }
                    }
                    broken = broken.or(inside.map(|error| error.within(name)));
                }
                _ => {}
            }
        }
        *fault = fault.take().or(broken);
        self.handler = handler.filter(|handler| handler.0 != [0; 4]).or(kind).unwrap_or(self.handler);
        self.language = extended_language.or(packed_language);
    }
}

/// The time fields that `mvhd` and `mdhd` begin with: creation, modification, timescale, duration. A timescale of zero tells no time.
fn read_timescale(reader: &mut Reader<'_>) -> Result<Option<Timescale>> {
    let (version, _) = reader.full_box()?;
    reader.skip(if version == 1 { 16 } else { 8 })?;
    let timescale = Timescale::new(reader.u32()?);
    reader.skip(if version == 1 { 8 } else { 4 })?;
    Ok(timescale)
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

/// Edits more than this are refused: none of these lists would be presented exactly.
const MAX_EDITS: u32 = 4096;

fn read_edits(mut reader: Reader<'_>) -> Result<Vec<Edit>> {
    let (version, _) = reader.full_box()?;
    let at = reader.position();
    let count = reader.u32()?;
    let entry = if version == 1 { 20 } else { 12 };
    if u64::from(count) * entry > reader.remaining() as u64 {
        let message = format!("{count} edits need {} bytes, {} are left", u64::from(count) * entry, reader.remaining());
        return Err(Error::malformed(message).at(at).by("ISO/IEC 14496-12 8.6.6"));
    }
    if count > MAX_EDITS {
        return Err(Error::unsupported(format!("{count} edits, more than {MAX_EDITS}")).at(at));
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
    fn movies_that_are_elsewhere_are_named() {
        for name in ["cmov", "rmra"] {
            let bytes = [&[0, 0, 0, 8], name.as_bytes()].concat();
            assert!(MovieBox::read(Reader::new(&bytes, 0)).unwrap_err().message().contains(name));
        }
    }

    #[test]
    fn edits_of_both_versions() {
        let v0 = [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff, 0, 1, 0, 0];
        assert_eq!(read_edits(Reader::new(&v0, 0)).unwrap(), [Edit { duration: 9, media_time: None, rate: 0x10000 }]);
        let too_many = [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 9];
        assert_eq!(read_edits(Reader::new(&too_many, 10)).unwrap_err().offset(), Some(14));
    }
}
