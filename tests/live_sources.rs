//! `reelway live`: a test pattern, a file in a loop and another server's stream are on air by one command, and what ends that ends ffmpeg.

#![allow(clippy::unwrap_used, reason = "these are tests, though not all marked as such")]

#[path = "live_support.rs"]
mod support;

use std::{
    fs,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use reelway_tests::{
    ffmpeg::{self, View, decoding_errors, is_there},
    program::binary,
};
use support::{FILM, Running, SHORT, Studio, transport::soon};
use tokio::time::sleep;

/// `reelway live` as a process; what it says is kept.
struct Publisher(Option<Child>);

impl Publisher {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(binary().unwrap());
        command.arg("live").args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        Self(Some(command.env_remove("REELWAY_PUBLISH_KEY").spawn().unwrap()))
    }

    fn id(&self) -> u32 {
        self.0.as_ref().unwrap().id()
    }

    fn signal(&self, signal: &str) {
        send(self.id(), signal);
    }

    /// The ffmpeg that it runs, once it does.
    async fn ffmpeg(&self) -> u32 {
        let children = format!("/proc/{0}/task/{0}/children", self.id());
        soon(async {
            loop {
                let ids = fs::read_to_string(&children).unwrap_or_default();
                let mut ids = ids.split_whitespace().filter_map(|id| id.parse().ok());
                // Shortly it is setpriv still, and before that ffmpeg was asked what it can do.
                if let Some(id) = ids.find(|id| is_encoding(*id)) {
                    return id;
                }
                sleep(Duration::from_millis(20)).await;
            }
        })
        .await
    }

    /// Waits for its end: its exit code and what it said.
    async fn ended(mut self) -> (Option<i32>, String) {
        let child = self.0.take().unwrap();
        let Output { status, stderr, .. } = soon(tokio::task::spawn_blocking(move || child.wait_with_output())).await.unwrap().unwrap();
        (status.code(), String::from_utf8_lossy(&stderr).into_owned())
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn send(process: u32, signal: &str) {
    assert!(Command::new("kill").args([format!("-{signal}"), process.to_string()]).status().unwrap().success());
}

fn is_encoding(process: u32) -> bool {
    let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    line.starts_with(b"ffmpeg\0") && line.windows(7).any(|word| word == b"libx264")
}

/// Waits until a process is there no more.
async fn is_gone(process: u32) {
    soon(async {
        while is_encoding(process) {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// What viewers got of a stream that is over is decoded without a fault: how many pictures and sounds.
async fn plays_through(studio: &Studio, stream: &str) -> [usize; 2] {
    let mut counts = [0; 2];
    for (rendition, count) in ["v1", "a1"].into_iter().zip(&mut counts) {
        let playlist = studio.ended(&format!("/live/{stream}/{rendition}/media.m3u8")).await;
        assert!(!playlist.contains("DISCONTINUITY\n") && !playlist.contains("#EXT-X-GAP"), "{playlist}");
        let file = studio.write(&format!("{stream}-{rendition}.mp4"), &studio.download(stream, rendition).await);
        assert_eq!(decoding_errors(&file, 0).unwrap(), "", "{rendition} of {stream}");
        let packets = ffmpeg::packets(&file, View::Raw).unwrap();
        assert!(packets.windows(2).all(|pair| pair[0].dts < pair[1].dts), "{rendition} of {stream}");
        *count = packets.len();
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_pattern_and_a_file_in_a_loop() {
    if !is_there("ffmpeg") {
        return;
    }
    let studio = Studio::new(SHORT);
    let server = studio.url("");
    let film = FILM.0.to_str().unwrap();
    let live = |source, name| Publisher::start(&[source, "--name", name, "--server", &server, "--key-frames", "1s", "--duration", "5s"]);
    let (pattern, looped) = (live("testsrc:", "pattern"), live(film, "looped"));
    assert_eq!(pattern.ended().await, (Some(0), String::new()));
    assert_eq!(looped.ended().await, (Some(0), String::new()));
    // 30 and 25 pictures a second; sound in frames of 1024.
    assert_eq!(plays_through(&studio, "pattern").await[0], 150);
    let [pictures, sounds] = plays_through(&studio, "looped").await;
    assert!((124..=125).contains(&pictures) && (233..=237).contains(&sounds), "{pictures} {sounds}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_of_another_server() {
    let protocols = Command::new("ffmpeg").args(["-hide_banner", "-protocols"]).output();
    if !protocols.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).lines().any(|line| line.trim() == "srt")) {
        println!("skipped: there is no ffmpeg that speaks SRT");
        return;
    }
    let studio = Studio::new(SHORT);
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _other = support::ffmpeg(&["-f", "mpegts", &format!("srt://127.0.0.1:{port}?mode=listener")]);
    // The other server may need a while until it listens.
    let (server, source) = (studio.url(""), format!("srt://127.0.0.1:{port}"));
    let mut said = String::new();
    for _ in 0..20 {
        let live = Publisher::start(&[&source, "--name", "relay", "--server", &server, "--key-frames", "1s", "--duration", "3s"]);
        let (code, told) = live.ended().await;
        if code == Some(0) {
            assert!(plays_through(&studio, "relay").await[0] >= 70);
            return;
        }
        said = told;
    }
    panic!("{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_on_air_is_told_in_a_line() {
    if !is_there("ffmpeg") {
        return;
    }
    let studio = Studio::new("[stream.news]\nkey = \"hush\"\n");
    let server = studio.url("");
    let broken = studio.write("broken.mp4", b"this is no video");
    let broken = broken.to_str().unwrap();
    for (arguments, told) in [
        (&[broken, "--name", "a", "--server", &server][..], "Invalid data found when processing input"),
        (&["/nowhere/a.mp4", "--name", "a", "--server", &server], "cannot open /nowhere/a.mp4"),
        (&["v4l2:/dev/video99", "--name", "a", "--server", &server], "/dev/video99"),
        (&["testsrc:", "--name", "a", "--server", "http://127.0.0.1:1"], "is `reelway serve` running there?"),
        (&["testsrc:", "--name", "news", "--server", &server], "a key is needed"),
        (&["testsrc:", "--name", "news", "--server", &server, "--key", "wrong"], "this is not the key of the stream"),
    ] {
        let (code, said) = Publisher::start(arguments).ended().await;
        assert!(code == Some(1) && said.lines().count() == 1 && said.contains(told), "{arguments:?}: {code:?} {said}");
        assert!(!said.contains("wrong"), "{said}");
    }
    for arguments in [&["http://host/a.mp4", "--name", "a"][..], &["testsrc:"], &["testsrc:", "--name", "a b"]] {
        assert_eq!(Publisher::start(arguments).ended().await.0, Some(2), "{arguments:?}");
    }
}

/// ffmpeg dies: it is told, and another goes on. The command is asked to end: the stream is over at once. The command is killed: ffmpeg goes
/// with it.
#[tokio::test(flavor = "multi_thread")]
async fn ends() {
    if !is_there("ffmpeg") {
        return;
    }
    let studio = Studio::new(&SHORT.replace("grace = \"2s\"", "grace = \"60s\""));
    let server = studio.url("");
    let live = Publisher::start(&["testsrc:", "--name", "one", "--server", &server, "--key-frames", "1s", "--key", "hush"]);
    studio.until("/live/one/v1/media.m3u8", |answer| answer.text().contains("#EXTINF")).await;
    let first = live.ffmpeg().await;
    assert!(
        !String::from_utf8_lossy(&fs::read(format!("/proc/{first}/cmdline")).unwrap()).contains("hush"),
        "a key is for the server alone"
    );
    send(first, "KILL");
    is_gone(first).await;
    let second = live.ffmpeg().await;
    let edge = |text: &str| text.lines().filter_map(|line| line.strip_suffix(".m4s")?.parse::<u32>().ok()).max();
    let before = edge(&studio.get("/live/one/v1/media.m3u8").await.text());
    studio.until("/live/one/v1/media.m3u8", |answer| edge(&answer.text()) > before).await;
    live.signal("TERM");
    let (code, said) = live.ended().await;
    assert!(code == Some(0) && said.contains("signal: 9") && said.contains("another try in 1 s"), "{code:?} {said}");
    is_gone(second).await;
    // The publisher said so: nothing is waited for.
    studio.ended("/live/one/v1/media.m3u8").await;

    if !Running::start("setpriv", &["--version"]).ended().await {
        println!("skipped: without setpriv ffmpeg ends only when it writes");
        return;
    }
    let live = Publisher::start(&["testsrc:", "--name", "two", "--server", &server]);
    let process = live.ffmpeg().await;
    live.signal("KILL");
    is_gone(process).await;
}
