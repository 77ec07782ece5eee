//! Any bytes as a file: opening it, cutting it and making everything that can be asked for must neither panic nor take more memory than
//! the file allows; every extent lies in the file, and what is cut opens again and holds the same samples.

use std::ops::Range;

use reelway_core::{
    Demuxer, Fragment, Movie, Options, Vod,
    demux::chapters::{ChapterReader, cues},
};

use super::captions;

fn part(bytes: &[u8], range: Range<u64>) -> &[u8] {
    &bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]
}

/// Reads a file, by no more steps than its boxes and samples can need.
fn open(bytes: &[u8]) -> Option<Movie> {
    let size = bytes.len() as u64;
    let mut demuxer = Demuxer::new(size).asking_frames();
    let mut steps = 0;
    while let Some(range) = demuxer.required() {
        assert!(range.start < range.end && range.end <= size, "{range:?} of {size}");
        demuxer.handle(range.start, part(bytes, range.clone())).ok()?;
        steps += 1;
        // Two a box, and where sync samples have to be looked for, a few dozen a sample.
        assert!(steps <= 64 * bytes.len() + 2, "it never ends");
    }
    demuxer.finish().ok()
}

/// Reads the chapters of a file, which are few, by few steps.
fn chapters(bytes: &[u8]) {
    let mut reader = ChapterReader::new(bytes.len() as u64);
    let mut steps = 0;
    while let Some(range) = reader.required() {
        reader.handle(part(bytes, range));
        steps += 1;
        assert!(steps <= 8192, "it never ends");
    }
    let chapters = reader.finish();
    assert!(chapters.len() <= 1000 && chapters.is_sorted_by(|a, b| a.start < b.start));
    cues(&chapters, u64::MAX);
}

/// Makes everything that can be asked for of a file.
pub fn movie(bytes: &[u8]) {
    chapters(bytes);
    let size = bytes.len() as u64;
    let Some(mut movie) = open(bytes) else { return };
    captions::search(&mut movie, bytes);
    assert!(movie.memory() as u64 <= 4 * size + (1 << 20), "{} bytes of index for {size}", movie.memory());
    let Ok(vod) = Vod::new(vec![movie], &Options::default()) else { return };
    let _ = (vod.multivariant_playlist(), vod.mpd());
    for (rendition, track) in vod.renditions() {
        vod.header(&rendition.name).unwrap();
        vod.media_playlist(&rendition.name).unwrap();
        assert_eq!(vod.i_frame_playlist(&rendition.name).is_ok(), rendition.is_video());
        let source = track.payload.as_ref().map_or(size, |made| made.len() as u64);
        let mut samples = 0;
        for (number, segment) in (1..).zip(&rendition.timeline.segments) {
            assert_eq!(segment.samples.start, samples, "segments leave out no sample");
            samples = segment.samples.end;
            let fragments = vod.segment(&rendition.name, number).unwrap();
            let extents = || fragments.iter().flat_map(|fragment| &fragment.extents);
            assert!(extents().all(|extent| extent.start < extent.end && extent.end <= source));
            let bytes: u64 = fragments.iter().map(Fragment::len).sum();
            assert_eq!(bytes, segment.bytes);
            assert_eq!(vod.webvtt_segment(&rendition.name, number).is_ok(), rendition.webvtt);
        }
        assert_eq!(samples, track.samples.len(), "segments hold every sample");
    }
}

/// Writes the renditions of a file and reads them again.
pub fn round_trip(bytes: &[u8]) {
    let Some(movie) = open(bytes) else { return };
    // Files whose samples overlap would grow without end when they are written out.
    if movie.tracks.iter().any(|track| track.samples.bytes() > bytes.len() as u64) {
        return;
    }
    let Ok(vod) = Vod::new(vec![movie], &Options::segments_of(1000)) else { return };
    for (rendition, track) in vod.renditions() {
        let source = track.payload.as_deref().unwrap_or(bytes);
        let mut written = vod.header(&rendition.name).unwrap();
        for (number, _) in (1..).zip(&rendition.timeline.segments) {
            for fragment in vod.segment(&rendition.name, number).unwrap() {
                written.extend(&fragment.head);
                for extent in fragment.extents {
                    written.extend(part(source, extent));
                }
            }
        }
        let again = open(&written).expect("what we write can be read");
        let [copy] = again.tracks.as_slice() else { panic!("one track") };
        assert_eq!(copy.samples.len(), track.samples.len());
        let late = u64::try_from(track.shift).unwrap_or(0);
        for (own, source) in copy.samples.iter().zip(&track.samples) {
            assert_eq!(own.decode_time, source.decode_time.saturating_add(late));
            assert_eq!(
                (own.duration, own.composition_offset, own.sync, own.size),
                (source.duration, source.composition_offset, source.sync, source.size)
            );
        }
    }
}
