//! `reelway ladder`: real clips of a few seconds through ffmpeg. What comes out is read by ffprobe, packaged, and verified; key frames are at
//! the same times in all rungs.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use reelway::{
    http::Handler,
    origin::{Origin, ServerInfo},
};
use reelway_tests::{
    ffmpeg::{self, View, is_there},
    program::{Ran, binary, run},
    surgery,
};
use serde_json::Value;

/// Pictures and a tone, as inputs of ffmpeg: `size` at `rate` for `seconds`.
fn pictures(size: &str, rate: &str, seconds: u32) -> Vec<String> {
    words(&format!(
        "-f lavfi -i testsrc2=size={size}:rate={rate}:duration={seconds} -f lavfi -i sine=frequency=440:sample_rate=48000:duration={seconds}"
    ))
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Makes a clip at `path`.
fn clip(path: &Path, inputs: &[String], output: &str) -> Result<()> {
    let output = words(output);
    ffmpeg::run(inputs.iter().chain(&output).map(String::as_str), path)
}

/// Runs the ladder in `folder`, from `input` to `out`.
fn ladder(folder: &Path, input: &str, more: &[&str]) -> Result<Ran> {
    let start = ["ladder", "-o", "out", "--preset", "ultrafast"];
    run(&[&start[..], more, &["--", input]].concat(), folder)
}

/// One line on standard error that names what is at fault, and no folder.
fn refused(folder: &Path, ran: &Ran, names: &str) -> Result<()> {
    let lines: Vec<&str> = ran.err.lines().collect();
    ensure!(
        ran.code == Some(1) && matches!(lines.as_slice(), [line] if line.starts_with("reelway: ") && line.contains(names)),
        "'{names}': {ran:?}"
    );
    ensure!(!folder.join("out").exists(), "{names}: something half-made is left");
    Ok(())
}

/// What ffprobe tells of the streams of a file.
fn streams(path: &Path) -> Result<Vec<Value>> {
    let told = Command::new("ffprobe").args(["-v", "error", "-of", "json", "-show_streams"]).arg(path).output()?;
    let told: Value = serde_json::from_slice(&told.stdout)?;
    Ok(told["streams"].as_array().context("no streams")?.clone())
}

/// The MP4 files of a ladder, by name.
fn rungs(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        found.extend((path.extension() == Some("mp4".as_ref())).then_some(path));
    }
    found.sort();
    Ok(found)
}

/// Key frames are at the same times in all rungs; they are packaged, and nothing is wrong with the package.
fn aligned(folder: &Path) -> Result<()> {
    let mut keys: BTreeMap<Vec<i64>, PathBuf> = BTreeMap::new();
    for path in rungs(&folder.join("out"))? {
        let video = streams(&path)?.iter().position(|stream| stream["codec_type"] == "video").context("no video")?;
        let ticks: Vec<i64> = ffmpeg::packets(&path, View::Edited)?
            .iter()
            .filter(|packet| packet.key && packet.stream == video)
            .filter_map(|packet| packet.pts)
            .collect();
        ensure!(ticks.len() > 1, "{}: {ticks:?}", path.display());
        keys.insert(ticks, path);
    }
    ensure!(keys.len() == 1, "key frames at different times: {keys:?}");
    for command in [&["package", "out", "-o", "package"][..], &["verify", "package"]] {
        let ran = run(command, folder)?;
        ensure!(ran.code == Some(0) && ran.out.is_empty(), "{ran:?}");
    }
    Ok(())
}

/// A source: how it is made, what is asked for, and what ffprobe tells of each rung: file, width, height, aspect of pixels, rate of frames.
struct Case {
    name: &'static str,
    size: &'static str,
    rate: &'static str,
    made: &'static str,
    options: &'static [&'static str],
    rungs: &'static [(&'static str, u32, u32, &'static str, &'static str)],
}

const X264: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac";

