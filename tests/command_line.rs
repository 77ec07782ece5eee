//! The commands as a person types them. Whatever is wrong with the input or the machine is said in one line that names it; exit code 1.
//! Wrong usage is told by usage; exit code 2.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use reelway_tests::{
    movie::Movie,
    program::{Ran, run},
};
use serde_json::Value;

/// One line on standard error, that begins as it should and names what is at fault.
fn one_line(ran: &Ran, names: &str) -> Result<()> {
    let lines: Vec<&str> = ran.err.lines().collect();
    let fits = matches!(lines.as_slice(), [line] if line.starts_with("reelway: ") && line.contains(names));
    ensure!(ran.code == Some(1) && fits, "expected code 1 and one line with '{names}': {ran:?}");
    Ok(())
}

fn folder_with(files: &[(&str, &[u8])]) -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes)?;
    }
    Ok(folder)
}

#[test]
fn bad_inputs_are_named() -> Result<()> {
    let good = Movie { moov_first: false, ..Movie::simple(4, 1) }.write();
    let front = Movie::simple(4, 1).write();
    let no_moov: Vec<u8> = front.iter().take(28).chain(b"\0\0\0\x08mdat").copied().collect();
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0";
    let folder = folder_with(&[
        ("cut behind.mp4", good.get(..good.len() / 2).context("short")?),
        // All that describes the media is there, and none of the media.
        ("cut front.mp4", front.get(..front.windows(4).position(|name| name == b"mdat").context("no mdat")? + 4).context("short")?),
        ("cut in the first box.mp4", front.get(..10).context("short")?),
        ("empty.mp4", b""),
        ("one byte.mp4", b"\0"),
        ("picture.mp4", png),
        ("text.mp4", b"This is no video, but it is long enough for a header.\n"),
        ("no moov.mp4", &no_moov),
    ])?;
    fs::create_dir(folder.path().join("folder.mp4"))?;
    let names = ["cut behind.mp4", "cut front.mp4", "cut in the first box.mp4", "empty.mp4", "one byte.mp4", "picture.mp4", "text.mp4"];
    for name in names.into_iter().chain(["no moov.mp4", "folder.mp4", "missing.mp4", "empty.mp4/inside.mp4"]) {
        one_line(&run(&["package", name, "-o", "out"], folder.path())?, name).with_context(|| format!("package {name}"))?;
        ensure!(!folder.path().join("out").exists(), "{name}: a half-made asset");
        let inspected = run(&["inspect", name], folder.path())?;
        one_line(&inspected, name).with_context(|| format!("inspect {name}"))?;
    }
    for (name, reason) in [
        ("cut behind.mp4", "cut short"),
        ("cut front.mp4", "cut short"),
        ("empty.mp4", "empty"),
        ("picture.mp4", "not an MP4 or MOV file"),
        ("no moov.mp4", "'moov'"),
        ("folder.mp4", "folder"),
        ("missing.mp4", "No such file"),
    ] {
        one_line(&run(&["inspect", name], folder.path())?, reason)?;
    }
    Ok(())
}

/// A download that stopped: what is there is published whole, what is not is told in a line.
#[test]
fn a_file_cut_short_is_packaged_as_far_as_it_goes() -> Result<()> {
    let front = Movie::simple(12, 1).write();
    let folder = folder_with(&[("cut.mp4", front.get(..front.len() * 3 / 4).context("short")?)])?;
    for command in [&["package", "cut.mp4", "-o", "out"][..], &["inspect", "cut.mp4"]] {
        let ran = run(command, folder.path())?;
        ensure!(ran.code == Some(0), "{ran:?}");
        let lines: Vec<&str> = ran.err.lines().collect();
        ensure!(lines.len() == 2 && lines.iter().all(|line| line.starts_with("reelway: cut.mp4: the file is cut short: ")), "{ran:?}");
    }
    let verified = run(&["verify", "out"], folder.path())?;
    ensure!(verified.code == Some(0), "{verified:?}");
    let playlist = fs::read_to_string(folder.path().join("out/v1/media.m3u8"))?;
    ensure!(playlist.matches("#EXTINF").count() == 3 && playlist.contains("#EXT-X-ENDLIST"), "{playlist}");
    Ok(())
}

