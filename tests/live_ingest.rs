//! Encoders: what they push over every protocol, in every manner, becomes a stream of which not a byte is lost; what cannot is refused, with
//! the status that tells why.

#![allow(clippy::unwrap_used, reason = "these are tests, though not all marked as such")]

#[path = "live_support.rs"]
mod support;

use std::{io::ErrorKind, ops::Range, time::Duration};

use bytes::Bytes;
use http::{Method, StatusCode};
use reelway_core::{
    boxes::event::{EventMessage, EventTime},
    time::Timescale,
};
use reelway_tests::{
    cues,
    ffmpeg::{self, is_there},
    movie::Movie,
    stream::{self, Form},
};
use support::{
    FILM, Running, SHORT, Studio, boxes, ffmpeg, fragments, headers_and_segments, samples,
    transport::{ALL, PATIENCE, soon},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

/// What viewers get of `stream` is what was pushed, sample by sample.
async fn is_whole(studio: &Studio, stream: &str) {
    for (rendition, index) in [("v1", 0), ("a1", 1)] {
        let file = studio.write(&format!("{stream}-{rendition}.mp4"), &studio.download(stream, rendition).await);
        assert_eq!(samples(&file, 0), samples(&FILM.0, index), "{rendition} of {stream}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_body_by_every_protocol() {
    let studio = Studio::new(SHORT);
    for protocol in ALL {
        for method in [Method::PUT, Method::POST] {
            let stream = format!("{protocol:?}-{method}");
            let answer = studio.ask_by(protocol, method, &format!("/ingest/{stream}"), &[], FILM.1.clone()).await;
            assert_eq!(answer.status, StatusCode::OK, "{protocol:?}: {}", answer.text());
            is_whole(&studio, &stream).await;
        }
    }
}

/// DASH-IF Live Media Ingest 1.2, Interface-1; live.md 2.3.
#[tokio::test(flavor = "multi_thread")]
async fn files_of_one_encoder() {
    let studio = Studio::new(SHORT);
    let (header, pieces) = fragments(&FILM.1);
    let put = async |path: &str, body: Bytes| studio.put(&format!("/ingest/show/{path}"), body).await.status.as_u16();
    assert_eq!(put("av/init.mp4", Bytes::new()).await, 200, "an encoder tries the way");
    assert_eq!(put("av/1.m4s", pieces[0].clone()).await, 412, "the header comes first");
    assert_eq!(put("av/init.mp4", "this is no video".into()).await, 415);
    assert_eq!(put("av/init.mp4", header.slice(..header.len() / 2)).await, 415, "half a header");
    assert_eq!(put("manifest.mpd", "<MPD/>".into()).await, 200, "ours are our own");
    for _ in 0..2 {
        assert_eq!(put("av/init.mp4", header.clone()).await, 200, "the same header says nothing new");
    }
    for (number, piece) in (1..).zip(&pieces) {
        assert_eq!(put(&format!("av/{number}.m4s"), piece.clone()).await, 200);
        assert_eq!(put(&format!("av/{number}.m4s"), piece.clone()).await, 200, "sent again, it is there already");
    }
    for (method, expected) in [(Method::DELETE, 200), (Method::OPTIONS, 204), (Method::GET, 405), (Method::PATCH, 405)] {
        let answer = studio.ask(method.clone(), "/ingest/show/av/1.m4s", &[], Bytes::new()).await;
        assert_eq!(answer.status.as_u16(), expected, "{method}");
        assert!(method == Method::DELETE || answer.field("allow").contains("PUT"), "{method}");
    }
    is_whole(&studio, "show").await;
}

/// A file that breaks off costs what was not whole of it, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_breaks_off() {
    let studio = Studio::new(SHORT);
    let (header, pieces) = fragments(&FILM.1);
    assert_eq!(studio.put("/ingest/cut/init.mp4", header).await.status, StatusCode::OK);
    let (last, whole) = pieces.split_last().unwrap();
    let head = format!("PUT /ingest/cut/1.m4s HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", pieces[0].len());
    let mut socket = TcpStream::connect(studio.server.plain).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&pieces[0][..pieces[0].len() / 2]).await.unwrap();
    drop(socket);
    for (number, piece) in (1..).zip(whole) {
        let answer = studio.put(&format!("/ingest/cut/{number}.m4s"), piece.clone()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }
    assert_eq!(studio.put("/ingest/cut/99.m4s", last.clone()).await.status, StatusCode::OK);
    is_whole(&studio, "cut").await;
}

/// RFC 9110 14.5: GStreamer sends one body as a series of requests.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_in_a_series_of_requests() {
    let studio = Studio::new(SHORT);
    let film = &FILM.1;
    let mut at = 0;
    while at < film.len() {
        let end = film.len().min(at + 40_000);
        let range = format!("bytes {at}-{}/*", end - 1);
        let fields: &[(&str, &str)] = if at == 0 { &[] } else { &[("content-range", &range)] };
        let answer = studio.ask(Method::PUT, "/ingest/series", fields, film.slice(at..end)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        at = end;
        if at < 100_000 {
            let wrong = studio.ask(Method::PUT, "/ingest/series", &[("content-range", "bytes 7-8/*")], "xx").await;
            assert_eq!(wrong.status, StatusCode::RANGE_NOT_SATISFIABLE, "another place than that where the last one ended");
        }
    }
    is_whole(&studio, "series").await;
    let answer = studio.ask(Method::PUT, "/ingest/series", &[("content-range", "pages 1-2/*")], "xx").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_publish() {
    let studio = Studio::new("[stream.news]\nkey = \"hush\"\n");
    let basic = "Basic bWU6aHVzaA=="; // me:hush
    for (path, fields, expected) in [
        ("/ingest/news", &[][..], 401),
        ("/ingest/news/a.mpd", &[], 401),
        ("/ingest/news~wrong/a.mpd", &[], 403),
        ("/ingest/news/a.mpd", &[("authorization", "Bearer wrong")], 403),
        ("/ingest/news~hush/a.mpd", &[], 200),
        ("/ingest/news/a.mpd", &[("authorization", "Bearer hush")], 200),
        ("/ingest/news/a.mpd", &[("authorization", basic)], 200),
        ("/ingest/other/a.mpd", &[], 200),
        ("/ingest/other/a.mpd", &[("x-forwarded-for", "192.0.2.1")], 401),
    ] {
        let answer = studio.ask(Method::PUT, path, fields, "x").await;
        assert_eq!(answer.status.as_u16(), expected, "{path} {fields:?}");
        assert_eq!(answer.field("www-authenticate").is_empty(), expected != 401, "{path}");
        assert_eq!(answer.field("connection") == "close", expected != 200, "{path}: encoders send on, unless the connection is closed");
    }
}

/// RFC 9110 10.1.1: ffmpeg sends its password only when it was refused before it was asked to go on.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_read_of_a_body_that_is_not_welcome() {
    let studio = Studio::new("[stream.news]\nkey = \"hush\"\n");
    for (path, expected) in
        [("/ingest/news", "HTTP/1.1 401"), ("/ingest/news~wrong", "HTTP/1.1 403"), ("/ingest/news~hush", "HTTP/1.1 100")]
    {
        let mut socket = TcpStream::connect(studio.server.plain).await.unwrap();
        let head = format!("PUT {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut start = [0; 12];
        soon(socket.read_exact(&mut start)).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&start), expected);
        if expected != "HTTP/1.1 100" {
            let mut rest = Vec::new();
            assert!(soon(socket.read_to_end(&mut rest)).await.is_ok(), "the connection ends");
        }
    }
}

/// One encoder a stream; another may come when the first is gone or silent, and goes on with the stream.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_encoder() {
    let studio = Studio::new(SHORT);
    let (header, pieces) = fragments(&FILM.1);
    let open = async || {
        let mut socket = TcpStream::connect(studio.server.plain).await.unwrap();
        let head = "PUT /ingest/two HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let chunk = |piece: &[u8]| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        // Whoever is refused is answered and closed while it still sends, and reads the answer all the same (RFC 9112 9.5, 9.6).
        let sent = socket.write_all(&[head.as_bytes(), &chunk(&header), &chunk(&pieces[0])].concat()).await;
        if let Err(error) = sent {
            assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
        }
        socket
    };
    let mut first = open().await;
    studio.until("/api/v1/streams", |answer| answer.text().contains("\"live\"")).await;
    let mut second = open().await;
    let mut status = [0; 12];
    soon(second.read_exact(&mut status)).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 409", "the first one publishes");
    sleep(Duration::from_millis(1500)).await; // longer than its silence may be
    let _third = open().await;
    soon(first.read_exact(&mut status)).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 409", "it was silent, and another took its place");
}

