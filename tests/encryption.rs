//! Encrypted presentations: decrypted by a plain reading of the standard, and by ffmpeg, they are the source, byte for byte.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use reelway_core::{Demuxer, Movie};
use reelway_tests::{
    decrypt::{Decrypted, Keys, decrypt},
    ffmpeg, files, parallel,
    program::run,
    schema::Schema,
    synthetic,
};

const KIDS: [&str; 3] = ["000102030405060708090a0b0c0d0e0f", "101112131415161718191a1b1c1d1e1f", "202122232425262728292a2b2c2d2e2f"];
const KEYS: [&str; 3] = ["a0a1a2a3a4a5a6a7a8a9aaabacadaeaf", "b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf"];

fn sixteen(digits: &str) -> Result<[u8; 16]> {
    Ok(u128::from_str_radix(digits, 16)?.to_be_bytes())
}

fn keys() -> Result<Keys> {
    KIDS.iter().zip(KEYS).map(|(kid, key)| Ok((sixteen(kid)?, sixteen(key)?))).collect()
}

/// Packages `source` into `folder`/out with the keys that `json` tells.
fn package(source: &Path, folder: &Path, scheme: &str, json: &str, more: &[&str]) -> Result<PathBuf> {
    fs::write(folder.join("keys.json"), json)?;
    let name = source.display().to_string();
    let arguments = [&["package", &name, "-o", "out", "--encrypt", scheme, "--keys", "keys.json"], more].concat();
    let ran = run(&arguments, folder)?;
    ensure!(ran.code == Some(0), "{ran:?}");
    ensure!(!format!("{ran:?}").contains(&KEYS[0][..8]), "it prints a key");
    Ok(folder.join("out"))
}

/// The file of a rendition, header and segments together.
fn together(folder: &Path) -> Result<Vec<u8>> {
    if let Ok(whole) = fs::read(folder.join("media.mp4")) {
        return Ok(whole);
    }
    let mut bytes = fs::read(folder.join("init.mp4"))?;
    for number in 1.. {
        match fs::read(folder.join(format!("{number}.m4s"))) {
            Ok(segment) => bytes.extend(segment),
            Err(_) => break,
        }
    }
    Ok(bytes)
}

fn index(file: &[u8]) -> Result<Movie> {
    let mut demuxer = Demuxer::new(file.len() as u64);
    while let Some(range) = demuxer.required() {
        demuxer.handle(range.start, file.get(usize::try_from(range.start)?..usize::try_from(range.end)?).context("beyond the end")?)?;
    }
    Ok(demuxer.finish()?)
}

/// Decrypts all renditions and compares each sample with that of the source.
fn compare(source: &Path, out: &Path) -> Result<Vec<(String, Decrypted)>> {
    let file = fs::read(source)?;
    let movie = index(&file)?;
    let (mut videos, mut sounds) = (0, 0);
    let mut all = Vec::new();
    for track in &movie.tracks {
        let count = if track.kind() == reelway_core::codec::Kind::Video { &mut videos } else { &mut sounds };
        *count += 1;
        let name = format!("{}{count}", track.kind().letter());
        let decrypted = decrypt(&together(&out.join(&name))?, &keys()?).with_context(|| name.clone())?;
        ensure!(decrypted.samples.len() == track.samples.len() as usize, "{name}: {} samples", decrypted.samples.len());
        for (number, (sample, decrypted)) in track.samples.iter().zip(&decrypted.samples).enumerate() {
            let range = sample.range();
            let expected = file.get(usize::try_from(range.start)?..usize::try_from(range.end)?).context("beyond the end")?;
            ensure!(expected == decrypted, "{name}: sample {number} is another");
        }
        ensure!(
            track.codec.string.starts_with(&decrypted.original) || decrypted.original == "fLaC" || decrypted.original == "Opus",
            "{decrypted:?}"
        );
        all.push((name, decrypted));
    }
    Ok(all)
}