const CASES: &[Case] = &[
    Case {
        name: "plain.mp4",
        size: "640x360",
        rate: "25",
        made: X264,
        options: &["--rungs", "360p,1080p,240p@300k,144p"],
        rungs: &[
            ("360p-h264.mp4", 640, 360, "1:1", "25/1"),
            ("240p-h264.mp4", 426, 240, "1:1", "25/1"),
            ("144p-h264.mp4", 256, 144, "1:1", "25/1"),
        ],
    },
    Case {
        name: "odd.mkv",
        size: "640x480",
        rate: "24000/1001",
        made: "-vf scale=321:241,format=yuv444p -c:v ffv1 -c:a pcm_s16le",
        options: &["--rungs", "auto"],
        rungs: &[("241p-h264.mp4", 320, 240, "1:1", "24000/1001")],
    },
    Case {
        name: "anamorphic.mp4",
        size: "360x288",
        rate: "25",
        made: "-vf setsar=64/45 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac",
        options: &["--rungs", "288p,144p"],
        rungs: &[("288p-h264.mp4", 360, 288, "64:45", "25/1"), ("144p-h264.mp4", 180, 144, "64:45", "25/1")],
    },
    Case {
        name: "fast.mp4",
        size: "320x180",
        rate: "60000/1001",
        made: X264,
        options: &["--rungs", "180p,120p"],
        rungs: &[("180p-h264.mp4", 320, 180, "1:1", "60000/1001"), ("120p-h264.mp4", 212, 120, "1:1", "60000/1001")],
    },
    Case {
        name: "faster.avi",
        size: "320x180",
        rate: "100",
        made: "-c:v mpeg4 -q:v 4 -c:a libmp3lame",
        options: &["--rungs", "180p,120p"],
        rungs: &[("180p-h264.mp4", 320, 180, "1:1", "50/1"), ("120p-h264.mp4", 212, 120, "1:1", "50/1")],
    },
    Case {
        name: "upright.ts",
        size: "180x320",
        rate: "30",
        made: "-c:v mpeg2video -q:v 4 -c:a mp2 -f mpegts",
        options: &["--rungs", "180p,120p"],
        rungs: &[("180p-h264.mp4", 180, 320, "1:1", "30/1"), ("120p-h264.mp4", 120, 212, "1:1", "30/1")],
    },
    Case {
        name: "silent.webm",
        size: "320x180",
        rate: "25",
        made: "-an -c:v libvpx -deadline realtime -cpu-used 8 -b:v 500k",
        options: &["--rungs", "180p,120p", "--codec", "hevc"],
        rungs: &[("180p-hevc.mp4", 320, 180, "1:1", "25/1"), ("120p-hevc.mp4", 212, 120, "1:1", "25/1")],
    },
];

#[test]
fn rungs_are_what_follows_from_the_source() -> Result<()> {
    if !is_there("ffmpeg") {
        return Ok(());
    }
    for case in CASES {
        let folder = tempfile::tempdir()?;
        clip(&folder.path().join(case.name), &pictures(case.size, case.rate, 5), case.made)?;
        let ran = ladder(folder.path(), case.name, case.options)?;
        ensure!(ran.code == Some(0) && ran.out.is_empty(), "{}: {ran:?}", case.name);
        let found = rungs(&folder.path().join("out"))?;
        ensure!(found.len() == case.rungs.len(), "{}: {found:?}", case.name);
        for (file, width, height, aspect, rate) in case.rungs {
            let streams = streams(&folder.path().join("out").join(file)).with_context(|| format!("{} {file}", case.name))?;
            let video = streams.first().context("no stream")?;
            let aspect_told = video["sample_aspect_ratio"].as_str().unwrap_or("1:1");
            ensure!(
                video["width"] == *width && video["height"] == *height && aspect_told == *aspect && video["r_frame_rate"] == *rate,
                "{} {file}: {video:#}",
                case.name
            );
            ensure!(streams.len() == if case.made.contains("-an") { 1 } else { 2 }, "{} {file}: {} streams", case.name, streams.len());
        }
        aligned(folder.path()).context(case.name)?;
    }
    Ok(())
}

/// AV1 counts frames; it needs a picture larger than some, and a number for its preset.
#[test]
fn ladders_of_several_codecs_share_a_folder() -> Result<()> {
    if !is_there("ffmpeg") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    clip(&folder.path().join("a.mp4"), &pictures("640x360", "30000/1001", 5), X264)?;
    let rungs = ["--rungs", "360p,240p", "--no-images"];
    let first = ladder(folder.path(), "a.mp4", &rungs)?;
    ensure!(first.code == Some(0), "{first:?}");
    let second = run(&["ladder", "a.mp4", "-o", "out", "--codec", "av1", "--preset", "12", rungs[0], rungs[1]], folder.path())?;
    ensure!(second.code == Some(0), "{second:?}");
    for name in ["360p-h264.mp4", "240p-h264.mp4", "360p-av1.mp4", "240p-av1.mp4"] {
        ensure!(folder.path().join("out").join(name).exists(), "no {name}");
    }
    aligned(folder.path())?;
    // Others would have key frames elsewhere.
    let other = ladder(folder.path(), "a.mp4", &["--segment", "3s"])?;
    ensure!(other.code == Some(1) && other.err.contains("key frames every"), "{other:?}");
    Ok(())
}

