//! Any bytes as the content of a `moof`: its runs have as many samples as they say, and no more than their bytes allow.

use reelway_core::{
    boxes::{fragment::read_fragments, movie::TrackExtends},
    coding::Reader,
};

/// Reads a `moof`. The first bytes are the defaults that `trex` would have told.
pub fn fragments(bytes: &[u8]) {
    let Some(([duration, size, flags], content)) = bytes.split_first_chunk() else { return };
    let defaults = |track_id| TrackExtends {
        track_id,
        description_index: 1,
        duration: u32::from(*duration) << 8,
        size: u32::from(*size),
        flags: u32::from(*flags) << 16,
    };
    let Ok(fragments) = read_fragments(Reader::new(content, 8), 0, defaults) else { return };
    for run in fragments.iter().flat_map(|fragment| &fragment.runs) {
        // Where sizes are the default, the count is bounded by whoever knows the size of the file.
        let mut counted = 0;
        for sample in run.samples().take(1 << 16) {
            sample.expect("counts are held against bytes before");
            counted += 1;
        }
        assert_eq!(counted, run.count.min(1 << 16));
    }
}
