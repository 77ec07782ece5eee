//! I-frame playlists: each entry, with the header in front, is one key frame of the source and nothing else, and none is missing.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use reelway_tests::{
    ffmpeg::{self, Packet, View},
    manifests,
    program::run,
    schema::Schema,
};

/// H.264 of 10.4 s with B-frames and a key frame every `gop` frames of 40 ms, and AAC.
fn clip(folder: &Path, gop: &str) -> Result<()> {
    let picture = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=10.4", "-f", "lavfi", "-i", "sine=duration=10.4"];
    let codecs = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-sc_threshold", "0", "-bf", "2", "-c:a", "aac", "-g", gop, "-keyint_min", gop];
    ffmpeg::run(picture.into_iter().chain(codecs), &folder.join("clip.mp4"))
}

fn key_frames(path: &Path) -> Result<Vec<Packet>> {
    let streams = ffmpeg::streams(path)?;
    let video = streams.iter().find(|stream| stream.codec.as_deref() == Some("h264")).context("no video")?.index;
    Ok(ffmpeg::packets(path, View::Edited)?.into_iter().filter(|packet| packet.stream == video && packet.key).collect())
}

/// Attributes of the one line with this tag.
fn attributes<'a>(multivariant: &'a str, tag: &str) -> Result<&'a str> {
    let mut lines = multivariant.lines().filter_map(|line| line.strip_prefix(tag));
    let line = lines.next().with_context(|| format!("no {tag} in {multivariant}"))?;
    ensure!(lines.next().is_none(), "more than one {tag}");
    Ok(line)
}

#[test]
fn every_key_frame_is_had_by_its_byte_range() -> Result<()> {
    if !ffmpeg::is_there("ffmpeg") || !ffmpeg::is_there("ffprobe") {
        return Ok(());
    }
    // 1.92 s: two in most segments; 4.8 s: one in each; 1: nothing but key frames.
    for (gop, expected) in [("48", 6), ("120", 3), ("1", 260)] {
        let folder = tempfile::tempdir()?;
        clip(folder.path(), gop)?;
        let ran = run(&["package", "clip.mp4", "-o", "out"], folder.path())?;
        ensure!(ran.code == Some(0), "{ran:?}");
        let source = key_frames(&folder.path().join("clip.mp4"))?;
        let out = folder.path().join("out/v1");
        let entries = manifests::i_frames(&fs::read_to_string(out.join("iframes.m3u8"))?)?;
        ensure!(entries.len() == expected && source.len() == expected, "{} of {} key frames are listed", entries.len(), source.len());
        let header = fs::read(out.join("init.mp4"))?;
        let mut all = header.clone();
        let (mut start, mut peak) = (0, 0);
        for (entry, key) in entries.iter().zip(&source) {
            let segment = fs::read(out.join(&entry.uri))?;
            let chunk = segment.get(entry.bytes.clone()).with_context(|| format!("{entry:?} in {} bytes", segment.len()))?;
            all.extend(chunk);
            let time = key.pts.context("no time")? * 1_000_000 / 12_800;
            ensure!(start == time, "{entry:?} is at {start} µs, the key frame at {time}");
            start += i64::try_from(entry.duration)?;
            peak = peak.max(chunk.len() as u64 * 8_000_000 / entry.duration);
            // Each alone; of 260 a few.
            if expected < 10 || time % 1_600_000 == 0 {
                let alone = folder.path().join("alone.mp4");
                fs::write(&alone, [&header, chunk].concat())?;
                let packets = ffmpeg::packets(&alone, View::Edited)?;
                let [only] = packets.as_slice() else { panic!("{entry:?}: {packets:?}") };
                ensure!(only.key && (only.pts, &only.hash) == (key.pts, &key.hash), "{only:?}, expected {key:?}");
                let complaints = ffmpeg::decoding_errors(&alone, 0)?;
                ensure!(complaints.is_empty(), "{entry:?}: {complaints}");
            }
        }
        ensure!(start == 10_400_000, "the last ends at {start} µs");
        let together = folder.path().join("all.mp4");
        fs::write(&together, &all)?;
        let read: Vec<_> =
            ffmpeg::packets(&together, View::Edited)?.into_iter().map(|packet| (packet.pts, packet.key, packet.hash)).collect();
        ensure!(read == source.into_iter().map(|packet| (packet.pts, packet.key, packet.hash)).collect::<Vec<_>>(), "{read:?}");
        multivariant(&folder.path().join("out"), peak)?;
        whole(&folder.path().join("out/v1/media.m3u8"), &folder.path().join("clip.mp4"))?;
    }
    Ok(())
}

