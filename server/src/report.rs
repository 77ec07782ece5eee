//! What a file holds, for people and for scripts: the answer of `reelway inspect`.

use std::fmt;

use reelway_core::{
    Error, ErrorKind, Movie, Options, Vod,
    codec::{Kind, Media},
    demux::LeftOut,
    time::{Seconds, Timescale, rescale, rescale_length},
    track::Track,
};
use serde::Serialize;

/// A file and its tracks.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Bytes.
    pub size: u64,
    /// Whether samples come from movie fragments.
    pub fragmented: bool,
    /// Length of the presentation in milliseconds.
    pub duration_ms: u64,
    /// The tracks that are carried.
    pub tracks: Vec<TrackReport>,
    /// The tracks that are not.
    pub left_out: Vec<LeftOutReport>,
    /// What is wrong with the file and lived with, such as samples that are left out because it is cut short.
    pub faults: Vec<Fault>,
}

/// A track that is carried.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrackReport {
    /// `track_ID` in the file.
    pub id: u32,
    /// Its name in URLs.
    pub rendition: String,
    /// `video`, `audio` or `text`.
    pub kind: &'static str,
    /// RFC 6381 codecs string.
    pub codec: String,
    /// Whether the file has it enabled.
    pub enabled: bool,
    /// ISO 639-2/T code or BCP 47 tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Coded width in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Coded height in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Frames a second, as a fraction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_rate: Option<String>,
    /// Channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<u32>,
    /// Samples a second in Hz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<u32>,
    /// Ticks a second.
    pub timescale: u32,
    /// Number of samples.
    pub samples: u32,
    /// Bytes of all samples.
    pub bytes: u64,
    /// Bits a second on average.
    pub bitrate: u64,
    /// Length of the track in milliseconds.
    pub duration_ms: u64,
    /// What the edit list comes to: ticks to add to a composition time.
    pub shift: i64,
    /// Number of sync samples.
    pub sync_samples: u32,
    /// The longest time from one sync sample to the next, or to the end, in milliseconds.
    pub sync_distance_ms: u64,
    /// Segments it is cut into unless something else is asked for.
    pub segments: usize,
}

/// A track that is not carried.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOutReport {
    /// `track_ID` in the file.
    pub id: u32,
    /// `handler_type`.
    pub handler: String,
    /// Coding name of the first sample entry.
    pub coding: Option<String>,
    /// Why.
    pub reason: String,
}

impl From<&LeftOut> for LeftOutReport {
    fn from(left_out: &LeftOut) -> Self {
        Self {
            id: left_out.id,
            handler: left_out.handler.to_string(),
            coding: left_out.coding.map(|coding| coding.to_string()),
            reason: left_out.reason.to_string(),
        }
    }
}

/// Something wrong, and where.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// `malformed`, `unsupported` or `truncated`.
    pub kind: &'static str,
    /// What is wrong.
    pub message: String,
    /// The boxes around it, from the outermost in.
    pub path: String,
    /// Byte of the file.
    pub offset: Option<u64>,
    /// The rule that is broken.
    pub clause: Option<&'static str>,
}

impl From<&Error> for Fault {
    fn from(error: &Error) -> Self {
        Self {
            kind: match error.kind() {
                ErrorKind::Malformed => "malformed",
                ErrorKind::Unsupported => "unsupported",
                ErrorKind::Truncated => "truncated",
                _ => "other",
            },
            message: error.message().to_owned(),
            path: error.path(),
            offset: error.offset(),
            clause: error.clause(),
        }
    }
}

