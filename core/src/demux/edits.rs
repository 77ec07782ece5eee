//! The edit list (ISO/IEC 14496-12 8.6.6), folded into one number: ticks to add to a composition time.

use alloc::format;

use crate::{
    boxes::{FourCc, movie::Edit},
    error::{Error, Result},
    time::{Timescale, rescale_length},
};

/// The shift from media time to presentation time, in ticks of the media.
///
/// Exact for leading empty edits (presentation starts later) followed by one stretch of media (it starts at that media time).
/// Consecutive edits that continue each other are one stretch. Where the stretch ends before the media does, the samples behind it
/// stay: no sample of the source is ever dropped. Everything else would need samples twice or in another order: refused.
pub fn shift(edits: &[Edit], movie: Option<Timescale>, media: Timescale) -> Result<i64> {
    let refuse = |number: usize, why: &str| {
        let error = Error::unsupported(format!("edit {number} of {} {why}", edits.len())).by("ISO/IEC 14496-12 8.6.6");
        Err(error.within(FourCc(*b"elst")).within(FourCc(*b"edts")))
    };
    // Lengths of edits are ticks of the movie; one stretch from a media time on needs none.
    let length = |ticks| movie.map(|movie| rescale_length(ticks, movie, media));
    let unknown = || {
        let error = Error::malformed("box 'mvhd' is missing: the lengths of edits cannot be told").by("ISO/IEC 14496-12 8.2.2");
        error.within(FourCc(*b"elst")).within(FourCc(*b"edts"))
    };
    let mut empty = 0u64;
    let mut media_time = None;
    let mut next = None;
    for (number, edit) in (1..).zip(edits) {
        let Some(start) = edit.media_time else {
            if media_time.is_none() {
                empty = empty.saturating_add(edit.duration);
            } else if number != edits.len() {
                return refuse(number, "is a pause in the middle of the media");
            }
            continue;
        };
        if edit.rate != 0x1_0000 {
            return refuse(number, "plays at another speed than 1");
        }
        if media_time.is_some() {
            // The end of a stretch is measured in movie ticks: it is known to one of them.
            let tolerance = length(1).ok_or_else(unknown)?.max(1);
            if next.is_none_or(|next: u64| next.abs_diff(start) > tolerance) {
                return refuse(number, "does not continue the one before it");
            }
        }
        media_time.get_or_insert(start);
        next = (edit.duration > 0).then(|| start.saturating_add(length(edit.duration).unwrap_or(0)));
    }
    let late = if empty == 0 { 0 } else { length(empty).ok_or_else(unknown)? };
    let late = i64::try_from(late).unwrap_or(i64::MAX);
    Ok(late.saturating_sub(i64::try_from(media_time.unwrap_or(0)).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: Option<u64> = None;

    fn edit(duration: u64, media_time: Option<u64>) -> Edit {
        Edit { duration, media_time, rate: 0x1_0000 }
    }

    #[test]
    fn edits_fold_to_a_shift() {
        let (movie, media) = (Timescale::MILLIS, Timescale::new(48_000).unwrap());
        for (edits, expected) in [
            (&[][..], Some(0)),
            (&[edit(1000, Some(0))], Some(0)),
            (&[edit(1000, Some(1024))], Some(-1024)),
            (&[edit(1278, EMPTY), edit(1000, Some(0))], Some(61_344)),
            (&[edit(1278, EMPTY), edit(1000, Some(1024))], Some(60_320)),
            (&[edit(10, EMPTY), edit(10, EMPTY), edit(0, Some(0))], Some(960)),
            (&[edit(1000, Some(0)), edit(1000, Some(48_000))], Some(0)),
            (&[edit(1000, Some(0)), edit(10, EMPTY)], Some(0)),
            (&[edit(1000, Some(0)), edit(1000, Some(96_000))], None),
            (&[edit(1000, Some(0)), edit(10, EMPTY), edit(1000, Some(48_000))], None),
            (&[edit(0, Some(0)), edit(1000, Some(48_000))], None),
            (&[Edit { duration: 10, media_time: Some(0), rate: 0 }], None),
        ] {
            assert_eq!(shift(edits, Some(movie), media).ok(), expected, "{edits:?}");
        }
        assert_eq!(shift(&[edit(1000, Some(1024))], None, media).ok(), Some(-1024), "no movie ticks are needed");
        assert!(shift(&[edit(1000, EMPTY), edit(1000, Some(0))], None, media).is_err());
    }
}
