//! SRT: ffmpeg calls a server that runs. Who knows the passphrase is on air, again and again; who does not is turned away.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    process::{Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Result, bail, ensure};
use reelway_tests::{ffmpeg::is_there, program::Serving};

const PASSPHRASE: &str = "open-sesame.42";

/// Whether this ffmpeg speaks SRT.
fn speaks_srt() -> bool {
    let protocols = Command::new("ffmpeg").args(["-v", "quiet", "-protocols"]).output();
    let speaks = protocols.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).lines().any(|line| line.trim() == "srt"));
    if !speaks {
        println!("skipped: this ffmpeg does not speak SRT");
    }
    speaks
}

/// Calls, and sends pictures and a tone for some seconds.
fn call(listener: SocketAddr, passphrase: &str, seconds: u32) -> Result<ExitStatus> {
    let words = format!(
        "-nostdin -v error -re -f lavfi -i testsrc2=size=160x90:rate=25 -f lavfi -i sine=frequency=440:sample_rate=48000 -t {seconds} \
         -c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p -g 25 -c:a aac -f mpegts srt://{listener}?passphrase={passphrase}"
    );
    Ok(Command::new("ffmpeg").args(words.split_whitespace()).stdout(Stdio::null()).status()?)
}

fn get(server: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(server)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Waits until something is so.
fn until(what: &str, mut is: impl FnMut() -> Result<bool>) -> Result<()> {
    for _ in 0..1200 {
        if is()? {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(50));
    }
    bail!("{what}: never")
}

/// The words of all programs that run.
fn words() -> Vec<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(|process| Some(String::from_utf8_lossy(&fs::read(process.path().join("cmdline")).ok()?).into_owned())).collect()
}

#[test]
fn callers_that_know_the_passphrase_are_on_air() -> Result<()> {
    if !is_there("ffmpeg") || !speaks_srt() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    // Whatever is free now is so a moment later.
    let listener = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
    let config = folder.path().join("reelway.toml");
    fs::write(&config, format!("[live]\nsegment = \"1s\"\n[stream.cam]\nsrt = \"{listener}\"\nsrt_passphrase = \"{PASSPHRASE}\"\n"))?;
    let server = Serving::start(&folder.path().join("data"), &["--config", &config.to_string_lossy()])?;
    let listens = || Ok(UdpSocket::bind(listener).is_err());
    until("it listens", listens)?;
    if cfg!(target_os = "linux") {
        ensure!(!words().iter().any(|words| words.contains(PASSPHRASE)), "everybody can read the passphrase");
    }

    ensure!(!call(listener, "some-other-words", 2)?.success(), "it is let in");
    ensure!(!get(server.plain, "/api/v1/streams")?.contains("cam"), "it is on air");

    // Who comes again goes on.
    let mut segments = 0;
    for _ in 0..2 {
        until("it listens", listens)?;
        ensure!(call(listener, PASSPHRASE, 4)?.success(), "it is not let in");
        until("it is on air", || {
            let playlist = get(server.plain, "/live/cam/v1/media.m3u8")?;
            let there = playlist.matches("#EXTINF").count();
            Ok(there >= segments + 2 && std::mem::replace(&mut segments, there) < there)
        })?;
    }
    ensure!(get(server.plain, "/live/cam/master.m3u8")?.contains("mp4a.40.2"), "the sound is missing");
    Ok(())
}

#[test]
fn an_address_that_somebody_has_is_told_of_at_once() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let taken = UdpSocket::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?;
    let config = folder.path().join("reelway.toml");
    fs::write(&config, format!("[stream.cam]\nsrt = \"{address}\"\n"))?;
    let words = ["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--config", "reelway.toml"];
    let ran = reelway_tests::program::run(&words, folder.path())?;
    ensure!(ran.code == Some(1) && ran.err.contains(&format!("cannot listen for SRT at {address}")), "{} {}", ran.out, ran.err);
    Ok(())
}
