//! The payload of a segment, read whole where it is to be changed.

use std::{fs::File, io};

use reelway_core::Fragment;

use super::{Piece, gather};

/// Reads what `fragments` name of `file` into `payload`, in their order. More than `most` bytes are an error of kind
/// [`io::ErrorKind::OutOfMemory`].
pub fn read_payload(file: &File, fragments: &[Fragment], most: usize, payload: &mut Vec<u8>) -> io::Result<()> {
    let extents = || fragments.iter().flat_map(|fragment| &fragment.extents);
    let length = usize::try_from(extents().map(|extent| extent.end - extent.start).sum::<u64>()).unwrap_or(usize::MAX);
    if length > most {
        return Err(io::Error::new(io::ErrorKind::OutOfMemory, format!("a segment has {length} bytes, {most} are encrypted")));
    }
    payload.clear();
    payload.try_reserve_exact(length).map_err(|error| io::Error::new(io::ErrorKind::OutOfMemory, error))?;
    payload.resize(length, 0);
    let mut free = payload.as_mut_slice();
    let mut pieces: Vec<Piece<'_>> = extents()
        .map(|extent| {
            let (target, rest) = std::mem::take(&mut free).split_at_mut(usize::try_from(extent.end - extent.start).unwrap_or(0));
            free = rest;
            Piece { offset: extent.start, target }
        })
        .collect();
    pieces.sort_unstable_by_key(|piece| piece.offset);
    gather(file, pieces)
}
