//! A CMAF presentation (ISO/IEC 23000-19 6): what both manifests are written from.

use alloc::{format, string::String, vec::Vec};
use core::ops::Range;

use crate::{
    boxes::user_data::{Role, UserData},
    codec::{Codec, Kind, Media, captions::Captions, dolby_vision},
    language, order,
    protection::Protection,
    segment::{header, index},
    time::{Date, FrameRate, Timescale},
    timeline::Timeline,
    track::{Event, Track},
};

/// A rendition: a CMAF track with its segments (HLS: a rendition or variant; DASH: a Representation).
#[derive(Clone, Debug)]
pub struct Rendition {
    /// What it is made from.
    pub source: Source,
    /// Its place in URLs: `v1`, `v2`, ... for video, `a1`, ... for sound, `t1`, ... for text, in source order; `k1` for the key frames of `v1`.
    pub name: String,
    /// Codec and kind of media.
    pub codec: Codec,
    /// The shortest tag of BCP 47.
    pub language: Option<String>,
    /// What it is for.
    pub roles: Vec<Role>,
    /// What people call it.
    pub label: Option<String>,
    /// Whether its source has it enabled.
    pub enabled: bool,
    /// Width and height in square pixels, turned as players turn it, of video.
    pub resolution: Option<(u32, u32)>,
    /// Frames a second, of video.
    pub frame_rate: Option<FrameRate>,
    /// Its segments.
    pub timeline: Timeline,
    /// Bits a second.
    pub bandwidth: Bandwidth,
    /// Milliseconds after which play may begin and go on to the end, where bytes come at the peak rate of `bandwidth` (ISO/IEC 23009-1
    /// 5.3.5.2).
    pub buffer_millis: u64,
    /// Bytes of its header.
    pub header_length: u64,
    /// The kinds of events that its segments hold: `scheme_id_uri` and `value` of each.
    pub event_streams: Vec<(String, String)>,
    /// Whether HLS has it as segments of WebVTT instead of fragmented MP4.
    pub webvtt: bool,
    /// How its segments are encrypted, if they are.
    pub protection: Option<Protection>,
    /// Set where it holds the key frames of another rendition.
    pub trick_mode: Option<TrickMode>,
    /// What its source calls the switching set that it is in (CMAF, ISO/IEC 23000-19 7.3.4), if it says so.
    pub switching_set: Option<String>,
}

/// What a rendition of key frames alone is to the video that they are of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrickMode {
    /// Name of the video.
    pub of: String,
    /// Times the normal speed at which it plays as many pictures a second as the video does at the normal one; at least 1.
    pub playout_rate: u32,
    /// Its bytes come in time, from [`Presentation::buffer_millis`] on, where they come at so many times the peak rate.
    pub rates: u64,
}

/// A track of one of the inputs that a presentation is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Index of the input.
    pub input: usize,
    /// Index of the track in [`Movie::tracks`](crate::Movie::tracks) of the input.
    pub track: usize,
}

/// Bit rates in bits a second, of all bytes of the segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bandwidth {
    /// The largest bit rate of any contiguous set of segments that lasts between 0.5 and 1.5 target durations (RFC 8216bis 4.4.6.2).
    pub peak: u64,
    /// All bits over all time.
    pub average: u64,
}

/// How the segments of a rendition are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Each is a file: `v1/init.mp4`, `v1/1.m4s`, ...
    #[default]
    Segments,
    /// All are one file, `v1/media.mp4`: the header, an index, the segments; players ask for ranges of bytes.
    SingleFile,
}

/// How a `SegmentTemplate` of DASH tells segments where [`Layout::Segments`] is kept (ISO/IEC 23009-1 5.3.9.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Addressing {
    /// By time: each duration is told.
    #[default]
    Timeline,
    /// By number: one duration is told, where every segment begins within half a segment of the multiple that this gives it.
    Number,
}

