//! The demultiplexer of streams: whatever the form of the fragments and the pieces in which they come, the samples are those that were
//! written, each as soon as its own bytes are there; what is broken gets an answer.

use bytes::Bytes;
use proptest::{collection::vec, prelude::*, sample::Index};
use reelway_core::{
    Error, ErrorKind,
    codec::Kind as Media,
    demux::stream::{Item, StreamDemuxer},
    sample::LiveSample,
    time::Moment,
};
use reelway_tests::{
    movie::Movie,
    stream::{self, Form, Times},
};

fn items(demuxer: &mut StreamDemuxer) -> Vec<Item> {
    std::iter::from_fn(|| demuxer.poll()).collect()
}

/// Reads a stream that comes in pieces which end at `ends`.
fn read(bytes: &[u8], ends: &[usize]) -> Result<Vec<Item>, Error> {
    let mut demuxer = StreamDemuxer::new();
    let mut found = Vec::new();
    let mut start = 0;
    for end in ends.iter().copied().chain([bytes.len()]) {
        let piece = bytes.get(start..end).unwrap_or_default();
        start = end.max(start);
        demuxer.push(Bytes::copy_from_slice(piece))?;
        found.append(&mut items(&mut demuxer));
    }
    demuxer.finish_body()?;
    found.append(&mut items(&mut demuxer));
    Ok(found)
}

fn samples(items: &[Item], wanted: usize) -> Vec<LiveSample> {
    let of_track = items.iter().filter_map(|item| match item {
        Item::Sample { track, sample } if *track == wanted => Some(sample.clone()),
        _ => None,
    });
    of_track.collect()
}

/// What was read is what was written.
fn check(movie: &Movie, form: &Form, found: &[Item]) -> Result<(), TestCaseError> {
    let Some(Item::Header(tracks)) = found.first() else { return Err(TestCaseError::fail("no header")) };
    prop_assert_eq!(tracks.len(), movie.tracks.len());
    for (number, written) in movie.tracks.iter().enumerate() {
        let read = samples(found, number);
        prop_assert_eq!(read.len(), written.samples.len());
        let mut time = form.start(number);
        for (index, (read, sample)) in read.iter().zip(&written.samples).enumerate() {
            let told = (read.decode_time, read.duration, read.composition_offset, read.sync, read.description);
            prop_assert_eq!(told, (time, sample.duration, sample.composition_offset, sample.sync, 0), "sample {}", index);
            prop_assert_eq!(read.payload.concat(), movie.payload(number, index), "payload of sample {}", index);
            time += u64::from(sample.duration);
        }
    }
    Ok(())
}

