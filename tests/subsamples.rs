//! Where slice data and tile data begin, beside what ffmpeg's reader of headers says of the same files, field by field.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use reelway_core::{Demuxer, boxes::sample_entry::read_entry, codec::Kind, coding::Reader, subsamples::Finder, track::Track};
use reelway_tests::{ffmpeg, files, parallel, synthetic};

/// The most samples of a file that are looked at.
const MOST: usize = 400;

/// A header as ffmpeg's `trace_headers` tells it: what it is of, and how many bits it has, without emulation prevention.
#[derive(Debug)]
struct Header {
    title: String,
    bits: usize,
}

/// A packet: how many bytes it has, and its headers.
type Packet = (usize, Vec<Header>);

/// For each packet of the first video of a file its headers.
fn traced(path: &Path) -> Result<Vec<Packet>> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-nostats", "-v", "trace", "-ignore_editlist", "1", "-i"])
        .arg(path)
        .args(["-map", "0:v:0", "-c", "copy", "-copyinkf", "-frames:v", &MOST.to_string(), "-bsf:v", "trace_headers", "-f", "null", "-"])
        .stdout(Stdio::null())
        .output()
        .context("ffmpeg does not run")?;
    let text = String::from_utf8_lossy(&output.stderr);
    let mut packets: Vec<Packet> = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("[trace_headers @")) {
        let words: Vec<&str> = line.split(']').skip(1).flat_map(str::split_whitespace).collect();
        match (words.as_slice(), packets.last_mut()) {
            (["Packet:", size, ..], _) => packets.push((size.parse()?, Vec::new())),
            ([position, _, bits, "=", _], Some((_, packet))) if position.bytes().all(|byte| byte.is_ascii_digit()) => {
                let header = packet.last_mut().context("a field of nothing")?;
                header.bits = position.parse::<usize>()? + bits.len();
            }
            // The header of a frame is told before its tiles, and the position goes on.
            (["Tile", "Group"], Some((_, packet))) => {
                let bits = packet.last().map_or(0, |last| last.bits);
                packet.push(Header { title: "Tile Group".into(), bits });
            }
            ([first, ..], Some((_, packet))) if first.chars().all(char::is_alphabetic) && !line.contains(':') => {
                packet.push(Header { title: words.join(" "), bits: 0 });
            }
            // Other lines, and what is told of the configuration before the first packet.
            _ => {}
        }
    }
    Ok(packets)
}

/// How many bytes hold the first `count` bytes of a NAL unit that are no emulation prevention.
fn escaped(nal: &[u8], count: usize) -> usize {
    let (mut zeros, mut counted) = (0, 0);
    for (index, byte) in nal.iter().enumerate() {
        if counted == count {
            return index;
        }
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
        } else {
            zeros = if *byte == 0 { zeros + 1 } else { 0 };
            counted += 1;
        }
    }
    nal.len()
}

/// The NAL units of a sample, with their places.
fn nal_units(sample: &[u8], length_size: usize) -> Vec<(usize, &[u8])> {
    let (mut units, mut at) = (Vec::new(), 0);
    while let Some(length) = sample.get(at..at + length_size) {
        let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        at += length_size;
        units.push((at, sample.get(at..at + length).unwrap_or_default()));
        at += length;
    }
    units
}

/// What may be encrypted of a sample by what ffmpeg says of its headers: where it begins and ends.
fn expected(codec: &str, sample: &[u8], length_size: usize, headers: &[Header]) -> Vec<(usize, usize)> {
    match codec {
        "avc1" | "avc3" | "hvc1" | "hev1" => {
            let mut slices = headers.iter().filter(|header| header.title.starts_with("Slice"));
            let is_slice = |nal: &[u8]| match codec {
                "avc1" | "avc3" => nal.first().is_some_and(|byte| matches!(byte & 31, 1 | 5)),
                _ => nal.first().is_some_and(|byte| byte >> 1 < 32),
            };
            let units = nal_units(sample, length_size).into_iter().filter(|(_, nal)| is_slice(nal));
            let found = units.zip(slices.by_ref());
            found.map(|((at, nal), header)| (at + escaped(nal, header.bits.div_ceil(8)), at + nal.len())).collect()
        }
        _ => Vec::new(),
    }
}

fn entry_of(track: &Track) -> Result<(String, usize)> {
    let entry = track.sample_entries.first().context("no sample entry")?;
    let entry = read_entry(&mut Reader::new(entry, 0))?;
    let visual = entry.visual()?;
    let config = |name, at: usize| visual.find(name).and_then(|config| config.rest().get(at).map(|byte| usize::from(byte & 3) + 1));
    let length_size = config(*b"avcC", 4).or(config(*b"hvcC", 21)).unwrap_or(4);
    Ok((entry.name.to_string(), length_size))
}

