//! Files that are put together in odd ways: what is in them is published exactly, or the reason why not is told. One row, one way.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use reelway_core::{
    Demuxer, Error, Movie as Found, Options, Vod,
    boxes::event::{EventMessage, EventTime, MAX_EVENT},
    sample::Sample,
    time::Timescale,
};
use reelway_tests::{
    ffmpeg::{self, Packet, View},
    movie::Movie,
    program::run,
    surgery::{boxed, change, fields, remove, set},
    synthetic,
};

/// Reads a file in memory.
fn demux(bytes: &[u8]) -> Result<Found, Error> {
    let mut demuxer = Demuxer::new(bytes.len() as u64).asking_frames();
    while let Some(range) = demuxer.required() {
        let index = |position: u64| usize::try_from(position).unwrap_or(usize::MAX);
        demuxer.handle(range.start, bytes.get(index(range.start)..index(range.end)).unwrap_or_default())?;
    }
    demuxer.finish()
}

/// Four seconds: track 1, 100 pictures in chunks of five, a key frame every 25; track 2, 187 samples of sound. `moov` is at the end, so
/// that nothing moves when it grows.
fn file() -> Vec<u8> {
    Movie { moov_first: false, ..Movie::simple(4, 1) }.write()
}

fn samples(movie: &Found) -> Vec<(u32, Vec<Sample>)> {
    movie.tracks.iter().map(|track| (track.id, track.samples.iter().collect())).collect()
}

const VIDEO: &str = "moov/trak/mdia/minf/stbl";
const SOUND: &str = "moov/trak#2/mdia/minf/stbl";

/// What is done to a file.
type Done = fn(&mut Vec<u8>) -> Result<()>;

fn put(file: &mut Vec<u8>, stbl: &str, name: &str, content: &[u32]) -> Result<()> {
    change(file, &format!("{stbl}/{name}"), |bytes| *bytes = fields(content))
}

/// Each is read as if nothing were wrong; the text is a part of what is told of it, if anything is.
const READ_ALL_THE_SAME: &[(&str, Done, Option<&str>)] = &[
    ("stts is short", |f| put(f, VIDEO, "stts", &[1, 60, 512]), Some("durations for 60 samples, there are 100 (in moov/trak/stts")),
    ("stts is long", |f| put(f, VIDEO, "stts", &[2, 100, 512, 7, 1]), None),
    ("stts has runs of nothing", |f| put(f, VIDEO, "stts", &[3, 0, 9, 100, 512, 0, 9]), None),
    ("stsc begins behind the first chunk", |f| put(f, VIDEO, "stsc", &[1, 3, 5, 1]), None),
    ("stsc begins before the first chunk", |f| put(f, VIDEO, "stsc", &[1, 0, 5, 1]), None),
    ("stsc names chunks that are not there", |f| put(f, VIDEO, "stsc", &[2, 1, 5, 1, 99, 1, 1]), None),
    ("stsc repeats a chunk", |f| put(f, VIDEO, "stsc", &[2, 1, 9, 1, 1, 5, 1]), None),
    ("stsc names no description", |f| put(f, VIDEO, "stsc", &[1, 1, 5, 0]), None),
    ("stss is out of order", |f| put(f, VIDEO, "stss", &[6, 51, 1, 76, 26, 51, 999]), None),
    ("stts says that it has more than it has", |f| put(f, VIDEO, "stts", &[9, 100, 512]), Some("9 entries need 72 bytes, 8 are left")),
    ("the last box of stbl has size 0", |f| last_has_size_0(f, VIDEO), None),
    ("the last box of moov has size 0", |f| last_has_size_0(f, "moov"), None),
    (
        "a box is longer than moov",
        |f| change(f, "moov", |moov| moov.extend([0, 0, 0, 99, b'u', b'd', b't', b'a', 1])),
        Some("box 'udta' says that it has 91 bytes of content, 1 are left here (in moov"),
    ),
    (
        "a header in moov is none",
        |f| change(f, "moov", |moov| moov.extend([0, 0, 0, 3, b'j', b'u', b'n', b'k', 1])),
        Some("a box 'junk' says that it has 3 bytes"),
    ),
    (
        "padding does not count its header",
        |f| {
            change(f, "moov/trak", |trak| drop(trak.splice(0..0, SHORT_PADDING)))?;
            change(f, "moov", |moov| drop(moov.splice(0..0, SHORT_PADDING)))?;
            let moov = f.len() - moov_of(f).len();
            f.splice(moov..moov, SHORT_PADDING);
            Ok(())
        },
        None,
    ),
    ("a 32-bit zero ends moov", |f| change(f, "moov", |moov| moov.extend([0; 4])), None),
    ("mvhd is missing", |f| remove(f, "moov/mvhd"), None),
    (
        "hdlr is missing",
        |f| {
            change(f, "moov/trak/mdia/minf", |minf| minf.extend(boxed("vmhd", &fields(&[0, 0]))))?;
            remove(f, "moov/trak/mdia/hdlr")
        },
        None,
    ),
    (
        "hdlr names nothing",
        |f| {
            change(f, "moov/trak/mdia/minf", |minf| minf.extend(boxed("vmhd", &fields(&[0, 0]))))?;
            set(f, "moov/trak/mdia/hdlr", 8, 0)
        },
        None,
    ),
    ("tkhd says that the track is disabled", |f| set(f, "moov/trak/tkhd", 0, 0), None),
    ("moov is there twice", |f| change(f, "moov", |_| ()).map(|()| f.extend(moov_of(&file()))), None),
    ("moov is in the middle", |f| change(f, "moov", |_| ()).map(|()| f.extend(boxed("free", &[0; 99]))), None),
    ("the first box is of no known name", |f| f.get_mut(4..8).context("short").map(|name| name.copy_from_slice(b"what")), None),
    ("bytes that are no box follow", |f| change(f, "moov", |_| ()).map(|()| f.extend([0, 0, 0, 2, 1, 1, 1, 1, 1])), None),
    (
        "uuid and mfra follow",
        |f| change(f, "moov", |_| ()).map(|()| f.extend([boxed("uuid", &[7; 40]), boxed("mfra", &[])].concat())),
        None,
    ),
    ("a box at the end is cut short", |f| change(f, "moov", |_| ()).map(|()| f.extend([0, 0, 1, 0, b'f', b'r', b'e', b'e'])), None),
    (
        "a description is not used",
        |f| {
            change(f, &format!("{VIDEO}/stsd"), |stsd| stsd.extend(boxed("encv", &[0; 78])))
                .and_then(|()| set(f, &format!("{VIDEO}/stsd"), 4, 2))
        },
        None,
    ),
];