/// Pictures that a player turns come out upright, with their sides changed.
#[test]
fn turned_pictures_are_made_upright() -> Result<()> {
    if !is_there("ffmpeg") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("turned.mp4");
    clip(&path, &pictures("320x180", "25", 5), X264)?;
    let mut file = fs::read(&path)?;
    // A quarter clockwise (ISO/IEC 14496-12 8.3.2): 36 bytes behind 40 of `tkhd`.
    for (place, value) in [0, 0x1_0000, 0, 0xffff_0000, 0, 0, 180 << 16, 0, 0x4000_0000].into_iter().enumerate() {
        surgery::set(&mut file, "moov/trak/tkhd", 40 + 4 * place, value)?;
    }
    fs::write(&path, file)?;
    let ran = ladder(folder.path(), "turned.mp4", &["--rungs", "180p,120p"])?;
    ensure!(ran.code == Some(0), "{ran:?}");
    for (name, width, height) in [("180p-h264.mp4", 180, 320), ("120p-h264.mp4", 120, 212)] {
        let streams = streams(&folder.path().join("out").join(name))?;
        let video = streams.first().context("no stream")?;
        ensure!(video["width"] == width && video["height"] == height && video["side_data_list"].is_null(), "{name}: {video:#}");
    }
    aligned(folder.path())
}

/// Frames that last as long as they like keep their times.
#[test]
fn variable_frame_rates_stay() -> Result<()> {
    if !is_there("ffmpeg") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("vfr.mp4");
    let made = "-vf select='not(eq(mod(n\\,7)\\,3))*not(between(n\\,40\\,55))' -fps_mode vfr -video_track_timescale 90000 -c:v libx264 -preset ultrafast -bf 0 -c:a aac";
    clip(&path, &pictures("320x180", "25", 6), made)?;
    let ran = ladder(folder.path(), "vfr.mp4", &["--rungs", "180p,120p"])?;
    ensure!(ran.code == Some(0), "{ran:?}");
    let times = |path: &Path| -> Result<Vec<i64>> {
        let mut times: Vec<i64> =
            ffmpeg::packets(path, View::Edited)?.iter().filter(|packet| packet.stream == 0).filter_map(|packet| packet.pts).collect();
        times.sort_unstable();
        Ok(times)
    };
    let expected = times(&path)?;
    for rung in rungs(&folder.path().join("out"))? {
        let found = times(&rung)?;
        ensure!(found == expected, "{}: {found:?}, expected {expected:?}", rung.display());
    }
    aligned(folder.path())
}

/// The folder that holds the ladder is served as one title, with its subtitles.
fn served(folder: &Path) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let origin = Origin::new(Some(folder), ServerInfo::new(vec!["h3"], None))?;
    let fetch = |path: &str| -> Result<String> {
        let body = Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync();
        let request = http::Request::builder().uri(path).body(body)?;
        runtime.block_on(async {
            let (parts, body) = origin.handle(request).await.into_parts();
            ensure!(parts.status == http::StatusCode::OK, "{path}: {}", parts.status);
            Ok(String::from_utf8(body.collect().await?.to_bytes().to_vec())?)
        })
    };
    let library: Value = serde_json::from_str(&fetch("/api/v1/assets")?)?;
    let title = library["assets"].as_array().into_iter().flatten().find(|asset| asset["id"] == "out").context("no title")?;
    let kinds: Vec<&str> = title["tracks"].as_array().into_iter().flatten().filter_map(|track| track["kind"].as_str()).collect();
    ensure!(kinds == ["video", "video", "audio", "audio", "audio", "audio", "text", "text"], "{kinds:?}");
    ensure!(fetch("/vod/out/t1/1.vtt")?.contains("Guten Tag") && fetch("/vod/out/t2/1.vtt")?.contains("Hello"), "other texts");
    fs::write(folder.join("out/broken.en.vtt"), "no text at all")?;
    ensure!(fetch("/vod/out/master.m3u8")?.contains("TYPE=SUBTITLES"), "a text that is broken is left out");
    fs::remove_file(folder.join("out/broken.en.vtt"))?;
    Ok(())
}

