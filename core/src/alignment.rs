//! Videos between which a player switches are cut at the same moments: at sync samples that all of them have.

use alloc::{vec, vec::Vec};
use core::iter::Peekable;

use crate::{
    segment::boundary::{self, Cut},
    time::{Timescale, rescale, same_moment},
    timeline::Timeline,
    track::Track,
};

/// Videos that are cut at the same moments.
#[derive(Clone, Debug)]
pub struct Aligned {
    /// The cuts of the first video.
    pub cuts: Vec<Cut>,
    /// The segments of every video: as many of each, and those of the same number begin at the same moment.
    pub timelines: Vec<Timeline>,
    /// The longest segment in milliseconds, where each video by itself could be cut into shorter ones.
    pub stretched: Option<u64>,
}

/// Why videos cannot be cut at the same moments. Videos are told by their index; times and distances are milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// One ends at another time than the first, by more than a segment.
    Length {
        /// Which.
        video: usize,
        /// When it ends.
        end: i64,
        /// When the first ends.
        first_end: i64,
    },
    /// Around this time there is no sync sample that all have.
    SyncSamples {
        /// One that has a sync sample at this time.
        reference: usize,
        /// When.
        at: i64,
        /// Those that have none there, and how much later their nearest one is; earlier if it is negative.
        off: Vec<(usize, i64)>,
    },
    /// A segment of one begins at another time than that of the first: pictures before the sync sample belong to it (an open group of
    /// pictures), or the video begins earlier or later.
    Segment {
        /// Which video.
        video: usize,
        /// When the segment of the first begins.
        at: i64,
        /// How much later its own begins; earlier if it is negative.
        late: i64,
    },
}

/// Cuts `tracks` of video at the same moments, as near to the target as the sync samples allow that all of them have; a single one at
/// its own.
///
/// Sync samples are at the same moment if [`same_moment`] says so. Segments may become longer than those of each video alone, but not
/// longer than three targets.
pub fn align(tracks: &[&Track], target_millis: u64) -> Result<Aligned, Misfit> {
    let Some((first, others)) = tracks.split_first() else {
        return Ok(Aligned { cuts: Vec::new(), timelines: Vec::new(), stretched: None });
    };
    if others.is_empty() {
        let cuts = boundary::at_sync_samples(first, target_millis);
        let timelines = vec![Timeline::new(first, &cuts)];
        return Ok(Aligned { cuts, timelines, stretched: None });
    }
    let target = i64::try_from(target_millis).unwrap_or(i64::MAX);
    let first_end = end(first);
    for (video, track) in (1..).zip(others) {
        let end = end(track);
        if end.abs_diff(first_end) > target_millis {
            return Err(Misfit::Length { video, end, first_end });
        }
    }
    let mut theirs: Vec<_> = others.iter().map(|track| (moments(track), track.timescale)).collect();
    let shared = moments(first).filter(|cut| {
        let wanted = (cut.time, first.timescale);
        theirs.iter_mut().all(|(moments, timescale)| take_at(moments, *timescale, wanted).is_some())
    });
    let cuts = boundary::nearest_to_target(first, shared, target_millis);

    let (longest, longest_at) = longest(first, &cuts);
    let mut stretched = None;
    if longest > target.saturating_add(target / 4) {
        let alone = tracks.iter().map(|track| self::longest(track, &boundary::at_sync_samples(track, target_millis)).0).min().unwrap_or(0);
        if longest > alone {
            if longest > target.saturating_mul(3) {
                return Err(no_shared(tracks, longest_at, target));
            }
            stretched = u64::try_from(longest).ok();
        }
    }
    let mut timelines = vec![Timeline::new(first, &cuts)];
    for track in others {
        let mut moments = moments(track);
        let own = cuts.iter().skip(1).filter_map(|cut| take_at(&mut moments, track.timescale, (cut.time, first.timescale)));
        let own: Vec<Cut> = boundary::first_cut(track).into_iter().chain(own).collect();
        timelines.push(Timeline::new(track, &own));
    }
    check_starts(&timelines)?;
    Ok(Aligned { cuts, timelines, stretched })
}

/// The sync samples of a track behind its first sample, each presented later than the one before.
fn moments(track: &Track) -> Peekable<impl Iterator<Item = Cut>> {
    let cuts = boundary::sync_cuts(track).filter(|cut| cut.sample > 0);
    let mut last = i64::MIN;
    let rises = move |cut: &Cut| {
        let before = last;
        last = before.max(cut.time);
        before < cut.time
    };
    cuts.filter(rises).peekable()
}