const SHORT_PADDING: [u8; 8] = *b"\0\0\0\x04free";

fn last_has_size_0(file: &mut Vec<u8>, container: &str) -> Result<()> {
    let last = if container == "moov" { &b"trak"[..] } else { b"stco" };
    change(file, container, |content| {
        let place = content.windows(4).rposition(|name| name == last).unwrap_or(4);
        content.splice(place - 4..place, [0; 4]);
    })
}

fn moov_of(file: &[u8]) -> &[u8] {
    let place = file.windows(4).position(|name| name == b"moov").unwrap_or(4);
    file.get(place - 4..).unwrap_or_default()
}

#[test]
fn what_is_odd_is_read() -> Result<()> {
    let plain = samples(&demux(&file())?);
    for (name, done, told) in READ_ALL_THE_SAME {
        let mut odd = file();
        done(&mut odd).context(*name)?;
        let movie = demux(&odd).context(*name)?;
        ensure!(samples(&movie) == plain, "{name}: other samples");
        let faults: Vec<String> = movie.faults.iter().map(ToString::to_string).collect();
        ensure!(faults.len() == usize::from(told.is_some()), "{name}: {faults:?}");
        ensure!(faults.iter().zip(told.iter()).all(|(fault, told)| fault.contains(*told)), "{name}: {faults:?}");
        ensure!(movie.left_out.is_empty(), "{name}: {:?}", movie.left_out);
        let disabled = movie.tracks.iter().filter(|track| !track.enabled).count();
        ensure!(disabled == usize::from(name.contains("disabled")), "{name}: {disabled} disabled");
    }
    Ok(())
}

/// Each costs track 2 samples, all but so many; the text is a part of the line that says so.
const LOSES: &[(&str, Done, usize, &str)] = &[
    ("stsc has no samples", |f| put(f, SOUND, "stsc", &[1, 1, 0, 1]), 0, "the track has no samples"),
    ("stsc has too few", |f| put(f, SOUND, "stsc", &[2, 1, 9, 1, 2, 0, 1]), 9, "chunks hold 9 samples, there are 187 (in moov/trak/stsc"),
    ("stts has nothing", |f| put(f, SOUND, "stts", &[0]), 0, "durations for 0 samples, there are 187"),
    (
        "stsz is cut off",
        |f| change(f, &format!("{SOUND}/stsz"), |b| b.truncate(12 + 4 * 50)),
        50,
        "187 entries need 748 bytes, 200 are left",
    ),
    ("stco is cut off", |f| change(f, &format!("{SOUND}/stco"), |b| b.truncate(8 + 4 * 2)), 19, "entries need"),
    ("stbl is missing", |f| remove(f, SOUND), 0, "box 'stbl' is missing"),
    ("esds is missing", |f| change(f, &format!("{SOUND}/stsd"), |b| b.truncate(8)), 0, "box 'stsd' is missing"),
    ("the codec is not carried", |f| rename(f, SOUND, *b"QDM2"), 0, "sample entry 'QDM2': this codec is not carried"),
    ("all is encrypted", |f| rename(f, SOUND, *b"enca"), 0, "the track is encrypted"),
    (
        "a chunk is behind the end",
        |f| set(f, &format!("{SOUND}/stco"), 8 + 4 * 19, u32::MAX - 9999),
        180,
        "cut short: 7 of 187 samples of track 2",
    ),
    (
        "a chunk in the middle is behind the end",
        |f| set(f, &format!("{SOUND}/stco"), 8, 1 << 31),
        178,
        "cut short: 9 of 187 samples of track 2",
    ),
];

fn rename(file: &mut Vec<u8>, stbl: &str, name: [u8; 4]) -> Result<()> {
    change(file, &format!("{stbl}/stsd"), |stsd| drop(stsd.splice(12..16, name)))
}

#[test]
fn what_one_track_lacks_costs_no_other() -> Result<()> {
    let plain = samples(&demux(&file())?);
    for (name, done, left, told) in LOSES {
        let mut odd = file();
        done(&mut odd).context(*name)?;
        let movie = demux(&odd).context(*name)?;
        let found = samples(&movie);
        ensure!(found.first() == plain.first(), "{name}: other pictures");
        let sound = found.get(1).map_or(0, |(_, samples)| samples.len());
        ensure!(sound == *left, "{name}: {sound} samples");
        let mut lines = movie.faults.iter().chain(movie.left_out.iter().map(|left_out| &left_out.reason)).map(ToString::to_string);
        ensure!(lines.any(|line| line.contains(told)), "{name}: {:?} {:?}", movie.faults, movie.left_out);
    }
    Ok(())
}