/// Everything that is told of sounds and texts, and an original of more than two channels, in the rungs and beside them.
#[test]
fn languages_sounds_and_texts_are_carried() -> Result<()> {
    if !is_there("ffmpeg") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("en.srt"), "1\n00:00:01,000 --> 00:00:02,000\nHello\n")?;
    fs::write(folder.path().join("de.srt"), "1\n00:00:01,000 --> 00:00:02,000\nGuten Tag\n")?;
    let mut inputs = pictures("320x180", "25", 5);
    inputs.extend(words("-f lavfi -i anoisesrc=duration=5:sample_rate=48000:amplitude=0.1 -f lavfi -i anullsrc=channel_layout=5.1:sample_rate=48000:duration=5"));
    for name in ["en.srt", "de.srt"] {
        inputs.extend(["-i".into(), folder.path().join(name).to_string_lossy().into_owned()]);
    }
    let maps = "-map 0:v -map 1:a -map 2:a -map 3:a -map 4 -map 5 -metadata:s:a:0 language=eng -metadata:s:a:1 language=deu -metadata:s:a:2 language=fra \
                -ac:a:0 2 -metadata:s:a:1 title=Kommentar -disposition:a:1 comment -metadata:s:s:0 language=eng -metadata:s:s:1 language=ger -c:v libx264 -preset ultrafast";
    clip(&folder.path().join("all.mkv"), &inputs, &format!("{maps} -c:a:0 libopus -c:a:1 aac -c:a:2 ac3 -c:s srt"))?;
    clip(&folder.path().join("all.mp4"), &inputs, &format!("{maps} -c:a:0 libmp3lame -c:a:1 aac -c:a:2 ac3 -c:s mov_text"))?;
    for source in ["all.mkv", "all.mp4"] {
        let ran = ladder(folder.path(), source, &["--rungs", "180p,120p", "--no-images"])?;
        ensure!(ran.code == Some(0), "{source}: {ran:?}");
        let out = folder.path().join("out");
        let told = |name: &str| -> Result<Vec<String>> {
            let of = |stream: &Value| {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let role = if stream["disposition"]["comment"] == 1 { "+comment" } else { "" };
                format!("{} {} {}{role}", text(&stream["codec_name"]), stream["channels"], text(&stream["tags"]["language"]))
            };
            Ok(streams(&out.join(name))?.iter().filter(|stream| stream["codec_type"] == "audio").map(of).collect())
        };
        let most = told("180p-h264.mp4")?;
        ensure!(most == ["aac 2 eng", "aac 1 deu+comment", "aac 2 fra", "ac3 6 fra"], "{source}: {most:?}");
        let least = told("120p-h264.mp4")?;
        ensure!(least == ["aac 2 eng", "aac 1 deu+comment", "aac 2 fra"], "{source}: {least:?}");
        for (name, text) in [("subtitles.en.vtt", "Hello"), ("subtitles.de.vtt", "Guten Tag")] {
            let found = fs::read_to_string(out.join(name)).with_context(|| format!("{source}: {name}"))?;
            ensure!(found.starts_with("WEBVTT") && found.contains(text) && found.contains("00:01.0"), "{source}: {found}");
        }
        aligned(folder.path()).context(source)?;
        served(folder.path()).context(source)?;
        let playlist = fs::read_to_string(folder.path().join("package/master.m3u8"))?;
        for part in ["LANGUAGE=\"en\"", "LANGUAGE=\"de\"", "LANGUAGE=\"fr\"", "CODECS=\"ac-3", "TYPE=SUBTITLES"] {
            ensure!(playlist.contains(part) || playlist.contains(&part.replace("CODECS=\"", "")), "{source}: {part} is not in {playlist}");
        }
        fs::remove_dir_all(&out)?;
        fs::remove_dir_all(folder.path().join("package"))?;
    }
    Ok(())
}

#[test]
fn high_dynamic_range_is_kept_or_mapped() -> Result<()> {
    if !is_there("ffmpeg") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let made = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -x265-params log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc \
                -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc -tag:v hvc1 -an";
    for source in ["hdr.mp4", "hdr.mkv"] {
        clip(&folder.path().join(source), &pictures("320x180", "25", 5), made)?;
        let of = |name: &str| -> Result<String> {
            let streams = streams(&folder.path().join("out").join(name))?;
            let video = streams.first().context("no stream")?;
            Ok(format!("{} {}", video["pix_fmt"].as_str().unwrap_or_default(), video["color_transfer"].as_str().unwrap_or_default()))
        };
        let kept = ladder(folder.path(), source, &["--rungs", "180p,120p", "--codec", "hevc"])?;
        ensure!(kept.code == Some(0) && kept.err.is_empty(), "{source}: {kept:?}");
        ensure!(of("120p-hevc.mp4")? == "yuv420p10le smpte2084", "{source}: {}", of("120p-hevc.mp4")?);
        fs::remove_dir_all(folder.path().join("out"))?;
        let mapped = ladder(folder.path(), source, &["--rungs", "180p,120p"])?;
        ensure!(mapped.code == Some(0) && mapped.err.contains("mapped to SDR"), "{source}: {mapped:?}");
        ensure!(of("120p-h264.mp4")? == "yuv420p bt709", "{source}: {}", of("120p-h264.mp4")?);
        aligned(folder.path()).context(source)?;
        fs::remove_dir_all(folder.path().join("out"))?;
        fs::remove_dir_all(folder.path().join("package"))?;
    }
    Ok(())
}

