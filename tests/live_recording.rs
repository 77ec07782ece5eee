//! Recordings: nothing that a playlist listed is lost, however the server ends; the disk may fail, the server may be stopped, the stream
//! goes on.

#![allow(clippy::unwrap_used, reason = "these are tests, though not all marked as such")]

#[path = "live_support.rs"]
mod support;

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use reelway_tests::{
    cues,
    ffmpeg::{self, is_there},
    movie::Movie,
    program::Serving,
    stream::{self, Form},
};
use support::{
    FILM, SHORT, Studio, headers_and_segments, samples,
    transport::{Protocol, begin, soon},
};
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinHandle, time::sleep};

/// The one recording of `stream`.
fn folder(studio: &Studio, stream: &str) -> std::path::PathBuf {
    let mut sessions = fs::read_dir(studio.folder.path().join("live").join(stream)).unwrap();
    sessions.next().unwrap().unwrap().path()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_a_file_that_plays() {
    if !is_there("ffmpeg") {
        return;
    }
    let studio = Studio::new(&format!("{SHORT}record = true\n"));
    assert_eq!(studio.put("/ingest/show", FILM.1.clone()).await.status, StatusCode::OK);
    studio.ended("/live/show/v1/media.m3u8").await;
    let folder = folder(&studio, "show");
    for (rendition, index) in [("v1", 0), ("a1", 1)] {
        let file = folder.join(format!("{rendition}.mp4"));
        assert_eq!(samples(&file, 0), samples(&FILM.0, index), "{rendition}");
        assert_eq!(ffmpeg::decoding_errors(&file, 0).unwrap(), "");
        assert_eq!(fs::read(&file).unwrap(), studio.download("show", rendition).await, "it is what viewers get");
    }
}

/// Text is recorded as pictures are, is there again when the server is, and is a rendition of the title in the end.
#[tokio::test(flavor = "multi_thread")]
async fn text_outlives_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let movie = Movie::simple(30, 3);
    let header = cues::header_with(stream::header(&movie), 3).unwrap();
    let mut before = String::new();
    for (round, word) in ["before", "after"].into_iter().enumerate() {
        let server = serve(folder.path());
        let mut socket = TcpStream::connect(server.plain).await.unwrap();
        socket.write_all(b"PUT /ingest/show HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
        let mut send = async |piece: &[u8]| {
            socket.write_all(&[format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()).await.unwrap();
        };
        send(&header).await;
        for (second, pieces) in (0..4).zip(stream::fragments(&movie, &Form::default()).chunks(5)) {
            let (start, end) = (second * 1000, second * 1000 + 1000);
            send(&cues::fragment(3, start..end, &[(start + 200..start + 500, word)])).await;
            send(&pieces.concat()).await;
        }
        let whole = soon(async {
            loop {
                let playlist = text(server.plain, "/live/show/t1/media.m3u8").await;
                if playlist.matches("#EXTINF").count() >= before.matches("#EXTINF").count() + 3 {
                    return playlist;
                }
                sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
        assert_eq!(whole.matches("#EXT-X-DISCONTINUITY\n").count(), round, "{whole}");
        before = whole;
        drop(server);
    }
    let server = serve(folder.path());
    let playlist = soon(async {
        loop {
            let playlist = text(server.plain, "/live/show/t1/media.m3u8").await;
            if playlist.contains("#EXT-X-ENDLIST") {
                return playlist;
            }
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let mut file = get(server.plain, "/live/show/t1/init-1.mp4").await.1.to_vec();
    for name in headers_and_segments(&playlist) {
        file.extend(get(server.plain, &format!("/live/show/t1/{}", name.replace(".vtt", ".m4s"))).await.1);
    }
    let first = text(server.plain, "/live/show/t1/1.vtt").await;
    assert!(first.contains("00:00:00.200 --> 00:00:00.500\nbefore\n"), "from the disk: {first}");
    let words: Vec<String> = cues::read(file, 0).unwrap().into_iter().map(|(_, word)| word).collect();
    for word in ["before", "after"] {
        assert!(words.iter().filter(|found| *found == word).count() >= 2, "{words:?}");
    }
    let streams: serde_json::Value = serde_json::from_str(&text(server.plain, "/api/v1/streams").await).unwrap();
    let vod = streams["streams"][0]["vod"].as_str().unwrap().to_owned();
    let master = text(server.plain, &vod).await;
    assert!(master.contains("TYPE=SUBTITLES"), "{master}");
    let of_text = master.lines().find(|line| line.contains("TYPE=SUBTITLES")).unwrap();
    let uri = of_text.split("URI=\"").nth(1).unwrap().split('"').next().unwrap();
    let list = text(server.plain, &vod.replace("master.m3u8", uri)).await;
    let first = list.lines().find(|line| !line.starts_with('#')).unwrap();
    let shown = text(server.plain, &vod.replace("master.m3u8", uri).replace("media.m3u8", first)).await;
    assert!(shown.starts_with("WEBVTT") && shown.contains("before"), "{shown}");
}

/// What is at `path`.
async fn get(server: SocketAddr, path: &str) -> (StatusCode, Bytes) {
    let request = Request::get(format!("http://localhost{path}")).body(Empty::<Bytes>::new()).unwrap();
    let response = soon(begin(None, server, Protocol::H1, request)).await.unwrap();
    (response.status(), soon(response.into_body().collect()).await.unwrap().to_bytes())
}

/// The same as text, once it is there.
async fn text(server: SocketAddr, path: &str) -> String {
    soon(async {
        loop {
            match get(server, path).await {
                (StatusCode::OK, body) => return String::from_utf8(body.to_vec()).unwrap(),
                _ => sleep(Duration::from_millis(30)).await,
            }
        }
    })
    .await
}

/// An encoder that sends a fifth of a second every fifth of a second, until the server is gone. Its samples are so many times as large as
/// usual.
fn encoder(server: SocketAddr, larger: u32) -> JoinHandle<std::io::Result<()>> {
    encoder_of(server, |movie| movie.tracks.iter_mut().flat_map(|track| &mut track.samples).for_each(|sample| sample.size *= larger))
}

/// The same with what it sends changed.
fn encoder_of(server: SocketAddr, change: impl Fn(&mut Movie)) -> JoinHandle<std::io::Result<()>> {
    let mut movie = Movie::simple(30, 3);
    change(&mut movie);
    let pieces = [vec![stream::header(&movie)], stream::fragments(&movie, &Form::default())].concat();
    tokio::spawn(async move {
        let mut socket = TcpStream::connect(server).await?;
        socket.write_all(b"PUT /ingest/show HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await?;
        for piece in pieces {
            socket.write_all(&[format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat()).await?;
            sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    })
}

/// What viewers were told of and got, by rendition and name.
#[derive(Default)]
struct Seen {
    segments: BTreeMap<(&'static str, String), Bytes>,
    /// What must not change while the stream lasts.
    promises: Vec<String>,
}

const RENDITIONS: [&str; 2] = ["v1", "a1"];

impl Seen {
    /// Gets every segment that is listed now and was not before.
    async fn watch(&mut self, server: SocketAddr) {
        for rendition in RENDITIONS {
            let (status, playlist) = get(server, &format!("/live/show/{rendition}/media.m3u8")).await;
            if status != StatusCode::OK {
                continue; // it begins, or is being ended
            }
            for name in headers_and_segments(&String::from_utf8_lossy(&playlist)) {
                let path = format!("/live/show/{rendition}/{name}");
                if let Entry::Vacant(new) = self.segments.entry((rendition, name)) {
                    let (status, bytes) = get(server, &path).await;
                    assert_eq!(status, StatusCode::OK, "{path}");
                    new.insert(bytes);
                }
            }
        }
    }

    /// All that was listed is listed and the same, and players find the promises that they were given.
    async fn is_there(&mut self, server: SocketAddr) {
        let mut promises = Vec::new();
        for rendition in RENDITIONS {
            let playlist = text(server, &format!("/live/show/{rendition}/media.m3u8")).await;
            let listed = headers_and_segments(&playlist);
            for ((_, name), bytes) in self.segments.iter().filter(|((of, _), _)| *of == rendition) {
                assert!(listed.contains(name), "{rendition}/{name} is not in\n{playlist}");
                let (status, found) = get(server, &format!("/live/show/{rendition}/{name}")).await;
                assert!(
                    status == StatusCode::OK && found == *bytes,
                    "{rendition}/{name}: {status}, {} of {} bytes",
                    found.len(),
                    bytes.len()
                );
            }
            let kept = |line: &&str| line.starts_with("#EXT-X-TARGETDURATION") || line.starts_with("#EXT-X-MEDIA-SEQUENCE");
            promises.extend(playlist.lines().filter(kept).map(str::to_owned));
        }
        let mpd = text(server, "/live/show/manifest.mpd").await;
        promises.extend(mpd.split_once("availabilityStartTime=").and_then(|(_, rest)| rest.split('"').nth(1)).map(str::to_owned));
        if !self.promises.is_empty() {
            assert_eq!(self.promises, promises);
        }
        self.promises = promises;
    }
}

/// A moment that nobody chose, so many milliseconds from now at least, and less than a second and a half later.
fn some_time_after(millis: u64) -> Instant {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Instant::now() + Duration::from_millis(millis + u64::from(now.subsec_micros() % 1500))
}

fn serve(folder: &Path) -> Serving {
    let file = folder.join("reelway.toml");
    // All that is listed is to stay listed for as long as the test lasts.
    fs::write(&file, SHORT.replace("20s", "300s")).unwrap();
    Serving::start(folder, &["--config", file.to_str().unwrap()]).unwrap()
}

/// However and whenever the server ends, it goes on with what it had told of; the encoder comes back, and at last does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_loses_no_segment_that_was_listed() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = Seen::default();
    for round in 0..4 {
        let server = serve(folder.path());
        if round > 0 {
            seen.is_there(server.plain).await;
        }
        let encoder = encoder(server.plain, 1);
        let before = seen.segments.len();
        let (until, mut rest) = (some_time_after(1500), true);
        while rest || Instant::now() < until {
            seen.watch(server.plain).await;
            rest = seen.segments.len() < before + 4;
            assert!(!encoder.is_finished(), "the encoder was turned away: {:?}", encoder.await);
            sleep(Duration::from_millis(40)).await;
        }
        seen.is_there(server.plain).await;
        match round {
            1 => assert!(server.terminate().unwrap()),
            _ => drop(server),
        }
        encoder.abort();
    }
    let server = serve(folder.path());
    let mut playlist = String::new();
    while !playlist.contains("#EXT-X-ENDLIST") {
        playlist = text(server.plain, "/live/show/v1/media.m3u8").await;
        sleep(Duration::from_millis(50)).await;
    }
    seen.promises.clear(); // what is over has another MPD
    seen.is_there(server.plain).await;
    let streams: serde_json::Value = serde_json::from_str(&text(server.plain, "/api/v1/streams").await).unwrap();
    let vod = streams["streams"][0]["vod"].as_str().unwrap().to_owned();
    assert!(text(server.plain, &vod).await.contains("v1/media.m3u8"));
    drop(server);

    // It is over for good, at all its addresses.
    let server = serve(folder.path());
    seen.is_there(server.plain).await;
    assert!(text(server.plain, &vod).await.contains("v1/media.m3u8"));
    let mut file = seen.segments[&("v1", "init-1.mp4".to_owned())].to_vec();
    for name in headers_and_segments(&text(server.plain, "/live/show/v1/media.m3u8").await).iter().filter(|name| !name.starts_with("init"))
    {
        file.extend_from_slice(&get(server.plain, &format!("/live/show/v1/{name}")).await.1);
    }
    let recording = folder.path().join("live/show").join(vod.split('/').nth(4).unwrap()).join("v1.mp4");
    assert_eq!(fs::read(recording).unwrap(), file, "the recording is what viewers get");
}

/// Players were promised long segments because key frames are far apart: a server that is started again keeps that.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_what_key_frames_told() {
    let folder = tempfile::tempdir().unwrap();
    let far = |movie: &mut Movie| {
        for sample in movie.tracks.iter_mut().flat_map(|track| track.samples.iter_mut().enumerate()) {
            sample.1.sync = sample.1.duration == 1024 || sample.0 % 150 == 0;
        }
    };
    let promised = async |server: SocketAddr| {
        let playlist = text(server, "/live/show/v1/media.m3u8").await;
        playlist.lines().find(|line| line.starts_with("#EXT-X-TARGETDURATION")).map(str::to_owned)
    };
    let mut told = Vec::new();
    for _ in 0..2 {
        let server = Serving::start(folder.path(), &[] as &[&str]).unwrap();
        let encoder = encoder_of(server.plain, far);
        told.push(promised(server.plain).await);
        drop(server);
        encoder.abort();
    }
    assert_eq!(told, [Some("#EXT-X-TARGETDURATION:8".into()), Some("#EXT-X-TARGETDURATION:8".into())]);
}

/// A server that does not run for longer than the target duration, as on a machine that has too much to do or was asleep, finds what came
/// meanwhile in its sockets: nothing is missing.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_the_server_does_not_run_is_no_gap() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path());
    let encoder = encoder(server.plain, 1);
    let playlist = async || text(server.plain, "/live/show/v1/media.m3u8").await;
    let segments = async || headers_and_segments(&playlist().await).len();
    soon(async {
        while segments().await < 3 {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    server.signal("STOP").unwrap();
    // Three target durations, in which the encoder sends six segments.
    sleep(Duration::from_secs(6)).await;
    server.signal("CONT").unwrap();
    soon(async {
        while segments().await < 11 {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let told = playlist().await;
    assert!(!told.contains("EXT-X-GAP") && !told.contains("#EXT-X-DISCONTINUITY\n"), "{told}");
    assert!(!encoder.is_finished(), "the encoder was turned away: {:?}", encoder.await);
    encoder.abort();
}

/// Where the disk takes no more the recording ends with what is whole, and the stream goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_ends_the_recording_and_not_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("reelway.toml");
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(&file, SHORT).unwrap();
    let Some(server) = Serving::on_small_disk(&data, 8, &["--config", file.to_str().unwrap()]).unwrap() else { return };
    let at = server.plain;
    let encoder = encoder(at, 80);
    soon(async {
        while text(at, "/metrics").await.lines().any(|line| line == "reelway_recording_faults_total 0") {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let segments = async || headers_and_segments(&text(at, "/live/show/v1/media.m3u8").await);
    let before = segments().await.len();
    soon(async {
        while segments().await.len() < before + 3 {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    for name in segments().await {
        assert_eq!(get(at, &format!("/live/show/v1/{name}")).await.0, StatusCode::OK, "{name} is listed");
    }
    assert!(!encoder.is_finished(), "the encoder was turned away");
    let streams: serde_json::Value = serde_json::from_str(&text(at, "/api/v1/streams").await).unwrap();
    let vod = streams["streams"][0]["vod"].as_str().unwrap().replace("master.m3u8", "v1/");
    let recorded = text(at, &format!("{vod}media.m3u8")).await;
    let names = headers_and_segments(&recorded);
    assert!(names.len() > 1 && recorded.contains("#EXT-X-ENDLIST"), "it plays as far as it was recorded: {recorded}");
    for name in names {
        assert_eq!(get(at, &format!("{vod}{name}")).await.0, StatusCode::OK, "{name} of what was recorded");
    }
    encoder.abort();
}
