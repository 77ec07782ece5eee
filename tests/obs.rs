//! OBS Studio itself publishes, by RTMP and by SRT, on a screen that nobody sees. Where it or Xvfb is not there, that is said.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::{TcpListener, UdpSocket},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use reelway_tests::{
    ffmpeg::{self, speaks_srt},
    program::{self, Serving},
};
use serde_json::{Value, json};

/// What OBS shows: as large as the picture that it sends.
const SIZE: (u32, u32) = (320, 180);

/// Whether all these programs can be found.
fn are_there(programs: &[&str]) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let missing: Vec<&str> =
        programs.iter().copied().filter(|program| !env::split_paths(&path).any(|folder| folder.join(program).is_file())).collect();
    if !missing.is_empty() {
        println!("skipped: {} is not there", missing.join(" and "));
    }
    missing.is_empty()
}

/// A program that is killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A screen in memory, and its name.
fn screen() -> Result<(Running, String)> {
    let mut screen = Command::new("Xvfb");
    screen.args(["-displayfd", "1", "-screen", "0", "1024x768x24", "-nolisten", "tcp"]);
    let mut child = screen.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut number = String::new();
    BufReader::new(child.stdout.take().context("no output")?).read_line(&mut number)?;
    ensure!(!number.trim().is_empty(), "Xvfb does not begin");
    Ok((Running(child), format!(":{}", number.trim())))
}

/// Its encoder: with a key frame each second, or with as many as it makes if nobody says otherwise, one in 250 frames.
const EACH_SECOND: &str = "[Output]\nMode=Advanced\nReconnect=true\nRetryDelay=1\n[AdvOut]\nEncoder=obs_x264\nTrackIndex=1\n";
const AS_IT_COMES: &str = "[Output]\nMode=Simple\n[SimpleOutput]\nVBitrate=500\nStreamEncoder=x264\n";

/// What a person would have set up by hand: a film that is shown again and again, and where to stream it.
fn set_up(home: &Path, film: &Path, output: &str, (server, key): (&str, &str)) -> Result<()> {
    let obs = home.join("obs-studio");
    let profile = obs.join("basic/profiles/Test");
    fs::create_dir_all(&profile)?;
    fs::create_dir_all(obs.join("basic/scenes"))?;
    let [width, height] = [SIZE.0, SIZE.1].map(|side| side.to_string());
    let name = "Profile=Test\nProfileDir=Test\nSceneCollection=Test\nSceneCollectionFile=Test\n";
    fs::write(obs.join("global.ini"), format!("[General]\nFirstRun=true\nEnableAutoUpdates=false\n[Basic]\n{name}"))?;
    let video = format!("[Video]\nBaseCX={width}\nBaseCY={height}\nOutputCX={width}\nOutputCY={height}\nFPSType=0\nFPSCommon=30\n");
    fs::write(profile.join("basic.ini"), format!("[General]\nName=Test\n{video}{output}"))?;
    let encoder = json!({"rate_control": "CBR", "bitrate": 500, "keyint_sec": 1, "preset": "ultrafast"});
    fs::write(profile.join("streamEncoder.json"), encoder.to_string())?;
    let service = json!({"type": "rtmp_custom", "settings": {"server": server, "key": key, "use_auth": false}});
    fs::write(profile.join("service.json"), service.to_string())?;
    let shown = json!({"name": "Film", "id": 1, "visible": true, "pos": {"x": 0.0, "y": 0.0}, "scale": {"x": 1.0, "y": 1.0}});
    let scenes = json!({
        "name": "Test", "current_scene": "Scene", "current_program_scene": "Scene", "scene_order": [{"name": "Scene"}],
        "sources": [
            {"id": "ffmpeg_source", "name": "Film", "settings": {"local_file": film, "looping": true}},
            {"id": "scene", "name": "Scene", "settings": {"id_counter": 1, "items": [shown]}},
        ],
    });
    Ok(fs::write(obs.join("basic/scenes/Test.json"), scenes.to_string())?)
}

/// Starts it, and has it stream at once.
fn obs(home: &Path, display: &str) -> Result<Running> {
    let mut obs = Command::new("obs");
    obs.args([
        "--startstreaming",
        "--multi",
        "--minimize-to-tray",
        "--disable-updater",
        "--disable-missing-files-check",
        "--unfiltered_log",
    ]);
    obs.args(["--profile", "Test", "--collection", "Test"]).current_dir(home);
    // A home of its own, drawn by the processor, heard by nobody.
    obs.env("HOME", home).env("XDG_CONFIG_HOME", home).env("XDG_RUNTIME_DIR", home).env("DISPLAY", display);
    obs.env("LIBGL_ALWAYS_SOFTWARE", "1").env("QT_QPA_PLATFORM", "xcb").env("PULSE_SERVER", "none").env_remove("WAYLAND_DISPLAY");
    let log = fs::File::create(home.join("obs.log"))?;
    Ok(Running(obs.stdout(log.try_clone()?).stderr(log).spawn()?))
}