#[test]
fn poster_and_storyboard_show_the_film() -> Result<()> {
    if !is_there("ffmpeg") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    clip(&folder.path().join("a.mp4"), &pictures("640x360", "25", 7), X264)?;
    let ran = ladder(folder.path(), "a.mp4", &["--rungs", "144p"])?;
    ensure!(ran.code == Some(0), "{ran:?}");
    let images = folder.path().join("out/images");
    for (name, width, height) in [("poster.jpg", 640, 360), ("storyboard-1.jpg", 1600, 900)] {
        let streams = streams(&images.join(name))?;
        let picture = streams.first().context("no picture")?;
        ensure!(picture["codec_name"] == "mjpeg" && picture["width"] == width && picture["height"] == height, "{name}: {picture:#}");
    }
    let track = fs::read_to_string(images.join("storyboard.vtt"))?;
    ensure!(track.matches("storyboard-1.jpg#xywh=").count() == 7, "{track}");
    // They are no subtitles.
    let packaged = run(&["package", "out", "-o", "package"], folder.path())?;
    ensure!(packaged.code == Some(0) && !folder.path().join("package/t1").exists(), "{packaged:?}");
    Ok(())
}

#[test]
fn sound_is_as_loud_as_asked_for() -> Result<()> {
    if !is_there("ffmpeg") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let made = "-af volume=-20dB -c:v libx264 -preset ultrafast -c:a aac";
    clip(&folder.path().join("quiet.mp4"), &pictures("320x180", "25", 6), made)?;
    let ran = ladder(folder.path(), "quiet.mp4", &["--rungs", "120p", "--loudness", "-20", "--no-images"])?;
    ensure!(ran.code == Some(0), "{ran:?}");
    let measured = Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-i"])
        .arg(folder.path().join("out/120p-h264.mp4"))
        .args(["-map", "0:a", "-af", "ebur128", "-f", "null", "-"])
        .output()?;
    let log = String::from_utf8_lossy(&measured.stderr).into_owned();
    let integrated =
        log.rsplit_once("I:").and_then(|(_, rest)| rest.split_whitespace().next()?.parse::<f64>().ok()).context("no loudness")?;
    ensure!((-21.0..=-19.0).contains(&integrated), "{integrated} LUFS");
    Ok(())
}

/// Names that mean something to a shell, to ffmpeg, or to whoever formats text.
#[test]
fn hostile_names_are_names() -> Result<()> {
    if !is_there("ffmpeg") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let clip_path = folder.path().join("clip.mkv");
    clip(&clip_path, &pictures("160x120", "25", 3), "-c:v mpeg4 -c:a libmp3lame")?;
    for name in [
        "-i.mkv",
        "concat:clip.mkv",
        "pipe:0",
        "http:%2f%2fhost%2fa.mkv",
        "frame%03d.jpg",
        "a%d.mkv",
        "new\nline.mkv",
        "$(touch pwned);`touch pwned`'\".mkv",
        "[0:v]scale=1:1,a;b.mkv",
        "\u{1b}[31mred.mkv",
    ] {
        let source = folder.path().join(name);
        fs::rename(&clip_path, &source)?;
        let ran = ladder(folder.path(), name, &["--rungs", "120p,96p"])?;
        ensure!(ran.code == Some(0), "{name:?}: {ran:?}");
        ensure!(rungs(&folder.path().join("out"))?.len() == 2, "{name:?}");
        fs::remove_dir_all(folder.path().join("out"))?;
        fs::rename(&source, &clip_path)?;
    }
    ensure!(fs::read_dir(folder.path())?.count() == 1, "something was made beside the ladder");
    // The folder that is written to, too.
    let ran = run(&["ladder", "clip.mkv", "--preset", "ultrafast", "--rungs", "96p", "-o", "50%d [x];'y'"], folder.path())?;
    ensure!(ran.code == Some(0) && folder.path().join("50%d [x];'y'/images/storyboard-1.jpg").exists(), "{ran:?}");
    Ok(())
}

