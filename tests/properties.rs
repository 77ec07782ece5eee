//! For any movie: what is published holds exactly its samples. For any bytes: an answer and no panic.

use std::{io::Cursor, ops::Range};

use proptest::{collection::vec, option, prelude::*, sample::Index};
use reelway_core::{Demuxer, Error, Movie as Found, Options, Vod, sample::Sample as Indexed};
use reelway_tests::{
    movie::{Kind, Movie, SIZE, Sample, Track},
    published,
};

/// Reads a file in memory.
fn demux(bytes: &[u8]) -> Result<Found, Error> {
    let mut demuxer = Demuxer::new(bytes.len() as u64);
    while let Some(range) = demuxer.required() {
        demuxer.handle(range.start, part(bytes, &range))?;
    }
    demuxer.finish()
}

fn cut(index: Found, segment_millis: u64) -> Result<Vod, Error> {
    Vod::new(vec![index], &Options::segments_of(segment_millis))
}

fn part<'a>(bytes: &'a [u8], range: &Range<u64>) -> &'a [u8] {
    let index = |position: u64| usize::try_from(position).unwrap_or(usize::MAX);
    bytes.get(index(range.start)..index(range.end)).unwrap_or_default()
}

/// A rendition as one file: its header and all its segments.
fn publish(vod: &Vod, source: &[u8], rendition: &str, segments: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = vod.header(rendition)?;
    for number in 1..=u32::try_from(segments).unwrap_or(u32::MAX) {
        for fragment in vod.segment(rendition, number)? {
            bytes.extend(&fragment.head);
            for extent in &fragment.extents {
                bytes.extend(part(source, extent));
            }
        }
    }
    Ok(bytes)
}

prop_compose! {
    fn samples(kind: Kind)(
        // Mostly plain, now and then strange: empty samples, samples that last no time.
        samples in vec((prop_oneof![8 => 1u32..900, 1 => Just(0)], prop_oneof![4 => Just(512u32), 4 => 1u32..3000, 1 => Just(0)], -3000i32..6000, 0u8..12), 1..180),
        reordered in any::<bool>(),
        constant_size in option::of(1u32..200),
        sync in 0u8..4,
    ) -> Vec<Sample> {
        samples.iter().enumerate().map(|(number, &(size, duration, offset, dice))| Sample {
            size: constant_size.unwrap_or(size),
            duration,
            composition_offset: if reordered && kind == Kind::Video { offset } else { 0 },
            // All, some, the first alone, any or none: what tables and defaults of runs must tell apart.
            sync: match (kind, sync) {
                (Kind::Audio, _) | (_, 0) => true,
                (_, 1) => number == 0 || dice == 0,
                (_, 2) => number == 0,
                _ => dice < 3,
            },
        }).collect()
    }
}

prop_compose! {
    fn track(kind: Kind)(
        timescale in prop_oneof![Just(1000u32), Just(12_800), Just(30_000), Just(48_000), 1u32..100_000],
        samples in samples(kind),
        chunks in vec(1u32..20, 1..5),
        late in option::of(0u32..5000),
        media_time in option::of(0u32..20_000),
    ) -> Track {
        let late = late.map(|duration| (duration, None));
        // An empty edit alone presents nothing, so media follows it.
        let media = media_time.or(late.map(|_| 0)).map(|time| (0, Some(time)));
        Track { kind, size: SIZE, timescale, samples, chunks, edits: late.into_iter().chain(media).collect() }
    }
}

prop_compose! {
    fn movie()(
        kinds in prop_oneof![Just(vec![Kind::Video]), Just(vec![Kind::Audio]), Just(vec![Kind::Video, Kind::Audio]), Just(vec![Kind::Audio, Kind::Video, Kind::Audio])],
    )(
        tracks in kinds.into_iter().map(track).collect::<Vec<_>>(),
        timescale in prop_oneof![Just(1000u32), Just(600), Just(90_000)],
        moov_first in any::<bool>(),
        seed in any::<u64>(),
    ) -> Movie {
        Movie { timescale, tracks, moov_first, seed }
    }
}

/// Ticks of the track by which the edit list shifts, worked out by hand: an empty edit is rounded to the nearest tick.
fn shift(movie: &Movie, track: &Track) -> i64 {
    let scaled = |ticks: u32| {
        let (ticks, to, from) = (u128::from(ticks), u128::from(track.timescale), u128::from(movie.timescale));
        i64::try_from((2 * ticks * to + from) / (2 * from)).unwrap_or(i64::MAX)
    };
    let sign = |(duration, media_time): &(u32, Option<u32>)| media_time.map_or_else(|| scaled(*duration), |time| -i64::from(time));
    track.edits.iter().map(sign).sum()
}

