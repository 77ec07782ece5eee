//! What fuzz targets begin with: our fixtures, ffmpeg's files, and real and broken ones where they are.

use std::{collections::BTreeSet, fs};

use anyhow::Result;
use base64::{Engine, prelude::BASE64_STANDARD};
use reelway::ingest::srt::handshake::{answer, induction};
use reelway_core::{
    Demuxer,
    boxes::{
        children,
        sample_entry::{read_descriptions, read_entry},
    },
    coding::Reader,
};
use serde_json::json;

use super::{
    configuration::{FORMS, WHOLE},
    publication::PUBLISHED,
};
use crate::{
    captions::{CC1, CC3, PADDING, message},
    files,
    movie::Movie,
    surgery::boxed,
    synthetic,
};

/// Files larger than this are seeds without their media: it is boxes that are read.
const SMALL: usize = 24 << 10;
/// What is still larger teaches nothing that a smaller one does not, and slows everything.
const MOST: usize = 96 << 10;

/// Whole files.
pub fn movies() -> Result<Vec<Vec<u8>>> {
    let mut seeds = BTreeSet::from([Movie::simple(1, 1).write(), Movie { moov_first: false, ..Movie::simple(2, 2) }.write()]);
    // The renditions as files: fragments, and an index before them.
    for files in &*PUBLISHED {
        for (name, header) in files.0.iter().filter(|(name, _)| name.ends_with("init.mp4")) {
            let folder = name.trim_end_matches("init.mp4");
            let segments = (1..=3).filter_map(|number| files.0.get(&format!("{folder}{number}.m4s")));
            seeds.insert(segments.fold(header.clone(), |file, segment| [file, segment.clone()].concat()));
        }
        seeds.extend(files.0.iter().filter(|(name, _)| name.ends_with("media.mp4")).map(|(_, file)| file.clone()));
    }
    let made = synthetic::files()?.unwrap_or_default();
    let shared = ["real", "bad"].into_iter().filter_map(files::shared_media).flatten();
    for path in made.into_iter().chain(shared) {
        let file = fs::read(&path)?;
        seeds.insert(if file.len() > SMALL { without_media(&file) } else { file });
    }
    Ok(seeds.into_iter().filter(|seed| seed.len() <= MOST).collect())
}

/// Files of fragments, to be read in pieces of some lengths.
pub fn streams() -> Result<Vec<Vec<u8>>> {
    let fragmented = movies()?.into_iter().filter(|file| file.windows(4).any(|window| window == b"moof"));
    Ok(fragmented.map(|file| [&[3, 1, 7, 200], file.as_slice()].concat()).collect())
}

/// Packets of a transport stream without their first bytes: a list of programs, its table, and elementary streams that begin.
pub fn packets() -> Result<Vec<Vec<u8>>> {
    let packet = |pid: u16, content: &[u8]| {
        let [high, low] = pid.to_be_bytes();
        let mut packet = [&[0x40 | high, low, 0x10], content].concat();
        packet.resize(187, 0xff);
        packet
    };
    let programs = packet(0, &[0, 0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0, 0x2a, 0xb1, 0x04, 0xb2]);
    let streams = packet(0x1000, &[0, 2, 0xb0, 18, 0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0, 0x1b, 0xe1, 0, 0xf0, 0, 0x15, 0xbd, 0x4d, 0x56]);
    let pictures = packet(0x100, &[0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5, 0x21, 0, 1, 0, 1, 0, 0, 0, 1, 0x67, 0x4d, 0x40, 0x0d]);
    Ok(vec![[vec![3, 1, 7, 200], programs, streams, pictures.clone(), pictures].concat()])
}

/// What callers of SRT send first.
pub fn callers() -> Result<Vec<Vec<u8>>> {
    let first = induction();
    let answered = answer(&first, 9, 7);
    // A conclusion, with a version, a stream id and a request for a key.
    let mut last = answered.clone();
    last.splice(36..40, [0xff; 4]);
    last.extend(b"\0\x01\0\x03\0\x01\x05\x01\0\0\0\xbf\0\x78\0\x78\0\x05\0\x05::!#en=rm,swbup=hsil\0\x03\0\x01\x12\x20\x29\x02");
    Ok([first, answered, last].into())
}

