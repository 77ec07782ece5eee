//! Movie fragments (ISO/IEC 14496-12 8.8): read from inputs here, written by [`crate::segment::chunk`].
//!
//! ```text
//! moof  mfhd, traf...
//! traf  tfhd, tfdt, trun...
//! ```

use alloc::{format, vec::Vec};

use super::{children, movie::TrackExtends};
use crate::{
    coding::Reader,
    error::{Error, Result},
};

/// `sample_is_non_sync_sample` of the sample flags (8.8.3.1).
pub const NON_SYNC: u32 = 0x0001_0000;
/// Flags of a sync sample that depends on no other.
pub const SYNC_FLAGS: u32 = 0x0200_0000;
/// Flags of a sample that depends on others and is no sync sample.
pub const NON_SYNC_FLAGS: u32 = 0x0100_0000 | NON_SYNC;

/// `tfhd` flag: `base_data_offset` is present.
const BASE_DATA_OFFSET: u32 = 0x1;
/// `tfhd` flag: `sample_description_index` is present.
pub const DESCRIPTION_INDEX: u32 = 0x2;
/// `tfhd` flag: `default_sample_duration` is present.
pub const DEFAULT_DURATION: u32 = 0x8;
/// `tfhd` flag: `default_sample_size` is present.
pub const DEFAULT_SIZE: u32 = 0x10;
/// `tfhd` flag: `default_sample_flags` is present.
pub const DEFAULT_FLAGS: u32 = 0x20;
/// `tfhd` flag: data offsets count from the first byte of the `moof`.
pub const DEFAULT_BASE_IS_MOOF: u32 = 0x2_0000;

/// `trun` flag: `data_offset` is present.
pub const DATA_OFFSET: u32 = 0x1;
/// `trun` flag: `first_sample_flags` is present.
pub const FIRST_SAMPLE_FLAGS: u32 = 0x4;
/// `trun` flag: each sample has a duration.
pub const SAMPLE_DURATION: u32 = 0x100;
/// `trun` flag: each sample has a size.
pub const SAMPLE_SIZE: u32 = 0x200;
/// `trun` flag: each sample has flags.
pub const SAMPLE_FLAGS: u32 = 0x400;
/// `trun` flag: each sample has a composition time offset.
pub const SAMPLE_COMPOSITION: u32 = 0x800;

/// `traf` (8.8.6), with `tfhd` and `tfdt` read and the defaults of `trex` filled in.
#[derive(Debug)]
pub struct TrackFragment<'a> {
    /// `track_ID`.
    pub track_id: u32,
    /// `sample_description_index`, from 1.
    pub description_index: u32,
    /// Where data offsets count from; `None`: from the end of the data of the fragment before, or the `moof` for the first one.
    pub base: Option<u64>,
    /// `baseMediaDecodeTime` in ticks of the media; `None` where `tfdt` is missing.
    pub decode_time: Option<u64>,
    /// Whether `tfdt` has 32 bits, so that it begins anew after 2^32 ticks (8.8.12).
    pub wraps: bool,
    /// The runs, in file order.
    pub runs: Vec<TrackRun<'a>>,
}

/// `trun` (8.8.8).
#[derive(Clone, Copy, Debug)]
pub struct TrackRun<'a> {
    /// Number of samples.
    pub count: u32,
    /// Where the data begins, relative to the base; `None`: right after the run before.
    pub data_offset: Option<i32>,
    flags: u32,
    first_flags: Option<u32>,
    defaults: TrackExtends,
    fields: Reader<'a>,
}

/// A sample as a run tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunSample {
    /// Ticks of the media.
    pub duration: u32,
    /// Bytes.
    pub size: u32,
    /// Sample flags (8.8.3.1).
    pub flags: u32,
    /// Ticks of the media. Read as signed in both versions, as real files of version 0 need.
    pub composition_offset: i32,
}

/// Fragments of tracks and runs of samples in a `moof` more than this are refused: each takes more memory than it need take of the file.
const MOST_RUNS: usize = 8192;

