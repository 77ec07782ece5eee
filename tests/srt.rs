//! SRT: ffmpeg calls a server that runs. Who knows the passphrase is on air, again and again; who does not is turned away.

use std::{
    fs,
    net::{SocketAddr, UdpSocket},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Result, bail, ensure};
use reelway_tests::{ffmpeg::speaks_srt, program::Serving};

const PASSPHRASE: &str = "open-sesame.42";

/// Calls, and sends pictures and a tone for some seconds. What has no stream id has an address of its own.
fn call(listener: SocketAddr, passphrase: &str, seconds: u32) -> Result<ExitStatus> {
    Ok(caller(listener, &format!("passphrase={passphrase}"), seconds)?.wait()?)
}

/// The same as it begins, with what stands in the URL.
fn caller(listener: SocketAddr, query: &str, seconds: u32) -> Result<Child> {
    let words = format!(
        "-nostdin -v error -re -f lavfi -i testsrc2=size=160x90:rate=25 -f lavfi -i sine=frequency=440:sample_rate=48000 -t {seconds} \
         -c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p -g 25 -c:a aac -f mpegts srt://{listener}?connect_timeout=20000&{query}"
    );
    Ok(Command::new("ffmpeg").args(words.split_whitespace()).stdout(Stdio::null()).spawn()?)
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

/// The words of all programs that run, but for those that call.
fn words() -> Vec<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let all = processes.filter_map(|process| Some(String::from_utf8_lossy(&fs::read(process.path().join("cmdline")).ok()?).into_owned()));
    all.filter(|words| !words.contains("lavfi")).collect()
}

#[test]
fn callers_that_know_the_passphrase_are_on_air() -> Result<()> {
    if !speaks_srt() {
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
    ensure!(!server.get("/api/v1/streams")?.contains("cam"), "it is on air");

    // Who comes again goes on.
    let mut segments = 0;
    for _ in 0..2 {
        until("it listens", listens)?;
        ensure!(call(listener, PASSPHRASE, 4)?.success(), "it is not let in");
        until("it is on air", || {
            let playlist = server.get("/live/cam/v1/media.m3u8")?;
            let there = playlist.matches("#EXTINF").count();
            Ok(there >= segments + 2 && std::mem::replace(&mut segments, there) < there)
        })?;
    }
    ensure!(server.get("/live/cam/master.m3u8")?.contains("mp4a.40.2"), "the sound is missing");
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

/// On SIGHUP a stream has another address at once; who is on air at the old one goes on there.
#[test]
fn addresses_change_without_a_restart() -> Result<()> {
    if !speaks_srt() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let free = || Ok::<_, anyhow::Error>(UdpSocket::bind("127.0.0.1:0")?.local_addr()?);
    let (first, second) = (free()?, free()?);
    let is_taken = |address: SocketAddr| UdpSocket::bind(address).is_err();
    let config = folder.path().join("reelway.toml");
    fs::write(&config, "")?;
    let server = Serving::start(&folder.path().join("data"), &["--config", &config.to_string_lossy()])?;
    let read_again = |text: &str| {
        fs::write(&config, format!("[live]\nsegment = \"1s\"\n{text}"))?;
        server.signal("HUP")
    };
    read_again(&format!("[stream.cam]\nsrt = \"{first}\"\n"))?;
    until("it listens", || Ok(is_taken(first)))?;
    read_again(&format!("[stream.cam]\nsrt = \"{second}\"\n"))?;
    until("it listens elsewhere", || Ok(is_taken(second) && !is_taken(first)))?;

    let mut on_air = caller(second, "", 60)?;
    until("it is on air", || Ok(server.get("/live/cam/v1/media.m3u8")?.matches("#EXTINF").count() >= 2))?;
    read_again(&format!("[stream.other]\nsrt = \"{first}\"\n"))?;
    until("another stream is taken", || Ok(is_taken(first)))?;
    ensure!(is_taken(second) && on_air.try_wait()?.is_none(), "who is on air is cut off");
    on_air.kill()?;
    on_air.wait()?;
    until("nobody listens any more", || Ok(!is_taken(second)))
}

/// All streams at one address: the stream id is the name, the passphrase the key.
#[test]
fn callers_name_their_streams() -> Result<()> {
    if !speaks_srt() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let listener = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
    let config = folder.path().join("reelway.toml");
    let streams = format!("[stream.cam]\nsrt_passphrase = \"{PASSPHRASE}\"\n[stream.locked]\npublish = \"key\"\n");
    fs::write(&config, format!("[live]\nsegment = \"1s\"\n{streams}"))?;
    let server = Serving::start(&data, &["--config", &config.to_string_lossy(), "--srt", &listener.to_string()])?;
    let made = reelway_tests::program::run(&["token", "publish", "news", "--data", &data.to_string_lossy()], folder.path())?;
    let key = made.out.split_whitespace().last().unwrap_or_default().to_owned();

    for (query, why) in [
        (format!("streamid=cam&passphrase={key}"), "the key of another stream"),
        ("streamid=news&passphrase=some-other-words".into(), "a wrong passphrase"),
        (format!("streamid=#!::r=news&passphrase={key}"), "it wants to watch"),
        (format!("streamid=a/b&passphrase={key}"), "no stream can be called that"),
        (format!("passphrase={key}"), "no stream id"),
        ("streamid=cam".into(), "no passphrase, where one is demanded"),
        ("streamid=locked".into(), "no key, where one is demanded"),
    ] {
        ensure!(!caller(listener, &query, 2)?.wait()?.success(), "{why}: it is let in");
    }
    ensure!(!server.get("/api/v1/streams")?.contains("\"name\""), "something is on air");

    // Two with their passphrases, in both forms of stream ids, and one as who publishes by HTTP from this machine without a key.
    let on_air = |name: &str| Ok(server.get(&format!("/live/{name}/v1/media.m3u8"))?.matches("#EXTINF").count() >= 2);
    let callers = [
        ("cam", format!("streamid=cam&passphrase={PASSPHRASE}")),
        ("news", format!("streamid=#!::m=publish,r=news&passphrase={key}")),
        ("open", "streamid=open".into()),
    ]
    .map(|(name, query)| (name, caller(listener, &query, 60)));
    for (name, _) in &callers {
        until(&format!("{name} is on air"), || on_air(name))?;
    }
    ensure!(server.get("/live/news/master.m3u8")?.contains("mp4a.40.2"), "the sound is missing");
    ensure!(!call_as("cam", listener)?, "it is taken from who publishes it");
    if cfg!(target_os = "linux") {
        // The callers say it to everybody; the listeners do not.
        ensure!(!words().iter().any(|words| words.contains(PASSPHRASE) || words.contains(&key)), "everybody can read the passphrase");
    }
    for (name, caller) in callers {
        let mut caller = caller?;
        caller.kill()?;
        caller.wait()?;
        ensure!(on_air(name)?, "{name} is gone at once");
    }
    // Who comes again is let in, once the other is missed.
    until("cam goes on", || call_as("cam", listener))
}

/// Whether who knows the passphrase of `name` may publish it now.
fn call_as(name: &str, listener: SocketAddr) -> Result<bool> {
    Ok(caller(listener, &format!("streamid={name}&passphrase={PASSPHRASE}"), 2)?.wait()?.success())
}
