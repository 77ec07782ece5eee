//! AV1: where the data of tiles lies (AV1 Bitstream & Decoding Process Specification 5; AV1-ISOBMFF 4.3).

mod fields;
mod frame;
mod motion;
mod references;
mod sequence;
mod tiles;

use alloc::{boxed::Box, format, vec::Vec};
use core::ops::Range;

use crate::{
    codec::bits::Bits,
    coding::Reader,
    error::{Error, Result},
};
use frame::Slots;
use sequence::Sequence;
use tiles::Tiles;

/// What frame headers are read by: the sequence header, and what is kept of earlier frames.
#[derive(Clone, Debug, Default)]
pub struct Av1 {
    sequence: Option<Sequence>,
    slots: Box<Slots>,
    /// The frame whose tiles are still to come.
    tiles: Option<Tiles>,
}

/// Types of OBUs (6.2.2).
mod obu_type {
    pub const SEQUENCE: u32 = 1;
    pub const FRAME_HEADER: u32 = 3;
    pub const TILE_GROUP: u32 = 4;
    pub const FRAME: u32 = 6;
    pub const TILE_LIST: u32 = 8;
}

/// An OBU: its type, its layers where it tells them, and what it holds.
struct Obu<'a> {
    kind: u32,
    layers: Option<(u32, u32)>,
    content: Reader<'a>,
}

impl Av1 {
    /// For samples described by the content of `av1C`, which may hold the sequence header.
    pub fn new(mut config: Reader<'_>) -> Result<Self> {
        config.skip(4)?;
        let mut state = Self::default();
        while !config.is_empty() {
            let obu = obu(&mut config)?;
            if obu.kind == obu_type::SEQUENCE {
                state.sequence = Some(Sequence::read(&mut Bits::new(obu.content))?);
            }
        }
        Ok(state)
    }

    /// Adds the tiles of `sample` to `found`.
    pub fn find(&mut self, sample: &[u8], position: u64, found: &mut Vec<Range<usize>>) -> Result<()> {
        let mut reader = Reader::new(sample, position);
        self.tiles = None;
        while !reader.is_empty() {
            let at = reader.position();
            let obu = obu(&mut reader)?;
            let end = sample.len().saturating_sub(reader.remaining());
            match obu.kind {
                obu_type::SEQUENCE => self.sequence = Some(Sequence::read(&mut Bits::new(obu.content))?),
                // A header while tiles are missing repeats the one before.
                obu_type::FRAME_HEADER if self.tiles.is_some() => {}
                obu_type::FRAME_HEADER => {
                    self.header(&obu)?;
                }
                obu_type::FRAME => {
                    let tiles = self.header(&obu)?;
                    self.group(tiles, end, found)?;
                }
                obu_type::TILE_GROUP => self.group(obu.content, end, found)?,
                obu_type::TILE_LIST => {
                    return Err(Error::unsupported("a list of tiles of AV1: its encryption is not supported").at(at));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads the header of a frame; returns what follows it.
    fn header<'a>(&mut self, obu: &Obu<'a>) -> Result<Reader<'a>> {
        let at = obu.content.position();
        let sequence =
            self.sequence.as_ref().ok_or_else(|| Error::malformed("a frame stands before any sequence header").at(at).by("AV1 7.5"))?;
        let mut bits = Bits::new(obu.content);
        self.tiles = frame::header(&mut bits, sequence, &mut self.slots, obu.layers)?;
        Ok(bits.aligned())
    }

    fn group(&mut self, group: Reader<'_>, end: usize, found: &mut Vec<Range<usize>>) -> Result<()> {
        let at = group.position();
        let tiles = self.tiles.ok_or_else(|| Error::malformed("tiles stand where no frame has any").at(at).by("AV1 7.5"))?;
        if tiles.group(group, end, found)? {
            self.tiles = None;
        }
        Ok(())
    }
}

/// Reads an OBU (5.3): the last of a sample may leave out its size.
fn obu<'a>(reader: &mut Reader<'a>) -> Result<Obu<'a>> {
    let header = reader.u8()?;
    let mut layers = None;
    if header & 4 != 0 {
        let extension = u32::from(reader.u8()?);
        layers = Some((extension >> 5, (extension >> 3) & 3));
    }
    let mut length = reader.remaining();
    if header & 2 != 0 {
        let at = reader.position();
        let size = reader.leb128()?;
        length = usize::try_from(size).ok().filter(|size| *size <= reader.remaining()).ok_or_else(|| {
            Error::malformed(format!("an OBU says that it has {size} bytes, {} are left", reader.remaining())).at(at).by("AV1 5.3.1")
        })?;
    }
    Ok(Obu { kind: u32::from(header >> 3) & 15, layers, content: reader.sub(length)? })
}
