//! A presentation written out: CMAF segments, each a file or all of a rendition one, headers and manifests in a folder that any static server can serve.

mod encrypted;

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use reelway_core::{
    Fragment, Vod,
    codec::Kind,
    presentation::{Layout, Rendition},
};

use crate::storage::{Piece, SourceFile, gather};

/// How much payload is in memory at a time, in bytes: enough to make the cost of a call small, little enough to stay in a processor's cache.
const WINDOW: usize = 1 << 20;

/// What is written beside the segments.
#[derive(Clone, Copy, Debug)]
pub struct Manifests {
    /// `master.m3u8`, a `media.m3u8` for each rendition and an `iframes.m3u8` for each that has I-frames.
    pub hls: bool,
    /// `manifest.mpd`.
    pub dash: bool,
}

/// A file or folder of the output that could not be written, or the input that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The output.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An input.
    #[error("cannot read {name}: {source}")]
    Read {
        /// What messages call the input.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The index does not hold what it announced.
    #[error(transparent)]
    Media(#[from] reelway_core::Error),
}

/// Writes `vod`, whose payload is in `sources`, a file for each input, into `folder`, in the layout that it has. `progress` is called with the bytes of payload written since the last call.
///
/// Manifests are written last and put in place whole: a folder with a manifest is complete.
pub fn package(
    sources: &[SourceFile],
    vod: &mut Vod,
    folder: &Path,
    manifests: Manifests,
    mut progress: impl FnMut(u64),
) -> Result<(), PackageError> {
    let layout = vod.presentation().layout;
    for name in ["master.m3u8", "manifest.mpd"] {
        remove(&folder.join(name))?;
    }
    for rendition in &vod.presentation().renditions {
        let folder = folder.join(&rendition.name);
        fs::create_dir_all(&folder).map_err(|source| PackageError::Write { path: folder.clone(), source })?;
        for name in ["media.m3u8", "iframes.m3u8"] {
            remove(&folder.join(name))?;
        }
        if layout == Layout::Segments {
            write(&folder.join("init.mp4"), &vod.header(&rendition.name)?)?;
        }
    }
    if vod.encryption().is_some() {
        let made = encrypted::segments(&inputs(vod, sources), vod, folder, manifests, &mut progress)?;
        for (rendition, lengths) in made {
            vod.measured(&rendition, lengths)?;
            if layout == Layout::SingleFile {
                write_start(vod, folder, &rendition)?;
            }
        }
    } else {
        write_segments(&inputs(vod, sources), vod, folder, manifests, &mut progress)?;
    }
    for input in inputs(vod, sources) {
        input.source.check().map_err(|error| input.unreadable(error))?;
    }
    write_manifests(vod, folder, manifests)
}

fn inputs<'a>(vod: &'a Vod, sources: &'a [SourceFile]) -> Vec<Input<'a>> {
    vod.inputs().iter().zip(sources).map(|(movie, source)| Input { name: &movie.name, source }).collect()
}

/// Writes all segments, those of one number together.
fn write_segments(
    inputs: &[Input<'_>],
    vod: &Vod,
    folder: &Path,
    manifests: Manifests,
    progress: &mut impl FnMut(u64),
) -> Result<(), PackageError> {
    let (renditions, layout) = (&vod.presentation().renditions, vod.presentation().layout);
    let mut files = match layout {
        Layout::SingleFile => renditions.iter().map(|rendition| single_file(vod, folder, &rendition.name)).collect::<Result<_, _>>()?,
        Layout::Segments => Vec::new(),
    };
    let last = renditions.iter().map(|rendition| rendition.timeline.segments.len()).max().unwrap_or(0);
    let mut window = vec![0; WINDOW];
    for number in 1..=u32::try_from(last).unwrap_or(u32::MAX) {
        let mut outputs = Vec::with_capacity(renditions.len());
        for (index, rendition) in renditions.iter().enumerate().filter(|(_, rendition)| rendition.timeline.segment(number).is_some()) {
            write_webvtt(vod, folder, rendition, number, manifests)?;
            let fragments = vod.segment(&rendition.name, number)?;
            let output = match files.get_mut(index) {
                Some(file) => Output::append(file, fragments)?,
                None => Output::create(folder.join(&rendition.name).join(format!("{number}.m4s")), fragments)?,
            };
            outputs.push((rendition.source.input, output));
        }
        for (index, input) in inputs.iter().enumerate() {
            let outputs: Vec<&Output> = outputs.iter().filter(|(input, _)| *input == index).map(|(_, output)| output).collect();
            copy(input, &outputs, &mut window, progress)?;
        }
    }
    Ok(())
}

/// A segment of text in the form that HLS has, if that is another.
fn write_webvtt(vod: &Vod, folder: &Path, rendition: &Rendition, number: u32, manifests: Manifests) -> Result<(), PackageError> {
    if !rendition.webvtt || !manifests.hls {
        return Ok(());
    }
    let path = folder.join(&rendition.name).join(format!("{number}.vtt"));
    write(&path, vod.webvtt_segment(&rendition.name, number)?.as_bytes())
}

fn write_manifests(vod: &Vod, folder: &Path, manifests: Manifests) -> Result<(), PackageError> {
    let renditions = &vod.presentation().renditions;
    if manifests.hls {
        // HLS finds key frames in the video itself, and has no place for metadata.
        let listed = |rendition: &&Rendition| rendition.trick_mode.is_none() && rendition.kind() != Kind::Metadata;
        for rendition in renditions.iter().filter(listed) {
            let folder = folder.join(&rendition.name);
            write_whole(&folder.join("media.m3u8"), vod.media_playlist(&rendition.name)?.as_bytes())?;
            if vod.has_i_frames(&rendition.name) {
                write_whole(&folder.join("iframes.m3u8"), vod.i_frame_playlist(&rendition.name)?.as_bytes())?;
            }
        }
        write_whole(&folder.join("master.m3u8"), vod.multivariant_playlist().as_bytes())?;
    }
    if manifests.dash {
        write_whole(&folder.join("manifest.mpd"), vod.mpd().as_bytes())?;
    }
    Ok(())
}

/// A file that payload is read from.
struct Input<'a> {
    name: &'a str,
    source: &'a SourceFile,
}

impl Input<'_> {
    fn unreadable(&self, source: io::Error) -> PackageError {
        PackageError::Read { name: self.name.to_owned(), source }
    }
}

