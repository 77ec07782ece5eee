//! The edit list (ISO/IEC 14496-12 8.6.6): what of the media is presented, and when.
//!
//! Nearly every list shows one stretch of the media, so it is one number: the shift from media time to presentation time. Several
//! stretches in the order of the media are joined: what is between them is left out, and what is behind a cut or a pause moves. A player
//! shows the last sample before a pause until the next one is due. All else would need samples twice, in another order or in part, and is
//! refused by the number of the edit.

use alloc::{format, vec::Vec};

use crate::{
    boxes::{FourCc, movie::Edit},
    error::{Error, Result},
    sample::{Sample, SampleTable, SampleTableBuilder},
    time::{Timescale, rescale_length},
};

/// A stretch of media that is presented without a break, in ticks of the media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    /// Number of the edit that begins it, from 1.
    edit: usize,
    /// Media time at which it begins.
    start: u64,
    /// Media time at which it ends, where the list says.
    end: Option<u64>,
    /// Ticks from media time to presentation time.
    shift: i64,
}

/// The edit list of a track, with stretches that continue each other joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edits {
    stretches: Vec<Stretch>,
    /// Presentation time of the media's start where nothing of it is said to be presented.
    late: i64,
    /// How exactly the list tells media times: one tick of the movie.
    tolerance: u64,
    /// How many edits there are.
    count: usize,
}

impl Edits {
    /// Reads the list of a track whose ticks are of scale `media`. Lengths of edits are ticks of the scale `movie`; one stretch that begins
    /// with the presentation needs none.
    pub fn new(edits: &[Edit], movie: Option<Timescale>, media: Timescale) -> Result<Self> {
        let length = |ticks| movie.map(|movie| rescale_length(ticks, movie, media));
        let signed = |ticks| i64::try_from(ticks).unwrap_or(i64::MAX);
        let mut list = Self { stretches: Vec::new(), late: 0, tolerance: length(1).unwrap_or(1).max(1), count: edits.len() };
        // Ticks of the movie from the start of the presentation to the edit.
        let mut elapsed = Some(0u64);
        for (number, edit) in (1..).zip(edits) {
            let begins = elapsed;
            elapsed = elapsed.map(|ticks| ticks.saturating_add(edit.duration));
            let Some(start) = edit.media_time else {
                list.late = signed(elapsed.and_then(length).unwrap_or(0));
                continue;
            };
            let here = match begins {
                Some(0) => 0,
                Some(ticks) => length(ticks).ok_or_else(|| {
                    let error = Error::malformed("box 'mvhd' is missing: the lengths of edits cannot be told");
                    in_list(error.by("ISO/IEC 14496-12 8.2.2"))
                })?,
                None => return Err(list.refuse(number, "follows one that does not say how long it lasts")),
            };
            if edit.rate != 0x1_0000 {
                return Err(list.refuse(number, "plays at another speed than 1"));
            }
            if edit.duration == 0 {
                elapsed = None; // to the end of the media
            }
            let end = length(edit.duration).filter(|ticks| *ticks > 0).map(|ticks| start.saturating_add(ticks));
            let stretch = Stretch { edit: number, start, end, shift: signed(here).saturating_sub(signed(start)) };
            let tolerance = list.tolerance;
            match list.stretches.last_mut() {
                // The end of a stretch is measured in movie ticks: it is known to one of them.
                Some(last)
                    if last.shift.abs_diff(stretch.shift) <= tolerance && last.end.is_some_and(|end| end.abs_diff(start) <= tolerance) =>
                {
                    last.end = end;
                }
                // It shows nothing, as lists have it that are filled up with zeros.
                Some(last) if edit.duration == 0 && last.end.is_some_and(|end| end > start.saturating_add(tolerance)) => elapsed = begins,
                Some(last) if last.end.is_none_or(|end| end > start.saturating_add(tolerance)) => {
                    return Err(list.refuse(number, "goes back to media that an edit before it has shown"));
                }
                _ => list.stretches.push(stretch),
            }
        }
        Ok(list)
    }

    /// Ticks to add to a composition time for the time in the presentation.
    ///
    /// Where the last stretch ends before the media does, the samples behind it stay: no sample is dropped that only ends too late.
    pub fn shift(&self) -> i64 {
        self.stretches.first().map_or(self.late, |first| first.shift)
    }