/// Video that loses pictures goes on with the next key frame; the picture before lasts until then.
#[test]
fn pictures_behind_a_hole_begin_with_a_key_frame() -> Result<()> {
    let mut odd = file();
    set(&mut odd, &format!("{VIDEO}/stco"), 8 + 4 * 6, u32::MAX)?; // samples 30 to 34
    let movie = demux(&odd)?;
    let plain = samples(&demux(&file())?);
    let (whole, left) = (plain.first().context("no video")?, samples(&movie));
    let left = left.first().context("no video")?;
    ensure!(left.1.len() == 80, "{} samples", left.1.len());
    let [before, after] = left.1.get(29..31).unwrap_or_default() else { anyhow::bail!("no hole") };
    ensure!(
        Some(after) == whole.1.get(50) && after.sync && before.decode_time + u64::from(before.duration) == after.decode_time,
        "{before:?} {after:?}"
    );
    Ok(())
}

/// A cut at a key frame and a pause (ISO/IEC 14496-12 8.6.6): the second of the four is not shown, and there is half a second of nothing
/// before the last. Each sample that is left is presented when the edits say.
#[test]
fn edits_in_the_order_of_the_media_are_joined() -> Result<()> {
    let mut movie = Movie { moov_first: false, ..Movie::simple(4, 1) };
    for track in &mut movie.tracks {
        let at = |seconds: u32| Some(1024 + seconds * track.timescale);
        track.edits = vec![(1000, at(0)), (1000, at(2)), (500, None), (1000, at(3))];
    }
    let found = demux(&movie.write())?;
    let plain = samples(&demux(&file())?);
    ensure!(found.left_out.is_empty(), "{:?}", found.left_out);
    for (track, (_, plain)) in found.tracks.iter().zip(&plain) {
        let second = i64::from(track.timescale.get());
        let kept = plain.iter().filter(|sample| !(second..2 * second).contains(&(sample.composition_time() - 1024)));
        ensure!(track.samples.len() as usize == kept.count(), "track {}: {} samples", track.id, track.samples.len());
        for sample in &track.samples {
            let source = plain.iter().find(|source| source.offset == sample.offset).context("a sample from nowhere")?;
            let media = source.composition_time() - 1024;
            let expected = media
                - if media >= 3 * second {
                    second / 2
                } else if media >= 2 * second {
                    second
                } else {
                    0
                };
            let shown = track.presentation_time(&sample);
            ensure!(shown == expected, "track {}: shown at {shown}, not at {expected}", track.id);
        }
    }
    Ok(())
}

#[test]
fn edits_that_cannot_be_exact_are_named() -> Result<()> {
    for (edits, reason) in [
        (vec![(1000, Some(1024)), (1000, Some(1024))], "edit 2 of 2 goes back to media that an edit before it has shown"),
        (vec![(1000, Some(26_624)), (1000, Some(1024))], "edit 2 of 2 goes back"),
        (vec![(1000, Some(1024)), (1000, Some(20_000))], "edit 2 of 2 begins inside"),
        (vec![(500, Some(1024)), (1000, Some(26_624))], "edit 1 of 2 ends inside a group of pictures"),
    ] {
        let mut movie = Movie::simple(4, 1);
        movie.tracks.first_mut().context("no video")?.edits = edits;
        let found = demux(&movie.write())?;
        let [left_out] = found.left_out.as_slice() else { anyhow::bail!("{reason}: {:?}", found.left_out) };
        ensure!(left_out.reason.to_string().contains(reason), "{}", left_out.reason);
    }
    Ok(())
}

/// A second sample entry of the video, as the first with another level, coding name or nothing changed, used from chunk 11 (sample 50, a
/// key frame) on.
fn described(second: fn(&mut Vec<u8>)) -> Result<Vec<u8>> {
    let mut file = file();
    change(&mut file, &format!("{VIDEO}/stsd"), |stsd| {
        let mut entry = stsd.get(8..).unwrap_or_default().to_vec();
        second(&mut entry);
        stsd.extend(entry);
    })?;
    set(&mut file, &format!("{VIDEO}/stsd"), 4, 2)?;
    put(&mut file, VIDEO, "stsc", &[2, 1, 5, 1, 11, 5, 2])?;
    Ok(file)
}

fn other_level(entry: &mut Vec<u8>) {
    let place = entry.windows(4).position(|name| name == b"avcC").unwrap_or(0) + 7;
    entry.splice(place..=place, [0x1f]);
}

