//! Publishing over RTMP: other people's encoders, a writer of what they cannot yet, and peers that mean no good.

#![allow(clippy::unwrap_used, reason = "these are tests, though not all marked as such")]

#[path = "live_support.rs"]
mod support;

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use reelway_core::demux::stream::{Item, StreamDemuxer};
use reelway_tests::ffmpeg::{self, View, is_there};
use support::{FILM, Running, SHORT, SOURCE, Studio, transport::soon};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

/// What must be the same of two ways to publish: the bytes of each sample, and when it is decoded and shown, in milliseconds from the
/// first.
fn samples(file: &Path) -> Vec<(String, bool, i64, i64)> {
    let scale = ffmpeg::streams(file).unwrap()[0].timescale.unwrap();
    let packets = ffmpeg::packets(file, View::Raw).unwrap();
    let first = packets.iter().filter_map(|packet| packet.dts).min().unwrap();
    let millis = |ticks: Option<i64>| (ticks.unwrap() - first) * 1000 / scale;
    packets.into_iter().map(|packet| (packet.hash, packet.key, millis(packet.dts), millis(packet.pts))).collect()
}

/// Compares the renditions of two streams that are over.
async fn are_alike(studio: &Studio, [one, other]: [&str; 2], renditions: &[&str], at_least: usize) {
    for rendition in renditions {
        let mut found = Vec::new();
        for stream in [one, other] {
            let bytes = studio.download(stream, rendition).await;
            found.push(samples(&studio.write(&format!("{stream}-{rendition}.mp4"), &bytes)));
        }
        let [one, other] = [&found[0], &found[1]];
        assert_eq!(one.len(), other.len(), "{rendition}");
        assert!(one.len() >= at_least, "{rendition}: {}", one.len());
        for (number, (a, b)) in one.iter().zip(other).enumerate() {
            assert_eq!((&a.0, a.1), (&b.0, b.1), "{rendition} {number}");
            assert!((a.2 - b.2).abs() <= 1 && (a.3 - b.3).abs() <= 1, "{rendition} {number}: {a:?} {b:?}");
        }
    }
}