/// Files that lead to other files, and what is no video, are refused in a line, whatever they are called.
#[test]
fn sources_that_are_none_are_named() -> Result<()> {
    if !is_there("ffmpeg") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    clip(&path("secret.mkv"), &pictures("160x120", "25", 2), "-c:v mpeg4 -c:a libmp3lame")?;
    let whole = fs::read(path("secret.mkv"))?;
    let secret = path("secret.mkv").display().to_string();
    fs::write(path("list.mkv"), format!("ffconcat version 1.0\nfile '{secret}'\n"))?;
    fs::write(path("playlist.mp4"), format!("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\n{secret}\n#EXT-X-ENDLIST\n"))?;
    fs::write(path("away.ts"), "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")?;
    fs::write(path("empty.mkv"), "")?;
    fs::write(path("text.mkv"), "This is no video at all, though its name says so.")?;
    fs::write(
        path("noise.mkv"),
        (0..50_000u32).map(|n| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap_or(0)).collect::<Vec<u8>>(),
    )?;
    fs::write(path("head.mkv"), whole.get(..300).context("short")?)?;
    fs::create_dir(path("folder.mkv"))?;
    clip(&path("sound.m4a"), &pictures("160x120", "25", 2), "-vn -c:a aac")?;
    ensure!(Command::new("mkfifo").arg(path("pipe.mkv")).status()?.success(), "no pipe");
    for name in [
        "list.mkv",
        "playlist.mp4",
        "away.ts",
        "empty.mkv",
        "text.mkv",
        "noise.mkv",
        "head.mkv",
        "folder.mkv",
        "sound.m4a",
        "pipe.mkv",
        "missing.mkv",
    ] {
        refused(folder.path(), &ladder(folder.path(), name, &[])?, name)?;
    }
    // Larger than it is, and written where no folder can be.
    refused(folder.path(), &ladder(folder.path(), "secret.mkv", &["--rungs", "1080p"])?, "160x120")?;
    let ran = run(&["ladder", "secret.mkv", "-o", "text.mkv/out"], folder.path())?;
    ensure!(ran.code == Some(1) && ran.err.lines().count() == 1 && ran.err.contains("text.mkv/out"), "{ran:?}");
    // What is cut in the middle is not passed off as the whole.
    fs::write(path("cut.mkv"), whole.get(..whole.len() / 3).context("short")?)?;
    refused(folder.path(), &ladder(folder.path(), "cut.mkv", &["--rungs", "120p"])?, "the source is broken there")
}

#[test]
fn ffmpeg_that_is_not_as_needed_is_named() -> Result<()> {
    if !is_there("ffmpeg") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    clip(&folder.path().join("a.mp4"), &pictures("160x120", "25", 2), X264)?;
    let tools = folder.path().join("tools");
    fs::create_dir(&tools)?;
    let with_tools = || -> Result<Ran> {
        let arguments = ["ladder", "a.mp4", "-o", "out"];
        Ok(Command::new(binary()?).args(arguments).current_dir(folder.path()).env("PATH", &tools).output()?.into())
    };
    refused(folder.path(), &with_tools()?, "ffmpeg is not on the PATH")?;
    let fake = |script: &str| -> Result<()> {
        fs::write(tools.join("ffmpeg"), format!("#!/bin/sh\n{script}\n"))?;
        Ok(fs::set_permissions(tools.join("ffmpeg"), fs::Permissions::from_mode(0o755))?)
    };
    fake("echo ffmpeg version 4.3.1 Copyright")?;
    refused(folder.path(), &with_tools()?, "ffmpeg 4.3 is too old")?;
    fake("echo ffmpeg version 7.1 Copyright")?;
    refused(folder.path(), &with_tools()?, "no encoder libx264")?;
    // An encoder that fails tells why.
    let ran = run(&["ladder", "a.mp4", "-o", "out", "--preset", "nonsense"], folder.path())?;
    refused(folder.path(), &ran, "nonsense")
}

