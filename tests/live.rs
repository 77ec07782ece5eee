//! Live, from the bytes of a source to what players and archives get, under a clock that the test sets.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use proptest::{collection::vec, prelude::*, sample::Index};
use reelway_core::{
    Live, Options, Vod,
    live::{Config, Past},
    time::{Moment, Timescale, rescale_length},
};
use reelway_tests::{
    ffmpeg::{self, View},
    files,
    live::{Broadcast, Output, START, at, demux, part},
    movie::{Kind, Movie},
    schema::Schema,
    stream::{self, Form, Times},
    synthetic,
};

/// Sends a movie as a stream of this form in pieces that end at `ends`, as fast as it plays, and ends it.
fn broadcast(movie: &Movie, form: &Form, ends: &[usize], config: Config) -> Result<Broadcast> {
    let bytes = stream::write(movie, form);
    let length: u64 = movie.tracks.iter().map(|track| track.duration() * 1000 / u64::from(track.timescale)).max().unwrap_or(0);
    let mut broadcast = Broadcast::new(config)?;
    let mut start = 0;
    for end in ends.iter().copied().chain([bytes.len()]) {
        let piece = bytes.get(start..end).unwrap_or_default();
        start = end.max(start);
        let now = i64::try_from(length * start as u64 / bytes.len() as u64)?;
        broadcast.push(piece, at(now))?;
    }
    broadcast.end(at(i64::try_from(length)?));
    Ok(broadcast)
}

/// What came out of a track is what went in, from the first key frame on; all of it in parts that are as long as they may be.
fn check(movie: &Movie, form: &Form, number: usize, output: &Output, promise: &reelway_core::window::Promise) -> Result<(), TestCaseError> {
    let track = movie.tracks.get(number).ok_or_else(|| TestCaseError::fail("no track"))?;
    let file = output.file();
    let found = demux(&file).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert!(found.faults.is_empty(), "{:?}", found.faults);
    let [read] = found.tracks.as_slice() else { return Err(TestCaseError::fail("not one track")) };
    prop_assert_eq!(read.shift, 0, "edits are in the times");
    let first = track.samples.len().checked_sub(read.samples.len() as usize);
    let first = first.ok_or_else(|| TestCaseError::fail("more samples than there were"))?;
    // Sound whose middle is before the first picture belongs to nothing.
    prop_assert_eq!(first, usize::from(track.kind == Kind::Audio), "samples that are missing");
    let before: u64 = track.samples.iter().take(first).map(|sample| u64::from(sample.duration)).sum();
    let offset = read.samples.get(0).map_or(0, |sample| sample.decode_time).wrapping_sub(form.start(number) + before);
    let mut time = form.start(number) + before;
    for (index, (sample, read)) in track
        .samples
        .iter()
        .zip(0..)
        .skip(first)
        .map(|(sample, index)| (index, sample))
        .zip(&read.samples)
        .map(|((index, sample), read)| (index, (sample, read)))
    {
        let told = (read.decode_time.wrapping_sub(offset), read.duration, read.composition_offset, read.sync);
        prop_assert_eq!(told, (time, sample.duration, sample.composition_offset, sample.sync), "sample {}", index);
        prop_assert_eq!(part(&file, &read.range()), movie.payload(number, index), "payload of sample {}", index);
        time += u64::from(sample.duration);
    }
    let (limit, scale) = promise.part_target;
    for (index, found) in output.parts.iter().enumerate() {
        let (long, longest) = (u128::from(found.duration) * u128::from(scale.get()), u128::from(limit) * u128::from(track.timescale));
        prop_assert!(long <= longest, "part {} of {} is too long", found.number, found.segment);
        let last = output.parts.get(index + 1).is_none_or(|next| next.segment != found.segment);
        prop_assert!(last || found.independent || long * 100 >= longest * 85, "part {} of {} is too short", found.number, found.segment);
    }
    for pair in output.segments.windows(2) {
        if let [a, b] = pair {
            prop_assert_eq!((a.number + 1, a.end()), (b.number, b.start));
        }
    }
    for segment in &output.segments {
        let rounded = (segment.duration * 2 + u64::from(track.timescale)) / (2 * u64::from(track.timescale));
        prop_assert!(rounded <= u64::from(promise.target_duration), "{segment:?}");
        let bytes: usize = output.parts.iter().filter(|part| part.segment == segment.number).map(|part| part.bytes.len()).sum();
        prop_assert_eq!(segment.bytes, bytes as u64);
    }
    Ok(())
}