/// ISO/IEC 14496-12 8.5.2, 8.8.7: each run of samples names its description; the header has both.
#[test]
fn samples_keep_their_descriptions() -> Result<()> {
    let source = described(other_level)?;
    let movie = demux(&source)?;
    let plain = samples(&demux(&file())?);
    ensure!(samples(&movie) == plain && movie.left_out.is_empty(), "other samples: {:?}", movie.left_out);
    let vod = Vod::new(vec![movie], &Options::default())?;
    let (rendition, track) = vod.renditions().next().context("no rendition")?;
    ensure!(track.codec.string == "avc1.4D400D", "the codec of the first: {}", track.codec.string);
    let entries: Vec<&[u8]> = track.sample_entries.iter().map(|entry| entry.get(4..8).unwrap_or_default()).collect();
    ensure!(entries == [b"avc1", b"avc1"] && track.sample_entries.first() != track.sample_entries.get(1), "{entries:?}");
    // A segment begins where the description changes, though four seconds are wanted.
    let starts: Vec<u32> = rendition.timeline.segments.iter().map(|segment| segment.samples.start).collect();
    ensure!(starts == [0, 50], "{starts:?}");
    // And what is written is read in the same way.
    let mut written = vod.header(&rendition.name)?;
    for number in [1, 2] {
        for fragment in vod.segment(&rendition.name, number)? {
            written.extend(&fragment.head);
            for extent in fragment.extents {
                let index = |position: u64| usize::try_from(position).unwrap_or(usize::MAX);
                written.extend(source.get(index(extent.start)..index(extent.end)).unwrap_or_default());
            }
        }
    }
    let again = demux(&written)?;
    let [copy] = again.tracks.as_slice() else { anyhow::bail!("not one track") };
    ensure!(copy.sample_entries == track.sample_entries, "other entries");
    for number in 0..100 {
        let (own, source) = (copy.samples.description(number), track.samples.description(number));
        ensure!(own == source && source == u8::from(number >= 50), "sample {number}: {own}, {source}");
    }
    Ok(())
}

#[test]
fn descriptions_that_cannot_be_joined_leave_the_track_out() -> Result<()> {
    let named = |name: &'static [u8; 4]| -> Result<String> {
        let file = described(match name {
            b"encv" => |entry| drop(entry.splice(4..8, *b"encv")),
            b"avc3" => |entry| drop(entry.splice(4..8, *b"avc3")),
            _ => |entry| drop(entry.splice(4..8, *b"jpeg")),
        })?;
        let movie = demux(&file)?;
        let [left_out] = movie.left_out.as_slice() else { anyhow::bail!("{:?}", movie.left_out) };
        ensure!(left_out.id == 1 && movie.tracks.len() == 1, "{left_out:?}");
        Ok(left_out.reason.to_string())
    };
    for (name, reason) in [
        (b"encv", "the track is encrypted"),
        (b"avc3", "several codecs (avc1.4D400D and avc3.4D400D)"),
        (b"jpeg", "this codec is not carried"),
    ] {
        let told = named(name)?;
        ensure!(told.contains(reason), "{told}");
    }
    Ok(())
}

/// ISO/IEC 14496-12 8.6.2 has a track without `stss` say that every sample is a sync sample, and one whose `stss` is empty that none is; the
/// pictures know better.
#[test]
fn sync_samples_that_no_table_tells_are_found_in_the_pictures() -> Result<()> {
    let units = |types: &[u8]| types.iter().flat_map(|kind| [0, 0, 0, 3, *kind, 7, 7]).collect::<Vec<u8>>();
    // By sample: delimiter and messages first; IDR (5) every 25, or always; or nothing that can be read.
    let picture = |name: &str, number: u32| match name {
        "IDR pictures" if number.is_multiple_of(25) => units(&[9, 7, 8, 6, 0x65]),
        "IDR pictures" => units(&[9, 6, 0x41]),
        "all are" => units(&[9, 0x65]),
        _ => vec![0xff; 30],
    };
    for (name, step) in [("IDR pictures", 25), ("all are", 1), ("what cannot be read", 1)] {
        let mut odd = file();
        let places: Vec<Sample> =
            samples(&demux(&odd)?).into_iter().flat_map(|(id, samples)| if id == 1 { samples } else { Vec::new() }).collect();
        for (number, sample) in (0..).zip(&places) {
            let (bytes, start) = (picture(name, number), usize::try_from(sample.offset)?);
            odd.get_mut(start..start + bytes.len()).context("short")?.copy_from_slice(&bytes);
        }
        let found = |odd: &[u8]| -> Result<Vec<u32>> {
            let movie = demux(odd)?;
            Ok(movie.tracks.first().context("no video")?.samples.sync_numbers(0..100).collect())
        };
        let expected: Vec<u32> = (0..100).step_by(step).collect();
        let mut empty = odd.clone();
        put(&mut empty, VIDEO, "stss", &[0])?;
        let found_of_empty = found(&empty)?;
        let readable = name != "what cannot be read";
        ensure!(found_of_empty == if readable { expected.as_slice() } else { &[] }, "{name}, empty: {found_of_empty:?}");
        remove(&mut odd, &format!("{VIDEO}/stss"))?;
        let found_of_none = found(&odd)?;
        ensure!(found_of_none == expected, "{name}: {found_of_none:?}");
    }
    Ok(())
}

