//! Programme specific information (ISO/IEC 13818-1 2.4.4): which packets belong to which elementary stream.

use alloc::vec::Vec;

/// The longest section (2.4.4.9).
const MOST: usize = 1024;

/// A table while its packets come.
#[derive(Debug, Default)]
pub struct Section {
    bytes: Vec<u8>,
    begun: bool,
}

/// What an elementary stream holds (table 2-34; ATSC A/53 part 3; ETSI EN 300 468 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamType {
    Avc,
    Hevc,
    Adts,
    Ac3,
    Other(u8),
}

impl Section {
    /// Takes the content of a packet; the table, once it is whole and its checksum is right.
    pub fn push(&mut self, content: &[u8], begins: bool) -> Option<Vec<u8>> {
        let mut content = content;
        if begins {
            let (pointer, rest) = content.split_first()?;
            content = rest.get(usize::from(*pointer)..)?;
            self.bytes.clear();
            self.begun = true;
        }
        if !self.begun {
            return None;
        }
        let room = MOST.saturating_sub(self.bytes.len()).min(content.len());
        self.bytes.extend_from_slice(content.get(..room)?);
        let [_, high, low, ..] = self.bytes.as_slice() else { return None };
        let length = 3 + usize::from(u16::from_be_bytes([high & 0x0f, *low]));
        let table = self.bytes.get(..length)?.to_vec();
        self.begun = false;
        (checksum(&table) == 0).then_some(table)
    }
}

/// CRC-32 as Annex A has it; that of a whole section is 0.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).rev().fold(sum, |sum, bit| {
            let set = (sum >> 31) ^ u32::from(byte >> bit & 1);
            (sum << 1) ^ if set == 1 { 0x04c1_1db7 } else { 0 }
        })
    })
}

/// The packets that tell of the first programme (2.4.4.3).
pub fn first_programme(table: &[u8]) -> Option<u16> {
    let (0, entries) = (*table.first()?, table.get(8..table.len().checked_sub(4)?)?) else { return None };
    let (entries, _) = entries.as_chunks::<4>();
    // Programme 0 is the network.
    let programme = entries.iter().find(|[high, low, ..]| (*high, *low) != (0, 0))?;
    let [_, _, high, low] = programme;
    Some(u16::from_be_bytes([high & 0x1f, *low]))
}

/// The elementary streams of a programme (2.4.4.8).
pub fn elementary_streams(table: &[u8]) -> impl Iterator<Item = (StreamType, u16)> + '_ {
    let length = |high: u8, low: u8| usize::from(u16::from_be_bytes([high & 0x0f, low]));
    let end = table.len().saturating_sub(4);
    let start = match table {
        [2, _, _, _, _, _, _, _, _, _, high, low, ..] => 12 + length(*high, *low),
        _ => end,
    };
    let mut rest = table.get(start..end).unwrap_or_default();
    core::iter::from_fn(move || {
        let [kind, id_high, id_low, high, low, after @ ..] = rest else { return None };
        let (descriptors, after) = after.split_at_checked(length(*high, *low))?;
        rest = after;
        Some((stream_type(*kind, descriptors), u16::from_be_bytes([id_high & 0x1f, *id_low])))
    })
}

fn stream_type(kind: u8, descriptors: &[u8]) -> StreamType {
    match kind {
        0x1b => StreamType::Avc,
        0x24 => StreamType::Hevc,
        0x0f => StreamType::Adts,
        0x81 => StreamType::Ac3,
        // Private data, which a descriptor of DVB names.
        0x06 if has_descriptor(descriptors, 0x6a) => StreamType::Ac3,
        other => StreamType::Other(other),
    }
}

fn has_descriptor(descriptors: &[u8], wanted: u8) -> bool {
    let mut rest = descriptors;
    while let [tag, length, after @ ..] = rest {
        if *tag == wanted {
            return true;
        }
        rest = after.get(usize::from(*length)..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_read_where_their_checksum_is_right() {
        // A programme 1 at packets 0x1000, as ffmpeg writes it.
        let table = [0, 0xb0, 0x0d, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0, 0x2a, 0xb1, 4, 0xb2];
        let content = [&[0][..], &table].concat();
        assert_eq!(Section::default().push(&content, true).as_deref().and_then(first_programme), Some(0x1000));
        let mut section = Section::default();
        assert_eq!(section.push(&content[..9], true), None);
        assert_eq!(section.push(&content[9..], false).as_deref(), Some(&table[..]));
        let broken = [&content[..9], &[7], &content[10..]].concat();
        assert_eq!(Section::default().push(&broken, true), None);
        assert_eq!(Section::default().push(&content[1..], false), None);
    }
}