prop_compose! {
    fn form()(
        lengths in vec(1usize..60, 1..4),
        shared in any::<bool>(),
        times in prop_oneof![Just(Times::Long), Just(Times::Short), Just(Times::Missing)],
        verbose in any::<bool>(),
        // The third: 32 bits of the sound begin anew after two seconds.
        starts in prop_oneof![Just(Vec::new()), Just(vec![128_000, 480_000]), Just(vec![((1 << 32) - 96_000) / 48 * 12_800 / 1000, (1 << 32) - 96_000])],
    ) -> Form {
        Form { lengths, shared, times, base_is_moof: true, verbose, starts }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the fragments and the pieces in which they come: all samples, once, exactly; a recording of them is a film of the same.
    #[test]
    fn what_is_broadcast_is_what_was_sent(
        form in form(),
        cuts in vec(any::<Index>(), 1..200),
        target in prop_oneof![Just(2000u32), Just(1000), 600u32..3000],
        part_target in prop_oneof![Just(200u32), 100u32..500],
    ) {
        let movie = Movie::simple(9, 3);
        let config = Config { segment_target: target, part_target, ..Config::default() };
        // Who is later than a segment may last has missed it: a fragment takes half of that to come, and something comes every half second.
        let most = usize::try_from(config.target_duration()).unwrap_or(1) * 25 / 2;
        let form = Form { lengths: form.lengths.iter().map(|length| *length.min(&most)).collect(), ..form };
        let length = stream::write(&movie, &form).len();
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(length)).chain((1..18).map(|part| part * length / 18)).collect();
        ends.sort_unstable();
        let broadcast = broadcast(&movie, &form, &ends, config).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert!(broadcast.ended);
        for (number, name) in ["v1", "a1"].into_iter().enumerate() {
            let output = broadcast.rendition(name).map_err(|error| TestCaseError::fail(error.to_string()))?;
            check(&movie, &form, number, output, broadcast.live.promise())?;
            prop_assert!(output.segments.iter().all(|segment| !segment.gap && !segment.discontinuity));
        }
        // The recording is cut anew as a file is.
        let recording = broadcast.rendition("v1").map(Output::file).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let vod = demux(&recording).and_then(|movie| Vod::new(vec![movie], &Options::default()));
        let vod = vod.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let samples: u32 = vod.renditions().map(|(_, track)| track.samples.len()).sum();
        prop_assert_eq!(samples as usize, movie.tracks.first().map_or(0, |track| track.samples.len()));
    }
}

/// Who sends in fragments that take longer to come than a segment may last sends sound too late for its segments: some of it is missed, and
/// nothing else.
#[test]
fn sound_that_comes_too_late_is_missed_and_no_more() -> Result<()> {
    let movie = Movie::simple(9, 3);
    let form = Form { lengths: vec![59], shared: false, verbose: true, ..Form::default() };
    let length = stream::write(&movie, &form).len();
    let ends: Vec<usize> = (1..9).map(|part| part * length / 9).collect();
    let broadcast = broadcast(&movie, &form, &ends, Config { segment_target: 1000, ..Config::default() })?;
    check(&movie, &form, 0, broadcast.rendition("v1")?, broadcast.live.promise()).map_err(|error| anyhow::anyhow!("{error}"))?;
    let output = broadcast.rendition("a1")?;
    let file = output.file();
    let found = demux(&file)?;
    let [read] = found.tracks.as_slice() else { anyhow::bail!("not one track") };
    let sent = movie.tracks.get(1).context("no sound")?.samples.len();
    let mut numbers = 0..sent;
    for sample in &read.samples {
        ensure!(numbers.any(|number| part(&file, &sample.range()) == movie.payload(1, number)), "a sample that was not sent, or not then");
    }
    ensure!((read.samples.len() as usize) < sent - 1, "none is missed: this is no test of it");
    ensure!(output.segments.windows(2).all(|pair| matches!(pair, [a, b] if (a.number + 1, a.end()) == (b.number, b.start))));
    Ok(())
}