/// Without `dac3` and `dec3` (ETSI TS 102 366 F.3, F.5) the first frame tells what they would tell, as ffmpeg writes it; what is published
/// has the box. Where there is no frame, it is missing.
#[test]
fn configurations_that_no_box_tells_are_found_in_the_sound() -> Result<()> {
    let Some(files) = synthetic::files()? else { return Ok(()) };
    for (name, missing) in [("ac3.mp4", "dac3"), ("eac3.mp4", "dec3")] {
        let path = files.iter().find(|path| path.ends_with(name)).context("not made")?;
        let mut file = fs::read(path)?;
        let whole = demux(&file)?;
        let sound = whole.tracks.get(1).context("no sound")?;
        let mut cut = Vec::new();
        // The movie is at the end: no offset changes.
        change(&mut file, &format!("{SOUND}/stsd"), |stsd| {
            let start = stsd.windows(4).position(|found| found == missing.as_bytes()).unwrap_or(4) - 4;
            let size = stsd.get(start + 3).copied().unwrap_or(0);
            cut = stsd.drain(start..start + usize::from(size)).collect();
            if let Some(length) = stsd.get_mut(11) {
                *length -= size;
            }
        })?;
        let found = demux(&file)?;
        let track = found.tracks.get(1).with_context(|| format!("{name}: {:?}", found.left_out))?;
        ensure!(track.codec == sound.codec, "{name}: {:?}, with its box {:?}", track.codec, sound.codec);
        let entry = track.sample_entries.first().context("no entry")?;
        ensure!(entry.windows(cut.len()).any(|bytes| bytes == cut), "{name}: {cut:02x?} is not in {entry:02x?}");
        ensure!(samples(&found) == samples(&whole) && found.faults.is_empty(), "{name}: other samples, {:?}", found.faults);

        let first = usize::try_from(sound.samples.get(0).context("no sample")?.offset)?;
        file.get_mut(first..first + 2).context("short")?.fill(0);
        let reasons: Vec<String> = demux(&file)?.left_out.iter().map(|left_out| left_out.reason.to_string()).collect();
        ensure!(reasons.iter().any(|reason| reason.contains(&format!("box '{missing}' is missing"))), "{name}: {reasons:?}");
    }
    Ok(())
}

/// Media that begins with pictures that need others, or tells of none that does not: no playlist says that segments are independent
/// (RFC 8216bis 4.4.2.1), and where there are no I-frames there is no playlist of them.
#[test]
fn what_begins_with_no_sync_sample_is_not_called_independent() -> Result<()> {
    for (name, stss, independent, i_frames) in [
        ("all is well", &[4, 1, 26, 51, 76][..], true, true),
        ("the first is none", &[3, 26, 51, 76], false, true),
        ("none is", &[0], false, false),
    ] {
        let mut odd = file();
        put(&mut odd, VIDEO, "stss", stss)?;
        let vod = Vod::new(vec![demux(&odd)?], &Options::default())?;
        for text in [vod.multivariant_playlist(), vod.media_playlist("v1")?] {
            ensure!(text.contains("#EXT-X-INDEPENDENT-SEGMENTS") == independent, "{name}: {text}");
        }
        ensure!(vod.has_i_frames("v1") == i_frames, "{name}");
        ensure!(vod.multivariant_playlist().contains("#EXT-X-I-FRAME-STREAM-INF") == i_frames, "{name}");
    }
    Ok(())
}

/// The video in fragments: `moof` and `mdat` for each of the key frames, and for what follows them.
fn fragmented() -> Result<Vec<u8>> {
    let source = file();
    let vod = Vod::new(vec![demux(&source)?], &Options::default())?;
    Ok([vod.header("v1")?, segment(&vod, 1, &source)?].concat())
}

/// The bytes of segment `number` of the video.
fn segment(vod: &Vod, number: u32, source: &[u8]) -> Result<Vec<u8>> {
    let mut written = Vec::new();
    for fragment in vod.segment("v1", number)? {
        written.extend(&fragment.head);
        for extent in fragment.extents {
            let index = |position: u64| usize::try_from(position).unwrap_or(usize::MAX);
            written.extend(source.get(index(extent.start)..index(extent.end)).unwrap_or_default());
        }
    }
    Ok(written)
}

/// ISO/IEC 14496-12 8.7.5: payload behind the first 4 GiB, where chunk offsets and the size of `mdat` take 64 bits.
#[test]
fn payload_behind_4_gib_is_found() -> Result<()> {
    const FAR: u64 = 5 << 30;
    let source = file();
    let plain = samples(&demux(&source)?);
    let media = source.windows(4).position(|name| name == b"mdat").context("no mdat")? + 4;
    let mut end = source.clone();
    for stbl in [VIDEO, SOUND] {
        change(&mut end, stbl, |stbl| {
            let place = stbl.windows(4).position(|name| name == b"stco").unwrap_or(4) - 4;
            let table = stbl.split_off(place);
            let (entries, _) = table.get(16..).unwrap_or_default().as_chunks::<4>();
            let far = entries.iter().flat_map(|entry| (u64::from(u32::from_be_bytes(*entry)) + FAR).to_be_bytes());
            let content: Vec<u8> = table.get(8..16).unwrap_or_default().iter().copied().chain(far).collect();
            stbl.extend(boxed("co64", &content));
        })?;
    }
    let (start, moov) = (source.get(..media - 8).unwrap_or_default(), moov_of(&end));
    let payload = source.get(media..source.len() - moov_of(&source).len()).context("no payload")?;
    // `mdat` with a size of 64 bits, a hole, the payload as far behind its old place, `moov`.
    let mdat = [&1u32.to_be_bytes()[..], b"mdat", &(8 + FAR + payload.len() as u64).to_be_bytes()].concat();
    let pieces = [(0, [start, &mdat].concat()), (media as u64 + FAR, [payload, moov].concat())];
    let size = media as u64 + FAR + (payload.len() + moov.len()) as u64;
    let read = |range: std::ops::Range<u64>| -> Vec<u8> {
        let byte = |position: u64| {
            let found = pieces.iter().rev().find(|(first, _)| *first <= position);
            found.and_then(|(first, bytes)| bytes.get(usize::try_from(position - first).ok()?)).copied().unwrap_or(0)
        };
        range.map(byte).collect()
    };
    let mut demuxer = Demuxer::new(size);
    while let Some(range) = demuxer.required() {
        demuxer.handle(range.start, &read(range.clone()))?;
    }
    let movie = demuxer.finish()?;
    let expected = plain
        .into_iter()
        .map(|(id, samples)| (id, samples.into_iter().map(|sample| Sample { offset: sample.offset + FAR, ..sample }).collect::<Vec<_>>()));
    ensure!(samples(&movie) == expected.collect::<Vec<_>>() && movie.faults.is_empty(), "other samples: {:?}", movie.faults);
    let vod = Vod::new(vec![movie], &Options::default())?;
    let extents: Vec<_> = vod.segment("v1", 1)?.into_iter().flat_map(|fragment| fragment.extents).collect();
    ensure!(extents.iter().all(|extent| extent.start > FAR), "{extents:?}");
    Ok(())
}