/// Rungs between which players could not switch are no ladder, whatever ffmpeg thinks of them.
#[test]
fn rungs_that_are_not_aligned_are_refused() -> Result<()> {
    if !is_there("ffmpeg") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    clip(&folder.path().join("a.mp4"), &pictures("320x180", "25", 5), X264)?;
    let path = std::env::var("PATH")?;
    let ffmpeg = path.split(':').map(|folder| format!("{folder}/ffmpeg")).find(|file| Path::new(file).exists()).context("no ffmpeg")?;
    let tools = folder.path().join("tools");
    fs::create_dir(&tools)?;
    // The groups of pictures of the second output are shorter.
    let script = format!(
        "#!/bin/sh\ncount=0\nfor word do\nshift\nif [ \"$last\" = -g ]; then count=$((count + 1)); [ $count = 2 ] && word=30; fi\n\
         last=$word\nset -- \"$@\" \"$word\"\ndone\nexec {ffmpeg} \"$@\"\n"
    );
    fs::write(tools.join("ffmpeg"), script)?;
    fs::set_permissions(tools.join("ffmpeg"), fs::Permissions::from_mode(0o755))?;
    let mut command = Command::new(binary()?);
    command.args(["ladder", "a.mp4", "-o", "out", "--preset", "ultrafast", "--rungs", "180p,96p", "--no-images"]);
    let path = format!("{}:{path}", tools.display());
    let ran: Ran = command.current_dir(folder.path()).env("PATH", path).output()?.into();
    refused(folder.path(), &ran, "the key frames of 180p-h264.mp4 and 96p-h264.mp4 are not at the same times")
}

/// A picture a minute for 100 hours, which might take more than any disk has.
#[test]
fn room_is_looked_for_before_anything_is_made() -> Result<()> {
    if !is_there("ffmpeg") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    clip(
        &folder.path().join("a.mp4"),
        &words("-f lavfi -i testsrc2=size=160x96:rate=1/60:duration=360000"),
        "-c:v libx264 -preset ultrafast",
    )?;
    let ran = ladder(folder.path(), "a.mp4", &["--rungs", "96p@400M"])?;
    refused(folder.path(), &ran, "18001001 MB may be needed")
}

/// A run of the ladder that can be interrupted: a source that takes a while, rung after rung.
fn long_run(folder: &Path) -> Result<Child> {
    let mut command = Command::new(binary()?);
    command.args(["ladder", "long.mp4", "-o", "out", "--rungs", "360p,96p", "--one-by-one", "--no-images", "--json", "--preset", "medium"]);
    Ok(command.current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
}

/// Reads what a run tells until an event of this kind.
fn until(child: &mut Child, kind: &str) -> Result<Value> {
    let mut lines = BufReader::new(child.stdout.as_mut().context("no output")?).lines();
    loop {
        let event: Value = serde_json::from_str(&lines.next().with_context(|| format!("it ended before '{kind}'"))??)?;
        if event["event"] == kind {
            return Ok(event);
        }
    }
}

/// Processes that work in a folder below this one.
fn workers(folder: &Path) -> Result<usize> {
    let folder = folder.canonicalize()?;
    let works = |entry: &fs::DirEntry| fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder.join("out")));
    Ok(fs::read_dir("/proc")?.flatten().filter(works).count())
}

