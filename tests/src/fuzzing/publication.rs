//! Any bytes as a file of a published presentation, a manifest or a segment: it is judged within bounds, and what is told of it can be shown.

use std::{collections::BTreeMap, io, ops::Range, sync::LazyLock};

use reelway::verify::{Publication, verify};
use reelway_core::{Demuxer, Options, Vod, presentation::Layout};

use crate::movie::Movie;

/// Files in memory.
#[derive(Clone)]
pub struct Files(pub BTreeMap<String, Vec<u8>>);

impl Publication for Files {
    fn manifests(&self) -> io::Result<Vec<String>> {
        Ok(self.0.keys().filter(|name| matches!(name.rsplit_once('.'), Some((_, "m3u8" | "mpd")))).cloned().collect())
    }

    fn size(&self, path: &str) -> io::Result<u64> {
        self.0.get(path).map(|bytes| bytes.len() as u64).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn read(&self, path: &str, range: Range<u64>) -> io::Result<Vec<u8>> {
        let bytes = self.0.get(path).ok_or(io::ErrorKind::NotFound)?;
        assert!(range.start <= range.end && range.end <= bytes.len() as u64, "{range:?} of {path}");
        Ok(bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()].to_vec())
    }
}

/// What is published of a film of three seconds, in segments and as one file a rendition.
pub static PUBLISHED: LazyLock<[Files; 2]> = LazyLock::new(|| {
    let source = Movie::simple(3, 1).write();
    [Layout::Segments, Layout::SingleFile].map(|layout| published(&source, layout))
});

fn published(source: &[u8], layout: Layout) -> Files {
    let mut demuxer = Demuxer::new(source.len() as u64);
    demuxer.handle(0, source).unwrap();
    let single = layout == Layout::SingleFile;
    let vod = Vod::new(vec![demuxer.finish().unwrap()], &Options { layout, ..Options::segments_of(1000) }).unwrap();
    let mut files = BTreeMap::from([
        ("master.m3u8".to_owned(), vod.multivariant_playlist().into_bytes()),
        ("manifest.mpd".to_owned(), vod.mpd().into_bytes()),
    ]);
    for (rendition, _) in vod.renditions() {
        let name = &rendition.name;
        files.insert(format!("{name}/media.m3u8"), vod.media_playlist(name).unwrap().into_bytes());
        if let Ok(frames) = vod.i_frame_playlist(name) {
            files.insert(format!("{name}/iframes.m3u8"), frames.into_bytes());
        }
        let mut together = vod.header(name).unwrap();
        if single {
            together.extend(vod.index(name).unwrap());
        } else {
            files.insert(format!("{name}/init.mp4"), together.clone());
        }
        for (number, _) in (1..).zip(&rendition.timeline.segments) {
            let mut segment = Vec::new();
            for fragment in vod.segment(name, number).unwrap() {
                segment.extend(&fragment.head);
                for extent in fragment.extents {
                    segment.extend(&source[usize::try_from(extent.start).unwrap()..usize::try_from(extent.end).unwrap()]);
                }
            }
            if single {
                together.extend(segment);
            } else {
                files.insert(format!("{name}/{number}.m4s"), segment);
            }
        }
        if single {
            files.insert(format!("{name}/media.mp4"), together);
        }
    }
    Files(files)
}

/// Puts bytes in the place of one of the files, which the first two bytes choose, and judges the whole.
pub fn publication(bytes: &[u8]) {
    let Some(([layout, file], content)) = bytes.split_first_chunk() else { return };
    let mut files = PUBLISHED[usize::from(*layout) % PUBLISHED.len()].clone();
    let count = files.0.len();
    if let Some(found) = files.0.values_mut().nth(usize::from(*file) % count) {
        content.clone_into(found);
    }
    let verdict = verify(&files).expect("manifests are told");
    for fault in verdict.faults {
        let line = fault.to_string();
        assert!(line.len() < 4096 && !line.contains(char::is_control), "{line:?}");
    }
}