/// A last sample that lasts no time, as some cameras write it, is there all the same, in what is written too.
#[test]
fn a_last_sample_of_no_duration_is_kept() -> Result<()> {
    let mut odd = file();
    put(&mut odd, VIDEO, "stts", &[2, 99, 512, 1, 0])?;
    let movie = demux(&odd)?;
    let video = movie.tracks.first().context("no video")?.samples.clone();
    ensure!(video.len() == 100 && video.get(99).is_some_and(|sample| sample.duration == 0), "{:?}", video.get(99));
    let vod = Vod::new(vec![movie], &Options::default())?;
    let again = demux(&[vod.header("v1")?, segment(&vod, 1, &odd)?].concat())?;
    let times = |samples: &reelway_core::sample::SampleTable| -> Vec<_> {
        samples.iter().map(|sample| (sample.decode_time, sample.duration, sample.composition_offset, sample.size)).collect()
    };
    ensure!(again.tracks.first().is_some_and(|track| times(&track.samples) == times(&video)), "other samples");
    Ok(())
}

/// Samples that are left of [`fragmented`], and what is told. The fragments hold 1, 24, 1, 24, 1, 24, 1 and 24 of the 100.
const FRAGMENTS: &[(&str, Done, usize, Option<&str>)] = &[
    ("as it is", |_| Ok(()), 100, None),
    ("mvex is missing", |f| remove(f, "moov/mvex"), 100, None),
    (
        "a fragment begins before the end of the one before it",
        |f| set(f, "moof#3/traf/tfdt", 8, 7),
        100,
        Some("decoded from tick 7 on, the one before it until tick 12800: it is put there (in moof/traf"),
    ),
    ("a fragment says nothing of time", |f| change(f, "moof#3/traf", |traf| rename_box(traf, *b"tfdt")), 100, None),
    ("a run has too many samples", |f| set(f, "moof#2/traf/trun", 4, 999), 76, Some("999 samples need")),
    ("data is behind the end", |f| set(f, "moof#4/traf/trun", 8, 1 << 30), 76, Some("the file is cut short: a sample ends at byte")),
    ("a track is not there", |f| set(f, "moof#2/traf/tfhd", 4, 77), 76, None),
    ("another moov follows", |f| change(f, "moov", |_| ()).map(|()| f.extend(moov_of(&file()))), 100, None),
];

fn rename_box(container: &mut Vec<u8>, name: [u8; 4]) {
    if let Some(place) = container.windows(4).position(|found| found == name) {
        container.splice(place..place + 4, *b"free");
    }
}

#[test]
fn fragments_that_are_odd_are_read() -> Result<()> {
    for (name, done, left, told) in FRAGMENTS {
        let mut odd = fragmented()?;
        done(&mut odd).context(*name)?;
        let movie = demux(&odd).context(*name)?;
        let [track] = movie.tracks.as_slice() else { anyhow::bail!("{name}: not one track") };
        ensure!(track.samples.len() as usize == *left, "{name}: {} samples", track.samples.len());
        let end = track.samples.iter().last().map(|sample| sample.decode_time);
        ensure!(end == Some(99 * 512), "{name}: the last is decoded at {end:?}");
        let faults: Vec<String> = movie.faults.iter().map(ToString::to_string).collect();
        ensure!(faults.len() == usize::from(told.is_some()), "{name}: {faults:?}");
        ensure!(faults.iter().zip(told.iter()).all(|(fault, told)| fault.contains(*told)), "{name}: {faults:?}");
    }
    Ok(())
}

fn message<'a>(scheme: &'a str, time: EventTime, data: &'a [u8]) -> EventMessage<'a> {
    let timescale = Timescale::MILLIS;
    EventMessage { scheme, value: "1", timescale, time, duration: 500, id: 7, data }
}

/// Puts boxes in front of `moof` number `number` of [`fragmented`].
fn before_moof(file: &mut Vec<u8>, number: usize, boxes: &[u8]) -> Result<()> {
    let mut moofs = file.windows(4).enumerate().filter(|(_, name)| name == b"moof").map(|(place, _)| place - 4);
    let place = moofs.nth(number - 1).context("no such moof")?;
    file.splice(place..place, boxes.iter().copied());
    Ok(())
}

