//! `stbl` and its tables (ISO/IEC 14496-12 8.5 to 8.7): borrowed from the input, checked against their boxes, never copied.

use alloc::format;

use super::{FourCc, legible};
use crate::{
    coding::{Reader, number},
    error::{Error, Result},
};

/// A table of `N`-byte entries inside a box. Its length is that of the bytes which are there.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a, const N: usize> {
    entries: &'a [[u8; N]],
    /// Byte of the input where the first entry stands.
    pub position: u64,
}

impl<'a, const N: usize> Table<'a, N> {
    const EMPTY: Self = Self { entries: &[], position: 0 };

    /// Reads a 32-bit count and as many entries; bytes after them are left. Where there are fewer, they are the table, and `fault` says so.
    fn read(reader: &mut Reader<'a>, clause: &'static str, fault: &mut Option<Error>) -> Result<Self> {
        let at = reader.position();
        let count = reader.u32()?;
        let position = reader.position();
        let (entries, _) = reader.rest().as_chunks::<N>();
        let announced = usize::try_from(count).ok().and_then(|count| entries.get(..count));
        if announced.is_none() {
            let message = format!("{count} entries need {} bytes, {} are left", u64::from(count) * N as u64, reader.remaining());
            fault.get_or_insert(Error::malformed(message).at(at).by(clause));
        }
        Ok(Self { entries: announced.unwrap_or(entries), position })
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Entry `index`, counted from 0.
    pub fn get(&self, index: usize) -> Option<&'a [u8; N]> {
        self.entries.get(index)
    }

    /// The entries as they stand in the box.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8; N]> + Clone + use<'a, N> {
        self.entries.iter()
    }
}

/// The sizes of the samples (8.7.3).
#[derive(Clone, Copy, Debug)]
pub enum SampleSizes<'a> {
    /// `stsz` with one size for all.
    Constant {
        /// Bytes of each sample, not zero.
        size: u32,
        /// Number of samples.
        count: u32,
    },
    /// `stsz` with a table.
    Each(Table<'a, 4>),
    /// `stz2` with fields of 16 bits.
    Each16(Table<'a, 2>),
    /// `stz2` with fields of 8 bits.
    Each8(Table<'a, 1>),
    /// `stz2` with fields of 4 bits, two in an entry; the number of samples, for the last may be half an entry.
    Each4(Table<'a, 1>, u32),
}

impl SampleSizes<'_> {
    /// Number of samples.
    pub fn count(&self) -> u32 {
        let len = match self {
            Self::Constant { count, .. } | Self::Each4(_, count) => return *count,
            Self::Each(table) => table.len(),
            Self::Each16(table) => table.len(),
            Self::Each8(table) => table.len(),
        };
        u32::try_from(len).unwrap_or(u32::MAX) // the count was a u32
    }

    /// Bytes of sample `index`, counted from 0.
    pub fn get(&self, index: usize) -> Option<u32> {
        match self {
            Self::Constant { size, count } => usize::try_from(*count).is_ok_and(|count| index < count).then_some(*size),
            Self::Each(table) => table.entries.get(index).map(|entry| number(*entry)),
            Self::Each16(table) => table.entries.get(index).map(|entry| u16::from_be_bytes(*entry).into()),
            Self::Each8(table) => table.entries.get(index).map(|[entry]| u32::from(*entry)),
            Self::Each4(table, count) => {
                let [entry] = table.entries.get(index / 2).filter(|_| usize::try_from(*count).is_ok_and(|count| index < count))?;
                Some(u32::from(if index.is_multiple_of(2) { entry >> 4 } else { entry & 15 }))
            }
        }
    }
}

/// The offsets of the chunks (8.7.5).
#[derive(Clone, Copy, Debug)]
pub enum ChunkOffsets<'a> {
    /// `stco`.
    Short(Table<'a, 4>),
    /// `co64`.
    Long(Table<'a, 8>),
}

impl ChunkOffsets<'_> {
    /// Number of chunks.
    pub fn len(&self) -> usize {
        match self {
            Self::Short(table) => table.len(),
            Self::Long(table) => table.len(),
        }
    }

    /// Whether there is no chunk.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Byte of the input where chunk `index`, counted from 0, begins.
    pub fn get(&self, index: usize) -> Option<u64> {
        match self {
            Self::Short(table) => table.entries.get(index).map(|entry| u64::from(number(*entry))),
            Self::Long(table) => table.entries.get(index).map(|entry| u64::from_be_bytes(*entry)),
        }
    }
}

/// The tables of a track. A box that is missing is an empty table, but for `stss`: without it every sample is a sync sample (8.6.2).
#[derive(Clone, Copy, Debug)]
pub struct SampleTableBoxes<'a> {
    /// Content of `stsd` (8.5.2), version and flags included.
    pub descriptions: Option<Reader<'a>>,
    /// `stts` (8.6.1.2): count, delta.
    pub time_to_sample: Table<'a, 8>,
    /// `ctts` (8.6.1.3): count, offset. Offsets are read as signed in both versions, as real files of version 0 need.
    pub composition: Table<'a, 8>,
    /// `stsc` (8.7.4): first chunk, samples per chunk, description index.
    pub sample_to_chunk: Table<'a, 12>,
    /// `stsz` or `stz2`.
    pub sizes: SampleSizes<'a>,
    /// `stco` or `co64`.
    pub chunk_offsets: ChunkOffsets<'a>,
    /// `stss`: numbers of the sync samples, from 1.
    pub sync: Option<Table<'a, 4>>,
}

impl<'a> SampleTableBoxes<'a> {
    /// Reads the content of `stbl`. What can be read of a broken box is used; `fault` gets the first that is wrong, if nothing is there yet.
    pub fn read(content: Reader<'a>, fault: &mut Option<Error>) -> Self {
        let mut tables = Self {
            descriptions: None,
            time_to_sample: Table::EMPTY,
            composition: Table::EMPTY,
            sample_to_chunk: Table::EMPTY,
            sizes: SampleSizes::Each(Table::EMPTY),
            chunk_offsets: ChunkOffsets::Short(Table::EMPTY),
            sync: None,
        };
        let mut broken = None;
        for (name, child) in legible(content, fault) {
            let mut inner = None;
            if let Err(error) = tables.read_child(name, child, &mut inner) {
                inner.get_or_insert(error);
            }
            broken = broken.or(inner.map(|error| error.within(name)));
        }
        *fault = fault.take().or(broken);
        tables
    }

    fn read_child(&mut self, name: FourCc, mut child: Reader<'a>, fault: &mut Option<Error>) -> Result<()> {
        match &name.0 {
            b"stsd" => self.descriptions = Some(child),
            b"stts" => self.time_to_sample = read_table(&mut child, "ISO/IEC 14496-12 8.6.1.2", fault)?,
            b"ctts" => self.composition = read_table(&mut child, "ISO/IEC 14496-12 8.6.1.3", fault)?,
            b"stsc" => self.sample_to_chunk = read_table(&mut child, "ISO/IEC 14496-12 8.7.4", fault)?,
            b"stss" => self.sync = Some(read_table(&mut child, "ISO/IEC 14496-12 8.6.2", fault)?),
            b"stco" => self.chunk_offsets = ChunkOffsets::Short(read_table(&mut child, "ISO/IEC 14496-12 8.7.5", fault)?),
            b"co64" => self.chunk_offsets = ChunkOffsets::Long(read_table(&mut child, "ISO/IEC 14496-12 8.7.5", fault)?),
            b"stsz" => self.sizes = read_sizes(&mut child, fault)?,
            b"stz2" => self.sizes = read_compact_sizes(&mut child, fault)?,
            _ => {}
        }
        Ok(())
    }
}

fn read_table<'a, const N: usize>(child: &mut Reader<'a>, clause: &'static str, fault: &mut Option<Error>) -> Result<Table<'a, N>> {
    child.full_box()?;
    Table::read(child, clause, fault)
}

const SIZES: &str = "ISO/IEC 14496-12 8.7.3";

fn read_sizes<'a>(child: &mut Reader<'a>, fault: &mut Option<Error>) -> Result<SampleSizes<'a>> {
    child.full_box()?;
    match child.u32()? {
        0 => Table::read(child, SIZES, fault).map(SampleSizes::Each),
        size => Ok(SampleSizes::Constant { size, count: child.u32()? }),
    }
}