#[test]
fn files_that_may_not_be_read_are_named() -> Result<()> {
    let folder = folder_with(&[("secret.mp4", &Movie::simple(2, 1).write())])?;
    let path = folder.path().join("secret.mp4");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000))?;
    if is_root(folder.path())? {
        println!("skipped: root may read every file");
        return Ok(());
    }
    for command in [&["inspect", "secret.mp4"][..], &["package", "secret.mp4", "-o", "out"]] {
        one_line(&run(command, folder.path())?, "secret.mp4")?;
    }
    Ok(())
}

/// Whether this is root, to whom permissions mean nothing: the owner of what we make.
fn is_root(made: &Path) -> Result<bool> {
    Ok(fs::metadata(made)?.uid() == 0)
}

#[test]
fn outputs_that_cannot_be_written_are_named() -> Result<()> {
    let folder = folder_with(&[("a.mp4", &Movie::simple(4, 1).write()), ("file", b"in the way")])?;
    one_line(&run(&["package", "a.mp4", "-o", "file/out"], folder.path())?, "file/out")?;
    one_line(&run(&["package", "a.mp4", "-o", "file"], folder.path())?, "file")?;
    // A segment that is a folder: the fault comes when much is written already.
    fs::create_dir_all(folder.path().join("out/v1/2.m4s"))?;
    one_line(&run(&["package", "a.mp4", "-o", "out", "--segment", "1s"], folder.path())?, "out/v1/2.m4s")?;
    ensure!(!folder.path().join("out/master.m3u8").exists() && !folder.path().join("out/manifest.mpd").exists(), "a half-made asset");
    if Path::new("/dev/full").exists() {
        fs::create_dir_all(folder.path().join("full/v1"))?;
        std::os::unix::fs::symlink("/dev/full", folder.path().join("full/v1/1.m4s"))?;
        one_line(&run(&["package", "a.mp4", "-o", "full"], folder.path())?, "full/v1/1.m4s")?;
    } else {
        println!("skipped: /dev/full is not there");
    }
    Ok(())
}

#[test]
fn packages_are_complete() -> Result<()> {
    let folder = folder_with(&[("a.mp4", &Movie::simple(9, 1).write())])?;
    let there = |name: &str| folder.path().join(name).exists();
    let ran = run(&["package", "a.mp4", "-o", "some/where"], folder.path())?;
    ensure!(ran.code == Some(0) && ran.err.is_empty() && ran.out.is_empty(), "{ran:?}");
    for name in [
        "master.m3u8",
        "manifest.mpd",
        "v1/init.mp4",
        "v1/media.m3u8",
        "v1/iframes.m3u8",
        "v1/1.m4s",
        "v1/2.m4s",
        "a1/init.mp4",
        "a1/1.m4s",
    ] {
        ensure!(there(&format!("some/where/{name}")), "no {name}");
    }
    let ran = run(&["package", "a.mp4", "-o", "hls", "--no-dash", "--segment", "1s"], folder.path())?;
    ensure!(!there("some/where/a1/iframes.m3u8"), "I-frames of sound");
    ensure!(ran.code == Some(0) && there("hls/master.m3u8") && !there("hls/manifest.mpd") && there("hls/v1/9.m4s"), "{ran:?}");
    let options = ["--layout", "single-file", "--program-date-time", "2026-11-21T20:15:00+01:00", "--no-dash"];
    let ran = run(&[&["package", "a.mp4", "-o", "one"][..], &options].concat(), folder.path())?;
    ensure!(ran.code == Some(0) && folder.path().join("one/v1/media.mp4").exists(), "{ran:?}");
    ensure!(!folder.path().join("one/v1/init.mp4").exists() && !folder.path().join("one/v1/1.m4s").exists(), "all is one file");
    let playlist = fs::read_to_string(folder.path().join("one/v1/media.m3u8"))?;
    ensure!(playlist.contains("#EXT-X-PROGRAM-DATE-TIME:2026-11-21T19:15:00.000Z\n"), "{playlist}");
    let ran = run(&["package", "a.mp4", "-o", "numbers", "--no-hls", "--dash-template", "number"], folder.path())?;
    let mpd = fs::read_to_string(folder.path().join("numbers/manifest.mpd"))?;
    ensure!(ran.code == Some(0) && mpd.contains(" duration=\"") && !mpd.contains("<SegmentTimeline>"), "{mpd}");
    let ran = run(&["package", "a.mp4", "-o", "dash", "--no-hls"], folder.path())?;
    ensure!(ran.code == Some(0) && there("dash/manifest.mpd") && !there("dash/master.m3u8") && !there("dash/v1/media.m3u8"), "{ran:?}");
    Ok(())
}

