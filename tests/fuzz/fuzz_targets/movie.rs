//! Any bytes as a file: opening it, cutting it and making everything that can be asked for must neither panic nor take more memory than
//! the file allows, and every extent must lie in the file.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reelway_core::{Demuxer, Options, Vod};

fuzz_target!(|bytes: &[u8]| {
    let size = bytes.len() as u64;
    let mut demuxer = Demuxer::new(size);
    let mut steps = 0;
    while let Some(range) = demuxer.required() {
        assert!(range.start < range.end && range.end <= size, "{range:?} of {size}");
        let (start, end) = (range.start as usize, range.end as usize);
        if demuxer.handle(range.start, &bytes[start..end]).is_err() {
            return;
        }
        steps += 1;
        // Two a box, and where sync samples have to be looked for, a few dozen a sample.
        assert!(steps <= 64 * bytes.len() + 2, "it never ends");
    }
    let Ok(movie) = demuxer.finish() else { return };
    assert!(movie.memory() as u64 <= 4 * size + (1 << 20), "{} bytes of index for {size}", movie.memory());
    let vod = Vod::new(vec![movie], &Options::default()).unwrap();
    let _ = vod.multivariant_playlist();
    let _ = vod.mpd();
    for (rendition, track) in vod.renditions() {
        vod.header(&rendition.name).unwrap();
        vod.media_playlist(&rendition.name).unwrap();
        assert_eq!(vod.i_frame_playlist(&rendition.name).is_ok(), rendition.is_video());
        let mut samples = 0;
        for (number, segment) in (1..).zip(&rendition.timeline.segments) {
            assert_eq!(segment.samples.start, samples, "segments leave out no sample");
            samples = segment.samples.end;
            let fragments = vod.segment(&rendition.name, number).unwrap();
            let extents = || fragments.iter().flat_map(|fragment| &fragment.extents);
            assert!(extents().all(|extent| extent.start < extent.end && extent.end <= size));
            let bytes: u64 = fragments.iter().map(|fragment| fragment.len()).sum();
            assert_eq!(bytes, segment.bytes);
            assert_eq!(vod.webvtt_segment(&rendition.name, number).is_ok(), rendition.webvtt);
        }
        assert_eq!(samples, track.samples.len(), "segments hold every sample");
    }
});
