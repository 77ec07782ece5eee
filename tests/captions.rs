//! Closed captions in pictures: found where they are, told in both manifests, and nowhere else.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use reelway_core::{
    Demuxer, Movie as Found,
    codec::{Media, captions::Captions},
    demux::captions::{CaptionSearch, FIRST, HEAD, MORE, PLACES},
};
use reelway_tests::{
    captions::{CC1, CC3, PADDING, message},
    ffmpeg,
    movie::Movie,
    program::run,
    schema::Schema,
};

/// Looks for captions in a file in memory. Returns how often it was read besides.
fn search(file: &[u8]) -> Result<(Captions, u32)> {
    let part = |start: u64, end: u64| file.get(usize::try_from(start).unwrap_or(0)..usize::try_from(end).unwrap_or(0)).unwrap_or_default();
    let mut movie = open(file)?;
    let mut search = CaptionSearch::new(&mut movie);
    let mut reads = 0;
    while let Some(range) = search.required() {
        ensure!(range.start < range.end && range.end - range.start <= HEAD as u64, "{range:?}");
        search.handle(part(range.start, range.end));
        reads += 1;
    }
    let video = movie.tracks.iter().find_map(|track| if let Media::Video(video) = &track.codec.media { Some(video) } else { None });
    Ok((video.context("no video")?.captions, reads))
}

fn open(file: &[u8]) -> Result<Found> {
    let mut demuxer = Demuxer::new(file.len() as u64);
    while let Some(range) = demuxer.required() {
        demuxer.handle(range.start, file.get(usize::try_from(range.start)?..usize::try_from(range.end)?).unwrap_or_default())?;
    }
    Ok(demuxer.finish()?)
}

/// 20 s of reordered pictures, each with what `of` says of it by its number in the order in which they are presented.
fn file(of: impl Fn(usize) -> Vec<[u8; 3]>) -> Result<Vec<u8>> {
    let mut file = Movie::simple(20, 3).write();
    let movie = open(&file)?;
    let pictures = &movie.tracks.first().context("no track")?.samples;
    let mut times: Vec<i64> = pictures.iter().map(|sample| sample.composition_time()).collect();
    times.sort_unstable();
    for sample in pictures {
        let number = times.binary_search(&sample.composition_time()).unwrap_or(0);
        let unit = [&[6][..], &message(&of(number))].concat();
        let slice = u32::try_from(sample.size as usize - 8 - unit.len())?;
        let bytes = [&u32::try_from(unit.len())?.to_be_bytes()[..], &unit, &slice.to_be_bytes(), &[if sample.sync { 0x65 } else { 0x41 }]];
        let start = usize::try_from(sample.offset)?;
        let bytes = bytes.concat();
        file.get_mut(start..start + bytes.len()).context("the sample is not there")?.copy_from_slice(&bytes);
    }
    Ok(file)
}

/// What a picture carries, by its number in the order in which they are presented.
type Of<'a> = &'a dyn Fn(usize) -> Vec<[u8; 3]>;

