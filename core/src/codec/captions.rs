//! Closed captions that pictures carry (ANSI/CTA-608, ANSI/CTA-708), in the messages that ATSC A/53 part 4 6.2.3 puts them in.

use alloc::vec::Vec;

use super::nal::{self, Units};
use crate::{boxes::sample_entry::SampleEntry, coding::Reader, error::Result};

/// Which captions there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Captions {
    /// The channels of CTA-608, CC1 to CC4: a bit each, the lowest first.
    pub channels: u8,
    /// The services of CTA-708, 1 to 63: a bit each, bit n for service n.
    pub services: u64,
}

impl Captions {
    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// These and `others`.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        Self { channels: self.channels | others.channels, services: self.services | others.services }
    }

    /// The numbers of the channels, from 1.
    pub fn channels(self) -> impl Iterator<Item = u32> {
        numbers(u64::from(self.channels) << 1)
    }

    /// The numbers of the services, from 1.
    pub fn services(self) -> impl Iterator<Item = u32> {
        numbers(self.services)
    }
}

/// The numbers of the bits that are set, but for that of the lowest.
fn numbers(bits: u64) -> impl Iterator<Item = u32> {
    (1..=63).filter(move |number| bits >> number & 1 == 1)
}

/// How the samples of a codec hold messages.
#[derive(Clone, Copy, Debug)]
pub enum Messages {
    /// As supplemental enhancement information among NAL units (H.264 7.3.2.3.1, H.265 7.3.5).
    Units(Units),
    /// As metadata among open bitstream units (AV1 5.8).
    OpenUnits,
}

impl Messages {
    /// As the samples of an entry do; `None`: in no way that is known.
    pub fn of(entry: &SampleEntry<'_>) -> Option<Self> {
        match &entry.name.0 {
            b"av01" => Some(Self::OpenUnits),
            _ => Units::of(entry).map(Self::Units),
        }
    }
}

/// Finds out which captions there are from pictures, in the order in which they are presented.
#[derive(Debug, Default)]
pub struct CaptionReader {
    found: Captions,
    /// Whether pairs of bytes came for the first field, be it such as keep the place.
    first_field: bool,
    /// Of the packet of CTA-708 that comes: bytes that it has, and those that came.
    packet: (usize, Vec<u8>),
}

/// `cc_type` (CTA-708 table 5).
const SECOND_FIELD: u8 = 1;
const PACKET_DATA: u8 = 2;
const PACKET_START: u8 = 3;

impl CaptionReader {
    /// Takes the beginning of a sample: messages stand before the slices.
    pub fn picture(&mut self, messages: Messages, bytes: &[u8]) {
        // What does not fit is no message, or is cut off.
        let _ = match messages {
            Messages::Units(units) => self.units(units, Reader::new(bytes, 0)),
            Messages::OpenUnits => self.open_units(Reader::new(bytes, 0)),
        };
    }

    /// What comes next does not follow what came.
    pub fn gap(&mut self) {
        self.packet = (0, Vec::new());
    }

    /// Whether any caption data came, be it but what keeps its place.
    pub fn any(&self) -> bool {
        !self.captions().is_empty()
    }

    /// The captions. Where the place of the first field is kept and nothing came yet that names another channel, that is CC1.
    pub fn captions(&self) -> Captions {
        let unnamed = self.first_field && self.found.channels().all(|number| number > 2);
        Captions { channels: self.found.channels | u8::from(unnamed), ..self.found }
    }

    fn units(&mut self, units: Units, mut sample: Reader<'_>) -> Result<()> {
        loop {
            let mut length = 0u32;
            for _ in 0..units.length_size {
                length = length << 8 | u32::from(sample.u8()?);
            }
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let mut unit = sample.sub(length.min(sample.rest().len()))?;
            let Ok(header) = unit.clone().u8() else { continue };
            if units.slice(header).is_some() {
                return Ok(());
            }
            if units.is_message(header) {
                unit.skip(if units.hevc { 2 } else { 1 })?;
                let bytes = nal::payload(unit);
                let _ = self.messages(Reader::new(&bytes, 0));
            }
        }
    }

    /// `sei_message` after `sei_message` (H.264 7.3.2.3.1).
    fn messages(&mut self, mut unit: Reader<'_>) -> Result<()> {
        const REGISTERED: usize = 4;
        loop {
            let (kind, length) = (number(&mut unit)?, number(&mut unit)?);
            let message = unit.sub(length)?;
            if kind == REGISTERED {
                let _ = self.registered(message);
            }
        }
    }