/// A rendition that is one file, and where its next segment begins.
struct SingleFile {
    path: PathBuf,
    file: Arc<File>,
    end: u64,
}

/// Makes the file of a rendition, with header and index.
fn single_file(vod: &Vod, folder: &Path, rendition: &str) -> Result<SingleFile, PackageError> {
    let path = folder.join(rendition).join("media.mp4");
    let start = [vod.header(rendition)?, vod.index(rendition)?].concat();
    match File::create(&path).and_then(|file| file.write_all_at(&start, 0).map(|()| file)) {
        Ok(file) => Ok(SingleFile { path, file: Arc::new(file), end: start.len() as u64 }),
        Err(source) => Err(PackageError::Write { path, source }),
    }
}

/// Writes header and index into the place that the file of a rendition has for them.
fn write_start(vod: &Vod, folder: &Path, rendition: &str) -> Result<(), PackageError> {
    let path = folder.join(rendition).join("media.mp4");
    let start = [vod.header(rendition)?, vod.index(rendition)?].concat();
    let written = File::options().write(true).open(&path).and_then(|file| file.write_all_at(&start, 0));
    written.map_err(|source| PackageError::Write { path, source })
}

/// A segment being written.
struct Output {
    path: PathBuf,
    file: Arc<File>,
    /// Where it begins in the file.
    start: u64,
    fragments: Vec<Fragment>,
}

impl Output {
    /// A segment in a file of its own.
    fn create(path: PathBuf, fragments: Vec<Fragment>) -> Result<Self, PackageError> {
        match File::create(&path) {
            Ok(file) => Self { path, file: Arc::new(file), start: 0, fragments }.with_heads(),
            Err(source) => Err(PackageError::Write { path, source }),
        }
    }