/// Takes the one that is at the time `wanted`, and all before it, off `moments`, whose ticks are those of `timescale`.
fn take_at(moments: &mut Peekable<impl Iterator<Item = Cut>>, timescale: Timescale, wanted: (i64, Timescale)) -> Option<Cut> {
    loop {
        let time = (moments.peek()?.time, timescale);
        if same_moment(time, wanted) {
            return moments.next();
        }
        if i128::from(time.0) * i128::from(wanted.1.get()) > i128::from(wanted.0) * i128::from(time.1.get()) {
            return None;
        }
        moments.next();
    }
}

/// Segments of the same number begin at the same moment.
fn check_starts(timelines: &[Timeline]) -> Result<(), Misfit> {
    let Some((first, others)) = timelines.split_first() else { return Ok(()) };
    let signed = |ticks: u64| i64::try_from(ticks).unwrap_or(i64::MAX);
    for (video, timeline) in (1..).zip(others) {
        for (a, b) in first.segments.iter().zip(&timeline.segments) {
            let (a, b) = (signed(a.start), signed(b.start));
            if !same_moment((a, first.timescale), (b, timeline.timescale)) {
                let at = millis(a, first.timescale);
                return Err(Misfit::Segment { video, at, late: millis(b, timeline.timescale).saturating_sub(at) });
            }
        }
    }
    Ok(())
}

/// Says of the time after `from` why nothing can be cut there: which videos have no sync sample where another has one.
fn no_shared(tracks: &[&Track], from: i64, target: i64) -> Misfit {
    let wish = from.saturating_add(target);
    let nearest = |track: &Track, time: i64| {
        let times = boundary::sync_cuts(track).map(|cut| millis(cut.time, track.timescale));
        times.filter(|time| *time > from).min_by_key(|found| found.abs_diff(time))
    };
    let found = tracks.iter().enumerate().filter_map(|(index, track)| Some((index, nearest(track, wish)?)));
    let (reference, at) = found.min_by_key(|(_, time)| time.abs_diff(wish)).unwrap_or((0, wish));
    let off = tracks.iter().enumerate().filter_map(|(index, track)| {
        let times = boundary::sync_cuts(track).map(|cut| millis(cut.time, track.timescale));
        let late = times.min_by_key(|found| found.abs_diff(at)).map_or(i64::MAX, |found| found.saturating_sub(at));
        (late != 0).then_some((index, late))
    });
    Misfit::SyncSamples { reference, at, off: off.collect() }
}

/// The longest segment of a track that is cut so, and when it begins, in milliseconds.
fn longest(track: &Track, cuts: &[Cut]) -> (i64, i64) {
    let starts = cuts.iter().map(|cut| millis(cut.time.max(0), track.timescale));
    let ends = starts.clone().skip(1).chain([end(track)]);
    starts.zip(ends).map(|(start, end)| (end.saturating_sub(start), start)).max_by_key(|(length, _)| *length).unwrap_or((0, 0))
}

/// When a track ends, about, in milliseconds.
fn end(track: &Track) -> i64 {
    millis(boundary::end_time(track), track.timescale)
}

