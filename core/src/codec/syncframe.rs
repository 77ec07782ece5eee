//! Frames of AC-3 and Enhanced AC-3 (ETSI TS 102 366 4.3, E.1.2), which tell of themselves what `dac3` and `dec3` tell of all (Annex F).

use alloc::vec::Vec;

use super::bits::Bits;
use crate::{coding::Reader, error::Result};

/// Rates by `fscod` (4.4.1.3), and those of half of them by `fscod2` (E.1.3.1.5).
const RATES: [u32; 3] = [48_000, 44_100, 32_000];
const HALF_RATES: [u32; 3] = [24_000, 22_050, 16_000];
/// Bit rates of AC-3 in kbit/s, by half of `frmsizecod` (4.4.1.4).
const BIT_RATES: [u32; 19] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];
/// Blocks of 256 samples by `numblkscod` (E.1.3.1.6).
const BLOCKS: [u32; 4] = [1, 2, 3, 6];
/// Full channels by `acmod` (4.4.2.3).
const CHANNELS: [u16; 8] = [2, 1, 2, 3, 3, 4, 4, 5];
/// Substreams that are looked at: eight programmes of one, and as many that add to them (E.1.3.1.2).
const MOST_SUBSTREAMS: usize = 16;
/// The bits of `chanmap` (E.1.3.1.8), by the bit of `chan_loc` (F.6.2.13) that says the same.
const LOCATIONS: [u32; 9] = [0x0400, 0x0200, 0x0100, 0x0080, 0x0040, 0x0020, 0x0010, 0x0008, 0x0002];

/// What a frame tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncFrame {
    /// Bytes of all that is decoded together.
    pub length: usize,
    /// Ticks of the sample rate.
    pub duration: u32,
    /// Samples a second.
    pub rate: u32,
    /// Channels of the first substream.
    pub channels: u16,
    /// The content of `dac3` or `dec3`.
    pub config: Vec<u8>,
}

/// The frame of AC-3 that `bytes` begin with; `None`: they do not.
pub fn ac3(bytes: &[u8]) -> Option<SyncFrame> {
    read_ac3(&mut Bits::new(Reader::new(bytes, 0))).ok().flatten()
}

fn read_ac3(bits: &mut Bits<'_>) -> Result<Option<SyncFrame>> {
    if bits.take(16)? != 0x0b77 {
        return Ok(None);
    }
    bits.skip(16)?;
    let (rate_code, size_code) = (bits.take(2)?, bits.take(6)?);
    let (version, mode, acmod) = (bits.take(5)?, bits.take(3)?, bits.take(3)?);
    for there in [acmod & 1 == 1 && acmod != 1, acmod & 4 != 0, acmod == 2] {
        bits.skip(if there { 2 } else { 0 })?;
    }
    let low = bits.take(1)?;
    let (Some(rate), Some(kilobits)) = (RATES.get(rate_code as usize), BIT_RATES.get(size_code as usize / 2)) else { return Ok(None) };
    if version > 8 {
        return Ok(None); // of another syntax
    }
    let words = match rate_code {
        0 => 2 * kilobits,
        1 => 320 * kilobits / 147 + size_code % 2,
        _ => 3 * kilobits,
    };
    let config = (rate_code << 22) | (version << 17) | (mode << 14) | (acmod << 11) | (low << 10) | ((size_code / 2) << 5);
    let config = config.to_be_bytes().get(1..).unwrap_or_default().to_vec();
    Ok(Some(SyncFrame { length: 2 * words as usize, duration: 1536, rate: *rate, channels: channels(acmod, low), config }))
}

fn channels(acmod: u32, low: u32) -> u16 {
    CHANNELS.get(acmod as usize).copied().unwrap_or(2) + u16::try_from(low).unwrap_or(0)
}

/// One frame of Enhanced AC-3: of a programme, or of what adds channels to it.
#[derive(Debug)]
struct Substream {
    length: usize,
    dependent: bool,
    rate_code: u32,
    rate: u32,
    duration: u32,
    acmod: u32,
    low: u32,
    version: u32,
    /// `chanmap`, where there is one.
    places: u32,
}