/// DASH-IF Live Media Ingest 6.5: what the encoder says is one set is one adaptation set, and what it keeps apart is apart.
#[tokio::test(flavor = "multi_thread")]
async fn switching_sets_are_those_of_the_encoder() {
    let studio = Studio::new(SHORT);
    for (name, folders, sets) in
        [("together", ["Switching(a)", "Switching(a)"], 1), ("apart", ["Switching(a)", "Switching(b)"], 2), ("untold", ["x", "y"], 1)]
    {
        let url = |number: usize| format!("/ingest/{name}/{}/Streams({number}.cmfv)", folders[number]);
        let movies = [1, 2].map(|times| {
            let mut movie = Movie::rung(3, times, 25);
            movie.tracks.truncate(1);
            movie
        });
        for (number, movie) in movies.iter().enumerate() {
            assert_eq!(studio.put(&url(number), stream::header(movie)).await.status, StatusCode::OK, "{}", url(number));
        }
        for (number, movie) in movies.iter().enumerate() {
            let media = stream::fragments(movie, &Form::default()).concat();
            assert_eq!(studio.put(&url(number), media).await.status, StatusCode::OK, "{}", url(number));
        }
        let mpd = studio.until(&format!("/live/{name}/manifest.mpd"), |answer| answer.text().contains("id=\"v2\"")).await.text();
        let periods = mpd.matches("<Period ").count();
        assert_eq!(mpd.matches("<AdaptationSet ").count(), sets * periods, "{name}:\n{mpd}");
        assert_eq!(mpd.matches("<Representation ").count(), 2 * periods, "{name}:\n{mpd}");
        assert!(sets == 1 || !mpd.contains("adaptation-set-switching"), "{mpd}");
    }
}

