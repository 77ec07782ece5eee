//! Which tracks of the inputs form a presentation, where each is cut, and which are left out.

use alloc::{format, string::String, vec::Vec};
use core::{
    fmt::{self, Write},
    mem,
};

use crate::{
    alignment::{Aligned, Misfit, align},
    codec::{Kind, Media},
    demux::Movie,
    error::{Error, Result},
    presentation::Source,
    segment::boundary,
    time::{Seconds, Timescale, rescale_length},
    timeline::Timeline,
    track::Track,
};

/// The most videos between which a player can switch: more than any ladder has in all its codecs.
const MOST_VIDEOS: usize = 64;

/// Lengths that differ by no more than this many milliseconds are the same: what encoders add or take at an end.
pub const SAME_LENGTH_MILLIS: u64 = 500;

/// The tracks that form a presentation.
#[derive(Clone, Debug)]
pub struct Selection<'a> {
    /// Each with its segments, sorted by kind; of a kind in the order of the inputs and their tracks.
    pub tracks: Vec<(Source, &'a Track, Timeline)>,
    /// Those that could be carried and are not.
    pub left_out: Vec<LeftOut>,
    /// What whoever publishes it should know: a sentence each.
    pub remarks: Vec<String>,
}

/// A track of an input that is not in the presentation.
#[derive(Clone, Debug)]
pub struct LeftOut {
    /// Which.
    pub source: Source,
    /// Why.
    pub reason: Error,
}

/// Selects and cuts the tracks of `inputs`.
///
/// - Every video is a rung of a ladder, or the same work in another codec: all are cut at the same moments ([`align`]). Videos that
///   cannot be are an error, but for those beside another in the only input, which are left out.
/// - A sound is left out if another input has it too: same codec, language, roles and number of channels, and as many samples and bytes, or, of
///   inputs that both have video, the same length. The one with the most bytes stays, in the place of the first. Within an input all
///   sounds are kept: two in one language are two works.
/// - What is no video is cut as near to the first video as its samples allow; without video each track is cut by itself.
pub fn select(inputs: &[Movie], segment_millis: u64) -> Result<Selection<'_>> {
    let (videos, mut left_out) = switchable(inputs, segment_millis);
    let (aligned, videos) = match align(&tracks_of(inputs, &videos), segment_millis) {
        Ok(aligned) => (aligned, videos),
        Err(misfit) => return Err(explain(inputs, &videos, &misfit)),
    };
    let mut remarks = Vec::new();
    if let Some(longest) = aligned.stretched {
        remarks.push(format!("segments last up to {} s, because the key frames of all videos coincide no more often", Millis(longest)));
    }
    remarks.extend(different_lengths(inputs, &videos, &aligned));
    let lead = videos.first().and_then(|source| track_of(inputs, *source));
    let mut tracks: Vec<(Source, &Track, Timeline)> = Vec::new();
    for (source, timeline) in videos.iter().zip(aligned.timelines) {
        tracks.extend(track_of(inputs, *source).map(|track| (*source, track, timeline)));
    }
    let (sounds, again) = distinct_sounds(inputs);
    left_out.extend(again);
    // Text that has no samples yet is cut later, without regard to samples.
    let rest = of_kinds(inputs, &[Kind::Text, Kind::Metadata]).filter(|(_, track)| !track.samples.is_empty());
    for (source, track) in sounds.into_iter().chain(rest) {
        let cuts = match lead {
            Some(lead) => boundary::near(track, aligned.cuts.iter().skip(1).map(|cut| cut.time), lead.timescale),
            None => boundary::at_multiples(track, segment_millis),
        };
        tracks.push((source, track, Timeline::new(track, &cuts)));
    }
    Ok(Selection { tracks, left_out, remarks })
}

/// The tracks of these kinds, in the order of the inputs.
fn of_kinds<'a>(inputs: &'a [Movie], kinds: &'static [Kind]) -> impl Iterator<Item = (Source, &'a Track)> {
    inputs.iter().enumerate().flat_map(move |(input, movie)| {
        let tracks = movie.tracks.iter().enumerate().filter(move |(_, track)| kinds.contains(&track.kind()));
        tracks.map(move |(track, found)| (Source { input, track }, found))
    })
}

fn track_of(inputs: &[Movie], source: Source) -> Option<&Track> {
    inputs.get(source.input)?.tracks.get(source.track)
}

fn tracks_of<'a>(inputs: &'a [Movie], sources: &[Source]) -> Vec<&'a Track> {
    sources.iter().filter_map(|source| track_of(inputs, *source)).collect()
}