/// What peers of WebRTC bring: a certificate with a key of P-256 and nothing else of interest, and pictures and sound, of which some is lost.
pub fn peers() -> Result<Vec<Vec<u8>>> {
    let element = |kind: u8, content: &[u8]| [&[kind, u8::try_from(content.len()).unwrap_or(0)], content].concat();
    let curve = [element(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1]), element(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7])].concat();
    let key = element(0x30, &[element(0x30, &curve), element(3, &[0, 4, 1, 2])].concat());
    let empty = element(0x30, &[]);
    let signed = [element(0xa0, &element(2, &[2])), element(2, &[1]), empty.clone(), empty.clone(), empty.clone(), empty, key].concat();
    let certificate = element(0x30, &element(0x30, &signed));
    let unit = |kind: u8, time: u32, payload: &[u8]| {
        let length = [u8::try_from(payload.len()).unwrap_or(0)];
        [&[kind][..], &time.to_be_bytes(), &[0, 20], &(time / 2).to_be_bytes(), &length, payload].concat()
    };
    let sets = b"\0\0\0\x01\x67\x42\xc0\x0d\xda\x05\x06\x7e\x7c\x04\x40\0\0\x03\0\x40\0\0\x0c\x83\xc5\x0a\xa8\0\0\0\x01\x68\xce\x0f\xc8";
    let key_frame = [&sets[..], b"\0\0\0\x01\x65\x88\x84"].concat();
    let units = [
        unit(9, 960, b"\xfc\x01"),
        unit(8, 1800, &key_frame),
        unit(1, 4800, b"\xfc\x01"),
        unit(0, 5400, b"\0\0\0\x01\x41\x9a\x02"),
        unit(2, 9000, b"\0\0\0\x01\x41\x9a\x02"),
        unit(0, 90_000, &key_frame),
    ];
    Ok([certificate, units.concat()].into())
}

/// Peers that publish over RTMP: pieces of some lengths, then messages in one chunk each: commands, what the encoder says of all,
/// descriptions, frames by number and by FourCC, several tracks in a tag, several tags in a message.
pub fn publishers() -> Result<Vec<Vec<u8>>> {
    let message = |kind: u8, time: u8, body: &[u8]| {
        let length = u32::try_from(body.len()).unwrap_or(0).to_be_bytes();
        [&[3, 0, 0, time], length.get(1..).unwrap_or_default(), &[kind, 1, 0, 0, 0], body].concat()
    };
    let connect = b"\x02\0\x07connect\0\x3f\xf0\0\0\0\0\0\0\x03\0\x03app\x02\0\x04live\0\0\x09";
    let publish = b"\x02\0\x07publish\0\0\0\0\0\0\0\0\0\x05\x02\0\x01a";
    let metadata =
        b"\x02\0\x0aonMetaData\x08\0\0\0\x02\0\x0cvideocodecid\0\x40\x1c\0\0\0\0\0\0\0\x0caudiocodecid\0\x40\x24\0\0\0\0\0\0\0\0\x09";
    let avc = b"\x17\0\0\0\0\x01\x42\xc0\x0d\xff\xe1\0\x18\x67\x42\xc0\x0d\xda\x05\x06\x7e\x7c\x04\x40\0\0\x03\0\x40\0\0\x0c\x83\xc5\x0a\xa8\x01\0\x04\x68\xce\x0f\xc8";
    let (key, frame) = (b"\x17\x01\0\0\x28\0\0\0\x02\x65\x09", b"\x27\x01\0\0\0\0\0\0\x02\x41\x09");
    let tag = [&[9, 0, 0, 11, 0, 0, 80, 0, 0, 0, 0], &frame[..], &[0, 0, 0, 22]].concat();
    let start = [message(1, 0, &[0, 1, 0, 0]), message(20, 0, connect), message(20, 0, publish)].concat();
    let one =
        [message(18, 0, metadata), message(9, 0, avc), message(8, 0, b"\xaf\0\x11\x90"), message(9, 0, key), message(8, 21, b"\xaf\x01x")];
    let other = [
        message(9, 0, b"\x90av01\x81\0\x0c\0\x0a\x0a\0\0\0\x02\xaf\xff\xbf\xff\x30\x08"),
        message(8, 0, b"\x95\0Opus\0OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0"),
        message(9, 0, b"\x96\x11av01\0\0\0\x01x"),
        message(8, 0, b"\x91Opus\xfc\0"),
        message(8, 20, b"\x97\x02\0\0\x09\x01Opus\xfc\0"),
    ];
    let lengths = [3, 1, 7, 200];
    Ok(vec![
        [&lengths[..], &start, &one.concat(), &message(22, 40, &[tag.clone(), tag].concat()), &message(9, 120, frame)].concat(),
        [&lengths[..], &start, &other.concat(), &message(9, 40, b"\xa1av01x")].concat(),
    ])
}