fn publish(url: &str) -> Running {
    let film = FILM.0.to_str().unwrap();
    Running::start("ffmpeg", &["-nostdin", "-v", "error", "-re", "-i", film, "-c", "copy", "-f", "flv", url])
}

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_by_rtmp_and_rtmps_is_as_by_http() {
    if !is_there("ffmpeg") {
        return;
    }
    let studio = Studio::new(SHORT);
    let rtmp = studio.rtmp();
    assert_eq!(studio.put("/ingest/http", FILM.1.clone()).await.status, StatusCode::OK);
    let (plain, secure) = (publish(&format!("rtmp://{rtmp}/live/plain")), publish(&format!("rtmps://{rtmp}/live/secure")));
    assert!(plain.ended().await && secure.ended().await);
    // Sample by sample; ffmpeg says that it ends, so the streams are over at once.
    are_alike(&studio, ["plain", "http"], &["v1", "a1"], 75).await;
    are_alike(&studio, ["secure", "http"], &["v1", "a1"], 75).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gstreamer_by_rtmp() {
    if !is_there("gst-launch-1.0") {
        return;
    }
    let studio = Studio::new(SHORT);
    let location = format!("location=rtmp://{}/live/gst", studio.rtmp());
    let film = format!("location={}", FILM.0.display());
    let arguments = [
        "-q",
        "flvmux",
        "name=m",
        "streamable=true",
        "!",
        "rtmp2sink",
        &location,
        "filesrc",
        &film,
        "!",
        "qtdemux",
        "name=d",
        "d.video_0",
        "!",
        "queue",
        "!",
        "h264parse",
        "!",
        "m.",
        "d.audio_0",
        "!",
        "queue",
        "!",
        "aacparse",
        "!",
        "m.",
    ];
    let _encoder = Running::start("gst-launch-1.0", &arguments);
    studio.until("/live/gst/master.m3u8", |answer| answer.status == StatusCode::OK).await;
    let bytes = studio.download("gst", "v1").await;
    assert!(samples(&studio.write("gst.mp4", &bytes)).len() >= 70);
    let bytes = studio.download("gst", "a1").await;
    assert!(samples(&studio.write("gst-a.mp4", &bytes)).len() >= 130);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_publish_by_rtmp() {
    if !is_there("ffmpeg") {
        return;
    }
    let studio = Studio::new(&format!("{SHORT}[stream.shut]\nkey = \"hush\"\n"));
    let rtmp = studio.rtmp();
    for (name, welcome) in [
        ("shut?key=hush", true),
        ("shut", false),
        ("shut?key=wrong", false),
        ("shut~wrong", false),
        (".hidden", false),
        ("shut~hush", true),
    ] {
        let ended = publish(&format!("rtmp://{rtmp}/live/{name}")).ended().await;
        assert_eq!(ended, welcome, "{name}");
    }
    assert!(!publish(&format!("rtmp://{rtmp}/other/open")).ended().await, "no such application");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoder_that_is_cut_off_and_comes_back() {
    if !is_there("ffmpeg") {
        return;
    }
    let studio = Studio::new(SHORT);
    let rtmp = studio.rtmp();
    let url = format!("rtmp://{rtmp}/live/back");
    let source = |url: &str| Running::start("ffmpeg", &[&SOURCE[..], &["-f", "flv", url]].concat());
    let first = source(&url);
    studio.until("/live/back/v1/media.m3u8", |answer| answer.text().matches("#EXTINF").count() >= 2).await;
    drop(first); // killed: no word of an end
    let _second = source(&url);
    // What is missing is a gap where it is long enough for one, else a discontinuity.
    let goes_on = |text: &str| {
        let missing = text.rfind("#EXT-X-DISCONTINUITY\n").max(text.rfind("#EXT-X-GAP\n"));
        missing.is_some_and(|at| text[at..].matches("#EXTINF").count() >= 2)
    };
    let text = studio.until("/live/back/v1/media.m3u8", |answer| goes_on(&answer.text())).await.text();
    assert!(!text.contains("#EXT-X-ENDLIST"), "{text}");
}

/// Writes what an encoder of Enhanced RTMP sends: a message in one chunk.
fn message(kind: u8, timestamp: u32, body: &[u8]) -> Vec<u8> {
    let (length, time) = ((u32::try_from(body.len()).unwrap()).to_be_bytes(), timestamp.to_be_bytes());
    [&[3][..], &time[1..], &length[1..], &[kind, 1, 0, 0, 0], body].concat()
}

fn hello(name: &str) -> Vec<u8> {
    let text = |text: &str| [&[2][..], &u16::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat();
    let number = |number: f64| [&[0][..], &number.to_be_bytes()].concat();
    let app = [&[3, 0, 3][..], b"app", &text("live"), &[0, 0, 9]].concat();
    let commands = [
        [text("connect"), number(1.0), app].concat(),
        [text("createStream"), number(2.0), vec![5]].concat(),
        [text("publish"), number(3.0), vec![5], text(name), text("live")].concat(),
    ];
    let mut bytes = vec![3];
    bytes.resize(1 + 2 * 1536, 0);
    bytes.extend(message(1, 0, &(1u32 << 20).to_be_bytes()));
    bytes.extend(commands.iter().flat_map(|command| message(20, 0, command)));
    bytes
}

/// The content of a box within a sample entry.
fn content(entry: &[u8], name: [u8; 4]) -> &[u8] {
    let at = entry.windows(4).position(|window| *window == name).unwrap();
    let length = u32::from_be_bytes(entry[at - 4..at].try_into().unwrap()) as usize;
    &entry[at + 4..at - 4 + length]
}

/// A fragmented MP4 as an encoder of Enhanced RTMP sends it, each track as track 0 of its kind; `multitrack`: in tags for several.
fn enhanced(film: &Bytes, name: &str, multitrack: bool) -> Vec<u8> {
    let mut demuxer = StreamDemuxer::new();
    demuxer.push(film.clone()).unwrap();
    let (mut bytes, mut tracks) = (hello(name), Vec::new());
    while let Some(item) = demuxer.poll() {
        let (index, kind, sample) = match item {
            Item::Header(told) => {
                tracks = told;
                for track in &tracks {
                    let entry = &track.sample_entries[0];
                    let (kind, codec, config) = match &entry[4..8] {
                        b"hvc1" | b"hev1" => (9, "hvc1", content(entry, *b"hvcC").to_vec()),
                        b"avc1" => (9, "avc1", content(entry, *b"avcC").to_vec()),
                        b"av01" => (9, "av01", content(entry, *b"av1C").to_vec()),
                        b"vp09" => (9, "vp09", content(entry, *b"vpcC")[4..].to_vec()),
                        b"Opus" => {
                            let config = content(entry, *b"dOps");
                            let mut head = [b"OpusHead\x01".as_slice(), &config[1..]].concat();
                            head[10..12].reverse();
                            head[12..16].reverse();
                            head[16..18].reverse();
                            (8, "Opus", head)
                        }
                        b"fLaC" => (8, "fLaC", [b"fLaC", &content(entry, *b"dfLa")[4..]].concat()),
                        b"ac-3" => (8, "ac-3", Vec::new()),
                        b"ec-3" => (8, "ec-3", Vec::new()),
                        other => panic!("{}", other.escape_ascii()),
                    };
                    if !config.is_empty() || kind == 9 {
                        bytes.extend(message(kind, 0, &tag(kind, codec, 0, true, &config, multitrack)));
                    }
                }
                continue;
            }
            Item::Sample { track, sample } => (track, if tracks[track].dimensions.0 > 0 { 9 } else { 8 }, sample),
            _ => continue,
        };
        let track = &tracks[index];
        // There is no edit list: what is shown first stands as far behind the start in all tracks.
        let scale = i64::from(track.timescale.get());
        let millis = |ticks: i64| (ticks * 1000 + scale / 2).div_euclid(scale);
        let latest = tracks.iter().map(|track| -track.shift * 1000 / i64::from(track.timescale.get())).max().unwrap();
        let time = u32::try_from(millis(i64::try_from(sample.decode_time).unwrap() + track.shift) + latest).unwrap();
        let codec = String::from_utf8_lossy(&track.sample_entries[0][4..8]).replace("hev1", "hvc1");
        let mut body = Vec::new();
        if matches!(codec.as_str(), "hvc1" | "avc1") {
            let composition = i64::from(sample.composition_offset) * 1000 / i64::from(track.timescale.get());
            body.extend(&i32::try_from(composition).unwrap().to_be_bytes()[1..]);
        }
        body.extend(sample.payload.concat());
        bytes.extend(message(kind, time, &tag(kind, &codec, 1, sample.sync, &body, multitrack)));
    }
    let end = b"\x02\x00\x0cdeleteStream\x00\0\0\0\0\0\0\0\0\x05";
    bytes.extend(message(20, 0, end));
    bytes
}

fn tag(kind: u8, codec: &str, packet: u8, sync: bool, body: &[u8], multitrack: bool) -> Vec<u8> {
    let first = if kind == 9 { 0x80 | if sync { 0x10 } else { 0x20 } } else { 0x90 };
    if multitrack {
        let several = if kind == 9 { 6 } else { 5 };
        return [&[first | several, packet][..], codec.as_bytes(), &[0], body].concat();
    }
    [&[first | packet][..], codec.as_bytes(), body].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn enhanced_rtmp_is_as_by_http() {
    if !is_there("ffmpeg") {
        return;
    }
    let studio = Studio::new(SHORT);
    let rtmp = studio.rtmp();
    for (number, (video, audio, multitrack)) in [
        (&["libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=25"][..], &["eac3"][..], false),
        (&["libsvtav1", "-preset", "12", "-svtav1-params", "keyint=25"], &["libopus"], true),
        (&["libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "25"], &["flac", "-strict", "-2"], false),
        (&["libx264", "-preset", "ultrafast", "-g", "25", "-bf", "2"], &["ac3"], true),
    ]
    .into_iter()
    .enumerate()
    {
        let path = studio.folder.path().join(format!("{number}.mp4"));
        let source = ["-f", "lavfi", "-i", "testsrc=size=320x180:rate=25", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"];
        let form =
            ["-t", "3", "-movflags", "+frag_keyframe+empty_moov+delay_moov+default_base_moof", "-frag_duration", "200000", "-f", "mp4"];
        let words = [&source[..], &["-pix_fmt", "yuv420p", "-c:v"], video, &["-c:a"], audio, &form].concat();
        ffmpeg::run(words, &path).unwrap();
        let film = Bytes::from(fs::read(&path).unwrap());
        let (by_rtmp, by_http) = (format!("r{number}"), format!("h{number}"));
        assert_eq!(studio.put(&format!("/ingest/{by_http}"), film.clone()).await.status, StatusCode::OK);
        let bytes = enhanced(&film, &by_rtmp, multitrack);
        let mut stream = TcpStream::connect(rtmp).await.unwrap();
        let sent = async {
            let (mut reads, mut writes) = stream.split();
            let mut answers = Vec::new();
            let _ = tokio::join!(writes.write_all(&bytes), reads.read_to_end(&mut answers));
            answers
        };
        let answers = soon(sent).await;
        let told = String::from_utf8_lossy(&answers);
        assert!(told.contains("NetStream.Publish.Start") && !told.contains("NetStream.Publish.BadName"), "{video:?}: {told}");
        are_alike(&studio, [&by_rtmp, &by_http], &["v1", "a1"], 30).await;
    }
}

/// What a peer gets until the connection is closed.
async fn exchange(rtmp: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(rtmp).await.unwrap();
    let (mut reads, mut writes) = stream.split();
    let mut answers = Vec::new();
    let _ = soon(async { tokio::join!(writes.write_all(bytes), reads.read_to_end(&mut answers)) }).await;
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_mean_no_good() {
    let studio = Studio::new(SHORT);
    let rtmp = studio.rtmp();
    let shake = || hello("x")[..=2 * 1536].to_vec();
    let flood: Vec<u8> = (2..=63).flat_map(|id| [&[id, 0, 0, 0, 0, 4, 0, 9, 1, 0, 0, 0][..], &[0; 128]].concat()).collect();
    for (why, bytes) in [
        ("HTTP", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
        ("encrypted RTMP", vec![6; 4000]),
        ("a TLS record that is none", vec![0x16; 4000]),
        ("a huge chunk size", [shake(), message(1, 0, &u32::MAX.to_be_bytes())].concat()),
        ("a huge message", [shake(), vec![3, 0, 0, 0, 0xff, 0xff, 0xff, 9, 1, 0, 0, 0]].concat()),
        ("a flood of chunk streams", [shake(), flood].concat()),
        ("media before it may", [shake(), message(9, 0, &[0x17, 0, 0, 0, 0])].concat()),
        ("a command that is none", [shake(), message(20, 0, &[10, 0xff, 0xff, 0xff, 0xff])].concat()),
        ("media that is none", [hello("x"), message(9, 0, &[0x17, 0])].concat()),
    ] {
        let answers = exchange(rtmp, &bytes).await;
        assert!(answers.len() < 16 << 10, "{why}: {}", answers.len());
    }
    // Nobody waits for ever for a peer that says nothing, nor for one that says half of it.
    let (silent, half) = (exchange(rtmp, &[]), exchange(rtmp, &[3; 100]));
    soon(async { tokio::join!(silent, half) }).await;
    // As many as one address may have; others find no room, and room when those are gone.
    let mut many = Vec::new();
    for _ in 0..40 {
        many.push(TcpStream::connect(rtmp).await.unwrap());
    }
    drop(many);
    soon(async {
        while !String::from_utf8_lossy(&exchange(rtmp, &[hello("x"), message(9, 0, &[0x17, 0])].concat()).await).contains("Publish.Start") {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}