/// ISO/IEC 23009-1 5.10.3.3; DASH-IF Live Media Ingest 6.6: what the encoder says between fragments reaches players, in front of the pictures
/// that it stood before.
#[tokio::test(flavor = "multi_thread")]
async fn event_messages_are_passed_on() {
    let studio = Studio::new(SHORT);
    let (header, pieces) = fragments(&FILM.1);
    let time = EventTime::InSegment(0);
    let event = EventMessage {
        scheme: "urn:scte:scte35:2013:bin",
        value: "9",
        timescale: Timescale::MILLIS,
        time,
        duration: 100,
        id: 3,
        data: b"cue",
    };
    let mut body = header.to_vec();
    for (number, piece) in pieces.iter().enumerate() {
        if number == 7 {
            body.extend_from_slice(&event.to_bytes());
        }
        body.extend_from_slice(piece);
    }
    assert_eq!(studio.put("/ingest/events", body).await.status, StatusCode::OK);
    let mpd = studio.until("/live/events/manifest.mpd", |answer| answer.status == StatusCode::OK).await.text();
    assert!(mpd.contains("<InbandEventStream schemeIdUri=\"urn:scte:scte35:2013:bin\" value=\"9\"/>"), "{mpd}");
    for rendition in ["v1", "a1"] {
        let playlist = studio.ended(&format!("/live/events/{rendition}/media.m3u8")).await;
        let cues: Vec<&str> = playlist.lines().filter(|line| line.starts_with("#EXT-X-DATERANGE:")).collect();
        let [cue] = cues[..] else { panic!("{playlist}") };
        assert!(cue.starts_with("#EXT-X-DATERANGE:ID=\"scte35-3-1\",START-DATE=\"20"), "{cue}");
        assert!(cue.ends_with(",DURATION=0.100,SCTE35-CMD=0x637565"), "{cue}");
    }
    // The eighth fragment of a fifth of a second is in the second segment of a second.
    let mut found = Vec::new();
    for segment in 1..=3 {
        let bytes = studio.get(&format!("/live/events/v1/{segment}.m4s")).await.body;
        let names: Vec<[u8; 4]> = boxes(&bytes).into_iter().map(|(_, name)| name).collect();
        let at = names.iter().position(|name| name == b"emsg");
        assert!(at.is_none_or(|at| names.get(at + 1) == Some(b"moof")), "segment {segment}");
        found.push(at.is_some());
    }
    assert_eq!(found, [false, true, false]);
    is_whole(&studio, "events").await;
}

