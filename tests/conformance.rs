//! Every file that we accept is published exactly: the same samples at the same times, in segments and manifests that other people's
//! readers accept. Every file that we refuse is refused for a reason that holds.
//!
//! What judges: ffprobe and ffmpeg read the source and what is published from it; mp4-atom reads our boxes; mp4parse, which Firefox plays
//! with, reads our headers; xmllint reads our MPDs. See [`REFUSED`] and [`LEFT_OUT`] for what is not accepted, and why.

mod conformance_tables;

use std::{
    collections::HashMap,
    fs::{self, File},
    io::Cursor,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use mp4parse::{CodecType, SampleEntry};
use reelway::{
    package::{Manifests, package},
    storage::SourceFile,
    verify::{Severity, verify_folder},
};
use reelway_core::{
    ErrorKind, Options, Vod,
    codec::Kind,
    presentation::{Layout, Rendition},
    time::{Timescale, rescale_length},
    track::Track,
};
use reelway_tests::{
    ffmpeg::{self, Packet, Stream, View},
    files,
    manifests::{self, MediaPlaylist, Mpd, Representation},
    parallel, program,
    published::{self as boxes, Published, Sample},
    schema::Schema,
    synthetic,
};

use conformance_tables::{
    FAULTS, FIRST_NOT_SYNC, LEFT_OUT, NOT_ALL_SYNC, NOT_BY_MP4PARSE, NOT_PROBED, OTHER_EDITS, REFUSED, SYNC_BY_PICTURES,
};

#[test]
fn real_files_are_published_exactly() -> Result<()> {
    let Some(paths) = files::shared_media("real").filter(|_| tools_are_there()) else { return Ok(()) };
    check_all(&paths, "real")
}

#[test]
fn synthetic_files_are_published_exactly() -> Result<()> {
    let Some(paths) = synthetic::files()? else { return Ok(()) };
    check_all(&paths, "synthetic")
}

fn tools_are_there() -> bool {
    ffmpeg::is_there("ffmpeg") && ffmpeg::is_there("ffprobe")
}

/// The sample entries of what we carry.
const CARRIED: &[&[u8; 4]] = &[
    b"avc1", b"avc3", b"hvc1", b"hev1", b"av01", b"vp08", b"vp09", b"dvh1", b"dvhe", b"dav1", b"dva1", b"dvav", b"mp4a", b"Opus", b"fLaC",
    b"alac", b"ac-3", b"ec-3", b"ac-4", b"wvtt", b"stpp", b"vvc1", b"mp4v", b"s263", b"mhm1", b"iamf", b"ipcm", b"fpcm", b"sowt", b"dtsc",
    b"samr", b"sawb",
];

/// The same as ffmpeg names them.
const CARRIED_BY_FFMPEG: &[&str] =
    &["h264", "hevc", "av1", "vp8", "vp9", "aac", "mp2", "mp3", "opus", "flac", "alac", "ac3", "eac3", "ac4"];

/// What became of a file that is as it should be.
enum Outcome {
    Exact,
    Refused,
}

fn check_all(paths: &[PathBuf], kind: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let schema = Schema::open(folder.path())?;
    let outcomes = parallel::map(paths, |path| {
        let work = folder.path().join(files::name(path));
        let outcome = check(path, &work, schema.as_ref());
        let _ = fs::remove_dir_all(&work); // the disk need not hold all of them at once
        outcome
    });
    let (mut exact, mut refused, mut faults) = (0, 0, Vec::new());
    for (path, outcome) in paths.iter().zip(outcomes) {
        match outcome {
            Ok(Outcome::Exact) => exact += 1,
            Ok(Outcome::Refused) => refused += 1,
            Err(error) => faults.push(format!("{}: {error:#}", files::name(path))),
        }
    }
    println!("{kind} files: {exact} accepted and exact, {refused} refused as expected");
    ensure!(faults.is_empty(), "\n{}", faults.join("\n"));
    Ok(())
}

fn check(path: &Path, work: &Path, schema: Option<&Schema>) -> Result<Outcome> {
    let name = files::name(path);
    let expected = REFUSED.iter().find(|(file, _)| *file == name).map(|(_, reason)| *reason);
    let source = SourceFile::new(File::open(path)?)?;
    let movie = match (source.read_movie()?, expected) {
        (Ok(movie), None) => movie,
        (Err(error), Some(reason)) => {
            ensure!(error.to_string().contains(reason), "refused as '{error}', not as '{reason}'");
            refusal_holds(path, reason)?;
            return Ok(Outcome::Refused);
        }
        (Err(error), None) => bail!("refused: {error}"),
        (Ok(_), Some(reason)) => bail!("accepted, not refused as '{reason}'"),
    };
    for left_out in &movie.left_out {
        let in_scope = left_out.coding.is_some_and(|coding| CARRIED.contains(&&coding.0));
        let known = LEFT_OUT.iter().any(|(file, reason)| *file == name && left_out.reason.to_string().contains(reason));
        ensure!(!in_scope || known, "track {} is left out: {}", left_out.id, left_out.reason);
    }
    let faults: Vec<&str> = FAULTS.iter().filter(|(file, _)| *file == name).map(|(_, fault)| *fault).collect();
    let told: Vec<String> = movie.faults.iter().map(ToString::to_string).collect();
    let all_told = told.len() == faults.len() && told.iter().zip(&faults).all(|(told, fault)| told.contains(fault));
    ensure!(all_told, "it tells {told:?}, not {faults:?}");
    let cut_short = movie.faults.iter().any(|fault| fault.kind() == ErrorKind::Truncated);
    let mut single = Vod::new(vec![movie.clone()], &Options { layout: Layout::SingleFile, ..Options::default() })?;
    let mut vod = Vod::new(vec![movie], &Options::default())?;
    publish(&source, &mut vod, work, schema)?;
    publish(&source, &mut single, &work.join("single"), schema)?;

    let bytes = fs::read(path)?;
    let probed = Probed::new(path);
    let mpd = Mpd::read(&fs::read_to_string(work.join("manifest.mpd"))?)?;
    for uri in manifests::playlists(&fs::read_to_string(work.join("master.m3u8"))?) {
        ensure!(work.join(&uri).is_file(), "master.m3u8 names {uri}");
    }
    for (rendition, track) in vod.renditions() {
        let check = Check { name: &name, folder: work.join(&rendition.name), rendition, track, cut_short };
        let published = check.read().and_then(|published| {
            check.samples(&published, &bytes)?;
            check.single_file(&single, &work.join("single"))?;
            match &probed {
                Ok(probed) => check.packets(&published, path, probed)?,
                Err(error) => ensure!(NOT_PROBED.iter().any(|(file, _)| *file == name), "{error:#}"),
            }
            // Metadata is in the MPD alone.
            if rendition.kind() != Kind::Metadata {
                check.media_playlist(&published, vod.presentation().start)?;
            }
            let representation = mpd.representations.iter().find(|found| found.id == rendition.name).context("not in the MPD")?;
            check.representation(&published, &mpd, representation)
        });
        published.with_context(|| rendition.name.clone())?;
    }
    Ok(Outcome::Exact)
}

/// Writes `vod` out; what is written has no fault by `reelway verify` and by the schema.
fn publish(source: &SourceFile, vod: &mut Vod, folder: &Path, schema: Option<&Schema>) -> Result<()> {
    package(std::slice::from_ref(source), vod, folder, Manifests { hls: true, dash: true }, |_| {})?;
    // Warnings may be those of the source: sound that ends before its pictures.
    let faults = verify_folder(folder)?.into_iter().filter(|fault| fault.severity == Severity::Error);
    let faults: Vec<String> = faults.map(|fault| fault.to_string()).collect();
    ensure!(faults.is_empty(), "{:?}: {}", vod.presentation().layout, faults.join("; "));
    schema.map_or(Ok(()), |schema| schema.check(&folder.join("manifest.mpd")))
}

/// Whether others see it too: no track of a codec that we carry where the codecs are the reason, no packet where the lack of samples is,
/// a sample behind the end of the file where its end is.
fn refusal_holds(path: &Path, reason: &str) -> Result<()> {
    let Ok(probed) = Probed::new(path) else { return Ok(()) };
    let carried = |stream: &&Stream| stream.codec.as_deref().is_some_and(|codec| CARRIED_BY_FFMPEG.contains(&codec));
    if reason.contains("not carried") || reason.contains("neither video nor audio") {
        ensure!(probed.streams.iter().find(carried).is_none(), "refused, and yet ffprobe finds {:?}", probed.streams);
    } else if reason.contains("no samples") {
        ensure!(probed.raw.is_empty(), "refused, and yet ffprobe finds {} packets", probed.raw.len());
    } else if reason.contains("it holds none of") {
        let bytes = fs::read(path)?;
        let cut = probed.streams.iter().filter_map(|stream| boxes::Track::read(&bytes, stream.id?).ok());
        let end = cut.flat_map(|track| track.samples).map(|sample| sample.offset + u64::from(sample.size)).max();
        ensure!(end > Some(bytes.len() as u64), "refused, and yet mp4-atom finds the last sample to end at {end:?}");
    }
    Ok(())
}

/// A source as ffprobe sees it.
struct Probed {
    streams: Vec<Stream>,
    raw: Vec<Packet>,
    edited: Vec<Packet>,
}

impl Probed {
    fn new(path: &Path) -> Result<Self> {
        Ok(Self { streams: ffmpeg::streams(path)?, raw: ffmpeg::packets(path, View::Raw)?, edited: ffmpeg::packets(path, View::Edited)? })
    }
}

/// A rendition on its way through the judges.
struct Check<'a> {
    /// The name of the source.
    name: &'a str,
    /// The folder of the rendition.
    folder: PathBuf,
    rendition: &'a Rendition,
    track: &'a Track,
    /// Whether the source announces samples that it does not hold.
    cut_short: bool,
}