/// Reads the content of a `moof` that begins at byte `moof` of the input. `defaults` finds the `trex` of a track.
pub fn read_fragments(content: Reader<'_>, moof: u64, defaults: impl Fn(u32) -> TrackExtends) -> Result<Vec<TrackFragment<'_>>> {
    let mut fragments = Vec::new();
    let mut left = MOST_RUNS;
    for child in children(content) {
        let (name, child) = child?;
        if &name.0 == b"traf" {
            count_down(&mut left, child.position())?;
            fragments.push(read_fragment(child, moof, &defaults, &mut left).map_err(|e| e.within(name))?);
        }
    }
    Ok(fragments)
}

fn count_down(left: &mut usize, at: u64) -> Result<()> {
    let message = || Error::unsupported(format!("more than {MOST_RUNS} fragments of tracks and runs of samples")).at(at);
    *left = left.checked_sub(1).ok_or_else(message)?;
    Ok(())
}

fn read_fragment<'a>(
    content: Reader<'a>,
    moof: u64,
    defaults: &impl Fn(u32) -> TrackExtends,
    left: &mut usize,
) -> Result<TrackFragment<'a>> {
    let mut header = None;
    let mut decode_time = None;
    let mut wraps = false;
    let mut runs = Vec::new();
    for child in children(content) {
        let (name, mut child) = child?;
        match &name.0 {
            b"tfhd" => header = Some(read_header(child, moof, defaults).map_err(|e| e.within(name))?),
            b"tfdt" => {
                let mut read = || {
                    let (version, _) = child.full_box()?;
                    wraps = version != 1;
                    if version == 1 { child.u64() } else { child.u32().map(u64::from) }
                };
                decode_time = Some(read().map_err(|e: Error| e.within(name))?);
            }
            b"trun" => {
                let (_, _, defaults) = header.ok_or_else(|| {
                    Error::malformed("a run of samples stands before the track fragment header")
                        .at(child.position())
                        .by("ISO/IEC 14496-12 8.8.7")
                })?;
                count_down(left, child.position())?;
                runs.push(TrackRun::read(child, defaults).map_err(|e| e.within(name))?);
            }
            _ => {}
        }
    }
    let (track_id, base, defaults) =
        header.ok_or_else(|| Error::malformed("box 'tfhd' is missing").at(content.position()).by("ISO/IEC 14496-12 8.8.7"))?;
    Ok(TrackFragment { track_id, description_index: defaults.description_index, base, decode_time, wraps, runs })
}

fn read_header(mut reader: Reader<'_>, moof: u64, defaults: &impl Fn(u32) -> TrackExtends) -> Result<(u32, Option<u64>, TrackExtends)> {
    let (_, flags) = reader.full_box()?;
    let track_id = reader.u32()?;
    let mut defaults = defaults(track_id);
    let mut base = (flags & DEFAULT_BASE_IS_MOOF != 0).then_some(moof);
    if flags & BASE_DATA_OFFSET != 0 {
        base = Some(reader.u64()?);
    }
    for (flag, field) in [
        (DESCRIPTION_INDEX, &mut defaults.description_index),
        (DEFAULT_DURATION, &mut defaults.duration),
        (DEFAULT_SIZE, &mut defaults.size),
        (DEFAULT_FLAGS, &mut defaults.flags),
    ] {
        if flags & flag != 0 {
            *field = reader.u32()?;
        }
    }
    Ok((track_id, base, defaults))
}

impl<'a> TrackRun<'a> {
    fn read(mut reader: Reader<'a>, defaults: TrackExtends) -> Result<Self> {
        let (_, flags) = reader.full_box()?;
        let at = reader.position();
        let count = reader.u32()?;
        let data_offset = if flags & DATA_OFFSET != 0 { Some(reader.i32()?) } else { None };
        let first_flags = if flags & FIRST_SAMPLE_FLAGS != 0 { Some(reader.u32()?) } else { None };
        let fields = 4 * (flags & (SAMPLE_DURATION | SAMPLE_SIZE | SAMPLE_FLAGS | SAMPLE_COMPOSITION)).count_ones();
        let needed = u64::from(count) * u64::from(fields);
        if needed > reader.remaining() as u64 {
            let message = format!("{count} samples need {needed} bytes, {} are left", reader.remaining());
            return Err(Error::malformed(message).at(at).by("ISO/IEC 14496-12 8.8.8"));
        }
        if flags & SAMPLE_SIZE == 0 && defaults.size == 0 && count > 1 {
            // A count that costs no bytes must not cost memory.
            return Err(Error::malformed(format!("{count} samples without bytes")).at(at).by("ISO/IEC 14496-12 8.8.8"));
        }
        Ok(Self { count, data_offset, flags, first_flags, defaults, fields: reader })
    }

    /// The samples, in decoding order.
    pub fn samples(&self) -> impl Iterator<Item = Result<RunSample>> + use<'a> {
        let Self { count, flags, first_flags, defaults, mut fields, .. } = *self;
        (0..count).map(move |index| {
            let mut field = |flag, default| if flags & flag != 0 { fields.u32() } else { Ok(default) };
            let duration = field(SAMPLE_DURATION, defaults.duration)?;
            let size = field(SAMPLE_SIZE, defaults.size)?;
            let own_flags = field(SAMPLE_FLAGS, defaults.flags)?;
            let composition_offset = field(SAMPLE_COMPOSITION, 0)?.cast_signed();
            let flags = first_flags.filter(|_| index == 0).unwrap_or(own_flags);
            Ok(RunSample { duration, size, flags, composition_offset })
        })
    }
}