/// Priming that is a segment of its own is presented for no time at all: neither EXTINF nor S@d can say that. (Found by the property of
/// timelines below: priming of one sample, then one so long that its start is the sample nearest to the first wished cut.)
#[test]
fn priming_is_no_segment_of_its_own() -> anyhow::Result<()> {
    let sound = |duration| Sample { size: 1, duration, composition_offset: 0, sync: true };
    let samples = vec![sound(512), sound(3000), sound(512)];
    let track = Track { kind: Kind::Audio, size: SIZE, timescale: 1000, samples, chunks: vec![3], edits: vec![(0, Some(512))] };
    let movie = Movie { timescale: 1000, tracks: vec![track], moov_first: true, seed: 1 };
    let vod = cut(demux(&movie.write())?, 553)?;
    for (rendition, _) in vod.renditions() {
        for segment in &rendition.timeline.segments {
            anyhow::ensure!(segment.duration > 0, "{segment:?}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Demultiplexed, cut at any target, put together and read again: the samples that were written.
    #[test]
    fn what_is_published_is_what_was_written(movie in movie(), target in prop_oneof![Just(4000u64), 100u64..5000]) {
        let file = movie.write();
        let vod = demux(&file).and_then(|index| cut(index, target)).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(vod.renditions().count(), movie.tracks.len());
        prop_assert!(vod.inputs().iter().all(|index| index.faults.is_empty()));
        for (rendition, track) in vod.renditions() {
            let number = usize::try_from(track.id).unwrap_or(0) - 1;
            let written = movie.tracks.get(number).ok_or_else(|| TestCaseError::fail("a track of another number"))?;
            let shift = shift(&movie, written);
            prop_assert_eq!(track.shift, shift);

            let published = publish(&vod, &file, &rendition.name, rendition.timeline.segments.len())
                .map_err(|error| TestCaseError::fail(error.to_string()))?;
            let again = demux(&published).map_err(|error| TestCaseError::fail(format!("cannot be read again: {error}")))?;
            prop_assert!(again.fragmented && again.faults.is_empty() && again.left_out.is_empty());
            let [again] = again.tracks.as_slice() else { return Err(TestCaseError::fail("not one track")) };
            // A late start is in the decoding times, an early one in the edit list.
            prop_assert_eq!(again.shift, shift.min(0));
            prop_assert_eq!(again.timescale.get(), written.timescale);
            prop_assert_eq!(&again.codec, &track.codec);
            prop_assert_eq!(again.samples.len() as usize, written.samples.len());
            let mut decode_time = u64::try_from(shift.max(0)).unwrap_or(0);
            for (index, (read, sample)) in again.samples.iter().zip(&written.samples).enumerate() {
                let expected = Indexed {
                    decode_time,
                    duration: sample.duration,
                    composition_offset: sample.composition_offset,
                    sync: sample.sync,
                    offset: read.offset,
                    size: sample.size,
                };
                prop_assert_eq!(read, expected, "sample {}", index);
                prop_assert_eq!(part(&published, &read.range()), movie.payload(number, index), "payload of sample {}", index);
                decode_time += u64::from(sample.duration);
            }
        }
    }

    /// What is written is read as it is by two readers that share no line with ours, and written again it is the same, byte for byte.
    #[test]
    fn what_is_written_is_what_others_read(movie in movie(), target in prop_oneof![Just(4000u64), 100u64..5000]) {
        let fail = |error: &dyn std::fmt::Display| TestCaseError::fail(error.to_string());
        let file = movie.write();
        let vod = demux(&file).and_then(|index| cut(index, target)).map_err(|error| fail(&error))?;
        for (rendition, track) in vod.renditions() {
            let header = vod.header(&rendition.name).map_err(|error| fail(&error))?;
            let firefox = mp4parse::read_mp4(&mut Cursor::new(&header)).map_err(|error| TestCaseError::fail(format!("mp4parse: {error:?}")))?;
            let [found] = firefox.tracks.as_slice() else { return Err(TestCaseError::fail("mp4parse finds other tracks")) };
            prop_assert_eq!(found.timescale.map(|scale| scale.0), Some(u64::from(track.timescale.get())));
            let segments = rendition.timeline.segments.len();
            let published = publish(&vod, &file, &rendition.name, segments).map_err(|error| fail(&error))?;
            let read = published::Track::read(&published, 1).map_err(|error| fail(&error))?;
            prop_assert_eq!(read.timescale, track.timescale.get());
            prop_assert_eq!(read.samples.len(), track.samples.len() as usize);
            let late = track.shift.max(0);
            for (own, sample) in read.samples.iter().zip(&track.samples) {
                let dts = i64::try_from(sample.decode_time).unwrap_or(i64::MAX) + late;
                let expected = (dts, dts + i64::from(sample.composition_offset), i64::from(sample.duration), sample.size, sample.sync);
                prop_assert_eq!((own.dts, own.pts, own.duration, own.size, own.sync), expected);
            }
            let again = demux(&published).and_then(|index| cut(index, target)).map_err(|error| fail(&error))?;
            let name = again.presentation().renditions.first().map(|rendition| rendition.name.clone()).unwrap_or_default();
            prop_assert_eq!(again.header(&name).map_err(|error| fail(&error))?, header);
        }
    }

    /// The timeline names the segments in order, without overlap, and covers every sample once.
    #[test]
    fn timelines_cover_all_samples_once(movie in movie(), target in 100u64..5000) {
        let vod = demux(&movie.write()).and_then(|index| cut(index, target)).map_err(|error| TestCaseError::fail(error.to_string()))?;
        for (rendition, track) in vod.renditions() {
            let (mut sample, mut time) = (0, None);
            for segment in &rendition.timeline.segments {
                prop_assert_eq!(segment.samples.start, sample);
                prop_assert!(segment.samples.end > sample);
                prop_assert!(time.is_none_or(|time| time == segment.start), "a hole before {segment:?}");
                sample = segment.samples.end;
                time = Some(segment.end());
            }
            prop_assert_eq!(sample, track.samples.len());
        }
    }

    /// A file that is cut off holds the samples that end before the cut, and in video nothing that the next key frame does not begin.
    #[test]
    fn what_is_left_of_a_file_is_published(movie in movie(), end in any::<Index>()) {
        let mut file = Movie { moov_first: true, ..movie }.write();
        let whole = demux(&file).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let media = file.windows(4).position(|name| name == b"mdat").unwrap_or(0);
        file.truncate(media + 4 + end.index(file.len() - media - 3));
        let mut expected: Vec<(u32, Vec<Indexed>)> = Vec::new();
        for track in &whole.tracks {
            let mut lost = false;
            let mut samples: Vec<Indexed> = Vec::new();
            for sample in &track.samples {
                let video = matches!(track.codec.media, reelway_core::codec::Media::Video(_));
                lost = sample.range().end > file.len() as u64 || (lost && video && !sample.sync);
                if lost {
                    continue;
                }
                if let Some(last) = samples.last_mut() {
                    last.duration = u32::try_from(sample.decode_time - last.decode_time).unwrap_or(0);
                }
                samples.push(sample);
            }
            if !samples.is_empty() {
                expected.push((track.id, samples));
            }
        }
        let lost = |track: &reelway_core::track::Track| !expected.iter().any(|(id, samples)| *id == track.id && samples.len() == track.samples.len() as usize);
        match demux(&file) {
            Ok(left) => {
                let found: Vec<_> = left.tracks.iter().map(|track| (track.id, track.samples.iter().collect::<Vec<_>>())).collect();
                prop_assert_eq!(&found, &expected);
                prop_assert_eq!(left.faults.len() + left.left_out.len(), whole.tracks.iter().filter(|track| lost(track)).count());
            }
            Err(error) => {
                prop_assert!(expected.is_empty(), "{}", error);
                prop_assert!(error.to_string().contains("cut short"), "{}", error);
            }
        }
    }

    /// A file with some bytes changed or its end cut off: an error or a presentation, and all of what is then asked for is answered.
    #[test]
    fn damaged_files_get_an_answer(
        movie in movie(),
        fragmented in any::<bool>(),
        damage in vec((any::<Index>(), any::<u8>()), 1..6),
        end in option::of(any::<Index>()),
    ) {
        let mut file = movie.write();
        if fragmented {
            let vod = demux(&file).and_then(|index| cut(index, 1000)).map_err(|error| TestCaseError::fail(error.to_string()))?;
            let first = vod.presentation().renditions.first().map(|first| (first.name.clone(), first.timeline.segments.len()));
            let (name, segments) = first.unwrap_or_default();
            file = publish(&vod, &file, &name, segments).map_err(|error| TestCaseError::fail(error.to_string()))?;
        }
        // The boxes are what matters, and most of the file is payload.
        let boxes: Vec<usize> = [&b"moov"[..], b"moof"]
            .iter()
            .filter_map(|name| file.windows(4).position(|window| window == *name))
            .flat_map(|start| start..(start + 3000).min(file.len()))
            .collect();
        for (place, value) in damage {
            if let Some(byte) = boxes.get(place.index(boxes.len())).and_then(|index| file.get_mut(*index)) {
                *byte = value;
            }
        }
        if let Some(end) = end {
            file.truncate(end.index(file.len()));
        }
        if let Ok(index) = demux(&file) {
            prop_assert!(index.memory() <= 64 * file.len() + 4096, "an index of {} bytes for a file of {}", index.memory(), file.len());
            // More key frames than the bytes can hold are an error of the whole.
            let Ok(vod) = cut(index, 1000) else { return Ok(()) };
            let _ = (vod.multivariant_playlist(), vod.mpd());
            for (rendition, _) in vod.renditions() {
                let _ = vod.media_playlist(&rendition.name);
                let _ = vod.i_frame_playlist(&rendition.name);
                publish(&vod, &file, &rendition.name, rendition.timeline.segments.len())
                    .map_err(|error| TestCaseError::fail(error.to_string()))?;
            }
        }
    }
}