/// The file with nothing in its `mdat`: moved and empty, it is as long as the index of its samples allows.
fn without_media(file: &[u8]) -> Vec<u8> {
    let mut left = Vec::new();
    let mut at = 0usize;
    for (name, content) in children(Reader::new(file, 0)).filter_map(Result::ok) {
        let start = usize::try_from(content.position()).unwrap_or(usize::MAX);
        let end = start.saturating_add(content.remaining());
        if &name.0 == b"mdat" {
            left.extend(boxed("mdat", &[]));
        } else {
            left.extend(file.get(at..end).unwrap_or_default());
        }
        at = end;
    }
    left
}

/// The contents of all boxes called `name` in a file, however deep in the usual containers.
fn contents<'a>(bytes: Reader<'a>, name: [u8; 4], found: &mut Vec<&'a [u8]>) {
    for (inner, content) in children(bytes).filter_map(Result::ok) {
        if inner.0 == name {
            found.push(content.rest());
        } else if matches!(&inner.0, b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl") {
            contents(content, name, found);
        }
    }
}

fn all_contents(name: [u8; 4]) -> Result<BTreeSet<Vec<u8>>> {
    let mut all = BTreeSet::new();
    for movie in movies()? {
        let mut found = Vec::new();
        contents(Reader::new(&movie, 0), name, &mut found);
        all.extend(found.into_iter().map(<[u8]>::to_vec));
    }
    Ok(all)
}

/// Contents of `moof`, behind the defaults of a `trex`.
pub fn fragments() -> Result<Vec<Vec<u8>>> {
    Ok(all_contents(*b"moof")?.into_iter().map(|content| [&[2, 9, 1], content.as_slice()].concat()).collect())
}

/// Sample entries, whole and as their configurations alone.
pub fn configurations() -> Result<Vec<Vec<u8>>> {
    let mut seeds = BTreeSet::new();
    for content in all_contents(*b"stsd")? {
        for entry in read_descriptions(Reader::new(&content, 0)).unwrap_or_default() {
            for (number, (handler, name, config)) in (0u8..).zip(FORMS) {
                if entry.name.0 != *name {
                    continue;
                }
                seeds.insert([&[number | WHOLE, 0], entry.content.rest()].concat());
                let visual = (handler == b"vide").then(|| entry.visual().ok()?.find(*config)).flatten();
                let audio = (handler == b"soun").then(|| entry.audio().ok()?.find(*config)).flatten();
                if let Some(config) = visual.or(audio) {
                    seeds.insert([&[number, 0], config.rest()].concat());
                }
            }
        }
    }
    Ok(seeds.into_iter().collect())
}