    /// A segment at the end of the file of its rendition.
    fn append(file: &mut SingleFile, fragments: Vec<Fragment>) -> Result<Self, PackageError> {
        let start = file.end;
        file.end += fragments.iter().map(Fragment::len).sum::<u64>();
        Self { path: file.path.clone(), file: Arc::clone(&file.file), start, fragments }.with_heads()
    }

    fn with_heads(self) -> Result<Self, PackageError> {
        let mut position = self.start;
        for fragment in &self.fragments {
            self.write(&fragment.head, position)?;
            position += fragment.len();
        }
        Ok(self)
    }

    fn write(&self, bytes: &[u8], position: u64) -> Result<(), PackageError> {
        self.file.write_all_at(bytes, position).map_err(|source| PackageError::Write { path: self.path.clone(), source })
    }
}

/// A stretch of the input and its place in an output.
#[derive(Clone, Copy)]
struct Stretch {
    offset: u64,
    length: usize,
    output: usize,
    position: u64,
}

/// Copies the payload of `outputs`, all of which are made from `input`. Segments of the same number lie interleaved in most files: they are read together, in file order, and
/// each read goes straight to the bytes of its output.
fn copy(input: &Input<'_>, outputs: &[&Output], window: &mut [u8], progress: &mut impl FnMut(u64)) -> Result<(), PackageError> {
    let mut stretches = Vec::new();
    for (output, Output { start, fragments, .. }) in outputs.iter().enumerate() {
        let mut position = *start;
        for fragment in fragments {
            position += fragment.head.len() as u64;
            for extent in &fragment.extents {
                let mut offset = extent.start;
                while offset < extent.end {
                    let length = usize::try_from(extent.end - offset).unwrap_or(usize::MAX).min(window.len());
                    stretches.push(Stretch { offset, length, output, position });
                    offset += length as u64;
                    position += length as u64;
                }
            }
        }
    }
    stretches.sort_unstable_by_key(|stretch| stretch.offset);
    let mut rest = stretches.as_mut_slice();
    while !rest.is_empty() {
        let mut filled = 0;
        let count = rest
            .iter()
            .take_while(|stretch| {
                filled += stretch.length;
                filled <= window.len()
            })
            .count();
        let (batch, after) = rest.split_at_mut(count);
        copy_batch(input, outputs, batch, window)?;
        progress(batch.iter().map(|stretch| stretch.length as u64).sum());
        rest = after;
    }
    Ok(())
}

/// Copies stretches that fit into the window together.
fn copy_batch(input: &Input<'_>, outputs: &[&Output], batch: &mut [Stretch], window: &mut [u8]) -> Result<(), PackageError> {
    // In the window the bytes of each output stand together, in the order in which they are written.
    batch.sort_unstable_by_key(|stretch| (stretch.output, stretch.position));
    let mut free = &mut *window;
    let mut pieces: Vec<Piece<'_>> = batch
        .iter()
        .map(|stretch| {
            let (target, rest) = std::mem::take(&mut free).split_at_mut(stretch.length);
            free = rest;
            Piece { offset: stretch.offset, target }
        })
        .collect();
    pieces.sort_unstable_by_key(|piece| piece.offset);
    gather(input.source.file(), pieces).map_err(|error| input.unreadable(error))?;
    let mut bytes = &*window;
    for run in batch.chunk_by(|a, b| a.output == b.output && a.position + a.length as u64 == b.position) {
        let (written, rest) = bytes.split_at(run.iter().map(|stretch| stretch.length).sum());
        bytes = rest;
        if let Some((first, output)) = run.first().and_then(|first| Some((first, outputs.get(first.output)?))) {
            output.write(written, first.position)?;
        }
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), PackageError> {
    fs::write(path, bytes).map_err(|source| PackageError::Write { path: path.into(), source })
}

/// Puts a file in place whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), PackageError> {
    let partial = path.with_extension("partial");
    write(&partial, bytes)?;
    fs::rename(&partial, path).map_err(|source| PackageError::Write { path: path.into(), source })
}

fn remove(path: &Path) -> Result<(), PackageError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(PackageError::Write { path: path.into(), source }),
        _ => Ok(()),
    }
}
