//! What is cut from any file that opens, opens again, and holds the same samples.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reelway_core::{Demuxer, Movie, Options, Vod};

fn open(bytes: &[u8]) -> Option<Movie> {
    let mut demuxer = Demuxer::new(bytes.len() as u64);
    while let Some(range) = demuxer.required() {
        demuxer.handle(range.start, &bytes[range.start as usize..range.end as usize]).ok()?;
    }
    demuxer.finish().ok()
}

fuzz_target!(|bytes: &[u8]| {
    let Some(movie) = open(bytes) else { return };
    // Files whose samples overlap would grow without end when they are written out.
    if movie.tracks.iter().any(|track| track.samples.bytes() > bytes.len() as u64) {
        return;
    }
    let vod = Vod::new(vec![movie], &Options::segments_of(1000)).unwrap();
    for (rendition, track) in vod.renditions() {
        let mut written = vod.header(&rendition.name).unwrap();
        for (number, _) in (1..).zip(&rendition.timeline.segments) {
            for fragment in vod.segment(&rendition.name, number).unwrap() {
                written.extend(&fragment.head);
                for extent in fragment.extents {
                    written.extend(&bytes[extent.start as usize..extent.end as usize]);
                }
            }
        }
        let again = open(&written).expect("what we write can be read");
        let [copy] = again.tracks.as_slice() else { panic!("one track") };
        assert_eq!(copy.samples.len(), track.samples.len());
        let late = track.shift.max(0) as u64;
        for (own, source) in copy.samples.iter().zip(&track.samples) {
            assert_eq!(own.decode_time, source.decode_time.saturating_add(late));
            assert_eq!(
                (own.duration, own.composition_offset, own.sync, own.size),
                (source.duration, source.composition_offset, source.sync, source.size)
            );
        }
    }
});
