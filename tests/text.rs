//! For any cues: what is published as samples and as WebVTT shows exactly them. For films with text: it stands where it is to be shown, as
//! other people's readers find it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use proptest::{collection::vec, prelude::*};
use reelway::{
    package::{Manifests, package},
    storage::SourceFile,
    verify::verify_folder,
};
use reelway_core::{
    Options, Vod,
    codec::Kind,
    sample::Sample,
    text::{Cue, Cues, webvtt, wvtt},
    time::{Timescale, rescale_length},
};
use reelway_tests::{ffmpeg, published::Published, schema::Schema};

prop_compose! {
    /// Cues that overlap, follow each other, leave gaps; each says something else.
    fn cues()(list in vec((0u64..20_000, 1u64..5000, "[a-zé\n<>&-]{0,12}", any::<bool>()), 0..25)) -> Cues {
        let list = list.iter().enumerate().map(|(number, (start, length, text, settings))| {
            let settings = if *settings { "line:0 align:left" } else { "" };
            Cue::new(*start..start + length, &number.to_string(), settings, &format!("{number}{text}"))
        });
        Cues::new(list.collect(), String::from("STYLE\n::cue {}"))
    }
}

/// The sample and its bytes.
fn sample_bytes<'a>(made: &'a wvtt::Made, sample: &Sample) -> &'a [u8] {
    let place = |byte| usize::try_from(byte).unwrap_or(usize::MAX);
    made.payload.get(place(sample.offset)..place(sample.range().end)).unwrap_or_default()
}

proptest! {
    #[test]
    fn samples_show_what_the_cues_show(cues in cues(), mut bounds in vec(0u64..30_000, 0..12)) {
        bounds.extend([0, 30_000]);
        bounds.sort_unstable();
        let made = wvtt::make(&cues, &bounds, usize::MAX).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let mut joiner = wvtt::Joiner::default();
        let (mut time, mut begin) = (0, Vec::new());
        for sample in &made.samples {
            prop_assert_eq!(sample.decode_time, time, "every moment has one sample");
            begin.push(time);
            time += u64::from(sample.duration);
            joiner.add(&(sample.decode_time..time), sample_bytes(&made, &sample)).map_err(|error| TestCaseError::fail(error.to_string()))?;
        }
        prop_assert_eq!(time, 30_000);
        bounds.dedup();
        bounds.pop();
        let segments: Vec<u64> = made.segments.iter().filter_map(|sample| begin.get(usize::try_from(*sample).ok()?).copied()).collect();
        prop_assert_eq!(segments, bounds, "segments begin at their bounds");
        let mut joined: Vec<Cue> = joiner.finish(String::new()).list().to_vec();
        let mut expected = cues.list().to_vec();
        for list in [&mut joined, &mut expected] {
            list.sort_by_key(|cue| (cue.start, cue.id().to_owned()));
        }
        prop_assert_eq!(joined, expected);
    }

    #[test]
    fn segments_of_webvtt_show_what_the_cues_show(cues in cues(), length in 500u64..8000, start in 0u64..10_000) {
        let mut found: Vec<Cue> = Vec::new();
        for first in (start..30_000).step_by(usize::try_from(length).unwrap_or(1)) {
            let text = webvtt::segment(&cues, first..first + length, (start, Timescale::MILLIS));
            let (read, fault) = webvtt::read(text.as_bytes()).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!((fault, read.blocks()), (None, cues.blocks()));
            for cue in read.list() {
                prop_assert!(cue.end + start > first && cue.start + start < first + length, "{cue:?} is not shown in the segment at {first}");
                if !found.contains(cue) {
                    found.push(cue.clone());
                }
            }
        }
        // What began before the start of the presentation begins with it.
        let expected = cues.list().iter().filter(|cue| cue.end > start);
        let expected = expected.map(|cue| Cue::new(cue.start.saturating_sub(start)..cue.end - start, cue.id(), cue.settings(), cue.text()));
        let expected: Vec<Cue> = expected.collect();
        prop_assert_eq!(found.len(), expected.len());
        prop_assert!(expected.iter().all(|cue| found.contains(cue)));
    }
}