/// ISO/IEC 14496-30 7; DASH-IF Live Media Ingest 6.4: text in WebVTT samples comes with the pictures in one body or as a track of its own,
/// and is a rendition like others.
#[tokio::test(flavor = "multi_thread")]
async fn text_in_webvtt_samples() {
    /// Where the time line of a source that begins at zero begins, in milliseconds.
    const ZERO: u64 = 10_000;
    const CUES: [(Range<u64>, &str); 3] = [(200..1300, "one"), (1300..1700, "two"), (2200..2600, "three")];
    let studio = Studio::new(SHORT);
    let (header, pieces) = fragments(&FILM.1);
    // A second of text before the pictures of that second.
    let mut body = cues::header_with(header.to_vec(), 3).unwrap();
    for (second, pieces) in (0..).zip(pieces.chunks(5)) {
        body.extend(cues::fragment(3, second * 1000..(second + 1) * 1000, &CUES));
        body.extend(pieces.concat());
    }
    assert_eq!(studio.put("/ingest/together", body).await.status, StatusCode::OK);
    let put = async |file: &str, body: Bytes| studio.put(&format!("/ingest/apart/{file}"), body).await.status;
    assert_eq!(put("Streams(av.cmfv)", header).await, StatusCode::OK);
    assert_eq!(put("Streams(en.cmft)", cues::header().into()).await, StatusCode::OK);
    for (second, pieces) in (0..).zip(pieces.chunks(5)) {
        let text = cues::fragment(1, second * 1000..(second + 1) * 1000, &CUES);
        assert_eq!(put("Streams(en.cmft)", text.into()).await, StatusCode::OK);
        assert_eq!(put("Streams(av.cmfv)", pieces.concat().into()).await, StatusCode::OK);
    }
    for stream in ["together", "apart"] {
        is_whole(&studio, stream).await;
        let playlist = studio.ended(&format!("/live/{stream}/t1/media.m3u8")).await;
        let mut file = studio.get(&format!("/live/{stream}/t1/init-1.mp4")).await.body.to_vec();
        for name in headers_and_segments(&playlist) {
            file.extend(studio.get(&format!("/live/{stream}/t1/{}", name.replace(".vtt", ".m4s"))).await.body);
        }
        let told: Vec<_> = CUES.iter().map(|(times, text)| (times.clone(), (*text).to_owned())).collect();
        assert_eq!(cues::read(file.clone(), ZERO).unwrap(), told, "{stream}");
        let path = studio.write(&format!("{stream}-t1.mp4"), &file);
        if is_there("ffprobe") {
            let read = ffmpeg::streams(&path).unwrap();
            assert_eq!(read.len(), 1, "{read:?}");
        }
        let master = studio.get(&format!("/live/{stream}/master.m3u8")).await.text();
        let text = master.lines().find(|line| line.contains("TYPE=SUBTITLES")).unwrap_or_else(|| panic!("{master}"));
        assert!(text.contains("LANGUAGE=\"en\"") && text.contains("URI=\"t1/media.m3u8\""), "{text}");
        let mpd = studio.get(&format!("/live/{stream}/manifest.mpd")).await.text();
        assert!(mpd.contains("contentType=\"text\" mimeType=\"application/mp4\" lang=\"en\""), "{mpd}");
        let answer = studio.get(&format!("/live/{stream}/t1/1.m4s")).await;
        assert_eq!((answer.field("content-type"), answer.field("cmsd-static")), ("application/mp4", "ot=c,st=l"));
        // HLS has it as WebVTT (RFC 8216bis 3.1.4).
        assert!(playlist.contains("\n1.vtt\n") && !playlist.contains("EXT-X-MAP"), "{playlist}");
        for (file, cues) in [("1.vtt", "00:00:00.200 --> 00:00:01.0"), ("2.vtt", "00:00:00.000 --> 00:00:00.")] {
            let answer = studio.get(&format!("/live/{stream}/t1/{file}")).await;
            assert_eq!((answer.status, answer.field("content-type")), (StatusCode::OK, "text/vtt"), "{file}");
            assert!(
                answer.text().starts_with("WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:")
                    && answer.text().contains(cues)
                    && answer.text().contains("\none\n"),
                "{}",
                answer.text()
            );
        }
        for (file, status) in [("t1/99.vtt", 404), ("v1/1.vtt", 404), ("t1/0.vtt", 404)] {
            assert_eq!(studio.get(&format!("/live/{stream}/{file}")).await.status.as_u16(), status, "{file}");
        }
    }
}

