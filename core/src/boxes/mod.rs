//! ISO BMFF boxes (ISO/IEC 14496-12): one frame for all of them, then one file a family.

pub mod event;
pub mod fragment;
pub mod movie;
pub mod protection;
pub mod quicktime;
pub mod sample_entry;
pub mod sample_table;
pub mod user_data;

use alloc::format;
use core::fmt;

use crate::{
    coding::Reader,
    error::{Error, Result},
};

/// A four-character code: the name of a box, a brand, a handler.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FourCc(pub [u8; 4]);

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FourCc({self})")
    }
}

/// The frame of a box: name and sizes (ISO/IEC 14496-12 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoxHeader {
    /// The name.
    pub name: FourCc,
    /// Bytes of the header: 8, or 16 with a 64-bit size.
    pub header: u64,
    /// Bytes of the whole box, header included; `None`: to the end of the file.
    pub size: Option<u64>,
}

impl BoxHeader {
    /// The most bytes a header takes.
    pub const MAX: u64 = 16;

    /// Reads a header; `reader` is left at the first byte of the content.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let position = reader.position();
        let size = reader.u32()?;
        let name = reader.four_cc()?;
        let (header, size) = match size {
            0 => (8, None),
            1 => (16, Some(reader.u64()?)),
            // Padding that does not count its own header, as some writers leave it: it has no more than that.
            2..8 if matches!(&name.0, b"free" | b"skip" | b"wide") => (8, Some(8)),
            size => (8, Some(u64::from(size))),
        };
        if size.is_some_and(|size| size < header) {
            let message = format!("a box '{name}' says that it has {} bytes, its header alone has {header}", size.unwrap_or(0));
            return Err(Error::malformed(message).at(position).by("ISO/IEC 14496-12 4.2"));
        }
        Ok(Self { name, header, size })
    }
}

/// Walks over the boxes inside `content`.
///
/// Fewer than eight bytes at the end are passed over: QuickTime ends some containers by a 32-bit zero, and writers pad.
pub fn children(content: Reader<'_>) -> impl Iterator<Item = Result<(FourCc, Reader<'_>)>> {
    let mut content = Some(content);
    core::iter::from_fn(move || {
        let mut reader = content.take().filter(|reader| reader.remaining() >= 8)?;
        let position = reader.position();
        let child = BoxHeader::read(&mut reader).and_then(|header| {
            let left = reader.remaining() as u64;
            let length = header.size.map_or(left, |size| size - header.header);
            if length > left {
                let message = format!("box '{}' says that it has {length} bytes of content, {left} are left here", header.name);
                return Err(Error::malformed(message).at(position).by("ISO/IEC 14496-12 4.2"));
            }
            // At most what is left, so it fits.
            let inner = reader.sub(usize::try_from(length).unwrap_or(usize::MAX))?;
            Ok((header.name, inner))
        });
        if child.is_ok() {
            content = Some(reader);
        }
        Some(child)
    })
}

/// Walks over the boxes inside `content` as far as they can be read, for containers in which one broken box must not cost the others.
///
/// A box that says that it is longer than what is left has what is left; after a header that is none nothing follows. The first of these
/// faults is put into `fault`, if nothing is there yet.
pub fn legible<'a>(content: Reader<'a>, fault: &mut Option<Error>) -> impl Iterator<Item = (FourCc, Reader<'a>)> {
    let mut content = Some(content);
    core::iter::from_fn(move || {
        let whole = content.take()?;
        match children(whole).next()? {
            Ok((name, child)) => {
                let mut rest = whole;
                let length = child.position().saturating_sub(whole.position()).saturating_add(child.remaining() as u64);
                content = rest.skip(usize::try_from(length).ok()?).ok().map(|()| rest);
                Some((name, child))
            }
            Err(error) => {
                fault.get_or_insert(error);
                let mut rest = whole;
                let header = BoxHeader::read(&mut rest).ok()?;
                Some((header.name, rest))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_walk_all_forms_of_size() {
        let mut bytes = alloc::vec::Vec::new();
        bytes.extend([0, 0, 0, 9, b'f', b'r', b'e', b'e', 1]);
        bytes.extend([0, 0, 0, 1, b'w', b'i', b'd', b'e', 0, 0, 0, 0, 0, 0, 0, 17, 2]);
        bytes.extend([0, 0, 0, 0, b's', b'k', b'i', b'p', 3, 4]);
        let found: alloc::vec::Vec<_> = children(Reader::new(&bytes, 0)).map(|child| child.map(|(name, r)| (name.0, r.rest()))).collect();
        assert_eq!(found, [Ok((*b"free", &[1][..])), Ok((*b"wide", &[2][..])), Ok((*b"skip", &[3, 4][..]))]);
    }

    #[test]
    fn a_child_larger_than_its_parent_ends_the_walk() {
        let bytes = [0, 0, 0, 99, b'f', b'r', b'e', b'e', 1];
        let mut walk = children(Reader::new(&bytes, 40));
        assert_eq!(walk.next().unwrap().unwrap_err().offset(), Some(40));
        assert!(walk.next().is_none());
    }

    #[test]
    fn what_is_legible_is_read() {
        for (last, found, offset) in [
            (&[0, 0, 0, 99, b's', b'k', b'i', b'p', 3][..], &[(*b"free", &[1][..]), (*b"skip", &[3])][..], Some(49)),
            (&[0, 0, 0, 7, b'u', b'u', b'i', b'd', 3], &[(*b"free", &[1])], Some(49)),
            (&[0, 0, 0, 8, b's', b'k', b'i', b'p', 0, 0, 0], &[(*b"free", &[1]), (*b"skip", &[])], None),
        ] {
            let bytes = [&[0, 0, 0, 9, b'f', b'r', b'e', b'e', 1], last].concat();
            let mut fault = None;
            let walked: alloc::vec::Vec<_> = legible(Reader::new(&bytes, 40), &mut fault).map(|(name, r)| (name.0, r.rest())).collect();
            assert_eq!(walked, found);
            assert_eq!(fault.and_then(|fault| fault.offset()), offset);
        }
    }

    #[test]
    fn a_size_below_the_header_is_refused() {
        let bytes = [0, 0, 0, 7, b't', b'r', b'a', b'k'];
        assert!(children(Reader::new(&bytes, 0)).next().unwrap().is_err());
        let padding = [0, 0, 0, 4, b'f', b'r', b'e', b'e', 0, 0, 0, 9, b't', b'r', b'a', b'k', 1];
        let found: alloc::vec::Vec<_> = children(Reader::new(&padding, 0)).map(|child| child.unwrap().0.0).collect();
        assert_eq!(found, [*b"free", *b"trak"]);
    }
}
