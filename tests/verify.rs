//! `verify` finds nothing in what we write, and finds each damage by its clause.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use reelway::{
    package::{Manifests, package},
    storage::SourceFile,
    verify::{Severity, verify_folder},
};
use reelway_core::{
    Options, Vod,
    presentation::{Addressing, Layout},
};
use reelway_tests::{files, movie::Movie, parallel, program::run, synthetic};

/// Publishes the file at `input` in `folder`; `None`: it is refused, which other tests judge.
fn publish(input: &Path, folder: &Path, options: &Options) -> Result<Option<()>> {
    let source = SourceFile::new(File::open(input)?)?;
    let Ok(movie) = source.read_movie()? else { return Ok(None) };
    let mut vod = Vod::new(vec![movie], options)?;
    package(&[source], &mut vod, folder, Manifests { hls: true, dash: true }, |_| ())?;
    Ok(Some(()))
}

/// All in one file a rendition.
fn single_file() -> Options {
    Options { layout: Layout::SingleFile, ..Options::default() }
}

/// A film of 12 s with two videos and a sound.
fn publish_simple(folder: &Path, options: &Options) -> Result<()> {
    let mut movie = Movie::simple(12, 1);
    let video = movie.tracks.first().context("no video")?.clone();
    movie.tracks.insert(1, video);
    let input = folder.join("input.mp4");
    fs::write(&input, movie.write())?;
    publish(&input, &folder.join("out"), options)?.context("refused")
}

#[test]
fn what_is_written_has_no_fault() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let numbered = || Options { addressing: Addressing::Number, ..Options::default() };
    for options in [Options::default(), single_file(), numbered()] {
        publish_simple(folder.path(), &options)?;
        let out = folder.path().join("out");
        let faults = verify_folder(&out)?;
        ensure!(faults.is_empty(), "{options:?}: {faults:?}");
        fs::remove_dir_all(out)?;
    }
    let Some(paths) = synthetic::files()? else { return Ok(()) };
    let checked = parallel::map(&paths, |path| -> Result<usize> {
        let mut checked = 0;
        for (number, options) in [Options::default(), Options::segments_of(1000), single_file(), numbered()].iter().enumerate() {
            let out = folder.path().join(format!("{}-{number}", files::name(path)));
            if publish(path, &out, options)?.is_some() {
                let mut faults = verify_folder(&out)?;
                if files::name(path) == "audio_shorter.mp4" {
                    // As the name says: worth a warning, and all there is to say.
                    faults.retain(|fault| fault.severity != Severity::Warning || fault.clause != "RFC 8216bis 6.2.4");
                }
                ensure!(faults.is_empty(), "{} with {options:?}: {faults:#?}", files::name(path));
                checked += 1;
            }
            let _ = fs::remove_dir_all(&out);
        }
        Ok(checked)
    });
    let mut total = 0;
    let mut wrong = Vec::new();
    for checked in checked {
        match checked {
            Ok(checked) => total += checked,
            Err(error) => wrong.push(format!("{error:#}")),
        }
    }
    println!("{total} presentations without a fault");
    ensure!(wrong.is_empty() && total > 20, "{total} without a fault; {}", wrong.join("\n"));
    Ok(())
}

