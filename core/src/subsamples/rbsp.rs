//! The bits of a NAL unit: Exp-Golomb codes, emulation prevention passed over (ITU-T H.264 7.3.1 and 9.1, H.265 7.3.1.1 and 9.2).

use crate::error::{Error, Result};

/// Reads bits of a NAL unit and knows how many of its bytes they took, emulation prevention included.
#[derive(Clone, Debug)]
pub struct Rbsp<'a> {
    bytes: &'a [u8],
    /// Where `bytes` begin in the input.
    position: u64,
    /// Bytes fetched.
    next: usize,
    /// Zero bytes before the next one.
    zeros: u32,
    current: u8,
    /// Bits of `current` that are not read yet.
    left: u32,
}

impl<'a> Rbsp<'a> {
    /// Reads `bytes`, which stand at byte `position` of the input and begin with a NAL unit header or behind it.
    pub fn new(bytes: &'a [u8], position: u64) -> Self {
        Self { bytes, position, next: 0, zeros: 0, current: 0, left: 0 }
    }

    /// Bytes that hold what was read: the one being read counts whole.
    pub fn consumed(&self) -> usize {
        self.next
    }

    fn fault(&self, what: &'static str) -> Error {
        Error::malformed(what).at(self.position.saturating_add(self.next as u64))
    }

    fn fetch(&mut self) -> Result<u8> {
        let byte = self.bytes.get(self.next).copied().ok_or_else(|| self.fault("a NAL unit ends inside a field"))?;
        self.next += 1;
        Ok(byte)
    }

    /// The next bit.
    pub fn flag(&mut self) -> Result<bool> {
        if self.left == 0 {
            let mut byte = self.fetch()?;
            if self.zeros >= 2 && byte == 3 {
                self.zeros = 0;
                byte = self.fetch()?;
            }
            self.zeros = if byte == 0 { self.zeros + 1 } else { 0 };
            (self.current, self.left) = (byte, 8);
        }
        self.left -= 1;
        Ok((self.current >> self.left) & 1 == 1)
    }

    /// The next `count` bits, at most 32.
    pub fn bits(&mut self, count: u32) -> Result<u32> {
        let mut value = 0;
        for _ in 0..count {
            value = (value << 1) | u32::from(self.flag()?);
        }
        Ok(value)
    }

    /// Passes over `count` bits.
    pub fn skip(&mut self, count: u32) -> Result<()> {
        for _ in 0..count {
            self.flag()?;
        }
        Ok(())
    }

    /// `ue(v)`.
    pub fn ue(&mut self) -> Result<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return Err(self.fault("an Exp-Golomb code has more than 31 leading zeros"));
            }
        }
        Ok(((1 << zeros) - 1) + self.bits(zeros)?)
    }

    /// `ue(v)` that must not be larger than `most`.
    pub fn ue_to(&mut self, most: u32) -> Result<u32> {
        let value = self.ue()?;
        if value > most { Err(self.fault("a field of a NAL unit is larger than it may be")) } else { Ok(value) }
    }

    /// `se(v)`.
    pub fn se(&mut self) -> Result<i32> {
        let code = i64::from(self.ue()?);
        let magnitude = (code + 1) / 2;
        Ok(i32::try_from(if code % 2 == 1 { magnitude } else { -magnitude }).unwrap_or(i32::MAX))
    }

    /// Passes over `count` codes `ue(v)`, or `se(v)`, which are as long.
    pub fn skip_ue(&mut self, count: u32) -> Result<()> {
        for _ in 0..count {
            self.ue()?;
        }
        Ok(())
    }
}

/// Bits that tell one of `count` things apart: `Ceil(Log2(count))`.
pub fn bits_for(count: u32) -> u32 {
    count.saturating_sub(1).checked_ilog2().map_or(0, |log| log + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_emulation_prevention() {
        // 1, 010, 011, 00100, 00101, then zeros with a byte of prevention between, then a one.
        let bytes = [0b1010_0110, 0b0100_0010, 0b1000_0000, 0, 0, 3, 0, 1];
        let mut rbsp = Rbsp::new(&bytes, 100);
        assert_eq!([0; 5].map(|_| rbsp.ue().unwrap()), [0, 1, 2, 3, 4]);
        assert_eq!(rbsp.consumed(), 3);
        assert_eq!(rbsp.bits(7 + 16).unwrap(), 0, "the rest of the third byte, then two zero bytes");
        assert_eq!(rbsp.consumed(), 5);
        assert_eq!(rbsp.bits(16).unwrap(), 1);
        assert_eq!(rbsp.consumed(), 8);
        assert_eq!(rbsp.flag().unwrap_err().offset(), Some(108));
        let mut signed = Rbsp::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000], 0);
        assert_eq!([0; 5].map(|_| signed.se().unwrap()), [0, 1, -1, 2, -2]);
    }

    #[test]
    fn no_code_is_longer_than_32_bits() {
        assert_eq!(Rbsp::new(&[0, 0, 3, 0, 1, 0xff, 0xff, 0xff, 0xff], 0).ue().unwrap(), u32::MAX - 1);
        assert!(Rbsp::new(&[0, 0, 3, 0, 0, 3, 1, 0xff], 0).ue().is_err());
    }

    #[test]
    fn bits_for_a_count() {
        assert_eq!([0, 1, 2, 3, 4, 5, 510].map(bits_for), [0, 0, 1, 2, 2, 3, 9]);
    }
}