fn read_compact_sizes<'a>(child: &mut Reader<'a>, fault: &mut Option<Error>) -> Result<SampleSizes<'a>> {
    child.full_box()?;
    let at = child.position();
    match child.u32()? & 0xff {
        16 => Table::read(child, SIZES, fault).map(SampleSizes::Each16),
        8 => Table::read(child, SIZES, fault).map(SampleSizes::Each8),
        4 => {
            let count = child.u32()?;
            let table = Table { entries: child.rest().as_chunks().0, position: child.position() };
            let there = u32::try_from(table.len().saturating_mul(2)).unwrap_or(u32::MAX);
            if there < count {
                fault.get_or_insert(Error::malformed(format!("{count} sizes of 4 bits, {there} are there")).at(at).by(SIZES));
            }
            Ok(SampleSizes::Each4(table, count.min(there)))
        }
        bits => Err(Error::unsupported(format!("sample sizes in fields of {bits} bits")).at(at).by(SIZES)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_beyond_the_box_is_told_and_what_is_there_is_the_table() {
        let bytes = [0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4];
        let mut fault = None;
        let table = read_table::<4>(&mut Reader::new(&bytes, 8), "clause", &mut fault).unwrap();
        assert_eq!(table.iter().collect::<alloc::vec::Vec<_>>(), [&[1, 2, 3, 4]]);
        let error = fault.unwrap();
        assert_eq!(error.offset(), Some(12));
        assert_eq!(error.message(), "1073741824 entries need 4294967296 bytes, 4 are left");
    }

    #[test]
    fn padding_behind_a_table_is_left_alone() {
        let bytes = [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0];
        let mut fault = None;
        let table = read_table::<4>(&mut Reader::new(&bytes, 0), "clause", &mut fault).unwrap();
        assert_eq!(table.iter().collect::<alloc::vec::Vec<_>>(), [&[0, 0, 0, 9]]);
        assert_eq!(fault, None);
    }
}