/// Something done to a published folder.
enum Damage {
    /// In this file, the first text is replaced once by the second.
    Text(&'static str, &'static str, &'static str),
    /// This file is removed.
    Removed(&'static str),
    /// This file loses its last bytes.
    Cut(&'static str, u64),
    /// These files change places.
    Swapped(&'static str, &'static str),
    /// In this file the byte this far behind the first occurrence of a box name becomes another.
    Byte(&'static str, &'static [u8; 4], usize, u8),
}

use Damage::{Byte, Cut, Removed, Swapped, Text};

/// Each damage, and the clauses of the faults that it brings, and no others.
const DAMAGES: &[(Damage, &[&str])] = &[
    (Text("v1/media.m3u8", "TARGETDURATION:4", "TARGETDURATION:3"), &["RFC 8216bis 4.4.3.1"]),
    (Text("v1/media.m3u8", "#EXT-X-TARGETDURATION:4\n", ""), &["RFC 8216bis 4.4.3.1"]),
    (Text("v1/media.m3u8", "#EXTM3U\n", ""), &["RFC 8216bis 4.4.1.1"]),
    (Text("v1/media.m3u8", "VERSION:7", "VERSION:5"), &["RFC 8216bis 8"]),
    (Text("v1/media.m3u8", "#EXT-X-ENDLIST\n", ""), &["RFC 8216bis 4.4.3.5"]),
    (Text("v1/media.m3u8", "1.m4s", "../../1.m4s"), &["RFC 8216bis 4.1"]),
    (Text("v1/media.m3u8", "1.m4s", "%2e%2e/..%2F1.m4s"), &["RFC 8216bis 4.1"]),
    (Text("v1/media.m3u8", "2.m4s", "https://example.org/2.m4s"), &["RFC 8216bis 4.1"]),
    (Text("v1/media.m3u8", "#EXT-X-MAP:URI=\"init.mp4\"\n", ""), &["RFC 8216bis 4.4.4.5"]),
    (Text("v1/media.m3u8", "init.mp4", "nowhere.mp4"), &["RFC 8216bis 4.4.4.5"]),
    (Text("a1/media.m3u8", "init.mp4", "../v1/init.mp4"), &["RFC 8216bis 4.4.4.1", "RFC 8216bis 4.4.6.2"]),
    (Text("master.m3u8", "STREAM-INF:BANDWIDTH=", "STREAM-INF:BANDWIDTH=9"), &["RFC 8216bis 4.4.6.2"]),
    (Text("master.m3u8", "STREAM-INF:BANDWIDTH=", "STREAM-INF:X-BANDWIDTH="), &["RFC 8216bis 4.4.6.2"]),
    (Text("master.m3u8", "avc1.4D400D", "avc1.64001F"), &["RFC 8216bis 4.4.6.2"]),
    (Text("master.m3u8", ",AUDIO=\"audio1\"", ",AUDIO=\"other\""), &["RFC 8216bis 4.4.6.2"]),
    (Text("master.m3u8", "v2/media.m3u8", "v3/media.m3u8"), &["RFC 8216bis 4.4.6.2"]),
    (Text("master.m3u8", "v2/iframes.m3u8", "v2/media.m3u8"), &["RFC 8216bis 4.4.6.3"]),
    (Text("manifest.mpd", " mimeType=\"video/mp4\"", ""), &["ISO/IEC 23009-1 5.3.7.2"]),
    (Text("manifest.mpd", "avc1.4D400D", "avc1.64001F"), &["ISO/IEC 23009-1 5.3.7.2"]),
    (Text("manifest.mpd", "</Period>", ""), &["ISO/IEC 23009-1 5.2"]),
    (Text("manifest.mpd", "maxSegmentDuration=\"PT4", "maxSegmentDuration=\"PT2"), &["ISO/IEC 23009-1 5.3.1.2"]),
    (Text("manifest.mpd", "Duration=\"PT1", "Duration=\"PT3"), &["ISO/IEC 23009-1 5.3.1.2"]),
    (Text("manifest.mpd", " bandwidth=\"", " bandwidth=\"\" x=\""), &["ISO/IEC 23009-1 5.3.5.2"]),
    (Text("manifest.mpd", "d=\"51200\"", "d=\"51000\""), &["ISO/IEC 23009-1 5.3.3.2", "ISO/IEC 23009-1 5.3.9.6.2"]),
    (Text("manifest.mpd", "<S t=\"0\"", "<S t=\"700\""), &["ISO/IEC 23009-1 5.3.3.2", "ISO/IEC 23009-1 5.3.9.6.2"]),
    (Text("manifest.mpd", "$Number$.m4s", "$Name$.m4s"), &["ISO/IEC 23009-1 5.3.9.4.2"]),
    (Removed("a1/2.m4s"), &["ISO/IEC 23009-1 5.3.9.4.2", "RFC 8216bis 4.1"]),
    (Cut("a1/2.m4s", 100), &["ISO/IEC 14496-12 4.2"]),
    (
        Swapped("a1/1.m4s", "a1/2.m4s"),
        &["ISO/IEC 14496-12 8.8.12", "ISO/IEC 14496-12 8.8.5", "ISO/IEC 23009-1 5.3.9.6.2", "RFC 8216bis 4.4.4.1"],
    ),
    (Byte("a1/2.m4s", b"tfhd", 11, 7), &["ISO/IEC 14496-12 8.8.7"]),
    (Byte("a1/2.m4s", b"tfhd", 5, 0), &["ISO/IEC 23000-19 7.3.2.3"]),
    (Byte("a1/2.m4s", b"trun", 15, 0), &["ISO/IEC 14496-12 8.8.8"]),
    (Byte("a1/2.m4s", b"mfhd", 11, 1), &["ISO/IEC 14496-12 8.8.5"]),
    (Byte("a1/init.mp4", b"stsd", 12 + 3, b'x'), &["ISO/IEC 14496-12 8.5.2"]),
];

/// The same where each rendition is one file.
const SINGLE_FILE_DAMAGES: &[(Damage, &[&str])] = &[
    // In the index: the bytes of the first segment, how long it lasts, its scale, how many there are, what it is.
    (Byte("v1/media.mp4", b"sidx", 39, 0), &["ISO/IEC 14496-12 4.2", "ISO/IEC 14496-12 8.16.3"]),
    (Byte("v1/media.mp4", b"sidx", 42, 0xc0), &["ISO/IEC 23009-1 5.3.3.2", "ISO/IEC 23009-1 5.3.9.6.2"]),
    (Byte("v1/media.mp4", b"sidx", 15, 1), &["ISO/IEC 23009-1 5.3.3.2", "ISO/IEC 23009-1 5.3.9.6.2"]),
    (Byte("v1/media.mp4", b"sidx", 35, 2), &["ISO/IEC 14496-12 8.16.3", "ISO/IEC 23009-1 5.3.3.2"]),
    (Byte("v1/media.mp4", b"sidx", 36, 0x80), &["ISO/IEC 14496-12 8.16.3"]),
    (Byte("v1/media.mp4", b"sidx", 0, b'x'), &["ISO/IEC 14496-12 8.16.3"]),
    (Cut("v1/media.mp4", 1), &["ISO/IEC 14496-12 8.16.3", "RFC 8216bis 4.4.4.2"]),
    (Text("manifest.mpd", "Initialization range=\"0-", "Initialization range=\"1-"), &["ISO/IEC 14496-12 4.2", "ISO/IEC 23000-19 7.3.1"]),
    (Text("manifest.mpd", "Initialization range=\"0-", "Initialization range=\"9"), &["ISO/IEC 23009-1 5.3.9.2.2"]),
    (Text("manifest.mpd", " indexRange=\"", " x=\""), &["ISO/IEC 23009-1 5.3.9.2.2"]),
    (Text("manifest.mpd", " indexRange=\"", " indexRange=\"1"), &["ISO/IEC 23009-1 5.3.9.2.2"]),
    (Text("v1/media.m3u8", "@0\"", "@1\""), &["ISO/IEC 14496-12 4.2", "ISO/IEC 23000-19 7.3.1"]),
    (
        Text("v1/media.m3u8", "EXT-X-BYTERANGE:", "EXT-X-BYTERANGE:1"),
        &["ISO/IEC 14496-12 4.2", "ISO/IEC 14496-12 8.8.12", "ISO/IEC 14496-12 8.8.5", "RFC 8216bis 4.4.6.2"],
    ),
    (Text("v1/iframes.m3u8", "VERSION:7", "VERSION:3"), &["RFC 8216bis 8"]),
];

impl Damage {
    fn apply(&self, folder: &Path) -> Result<()> {
        match *self {
            Text(file, from, to) => {
                let text = fs::read_to_string(folder.join(file))?;
                ensure!(text.contains(from), "'{from}' is not in {text}");
                fs::write(folder.join(file), text.replacen(from, to, 1))?;
            }
            Removed(file) => fs::remove_file(folder.join(file))?,
            Cut(file, bytes) => {
                let file = File::options().write(true).open(folder.join(file))?;
                file.set_len(file.metadata()?.len() - bytes)?;
            }
            Swapped(a, b) => {
                fs::rename(folder.join(a), folder.join("aside"))?;
                fs::rename(folder.join(b), folder.join(a))?;
                fs::rename(folder.join("aside"), folder.join(b))?;
            }
            Byte(file, name, behind, value) => {
                let mut bytes = fs::read(folder.join(file))?;
                let place = bytes.windows(4).position(|window| window == name).context("no such box")?;
                let byte = bytes.get_mut(place + behind).context("behind the end")?;
                ensure!(*byte != value, "nothing is changed");
                *byte = value;
                fs::write(folder.join(file), bytes)?;
            }
        }
        Ok(())
    }
}

#[test]
fn each_damage_is_found_by_its_clause() -> Result<()> {
    let mut wrong = Vec::new();
    let segments = DAMAGES.iter().map(|damage| (damage, Options::default()));
    let all = segments.chain(SINGLE_FILE_DAMAGES.iter().map(|damage| (damage, single_file())));
    for (number, ((damage, expected), options)) in all.enumerate() {
        let folder = tempfile::tempdir()?;
        publish_simple(folder.path(), &options)?;
        let out = folder.path().join("out");
        damage.apply(&out).with_context(|| format!("damage {number}"))?;
        let faults = verify_folder(&out)?;
        let clauses: BTreeSet<&str> = faults.iter().map(|fault| fault.clause).collect();
        if clauses != expected.iter().copied().collect() {
            wrong.push(format!("damage {number}: expected {expected:?}: {faults:#?}"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn exit_codes_tell_the_outcome() -> Result<()> {
    let folder = tempfile::tempdir()?;
    publish_simple(folder.path(), &Options::default())?;
    let ran = run(&["verify", "out"], folder.path())?;
    ensure!(ran.code == Some(0) && ran.out.is_empty() && ran.err.is_empty(), "{ran:?}");
    let ran = run(&["verify", "--json", "out"], folder.path())?;
    ensure!(ran.code == Some(0) && ran.out.trim() == "[]" && ran.err.is_empty(), "{ran:?}");
    Removed("a1/2.m4s").apply(&folder.path().join("out"))?;
    let ran = run(&["verify", "out"], folder.path())?;
    ensure!(ran.code == Some(1) && ran.out.lines().count() == 2 && ran.err == "reelway: out: 2 faults\n", "{ran:?}");
    ensure!(ran.out.contains("error: a1/media.m3u8: ") && ran.out.contains("(RFC 8216bis 4.1)"), "{ran:?}");
    let ran = run(&["verify", "--json", "out"], folder.path())?;
    let list: serde_json::Value = serde_json::from_str(&ran.out)?;
    ensure!(ran.code == Some(1) && list.pointer("/0/severity") == Some(&"error".into()), "{ran:?}");
    for (argument, reason) in [("nowhere", "cannot read nowhere"), ("http://127.0.0.1:1/", "cannot read http")] {
        let ran = run(&["verify", argument], folder.path())?;
        ensure!(ran.code == Some(1) && ran.err.lines().count() == 1 && ran.err.contains(reason) && ran.out.is_empty(), "{ran:?}");
    }
    for arguments in [&["verify"][..], &["verify", "out", "--xml"], &["verify", "http://127.0.0.1:1/", "--http", "4"]] {
        let ran = run(arguments, folder.path())?;
        ensure!(ran.code == Some(2) && ran.out.is_empty(), "{ran:?}");
    }
    fs::create_dir(folder.path().join("empty"))?;
    ensure!(run(&["verify", "empty"], folder.path())?.code == Some(1), "an empty folder");
    Ok(())
}
