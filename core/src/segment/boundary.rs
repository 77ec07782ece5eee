//! Where to cut: a pure rule, so that any two sides that know the same samples cut at the same places.

use alloc::vec::Vec;

use crate::{
    sample::Sample,
    time::{Timescale, rescale},
    track::Track,
};

/// The first sample of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Number of the sample, from 0 in decoding order.
    pub sample: u32,
    /// When it is presented, in ticks of the track.
    pub time: i64,
}

/// Cuts of a video track: the first at its first sample, each next at the sync sample nearest to one target after the cut before it,
/// the earlier one if two are equally near.
///
/// Segments are therefore as near to the target as the sync samples allow, and tracks with the same sync samples have the same cuts
/// without knowing of each other. A sync sample with another description than the sample before it is a cut whatever the target, as if
/// the track ended and began there.
pub fn at_sync_samples(track: &Track, target_millis: u64) -> Vec<Cut> {
    nearest_to_target(track, sync_cuts(track), target_millis)
}

/// The same, where no others than `candidates` may be cut at: some of the sync samples of `track`, in order.
pub fn nearest_to_target(track: &Track, candidates: impl Iterator<Item = Cut>, target_millis: u64) -> Vec<Cut> {
    let target = target_ticks(target_millis, track.timescale);
    let mut cuts = first_cut(track);
    let Some(mut start) = cuts.first().map(|cut| cut.time.max(0)) else { return cuts };
    let mut before: Option<Cut> = None;
    let mut changes = track.samples.description_changes(0..track.samples.len()).peekable();
    for cut in candidates.filter(|cut| cut.sample > 0) {
        while changes.next_if(|change| *change < cut.sample).is_some() {}
        if cut.time <= start {
            continue;
        }
        if changes.peek() == Some(&cut.sample) {
            cuts.extend(before.take().filter(|last| stands_alone(last, start.saturating_add(target), cut.time)));
            cuts.push(cut);
            start = cut.time;
            continue;
        }
        let mut here = Some(cut);
        // Each wished time lies between two candidates; take the nearer and look again from there.
        while let Some(candidate) = here {
            let wish = start.saturating_add(target);
            if candidate.time < wish {
                before = Some(candidate);
                break;
            }
            let earlier = before.take().filter(|earlier| wish - earlier.time <= candidate.time - wish);
            let chosen = earlier.unwrap_or(candidate);
            start = chosen.time;
            cuts.push(chosen);
            here = earlier.map(|_| candidate);
        }
    }
    // The end of the track is a candidate too: a rest that is nearer to a whole segment stands alone.
    cuts.extend(before.filter(|last| stands_alone(last, start.saturating_add(target), end_time(track))));
    cuts
}

/// Whether `last` is nearer to the wished time than the end is.
fn stands_alone(last: &Cut, wish: i64, end: i64) -> bool {
    end > wish && wish.saturating_sub(last.time) <= end.saturating_sub(wish)
}

/// Cuts of a track that follows another: at the sample nearest to each of `times` (ticks of `timescale`), the earlier one if two are
/// equally near. Used for sound beside video, whose segments then cover the same stretch to half a sample.
pub fn near(track: &Track, times: impl Iterator<Item = i64>, timescale: Timescale) -> Vec<Cut> {
    let mut cuts = first_cut(track);
    let listed: Option<Vec<Cut>> = (!track.samples.all_sync()).then(|| sync_cuts(track).collect());
    for time in times {
        let time = rescale(time, timescale, track.timescale);
        let found = match &listed {
            Some(listed) => nearest_listed(listed, time),
            None => nearest_sample(track, time),
        };
        if let Some(cut) = found
            && cuts.last().is_some_and(|last| last.sample < cut.sample && last.time.max(0) < cut.time)
        {
            cuts.push(cut);
        }
    }
    cuts
}

/// Cuts of sound that follows no other track: at the sample nearest to each multiple of the target.
pub fn at_multiples(track: &Track, target_millis: u64) -> Vec<Cut> {
    let target = target_ticks(target_millis, track.timescale);
    let mut cuts = first_cut(track);
    let listed: Option<Vec<Cut>> = (!track.samples.all_sync()).then(|| sync_cuts(track).collect());
    let nearest = |time| listed.as_ref().map_or_else(|| nearest_sample(track, time), |listed| nearest_listed(listed, time));
    let next_candidate = |after: u32| match &listed {
        Some(listed) => listed.get(listed.partition_point(|cut| cut.sample <= after)).map(|cut| cut.time),
        None => track.samples.get(after.saturating_add(1)).map(|sample| track.presentation_time(&sample)),
    };
    while let Some(last) = cuts.last().copied() {
        let Some(candidate) = next_candidate(last.sample) else { break };
        let multiple = |count: i64| count.saturating_mul(target);
        let next = multiple((last.time.max(0) / target).saturating_add(1));
        // Multiples to which the last cut is the nearest sample are passed over, at once however far the next sample is: what a file says
        // of time costs nothing, so it must not cost work.
        let jump = multiple(candidate / target).max(next.saturating_add(target));
        let past = multiple((candidate / target).saturating_add(1));
        let found = [next, jump, past]
            .into_iter()
            .find_map(|wish| nearest(wish).filter(|cut| cut.sample > last.sample && cut.time > last.time.max(0)));
        match found {
            Some(cut) => cuts.push(cut),
            None => break,
        }
    }
    cuts
}

fn target_ticks(target_millis: u64, timescale: Timescale) -> i64 {
    rescale(i64::try_from(target_millis).unwrap_or(i64::MAX), Timescale::MILLIS, timescale).max(1)
}