prop_compose! {
    fn form()(
        lengths in vec(1usize..60, 1..4),
        shared in any::<bool>(),
        times in prop_oneof![Just(Times::Long), Just(Times::Short), Just(Times::Missing)],
        base_is_moof in any::<bool>(),
        verbose in any::<bool>(),
        // 32 bits begin anew on the way.
        starts in prop_oneof![Just(Vec::new()), Just(vec![90_000, 337_500]), Just(vec![(1 << 32) - 3000, (1 << 32) - 5000])],
    ) -> Form {
        Form { lengths, shared, times, base_is_moof, verbose, starts }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn samples_are_those_that_were_written(form in form(), cuts in vec(any::<Index>(), 0..40), seed in any::<u64>()) {
        let movie = Movie::simple(3, seed);
        let bytes = stream::write(&movie, &form);
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        ends.sort_unstable();
        let found = read(&bytes, &ends).map_err(|error| TestCaseError::fail(error.to_string()))?;
        check(&movie, &form, &found)?;
    }

    #[test]
    fn damaged_streams_get_an_answer(form in form(), damage in vec((any::<Index>(), any::<u8>()), 1..6)) {
        let mut bytes = stream::write(&Movie::simple(1, 7), &form);
        for (place, value) in damage {
            let place = place.index(bytes.len());
            if let Some(byte) = bytes.get_mut(place) {
                *byte = value;
            }
        }
        let count = |read: Result<Vec<Item>, Error>| read.map(|items| items.len());
        let each: Vec<usize> = (0..bytes.len()).step_by(7).collect();
        prop_assert_eq!(count(read(&bytes, &[])), count(read(&bytes, &each)));
    }
}

/// A sample does not wait for the rest of its fragment.
#[test]
fn samples_come_as_soon_as_they_are_whole() -> anyhow::Result<()> {
    let movie = Movie::simple(2, 1);
    let form = Form { lengths: vec![50], ..Form::default() };
    let bytes = stream::write(&movie, &form);
    let mut demuxer = StreamDemuxer::new();
    let mut arrivals = Vec::new();
    for (place, byte) in bytes.iter().enumerate() {
        demuxer.push(Bytes::copy_from_slice(&[*byte]))?;
        arrivals.extend(items(&mut demuxer).iter().filter(|item| matches!(item, Item::Sample { .. })).map(|_| place + 1));
    }
    let media = bytes.windows(4).position(|name| name == b"mdat").unwrap_or(0) + 4;
    let mut end = media;
    let mut expected = Vec::new();
    for (number, track) in movie.tracks.iter().enumerate() {
        expected.extend((0..track.samples.len()).map(|sample| {
            end += movie.payload(number, sample).len();
            end
        }));
    }
    anyhow::ensure!(arrivals == expected);
    Ok(())
}

/// The bytes of a sample are those that came, not a copy of them.
#[test]
fn payload_is_not_copied() -> anyhow::Result<()> {
    let bytes = Bytes::from(stream::write(&Movie::simple(2, 1), &Form::default()));
    let mut demuxer = StreamDemuxer::new();
    demuxer.push(bytes.clone())?;
    let range = bytes.as_ptr_range();
    for item in items(&mut demuxer) {
        if let Item::Sample { sample, .. } = item {
            anyhow::ensure!(sample.payload.iter().all(|piece| range.contains(&piece.as_ptr())));
        }
    }
    Ok(())
}

/// DASH-IF Live Media Ingest 1.2: a header again is silent, one that changed is a new one; `lmsg` and an empty `mfra` end the stream;
/// `prft` tells the clock; bodies that are cut leave the rest readable.
#[test]
fn headers_bodies_and_messages() -> anyhow::Result<()> {
    let movie = Movie::simple(2, 1);
    let header = stream::header(&movie);
    let fragments = stream::fragments(&movie, &Form::default());
    let fragment = fragments.first().map_or(&[][..], Vec::as_slice);
    let prft = |version: u8, time: &[u8]| {
        let length = u8::try_from(24 + time.len()).unwrap_or(0);
        [&[0, 0, 0, length][..], b"prft", &[version, 0, 0, 24, 0, 0, 0, 1], &Moment(1_795_255_445_678_901).ntp().to_be_bytes(), time]
            .concat()
    };
    let styp = [&[0, 0, 0, 20][..], b"styp", b"cmfs\0\0\0\0lmsg"].concat();
    let emsg = [&[0, 0, 0, 12][..], b"emsg", &[1, 0, 0, 0]].concat();
    let mfra = [&[0, 0, 0, 8][..], b"mfra"].concat();
    let changed = stream::header(&Movie { timescale: 600, ..movie.clone() });
    let told = |parts: &[&[u8]]| -> Result<String, Error> {
        let letters = read(&parts.concat(), &[])?.into_iter().map(|item| match item {
            Item::Header(_) => 'H',
            Item::Sample { .. } => 's',
            Item::ReferenceTime { track: 0, reference } if reference.media_time == 5 && reference.flags == 24 => 'R',
            Item::ReferenceTime { .. } => '?',
            Item::Event(_) => 'E',
            Item::End => '.',
        });
        let mut letters: Vec<char> = letters.collect();
        letters.dedup();
        Ok(letters.into_iter().collect())
    };
    for (parts, expected) in [
        (&[&header[..], fragment][..], "Hs"),
        (&[&header, &header, fragment, &header], "Hs"),
        (&[&header, fragment, &changed], "HsH"),
        (&[&header, &prft(1, &[0, 0, 0, 0, 0, 0, 0, 5]), fragment], "HRs"),
        (&[&header, &prft(0, &[0, 0, 0, 5]), &emsg, fragment], "HREs"),
        (&[&header, &styp, fragment], "Hs."),
        (&[&header, fragment, &mfra], "Hs."),
    ] {
        assert_eq!(told(parts)?, expected);
    }
    let mut demuxer = StreamDemuxer::new();
    demuxer.push(Bytes::from(header))?;
    assert!(demuxer.has_header());
    demuxer.push(Bytes::copy_from_slice(fragment.get(..fragment.len() - 9).unwrap_or_default()))?;
    assert_eq!(demuxer.finish_body().map_err(|error| error.kind()), Err(ErrorKind::Truncated));
    items(&mut demuxer);
    demuxer.push(Bytes::copy_from_slice(fragment))?;
    assert_eq!(samples(&items(&mut demuxer), 0).len(), 5);
    demuxer.finish_body()?;
    Ok(())
}

/// What cannot be read is told at once, with what to do.
#[test]
fn what_is_no_stream_is_refused() {
    let movie = Movie::simple(1, 1);
    let fragment = stream::fragments(&movie, &Form::default()).concat();
    let header = stream::header(&movie);
    let large = [&header[..], &[0x7f, 0, 0, 0], b"moof"].concat();
    let moof = fragment.windows(4).position(|name| name == b"mdat").map_or(0, |place| place - 4);
    let short = [&header[..], fragment.get(..moof).unwrap_or_default(), b"\0\0\0\x08mdat", &fragment].concat();
    for (bytes, expected) in [
        (b"G@\x11\x10\0B\xf0%".as_slice(), "not a fragmented MP4: it begins with 47 40 11 10 00 42 f0 25 (at byte 0)"),
        (&movie.write(), "-movflags +frag_keyframe+empty_moov+default_base_moof"),
        (&fragment, "a fragment comes before the header"),
        (&large, "longer than 4194304 bytes"),
        (&short, "are announced and did not come"),
    ] {
        let error = read(bytes, &[]).map(|_| ()).map_err(|error| error.to_string());
        assert!(error.as_ref().is_err_and(|error| error.contains(expected)), "{expected}: {error:?}");
    }
}

/// A `moof` that announces samples for nothing costs nothing.
#[test]
fn announcements_are_bounded() -> anyhow::Result<()> {
    let movie = Movie::simple(1, 1);
    let mut w = reelway_core::coding::Writer::default();
    w.bytes(&stream::header(&movie));
    w.boxed(b"moof", |w| {
        w.boxed(b"traf", |w| {
            w.full_box(b"tfhd", 0, 0x10, |w| {
                w.u32(1);
                w.u32(1);
            });
            w.full_box(b"trun", 0, 0, |w| w.u32(u32::MAX));
        });
    });
    let error = read(&w.into_bytes(), &[]).map(|_| ()).map_err(|error| error.to_string());
    anyhow::ensure!(error.as_ref().is_err_and(|error| error.contains("more than 65536 samples")), "{error:?}");
    Ok(())
}

#[test]
fn kinds_are_told() -> anyhow::Result<()> {
    let found = read(&stream::header(&Movie::simple(1, 1)), &[])?;
    let Some(Item::Header(tracks)) = found.first() else { anyhow::bail!("no header") };
    let told: Vec<_> = tracks.iter().map(|track| (track.kind(), track.codec.string.as_str(), track.shift)).collect();
    assert_eq!(told, [(Media::Video, "avc1.4D400D", -1024), (Media::Audio, "mp4a.40.2", -1024)]);
    Ok(())
}