#[test]
fn several_inputs_are_one_title() -> Result<()> {
    let rung = |times, gop| Movie::rung(12, times, gop).write();
    let folder = folder_with(&[("hd.mp4", &rung(4, 50)), ("sd.mp4", &rung(2, 50)), ("3s.mp4", &rung(1, 75)), ("off.mp4", &rung(1, 52))])?;
    let there = |name: &str| folder.path().join(name).exists();
    let sound = "track 2 is left out: the same sound is taken from hd.mp4, track 2";

    let ran = run(&["package", "hd.mp4", "sd.mp4", "-o", "out"], folder.path())?;
    ensure!(ran.code == Some(0) && ran.err == format!("reelway: sd.mp4: {sound}\n"), "{ran:?}");
    ensure!(there("out/v1/3.m4s") && there("out/v2/3.m4s") && !there("out/v2/4.m4s") && there("out/a1/1.m4s") && !there("out/a2"));
    let size = |name: &str| fs::metadata(folder.path().join(name)).map(|metadata| metadata.len());
    ensure!(size("out/v1/1.m4s")? > size("out/v2/1.m4s")?, "v1 is that of the first input");
    let verified = run(&["verify", "out"], folder.path())?;
    ensure!(verified.code == Some(0), "{verified:?}");

    let ran = run(&["package", "hd.mp4", "3s.mp4", "-o", "sparse"], folder.path())?;
    let stretched = "reelway: segments last up to 6.000 s, because the key frames of all videos coincide no more often\n";
    ensure!(ran.code == Some(0) && ran.err.ends_with(stretched) && there("sparse/v2/2.m4s") && !there("sparse/v2/3.m4s"), "{ran:?}");

    let off = "at 2.000 s hd.mp4 (1280x720) has a key frame, but the nearest of off.mp4 (320x180) is 80 ms later: ";
    one_line(&run(&["package", "hd.mp4", "off.mp4", "-o", "none", "--segment", "1s"], folder.path())?, off)?;
    one_line(&run(&["package", "off.mp4", "hd.mp4", "-o", "none", "--segment", "1s"], folder.path())?, off)?;
    ensure!(!there("none"), "a half-made asset");

    fs::create_dir_all(folder.path().join("title/inside.mp4"))?;
    for name in ["hd.mp4", "sd.mp4"] {
        fs::rename(folder.path().join(name), folder.path().join("title").join(name))?;
    }
    fs::write(folder.path().join("title/notes.txt"), "no media")?;
    let ran = run(&["package", "title", "-o", "of-folder"], folder.path())?;
    ensure!(ran.code == Some(0) && there("of-folder/v2/3.m4s") && !there("of-folder/v3"), "{ran:?}");
    one_line(&run(&["package", "title", "title/hd.mp4", "-o", "none"], folder.path())?, "title/hd.mp4 are the same file")?;

    // Texts beside a film come along; those that are named are not taken twice.
    fs::write(folder.path().join("title/hd.en.vtt"), "WEBVTT\n\n00:01.000 --> 00:02.000\nGood evening\n")?;
    fs::write(folder.path().join("title/hd.fr.vtt"), "no text")?;
    for (more, out) in [(&["title/hd.mp4"][..], "with-text"), (&["title/hd.mp4", "title/hd.en.vtt"], "named-text")] {
        let ran = run(&[&["package", "-o", out], more].concat(), folder.path())?;
        ensure!(ran.code == Some(0) && there(&format!("{out}/t1/1.vtt")) && !there(&format!("{out}/t2")), "{ran:?}");
        ensure!(ran.err.contains("title/hd.fr.vtt") && ran.err.contains("it is left out"), "{ran:?}");
    }
    one_line(&run(&["package", "of-folder", "-o", "none"], folder.path())?, "of-folder holds no MP4")?;
    Ok(())
}

