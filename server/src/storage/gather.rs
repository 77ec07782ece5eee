//! Reading many small ranges of a file with few calls: neighbours are read at once, each straight to where it belongs.

use std::{
    fs::File,
    io::{self, IoSliceMut},
    ops::Range,
};

use rustix::io::{Errno, ReadWriteFlags};

/// Ranges nearer to each other than this are read by one call, what lies between them into a buffer that nobody looks at: copying so
/// few bytes costs less than another call.
const GAP: u64 = 4 << 10;

/// The most slices of one call (IOV_MAX of Linux).
const SLICES: usize = 1024;

/// A range of a file and the place for its bytes.
#[derive(Debug)]
pub struct Piece<'a> {
    /// Byte of the file where it begins.
    pub offset: u64,
    /// Where its bytes go; as long as the range.
    pub target: &'a mut [u8],
}

impl Piece<'_> {
    fn range(&self) -> Range<u64> {
        self.offset..self.offset + self.target.len() as u64
    }
}

/// Fills every piece from `file`. Pieces are in ascending order of their offsets. The end of the file before the end of a piece is an
/// error of kind [`io::ErrorKind::UnexpectedEof`].
pub fn gather<'a>(file: &File, pieces: impl IntoIterator<Item = Piece<'a>>) -> io::Result<()> {
    fill(file, pieces, ReadWriteFlags::empty())
}

/// The same without waiting for a disk: an error of kind [`io::ErrorKind::WouldBlock`] where the system has not all of it in memory,
/// or cannot tell.
pub fn gather_cached<'a>(file: &File, pieces: impl IntoIterator<Item = Piece<'a>>) -> io::Result<()> {
    fill(file, pieces, ReadWriteFlags::NOWAIT).map_err(|error| match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::OPNOTSUPP) => io::ErrorKind::WouldBlock.into(),
        _ => error,
    })
}

fn fill<'a>(file: &File, pieces: impl IntoIterator<Item = Piece<'a>>, flags: ReadWriteFlags) -> io::Result<()> {
    let mut scratch = Vec::new();
    let mut pieces = pieces.into_iter().peekable();
    let mut run: Vec<Piece<'a>> = Vec::new();
    while let Some(piece) = pieces.next() {
        let end = piece.range().end;
        run.push(piece);
        let next = pieces.peek().map(|next| next.offset);
        if run.len() * 2 >= SLICES || next.is_none_or(|next| next < end || next - end > GAP) {
            read_run(file, &mut run, &mut scratch, flags)?;
            run.clear();
        }
    }
    Ok(())
}

/// Reads pieces that follow each other with small gaps.
fn read_run(file: &File, run: &mut [Piece<'_>], scratch: &mut Vec<u8>, flags: ReadWriteFlags) -> io::Result<()> {
    let Some(mut offset) = run.first().map(|piece| piece.offset) else { return Ok(()) };
    let gaps: Vec<usize> = run
        .windows(2)
        .map(|pair| match pair {
            [before, after] => usize::try_from(after.offset - before.range().end).unwrap_or(0),
            _ => 0,
        })
        .chain([0])
        .collect();
    // A slice cannot be lent twice at once: each gap gets a stretch of its own.
    let needed = gaps.iter().sum::<usize>();
    if scratch.len() < needed {
        scratch.resize(needed, 0);
    }
    let mut scratch = scratch.as_mut_slice();
    let mut slices = Vec::with_capacity(run.len() * 2);
    for (piece, gap) in run.iter_mut().zip(gaps) {
        slices.push(IoSliceMut::new(piece.target));
        if gap > 0 {
            let (taken, rest) = std::mem::take(&mut scratch).split_at_mut(gap);
            slices.push(IoSliceMut::new(taken));
            scratch = rest;
        }
    }
    let mut slices = slices.as_mut_slice();
    IoSliceMut::advance_slices(&mut slices, 0); // empty ones at the front would read as the end of the file
    while !slices.is_empty() {
        match rustix::io::preadv2(file, slices, offset, flags) {
            // Some kernels (Linux 5.9 and 5.10) say so of what is not in memory too.
            Ok(0) if flags.contains(ReadWriteFlags::NOWAIT) => return Err(io::ErrorKind::WouldBlock.into()),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                IoSliceMut::advance_slices(&mut slices, count);
                offset += count as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn pieces_near_and_far_are_filled() {
        let content: Vec<u8> = (0..100_000u32).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&content).unwrap();
        let ranges = [0..10, 10..20, 30..30, 300..5000, 50_000..60_000, 60_001..60_002, 99_990..100_000];
        let mut targets: Vec<Vec<u8>> = ranges.iter().map(|range| vec![0; range.len()]).collect();
        let pieces = ranges.iter().zip(&mut targets).map(|(range, target)| Piece { offset: range.start as u64, target });
        gather(&file, pieces).unwrap();
        for (range, target) in ranges.into_iter().zip(&targets) {
            assert_eq!(*target, content[range.clone()], "{range:?}");
        }
        // What was just written is in memory; a file system that cannot tell so says that it would wait.
        let mut again = vec![0; content.len()];
        match gather_cached(&file, [Piece { offset: 0, target: &mut again }]) {
            Ok(()) => assert!(again == content),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    }

    #[test]
    fn the_end_of_the_file_is_an_error() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"short").unwrap();
        let error = gather(&file, [Piece { offset: 0, target: &mut [0; 6] }]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