/// The first samples of each video, behind its configuration.
pub fn samples() -> Result<Vec<Vec<u8>>> {
    const CODECS: [&[u8; 4]; 4] = [b"avcC", b"hvcC", b"av1C", b"vpcC"];
    let mut seeds = BTreeSet::new();
    let made = synthetic::files()?.unwrap_or_default();
    for path in made.into_iter().chain(files::shared_media("real").unwrap_or_default()) {
        let file = fs::read(path)?;
        let mut demuxer = Demuxer::new(file.len() as u64);
        if demuxer.handle(0, &file).is_err() {
            continue;
        }
        let Ok(movie) = demuxer.finish() else { continue };
        for track in &movie.tracks {
            let entry = track.sample_entries.first().map(|entry| read_entry(&mut Reader::new(entry, 0)));
            let Some(Ok(entry)) = entry else { continue };
            let Ok(visual) = entry.visual() else { continue };
            let found = (0u8..).zip(CODECS).find_map(|(number, name)| Some((number, visual.find(*name)?.rest())));
            let Some((number, config)) = found else { continue };
            let Ok(length) = u8::try_from(config.len()) else { continue };
            let mut seed = [&[number, length], config].concat();
            for sample in track.samples.iter().take(3) {
                let range = sample.range();
                let bytes = file.get(usize::try_from(range.start)?..usize::try_from(range.end)?).unwrap_or_default();
                let bytes = bytes.get(..2048).unwrap_or(bytes);
                seed.extend(u16::try_from(bytes.len())?.to_be_bytes());
                seed.extend(bytes);
            }
            seeds.insert(seed);
        }
    }
    Ok(seeds.into_iter().collect())
}

/// First pictures of videos, and pictures with captions in each way that samples hold them.
pub fn pictures() -> Result<Vec<Vec<u8>>> {
    /// The forms of H.264 and H.265 with lengths of four bytes, that of AV1, and what a slice of each begins with.
    const WAYS: [(u8, &[u8], &[u8]); 3] = [(0, &[6], &[0x65, 1]), (1, &[39 << 1, 1], &[19 << 1, 1]), (2, &[4], &[6 << 3 | 2, 1, 1])];
    let rows: [&[[u8; 3]]; 3] =
        [&[PADDING, [0xff, 0x83, 0x24], [0xfe, b'a', 0x42]], &[CC1, CC3, [0xfe, 1, 2]], &[[0xff, 0x02, 0xe1], [0xfe, 0x09, b'b']]];
    let mut seeds = BTreeSet::new();
    for (form, head, slice) in WAYS {
        let mut seed = vec![form];
        for triplets in rows {
            let message = message(triplets);
            let sample = if form == 2 {
                let body = message.get(2..).unwrap_or_default();
                [&[5 << 3 | 2, u8::try_from(body.len() + 1)?], head, body, slice].concat()
            } else {
                let unit = [head, &message].concat();
                let length = |unit: &[u8]| u32::try_from(unit.len()).map(u32::to_be_bytes);
                [&length(&unit)?, unit.as_slice(), &length(slice)?, slice].concat()
            };
            seed.extend(u16::try_from(sample.len())?.to_be_bytes());
            seed.extend(sample);
        }
        seeds.insert(seed);
    }
    // Those of other codecs are read as H.264 once more.
    for seed in samples()? {
        let Some(([codec, length], rest)) = seed.split_first_chunk() else { continue };
        seeds.insert([&[codec % 3], rest.get(usize::from(*length)..).unwrap_or_default()].concat());
    }
    Ok(seeds.into_iter().collect())
}

/// Files of text and samples of text.
pub fn text() -> Result<Vec<Vec<u8>>> {
    let texts = [
        "WEBVTT\n\n00:00.500 --> 00:02.000 line:10% align:start\n<v Ada>Hello <b>there</b>\n\nNOTE no\n\n2\n01:00:02.000 --> 01:00:03.000\nand &amp; so on\n",
        "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n\nSTYLE\n::cue { color: red }\n\nREGION\nid:a\n\n00:00.000 --> 00:01.000\nx\n",
        "1\r\n00:00:01,000 --> 00:00:02,500\r\n<i>Hello</i> {\\an8}there\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000 X1:0 X2:9\r\n- a\r\n- b\r\n",
    ];
    let sample =
        [0, 5, b'H', b'e', b'l', b'l', b'o', 0, 0, 0, 22, b's', b't', b'y', b'l', 0, 1, 0, 0, 0, 5, 0, 1, 1, 18, 255, 255, 255, 255];
    let cue = boxed("vttc", &[boxed("sttg", b"line:1"), boxed("payl", b"Hello")].concat());
    let cue = [&u16::try_from(cue.len())?.to_be_bytes()[..], &cue, &[0, 8], &boxed("vtte", &[])].concat();
    Ok(texts.iter().map(|text| text.as_bytes().to_vec()).chain([sample.to_vec(), cue]).collect())
}