impl Check<'_> {
    fn is_in(&self, table: &[(&str, &str)]) -> bool {
        table.iter().any(|(file, rendition)| *file == self.name && *rendition == self.rendition.name)
    }

    /// The boxes, by mp4-atom; the header by mp4parse too. Leaves all of it as one file for ffprobe.
    fn read(&self) -> Result<Published> {
        let header = fs::read(self.folder.join("init.mp4"))?;
        let count = self.rendition.timeline.segments.len();
        let segments: Vec<Vec<u8>> =
            (1..=count).map(|number| fs::read(self.folder.join(format!("{number}.m4s")))).collect::<Result<_, _>>()?;
        ensure!(!self.folder.join(format!("{}.m4s", count + 1)).exists(), "more segments than the index has");
        let found = mp4parse::read_mp4(&mut Cursor::new(&header)).context("mp4parse cannot read the header").and_then(|context| {
            ensure!(context.tracks.len() == 1, "mp4parse finds {} tracks", context.tracks.len());
            let entry = context.tracks.first().and_then(|track| track.stsd.as_ref()?.descriptions.first());
            match entry.context("mp4parse finds no sample entry")? {
                SampleEntry::Video(video) => Ok(video.codec_type),
                SampleEntry::Audio(audio) => Ok(audio.codec_type),
                SampleEntry::Unknown => Ok(CodecType::Unknown),
            }
        });
        let expected = match self.rendition.codec.string.split('.').collect::<Vec<_>>().as_slice() {
            ["avc1" | "avc3", ..] => CodecType::H264,
            ["av01", ..] => CodecType::AV1,
            ["vp08", ..] => CodecType::VP8,
            ["vp09", ..] => CodecType::VP9,
            ["mp4a", "69" | "6B"] => CodecType::MP3,
            ["mp4a", "40", "42"] => CodecType::Unknown, // xHE-AAC
            ["mp4a", "40" | "66" | "67" | "68", ..] => CodecType::AAC,
            ["Opus"] => CodecType::Opus,
            ["fLaC"] => CodecType::FLAC,
            ["alac"] => CodecType::ALAC,
            ["s263"] => CodecType::H263,
            ["mp4v", ..] => CodecType::MP4V,
            _ => CodecType::Unknown, // mp4parse 0.17 knows neither HEVC nor what Dolby makes
        };
        match found {
            Ok(codec) => ensure!(codec == expected, "mp4parse finds {codec:?} in {}", self.rendition.codec.string),
            Err(error) => ensure!(NOT_BY_MP4PARSE.iter().any(|(file, _)| *file == self.name), "{error:#}"),
        }
        fs::write(self.whole(), [vec![header.clone()], segments.clone()].concat().concat())?;
        Published::read(&header, &segments)
    }

    /// The whole rendition as one file.
    fn whole(&self) -> PathBuf {
        self.folder.join("whole.mp4")
    }

    /// The rendition as one file holds the header, the index, and the segments as they are in files of their own.
    fn single_file(&self, single: &Vod, folder: &Path) -> Result<()> {
        let name = &self.rendition.name;
        let header = single.header(name)?;
        let found = fs::read(folder.join(name).join("media.mp4"))?;
        let whole = fs::read(self.whole())?;
        let start = [header.clone(), single.index(name)?].concat();
        ensure!(found.starts_with(&start) && whole.starts_with(&header), "not the header and the index");
        ensure!(found.get(start.len()..) == whole.get(header.len()..), "not the segments");
        Ok(())
    }

    /// The same samples as the source has, by the boxes of both: bytes, times, sync flags.
    fn samples(&self, published: &Published, source: &[u8]) -> Result<()> {
        let mut theirs = boxes::Track::read(source, self.track.id).context("mp4-atom cannot read the source")?;
        theirs.keep_whole(source.len() as u64, self.rendition.is_video());
        if let Some((_, numbers)) = SYNC_BY_PICTURES.iter().find(|(file, _)| *file == self.name) {
            for (number, sample) in (0..).zip(&mut theirs.samples) {
                sample.sync = numbers.contains(&number);
            }
        }
        let whole = fs::read(self.whole())?;
        let ours: Vec<Sample> = published.samples().collect();
        ensure!(theirs.timescale == published.timescale, "timescale {} became {}", theirs.timescale, published.timescale);
        ensure!(theirs.samples.len() == ours.len(), "{} samples in the source, {} published", theirs.samples.len(), ours.len());
        // A late start is in the decoding times, an early one in the edit list.
        let late = self.track.shift.max(0);
        ensure!(published.media_time == (-self.track.shift).max(0), "edit list at {}", published.media_time);
        for (number, (theirs, ours)) in theirs.samples.iter().zip(&ours).enumerate() {
            let expected = Sample { dts: theirs.dts + late, pts: theirs.pts + late, offset: ours.offset, ..*theirs };
            ensure!(*ours == expected, "sample {number}: {ours:?}, expected {expected:?}");
            ensure!(payload(source, theirs) == payload(&whole, ours), "sample {number}: other bytes: {ours:?}");
        }
        for (number, segment) in published.segments.iter().enumerate() {
            let sync = segment.first().is_some_and(|sample| sample.sync);
            ensure!(sync || self.is_in(FIRST_NOT_SYNC), "segment {} begins with no sync sample", number + 1);
        }
        Ok(())
    }

    /// The same packets as the source has, by ffprobe, and no complaint of its decoders that the source does not earn.
    fn packets(&self, published: &Published, path: &Path, probed: &Probed) -> Result<()> {
        let stream = probed.streams.iter().find(|stream| stream.id == Some(self.track.id)).context("ffprobe does not know the track")?;
        let theirs: Vec<&Packet> = probed.raw.iter().filter(|packet| packet.stream == stream.index).collect();
        let ours = ffmpeg::packets(&self.whole(), View::Raw)?;
        if matches!(self.rendition.codec.string.as_str(), "ipcm" | "fpcm") {
            // A sample is one value a channel: of a sample table ffprobe gives out a thousand as a packet, of a fragment each.
            let bytes = |packets: &mut dyn Iterator<Item = u64>| packets.sum::<u64>();
            let (theirs, ours) = (bytes(&mut theirs.iter().map(|packet| packet.size)), bytes(&mut ours.iter().map(|packet| packet.size)));
            ensure!(theirs == ours, "{theirs} bytes became {ours}");
            return Ok(());
        }
        let samples: Vec<Sample> = published.samples().collect();
        // ffprobe gives out a packet that the file holds in part, and stops there whatever other tracks still have.
        ensure!(self.cut_short || theirs.len() == ours.len(), "{} packets became {}", theirs.len(), ours.len());
        ensure!(ours.len() == samples.len(), "{} packets of {} samples", ours.len(), samples.len());
        ensure!(stream.timescale == Some(published.timescale.into()), "timescale {:?}", stream.timescale);
        // ffmpeg moves times where composition offsets are negative, by the largest of those that it has read so far; in a progressive
        // file the decoding times, in a fragmented one the presentation times. The boxes, compared above, have the right ones.
        let reordered = samples.iter().any(|sample| sample.pts < sample.dts);
        let late = self.track.shift.max(0);
        for (number, ((theirs, ours), sample)) in theirs.iter().zip(&ours).zip(&samples).enumerate() {
            let fault = |what: &str| format!("packet {number}: {what}: source {theirs:?}, published {ours:?}, boxes {sample:?}");
            ensure!(theirs.size == ours.size && theirs.hash == ours.hash, fault("payload"));
            ensure!(theirs.key == ours.key || (ours.key && self.is_in(NOT_ALL_SYNC)), fault("key flag"));
            if !reordered {
                ensure!(theirs.pts.is_some_and(|pts| Some(pts + late) == ours.pts), fault("presentation time"));
                ensure!(theirs.dts.is_some_and(|dts| Some(dts + late) == ours.dts), fault("decoding time"));
            }
        }
        self.edit_list(stream, probed)?;
        let complaints = ffmpeg::decoding_errors(&self.whole(), 0)?;
        if !complaints.is_empty() {
            let source = ffmpeg::decoding_errors(path, stream.index)?;
            ensure!(!source.is_empty(), "decodes with errors that the source does not have: {complaints}");
        }
        Ok(())
    }

    /// The shift that we make of the edit list is what ffmpeg makes of it, by every packet that it does not hide.
    fn edit_list(&self, stream: &Stream, probed: &Probed) -> Result<()> {
        if self.is_in(OTHER_EDITS) {
            return Ok(());
        }
        let of = |packets| packets_of(packets, stream.index);
        let times: HashMap<_, _> = of(&probed.raw).map(|packet| ((packet.position, &packet.hash), packet.pts)).collect();
        for packet in of(&probed.edited) {
            let before = times.get(&(packet.position, &packet.hash)).copied().flatten();
            let shift = packet.pts.zip(before).map(|(after, before)| after - before);
            ensure!(shift == Some(self.track.shift), "ffmpeg shifts by {shift:?}, we by {}: {packet:?}", self.track.shift);
        }
        Ok(())
    }

    /// RFC 8216bis 4.4.3.1, 4.4.4.1.
    fn media_playlist(&self, published: &Published, start: (u64, Timescale)) -> Result<()> {
        let playlist = MediaPlaylist::read(&fs::read_to_string(self.folder.join("media.m3u8"))?)?;
        ensure!(playlist.map == "init.mp4", "EXT-X-MAP {}", playlist.map);
        for (number, (duration, uri)) in playlist.segments.iter().enumerate() {
            ensure!(*uri == format!("{}.m4s", number + 1), "segment {uri}");
            ensure!((duration + 500_000) / 1_000_000 <= playlist.target, "{duration} µs in a target of {} s", playlist.target);
        }
        ensure!(playlist.segments.len() == published.segments.len(), "{} segments listed", playlist.segments.len());
        let length = published.end() - i64::try_from(rescale_length(start.0, start.1, self.track.timescale))?;
        let length = i128::from(length) * 1_000_000 / i128::from(published.timescale);
        let sum: u64 = playlist.segments.iter().map(|(duration, _)| duration).sum();
        // Each duration is rounded to a microsecond, the start of the presentation to a tick.
        let tolerance = playlist.segments.len() as u64 + 1_000_000 / u64::from(published.timescale) + 1;
        ensure!(i128::from(sum).abs_diff(length) <= u128::from(tolerance), "durations add up to {sum} µs, the track lasts {length} µs");
        Ok(())
    }

    /// ISO/IEC 23009-1 5.3.9.6: the timeline says when segments are presented.
    fn representation(&self, published: &Published, mpd: &Mpd, representation: &Representation) -> Result<()> {
        ensure!(representation.codecs == self.rendition.codec.string, "codecs {}", representation.codecs);
        ensure!(representation.timescale == u64::from(published.timescale), "timescale {}", representation.timescale);
        ensure!(representation.segments.len() == published.segments.len(), "{} segments listed", representation.segments.len());
        let mut next = None;
        for (number, (samples, (time, duration))) in published.segments.iter().zip(&representation.segments).enumerate() {
            let number = number + 1;
            let first = samples.iter().map(|sample| published.presentation_time(sample)).min().unwrap_or(0);
            // What is decoded before the start of the presentation is not in it.
            ensure!(i64::try_from(*time)? == first.max(0), "segment {number} is said to start at {time}, starts at {first}");
            ensure!(*duration > 0, "segment {number} lasts no time");
            ensure!(duration * 1000 <= mpd.longest * representation.timescale, "segment {number} lasts longer than maxSegmentDuration");
            ensure!(next.is_none_or(|next| next == *time), "segment {number} starts at {time}, the one before ends at {next:?}");
            next = Some(time + duration);
        }
        ensure!(next.map(i64::try_from).transpose()? == Some(published.end()), "ends at {next:?}, not at {}", published.end());
        Ok(())
    }
}