/// Renditions that share a timeline.
#[derive(Clone, Debug)]
pub struct Presentation {
    /// The renditions, sorted by kind: video first, then sound, then text; at last those of key frames alone.
    pub renditions: Vec<Rendition>,
    /// Where it begins on the timeline of its renditions, as ticks and their scale.
    pub start: (u64, Timescale),
    /// When that is by the clock, if playlists are to say it.
    pub date: Option<Date>,
    /// How segments are kept.
    pub layout: Layout,
    /// How the MPD tells of segments.
    pub addressing: Addressing,
}

/// `transfer_characteristics` (ISO/IEC 23091-2 8.2): nothing said, SMPTE ST 2084, ARIB STD-B67.
const UNSPECIFIED: u16 = 2;
const PQ: u16 = 16;
const HLG: u16 = 18;

impl TrickMode {
    /// The letter with which names of renditions of key frames begin.
    pub const LETTER: char = 'k';
}

impl Rendition {
    /// The rendition of `track`, which is what `source` names, that is called `name` and cut as `timeline` tells, in a presentation that
    /// begins at `start`.
    pub fn new(name: String, source: Source, track: &Track, timeline: Timeline, start: (u64, Timescale)) -> Self {
        let frame_rate = (track.kind() == Kind::Video).then(|| track.frame_rate()).flatten();
        let UserData { roles, label } = track.user_data.clone();
        let bandwidth = bandwidth(&timeline, start);
        Self {
            source,
            name,
            codec: track.codec.clone(),
            language: track.language.as_deref().and_then(language::tag),
            roles,
            label,
            enabled: track.enabled,
            resolution: resolution(track),
            frame_rate,
            buffer_millis: buffer_millis(track, &timeline, bandwidth.peak),
            header_length: header::cmaf_header(track).len() as u64,
            timeline,
            bandwidth,
            event_streams: event_streams(track),
            webvtt: track.cues.is_some(),
            protection: None,
            trick_mode: None,
            switching_set: None,
        }
    }

    /// Takes its bit rates from the bytes of its segments, in a presentation that begins at `start`.
    pub fn measure(&mut self, start: (u64, Timescale)) {
        self.bandwidth = bandwidth(&self.timeline, start);
    }

    /// Bits a second that it takes as long as it lasts (ISO/IEC 23009-1 5.3.5.2): the peak, which in HLS counts the time before it begins, or
    /// what a late one comes to without that time.
    pub fn transfer_rate(&self) -> u64 {
        let pieces: Vec<(u64, u64)> = self.timeline.segments.iter().map(|segment| (segment.bytes, segment.duration)).collect();
        let rate = self.bandwidth.peak.max(Bandwidth::of(&pieces, self.timeline.timescale).average);
        rate.saturating_mul(self.trick_mode.as_ref().map_or(1, |trick_mode| trick_mode.rates))
    }

    /// Of which kind its media is.
    pub fn kind(&self) -> Kind {
        self.codec.media.kind()
    }

    /// Whether it holds video.
    pub fn is_video(&self) -> bool {
        self.kind() == Kind::Video
    }

    /// The closed captions that were found in its pictures. Without the feature `captions` nobody looks for them.
    pub fn captions(&self) -> Captions {
        match &self.codec.media {
            Media::Video(video) if cfg!(any(test, feature = "captions")) => video.captions,
            _ => Captions::default(),
        }
    }

    /// How its segments are encrypted. Without the feature `encryption` nothing can encrypt them, and no manifest has text for it.
    pub fn protection(&self) -> Option<&Protection> {
        self.protection.as_ref().filter(|_| cfg!(any(test, feature = "encryption")))
    }