/// The bound is that of the module: four places of 12 pictures, and of 72 where any of those has captions.
#[test]
fn captions_are_found_in_few_pictures() -> Result<()> {
    let captions = |channels, services| Captions { channels, services };
    // A packet of CTA-708 for service 1 whose three pairs of bytes come with three pictures that follow each other as they are presented.
    let packet = |number: usize| [[0xff, 0x83, 0x24], [0xfe, b'a', b'b'], [0xfe, b'c', b'd']][number % 3];
    let rows: [(&str, Of<'_>, Captions); 7] = [
        ("none", &|_| Vec::new(), captions(0, 0)),
        ("the place is kept", &|_| vec![PADDING], captions(0b0001, 0)),
        ("first channel of both fields", &|n| if n.is_multiple_of(10) { vec![CC1, CC3] } else { vec![PADDING] }, captions(0b0101, 0)),
        ("they begin after two seconds", &|n| if n == 50 { vec![CC3] } else { vec![PADDING] }, captions(0b0101, 0)),
        ("they begin after twelve", &|n| if n > 300 { vec![CC1] } else { Vec::new() }, captions(0b0001, 0)),
        ("between all places", &|n| if (90..120).contains(&n) { vec![CC1] } else { Vec::new() }, captions(0, 0)),
        ("packets over several pictures", &|n| vec![packet(n)], captions(0, 1 << 1)),
    ];
    for (what, of, expected) in rows {
        let (found, reads) = search(&file(of)?)?;
        ensure!(found == expected, "{what}: {found:?}");
        ensure!(reads <= PLACES * if expected.is_empty() { FIRST } else { FIRST + MORE }, "{what}: {reads} reads");
    }
    // Payload that is no NAL units.
    ensure!(search(&Movie::simple(4, 3).write())?.0.is_empty());
    Ok(())
}

/// A byte stream with a message before the first slice of each picture.
fn with_messages(stream: &[u8], hevc: bool) -> Vec<u8> {
    let starts: Vec<usize> = (0..stream.len()).filter(|place| stream.get(*place..place + 4) == Some(&[0, 0, 0, 1])).collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    let mut out = Vec::new();
    let mut number = 0usize;
    for (start, end) in starts.iter().zip(ends) {
        let unit = stream.get(*start..end).unwrap_or_default();
        let header = unit.get(4).copied().unwrap_or(0);
        let slice = if hevc { header >> 1 & 0x3f < 32 } else { (1..=5).contains(&(header & 0x1f)) };
        if slice {
            out.extend([0, 0, 0, 1]);
            out.extend(if hevc { vec![39 << 1, 1] } else { vec![6] });
            out.extend(message(&[if number.is_multiple_of(20) { CC1 } else { PADDING }, [0xff, 0x02, 0x22], [0xfe, b'a', b'b']]));
            number += 1;
        }
        out.extend(unit);
    }
    out
}

/// Whether the decoder of ffmpeg finds captions.
fn probed(path: &Path) -> Result<bool> {
    let probe = ["-v", "error", "-show_frames", "-show_entries", "frame=side_data_list:side_data=side_data_type", "-of", "csv=p=0"];
    let output = Command::new("ffprobe").args(probe).arg(path).output()?;
    Ok(String::from_utf8(output.stdout)?.contains("ATSC A53 Part 4 Closed Captions"))
}

/// ffprobe finds them in what is published; both manifests tell of them (RFC 8216bis 4.4.6.1, 4.4.6.2; SCTE 214-1 6.7.1).
#[test]
fn captions_are_told_in_manifests() -> Result<()> {
    if !ffmpeg::is_there("ffmpeg") || !ffmpeg::is_there("ffprobe") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    let schema = Schema::open(folder.path())?;
    let picture = "-f lavfi -i testsrc2=size=320x180:rate=25:duration=6 -pix_fmt yuv420p -g 50 -bf 0";
    for (name, format, encoder, said) in [
        ("avc", "h264", "-c:v libx264 -x264-params slices=1:threads=1", true),
        ("hevc", "hevc", "-c:v libx265 -preset ultrafast -x265-params log-level=none:bframes=0:slices=1", true),
        ("without", "h264", "-c:v libx264", false),
    ] {
        let (stream, file, out) = (path(&format!("{name}.{format}")), path(&format!("{name}.mp4")), path(name));
        ffmpeg::run(format!("{picture} {encoder} -f {format}").split(' '), &stream)?;
        if said {
            fs::write(&stream, with_messages(&fs::read(&stream)?, format == "hevc"))?;
        }
        let tag = if format == "hevc" { "hvc1" } else { "avc1" };
        let source = stream.to_string_lossy();
        ffmpeg::run(["-r", "25", "-f", format, "-i", &*source, "-c", "copy", "-tag:v", tag], &file)?;
        for command in [&["package", &format!("{name}.mp4"), "-o", name][..], &["verify", name]] {
            let ran = run(command, folder.path())?;
            ensure!(ran.code == Some(0), "{name}: {ran:?}");
        }
        let whole = path("whole.mp4");
        fs::write(&whole, [fs::read(out.join("v1/init.mp4"))?, fs::read(out.join("v1/1.m4s"))?].concat())?;
        ensure!(probed(&whole)? == said, "{name}: ffprobe does not agree");
        let (playlist, mpd) = (fs::read_to_string(out.join("master.m3u8"))?, fs::read_to_string(out.join("manifest.mpd"))?);
        if let Some(schema) = &schema {
            schema.check(&out.join("manifest.mpd"))?;
        }
        let members: Vec<&str> = playlist.lines().filter_map(|line| line.split_once("INSTREAM-ID=").map(|(_, id)| id)).collect();
        let told = [
            "<Accessibility schemeIdUri=\"urn:scte:dash:cc:cea-608:2015\" value=\"CC1=und\"/>",
            "<Accessibility schemeIdUri=\"urn:scte:dash:cc:cea-708:2015\" value=\"1=lang:und\"/>",
        ];
        if said {
            ensure!(members == ["\"CC1\"", "\"SERVICE1\""] && playlist.contains(",CLOSED-CAPTIONS=\"cc\""), "{playlist}");
            ensure!(told.iter().all(|line| mpd.contains(line)), "{mpd}");
        } else {
            ensure!(members.is_empty() && playlist.contains(",CLOSED-CAPTIONS=NONE"), "{playlist}");
            ensure!(!mpd.contains("Accessibility"), "{mpd}");
        }
    }
    Ok(())
}