fn millis(ticks: i64, timescale: Timescale) -> i64 {
    rescale(ticks, timescale, Timescale::MILLIS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        sample::{Sample, SampleTableBuilder},
        track::test_video,
    };

    /// 25 frames a second in ticks of `timescale`, with a sync sample every `gop` frames.
    fn video(timescale: u32, frames: u32, gop: u32) -> Track {
        test_video(timescale, frames, timescale / 25, |n| n % gop == 0)
    }

    /// Frames of 30000/1001 a second whose times are told in milliseconds, rounded down.
    fn in_millis(frames: u32, gop: u32) -> Track {
        let time = |n: u32| u64::from(n) * 1001 / 30;
        let mut samples = SampleTableBuilder::default();
        for n in 0..frames {
            let duration = u32::try_from(time(n + 1) - time(n)).unwrap();
            let sample = Sample { decode_time: time(n), duration, composition_offset: 0, sync: n % gop == 0, offset: 0, size: 1 };
            samples.push(&sample).unwrap();
        }
        Track { samples: samples.finish(), ..test_video(1000, 1, 1, |_| true) }
    }

    /// Like [`video`], but each sync sample is decoded before `leading` frames that are presented before it.
    fn open_gops(frames: u32, gop: u32, leading: u32) -> Track {
        let mut samples = SampleTableBuilder::default();
        for n in 0..frames {
            let composition_offset = match n.checked_sub(gop).map(|n| n % gop) {
                Some(0) => i32::try_from(leading).unwrap() * 40,
                Some(place) if place <= leading => -40,
                _ => 0,
            };
            let sample =
                Sample { decode_time: u64::from(n) * 40, duration: 40, composition_offset, sync: n % gop == 0, offset: 0, size: 1 };
            samples.push(&sample).unwrap();
        }
        Track { samples: samples.finish(), ..test_video(1000, 1, 1, |_| true) }
    }

    fn late(mut track: Track, ticks: i64) -> Track {
        track.shift = ticks;
        track
    }

    /// Starts of the segments of the first video in milliseconds, and what is stretched.
    fn cut(tracks: &[&Track]) -> Result<(Vec<i64>, Option<u64>), Misfit> {
        let aligned = align(tracks, 4000)?;
        let starts = |timeline: &Timeline| -> Vec<i64> {
            timeline.segments.iter().map(|segment| millis(segment.start.try_into().unwrap(), timeline.timescale)).collect()
        };
        let (first, others) = aligned.timelines.split_first().unwrap();
        for other in others {
            assert_eq!(other.segments.len(), first.segments.len());
            assert!(starts(other).iter().zip(starts(first)).all(|(a, b)| a.abs_diff(b) <= 1));
            assert_eq!(other.segments.last().unwrap().samples.end, other.segments.iter().map(|segment| segment.samples.len() as u32).sum());
        }
        Ok((starts(first), aligned.stretched))
    }

    #[test]
    fn videos_are_cut_where_all_have_a_sync_sample() {
        for (tracks, expected, stretched, why) in [
            (
                &[&video(12_800, 500, 50), &video(90_000, 500, 50), &video(25, 500, 25)][..],
                &[0, 4000, 8000, 12_000, 16_000][..],
                None,
                "all",
            ),
            (&[&video(12_800, 500, 50), &video(12_800, 500, 1)], &[0, 4000, 8000, 12_000, 16_000], None, "every frame is one"),
            (&[&video(1000, 500, 50), &video(1000, 500, 75)], &[0, 6000, 12_000, 18_000], Some(6000), "only every 6 s"),
            (&[&video(1000, 500, 250), &video(1000, 500, 250)], &[0, 10_000], None, "far apart in all"),
            (&[&video(1000, 1500, 500), &video(1000, 1500, 500)], &[0, 20_000, 40_000], None, "further than three targets in all"),
            (&[&test_video(30_000, 600, 1001, |n| n % 60 == 0), &in_millis(600, 60)], &[0, 4004, 8008, 12_012, 16_016], None, "rounded"),
            (&[&video(1000, 500, 50), &late(video(48_000, 500, 50), 48)], &[0, 4000, 8000, 12_000, 16_000], None, "an edit list in ms"),
            (&[&video(1000, 500, 50), &video(1000, 440, 50)], &[0, 4000, 8000, 12_000, 16_000], None, "one ends a little earlier"),
            (&[&video(1000, 500, 50), &video(1000, 580, 50)], &[0, 4000, 8000, 12_000, 16_000], None, "one ends a little later"),
            (&[&open_gops(500, 50, 2), &open_gops(500, 50, 2)], &[0, 4000, 8000, 12_000, 16_000], None, "open groups in all"),
            (&[&video(1000, 500, 9999)], &[0], None, "a single one is cut at its own"),
            (&[&video(1000, 300, 50), &video(1000, 300, 9999)], &[0], Some(12_000), "short enough"),
        ] {
            assert_eq!(cut(tracks), Ok((expected.to_vec(), stretched)), "{why}");
        }
    }

    #[test]
    fn misfits_tell_where_and_by_how_much() {
        let at_four = |reference, off: &[(usize, i64)]| Misfit::SyncSamples { reference, at: 4000, off: off.to_vec() };
        for (tracks, expected) in [
            (&[&video(1000, 1000, 50), &video(1000, 1000, 52)][..], at_four(0, &[(1, 160)])),
            (&[&video(1000, 1000, 50), &late(video(1000, 1000, 50), 80)], at_four(0, &[(1, 80)])),
            (&[&video(1000, 1000, 50), &late(video(1000, 1000, 50), -80), &video(1000, 1000, 51)], at_four(0, &[(1, -80), (2, 80)])),
            (&[&video(1000, 1000, 9999), &video(1000, 1000, 50)], at_four(1, &[(0, -4000)])),
            (&[&video(1000, 1000, 50), &video(1000, 1000, 9999)], at_four(0, &[(1, -4000)])),
            (&[&video(1000, 1000, 50), &test_video(1000, 1000, 40, |_| false)], at_four(0, &[(1, i64::MAX)])),
            (&[&video(1000, 1000, 50), &video(1000, 500, 50)], Misfit::Length { video: 1, end: 20_000, first_end: 40_000 }),
            (&[&video(1000, 500, 50), &open_gops(500, 50, 2)], Misfit::SyncSamples { reference: 0, at: 4000, off: vec![(1, 80)] }),
            (&[&video(1000, 500, 50), &late(open_gops(500, 50, 2), -80)], Misfit::Segment { video: 1, at: 4000, late: -80 }),
            (&[&video(1000, 100, 9999), &late(video(1000, 100, 9999), 40)], Misfit::Segment { video: 1, at: 0, late: 40 }),
        ] {
            assert_eq!(cut(tracks), Err(expected));
        }
    }
}
