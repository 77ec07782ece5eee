//! Packetized elementary streams (ISO/IEC 13818-1 2.4.3.6): access units with their times.

use alloc::{format, vec::Vec};

use crate::error::{Error, Result};

/// The largest PES packet: an intra picture of 4K.
const MOST: usize = 4 << 20;
/// Times begin anew after so many ticks.
const ROUND: u64 = 1 << 33;

/// A PES packet while the transport packets of it come.
#[derive(Debug, Default)]
pub struct Assembler {
    bytes: Vec<u8>,
    /// Bytes that it is to have; 0: up to the next.
    length: usize,
    begun: bool,
    counter: Option<u8>,
}

/// A PES packet.
#[derive(Debug)]
pub struct Unit {
    /// What it holds.
    pub payload: Vec<u8>,
    /// When that is presented and decoded, in ticks of 90 kHz.
    pub times: Option<(u64, u64)>,
}

impl Assembler {
    /// Takes the content of a transport packet; `true`: the PES packet is whole.
    pub fn push(&mut self, content: &[u8], begins: bool, counter: u8, broken: bool) -> Result<bool> {
        let expected = self.counter.map(|last| (last + 1) & 0xf);
        if self.counter == Some(counter) && !begins {
            return Ok(false); // sent twice (2.4.3.3)
        }
        self.counter = Some(counter);
        if broken || (!begins && expected.is_some_and(|expected| expected != counter)) {
            // Something is missing: nothing of it can be decoded.
            self.begun = false;
            self.bytes.clear();
            return Ok(false);
        }
        if begins {
            self.bytes.clear();
            self.begun = true;
            self.length = match content {
                [0, 0, 1, _, high, low, ..] => match u16::from_be_bytes([*high, *low]) {
                    0 => 0,
                    length => usize::from(length) + 6,
                },
                _ => {
                    self.begun = false;
                    0
                }
            };
        }
        if !self.begun {
            return Ok(false);
        }
        if self.bytes.len() + content.len() > MOST {
            return Err(Error::unsupported(format!("a PES packet of more than {MOST} bytes")).by("ISO/IEC 13818-1 2.4.3.6"));
        }
        self.bytes.extend_from_slice(content);
        Ok(self.length > 0 && self.bytes.len() >= self.length)
    }

    /// What has come of it, if anything has and nothing is missing.
    pub fn finish(&mut self) -> Option<Unit> {
        if !core::mem::take(&mut self.begun) {
            return None;
        }
        let mut bytes = core::mem::take(&mut self.bytes);
        if self.length > 0 {
            if bytes.len() < self.length {
                return None;
            }
            bytes.truncate(self.length);
        }
        let [_, _, _, _, _, _, _, flags, length, fields @ ..] = bytes.as_slice() else { return None };
        let presented = (flags & 0x80 != 0).then(|| time(fields)).flatten();
        let decoded = (flags & 0x40 != 0).then(|| time(fields.get(5..)?)).flatten();
        let start = 9 + usize::from(*length);
        let payload = bytes.get(start..)?.to_vec();
        Some(Unit { payload, times: presented.map(|presented| (presented, decoded.unwrap_or(presented))) })
    }
}

impl Unit {
    /// Adds the rounds that `clock`, the newest time there is, has made.
    pub fn unwrap(&mut self, clock: &mut Option<u64>) {
        let Some((presented, decoded)) = &mut self.times else { return };
        // A round ahead, for what comes next may be a little earlier.
        let near = clock.unwrap_or(ROUND + *decoded);
        *decoded = nearest(*decoded, near);
        *presented = nearest(*presented, *decoded);
        *clock = Some(clock.map_or(*decoded, |clock| if decoded.abs_diff(clock) < ROUND / 4 { clock.max(*decoded) } else { *decoded }));
    }
}

fn nearest(time: u64, near: u64) -> u64 {
    let here = (near - near % ROUND).saturating_add(time % ROUND);
    let times = [here.checked_sub(ROUND), Some(here), here.checked_add(ROUND)].into_iter().flatten();
    times.min_by_key(|time| time.abs_diff(near)).unwrap_or(here)
}

/// 33 bits between marker bits.
fn time(fields: &[u8]) -> Option<u64> {
    let [first, rest @ ..] = fields else { return None };
    let [middle, last, ..] = rest.as_chunks::<2>().0 else { return None };
    let part = |bytes: &[u8; 2]| u64::from(u16::from_be_bytes(*bytes) >> 1);
    Some(u64::from(first >> 1 & 7) << 30 | part(middle) << 15 | part(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_33_bits() {
        assert_eq!(time(&[0x21, 0, 1, 0, 1]), Some(0));
        assert_eq!(time(&[0x2f, 0xff, 0xff, 0xff, 0xff]), Some(ROUND - 1));
        assert_eq!(time(&[0x31, 0, 7, 0xd8, 0x61]), Some(126_000));
    }

    #[test]
    fn clocks_begin_anew() {
        let mut clock = None;
        for (time, expected) in
            [(ROUND - 90_000, 2 * ROUND - 90_000), (0, 2 * ROUND), (ROUND - 10, 2 * ROUND - 10), (90_000, 2 * ROUND + 90_000)]
        {
            let mut unit = Unit { payload: Vec::new(), times: Some(((time + 7200) % ROUND, time)) };
            unit.unwrap(&mut clock);
            assert_eq!(unit.times, Some((expected + 7200, expected)));
        }
    }
}