    /// The samples with the stretches joined, so that [`shift`](Self::shift) is right for all of them.
    ///
    /// What is left out must be whole: a stretch ends where no later picture of its group is presented earlier, and the next one begins at a
    /// sync sample, if anything is left out before it. Sound begins with the first sample that is whole: what is lost is less than one, and
    /// all that is kept is at its time.
    pub fn join(&self, samples: SampleTable, video: bool) -> Result<SampleTable> {
        let Some((first, rest)) = self.stretches.split_first().filter(|(_, rest)| !rest.is_empty()) else { return Ok(samples) };
        let mut joined = SampleTableBuilder::default();
        let mut rest = rest.iter();
        let (mut stretch, mut next) = (first, rest.next());
        let mut left_out = false;
        for (number, sample) in (0..).zip(&samples) {
            let time = u64::try_from(sample.composition_time()).unwrap_or(0);
            let from = |time: u64, place: u64| time.saturating_add(self.tolerance) >= place;
            let begins = next.filter(|next| from(time, next.start) && (sample.sync || !left_out));
            if let Some(next_stretch) = begins {
                let late = if video { 0 } else { u64::from(sample.duration) };
                if !from(next_stretch.start.saturating_add(late), time) {
                    return Err(self.refuse(next_stretch.edit, "begins inside a sample or a group of pictures, where nothing can be cut"));
                }
                (stretch, next, left_out) = (next_stretch, rest.next(), false);
            } else if stretch.end.is_some_and(|end| next.is_some() && from(time, end)) {
                left_out = true;
                continue;
            } else if left_out {
                return Err(
                    self.refuse(stretch.edit, "ends inside a group of pictures: some that are needed come before others that are not")
                );
            }
            if stretch.edit != first.edit && !from(time, stretch.start) {
                return Err(self.refuse(stretch.edit, "begins behind pictures that are decoded after those which it begins with"));
            }
            joined.description_run(joined.len(), samples.description(number));
            joined.push(&Sample {
                decode_time: sample.decode_time.saturating_add_signed(stretch.shift.saturating_sub(first.shift)),
                ..sample
            })?;
        }
        match next {
            Some(next) => Err(self.refuse(next.edit, "begins where the media has no sync sample")),
            None => Ok(joined.finish()),
        }
    }

    fn refuse(&self, number: usize, why: &str) -> Error {
        in_list(Error::unsupported(format!("edit {number} of {} {why}", self.count)).by("ISO/IEC 14496-12 8.6.6"))
    }
}