/// Each file of a presentation as it is.
pub fn publications() -> Result<Vec<Vec<u8>>> {
    let mut seeds = Vec::new();
    for (layout, files) in (0u8..).zip(&*PUBLISHED) {
        for (number, (_, content)) in (0u8..).zip(&files.0) {
            seeds.push([&[layout, number], content.as_slice()].concat());
        }
    }
    Ok(seeds)
}

/// What clients send of files before they send the files.
pub fn announcements() -> Result<Vec<Vec<u8>>> {
    let announce = |file: Vec<u8>| {
        let mut demuxer = Demuxer::new(file.len() as u64);
        let mut index = Vec::new();
        while let Some(range) = demuxer.required() {
            let part = file.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)?;
            index.push(json!({ "at": range.start, "bytes": BASE64_STANDARD.encode(part) }));
            demuxer.handle(range.start, part).ok()?;
        }
        Some(json!({ "size": file.len(), "segment": 4000, "name": "film.mp4", "index": index }).to_string().into_bytes())
    };
    Ok(movies()?.into_iter().filter_map(announce).filter(|seed| seed.len() <= SMALL).collect())
}

/// Paths, and fields of ranges and conditions.
pub fn requests() -> Result<Vec<Vec<u8>>> {
    let lines = [
        "/vod/films/a.mp4/v1/12.m4s\nbytes=0-3,5-\n\"tag\"\n*\nW/\"a\", \"tag\"\nSun, 06 Nov 1994 08:49:37 GMT\nSun, 06 Nov 1994 08:49:37 GMT",
        "/media/%2e%2e/a%20b.mp4\nbytes=-4\nSun, 06 Nov 1994 08:49:37 GMT\n\"tag\"",
        "/api/v1/assets\nbytes=1-0",
    ];
    Ok(lines.iter().map(|text| text.as_bytes().to_vec()).collect())
}

/// Fields of codings, and what players tell.
pub fn fields() -> Result<Vec<Vec<u8>>> {
    let lines = [
        "br%3D1200%2Cbs%2Csid%3D%226e2fb550%22\ngzip;q=0.5, br;q=1, *;q=0\nidentity\nbr=3200,d=4004,ot=v,tb=6000\nbl=21300,dl=18500,mtp=25400,nor=\"..%2F2.m4s\",nrr=\"0-\",su\ncid=\"a\\\"b\",pr=1.02,sf=h,sid=\"6e2f\",st=v,v=1\nbs,rtp=12000",
        "\ndeflate\n*",
    ];
    Ok(lines.iter().map(|text| text.as_bytes().to_vec()).collect())
}

/// Streams of HTTP/3 in pieces of some length, with content of some length announced: requests, with frames of unknown kinds and a trailer
/// section, and the control stream and one of QPACK; and a connection of HTTP/2 without its preface.
pub fn request_streams() -> Result<Vec<Vec<u8>>> {
    let frame = |kind: u8, payload: &[u8]| [&[kind, u8::try_from(payload.len()).unwrap_or(0)], payload].concat();
    let fields = frame(1, b"\0\0\xd1\xd7\x50\x01a\xc1");
    let content = [frame(0, b"some "), frame(0x21, b"grease"), frame(0, b""), frame(0, b"content")].concat();
    let settings = frame(4, b"\x01\0\x06\x44\0\x33\x01");
    let update = b"\x80\x0f\x07\0\x05\0u=1,i";
    Ok(vec![
        [&[0, 255], &fields[..]].concat(),
        [&[2, 12], &fields[..], &content].concat(),
        [&[6, 255], &fields[..], &content, &frame(1, b"\0\0\x50\x01b")].concat(),
        [&[3, 255, 0], &settings[..], update, &frame(0x0d, b"\x08"), &frame(7, b"\x04")].concat(),
        vec![1, 255, 2, 0x3f, 0xe1, 0x1f],
        b"\x04\xff\0\0\x07\x10\0\0\0\0\0\0\0\0\x01u=1\0\0\x01\x01\x05\0\0\0\x01\x82\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08".to_vec(),
    ])
}