    /// `open_bitstream_unit` after `open_bitstream_unit`, each with its size, up to the first that holds pictures (AV1 5.3.1).
    fn open_units(&mut self, mut sample: Reader<'_>) -> Result<()> {
        const SEQUENCE: u8 = 1;
        const DELIMITER: u8 = 2;
        const METADATA: u8 = 5;
        const REGISTERED: u64 = 4;
        loop {
            let header = sample.u8()?;
            if header & 4 != 0 {
                sample.skip(1)?;
            }
            let length = if header & 2 != 0 { sample.leb128()? } else { u64::MAX };
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let mut unit = sample.sub(length.min(sample.rest().len()))?;
            match header >> 3 & 15 {
                METADATA if unit.leb128()? == REGISTERED => drop(self.registered(unit)),
                METADATA | SEQUENCE | DELIMITER => {}
                _ => return Ok(()),
            }
        }
    }

    /// `itu_t_t35`: of the United States, by ATSC, with the identifier of its user data, which is closed captions (A/53 part 4 6.2.3).
    fn registered(&mut self, mut message: Reader<'_>) -> Result<()> {
        const CAPTIONS: u8 = 3;
        let of_atsc = message.u8()? == 0xb5 && message.u16()? == 0x31 && message.four_cc()?.0 == *b"GA94";
        if !of_atsc || message.u8()? != CAPTIONS {
            return Ok(());
        }
        let flags = message.u8()?;
        if flags & 0x40 == 0 {
            return Ok(());
        }
        message.skip(1)?;
        for _ in 0..flags & 0x1f {
            let head = message.u8()?;
            let pair = [message.u8()?, message.u8()?];
            if head & 4 != 0 {
                self.pair(head & 3, pair);
            }
        }
        Ok(())
    }

    fn pair(&mut self, kind: u8, pair: [u8; 2]) {
        match kind {
            PACKET_START => {
                // `packet_size_code`, in pairs of bytes; 0: of all 128 (CTA-708 5).
                let [header, first] = pair;
                let pairs = usize::from(header & 0x3f);
                self.packet = (if pairs == 0 { 127 } else { 2 * pairs - 1 }, Vec::from([first]));
            }
            // What belongs to no packet is not kept.
            PACKET_DATA if self.packet.0 > 0 => self.packet.1.extend(pair),
            PACKET_DATA => {}
            field => {
                // Control codes say for which channel of the field they are (CTA-608 8.4); the highest bit is parity.
                let second = field == SECOND_FIELD;
                self.first_field |= !second;
                let [code, _] = pair;
                if matches!(code & 0x7f, 0x10..=0x1f) {
                    self.found.channels |= 1 << (u8::from(code & 8 != 0) + if second { 2 } else { 0 });
                }
                return;
            }
        }
        if self.packet.0 > 0 && self.packet.1.len() >= self.packet.0 {
            let (length, packet) = core::mem::take(&mut self.packet);
            let _ = self.blocks(Reader::new(packet.get(..length).unwrap_or_default(), 0));
        }
    }

    /// `service_block` after `service_block` (CTA-708 6.2).
    fn blocks(&mut self, mut packet: Reader<'_>) -> Result<()> {
        const EXTENDED: u8 = 7;
        loop {
            let header = packet.u8()?;
            let (mut service, length) = (header >> 5, header & 0x1f);
            if service == EXTENDED && length > 0 {
                service = packet.u8()? & 0x3f;
            }
            packet.skip(length.into())?;
            if service > 0 && length > 0 {
                self.found.services |= 1 << service;
            }
        }
    }
}