/// RFC 8216bis 4.4.6.3. `peak`: bits a second of the largest entry.
fn multivariant(out: &Path, peak: u64) -> Result<()> {
    let text = fs::read_to_string(out.join("master.m3u8"))?;
    let told = attributes(&text, "#EXT-X-I-FRAME-STREAM-INF:")?;
    let (bandwidth, rest) = told.strip_prefix("BANDWIDTH=").and_then(|told| told.split_once(',')).context("no BANDWIDTH")?;
    let (average, rest) = rest.strip_prefix("AVERAGE-BANDWIDTH=").and_then(|rest| rest.split_once(',')).context("no AVERAGE-BANDWIDTH")?;
    let (bandwidth, average) = (bandwidth.parse::<u64>()?, average.parse::<u64>()?);
    ensure!(average <= bandwidth && bandwidth <= peak + 1, "{average} on average, {bandwidth} at most, the largest is {peak}");
    let variant = attributes(&text, "#EXT-X-STREAM-INF:")?;
    let codec = variant.split_once("CODECS=\"").and_then(|(_, rest)| rest.split_once(',')).context("no CODECS")?.0;
    let expected = format!("CODECS=\"{codec}\",RESOLUTION=320x180,VIDEO-RANGE=SDR,URI=\"v1/iframes.m3u8\"");
    ensure!(rest == expected, "{rest}, expected {expected}");
    Ok(())
}

/// Segments of several chunks are played whole by ffmpeg's own reader of HLS.
fn whole(playlist: &Path, source: &Path) -> Result<()> {
    let frames = |path: &Path| {
        let output =
            Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(path).args(["-map", "0:v:0", "-f", "framemd5", "-"]).output()?;
        ensure!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout)?;
        Ok(text
            .lines()
            .filter_map(|line| line.rsplit_once(", ").filter(|_| !line.starts_with('#')))
            .map(|(_, md5)| md5.to_owned())
            .collect())
    };
    let (ours, theirs): (Vec<String>, Vec<String>) = (frames(playlist)?, frames(source)?);
    ensure!(ours == theirs && ours.len() == 260, "{} frames became {}", theirs.len(), ours.len());
    Ok(())
}

/// DASH-IF Interoperability Points 3.2.9: the set of key frames names the set that it is of, keeps the schema, and its segments hold the key
/// frames of the source, each until the next one, in either layout and encrypted too.
#[test]
fn key_frames_are_a_set_of_the_mpd() -> Result<()> {
    if !ffmpeg::is_there("ffmpeg") || !ffmpeg::is_there("ffprobe") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    clip(folder.path(), "48")?;
    let keys = "{\"keys\": [{\"kid\": \"00112233445566778899aabbccddeeff\", \"key\": \"0f0e0d0c0b0a09080706050403020100\"}]}";
    fs::write(folder.path().join("keys.json"), keys)?;
    let schema = Schema::open(folder.path())?;
    let source = key_frames(&folder.path().join("clip.mp4"))?;
    for extra in [&[][..], &["--layout", "single-file"], &["--encrypt", "cenc", "--keys", "keys.json"]] {
        let out = folder.path().join("out");
        let ran = run(&[&["package", "clip.mp4", "-o", "out", "--dash-trick-modes"], extra].concat(), folder.path())?;
        ensure!(ran.code == Some(0), "{ran:?}");
        let verified = run(&["verify", "out"], folder.path())?;
        ensure!(verified.code == Some(0), "{verified:?}");
        if let Some(schema) = &schema {
            schema.check(&out.join("manifest.mpd"))?;
        }
        let mpd = fs::read_to_string(out.join("manifest.mpd"))?;
        let (_, set) = mpd.rsplit_once("<AdaptationSet ").context("no set")?;
        for expected in [
            "id=\"3\" contentType=\"video\"",
            "<EssentialProperty schemeIdUri=\"http://dashif.org/guidelines/trickmode\" value=\"1\"/>",
            "<Representation id=\"k1\" codecs=\"avc1.",
            " sar=\"1:1\" maxPlayoutRate=\"43\" codingDependency=\"false\">",
        ] {
            ensure!(set.contains(expected), "{expected} is not in {set}");
        }
        ensure!(!out.join("k1/media.m3u8").exists(), "HLS has its own way");
        if extra.contains(&"--encrypt") {
            fs::remove_dir_all(out)?;
            continue;
        }
        let together = folder.path().join("keys.mp4");
        let files = match extra {
            [] => vec!["init.mp4", "1.m4s", "2.m4s", "3.m4s"],
            _ => vec!["media.mp4"],
        };
        let parts: Vec<Vec<u8>> = files.iter().map(|name| fs::read(out.join("k1").join(name))).collect::<Result<_, _>>()?;
        fs::write(&together, parts.concat())?;
        let read = ffmpeg::packets(&together, View::Edited)?;
        let facts = |packet: &Packet| (packet.pts, packet.key, packet.hash.clone());
        ensure!(read.iter().map(facts).eq(source.iter().map(facts)), "{read:?}, expected {source:?}");
        let complaints = ffmpeg::decoding_errors(&together, 0)?;
        ensure!(complaints.is_empty(), "{complaints}");
        fs::remove_dir_all(out)?;
    }
    Ok(())
}