/// Three cues, in English and German: over a cut, beside each other, at the top and in bold.
const ENGLISH: &str = "1\n00:00:00,500 --> 00:00:01,500\nFirst\n\n2\n00:00:03,000 --> 00:00:05,000\n<b>Over</b> a cut & on\n\n3\n00:00:06,000 --> 00:00:07,000\nLast\n";
const GERMAN: &str = "1\n00:00:01,000 --> 00:00:02,000\nErster\n\n2\n00:00:06,500 --> 00:00:07,500\nLetzter é\n";

/// Start and end in milliseconds from the start of the presentation, and text.
type Expected = [(u64, u64, &'static str); 3];
/// What the cues of [`ENGLISH`] are published as.
const EXPECTED: Expected = [(500, 1500, "First"), (3000, 5000, "<b>Over</b> a cut &amp; on"), (6000, 7000, "Last")];

/// Films of 8 s with text in them, by ffmpeg, whose video begins inside its media, late, or not at all, in fragments or not.
fn films(folder: &Path) -> Result<Vec<(PathBuf, Expected)>> {
    fs::write(folder.join("en.srt"), ENGLISH)?;
    fs::write(folder.join("de.srt"), GERMAN)?;
    let texts = format!("-i {0}/en.srt -i {0}/de.srt", folder.display());
    let video = "-f lavfi -i testsrc2=size=160x90:rate=25";
    let out = "-t 8 -c:v libx264 -preset veryfast -g 50 -c:a aac -c:s mov_text -metadata:s:s:0 language=eng -metadata:s:s:1 language=deu";
    let all = "-map 0 -map 1 -map 2 -map 3";
    let sound = "-f lavfi -i sine";
    let mut made = Vec::new();
    // ffmpeg writes no empty samples into fragments, so each cue lasts until the next, and no edit list, so all begins two frames late.
    let fragments = [(580, 3080, EXPECTED[0].2), (3080, 6080, EXPECTED[1].2), (6080, 7080, EXPECTED[2].2)];
    for (name, arguments, expected) in [
        ("edit_list.mp4", format!("{video} {sound} {texts} {all} -bf 3 {out}"), EXPECTED),
        ("late_video.mp4", format!("-itsoffset 0.7 {video} {sound} {texts} {all} -bf 0 {out}"), EXPECTED),
        ("late_sound.mp4", format!("{video} -itsoffset 1.3 {sound} {texts} {all} -bf 3 {out}"), EXPECTED),
        (
            "sound_alone.mp4",
            format!("{sound} {texts} -map 0 -map 1 -map 2 -t 8 -c:a aac -c:s mov_text -metadata:s:s:0 language=eng"),
            EXPECTED,
        ),
        (
            "fragments.mp4",
            format!("{video} {sound} {texts} {all} -bf 3 {out} -movflags +frag_keyframe+empty_moov+default_base_moof"),
            fragments,
        ),
    ] {
        let path = folder.join(name);
        ffmpeg::run(arguments.split(' '), &path).context(name)?;
        made.push((path, expected));
    }
    Ok(made)
}

fn publish(input: &Path, out: &Path) -> Result<Vod> {
    let source = SourceFile::new(File::open(input)?)?;
    let mut vod = Vod::new(vec![source.read_movie()??], &Options::default())?;
    package(&[source], &mut vod, out, Manifests { hls: true, dash: true }, |_| ())?;
    Ok(vod)
}

/// Every cue of a rendition, once, as ffmpeg reads its playlist.
fn by_ffmpeg(playlist: &Path) -> Result<Vec<(u64, u64, String)>> {
    let out = playlist.with_extension("vtt");
    ffmpeg::run(["-allowed_extensions", "ALL", "-i", &playlist.display().to_string(), "-c:s", "copy", "-f", "webvtt"], &out)?;
    let (cues, fault) = webvtt::read(&fs::read(out)?)?;
    ensure!(fault.is_none(), "{fault:?}");
    let mut found: Vec<_> = cues.list().iter().map(|cue| (cue.start, cue.end, cue.text().to_owned())).collect();
    found.dedup();
    Ok(found)
}

#[test]
fn text_of_films_is_published_at_its_time() -> Result<()> {
    if !ffmpeg::is_there("ffmpeg") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let schema = Schema::open(folder.path())?;
    for (film, expected) in films(folder.path())? {
        let name = reelway_tests::files::name(&film);
        let check = || -> Result<()> {
            let out = film.with_extension("out");
            let vod = publish(&film, &out)?;
            let faults = verify_folder(&out)?;
            ensure!(faults.is_empty(), "{faults:#?}");
            if let Some(schema) = &schema {
                schema.check(&out.join("manifest.mpd"))?;
            }
            let texts: Vec<_> = vod.renditions().filter(|(rendition, _)| rendition.kind() == Kind::Text).collect();
            ensure!(texts.len() == 2, "{} texts", texts.len());
            let end = vod.presentation().duration_millis();
            for (rendition, track) in texts {
                let of = |file: String| fs::read(out.join(&rendition.name).join(file));
                let segments =
                    (1..=rendition.timeline.segments.len()).map(|number| of(format!("{number}.m4s"))).collect::<Result<Vec<_>, _>>()?;
                let published = Published::read(&of("init.mp4".into())?, &segments)?;
                // A sample for every moment, cut where the pictures are.
                let mut time = 0;
                for sample in published.samples() {
                    ensure!(sample.dts == time && sample.sync, "{sample:?} at {time}");
                    time += sample.duration;
                }
                ensure!(u64::try_from(time)? == end, "text ends at {time}, the presentation at {end}");
                let lead = &vod.presentation().renditions.first().context("no rendition")?.timeline;
                ensure!(lead.segments.len() == rendition.timeline.segments.len(), "other segments than {lead:?}");
                for (lead_segment, segment) in lead.segments.iter().zip(&rendition.timeline.segments).skip(1) {
                    let start = rescale_length(lead_segment.start, lead.timescale, Timescale::MILLIS);
                    ensure!(segment.start == start, "a segment begins at {}, that of the video at {start}", segment.start);
                }
                ensure!(track.cues.is_some() && rendition.webvtt, "no cues");
            }
            let read = by_ffmpeg(&out.join("t1/media.m3u8"))?;
            let expected: Vec<_> = expected.iter().map(|(start, end, text)| (*start, *end, (*text).to_owned())).collect();
            ensure!(read == expected, "ffmpeg reads {read:?}");
            let master = fs::read_to_string(out.join("master.m3u8"))?;
            ensure!(master.contains("TYPE=SUBTITLES,GROUP-ID=\"subtitles\",NAME=\"en\",LANGUAGE=\"en\""), "{master}");
            ensure!(master.contains("SUBTITLES=\"subtitles\"\n"), "{master}");
            let mpd = fs::read_to_string(out.join("manifest.mpd"))?;
            ensure!(mpd.contains("contentType=\"text\" mimeType=\"application/mp4\" lang=\"en\""), "{mpd}");
            Ok(())
        };
        check().with_context(|| name)?;
    }
    Ok(())
}

/// What `ffmpeg` is told of chapters, and when each begins in milliseconds.
const CHAPTERS: &str = ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1500\ntitle=Opening\n\
                        [CHAPTER]\nTIMEBASE=1/1000\nSTART=1500\nEND=2000\ntitle=Über <Wasser>\n";

/// `chpl`, a track of text, and both (QuickTime File Format, Chapter Lists), as ffmpeg writes them; no list is a text to be shown.
#[test]
fn chapters_of_films_are_found() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let list = folder.path().join("chapters.txt");
    fs::write(&list, CHAPTERS)?;
    let list = list.to_string_lossy();
    for (name, options) in [
        ("both.mp4", &[][..]),
        ("track.mp4", &["-movflags", "+disable_chpl"]),
        ("track.mov", &[]),
        ("late.mp4", &["-movflags", "+faststart"]),
    ] {
        let film = folder.path().join(name);
        let pictures = ["-f", "lavfi", "-i", "color=size=64x64:rate=25:duration=2", "-i", &list, "-map", "0", "-map_chapters", "1"];
        ffmpeg::run(pictures.into_iter().chain(["-c:v", "libx264", "-preset", "ultrafast"]).chain(options.iter().copied()), &film)?;
        let source = SourceFile::new(File::open(&film)?)?;
        let chapters: Vec<(u64, String)> = source.read_chapters()?.into_iter().map(|chapter| (chapter.start, chapter.title)).collect();
        ensure!(chapters == [(0, "Opening".to_owned()), (1500, "Über <Wasser>".to_owned())], "{name}: {chapters:?}");
        let movie = source.read_movie()??;
        ensure!(movie.tracks.len() == 1 && movie.faults.is_empty(), "{name}: {:?} {:?}", movie.tracks.len(), movie.faults);
    }
    Ok(())
}