/// The videos that are to be cut at the same moments. One that stands beside another in the only input, and does not fit to it, is left
/// out: nobody said that they are one work, and one plays.
fn switchable(inputs: &[Movie], segment_millis: u64) -> (Vec<Source>, Vec<LeftOut>) {
    let (mut videos, mut left_out) = (Vec::new(), Vec::new());
    for (source, _) in of_kinds(inputs, &[Kind::Video]) {
        let mut with = videos.clone();
        with.push(source);
        let reason = if with.len() > MOST_VIDEOS {
            Some(Error::unsupported(format!("a presentation has {MOST_VIDEOS} videos at most")))
        } else if inputs.len() == 1 && with.len() > 1 {
            align(&tracks_of(inputs, &with), segment_millis).err().map(|misfit| explain(inputs, &with, &misfit))
        } else {
            None
        };
        match reason {
            Some(reason) => left_out.push(LeftOut { source, reason }),
            None => videos = with,
        }
    }
    (videos, left_out)
}

/// The sounds, none of them twice.
fn distinct_sounds(inputs: &[Movie]) -> (Vec<(Source, &Track)>, Vec<LeftOut>) {
    let mut kept: Vec<(Source, &Track)> = Vec::new();
    // Each with the place of the one that is kept.
    let mut again: Vec<(Source, usize)> = Vec::new();
    // Of the sounds of an input that look the same, the first is the first of another input.
    let number = |(source, track): (Source, &Track)| {
        let before = inputs.get(source.input).and_then(|movie| movie.tracks.get(..source.track)).unwrap_or_default();
        before.iter().filter(|other| looks_the_same(other, track)).count()
    };
    for (source, track) in of_kinds(inputs, &[Kind::Audio]) {
        let found = kept.iter().position(|other| {
            looks_the_same(other.1, track) && is_same_sound(inputs, *other, (source, track)) && number(*other) == number((source, track))
        });
        match found.and_then(|place| Some((place, kept.get_mut(place)?))) {
            Some((place, other)) => {
                let better = track.samples.bytes() > other.1.samples.bytes();
                let worse = if better { mem::replace(other, (source, track)).0 } else { source };
                again.push((worse, place));
            }
            None => kept.push((source, track)),
        }
    }
    let left_out = again.into_iter().filter_map(|(source, place)| {
        let (other, track) = kept.get(place)?;
        let reason = format!("the same sound is taken from {}, track {}", name(inputs, *other), track.id);
        Some(LeftOut { source, reason: Error::unsupported(reason) })
    });
    let left_out = left_out.collect();
    (kept, left_out)
}

/// Whether two sounds are coded and described alike.
fn looks_the_same(a: &Track, b: &Track) -> bool {
    let channels = |track: &Track| if let Media::Audio(audio) = &track.codec.media { Some(audio.channels) } else { None };
    a.codec.string == b.codec.string && a.language == b.language && a.user_data.roles == b.user_data.roles && channels(a) == channels(b)
}

/// Whether two sounds that look the same are the same: copies, or those of two rungs.
fn is_same_sound(inputs: &[Movie], a: (Source, &Track), b: (Source, &Track)) -> bool {
    let has_video = |source: Source| {
        let movie = inputs.get(source.input);
        movie.is_some_and(|movie| movie.tracks.iter().any(|track| track.kind() == Kind::Video))
    };
    let length = |track: &Track| rescale_length(track.samples.duration(), track.timescale, Timescale::MILLIS);
    let copies = a.1.samples.len() == b.1.samples.len() && a.1.samples.bytes() == b.1.samples.bytes();
    let rungs = has_video(a.0) && has_video(b.0) && length(a.1).abs_diff(length(b.1)) <= SAME_LENGTH_MILLIS;
    a.0.input != b.0.input && (copies || rungs)
}

/// A sentence for each video that ends at another time than the first.
fn different_lengths(inputs: &[Movie], videos: &[Source], aligned: &Aligned) -> Vec<String> {
    let end = |timeline: &Timeline| rescale_length(timeline.end(), timeline.timescale, Timescale::MILLIS);
    let mut ends = videos.iter().zip(aligned.timelines.iter().map(end));
    let Some((first, first_end)) = ends.next() else { return Vec::new() };
    let different = ends.filter(|(_, end)| end.abs_diff(first_end) > SAME_LENGTH_MILLIS);
    different
        .map(|(video, end)| {
            let (a, b) = (title(inputs, *video), title(inputs, *first));
            format!("{a} ends at {} s, {b} at {} s", Millis(end), Millis(first_end))
        })
        .collect()
}