#[test]
fn a_killed_run_goes_on_where_it_was() -> Result<()> {
    if !is_there("ffmpeg") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    clip(&folder.path().join("long.mp4"), &pictures("640x360", "25", 30), X264)?;
    let out = folder.path().join("out");

    let mut child = long_run(folder.path())?;
    let finished = until(&mut child, "finished")?;
    ensure!(finished["product"] == "96p-h264.mp4", "the smallest comes first: {finished}");
    child.kill()?;
    child.wait()?;
    // What it started goes with it.
    if is_there("setpriv") {
        for _ in 0..200 {
            if workers(folder.path())? == 0 {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
        ensure!(workers(folder.path())? == 0, "ffmpeg goes on");
    }
    ensure!(rungs(&out)? == [out.join("96p-h264.mp4")], "{:?}", rungs(&out)?);
    let before = fs::metadata(out.join("96p-h264.mp4"))?.modified()?;

    let ended = long_run(folder.path())?.wait_with_output()?;
    let told = String::from_utf8(ended.stdout)?;
    ensure!(ended.status.success(), "{told} {}", String::from_utf8_lossy(&ended.stderr));
    let planned: Value = serde_json::from_str(told.lines().next().context("nothing is told")?)?;
    ensure!(
        planned["products"] == serde_json::json!([{"name": "360p-h264.mp4", "there": false}, {"name": "96p-h264.mp4", "there": true}]),
        "{planned}"
    );
    ensure!(rungs(&out)?.len() == 2 && fs::metadata(out.join("96p-h264.mp4"))?.modified()? == before, "made again");
    ensure!(!out.join(".ladder/making").exists(), "what was half-made is left");

    // Bytes that are not as they were made are made again.
    let mut bytes = fs::read(out.join("96p-h264.mp4"))?;
    bytes.last_mut().into_iter().for_each(|byte| *byte ^= 1);
    fs::write(out.join("96p-h264.mp4"), bytes)?;
    let mended = long_run(folder.path())?.wait_with_output()?;
    ensure!(String::from_utf8(mended.stdout)?.contains("\"product\":\"96p-h264.mp4\""), "it is taken as it is");
    aligned(folder.path())
}

#[test]
fn an_interrupted_run_leaves_nothing_half_made() -> Result<()> {
    if !is_there("ffmpeg") {
        return Ok(());
    }
    for signal in ["INT", "TERM"] {
        let folder = tempfile::tempdir()?;
        clip(&folder.path().join("long.mp4"), &pictures("640x360", "25", 30), X264)?;
        let mut child = long_run(folder.path())?;
        until(&mut child, "progress")?;
        ensure!(workers(folder.path())? > 0, "nothing works");
        ensure!(Command::new("kill").args(["-s", signal, &child.id().to_string()]).status()?.success(), "no kill");
        let ended = child.wait_with_output()?;
        let told = String::from_utf8_lossy(&ended.stderr).into_owned();
        ensure!(ended.status.code() == Some(1) && told.lines().count() == 1 && told.contains("ended before it was done"), "{told}");
        ensure!(workers(folder.path())? == 0, "ffmpeg goes on");
        ensure!(!folder.path().join("out").exists(), "something half-made is left");
    }
    Ok(())
}

/// Pictures that hardly change are given less than noise; a rate that is named stays.
#[test]
fn bit_rates_follow_the_pictures() -> Result<()> {
    if !is_there("ffmpeg") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let sound = "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=8";
    let mut given = Vec::new();
    for (name, pictures) in [
        ("still.mp4", "color=size=320x180:rate=25:duration=8"),
        ("noise.mp4", "nullsrc=size=320x180:rate=25:duration=8,geq=random(1)*255:128:128"),
    ] {
        clip(&folder.path().join(name), &words(&format!("-f lavfi -i {pictures} {sound}")), X264)?;
        let ran = ladder(folder.path(), name, &["--rungs", "180p,96p@300k", "--per-title", "--no-images"])?;
        ensure!(ran.code == Some(0), "{name}: {ran:?}");
        let percent = ran.err.split_once("may take ").and_then(|(_, rest)| rest.split_once(" %")).context("nothing is told")?.0;
        given.push(percent.parse::<u64>()?);
        ensure!(ran.err.contains("measured by SSIM"), "{name}: {ran:?}");
        // The same again is known again.
        let again = ladder(folder.path(), name, &["--rungs", "180p,96p@300k", "--per-title", "--no-images"])?;
        ensure!(again.code == Some(0) && again.err.contains("there already: 180p-h264.mp4, 96p-h264.mp4"), "{name}: {again:?}");
        fs::remove_dir_all(folder.path().join("out"))?;
    }
    ensure!(given == [35, 180], "{given:?}");
    Ok(())
}

#[test]
fn rungs_may_stand_in_a_file() -> Result<()> {
    if !is_there("ffmpeg") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    clip(&folder.path().join("a.mp4"), &pictures("320x180", "25", 3), X264)?;
    fs::write(
        folder.path().join("rungs.toml"),
        "[[rung]]\nsize = \"180p\"\nmax_bitrate = \"800k\"\n\n[[rung]]\nsize = \"96p\"\ncrf = 30\n",
    )?;
    let ran = ladder(folder.path(), "a.mp4", &["--rungs", "rungs.toml", "--no-images"])?;
    ensure!(ran.code == Some(0) && rungs(&folder.path().join("out"))?.len() == 2, "{ran:?}");
    fs::remove_dir_all(folder.path().join("out"))?;
    for (rungs, names) in [("none.toml", "none.toml"), ("720", "'720' is no size"), ("180p,180p", "180p is named twice")] {
        refused(folder.path(), &ladder(folder.path(), "a.mp4", &["--rungs", rungs])?, names)?;
    }
    fs::write(folder.path().join("bad.toml"), "[[rung]]\nsize = 180\n")?;
    refused(folder.path(), &ladder(folder.path(), "a.mp4", &["--rungs", "bad.toml"])?, "bad.toml")
}