/// MD5 of each packet of a stream as ffmpeg reads it. What it decrypts it reads from a pipe: of fragments in a file without an index it
/// takes the wrong vectors (5.1; those of Shaka Packager too).
fn hashes(path: &Path, key: Option<&str>, stream: &str) -> Result<Vec<String>> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error"]);
    if path.extension().is_some_and(|extension| extension == "m3u8") {
        command.args(["-allowed_extensions", "ALL", "-i"]).arg(path);
    } else {
        command.args(["-ignore_editlist", "1"]);
        match key {
            Some(key) => command.args(["-decryption_key", key, "-i", "-"]).stdin(fs::File::open(path)?),
            None => command.arg("-i").arg(path),
        };
    }
    command.args(["-map", stream, "-c", "copy", "-copyinkf", "-f", "framehash", "-hash", "md5", "-"]);
    let output = command.output().context("ffmpeg does not run")?;
    ensure!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    Ok(text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(',').nth(5))
        .map(|hash| hash.trim().into())
        .collect())
}

fn same(found: &[String], expected: &[String]) -> Result<()> {
    let differ = found.iter().zip(expected).filter(|(found, expected)| found != expected).count();
    ensure!(found.len() == expected.len() && differ == 0, "{} packets, {} in the source, {differ} differ", found.len(), expected.len());
    Ok(())
}

/// The number of the stream of ffmpeg that is rendition `name` of a file.
fn stream(name: &str) -> String {
    let (kind, number) = name.split_at(1);
    format!("0:{kind}:{}", number.parse::<usize>().unwrap_or(1) - 1)
}