    /// How the brightness of the pictures is coded, as HLS names it (RFC 8216bis 4.4.6.2, VIDEO-RANGE).
    pub fn video_range(&self) -> Option<&'static str> {
        let Media::Video(video) = &self.codec.media else { return None };
        let told = video.colour.map(|colour| colour.transfer).filter(|transfer| *transfer != UNSPECIFIED);
        // Pictures that nothing but Dolby Vision shows are coded like those of PQ.
        let by_compatibility = |record: dolby_vision::Record| match record.compatibility {
            0 | 1 | 6 => Some(PQ),
            4 => Some(HLG),
            _ => None,
        };
        Some(match told.or_else(|| video.dolby_vision.and_then(by_compatibility)) {
            Some(PQ) => "PQ",
            Some(HLG) => "HLG",
            _ => "SDR",
        })
    }

    /// Dolby Vision on top of the codec: its codecs string, and the brand of what it is without.
    pub fn supplemental_codec(&self) -> Option<(String, &'static str)> {
        let Media::Video(video) = &self.codec.media else { return None };
        let supplemental = |record: dolby_vision::Record| record.supplemental(&self.codec.string);
        video.dolby_vision.and_then(supplemental)
    }

    /// Where the first segment begins in [`Layout::SingleFile`]: behind header and index.
    pub fn media_start(&self) -> u64 {
        self.header_length.saturating_add(index::length(self.timeline.segments.len()))
    }

    /// The bytes of each segment of the file in [`Layout::SingleFile`].
    pub fn places(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        let mut end = self.media_start();
        self.timeline.segments.iter().map(move |segment| {
            let start = end;
            end = end.saturating_add(segment.bytes);
            start..end
        })
    }

    /// Whether it has this role.
    pub fn is(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

/// The kinds of events of `track`, each once.
fn event_streams(track: &Track) -> Vec<(String, String)> {
    /// More kinds than any programme has; a file can hold one a message.
    const MOST: usize = 32;
    let mut streams: Vec<(String, String)> = Vec::new();
    for message in track.events.iter().filter_map(Event::message) {
        let known = streams.iter().any(|(scheme, value)| scheme == message.scheme && value == message.value);
        if !known && streams.len() < MOST {
            streams.push((message.scheme.into(), message.value.into()));
        }
    }
    streams
}

/// How long bytes have to come at `rate` bits a second before the first that are needed have all come when they are needed, wherever play
/// begins. Samples of equal duration are needed by eighths of a segment; where durations differ, a segment is needed whole.
fn buffer_millis(track: &Track, timeline: &Timeline, rate: u64) -> u64 {
    const PARTS: u32 = 8;
    let (rate, scale) = (u128::from(rate.max(1)), u128::from(timeline.timescale.get()));
    // What has to be there, less what has come while the samples before were played, in bits times ticks of a second.
    let (mut due, mut most) = (0u128, 0u128);
    for segment in &timeline.segments {
        let Range { start, end } = segment.samples.clone();
        let count = end.saturating_sub(start);
        let parts = if track.samples.constant_duration(start..end).is_some() { PARTS.min(count) } else { 1 };
        let heads = segment.bytes.saturating_sub(track.samples.bytes_of(start..end));
        let at = |part: u32| u32::try_from(u64::from(count) * u64::from(part) / u64::from(parts.max(1))).unwrap_or(count);
        for part in 0..parts {
            let samples = at(part)..at(part + 1);
            let bytes = track.samples.bytes_of(start.saturating_add(samples.start)..start.saturating_add(samples.end));
            let bytes = bytes.saturating_add(if part == 0 { heads } else { 0 });
            due = due.saturating_add(u128::from(bytes) * 8 * scale);
            most = most.max(due);
            let share = u128::from(segment.duration) * u128::from(samples.end - samples.start) / u128::from(count.max(1));
            due = due.saturating_sub(rate.saturating_mul(share));
        }
    }
    u64::try_from(most.saturating_mul(1000).div_ceil(rate * scale)).unwrap_or(u64::MAX)
}

/// The size at which pictures are shown: pixels made square by their width, width and height in the places that the matrix gives them.
fn resolution(track: &Track) -> Option<(u32, u32)> {
    let Media::Video(video) = &track.codec.media else { return None };
    let (horizontal, vertical) = (u64::from(video.pixel_aspect.0), u64::from(video.pixel_aspect.1).max(1));
    let width = (2 * u64::from(video.width) * horizontal + vertical) / (2 * vertical);
    let width = u32::try_from(width).unwrap_or(u32::MAX).max(1);
    Some(if track.is_on_its_side() { (video.height, width) } else { (width, video.height) })
}

/// The bit rates of segments in a presentation that begins at `start`.
fn bandwidth(timeline: &Timeline, start: (u64, Timescale)) -> Bandwidth {
    let pieces: Vec<(u64, u64)> = timeline.lasting(start).map(|(segment, ticks)| (segment.bytes, ticks)).collect();
    Bandwidth::of(&pieces, timeline.timescale)
}

impl Bandwidth {
    /// Of pieces that follow each other, each with its bytes and its ticks of `timescale`.
    pub fn of(pieces: &[(u64, u64)], timescale: Timescale) -> Self {
        /// The most pieces of a set: more than last a second and a half at any real rate, so that work stays linear in any file.
        const MOST: usize = 1024;
        let scale = u128::from(timescale.get());
        let rate = |bytes: u64, ticks: u64| {
            let rate = (u128::from(bytes) * 8 * scale).div_ceil(u128::from(ticks).max(1));
            u64::try_from(rate).unwrap_or(u64::MAX)
        };
        let longest = pieces.iter().map(|(_, ticks)| *ticks).max().unwrap_or(0);
        // The target duration is whole seconds, at least one (4.4.3.1); its bounds in ticks.
        let target = ((u128::from(longest) + scale / 2) / scale).max(1) * scale;
        let (low, high) = (target / 2, target + target / 2);
        let mut peak = 0;
        for first in 0..pieces.len() {
            let (mut bytes, mut ticks) = (0u64, 0u64);
            for piece in pieces.iter().skip(first).take(MOST) {
                bytes = bytes.saturating_add(piece.0);
                ticks = ticks.saturating_add(piece.1);
                if u128::from(ticks) > high {
                    break;
                }
                if u128::from(ticks) >= low && ticks > 0 {
                    peak = peak.max(rate(bytes, ticks));
                }
            }
        }
        let (bytes, ticks) = pieces.iter().fold((0u64, 0u64), |sum, piece| (sum.0.saturating_add(piece.0), sum.1.saturating_add(piece.1)));
        let average = rate(bytes, ticks);
        // Nothing lasts long enough: the whole is the set.
        Self { peak: peak.max(average), average }
    }
}

impl Presentation {
    /// The presentation of `tracks`, each with its timeline. Kinds follow each other; names are given by kind, in order.
    pub fn new<'a>(tracks: impl IntoIterator<Item = (Source, &'a Track, Timeline)>, start: (u64, Timescale)) -> Self {
        let mut tracks: Vec<_> = tracks.into_iter().collect();
        order::by_key(&mut tracks, |(_, track, _)| track.kind() as u64);
        let mut renditions: Vec<Rendition> = Vec::with_capacity(tracks.len());
        let mut number = 0;
        for (source, track, timeline) in tracks {
            let follows = renditions.last().is_some_and(|last| last.kind() == track.kind());
            number = if follows { number + 1 } else { 1 };
            renditions.push(Rendition::new(format!("{}{number}", track.kind().letter()), source, track, timeline, start));
        }
        Self { renditions, start, date: None, layout: Layout::default(), addressing: Addressing::default() }
    }

    /// Adds the rendition of key frames `keys`, which is what `source` names, of the video `of`; its name is that of the video with another letter.
    pub fn add_trick_mode(&mut self, of: &str, (source, keys, timeline): (Source, &Track, Timeline), playout_rate: u32) {
        let name = format!("{}{}", TrickMode::LETTER, of.trim_start_matches(Kind::Video.letter()));
        let mut rendition = Rendition::new(name, source, keys, timeline, self.start);
        let rates = rendition.buffer_millis.div_ceil(self.buffer_millis().max(1)).max(1);
        rendition.trick_mode = Some(TrickMode { of: of.into(), playout_rate: playout_rate.max(1), rates });
        self.renditions.push(rendition);
    }

    /// Milliseconds after which play may begin, whichever renditions are played at normal speed.
    pub fn buffer_millis(&self) -> u64 {
        let normal = self.renditions.iter().filter(|rendition| rendition.trick_mode.is_none());
        normal.map(|rendition| rendition.buffer_millis).max().unwrap_or(0)
    }

    /// The renditions of video.
    pub fn videos(&self) -> impl Iterator<Item = &Rendition> {
        self.of_kind(Kind::Video)
    }

    /// The renditions of sound.
    pub fn sounds(&self) -> impl Iterator<Item = &Rendition> {
        self.of_kind(Kind::Audio)
    }

    /// The renditions of text.
    pub fn texts(&self) -> impl Iterator<Item = &Rendition> {
        self.of_kind(Kind::Text)
    }

    /// The sound that is played unless another is chosen: the first whose role is main, else the first that the source has enabled.
    pub fn default_sound(&self) -> Option<&Rendition> {
        let first = |fits: fn(&Rendition) -> bool| self.sounds().find(|sound| fits(sound));
        first(|sound| sound.is(Role::Main)).or_else(|| first(|sound| sound.enabled)).or_else(|| first(|_| true))
    }

    /// Whether this is the sound that is played unless another is chosen, or the same in another encoding.
    pub fn is_main(&self, sound: &Rendition) -> bool {
        let alike = |other: &&Rendition| other.language == sound.language && other.roles == sound.roles;
        let first = self.sounds().filter(alike).find(|other| other.codec.string == sound.codec.string);
        self.default_sound().is_some_and(|default| alike(&default)) && (first.is_none_or(|first| first.name == sound.name))
            || sound.is(Role::Main)
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Rendition> {
        self.renditions.iter().filter(move |rendition| rendition.kind() == kind && rendition.trick_mode.is_none())
    }

    /// Milliseconds from the start to the end of the longest rendition.
    pub fn duration_millis(&self) -> u64 {
        let in_millis = |ticks, scale| crate::time::rescale_length(ticks, scale, Timescale::MILLIS);
        let ends = self.renditions.iter().map(|rendition| in_millis(rendition.timeline.end(), rendition.timeline.timescale));
        ends.max().unwrap_or(0).saturating_sub(in_millis(self.start.0, self.start.1))
    }
}