/// Compares a file; how many headers were compared.
fn compare(path: &Path) -> Result<usize> {
    let file = fs::read(path)?;
    let mut demuxer = Demuxer::new(file.len() as u64);
    while let Some(range) = demuxer.required() {
        let part = file.get(usize::try_from(range.start)?..usize::try_from(range.end)?).context("beyond the end")?;
        if demuxer.handle(range.start, part).is_err() {
            return Ok(0); // refused: others test that
        }
    }
    let Ok(movie) = demuxer.finish() else { return Ok(0) };
    let Some(track) = movie.tracks.iter().find(|track| track.kind() == Kind::Video) else { return Ok(0) };
    let (codec, length_size) = entry_of(track)?;
    if !matches!(codec.as_str(), "avc1" | "avc3" | "hvc1" | "hev1" | "av01" | "vp09") {
        return Ok(0);
    }
    let traced = traced(path)?;
    let entry = track.sample_entries.first().context("no sample entry")?;
    let mut finder = Finder::new(&read_entry(&mut Reader::new(entry, 0))?, &track.codec.media)?;
    let mut compared = 0;
    for (index, (sample, (size, headers))) in track.samples.iter().zip(&traced).enumerate() {
        let range = sample.range();
        let Some(bytes) = file.get(usize::try_from(range.start)?..usize::try_from(range.end)?) else { break };
        if track.samples.description(u32::try_from(index)?) > 0 {
            break;
        }
        ensure!(bytes.len() == *size, "sample {index} has {} bytes, the packet {size}", bytes.len());
        let found = finder.find(bytes, range.start).with_context(|| format!("sample {index}"))?;
        let found: Vec<(usize, usize)> = found.iter().map(|range| (range.start, range.end)).collect();
        match codec.as_str() {
            "av01" => compared += av1(&found, headers, bytes).with_context(|| format!("sample {index}: {headers:?}"))?,
            "vp09" => compared += vp9(&found, headers, bytes).with_context(|| format!("sample {index}: {headers:?}"))?,
            _ => {
                let expected = expected(&codec, bytes, length_size, headers);
                ensure!(found == expected, "sample {index}: {found:?}, expected {expected:?}");
                compared += expected.len();
            }
        }
    }
    Ok(compared)
}

/// Tiles of AV1: ffmpeg tells where the data of a group begins.
fn av1(found: &[(usize, usize)], headers: &[Header], sample: &[u8]) -> Result<usize> {
    let groups: Vec<usize> = headers.iter().filter(|header| header.title == "Tile Group").map(|header| header.bits.div_ceil(8)).collect();
    // OBUs with their places: header and size.
    let (mut at, mut places) = (0, Vec::new());
    while let Some(header) = sample.get(at) {
        let mut inside = at + 1 + usize::from(header >> 2 & 1);
        let mut length = sample.len() - inside;
        if header & 2 != 0 {
            length = 0;
            for shift in 0..8 {
                let byte = *sample.get(inside).context("no size")?;
                length |= usize::from(byte & 127) << (7 * shift);
                inside += 1;
                if byte & 128 == 0 {
                    break;
                }
            }
        }
        if matches!(header >> 3 & 15, 4 | 6) {
            places.push((at, inside + length));
        }
        at = inside + length;
    }
    ensure!(places.len() == groups.len(), "{} groups, ffmpeg has {}", places.len(), groups.len());
    for ((start, end), header) in places.iter().zip(&groups) {
        let tiles: Vec<_> = found.iter().filter(|tile| tile.0 > *start && tile.1 <= *end).collect();
        let (Some(first), Some(last)) = (tiles.first(), tiles.last()) else { bail!("no tile") };
        ensure!(last.1 == *end, "the last tile ends at {}, its OBU at {end}", last.1);
        // Before each tile but the last of a group stands its size, in up to four bytes.
        let gap = first.0.checked_sub(start + header).context("a tile inside the header")?;
        ensure!(if tiles.len() == 1 { gap == 0 } else { (1..=4).contains(&gap) }, "{gap} bytes before the first of {} tiles", tiles.len());
        for pair in tiles.windows(2) {
            let [before, after] = pair else { continue };
            ensure!(after.0 - before.1 == if pair.len() == tiles.len() { 0 } else { gap } || after.1 == *end, "{pair:?}");
        }
    }
    Ok(groups.len())
}

/// Frames of VP9: the uncompressed header of each, one after the other in a superframe.
fn vp9(found: &[(usize, usize)], headers: &[Header], sample: &[u8]) -> Result<usize> {
    let coded: Vec<usize> = headers.iter().filter(|header| header.title == "Frame").map(|header| header.bits.div_ceil(8)).collect();
    // One that shows another frame has a byte and no data.
    let coded: Vec<usize> = coded.into_iter().filter(|bytes| *bytes > 2).collect();
    ensure!(coded.len() == found.len(), "{} frames, ffmpeg has {}", found.len(), coded.len());
    let mut start = 0;
    for (frame, header) in found.iter().zip(&coded) {
        ensure!(frame.0 == start + header, "{frame:?} in {} bytes, expected {start} + {header}", sample.len());
        start = frame.1;
    }
    Ok(coded.len())
}

fn check(paths: &[PathBuf]) -> Result<usize> {
    let results = parallel::map(paths, |path| compare(path).with_context(|| files::name(path)));
    let mut compared = 0;
    let mut faults = Vec::new();
    for result in results {
        match result {
            Ok(count) => compared += count,
            Err(error) => faults.push(format!("{error:#}")),
        }
    }
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(compared)
}

/// ITU-T H.264 7.3.3, H.265 7.3.6, AV1 5.9 and 5.11, VP9 6.2.
#[test]
fn headers_end_where_ffmpeg_ends_them() -> Result<()> {
    let Some(paths) = synthetic::files()? else { return Ok(()) };
    let compared = check(&paths)?;
    ensure!(compared > 4000, "only {compared} headers were compared");
    Ok(())
}

/// The same for files that nobody here made.
#[test]
fn headers_of_real_files_end_where_ffmpeg_ends_them() -> Result<()> {
    let Some(paths) = files::shared_media("real") else { return Ok(()) };
    if !ffmpeg::is_there("ffmpeg") {
        return Ok(());
    }
    // Slices of a second view, lengths of NAL units that are none, a damaged slice that ffmpeg refuses too.
    let refused = ["media3__water_180_mvhevc_5frames.mov", "moz__zero_empty_stsc.mp4", "moz__no_timescale.mp4"];
    let (refused, others): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| refused.contains(&files::name(path).as_str()));
    for path in refused {
        ensure!(compare(&path).is_err(), "{} is not refused", path.display());
    }
    check(&others).map(drop)
}
