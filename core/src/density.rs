//! How many segments and key frames files may say that they have: manifests name each of them, so each has to cost bytes.

use alloc::format;

use crate::{
    codec::Kind,
    demux::Movie,
    error::{Error, Result},
    time::{Timescale, rescale_length},
};

/// So many a file may have whatever its size; each other has this many bytes at least.
const FEW: u64 = 2048;
const LEAST_BYTES: u64 = 128;
/// No file has more than this: pictures of 19 hours at 60 a second, each a key frame.
const MOST: u64 = 1 << 22;

/// Refuses inputs whose tracks would be cut into more segments, or have more key frames, than their bytes can be media for.
pub fn check(inputs: &[Movie], segment_millis: u64) -> Result<()> {
    let size = inputs.iter().fold(0u64, |sum, movie| sum.saturating_add(movie.size));
    let most = (FEW + size / LEAST_BYTES).min(MOST);
    for track in inputs.iter().flat_map(|movie| &movie.tracks) {
        let samples = 0..track.samples.len();
        let (many, what) = if track.kind() == Kind::Video {
            (track.samples.sync_numbers(samples).count() as u64, "key frames")
        } else {
            let ticks = track.samples.span(samples).map_or(0, |(first, end)| end.abs_diff(first));
            let millis = rescale_length(ticks, track.timescale, Timescale::MILLIS);
            ((millis / segment_millis.max(1)).min(track.samples.len().into()), "segments")
        };
        if many > most {
            let message = format!("track {} has {many} {what} in {size} bytes: that is no media, at {LEAST_BYTES} bytes each", track.id);
            return Err(Error::malformed(message));
        }
    }
    Ok(())
}