/// A presentation for tests of manifests: ten seconds of video, English and German sound that begins half a second late, one sound more.
#[cfg(test)]
pub(crate) fn test_presentation() -> Presentation {
    use crate::{
        segment::boundary,
        track::{test_track, test_video},
    };
    let video = test_video(25, 250, 1, |n| n % 50 == 0);
    let cuts = boundary::at_sync_samples(&video, 4000);
    let sound = |language: Option<&str>, codec: &str, shift| {
        let mut track = test_track(48_000, 469, 1024, |_| true);
        track.language = language.map(String::from);
        track.codec.string = codec.into();
        track.shift = shift;
        track
    };
    let sounds = [sound(Some("eng"), "mp4a.40.2", -1024), sound(Some("deu"), "mp4a.40.2", 24_000), sound(None, "mp4a.40.5", 0)];
    let timelines = (1..).zip(&sounds).map(|(index, track)| {
        let cuts = boundary::near(track, cuts.iter().skip(1).map(|cut| cut.time), video.timescale);
        (Source { input: 0, track: index }, track, Timeline::new(track, &cuts))
    });
    let video_timeline = Timeline::new(&video, &cuts);
    Presentation::new(timelines.chain([(Source { input: 0, track: 0 }, &video, video_timeline)]), (0, Timescale::MILLIS))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8216bis 4.4.6.2: the peak is over sets of segments between half and one and a half target durations.
    #[test]
    fn peak_and_average() {
        for (segments, peak, average) in [
            (&[(4, 4000), (4, 8000), (4, 4000)][..], 16_000, 10_667),
            (&[(4, 4000), (1, 4000), (4, 4000)], 12_800, 10_667),
            (&[(1, 1000)], 8000, 8000),
            (&[(0, 0)], 0, 0),
        ] {
            let pieces: Vec<(u64, u64)> = segments.iter().map(|(duration, bytes)| (*bytes, *duration)).collect();
            assert_eq!(Bandwidth::of(&pieces, Timescale::new(1).unwrap()), Bandwidth { peak, average });
        }
    }
}