fn packets_of(packets: &[Packet], stream: usize) -> impl Iterator<Item = &Packet> {
    packets.iter().filter(move |packet| packet.stream == stream)
}

/// The bytes of a sample.
fn payload<'a>(file: &'a [u8], sample: &Sample) -> Option<&'a [u8]> {
    let start = usize::try_from(sample.offset).ok()?;
    file.get(start..)?.get(..sample.size as usize)
}

/// Files broken by fuzzers and by the authors of parsers' tests: an answer, in bounded time and memory, on one line where it is no.
#[test]
fn broken_files_get_an_answer() -> Result<()> {
    let Some(paths) = files::shared_media("bad") else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let outcomes = parallel::map(&paths, |path| {
        let work = folder.path().join(format!("{:x}", path.as_os_str().len())).join(files::name(path));
        fs::create_dir_all(&work)?;
        let inspected = answered(&program::run_limited(&["inspect".as_ref(), path.as_os_str()], &work, 10, 256)?).context("inspect");
        let packaged = program::run_limited(&["package".as_ref(), path.as_os_str(), "-o".as_ref(), "out".as_ref()], &work, 10, 256)?;
        let packaged = answered(&packaged).context("package");
        ensure!(packaged.is_err() || packaged.as_ref().ok() == Some(&work.join("out/master.m3u8").exists()), "a half-made asset");
        inspected.and(packaged)
    });
    let (mut accepted, mut refused, mut faults) = (0, 0, Vec::new());
    for (path, outcome) in paths.iter().zip(outcomes) {
        match outcome {
            Ok(true) => accepted += 1,
            Ok(false) => refused += 1,
            Err(error) => faults.push(format!("{}: {error:#}", path.display())),
        }
    }
    println!("broken files: {accepted} accepted, {refused} refused in one line");
    ensure!(faults.is_empty(), "\n{}", faults.join("\n"));
    Ok(())
}

/// Whether the answer is yes; an error if it is none.
fn answered(ran: &program::Ran) -> Result<bool> {
    let lines: Vec<&str> = ran.err.lines().collect();
    let told = lines.iter().all(|line| line.starts_with("reelway: "));
    match (ran.code, lines.as_slice()) {
        (Some(0), _) if told => Ok(true),
        (Some(1), [_]) if told => Ok(false),
        _ => bail!("{ran:?}"),
    }
}