impl Report {
    /// Describes `movie`.
    pub fn new(movie: Movie) -> reelway_core::Result<Self> {
        let (size, fragmented) = (movie.size, movie.fragmented);
        let mut left_out: Vec<LeftOutReport> = movie.left_out.iter().map(LeftOutReport::from).collect();
        let faults = movie.faults.iter().map(Fault::from).collect();
        let vod = Vod::new(vec![movie], &Options::default())?;
        let tracks = vod.renditions().map(|(rendition, track)| {
            let (media_width, media_height, channels, sample_rate) = match &track.codec.media {
                Media::Video(video) => (Some(video.width), Some(video.height), None, None),
                Media::Audio(audio) => (None, None, Some(audio.channels), Some(audio.sample_rate)),
                Media::Text | Media::Metadata => (None, None, None, None),
            };
            let (sync_samples, sync_distance_ms) = sync(track);
            TrackReport {
                id: track.id,
                rendition: rendition.name.clone(),
                kind: rendition.kind().name(),
                codec: track.codec.string.clone(),
                enabled: track.enabled,
                language: track.language.clone(),
                width: media_width,
                height: media_height,
                frame_rate: rendition.frame_rate.map(|rate| rate.to_string()),
                channels,
                sample_rate,
                timescale: track.timescale.get(),
                samples: track.samples.len(),
                bytes: track.samples.bytes(),
                bitrate: rendition.bandwidth.average,
                duration_ms: rescale_length(track.samples.duration(), track.timescale, Timescale::MILLIS),
                shift: track.shift,
                sync_samples,
                sync_distance_ms,
                segments: rendition.timeline.segments.len(),
            }
        });
        let tracks = tracks.collect();
        let movie = vod.inputs().first();
        left_out.extend(vod.left_out().iter().filter_map(|left_out| {
            let track = movie?.tracks.get(left_out.source.track)?;
            let handler = match track.kind() {
                Kind::Video => "vide",
                Kind::Audio => "soun",
                Kind::Text => "text",
                Kind::Metadata => "meta",
            };
            let coding = track.codec.string.split('.').next().map(str::to_owned);
            Some(LeftOutReport { id: track.id, handler: handler.into(), coding, reason: left_out.reason.to_string() })
        }));
        Ok(Self { size, fragmented, duration_ms: vod.presentation().duration_millis(), tracks, left_out, faults })
    }
}

/// Number of sync samples and the longest distance between them in milliseconds.
fn sync(track: &Track) -> (u32, u64) {
    let (mut count, mut longest, mut last) = (0u32, 0i64, None);
    for (_, sample) in track.samples.sync_samples() {
        let time = track.presentation_time(&sample);
        longest = longest.max(last.map_or(0, |last| time - last));
        last = Some(time);
        count += 1;
    }
    let end = track.samples.iter().last().map(|sample| track.presentation_time(&sample) + i64::from(sample.duration));
    longest = longest.max(end.zip(last).map_or(0, |(end, last)| end - last));
    (count, u64::try_from(rescale(longest, track.timescale, Timescale::MILLIS)).unwrap_or(0))
}

/// Milliseconds as seconds for people.
struct Millis(u64);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", Seconds { ticks: self.0, timescale: Timescale::MILLIS, places: 3 })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = if self.fragmented { "fragmented" } else { "progressive" };
        writeln!(f, "{form} file of {} bytes, {}", self.size, Millis(self.duration_ms))?;
        for track in &self.tracks {
            write!(f, "{:<4} track {} {} {}", track.rendition, track.id, track.kind, track.codec)?;
            if let (Some(width), Some(height)) = (track.width, track.height) {
                write!(f, " {width}x{height}")?;
            }
            if let Some(rate) = &track.frame_rate {
                write!(f, " {rate} fps")?;
            }
            if let (Some(channels), Some(sample_rate)) = (track.channels, track.sample_rate) {
                write!(f, " {channels} ch {sample_rate} Hz")?;
            }
            if let Some(language) = &track.language {
                write!(f, " {language}")?;
            }
            writeln!(f, "{}", if track.enabled { "" } else { " (disabled in the file)" })?;
            writeln!(
                f,
                "     {} samples, {} bytes, {} kbit/s, {}, timescale {}",
                track.samples,
                track.bytes,
                track.bitrate / 1000,
                Millis(track.duration_ms),
                track.timescale
            )?;
            writeln!(
                f,
                "     {} sync samples, at most {} apart; edit list shifts by {} ticks; {} segments",
                track.sync_samples,
                Millis(track.sync_distance_ms),
                track.shift,
                track.segments
            )?;
        }
        for left_out in &self.left_out {
            let coding = left_out.coding.as_deref().unwrap_or("-");
            writeln!(f, "left out: track {} ({} {coding}): {}", left_out.id, left_out.handler, left_out.reason)?;
        }
        for fault in &self.faults {
            writeln!(f, "{}: {}", fault.kind, fault.message)?;
        }
        Ok(())
    }
}