/// The frames of Enhanced AC-3 that `bytes` begin with and that are decoded together: all that follow each other in it. `None`: it begins
/// with none of a programme.
pub fn enhanced(bytes: &[u8]) -> Option<SyncFrame> {
    let read = |bytes: &[u8]| read_substream(&mut Bits::new(Reader::new(bytes, 0))).ok().flatten();
    let first = read(bytes).filter(|first| !first.dependent)?;
    let (mut programmes, mut length) = (Vec::<(Substream, u32, u32)>::new(), 0);
    for _ in 0..MOST_SUBSTREAMS {
        let Some(found) = bytes.get(length..).and_then(read) else { break };
        length += found.length;
        match programmes.last_mut() {
            Some((_, count, places)) if found.dependent => (*count, *places) = (*count + 1, *places | found.places),
            _ => programmes.push((found, 0, 0)),
        }
    }
    programmes.truncate(8);
    let kilobits = length as u64 * 8 * u64::from(first.rate) / u64::from(first.duration) / 1000;
    let others = u32::try_from(programmes.len().saturating_sub(1)).unwrap_or(0);
    let start = (u32::try_from(kilobits).unwrap_or(u32::MAX).min(0x1fff) << 3) | others;
    let mut config = start.to_be_bytes().get(2..).unwrap_or_default().to_vec();
    for (programme, count, places) in programmes {
        // fscod, bsid, nothing of services, acmod, lfeon, then substreams that add to it (F.6).
        let Substream { rate_code, version, acmod, low, .. } = programme;
        let told = (rate_code << 22) | (version << 17) | (acmod << 9) | (low << 8) | (count << 1);
        if count == 0 {
            config.extend(told.to_be_bytes().get(1..).unwrap_or_default());
        } else {
            let locations = (0..).zip(LOCATIONS).filter(|(_, place)| places & place != 0).fold(0, |all, (bit, _)| all | (1u32 << bit));
            config.extend(((told << 8) | locations).to_be_bytes());
        }
    }
    let channels = channels(first.acmod, first.low);
    Some(SyncFrame { length, duration: first.duration, rate: first.rate, channels, config })
}

fn read_substream(bits: &mut Bits<'_>) -> Result<Option<Substream>> {
    if bits.take(16)? != 0x0b77 {
        return Ok(None);
    }
    let dependent = bits.take(2)? == 1;
    bits.skip(3)?;
    let words = bits.take(11)? + 1;
    let rate_code = bits.take(2)?;
    let code = bits.take(2)? as usize;
    let (rate, blocks) = match rate_code {
        3 => (HALF_RATES.get(code), 6),
        full => (RATES.get(full as usize), BLOCKS.get(code).copied().unwrap_or(6)),
    };
    let (acmod, low, version) = (bits.take(3)?, bits.take(1)?, bits.take(5)?);
    let Some(rate) = rate.filter(|_| (11..=16).contains(&version)) else { return Ok(None) };
    // dialnorm and compr, of two channels apart twice.
    for _ in 0..if acmod == 0 { 2 } else { 1 } {
        bits.skip(5)?;
        if bits.flag()? {
            bits.skip(8)?;
        }
    }
    let places = if dependent && bits.flag()? { bits.take(16)? } else { 0 };
    let (length, duration) = (2 * words as usize, 256 * blocks);
    Ok(Some(Substream { length, dependent, rate_code, rate: *rate, duration, acmod, low, version, places }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_ac3() {
        let read = |bytes: &[u8]| ac3(bytes).map(|frame| (frame.length, frame.rate, frame.channels, frame.config));
        // 48 kHz, 384 kbit/s, five channels and low frequencies.
        assert_eq!(read(&[0x0b, 0x77, 0, 0, 0x1c, 0x40, 0xe1, 0xde]), Some((1536, 48_000, 6, Vec::from([0x10, 0x3d, 0xc0]))));
        assert_eq!(read(&[0x0b, 0x78, 0, 0, 0x1c, 0x40, 0xe1, 0xde]), None);
        assert_eq!(read(&[0x0b, 0x77, 0, 0, 0x1c, 0x40]), None, "cut off");
    }

    /// A frame of 768 bytes, 48 kHz, six blocks, five channels and low frequencies, of this kind; `chanmap` behind it.
    fn frame(kind: u8, chanmap: u16) -> Vec<u8> {
        // sync word; strmtyp, substreamid, frmsiz; fscod, numblkscod, acmod, lfeon; bsid, dialnorm, compre, chanmape, chanmap.
        let mut frame = Vec::from([0x0b, 0x77, (kind << 6) | 1, 0x7f, 0x3f]);
        frame.extend(((0x801_u32 << 20) | (u32::from(chanmap) << 4)).to_be_bytes());
        frame.resize(768, 0);
        frame
    }

    #[test]
    fn frames_of_enhanced_ac3() {
        let told = |bytes: &[u8]| enhanced(bytes).map(|frame| (frame.length, frame.duration, frame.rate, frame.channels, frame.config));
        let one = Vec::from([0x06, 0x00, 0x20, 0x0f, 0x00]);
        assert_eq!(told(&frame(0, 0)), Some((768, 1536, 48_000, 6, one)));
        // With Lrs/Rrs in a dependent substream: 7.1.
        let surround = Vec::from([0x0c, 0x00, 0x20, 0x0f, 0x02, 0x02]);
        assert_eq!(told(&[frame(0, 0), frame(1, 0x0200)].concat()), Some((1536, 1536, 48_000, 6, surround)));
        // Two programmes.
        let two = Vec::from([0x0c, 0x01, 0x20, 0x0f, 0x00, 0x20, 0x0f, 0x00]);
        assert_eq!(told(&[frame(0, 0), frame(0, 0)].concat()), Some((1536, 1536, 48_000, 6, two)));
        assert_eq!(told(&frame(1, 0x0200)), None, "what adds to nothing");
        assert_eq!(told(&[0x0b, 0x77, 0x01]), None, "cut off");
    }
}