fn in_list(error: Error) -> Error {
    error.within(FourCc(*b"elst")).within(FourCc(*b"edts"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::track::test_track;

    const EMPTY: Option<u64> = None;

    fn edit(duration: u64, media_time: Option<u64>) -> Edit {
        Edit { duration, media_time, rate: 0x1_0000 }
    }

    #[test]
    fn edits_fold_to_a_shift() {
        let (movie, media) = (Timescale::MILLIS, Timescale::new(48_000).unwrap());
        for (edits, expected, stretches) in [
            (&[][..], Some(0), 0),
            (&[edit(1000, Some(0))], Some(0), 1),
            (&[edit(1000, Some(1024))], Some(-1024), 1),
            (&[edit(1278, EMPTY), edit(1000, Some(0))], Some(61_344), 1),
            (&[edit(1278, EMPTY), edit(1000, Some(1024))], Some(60_320), 1),
            (&[edit(10, EMPTY), edit(10, EMPTY), edit(0, Some(0))], Some(960), 1),
            (&[edit(1000, EMPTY)], Some(48_000), 0),
            (&[edit(1000, Some(0)), edit(1000, Some(48_000))], Some(0), 1),
            (&[edit(1000, Some(0)), edit(1000, Some(48_048))], Some(0), 1),
            (&[edit(1000, Some(0)), edit(10, EMPTY)], Some(0), 1),
            (&[edit(1000, Some(0)), edit(0, Some(0)), edit(0, Some(0))], Some(0), 1),
            (&[edit(1000, Some(0)), edit(0, Some(48_000))], Some(0), 1),
            (&[edit(1000, Some(0)), edit(1000, Some(96_000))], Some(0), 2),
            (&[edit(1000, Some(0)), edit(10, EMPTY), edit(1000, Some(48_000))], Some(0), 2),
            (&[edit(1000, Some(0)), edit(1000, Some(24_000))], None, 0),
            (&[edit(1000, Some(48_000)), edit(1000, Some(0))], None, 0),
            (&[edit(0, Some(0)), edit(1000, Some(48_000))], None, 0),
            (&[Edit { duration: 10, media_time: Some(0), rate: 0 }], None, 0),
        ] {
            let list = Edits::new(edits, Some(movie), media).ok();
            assert_eq!(list.as_ref().map(Edits::shift), expected, "{edits:?}");
            assert_eq!(list.map_or(0, |list| list.stretches.len()), stretches, "{edits:?}");
        }
        let shift = |edits: &[Edit]| Edits::new(edits, None, media).map(|list| list.shift()).ok();
        assert_eq!(shift(&[edit(1000, Some(1024))]), Some(-1024), "no movie ticks are needed");
        assert_eq!(shift(&[edit(1000, EMPTY), edit(1000, Some(0))]), None);
    }

    #[test]
    fn sound_is_cut_between_samples() {
        let samples = test_track(1000, 100, 21, |_| true).samples;
        let list = Edits::new(&[edit(500, Some(0)), edit(500, Some(1000))], Some(Timescale::MILLIS), Timescale::MILLIS).unwrap();
        let joined = list.join(samples, false).unwrap();
        let around: Vec<_> = joined.range(23..25).map(|sample| (sample.offset, sample.decode_time, sample.duration)).collect();
        assert_eq!(around, [(23, 483, 25), (48, 508, 21)], "sample 48, at 1008, is 8 behind the start of its stretch");
    }

    /// Forty pictures of 40 ms, a key frame every ten; with three of them in decoding order for each one that is presented later.
    fn pictures(reordered: bool) -> SampleTable {
        let mut builder = SampleTableBuilder::default();
        for (number, sample) in (0u32..).zip(&test_track(1000, 40, 40, |n| n % 10 == 0).samples) {
            // Within a group: I P b P b P b P b P, the last of all the last of its group.
            let place = number % 10;
            let shown = if !reordered || place == 0 || place == 9 {
                place
            } else if place % 2 == 1 {
                place + 1
            } else {
                place - 1
            };
            let composition_offset = 80 + 40 * (i32::try_from(shown).unwrap() - i32::try_from(place).unwrap());
            builder.push(&Sample { composition_offset, ..sample }).unwrap();
        }
        builder.finish()
    }

    #[test]
    fn stretches_are_joined() {
        for (edits, reordered, expected) in [
            // Two seconds shown, of which 400 ms are cut out; the media begins at 80.
            (&[edit(400, Some(80)), edit(800, Some(880))][..], true, Ok((0..10).chain(20..40).collect::<Vec<u32>>())),
            (&[edit(400, Some(80)), edit(400, Some(880)), edit(0, Some(1280))], true, Ok((0..10).chain(20..40).collect())),
            (&[edit(400, Some(80)), edit(100, EMPTY), edit(1200, Some(480))], true, Ok((0..40).collect())),
            (&[edit(480, Some(80)), edit(800, Some(880))], false, Ok((0..12).chain(20..40).collect())),
            // The pause is where no key frame is, but nothing is left out.
            (&[edit(200, Some(80)), edit(100, EMPTY), edit(1400, Some(280))], false, Ok((0..40).collect())),
            (&[edit(480, Some(80)), edit(800, Some(880))], true, Err("edit 1 of 2 ends inside a group of pictures")),
            (&[edit(400, Some(80)), edit(800, Some(920))], true, Err("edit 2 of 2 begins inside a sample or a group of pictures")),
            (&[edit(200, Some(80)), edit(100, EMPTY), edit(1400, Some(280))], true, Err("edit 3 of 3 begins inside")),
            (&[edit(400, Some(80)), edit(800, Some(9999))], false, Err("edit 2 of 2 begins where the media has no sync sample")),
        ] {
            let list = Edits::new(edits, Some(Timescale::MILLIS), Timescale::MILLIS).unwrap();
            let table = pictures(reordered);
            match list.join(table.clone(), true) {
                Ok(joined) => {
                    let numbers = expected.unwrap();
                    assert_eq!(joined.len() as usize, numbers.len(), "{edits:?}");
                    let mut shown: Vec<i64> = Vec::new();
                    for (own, number) in joined.iter().zip(numbers) {
                        let source = table.get(number).unwrap();
                        assert_eq!((own.offset, own.sync, own.composition_offset), (source.offset, source.sync, source.composition_offset));
                        shown.push(own.composition_time() + list.shift());
                    }
                    shown.sort_unstable();
                    let mut expected: Vec<i64> = Vec::new();
                    let mut begin = 0;
                    for edit in edits {
                        let frames = (0..).map(|n| i64::try_from(begin).unwrap() + n * 40);
                        let room = if edit.duration == 0 { 400 } else { edit.duration };
                        expected.extend(frames.take(if edit.media_time.is_some() { room as usize / 40 } else { 0 }));
                        begin += edit.duration;
                    }
                    assert_eq!(shown.get(..expected.len()), Some(expected.as_slice()), "{edits:?}");
                }
                Err(error) => assert!(error.message().contains(expected.unwrap_err()), "{error}"),
            }
        }
    }
}