/// A number in bytes of 255 and one of less, which are added up (H.264 7.3.2.3.1).
fn number(reader: &mut Reader<'_>) -> Result<usize> {
    let mut number = 0usize;
    loop {
        let byte = reader.u8()?;
        number = number.saturating_add(byte.into());
        if byte < 255 {
            return Ok(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    /// A message with these triplets.
    fn message(triplets: &[[u8; 3]]) -> Vec<u8> {
        let count = u8::try_from(triplets.len()).unwrap();
        [&[0xb5, 0, 0x31][..], b"GA94", &[3, 0x40 | count, 0xff], triplets.as_flattened(), &[0xff]].concat()
    }

    /// A sample of H.264 or H.265 with a delimiter, another message and this one, and a slice.
    fn sample(units: Units, message: &[u8]) -> Vec<u8> {
        let header = |kind: u8| if units.hevc { vec![kind << 1, 1] } else { vec![kind] };
        let (delimiter, supplement, slice) = if units.hevc { (35, 39, 19) } else { (9, 6, 5) };
        let length = u8::try_from(message.len()).unwrap();
        // What would look like a start code is kept out.
        let message = message
            .windows(3)
            .position(|bytes| bytes[..2] == [0, 0] && bytes[2] < 4)
            .map_or(message.to_vec(), |place| [&message[..place + 2], &[3], &message[place + 2..]].concat());
        let all = [
            [header(delimiter), vec![0xf0]].concat(),
            [header(supplement), vec![5, 2, 1, 2, 4, length], message, vec![0x80]].concat(),
            [header(slice), vec![9; 40]].concat(),
        ];
        all.iter()
            .flat_map(|unit| [&u32::try_from(unit.len()).unwrap().to_be_bytes()[4 - usize::from(units.length_size)..], unit].concat())
            .collect()
    }

    fn open_sample(message: &[u8]) -> Vec<u8> {
        let length = u8::try_from(message.len() + 1).unwrap();
        [&[2 << 3 | 2, 0, 5 << 3 | 2, length, 4], message, &[6 << 3 | 2, 3, 1, 2, 3]].concat()
    }

    #[test]
    fn captions_are_found_in_messages() {
        let resume = |channel: u8| 0x14 | channel << 3;
        let odd = |byte: u8| if byte.count_ones().is_multiple_of(2) { byte | 0x80 } else { byte };
        for (triplets, channels, services, what) in [
            (&[][..], &[][..], &[][..], "none"),
            (&[[0xf8, 0x80, 0x80], [0xf9, 0x80, 0x80], [0xfa, 0, 0]], &[], &[], "none of them is valid"),
            (&[[0xfc, 0x80, 0x80]], &[1], &[], "the place is kept for the first field"),
            (&[[0xfc, odd(resume(0)), 0x20]], &[1], &[], "CTA-608 8.4: control codes of channel 1"),
            (&[[0xfc, odd(resume(1)), 0x20]], &[2], &[], "of channel 2"),
            (
                &[[0xfc, odd(resume(0)), 0x20], [0xfd, odd(resume(0)), 0x20], [0xfd, odd(resume(1)), 0x20]],
                &[1, 3, 4],
                &[],
                "of both fields",
            ),
            (&[[0xff, 0x02, 0x22], [0xfe, 0x48, 0x49]], &[], &[1], "CTA-708 6.2.1: one service block"),
            (&[[0xff, 0x83, 0x21], [0xfe, 0x48, 0x42], [0xfe, 1, 2]], &[], &[1, 2], "two"),
            (&[[0xff, 0x02, 0xe1], [0xfe, 0x09, 1]], &[], &[9], "CTA-708 6.2.2: an extended one"),
            (&[[0xff, 0x03, 0x22], [0xfe, 0x48, 0x49]], &[], &[], "a packet that does not end"),
            (&[[0xfe, 0x22, 0x48]], &[], &[], "one whose start did not come"),
        ] {
            let message = message(triplets);
            let units = |length_size, hevc| Units { length_size, hevc };
            for (messages, sample) in [
                (Messages::Units(units(4, false)), sample(units(4, false), &message)),
                (Messages::Units(units(2, true)), sample(units(2, true), &message)),
                (Messages::OpenUnits, open_sample(&message)),
            ] {
                let mut reader = CaptionReader::default();
                for end in 0..sample.len() {
                    CaptionReader::default().picture(messages, &sample[..end]);
                }
                reader.picture(messages, &sample);
                let captions = reader.captions();
                assert_eq!(captions.channels().collect::<Vec<_>>(), channels, "{what}, {messages:?}");
                assert_eq!(captions.services().collect::<Vec<_>>(), services, "{what}, {messages:?}");
            }
        }
    }

    #[test]
    fn packets_go_over_pictures_and_not_over_gaps() {
        for (gap, services) in [(false, 1 << 1), (true, 0)] {
            let mut reader = CaptionReader::default();
            reader.picture(Messages::OpenUnits, &open_sample(&message(&[[0xff, 0x02, 0x22]])));
            if gap {
                reader.gap();
            }
            reader.picture(Messages::OpenUnits, &open_sample(&message(&[[0xfe, 0x48, 0x49]])));
            assert_eq!(reader.captions().services, services);
        }
    }
}