/// Polling what is not there costs nothing that stays.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_polls_of_a_missing_stream() {
    let studio = Studio::new(SHORT);
    let mut client = studio.server.h3().await;
    for round in 0..10_000 {
        let path = format!("/live/missing{}/v1/media.m3u8?_HLS_msn=7&_HLS_part=1", round % 100);
        let request = http::Request::get(format!("https://localhost{path}")).body(Bytes::new()).unwrap();
        assert_eq!(client.fetch(request).await.unwrap().0.status, StatusCode::NOT_FOUND);
    }
    assert!(studio.streams.all().is_empty());
}

/// Waits until the stream has a whole segment, for ffmpeg knows nothing of parts, and has ffprobe read both of its manifests.
async fn plays(studio: &Studio, stream: &str, renditions: usize) {
    for rendition in ["v1", "a1"] {
        studio.until(&format!("/live/{stream}/{rendition}/media.m3u8"), |answer| answer.text().contains("#EXTINF")).await;
    }
    for manifest in ["master.m3u8", "manifest.mpd"] {
        let path = format!("/live/{stream}/{manifest}");
        studio.until(&path, |answer| answer.status == StatusCode::OK).await;
        let url = studio.url(&path);
        let probe = tokio::process::Command::new("ffprobe")
            .args(["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0"])
            .arg(&url)
            .kill_on_drop(true)
            .output();
        let output = timeout(PATIENCE, probe).await.unwrap().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && out.contains("h264") && out.contains("aac"), "{url}: {out} {err}");
        assert!(out.lines().filter(|line| line.contains("h264")).count() >= renditions, "{url}: {out}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_with_one_body() {
    if !is_there("ffmpeg") {
        return;
    }
    let studio = Studio::new(SHORT);
    let url = studio.url("/ingest/mp4");
    let flags = "+frag_keyframe+empty_moov+default_base_moof";
    let _encoder = ffmpeg(&["-movflags", flags, "-frag_duration", "200000", "-f", "mp4", "-method", "PUT", &url]);
    plays(&studio, "mp4", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_with_dash() {
    if !is_there("ffmpeg") {
        return;
    }
    let studio = Studio::new("[stream.dash]\nsegment = \"1s\"\nkey = \"hush\"\n");
    let url = studio.url("/ingest/dash~hush/manifest.mpd");
    let _encoder = ffmpeg(&[
        "-f",
        "dash",
        "-method",
        "PUT",
        "-http_persistent",
        "1",
        "-ldash",
        "1",
        "-streaming",
        "1",
        "-seg_duration",
        "1",
        "-frag_duration",
        "0.2",
        "-frag_type",
        "duration",
        "-use_template",
        "1",
        "-use_timeline",
        "0",
        "-window_size",
        "5",
        "-extra_window_size",
        "2",
        &url,
    ]);
    plays(&studio, "dash", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_with_hls() {
    if !is_there("ffmpeg") {
        return;
    }
    let studio = Studio::new(SHORT);
    let url = studio.url("/ingest/hls/live.m3u8");
    let _encoder = ffmpeg(&[
        "-f",
        "hls",
        "-method",
        "PUT",
        "-hls_segment_type",
        "fmp4",
        "-hls_time",
        "1",
        "-hls_list_size",
        "5",
        "-hls_flags",
        "delete_segments",
        "-http_persistent",
        "1",
        &url,
    ]);
    plays(&studio, "hls", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_with_a_transport_stream() {
    if !is_there("ffmpeg") {
        return;
    }
    let studio = Studio::new(SHORT);
    let url = studio.url("/ingest/ts");
    let _encoder = ffmpeg(&["-f", "mpegts", "-method", "PUT", &url]);
    plays(&studio, "ts", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_with_hls_of_transport_streams() {
    if !is_there("ffmpeg") {
        return;
    }
    let studio = Studio::new(SHORT);
    let url = studio.url("/ingest/hls-ts/live.m3u8");
    let _encoder = ffmpeg(&["-f", "hls", "-method", "PUT", "-hls_time", "1", "-hls_list_size", "5", "-http_persistent", "1", &url]);
    plays(&studio, "hls-ts", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_with_a_file() {
    let studio = Studio::new(SHORT);
    let (url, film) = (studio.url("/ingest/curl"), FILM.0.to_str().unwrap());
    let curl = Running::start("curl", &["-sf", "-H", "Transfer-Encoding: chunked", "--limit-rate", "200k", "-T", film, &url]);
    assert!(curl.ended().await);
    is_whole(&studio, "curl").await;
}

/// The publisher is killed and comes back: the stream goes on under the same addresses, and says what is missing.
#[tokio::test(flavor = "multi_thread")]
async fn an_encoder_that_is_killed_and_comes_back() {
    if !is_there("ffmpeg") {
        return;
    }
    let studio = Studio::new(&SHORT.replace("grace = \"2s\"", "grace = \"30s\""));
    let url = studio.url("/ingest/back");
    let start = || {
        ffmpeg(&[
            "-movflags",
            "+frag_keyframe+empty_moov+default_base_moof",
            "-frag_duration",
            "200000",
            "-f",
            "mp4",
            "-method",
            "PUT",
            &url,
        ])
    };
    let first = start();
    let playlist = "/live/back/v1/media.m3u8";
    let last = |text: &str| text.lines().filter_map(|line| line.strip_suffix(".m4s")?.parse::<u32>().ok()).max().unwrap_or(0);
    let before = last(&studio.until(playlist, |answer| last(&answer.text()) >= 2).await.text());
    drop(first);
    let _second = start();
    let after = studio.until(playlist, |answer| last(&answer.text()) > before + 2).await.text();
    assert!(after.contains("#EXT-X-DISCONTINUITY\n") || after.contains("#EXT-X-GAP"), "{after}");
    assert!(!after.contains("#EXT-X-ENDLIST"), "{after}");
}

/// Two sizes from one encoder are one ladder in both manifests.
#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_with_several_qualities() {
    if !is_there("ffmpeg") {
        return;
    }
    let studio = Studio::new(SHORT);
    let url = studio.url("/ingest/sizes/manifest.mpd");
    let maps = ["-map", "0:v", "-map", "0:v", "-map", "1:a", "-s:v:1", "160x90", "-f", "dash", "-method", "PUT", "-http_persistent", "1"];
    let times = ["-ldash", "1", "-streaming", "1", "-seg_duration", "1", "-frag_duration", "0.2", "-frag_type", "duration"];
    let names = ["-use_template", "1", "-use_timeline", "0", "-adaptation_sets", "id=0,streams=v id=1,streams=a", &url];
    let _encoder = ffmpeg(&[&maps[..], &times, &names].concat());
    plays(&studio, "sizes", 2).await;
    let master = studio.get("/live/sizes/master.m3u8").await.text();
    let mpd = studio.get("/live/sizes/manifest.mpd").await.text();
    for (size, attributes) in [("320x180", "width=\"320\" height=\"180\""), ("160x90", "width=\"160\" height=\"90\"")] {
        assert!(master.contains(&format!("RESOLUTION={size}")) && mpd.contains(attributes), "{master}\n{mpd}");
    }
    assert_eq!(mpd.matches("contentType=\"video\"").count(), 1, "players switch between them: {mpd}");
    // The same numbers are the same stretches of time.
    let dates = async |rendition| {
        let text = studio.get(&format!("/live/sizes/{rendition}/media.m3u8")).await.text();
        let dates: Vec<String> = text.lines().filter(|line| line.starts_with("#EXT-X-PROGRAM")).map(str::to_owned).collect();
        dates
    };
    let (one, other) = (dates("v1").await, dates("v2").await);
    assert!(one.iter().zip(&other).all(|(one, other)| one == other), "{one:?} {other:?}");
}

/// As OBS writes to a URL: its custom output is this muxer of ffmpeg with these settings.
#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_as_obs_has_it() {
    if !is_there("ffmpeg") {
        return;
    }
    let studio = Studio::new(SHORT);
    let url = studio.url("/ingest/obs");
    let _encoder = ffmpeg(&["-movflags", "+frag_every_frame+empty_moov+default_base_moof+delay_moov", "-f", "mp4", &url]);
    plays(&studio, "obs", 1).await;
}

/// Key frames that are 5 s apart: segments follow them where nobody has said how long they are to be, and what is said is kept.
#[tokio::test(flavor = "multi_thread")]
async fn key_frames_that_are_far_apart() {
    if !is_there("ffmpeg") {
        return;
    }
    let studio = Studio::new("[live]\nrecord = false\ngrace = \"1s\"\n[stream.said]\nsegment = \"2s\"\n");
    let far = ["-g", "125", "-keyint_min", "125", "-movflags", "+frag_every_frame+empty_moov+default_base_moof+delay_moov", "-f", "mp4"];
    let urls = ["far", "said"].map(|name| studio.url(&format!("/ingest/{name}")));
    let _encoders = urls.each_ref().map(|url| ffmpeg(&[&far[..], &[url.as_str()]].concat()));
    let playlist = "/live/far/v1/media.m3u8";
    let promised = |text: &str| text.lines().find(|line| line.starts_with("#EXT-X-TARGETDURATION")).map(str::to_owned);
    let first = studio.until(playlist, |answer| answer.status == StatusCode::OK).await.text();
    assert_eq!(first.matches("#EXTINF:5.000000,").count(), 1, "{first}");
    let text = studio.until(playlist, |answer| answer.text().matches("#EXTINF:5.000000,").count() == 2).await.text();
    assert_eq!((promised(&first), promised(&text)), (Some("#EXT-X-TARGETDURATION:7".into()), Some("#EXT-X-TARGETDURATION:7".into())));
    plays(&studio, "far", 1).await;
    let text = studio.ended("/live/said/v1/media.m3u8").await;
    assert_eq!(promised(&text).as_deref(), Some("#EXT-X-TARGETDURATION:4"), "{text}");
}

/// The line of the live page.
#[tokio::test(flavor = "multi_thread")]
async fn gstreamer() {
    if !is_there("gst-launch-1.0") || !is_there("curl") {
        return;
    }
    let studio = Studio::new(SHORT);
    let line = "gst-launch-1.0 -q -e mp4mux name=mux fragment-duration=200 fragment-mode=dash-or-mss streamable=true ! fdsink \
                videotestsrc is-live=true ! video/x-raw,format=I420,width=160,height=90,framerate=30/1 \
                ! x264enc tune=zerolatency key-int-max=30 speed-preset=ultrafast ! h264parse ! mux. \
                audiotestsrc is-live=true ! voaacenc ! aacparse ! mux. | curl -sS -T - \"$0\"";
    // What is before the pipe ends when what is behind it does.
    let _encoder = Running::start("sh", &["-c", line, &studio.url("/ingest/gst")]);
    plays(&studio, "gst", 1).await;
}
