//! Any bytes as the announcement of an upload: what is planned lies in the file, and its segments can be made and are as large as told.

use reelway::upload::{Announcement, Limits};
use reelway_core::Fragment;

/// Segments that are made of each rendition.
const SEGMENTS: u32 = 3;

/// Plans what is announced.
pub fn announcement(bytes: &[u8]) {
    let Ok(announced) = Announcement::read(bytes) else { return };
    let size = announced.size;
    if size > Limits::default().file {
        return;
    }
    let Ok(planned) = announced.plan() else { return };
    assert!(planned.index.iter().all(|(at, part)| at + part.len() as u64 <= size), "parts lie in the file");
    assert!(planned.index.iter().map(|(_, part)| part.len()).sum::<usize>() <= bytes.len(), "no more is kept than was sent");
    let vod = &planned.vod;
    let _ = (vod.multivariant_playlist(), vod.mpd());
    for rendition in &vod.presentation().renditions {
        vod.header(&rendition.name).unwrap();
        for (number, segment) in (1..=SEGMENTS).zip(&rendition.timeline.segments) {
            let fragments = vod.segment(&rendition.name, number).unwrap();
            assert_eq!(fragments.iter().map(Fragment::len).sum::<u64>(), segment.bytes);
        }
    }
}
