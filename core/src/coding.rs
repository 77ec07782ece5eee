//! Big-endian numbers: a reader that knows where it is in the file and never reads past its end, and a writer of boxes.

use alloc::{format, vec::Vec};

use crate::{
    boxes::FourCc,
    error::{Error, Result},
};

/// The number that four bytes of a table are: for tables with an entry a sample.
pub fn number(bytes: [u8; 4]) -> u32 {
    if cfg!(target_arch = "wasm32") { number_by_products(bytes) } else { u32::from_be_bytes(bytes) }
}

/// `u32::from_be_bytes` is two rotations in wasm, and what a browser compiles at first calls a function for each. Here two bytes are moved at
/// once to their places in the upper half, by a product with what is one bit for each.
fn number_by_products(bytes: [u8; 4]) -> u32 {
    let little = u64::from(u32::from_le_bytes(bytes));
    let first_and_third = (little & 0x00ff_00ff).wrapping_mul(1 << 56 | 1 << 24);
    let second_and_fourth = (little & 0xff00_ff00).wrapping_mul(1 << 40 | 1 << 8);
    u32::try_from(first_and_third.wrapping_add(second_and_fourth) >> 32).unwrap_or(0)
}

/// Reads big-endian fields from bytes whose place in the input is known.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: u64,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, which stand at byte `position` of the input.
    pub fn new(bytes: &'a [u8], position: u64) -> Self {
        Self { bytes, position }
    }

    /// The byte of the input that is read next.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// Whether all is read.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What is left, without reading it.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// The next `length` bytes.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        match self.bytes.split_at_checked(length) {
            Some((taken, rest)) => {
                self.bytes = rest;
                self.position = self.position.saturating_add(length as u64);
                Ok(taken)
            }
            None => Err(Error::malformed(format!("{length} bytes are needed here, {} are left", self.bytes.len())).at(self.position)),
        }
    }

    /// The next `length` bytes as a reader of their own.
    pub fn sub(&mut self, length: usize) -> Result<Reader<'a>> {
        let position = self.position;
        self.take(length).map(|bytes| Reader { bytes, position })
    }

    /// Passes over `length` bytes.
    pub fn skip(&mut self, length: usize) -> Result<()> {
        self.take(length).map(drop)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// `leb128` (AV1 4.10.5): seven bits a byte, the lowest first, eight bytes at most.
    pub fn leb128(&mut self) -> Result<u64> {
        let mut value = 0;
        for index in 0..8 {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                break;
            }
        }
        Ok(value)
    }

    /// Two bytes.
    pub fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// Three bytes.
    pub fn u24(&mut self) -> Result<u32> {
        self.array::<3>().map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Four bytes, signed.
    pub fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// Eight bytes, signed.
    pub fn i64(&mut self) -> Result<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// A four-character code.
    pub fn four_cc(&mut self) -> Result<FourCc> {
        self.array().map(FourCc)
    }

    /// The version and the 24 flags of a full box (ISO/IEC 14496-12 4.2).
    pub fn full_box(&mut self) -> Result<(u8, u32)> {
        Ok((self.u8()?, self.u24()?))
    }
}

/// Writes boxes: big-endian fields, with the size of each box filled in when it ends.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty writer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity) }
    }

    /// A writer that goes on behind `bytes`.
    pub fn behind(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// How many bytes were written.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// `count` zero bytes.
    pub fn zeros(&mut self, count: usize) {
        self.bytes.resize(self.bytes.len().saturating_add(count), 0);
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Two bytes.
    pub fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    /// Four bytes, signed.
    pub fn i32(&mut self, value: i32) {
        self.bytes(&value.to_be_bytes());
    }

    /// Eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    /// Eight bytes, signed.
    pub fn i64(&mut self, value: i64) {
        self.bytes(&value.to_be_bytes());
    }

    /// A box named `name` around what `content` writes (ISO/IEC 14496-12 4.2). Contents are headers, far below 4 GiB.
    pub fn boxed(&mut self, name: &[u8; 4], content: impl FnOnce(&mut Self)) {
        let start = self.begin(*name);
        content(self);
        self.end(start);
    }

    /// A full box: [`Writer::boxed`] with a version and 24 flags in front of `content`.
    pub fn full_box(&mut self, name: &[u8; 4], version: u8, flags: u32, content: impl FnOnce(&mut Self)) {
        self.boxed(name, |w| {
            w.u32((u32::from(version) << 24) | (flags & 0x00ff_ffff));
            content(w);
        });
    }

    /// Begins a box; apart from [`Writer::boxed`], which is compiled once for each content.
    fn begin(&mut self, name: [u8; 4]) -> usize {
        let start = self.bytes.len();
        self.u32(0);
        self.bytes(&name);
        start
    }

    fn end(&mut self, start: usize) {
        let size = u32::try_from(self.bytes.len().saturating_sub(start)).unwrap_or(u32::MAX);
        self.patch_u32(start, size);
    }

    /// Overwrites the four bytes at `place`, which must have been written already.
    pub fn patch_u32(&mut self, place: usize, value: u32) {
        if let Some(slot) = place.checked_add(4).and_then(|end| self.bytes.get_mut(place..end)) {
            slot.copy_from_slice(&value.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_move_bytes_to_where_rotations_do() {
        for bytes in [[0, 0, 0, 0], [1, 2, 3, 4], [0xff, 0, 0, 0], [0, 0, 0, 0xff], [0x80, 0xfe, 0x7f, 0x81], [0xff; 4]] {
            assert_eq!(number_by_products(bytes), u32::from_be_bytes(bytes), "{bytes:?}");
            assert_eq!(number(bytes), u32::from_be_bytes(bytes), "{bytes:?}");
        }
    }

    #[test]
    fn reads_stop_at_the_end_and_tell_where() {
        let mut reader = Reader::new(&[0, 1, 2], 100);
        assert_eq!(reader.u16().unwrap(), 1);
        let error = reader.u16().unwrap_err();
        assert_eq!(error.offset(), Some(102));
        assert_eq!(reader.u8().unwrap(), 2);
    }

    #[test]
    fn box_sizes_are_filled_in() {
        let mut writer = Writer::default();
        writer.boxed(b"moov", |w| w.full_box(b"mfhd", 0, 0, |w| w.u32(7)));
        assert_eq!(writer.into_bytes(), [0, 0, 0, 24, b'm', b'o', b'o', b'v', 0, 0, 0, 16, b'm', b'f', b'h', b'd', 0, 0, 0, 0, 0, 0, 0, 7]);
    }
}