/// ISO/IEC 23009-1 5.10.3.3, ISO/IEC 23000-19 7.4.5: events stand in front of the samples that they stood in front of, with times of the
/// track; manifests tell of them.
#[test]
fn events_are_carried() -> Result<()> {
    const CUE: &str = "urn:scte:scte35:2013:bin";
    let relative = message(CUE, EventTime::InSegment(250), &[0xfc]);
    let absolute = message("https://aomedia.org/emsg/ID3", EventTime::Absolute(3000), b"ID3");
    let mut source = fragmented()?;
    // From the last on, so that the numbers of those before stay. The third fragment is presented from one second on.
    before_moof(&mut source, 4, &absolute.to_bytes())?;
    before_moof(&mut source, 3, &[relative.to_bytes(), boxed("free", &[]), absolute.to_bytes()].concat())?;
    before_moof(&mut source, 2, &[boxed("emsg", &[9; 12]), boxed("emsg", &vec![0; usize::try_from(MAX_EVENT)?])].concat())?;
    let movie = demux(&source)?;
    let faults: Vec<String> = movie.faults.iter().map(ToString::to_string).collect();
    ensure!(matches!(faults.as_slice(), [long, other] if long.contains("box 'emsg' of") && other.contains("version 9")), "{faults:?}");
    ensure!(movie.tracks.iter().map(|track| track.samples.len()).collect::<Vec<_>>() == [100], "other samples");
    let options = Options { date: Some(reelway_core::time::Date(0)), ..Options::segments_of(1000) };
    let vod = Vod::new(vec![movie], &options)?;
    // 12,800 ticks a second and 1,000: 64,000.
    let scale = Timescale::new(64_000).context("zero")?;
    let rewritten = EventMessage { timescale: scale, time: EventTime::Absolute(80_000), duration: 32_000, ..relative };
    let found: Vec<Vec<u8>> = (1..=4).map(|number| segment(&vod, number, &source)).collect::<Result<_>>()?;
    let expected = [rewritten.to_bytes(), absolute.to_bytes()].concat();
    let second = found.get(1).context("one segment")?;
    ensure!(second.get(24..24 + expected.len()) == Some(&expected), "not in front of its segment");
    ensure!(second.get(24 + expected.len() + 4..).is_some_and(|rest| rest.starts_with(b"moof")), "no fragment behind it");
    let count = |bytes: &[u8]| bytes.windows(5).filter(|name| name == b"emsg\x01").count();
    let counts: Vec<usize> = found.iter().map(|bytes| count(bytes)).collect();
    ensure!(counts == [0, 3, 0, 0], "in other segments: {counts:?}");
    for (bytes, told) in found.iter().zip(vod.renditions().next().into_iter().flat_map(|(rendition, _)| &rendition.timeline.segments)) {
        ensure!(bytes.len() as u64 == told.bytes, "{} bytes, told {}", bytes.len(), told.bytes);
    }
    for told in [
        "<InbandEventStream schemeIdUri=\"urn:scte:scte35:2013:bin\" value=\"1\"/>",
        "<InbandEventStream schemeIdUri=\"https://aomedia.org/emsg/ID3\" value=\"1\"/>",
    ] {
        ensure!(vod.mpd().matches(told).count() == 1, "{told}");
    }
    let range = "#EXT-X-DATERANGE:ID=\"scte35-7-1\",START-DATE=\"1970-01-01T00:00:01.250Z\",DURATION=0.500,SCTE35-CMD=0xFC\n";
    ensure!(vod.media_playlist("v1")?.contains(range), "{}", vod.media_playlist("v1")?);
    // I-frames are the pictures alone.
    ensure!(vod.i_frame_playlist("v1")?.matches("#EXT-X-BYTERANGE").count() == 4, "{}", vod.i_frame_playlist("v1")?);
    // What is written is read in the same way.
    let again = demux(&[vod.header("v1")?, found.concat()].concat())?;
    let events = |movie: &Found| movie.tracks.first().map(|track| track.events.clone());
    ensure!(events(&again).is_some_and(|again| vod.inputs().first().and_then(events) == Some(again)), "other events");
    Ok(())
}

/// The bytes of an AudioSpecificConfig in place of those that ffmpeg wrote (ISO/IEC 14496-1 7.2.6.7: tag 5 and a length of four bytes).
fn put_config(entry: &mut [u8], config: &[u8]) {
    let tag = [5, 0x80, 0x80, 0x80, 5];
    let place = entry.windows(tag.len()).position(|window| window == tag).map(|place| place + tag.len());
    if let Some(slot) = place.and_then(|place| entry.get_mut(place..place + config.len())) {
        slot.copy_from_slice(config);
    }
}

/// Pictures of VP8 that an MP4 calls VP9, for no muxer of ffmpeg takes them under their name. It is not to look into them, where some seem
/// to be frames of VP9 that are not shown.
fn mux_vp8(folder: &Path, path: &Path) -> Result<()> {
    let matroska = folder.join("a.mkv");
    let encode = "-f lavfi -i testsrc2=size=320x180:rate=25:duration=5 -c:v libvpx -deadline realtime -cpu-used 8 -g 50 -b:v 200k";
    ffmpeg::run(encode.split(' '), &matroska)?;
    let mut bytes = fs::read(&matroska)?;
    let place = bytes.windows(5).position(|window| window == b"V_VP8").context("no codec in the source")?;
    bytes.get_mut(place..place + 5).context("no codec in the source")?.copy_from_slice(b"V_VP9");
    fs::write(&matroska, &bytes)?;
    ffmpeg::run(["-i", &*matroska.to_string_lossy(), "-c", "copy", "-fflags", "-autobsf"], path)
}