/// What ffmpeg wrote as a stream is read by ffprobe as it went in: every packet, its times, its bytes; and decodes without a complaint.
#[test]
fn other_readers_find_every_packet() -> Result<()> {
    let Some(paths) = synthetic::files()? else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    for (file_name, gop) in [("frag_every_frame.mp4", 3840), ("frag_keyframe.mp4", 3840), ("frag_late_audio.mp4", 2000)] {
        let path = paths.iter().find(|path| files::name(path).ends_with(file_name)).with_context(|| format!("{file_name} is not made"))?;
        let bytes = fs::read(path)?;
        let mut broadcast = Broadcast::new(Config::default())?;
        let mut now = START;
        for piece in bytes.chunks(3000) {
            now = now.after(i64::try_from(Duration::from_millis(60).as_micros())?);
            broadcast.push(piece, now)?;
        }
        broadcast.end(now);
        let sent = ffmpeg::packets(path, View::Raw)?;
        for (stream, name) in ["v1", "a1"].into_iter().enumerate() {
            let output = broadcast.rendition(name)?;
            let file = folder.path().join(format!("{name}.mp4"));
            fs::write(&file, output.file())?;
            let found = ffmpeg::packets(&file, View::Edited)?;
            let sent: Vec<_> = sent.iter().filter(|packet| packet.stream == stream).collect();
            let early = sent.len() - found.len();
            ensure!(early == 0 || (name == "a1" && early < 64), "{name}: {early} packets are missing");
            let moved = found.first().and_then(|packet| packet.dts).zip(sent.get(early).and_then(|packet| packet.dts));
            let moved = moved.map(|(found, sent)| found - sent).context("no times")?;
            for (sent, found) in sent.into_iter().skip(early).zip(&found) {
                // Of two frames of sound that ffmpeg puts at one time, with a fragment for each, one is later.
                let together = name == "a1" && file_name == "frag_every_frame.mp4";
                let told = if together {
                    (sent.dts, sent.pts, found.size, found.key, &found.hash)
                } else {
                    (found.dts.map(|dts| dts - moved), found.pts.map(|pts| pts - moved), found.size, found.key, &found.hash)
                };
                ensure!(told == (sent.dts, sent.pts, sent.size, sent.key, &sent.hash), "{name}: {sent:?} became {found:?}");
            }
            let complaints = ffmpeg::decoding_errors(&file, 0)?;
            ensure!(complaints.is_empty(), "{name}: {complaints}");
            let regular = output.segments.iter().take(2).map(|segment| segment.duration * 1000).collect::<Vec<_>>();
            ensure!(name == "a1" || regular.iter().all(|duration| duration / 12_800 == gop), "{file_name}: {regular:?}");
        }
    }
    Ok(())
}

/// ISO/IEC 23009-1, by the schema of MPEG: an MPD at each turn of a stream.
#[test]
fn mpds_keep_the_schema() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let Some(schema) = Schema::open(folder.path())? else { return Ok(()) };
    let movie = Movie::simple(20, 5);
    let pieces = stream::fragments(&movie, &Form::default());
    let mut broadcast = Broadcast::new(Config { utc_timing: Some("/time?a&b".into()), ..Config::default() })?;
    let mut checked = 0;
    let check = |broadcast: &Broadcast, checked: &mut usize| -> Result<()> {
        let Some(mpd) = broadcast.live.mpd() else { return Ok(()) };
        let path = folder.path().join("manifest.mpd");
        fs::write(&path, &mpd)?;
        *checked += 1;
        schema.check(&path).with_context(|| mpd)
    };
    // Regular; then lost, and back with its clock at zero; then with key frames at other distances; then over.
    let mut now = 0;
    let mut other = movie.clone();
    for (number, sample) in other.tracks.iter_mut().flat_map(|track| track.samples.iter_mut().enumerate()) {
        sample.sync = sample.duration == 1024 || [0, 60, 130, 181, 250, 333, 400].contains(&number);
    }
    for source in [pieces, stream::fragments(&other, &Form::default())] {
        broadcast.push(&stream::header(&movie), at(now))?;
        for (number, piece) in source.iter().enumerate() {
            now += 200;
            broadcast.push(piece, at(now))?;
            if number % 10 == 3 {
                check(&broadcast, &mut checked)?;
            }
        }
        broadcast.lost(at(now));
        check(&broadcast, &mut checked)?;
        now += 5000;
        broadcast.wait(at(now));
        check(&broadcast, &mut checked)?;
    }
    broadcast.end(at(now));
    check(&broadcast, &mut checked)?;
    let mpd = broadcast.live.mpd().context("no MPD")?;
    ensure!(mpd.contains("type=\"static\"") && !mpd.contains("minimumUpdatePeriod") && !mpd.contains("availability"), "{mpd}");
    ensure!(checked > 20, "{checked} MPDs");
    Ok(())
}

/// Times that are far from now are not the time of day; nothing breaks by them.
#[test]
fn strange_clocks_are_survived() -> Result<()> {
    for now in [Moment(0), Moment(i64::MAX / 2), Moment(-1)] {
        let mut broadcast = Broadcast::new(Config::default())?;
        broadcast.push(&stream::write(&Movie::simple(5, 1), &Form::default()), now)?;
        broadcast.end(now);
        ensure!(broadcast.rendition("v1")?.segments.len() == 3);
    }
    Ok(())
}