#[test]
fn inspect_tells_what_a_file_holds() -> Result<()> {
    let folder = folder_with(&[("a.mp4", &Movie::simple(9, 1).write())])?;
    let ran = run(&["inspect", "a.mp4", "--json"], folder.path())?;
    ensure!(ran.code == Some(0) && ran.err.is_empty(), "{ran:?}");
    let report: Value = serde_json::from_str(&ran.out)?;
    for (place, expected) in [
        ("/fragmented", Value::from(false)),
        ("/tracks/0/id", 1.into()),
        ("/tracks/0/rendition", "v1".into()),
        ("/tracks/0/kind", "video".into()),
        ("/tracks/0/codec", "avc1.4D400D".into()),
        ("/tracks/0/enabled", true.into()),
        ("/tracks/0/width", 320.into()),
        ("/tracks/0/height", 180.into()),
        ("/tracks/0/frameRate", "25".into()),
        ("/tracks/0/timescale", 12_800.into()),
        ("/tracks/0/samples", 225.into()),
        ("/tracks/0/shift", (-1024).into()),
        ("/tracks/0/syncSamples", 9.into()),
        ("/tracks/0/syncDistanceMs", 1000.into()),
        ("/tracks/0/durationMs", 9000.into()),
        ("/tracks/1/rendition", "a1".into()),
        ("/tracks/1/kind", "audio".into()),
        ("/tracks/1/codec", "mp4a.40.2".into()),
        ("/tracks/1/channels", 2.into()),
        ("/tracks/1/sampleRate", 48_000.into()),
        ("/leftOut", Value::Array(Vec::new())),
        ("/faults", Value::Array(Vec::new())),
    ] {
        ensure!(report.pointer(place) == Some(&expected), "{place}: {:?}, expected {expected}", report.pointer(place));
    }
    ensure!(report["size"].as_u64() == Some(fs::metadata(folder.path().join("a.mp4"))?.len()), "size {}", report["size"]);
    let ran = run(&["inspect", "a.mp4"], folder.path())?;
    ensure!(ran.code == Some(0) && ran.err.is_empty() && ran.out.contains("avc1.4D400D"), "{ran:?}");
    Ok(())
}

#[test]
fn wrong_usage_is_told_by_usage() -> Result<()> {
    let folder = folder_with(&[("a.mp4", &Movie::simple(2, 1).write())])?;
    for arguments in [
        &[][..],
        &["play", "a.mp4"],
        &["package", "a.mp4"],
        &["package", "-o", "out"],
        &["package", "a.mp4", "-o", "out", "--segment", "soon"],
        &["package", "a.mp4", "-o", "out", "--segment", "0s"],
        &["package", "a.mp4", "-o", "out", "--layout", "files"],
        &["package", "a.mp4", "-o", "out", "--dash-template", "time"],
        &["package", "a.mp4", "-o", "out", "--program-date-time", "now"],
        &["inspect"],
        &["inspect", "a.mp4", "--xml"],
        &["serve", "--listen", "nowhere"],
        &["serve", "--tls-cert", "a.pem"],
        &["serve", "--drain", "soon"],
    ] {
        let ran = run(arguments, folder.path())?;
        ensure!(ran.code == Some(2) && ran.err.contains("--help") && ran.out.is_empty(), "{arguments:?}: {ran:?}");
        ensure!(!folder.path().join("out").exists(), "{arguments:?}: something was written");
    }
    for arguments in [["--help"], ["--version"]] {
        let ran = run(&arguments, folder.path())?;
        ensure!(ran.code == Some(0) && ran.err.is_empty() && ran.out.contains("reelway"), "{arguments:?}: {ran:?}");
    }
    Ok(())
}

#[test]
fn a_server_that_cannot_start_says_why() -> Result<()> {
    let folder = folder_with(&[("file", b"in the way")])?;
    fs::create_dir(folder.path().join("media"))?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let port = taken.local_addr()?.port().to_string();
    let any = "127.0.0.1:0";
    for (arguments, names) in [
        (["--media", "nowhere", "--data", "data", "--listen", any, "--http", any], "nowhere"),
        (["--media", "file", "--data", "data", "--listen", any, "--http", any], "file"),
        (["--media", "media", "--data", "file", "--listen", any, "--http", any], "file"),
        (["--media", "media", "--data", "data", "--listen", any, "--http", &address], port.as_str()),
        (["--media", "media", "--data", "data", "--listen", &address, "--http", any], port.as_str()),
        (["--tls-cert", "file", "--tls-key", "file", "--listen", any, "--http", any], "file"),
        (["--tls-dir", "media", "--data", "data", "--listen", any, "--http", any], "media"),
        (["--tls-cert", "a", "--tls-cert", "b", "--tls-key", "a", "--listen", any], "--tls-cert"),
    ] {
        let ran = run(&[&["serve"][..], &arguments].concat(), folder.path())?;
        one_line(&ran, names).with_context(|| format!("{arguments:?}"))?;
        ensure!(ran.out.is_empty(), "{arguments:?}: it says that it serves: {ran:?}");
    }
    Ok(())
}