/// Their own name, and a configuration (VP Codec ISO Media File Format Binding, VP Codec Configuration Box) in place of an empty one.
fn put_vp8(stsd: &mut Vec<u8>) {
    let config = boxed("vpcC", &[1, 0, 0, 0, 0, 10, 8 << 4 | 1 << 1, 2, 2, 2, 0, 0]);
    let Some(place) = stsd.windows(4).position(|window| window == b"vpcC").map(|place| place - 4) else { return };
    let empty = stsd.get(place..place + 4).and_then(|size| size.first_chunk()).map_or(0, |size| u32::from_be_bytes(*size) as usize);
    stsd.splice(place..place + empty, config);
    let size = u32::try_from(stsd.len() - 8).unwrap_or(0);
    stsd.splice(8..16, [size.to_be_bytes(), *b"vp08"].concat());
}

/// A change of the content of `stsd`.
type Change = Box<dyn FnOnce(&mut Vec<u8>)>;

/// What encoders and muxers here cannot make is signalled by hand: HE-AAC of both versions (ISO/IEC 14496-3 1.6.5.2), Dolby Vision profiles 5
/// and 8 (Dolby Vision Streams Within the ISO Base Media File Format 2.2, 3), VP8. Manifests name it, payload is the source's, verify finds no
/// fault.
#[test]
fn what_is_signalled_by_hand_is_published() -> Result<()> {
    if !ffmpeg::is_there("ffmpeg") || !ffmpeg::is_there("ffprobe") {
        return Ok(());
    }
    let entry = |name: &'static str, dolby: [u8; 5]| {
        move |stsd: &mut Vec<u8>| {
            let mut record = dolby.to_vec();
            record.resize(24, 0);
            // One entry: the size of `stsd` is put right by who changes it, that of the entry here.
            let longer = boxed(if dolby[2] >> 1 > 7 { "dvvC" } else { "dvcC" }, &record);
            let size = u32::try_from(stsd.len() - 8 + longer.len()).unwrap_or(0);
            stsd.splice(8..16, [size.to_be_bytes(), name.as_bytes().first_chunk::<4>().copied().unwrap_or_default()].concat());
            stsd.extend(longer);
        }
    };
    let aac = "-f lavfi -i sine=duration=5:sample_rate=22050 -c:a aac";
    let hevc = "-f lavfi -i testsrc2=size=320x180:rate=25:duration=5 -c:v libx265 -preset ultrafast -tag:v hvc1 -pix_fmt yuv420p10le";
    let files: [(&str, &str, Change, &[&str]); 5] = [
        (
            "HE-AAC",
            "-ac 2",
            Box::new(|stsd| put_config(stsd, &[0x2b, 0x92, 0x08, 0, 0])),
            &["codecs=\"mp4a.40.5\"", "audioSamplingRate=\"44100\"", "ChannelConfiguration\" value=\"2\""],
        ),
        (
            "HE-AAC v2",
            "-ac 1",
            Box::new(|stsd| put_config(stsd, &[0xeb, 0x8a, 0x08, 0, 0])),
            &["codecs=\"mp4a.40.29\"", "audioSamplingRate=\"44100\"", "ChannelConfiguration\" value=\"2\""],
        ),
        ("Dolby Vision 5", "", Box::new(entry("dvh1", [1, 0, 5 << 1, 1 << 3 | 0b101, 0])), &["codecs=\"dvh1.05.01\""]),
        (
            "Dolby Vision 8",
            "",
            Box::new(entry("hvc1", [1, 0, 8 << 1, 1 << 3 | 0b101, 1 << 4])),
            &["codecs=\"hvc1.2.4.", "scte214:supplementalCodecs=\"dvh1.08.01\" scte214:supplementalProfiles=\"db1p\""],
        ),
        ("VP8", "", Box::new(put_vp8), &["codecs=\"vp08.00.10.08\"", "width=\"320\" height=\"180\""]),
    ];
    for (what, more, change_entry, expected) in files {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a.mp4");
        let source = if what.starts_with("HE") { aac } else { hevc };
        if what == "VP8" {
            mux_vp8(folder.path(), &path)?;
        } else {
            ffmpeg::run(source.split(' ').chain(more.split_whitespace()), &path)?;
        }
        let mut bytes = fs::read(&path)?;
        // The movie is at the end: no offset changes.
        change(&mut bytes, "moov/trak/mdia/minf/stbl/stsd", change_entry)?;
        fs::write(&path, &bytes)?;
        let original = ffmpeg::packets(&path, View::Edited)?;
        for command in [&["package", "a.mp4", "-o", "out"][..], &["verify", "out"]] {
            let ran = run(command, folder.path())?;
            ensure!(ran.code == Some(0), "{what}: {ran:?}");
        }
        let out = folder.path().join("out");
        let mpd = fs::read_to_string(out.join("manifest.mpd"))?;
        for expected in expected {
            ensure!(mpd.contains(expected), "{what}: {expected} is not in {mpd}");
        }
        let rendition = out.join(if what.starts_with("HE") { "a1" } else { "v1" });
        let parts: Vec<Vec<u8>> = ["init.mp4", "1.m4s", "2.m4s"].iter().filter_map(|name| fs::read(rendition.join(name)).ok()).collect();
        let whole = folder.path().join("whole.mp4");
        fs::write(&whole, parts.concat())?;
        let published = ffmpeg::packets(&whole, View::Edited)?;
        let hashes = |packets: &[Packet]| packets.iter().map(|packet| packet.hash.clone()).collect::<Vec<_>>();
        ensure!(hashes(&published) == hashes(&original) && !original.is_empty(), "{what}: other payload");
    }
    Ok(())
}