fn json(keys: &[(usize, &str)], more: &str) -> String {
    let key = |(index, fields): &(usize, &str)| format!(r#"{{"kid":"{}","key":"{}"{fields}}}"#, KIDS[*index], KEYS[*index]);
    format!(r#"{{"keys":[{}]{more}}}"#, keys.iter().map(key).collect::<Vec<_>>().join(","))
}

/// H.264 (closed and open GOP), H.265 (sets in the entry and in the samples), AV1, VP9, and every sound that is carried.
const FILES: [&str; 14] = [
    "bframes.mp4",
    "open_gop.mp4",
    "irregular_gop.mp4",
    "hvc1.mp4",
    "hev1.mp4",
    "hdr10.mp4",
    "av1.mp4",
    "av1_hdr10.mp4",
    "vp9_opus.mp4",
    "vp9_444.mp4",
    "flac.mp4",
    "several_codecs.mp4",
    "alac.m4a",
    "audio_only.m4a",
];

fn sources() -> Result<Vec<PathBuf>> {
    let all = synthetic::files()?.unwrap_or_default();
    Ok(all.into_iter().filter(|path| FILES.contains(&files::name(path).as_str())).collect())
}

#[test]
fn decrypted_it_is_the_source() -> Result<()> {
    let cases: Vec<(PathBuf, &str, &str)> = sources()?
        .into_iter()
        .flat_map(|path| [("cenc", ""), ("cenc", r#","iv_size":16"#), ("cbcs", "")].map(|(scheme, more)| (path.clone(), scheme, more)))
        .collect();
    let results = parallel::map(&cases, |(source, scheme, more)| {
        let check = || {
            let folder = tempfile::tempdir()?;
            let out = package(source, folder.path(), scheme, &json(&[(0, "")], more), &[])?;
            for (name, decrypted) in compare(source, &out)? {
                let video = name.starts_with('v');
                ensure!(decrypted.scheme == *scheme && decrypted.systems == (1, 0), "{name}: {} {:?}", decrypted.scheme, decrypted.systems);
                let iv_size = if *scheme == "cbcs" {
                    0
                } else if more.is_empty() {
                    8
                } else {
                    16
                };
                ensure!(decrypted.default.iv_size == iv_size && decrypted.default.kid == sixteen(KIDS[0])?, "{:?}", decrypted.default);
                ensure!(decrypted.default.pattern == if video && *scheme == "cbcs" { (1, 9) } else { (0, 0) }, "{:?}", decrypted.default);
                ensure!(video == (decrypted.subsamples > 0), "{name}: {} subsamples", decrypted.subsamples);
                let (clear, protected) = decrypted.bytes;
                ensure!(if video { clear * 4 < protected } else { clear == 0 }, "{name}: {clear} bytes are clear, {protected} are not");
                // Another reader: ffmpeg decrypts it too. It finds no configuration of ALAC in an encrypted entry.
                if decrypted.original == "alac" {
                    continue;
                }
                let file = folder.path().join("together.mp4");
                fs::write(&file, together(&out.join(&name))?)?;
                same(&hashes(&file, Some(KEYS[0]), "0:0")?, &hashes(source, None, &stream(&name))?).with_context(|| name.clone())?;
            }
            if let Some(schema) = Schema::open(folder.path())? {
                schema.check(&out.join("manifest.mpd"))?;
            }
            anyhow::Ok(())
        };
        check().with_context(|| format!("{} {scheme} {more}", files::name(source)))
    });
    results.into_iter().collect()
}

/// All of a rendition in one file: what an index and byte ranges lead to decrypts to the source, in both manifests, with keys that change.
#[test]
fn single_files_are_encrypted() -> Result<()> {
    // Vectors are random where none are given.
    const IV: &str = r#","iv":"00112233445566778899aabbccddeeff""#;
    let Some(source) = sources()?.into_iter().find(|path| files::name(path) == "irregular_gop.mp4") else { return Ok(()) };
    let of = |kind: &str| format!(r#"{IV},"for":"{kind}""#);
    let (of_video, of_sound) = (of("video"), of("audio"));
    for (scheme, list, more) in [
        ("cenc", vec![(0, IV)], ""),
        ("cbcs", vec![(0, IV)], ""),
        ("cenc", vec![(0, of_video.as_str()), (1, of_video.as_str()), (2, of_sound.as_str())], r#","period":2"#),
    ] {
        let folder = tempfile::tempdir()?;
        let single = ["--layout", "single-file", "--segment", "1s"];
        let out = package(&source, folder.path(), scheme, &json(&list, more), &single)?;
        compare(&source, &out)?;
        let ran = run(&["verify", &out.display().to_string()], folder.path())?;
        ensure!(ran.code == Some(0), "{scheme}: {ran:?}");
        if let Some(schema) = Schema::open(folder.path())? {
            schema.check(&out.join("manifest.mpd"))?;
        }
        // Header and segments as the playlist tells them are what the layout of segments has.
        let apart = folder.path().join("apart");
        fs::create_dir(&apart)?;
        let apart = package(&source, &apart, scheme, &json(&list, more), &["--segment", "1s"])?;
        for name in ["v1", "a1"] {
            let file = fs::read(out.join(name).join("media.mp4"))?;
            let playlist = fs::read_to_string(out.join(name).join("media.m3u8"))?;
            let ranges = playlist.lines().filter_map(|line| {
                let range = line.strip_prefix("#EXT-X-BYTERANGE:").or_else(|| line.split_once("BYTERANGE=\"")?.1.strip_suffix('"'))?;
                let (length, start) = range.split_once('@')?;
                Some((start.parse::<usize>().ok()?, length.parse::<usize>().ok()?))
            });
            let ranges: Vec<(usize, usize)> = ranges.collect();
            let told: Vec<u8> =
                ranges.iter().flat_map(|(start, length)| file.get(*start..start + length).unwrap_or_default()).copied().collect();
            ensure!(ranges.len() > 4 && told == together(&apart.join(name))?, "{scheme}: {name}: not what the playlist says");
            let mpd = fs::read_to_string(out.join("manifest.mpd"))?;
            let header = fs::read(apart.join(name).join("init.mp4"))?.len();
            let first = ranges.get(1).context("no segment")?.0;
            let index = format!("indexRange=\"{header}-{}\"", first - 1);
            ensure!(mpd.contains(&index) && file.get(header + 4..header + 8) == Some(b"sidx"), "{scheme}: {name}: {index}");
        }
    }
    Ok(())
}

/// Video and sound with keys of their own, each another after two segments, and the first again.
#[test]
fn keys_change() -> Result<()> {
    let Some(source) = sources()?.into_iter().find(|path| files::name(path) == "irregular_gop.mp4") else { return Ok(()) };
    for scheme in ["cenc", "cbcs"] {
        let folder = tempfile::tempdir()?;
        let keys = json(&[(0, r#","for":"video""#), (1, r#","for":"video""#), (2, r#","for":"audio""#)], r#","period":2"#);
        let out = package(&source, folder.path(), scheme, &keys, &["--segment", "1s"])?;
        for (name, decrypted) in compare(&source, &out)? {
            let mut kids = decrypted.kids.clone();
            kids.dedup();
            if name == "v1" {
                ensure!(kids.len() >= 3 && kids.first() == kids.get(2), "{kids:?}");
                ensure!(decrypted.systems.0 == 1 && decrypted.systems.1 >= 3, "{:?}", decrypted.systems);
            } else {
                ensure!(kids == [sixteen(KIDS[2])?] && decrypted.systems == (1, 0), "{kids:?}");
            }
            let playlist = fs::read_to_string(out.join(&name).join("media.m3u8"))?;
            let tags = playlist.lines().filter(|line| line.starts_with("#EXT-X-KEY:")).count();
            ensure!(tags == kids.len(), "{tags} tags for {} keys", kids.len());
        }
    }
    Ok(())
}

/// No two samples of a presentation have the same vector with the same key, whatever rendition they are of.
#[test]
fn no_vector_is_used_twice() -> Result<()> {
    let Some(source) = sources()?.into_iter().find(|path| files::name(path) == "several_codecs.mp4") else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let out = package(&source, folder.path(), "cenc", &json(&[(0, r#","iv":"fffffffffffffffeffffffffffffffff""#)], ""), &[])?;
    let mut seen = std::collections::HashSet::new();
    for name in ["v1", "a1", "a2", "a3"] {
        let file = together(&out.join(name))?;
        for (at, _) in file.windows(4).enumerate().filter(|(_, window)| *window == b"senc") {
            // The vector of the first sample of each fragment.
            let iv = file.get(at + 12..at + 20).context("no vector")?.to_vec();
            ensure!(seen.insert(iv.clone()), "{name}: {iv:?} again");
        }
    }
    ensure!(seen.len() > 8, "{}", seen.len());
    Ok(())
}

/// RFC 8216bis 4.4.4.4 and 5.2: whole segments, the vector told or the number of the segment; keys change.
#[test]
fn aes_128_is_read_by_ffmpeg() -> Result<()> {
    let Some(source) = sources()?.into_iter().find(|path| files::name(path) == "bframes.mp4") else { return Ok(()) };
    for (fields, more) in [("", ""), (r#","iv":"00112233445566778899aabbccddeeff""#, ""), ("", r#","period":1"#)] {
        let folder = tempfile::tempdir()?;
        let uri = |index: usize| format!(r#"{fields},"uri":"../key{index}.bin""#);
        let (first, second) = (uri(0), uri(1));
        let mut list = vec![(0, first.as_str())];
        if !more.is_empty() {
            list.push((1, second.as_str()));
        }
        let out = package(&source, folder.path(), "aes-128", &json(&list, more), &["--no-dash"])?;
        for (index, key) in KEYS.iter().enumerate() {
            fs::write(out.join(format!("key{index}.bin")), sixteen(key)?)?;
        }
        for name in ["v1", "a1"] {
            let playlist = out.join(name).join("media.m3u8");
            let text = fs::read_to_string(&playlist)?;
            ensure!(text.find("#EXT-X-MAP") < text.find("#EXT-X-KEY"), "the header would be encrypted too: {text}");
            same(&hashes(&playlist, None, "0:0")?, &hashes(&source, None, &stream(name))?).with_context(|| name)?;
        }
        ensure!(!out.join("v1/iframes.m3u8").exists() && !out.join("manifest.mpd").exists(), "what cannot be is there");
        ensure!(!fs::read_to_string(out.join("master.m3u8"))?.contains("I-FRAME"), "I-frames are listed");
    }
    Ok(())
}

/// Each key frame in the I-frame playlist of `cbcs` is a whole chunk that decrypts alone.
#[test]
fn key_frames_are_had_by_byte_range() -> Result<()> {
    let Some(source) = sources()?.into_iter().find(|path| files::name(path) == "bframes.mp4") else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let out = package(&source, folder.path(), "cbcs", &json(&[(0, "")], ""), &[])?;
    let entries = reelway_tests::manifests::i_frames(&fs::read_to_string(out.join("v1/iframes.m3u8"))?)?;
    ensure!(entries.len() > 4, "{}", entries.len());
    for entry in entries {
        let mut file = fs::read(out.join("v1/init.mp4"))?;
        file.extend(fs::read(out.join("v1").join(&entry.uri))?.get(entry.bytes.clone()).with_context(|| format!("{entry:?}"))?);
        let alone = decrypt(&file, &keys()?).with_context(|| format!("{entry:?}"))?;
        ensure!(alone.samples.len() == 1, "{entry:?}");
        let path = folder.path().join("alone.mp4");
        fs::write(&path, &file)?;
        ensure!(ffmpeg::is_there("ffmpeg") && hashes(&path, Some(KEYS[0]), "0:0")?.len() == 1, "{entry:?}");
    }
    Ok(())
}

/// What manifests tell of keys, and that they never tell a key.
#[test]
fn manifests_tell_how_to_get_keys() -> Result<()> {
    let Some(source) = sources()?.into_iter().find(|path| files::name(path) == "bframes.mp4") else { return Ok(()) };
    let widevine = "AAAAInBzc2gAAAAA7e+LqXnWSs6jyCfc1R0h7QAAAAIIAQ==";
    let fields = format!(r#","uri":"https://keys.example/1","pssh":["{widevine}"]"#);
    for (scheme, method) in [("cenc", "SAMPLE-AES-CTR"), ("cbcs", "SAMPLE-AES")] {
        let folder = tempfile::tempdir()?;
        let out = package(&source, folder.path(), scheme, &json(&[(0, &fields)], r#","clear_key_url":"https://keys.example/a&b""#), &[])?;
        let mpd = fs::read_to_string(out.join("manifest.mpd"))?;
        for expected in [
            format!(
                r#"schemeIdUri="urn:mpeg:dash:mp4protection:2011" value="{scheme}" cenc:default_KID="00010203-0405-0607-0809-0a0b0c0d0e0f""#
            ),
            r#"<dashif:Laurl licenseType="EME-1.0">https://keys.example/a&amp;b</dashif:Laurl>"#.into(),
            format!("<cenc:pssh>{widevine}</cenc:pssh>"),
            r#"schemeIdUri="urn:uuid:1077efec-c0b2-4d02-ace3-3c1e52e2fb4b""#.into(),
        ] {
            ensure!(mpd.matches(&expected).count() == 2, "{expected} is not there for video and sound:\n{mpd}");
        }
        let media = fs::read_to_string(out.join("v1/media.m3u8"))?;
        for expected in [
            format!(r#"#EXT-X-KEY:METHOD={method},URI="https://keys.example/1""#),
            format!(
                "#EXT-X-KEY:METHOD={method},URI=\"data:text/plain;base64,{widevine}\",KEYID=0x{},\
                 KEYFORMAT=\"urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed\",KEYFORMATVERSIONS=\"1\"",
                KIDS[0]
            ),
            format!("#EXT-X-KEY:METHOD={method},URI=\"https://keys.example/a&b#{0}\",KEYID=0x{0},KEYFORMAT=\"org.w3.clearkey\"", KIDS[0]),
        ] {
            ensure!(media.contains(&expected), "{expected} is not in\n{media}");
        }
        let master = fs::read_to_string(out.join("master.m3u8"))?;
        ensure!(master.matches("#EXT-X-SESSION-KEY:").count() == 3, "{master}");
        for text in [&mpd, &media, &master] {
            ensure!(!text.contains(KEYS[0]), "it tells the key");
        }
    }
    Ok(())
}

/// Wrong usage and files of keys that do not fit, each refused in a line.
#[test]
fn what_cannot_be_encrypted_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("keys.json"), json(&[(0, "")], ""))?;
    fs::write(folder.path().join("two.json"), json(&[(0, ""), (1, "")], ""))?;
    for (arguments, code, said) in [
        (&["--encrypt", "cenc"][..], 2, "--keys"),
        (&["--keys", "keys.json"], 2, "--encrypt"),
        (&["--encrypt", "des", "--keys", "keys.json"], 2, "possible values"),
        (&["--encrypt", "aes-128", "--keys", "keys.json"], 1, "--no-dash"),
        (&["--encrypt", "aes-128", "--no-dash", "--keys", "keys.json"], 1, "URI"),
        (&["--encrypt", "cenc", "--keys", "none.json"], 1, "none.json"),
        (&["--encrypt", "aes-128", "--no-dash", "--layout", "single-file", "--keys", "keys.json"], 1, "segments"),
        (&["--encrypt", "cenc", "--keys", "two.json"], 1, "several keys for video"),
    ] {
        let ran = run(&[&["package", "none.mp4", "-o", "out"], arguments].concat(), folder.path())?;
        let text = format!("{ran:?}");
        ensure!(ran.code == Some(code) && text.contains(said) && !text.contains(KEYS[0]), "{arguments:?}: {text}");
    }
    Ok(())
}

/// Text is read by more than players of encrypted media: it stays clear, in both of its forms, beside what is encrypted.
#[test]
fn text_stays_clear() -> Result<()> {
    if !ffmpeg::is_there("ffmpeg") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("en.srt"), "1\n00:00:01,000 --> 00:00:03,000\nIn the clear\n")?;
    let film = folder.path().join("film.mp4");
    let text = folder.path().join("en.srt").display().to_string();
    let inputs = ["-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25", "-i", &text];
    let coding = ["-map", "0", "-map", "1", "-t", "4", "-c:v", "libx264", "-preset", "veryfast", "-g", "50", "-c:s", "mov_text"];
    ffmpeg::run(inputs.into_iter().chain(coding), &film)?;
    for (scheme, more) in [("cenc", &[][..]), ("cbcs", &[]), ("aes-128", &["--no-dash"])] {
        let out = package(&film, folder.path(), scheme, &json(&[(0, r#","uri":"../key.bin""#)], ""), more)?;
        let ran = run(&["verify", &out.display().to_string()], folder.path())?;
        ensure!(ran.code == Some(0), "{scheme}: {ran:?}");
        ensure!(fs::read_to_string(out.join("t1/1.vtt"))?.contains("In the clear"), "{scheme}: WebVTT");
        ensure!(String::from_utf8_lossy(&fs::read(out.join("t1/1.m4s"))?).contains("In the clear"), "{scheme}: samples");
        ensure!(!fs::read_to_string(out.join("t1/media.m3u8"))?.contains("EXT-X-KEY"), "{scheme}: a key");
        fs::remove_dir_all(out)?;
    }
    Ok(())
}