/// What messages call an input.
fn name(inputs: &[Movie], source: Source) -> String {
    match inputs.get(source.input).map(|movie| movie.name.as_str()) {
        None | Some("") => format!("input {}", source.input + 1),
        Some(name) => name.into(),
    }
}

/// What messages call a video.
fn title(inputs: &[Movie], source: Source) -> String {
    let mut title = name(inputs, source);
    let Some(track) = track_of(inputs, source) else { return title };
    let is_video = |track: &&Track| track.kind() == Kind::Video;
    if inputs.get(source.input).is_some_and(|movie| movie.tracks.iter().filter(is_video).count() > 1) {
        let _ = write!(title, " track {}", track.id);
    }
    if let Media::Video(video) = &track.codec.media {
        let _ = write!(title, " ({}x{})", video.width, video.height);
    }
    title
}

/// Milliseconds as seconds.
struct Millis(u64);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Seconds { ticks: self.0, timescale: Timescale::MILLIS, places: 3 }.fmt(f)
    }
}

/// Says why `videos` cannot be cut at the same moments, and what to do.
fn explain(inputs: &[Movie], videos: &[Source], misfit: &Misfit) -> Error {
    let title = |index: usize| videos.get(index).map_or_else(String::new, |source| title(inputs, *source));
    let at = |millis: i64| Millis(u64::try_from(millis).unwrap_or(0));
    let distance = |late: i64| format!("{} ms {}", late.unsigned_abs(), if late < 0 { "earlier" } else { "later" });
    let mut text = String::new();
    let _ = match misfit {
        Misfit::Length { video, end, first_end } => {
            let (video, first) = (title(*video), title(0));
            let message = "players switch only between videos of one length";
            return Error::unsupported(format!("{video} ends at {} s, {first} at {} s: {message}", at(*end), at(*first_end)));
        }
        Misfit::SyncSamples { reference, at: time, off } => {
            let _ = write!(text, "at {} s {} has a key frame", at(*time), title(*reference));
            let mut separator = ", but ";
            for (video, late) in off {
                let _ = match *late {
                    i64::MAX => write!(text, "{separator}{} has none at all", title(*video)),
                    late => write!(text, "{separator}the nearest of {} is {}", title(*video), distance(late)),
                };
                separator = ", ";
            }
            Ok(())
        }
        Misfit::Segment { video, at: time, late } => {
            let (video, first) = (title(*video), title(0));
            write!(text, "the segment at {} s begins {} in {video} than in {first}", at(*time), distance(*late))
        }
    };
    text.push_str(
        ": players cannot switch between them; encode all from one source with closed groups of pictures and key frames at the same times \
         (ffmpeg: -flags +cgop -force_key_frames 'expr:gte(t,n_forced*2)')",
    );
    Error::unsupported(text)
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec};

    use super::*;
    use crate::track::{test_track, test_video};

    fn movie(name: &str, tracks: Vec<Track>) -> Movie {
        Movie { name: name.into(), tracks, left_out: Vec::new(), fragmented: false, side_file: false, size: 0, faults: Vec::new() }
    }

    /// 20 s at 25 frames a second with a key frame every `gop` frames.
    fn video(height: u32, gop: u32) -> Track {
        let mut track = test_video(1000, 500, 40, |n| n % gop == 0);
        if let Media::Video(video) = &mut track.codec.media {
            (video.width, video.height) = (height * 16 / 9, height);
        }
        track
    }

    /// As many samples as last about 20 s, of `size` bytes each.
    fn sound(language: Option<&str>, codec: &str, samples: u32, size: u32) -> Track {
        let mut track = test_track(48_000, samples, 1024, |_| true);
        let mut builder = crate::sample::SampleTableBuilder::default();
        for sample in &track.samples {
            builder.push(&crate::sample::Sample { size, ..sample }).unwrap();
        }
        track.samples = builder.finish();
        track.language = language.map(String::from);
        track.codec.string = codec.into();
        track
    }

    const AAC: &str = "mp4a.40.2";

    #[test]
    fn a_sound_that_rungs_repeat_is_taken_once_and_from_the_best() {
        let rung = |sounds: &[Track]| [&[video(720, 50)], sounds].concat();
        let (eng, deu) = (|size| sound(Some("eng"), AAC, 937, size), |size| sound(Some("deu"), AAC, 937, size));
        for (inputs, kept, left_out, why) in [
            (vec![rung(&[eng(2)]), rung(&[eng(2)]), rung(&[eng(2)])], &[(0, 1)][..], &[(1, 1), (2, 1)][..], "copies"),
            (vec![rung(&[eng(1)]), rung(&[eng(3)]), rung(&[eng(2)])], &[(1, 1)], &[(0, 1), (2, 1)], "the best"),
            (vec![rung(&[eng(2), deu(2)]), rung(&[deu(3), eng(2)])], &[(0, 1), (1, 1)], &[(0, 2), (1, 2)], "by language"),
            (vec![rung(&[eng(2), eng(1)]), rung(&[eng(2), eng(1)])], &[(0, 1), (0, 2)], &[(1, 1), (1, 2)], "two works in one language"),
            (vec![rung(&[eng(2)]), rung(&[sound(Some("eng"), "mp4a.40.5", 469, 1)])], &[(0, 1), (1, 1)], &[], "another codec"),
            (vec![rung(&[eng(2)]), rung(&[sound(Some("eng"), AAC, 800, 2)])], &[(0, 1), (1, 1)], &[], "another length"),
            (vec![rung(&[]), vec![eng(2)], vec![deu(2)]], &[(1, 0), (2, 0)], &[], "sounds in files of their own"),
            (vec![rung(&[]), vec![sound(None, AAC, 937, 2)], vec![sound(None, AAC, 937, 3)]], &[(1, 0), (2, 0)], &[], "and of no language"),
            (vec![rung(&[eng(2)]), vec![eng(2)]], &[(0, 1)], &[(1, 0)], "a copy in a file of its own"),
            (vec![rung(&[eng(2), eng(2)])], &[(0, 1), (0, 2)], &[], "one input keeps all"),
        ] {
            let inputs: Vec<Movie> = inputs.into_iter().map(|tracks| movie("", tracks)).collect();
            let selection = select(&inputs, 4000).unwrap();
            let place = |source: Source| (source.input, source.track);
            let sounds = selection.tracks.iter().filter(|(_, track, _)| track.kind() == Kind::Audio);
            assert_eq!(sounds.map(|(source, ..)| place(*source)).collect::<Vec<_>>(), kept, "{why}");
            assert_eq!(selection.left_out.iter().map(|left| place(left.source)).collect::<Vec<_>>(), left_out, "{why}");
        }
        let inputs = [movie("hd.mp4", rung(&[eng(3)])), movie("sd.mp4", rung(&[eng(2)]))];
        let left_out = select(&inputs, 4000).unwrap().left_out;
        assert_eq!(left_out[0].reason.to_string(), "the same sound is taken from hd.mp4, track 1");
    }

    #[test]
    fn videos_of_several_inputs_that_do_not_fit_are_an_error() {
        let advice = ": players cannot switch between them; encode all from one source with closed groups of pictures and key frames at the \
                      same times (ffmpeg: -flags +cgop -force_key_frames 'expr:gte(t,n_forced*2)')";
        let length = |frames| Track { samples: test_video(1000, frames, 40, |n| n % 50 == 0).samples, ..video(360, 50) };
        for (second, expected) in [
            (
                video(360, 52),
                format!("at 4.000 s hd.mp4 (1280x720) has a key frame, but the nearest of sd.mp4 (640x360) is 160 ms later{advice}"),
            ),
            (
                Track { samples: test_video(1000, 500, 40, |_| false).samples, ..video(360, 50) },
                format!("at 4.000 s hd.mp4 (1280x720) has a key frame, but sd.mp4 (640x360) has none at all{advice}"),
            ),
            (
                length(300),
                "sd.mp4 (640x360) ends at 12.000 s, hd.mp4 (1280x720) at 20.000 s: players switch only between videos of one length".into(),
            ),
        ] {
            let inputs = [movie("hd.mp4", vec![video(720, 50)]), movie("sd.mp4", vec![second.clone()])];
            assert_eq!(select(&inputs, 4000).map(|_| ()).unwrap_err().to_string(), expected);
            // Beside each other in one input they are two works as well as two qualities.
            let inputs = [movie("", vec![video(720, 50), second, video(1080, 25)])];
            let selection = select(&inputs, 4000).unwrap();
            assert_eq!(selection.tracks.iter().map(|(source, ..)| source.track).collect::<Vec<_>>(), [0, 2]);
            assert_eq!(selection.left_out[0].source.track, 1);
        }
    }

    #[test]
    fn what_differs_is_told() {
        let shorter = Track { samples: test_video(1000, 450, 40, |n| n % 75 == 0).samples, ..video(360, 50) };
        let inputs = [movie("hd.mp4", vec![video(720, 50)]), movie("", vec![shorter])];
        assert_eq!(
            select(&inputs, 4000).unwrap().remarks,
            [
                "segments last up to 8.000 s, because the key frames of all videos coincide no more often",
                "input 2 (640x360) ends at 18.000 s, hd.mp4 (1280x720) at 20.000 s",
            ]
        );
    }
}