fn cut(track: &Track, number: u32, sample: &Sample) -> Cut {
    Cut { sample: number, time: track.presentation_time(sample) }
}

/// The cut at the first sample, with which every track begins.
pub fn first_cut(track: &Track) -> Vec<Cut> {
    track.samples.get(0).map(|sample| cut(track, 0, &sample)).into_iter().collect()
}

/// The sync samples of a track, in order: where it can be cut.
pub fn sync_cuts(track: &Track) -> impl Iterator<Item = Cut> + '_ {
    track.samples.sync_samples().map(|(number, sample)| cut(track, number, &sample))
}

/// When the last sample in decoding order ends, about: for choosing cuts, not for durations.
pub fn end_time(track: &Track) -> i64 {
    let last = track.samples.len().checked_sub(1).and_then(|last| track.samples.get(last));
    last.map_or(0, |last| track.presentation_time(&last).saturating_add(last.duration.into()))
}

fn nearest_listed(listed: &[Cut], time: i64) -> Option<Cut> {
    let after = listed.partition_point(|cut| cut.time < time);
    let earlier = after.checked_sub(1).and_then(|index| listed.get(index)).copied();
    nearer(earlier, listed.get(after).copied(), time)
}

/// Samples of sound are composed in decoding order, so they are found by decoding time.
fn nearest_sample(track: &Track, time: i64) -> Option<Cut> {
    let offset = track.samples.get(0).map_or(0, |sample| i64::from(sample.composition_offset));
    let media_time = u64::try_from(time.saturating_sub(track.shift).saturating_sub(offset)).unwrap_or(0);
    let after = track.samples.first_decoded_from(media_time);
    let at = |number: u32| track.samples.get(number).map(|sample| cut(track, number, &sample));
    if after >= track.samples.len() {
        // The wish lies behind the last sample: nothing is left for another segment, unless the last one is nearer than the end.
        return None;
    }
    nearer(after.checked_sub(1).and_then(at), at(after), time)
}

fn nearer(earlier: Option<Cut>, later: Option<Cut>, time: i64) -> Option<Cut> {
    match (earlier, later) {
        (Some(earlier), Some(later)) if time.saturating_sub(earlier.time) <= later.time.saturating_sub(time) => Some(earlier),
        (earlier, later) => later.or(earlier),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::track::test_track;

    /// Sync samples every `gop` frames of 40 ms.
    fn cuts(frames: u32, gop: u32, target: u64) -> Vec<i64> {
        let track = test_track(1000, frames, 40, |n| n % gop == 0);
        at_sync_samples(&track, target).iter().map(|cut| cut.time).collect()
    }

    #[test]
    fn video_is_cut_at_the_nearest_sync_sample() {
        assert_eq!(cuts(500, 50, 4000), [0, 4000, 8000, 12_000, 16_000], "a group of pictures divides the target");
        assert_eq!(cuts(500, 48, 4000), [0, 3840, 7680, 11_520, 15_360, 19_200], "1.92 s: two are nearer to 4 s than three");
        assert_eq!(cuts(486, 48, 4000), [0, 3840, 7680, 11_520, 15_360], "the rest of 4.08 s is nearer to 4 s than 3.84 s");
        assert_eq!(cuts(500, 125, 4000), [0, 5000, 10_000, 15_000], "5 s: longer than the target");
        assert_eq!(cuts(500, 75, 4000), [0, 3000, 6000, 9000, 12_000, 15_000, 18_000], "3 s: nearer than 6 s");
        assert_eq!(cuts(500, 9999, 4000), [0], "one sync sample");
        assert_eq!(cuts(500, 1, 4000), [0, 4000, 8000, 12_000, 16_000], "every sample");
        assert_eq!(cuts(1, 1, 4000), [0]);
        assert_eq!(cuts(0, 1, 4000), []);
    }

    #[test]
    fn video_is_cut_where_its_description_changes() {
        let mut track = test_track(1000, 500, 40, |n| n % 50 == 0);
        let mut samples = crate::sample::SampleTableBuilder::default();
        for (number, sample) in (0..).zip(&track.samples) {
            // At a sync sample, and within a group of pictures, where no segment can begin.
            samples.description_run(number, u8::from((150..420).contains(&number)));
            samples.push(&sample).unwrap();
        }
        track.samples = samples.finish();
        let times: Vec<_> = at_sync_samples(&track, 4000).iter().map(|cut| cut.time).collect();
        assert_eq!(times, [0, 4000, 6000, 10_000, 14_000, 18_000]);
    }

    #[test]
    fn sound_is_cut_at_the_sample_nearest_to_the_video() {
        let track = test_track(48_000, 1000, 1024, |_| true);
        let cuts = near(&track, [4000, 8000, 99_000].into_iter(), Timescale::MILLIS);
        assert_eq!(cuts.iter().map(|cut| cut.sample).collect::<Vec<_>>(), [0, 187, 375], "4 s are 187.5 samples: the earlier");
    }

    #[test]
    fn sound_alone_is_cut_at_multiples_of_the_target() {
        let times = |track| at_multiples(&track, 4000).iter().map(|cut| cut.time).collect::<Vec<_>>();
        assert_eq!(times(test_track(1000, 100, 100, |_| true)), [0, 4000, 8000]);
        assert_eq!(times(test_track(1000, 100, 100, |n| n % 30 == 0)), [0, 3000, 9000], "where decoding can begin");
        // A few samples that last for ages are as much work as a few samples.
        assert_eq!(times(test_track(1, 4, u32::MAX, |_| true)).len(), 4);
    }
}
