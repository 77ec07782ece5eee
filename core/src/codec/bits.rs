//! Bits from the most significant on, as codec configurations hold them.

use crate::{
    coding::Reader,
    error::{Error, Result},
};

/// Reads bits out of bytes whose place in the input is known.
#[derive(Clone, Copy, Debug)]
pub struct Bits<'a> {
    bytes: Reader<'a>,
    buffer: u64,
    filled: u32,
}

impl<'a> Bits<'a> {
    /// Reads the bits of `bytes`.
    pub fn new(bytes: Reader<'a>) -> Self {
        Self { bytes, buffer: 0, filled: 0 }
    }

    /// The byte of the input that is fetched next.
    pub fn position(&self) -> u64 {
        self.bytes.position()
    }

    /// The next `count` bits, at most 32.
    pub fn take(&mut self, count: u32) -> Result<u32> {
        while self.filled < count {
            self.buffer = (self.buffer << 8) | u64::from(self.bytes.u8()?);
            self.filled += 8;
        }
        self.filled -= count;
        let value = (self.buffer >> self.filled) & ((1 << count) - 1);
        Ok(u32::try_from(value).unwrap_or(u32::MAX))
    }

    /// The next bit.
    pub fn flag(&mut self) -> Result<bool> {
        Ok(self.take(1)? == 1)
    }

    /// Passes over `count` bits.
    pub fn skip(&mut self, mut count: u32) -> Result<()> {
        while count > 0 {
            let step = count.min(32);
            self.take(step)?;
            count -= step;
        }
        Ok(())
    }

    /// An unsigned number of variable length, `ue(v)` of H.264 and H.265 (9.1, 9.2).
    pub fn golomb(&mut self) -> Result<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return Err(Error::malformed("a number of more than 32 bits").at(self.position()));
            }
        }
        Ok((1 << zeros) - 1 + self.take(zeros)?)
    }

    /// A signed one, `se(v)`.
    pub fn signed_golomb(&mut self) -> Result<i32> {
        let code = self.golomb()?;
        let half = i32::try_from(code.div_ceil(2)).unwrap_or(i32::MAX);
        Ok(if code % 2 == 0 { -half } else { half })
    }

    /// What follows the byte that is being read.
    pub fn aligned(self) -> Reader<'a> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_variable_length() {
        // 1, 010, 011, 00100, 00111, and one of 31 zeros.
        let mut bits = Bits::new(Reader::new(&[0b1010_0110, 0b0100_0011, 0b1000_0000, 0, 0, 0, 0b1000_0000, 0, 0, 0], 0));
        assert_eq!([(); 5].map(|()| bits.golomb().unwrap()), [0, 1, 2, 3, 6]);
        assert_eq!(bits.golomb().unwrap(), u32::MAX >> 1);
        assert!(Bits::new(Reader::new(&[0; 9], 0)).golomb().is_err());
        let mut bits = Bits::new(Reader::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000], 0));
        assert_eq!([(); 5].map(|()| bits.signed_golomb().unwrap()), [0, 1, -1, 2, -2]);
    }

    #[test]
    fn bits_cross_bytes_and_end_where_the_bytes_end() {
        let mut bits = Bits::new(Reader::new(&[0b1010_0110, 0xff, 0x12, 0x34, 0x56, 0x78], 7));
        assert_eq!((bits.take(3).unwrap(), bits.take(7).unwrap(), bits.flag().unwrap()), (0b101, 0b001_1011, true));
        assert_eq!(bits.aligned().rest(), [0x12, 0x34, 0x56, 0x78]);
        bits.skip(5).unwrap();
        assert_eq!(bits.take(32).unwrap(), 0x1234_5678);
        assert_eq!(bits.take(1).unwrap_err().offset(), Some(13));
    }
}