#[test]
fn tokens_are_made_and_explained() -> Result<()> {
    let folder = folder_with(&[])?;
    let said = |arguments: &[&str]| -> Result<String> {
        let ran = run(arguments, folder.path())?;
        ensure!(ran.code == Some(0) && ran.err.is_empty(), "{arguments:?}: {ran:?}");
        Ok(ran.out.trim_end().to_owned())
    };
    let url = said(&["token", "play", "/vod/a%20b.mp4/master.m3u8", "--also", "/media/a.mp4", "--ip", "192.0.2.1", "--data", "d"])?;
    ensure!(url.starts_with("/t/") && url.ends_with("/vod/a%20b.mp4/master.m3u8"), "{url}");
    let told = said(&["token", "explain", &url, "--data", "d"])?;
    for part in ["key        \"server\"", "\"/vod/a%20b.mp4/\" \"/media/a.mp4\"", "ip         \"192.0.2.1\"", "verdict    it holds"] {
        ensure!(told.contains(part), "{part} is not in {told}");
    }
    ensure!(said(&["token", "explain", &url, "--data", "other"])?.contains("no token that was signed"), "by another server");
    // A key of the configuration: who has the public half alone makes none.
    let key = said(&["token", "key", "k1", "--ed25519"])?;
    fs::write(folder.path().join("signs.toml"), &key)?;
    let url = said(&["token", "play", "/live/news/", "--key", "k1", "--config", "signs.toml", "--data", "d", "--expires", "1h"])?;
    let lines = key.lines().filter_map(|line| line.strip_prefix("# ")).filter(|line| line.contains(['[', '=']));
    let public = lines.collect::<Vec<_>>().join("\n");
    fs::write(folder.path().join("verifies.toml"), public)?;
    ensure!(said(&["token", "explain", &url, "--config", "verifies.toml", "--data", "d"])?.ends_with("it holds"), "{url}");
    let verifies = run(&["token", "play", "/live/news/", "--key", "k1", "--config", "verifies.toml", "--data", "d"], folder.path())?;
    one_line(&verifies, "there is no key k1 to sign with")?;
    one_line(&run(&["token", "play", "/metrics", "--data", "d"], folder.path())?, "nothing that is played")?;
    one_line(&run(&["token", "explain", "abc", "--data", "d"], folder.path())?, "this is no token")?;
    let hashed = said(&["token", "publish", "news", "--hashed"])?;
    ensure!(hashed.lines().nth(1).is_some_and(|line| line.starts_with("key = \"sha256:")), "{hashed}");
    Ok(())
}

#[test]
fn configurations_are_checked() -> Result<()> {
    let folder = folder_with(&[
        ("good.toml", b"[server]\nmax_requests = 7\nuploads = true\n[live]\nsegment = \"1s\"\n"),
        ("server.toml", b"[server]\n\nmax_request = 7\n"),
        ("value.toml", b"[server]\ndrain = \"soon\"\n"),
        ("bad.toml", b"[live]\nsegment = \"1s\"\nsegmen = 2\n"),
        ("key.toml", b"[tokens.key.a]\ned25519_private = \"aHVzaA\"\n"),
    ])?;
    let good = run(&["config", "check", "good.toml"], folder.path())?;
    ensure!(good.code == Some(0) && good.out == "good.toml: nothing is wrong with it\n", "{good:?}");
    one_line(&run(&["config", "check", "bad.toml"], folder.path())?, "bad.toml: line 3: unknown field `segmen`")?;
    one_line(&run(&["config", "check", "server.toml"], folder.path())?, "server.toml: line 3: unknown field `max_request`")?;
    one_line(&run(&["serve", "--config", "server.toml"], folder.path())?, "server.toml: line 3: unknown field `max_request`")?;
    one_line(
        &run(&["serve", "--config", "value.toml"], folder.path())?,
        "value.toml: line 2: invalid value 'soon' for '--drain <DURATION>'",
    )?;
    let all = run(&["config", "reference"], folder.path())?;
    let told = ["[server]\n", "\n# http = \"127.0.0.1:8080\"\n", "| `key_period` |"];
    ensure!(all.code == Some(0) && told.iter().all(|told| all.out.contains(told)), "{all:?}");
    one_line(&run(&["config", "check", "key.toml"], folder.path())?, "[tokens.key.a]: ed25519_private is no key")?;
    one_line(&run(&["config", "check", "none.toml"], folder.path())?, "cannot read the configuration none.toml")
}