/// Waits until the media playlist of a stream is so; what OBS said if it never is.
fn until(what: &str, home: &Path, server: &Serving, name: &str, is: impl Fn(&str) -> bool) -> Result<String> {
    for _ in 0..1200 {
        let playlist = server.get(&format!("/live/{name}/v1/media.m3u8"))?;
        if is(&playlist) {
            return Ok(playlist);
        }
        thread::sleep(Duration::from_millis(100));
    }
    bail!("{what}: never: {}", fs::read_to_string(home.join("obs.log"))?)
}

fn segments(playlist: &str) -> usize {
    playlist.matches("#EXTINF").count()
}

/// What is published can be read by others, and breaks no rule.
fn is_sound(server: &Serving, name: &str, folder: &Path) -> Result<()> {
    let url = format!("http://{}/live/{name}/master.m3u8", server.plain);
    let probed = Command::new("ffprobe").args(["-v", "error", "-show_streams", "-of", "json", &url]).output()?;
    ensure!(probed.status.success() && probed.stderr.is_empty(), "{}", String::from_utf8_lossy(&probed.stderr));
    let told: Value = serde_json::from_slice(&probed.stdout)?;
    let mut streams: Vec<_> =
        told["streams"].as_array().context("no streams")?.iter().map(|stream| (&stream["codec_name"], &stream["width"])).collect();
    streams.sort_by_key(|(codec, _)| codec.to_string());
    ensure!(streams == [(&json!("aac"), &Value::Null), (&json!("h264"), &json!(SIZE.0))], "{told:#}");
    let decoded = Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-i", &url, "-t", "2", "-f", "null", "-"]).output()?;
    ensure!(decoded.status.success() && decoded.stderr.is_empty(), "{}", String::from_utf8_lossy(&decoded.stderr));
    let judged = program::run(&["verify", &format!("http://{}/live/{name}/", server.plain)], folder)?;
    ensure!(judged.code == Some(0), "{} {}", judged.out, judged.err);
    Ok(())
}

#[test]
fn obs_publishes_and_comes_back() -> Result<()> {
    if !are_there(&["obs", "Xvfb", "ffmpeg"]) {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let film = folder.path().join("film.mp4");
    let (width, height) = SIZE;
    let pictures = format!("testsrc2=size={width}x{height}:rate=30:duration=5");
    let words = ["-f", "lavfi", "-i", &pictures, "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=5"];
    ffmpeg::run([&words[..], &["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"]].concat(), &film)?;
    let config = folder.path().join("reelway.toml");
    fs::write(&config, "[stream.show]\nsegment = \"1s\"\nkey = \"hush\"\n")?;
    let (rtmp, srt) = (TcpListener::bind("127.0.0.1:0")?.local_addr()?, UdpSocket::bind("127.0.0.1:0")?.local_addr()?);
    let words = ["--config", &config.to_string_lossy(), "--rtmp", &rtmp.to_string(), "--srt", &srt.to_string()];
    let server = Serving::start(&folder.path().join("data"), &words)?;
    let (_screen, display) = screen()?;

    let home = folder.path().join("rtmp");
    set_up(&home, &film, EACH_SECOND, (&format!("rtmp://{rtmp}/live"), "show?key=hush"))?;
    let publishing = obs(&home, &display)?;
    until("it is on air", &home, &server, "show", |playlist| segments(playlist) >= 4)?;
    is_sound(&server, "show", folder.path())?;
    // Its power goes, and comes again: the stream goes on where it was.
    drop(publishing);
    let publishing = obs(&home, &display)?;
    let behind = |playlist: &str| playlist.split("#EXT-X-DISCONTINUITY\n").nth(1).is_some_and(|rest| segments(rest) >= 2);
    until("it comes back", &home, &server, "show", behind)?;
    is_sound(&server, "show", folder.path())?;
    drop(publishing);

    if speaks_srt() {
        let home = folder.path().join("srt");
        set_up(&home, &film, AS_IT_COMES, (&format!("srt://{srt}?streamid=call"), ""))?;
        let _publishing = obs(&home, &display)?;
        until("it is on air by SRT", &home, &server, "call", |playlist| segments(playlist) >= 2)?;
        is_sound(&server, "call", folder.path())?;
    }
    Ok(())
}