/// What a recorder has kept of a broadcast.
fn kept(before: &Broadcast) -> Result<Vec<Past>> {
    let mut past = Vec::new();
    for id in before.live.renditions() {
        let output = before.output.get(&id).context("nothing came out")?;
        let (number, header) = output.headers.last_key_value().context("no header")?;
        past.push(Past {
            name: before.live.name(id).context("no name")?.to_owned(),
            header: (*number, Bytes::from(header.clone())),
            segments: output.segments.clone(),
            open: before.live.window(id).and_then(|window| window.open.clone()),
        });
    }
    Ok(past)
}

/// Where segments follow key frames that are far apart, a server that is started again promises what it promised before or, where it had
/// not come to that, what the source may need.
#[test]
fn what_was_promised_is_promised_again() -> Result<()> {
    let mut movie = Movie::simple(20, 9);
    for track in &mut movie.tracks {
        track
            .samples
            .iter_mut()
            .enumerate()
            .filter(|(_, sample)| sample.duration != 1024)
            .for_each(|(number, sample)| sample.sync = number % 200 == 0);
    }
    let pieces = stream::fragments(&movie, &Form::default());
    let config = Config { follow: Some(10_000), ..Config::default() };
    // In fifths of seconds: in the first segment, when it is no longer than usual; when it is; and in the second.
    for (until, expected) in [(15, 4), (30, 12), (60, 10)] {
        let mut before = Broadcast::new(config.clone())?;
        before.push(&stream::header(&movie), at(0))?;
        for (now, piece) in (1..).zip(pieces.iter().take(until)) {
            before.push(piece, at(200 * now))?;
        }
        let epoch = before.live.epoch().context("it has not begun")?;
        let told = before.output.values().any(|output| !output.segments.is_empty());
        let promised = told.then(|| before.live.promise().target_duration * 1000);
        let config = Config { target_duration: promised, ..config.clone() };
        let after = Live::restore(config, epoch, kept(&before)?, at(15_000))?;
        ensure!(after.promise().target_duration == expected, "{until}: {:?}", after.promise());
    }
    Ok(())
}

/// A server that was restarted goes on with what it kept: numbers, time line, promises; another source begins a discontinuity.
#[test]
fn what_was_kept_goes_on() -> Result<()> {
    let movie = Movie::simple(8, 9);
    let pieces = stream::fragments(&movie, &Form::default());
    let mut before = Broadcast::new(Config::default())?;
    before.push(&stream::header(&movie), at(0))?;
    for (now, piece) in (1..).zip(pieces.iter().take(37)) {
        before.push(piece, at(200 * now))?;
    }
    let past = kept(&before)?;
    let epoch = before.live.epoch().context("it has not begun")?;
    let mut after = Broadcast::new(Config::default())?;
    after.live = Live::restore(Config::default(), epoch, past.clone(), at(9000))?;
    ensure!(after.live.promise() == before.live.promise() && after.live.epoch() == Some(epoch));
    ensure!(after.live.is_ready() && after.live.mpd().is_some());
    after.push(&stream::header(&movie), at(9500))?;
    for (now, piece) in (1..).zip(&pieces) {
        after.push(piece, at(9500 + 200 * now))?;
    }
    for name in ["v1", "a1"] {
        let told: Vec<_> =
            after.rendition(name)?.segments.iter().map(|segment| (segment.number, segment.gap, segment.discontinuity)).collect();
        // What had come of the fourth is whole; the time without a source is a gap.
        ensure!(told == [(4, false, false), (5, true, false), (6, false, true), (7, false, false), (8, false, false)], "{name}: {told:?}");
        let window = after.live.find(name).and_then(|id| after.live.window(id)).context("no window")?;
        for (a, b) in window.segments.iter().zip(window.segments.iter().skip(1)) {
            // The part that grew is lost, and less than half a segment is no gap of its own.
            let missing = b.start.checked_sub(a.end()).context("it goes back")?;
            ensure!(a.number + 1 == b.number && missing < u64::from(window.timescale.get()), "{a:?} {b:?}");
            let passed = i64::try_from(rescale_length(b.start - a.start, window.timescale, Timescale::MICROS))?;
            ensure!((b.clock.since(a.clock) - passed).abs() < 2000, "{a:?} {b:?}");
        }
    }
    let first = past.first().context("nothing was kept")?;
    let mut twice = first.clone();
    twice.segments.extend(first.segments.first().cloned());
    for broken in [Past { header: (1, Bytes::new()), ..first.clone() }, twice] {
        ensure!(Live::restore(Config::default(), epoch, vec![broken], at(0)).is_err());
    }
    Ok(())
}
