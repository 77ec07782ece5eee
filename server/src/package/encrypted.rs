//! Segments of an encrypted presentation: read whole, encrypted in memory where they are to be, written. Memory is that of the largest segment.

use std::{
    fs::File,
    io::{self, IoSlice, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use reelway_core::{Fragment, Vod, presentation::Layout, segment::encrypt::EncryptedFragment};

use super::{Input, Manifests, PackageError, write_webvtt};
use crate::storage::read_payload;

/// The bytes of the fragments of each segment of a rendition.
type Lengths = Vec<Vec<u64>>;

/// Writes all segments of `vod`, each rendition into its folder below `folder`; text stays clear. In a file that holds all of a rendition
/// there is room in front of them for header and index, which is not known before. Returns for each rendition the bytes of the fragments
/// of its segments.
pub fn segments(
    inputs: &[Input<'_>],
    vod: &Vod,
    folder: &Path,
    manifests: Manifests,
    progress: &mut impl FnMut(u64),
) -> Result<Vec<(String, Lengths)>, PackageError> {
    let mut all = Vec::new();
    let mut payload = Vec::new();
    for rendition in &vod.presentation().renditions {
        let Some(input) = inputs.get(rendition.source.input) else { continue };
        let mut lengths = Vec::with_capacity(rendition.timeline.segments.len());
        let mut single = match vod.presentation().layout {
            Layout::SingleFile => Some(Output::create(folder.join(&rendition.name).join("media.mp4"), rendition.media_start())?),
            Layout::Segments => None,
        };
        for number in 1..=u32::try_from(rendition.timeline.segments.len()).unwrap_or(u32::MAX) {
            write_webvtt(vod, folder, rendition, number, manifests)?;
            let clear = vod.segment(&rendition.name, number)?;
            read_payload(input.source.file(), &clear, usize::MAX, &mut payload).map_err(|error| input.unreadable(error))?;
            let fragments = match &rendition.protection {
                Some(_) => vod.encrypt(&rendition.name, number, &mut payload)?,
                None => as_they_are(clear),
            };
            let pieces: Vec<[&[u8]; 2]> = fragments
                .iter()
                .map(|fragment| [fragment.head.as_slice(), payload.get(fragment.payload.clone()).unwrap_or_default()])
                .collect();
            lengths.push(pieces.iter().map(|pieces| pieces.iter().map(|piece| piece.len() as u64).sum()).collect());
            match &mut single {
                Some(file) => file.write(pieces.as_flattened())?,
                None => Output::create(folder.join(&rendition.name).join(format!("{number}.m4s")), 0)?.write(pieces.as_flattened())?,
            }
            progress(payload.len() as u64);
        }
        all.push((rendition.name.clone(), lengths));
    }
    Ok(all)
}

/// Fragments with the places of their payload in a buffer that holds the payload of all of them.
fn as_they_are(fragments: Vec<Fragment>) -> Vec<EncryptedFragment> {
    let mut end = 0;
    let place = |Fragment { head, extents }| {
        let start = end;
        end += extents.iter().map(|extent| usize::try_from(extent.end - extent.start).unwrap_or(0)).sum::<usize>();
        EncryptedFragment { head, payload: start..end }
    };
    fragments.into_iter().map(place).collect()
}

/// A file that is written from some byte on.
struct Output {
    path: PathBuf,
    file: File,
}

impl Output {
    fn create(path: PathBuf, start: u64) -> Result<Self, PackageError> {
        match File::create(&path).and_then(|mut file| file.seek(SeekFrom::Start(start)).map(|_| file)) {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(PackageError::Write { path, source }),
        }
    }

    fn write(&mut self, pieces: &[&[u8]]) -> Result<(), PackageError> {
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut left = slices.as_mut_slice();
        let mut write = || {
            while !left.is_empty() {
                match self.file.write_vectored(left)? {
                    0 if left.iter().any(|slice| !slice.is_empty()) => return Err(io::ErrorKind::WriteZero.into()),
                    count => IoSlice::advance_slices(&mut left, count),
                }
            }
            Ok(())
        };
        write().map_err(|source| PackageError::Write { path: self.path.clone(), source })
    }
}
