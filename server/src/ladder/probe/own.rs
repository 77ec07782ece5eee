//! A source that the core reads: its own index tells all.

use std::io;

use reelway_core::{
    Movie, Options, Vod,
    boxes::user_data::Role,
    codec::{self, Kind, Media},
    presentation::Rendition,
    text::webvtt,
    time::{FrameRate, Timescale, rescale},
    track::Track,
};

use super::{
    super::{
        LadderError,
        source::{Purpose, Range, Sound, Source, Text, TextContent, Told, Video},
    },
    ffprobe::NO_DOLBY_BASE,
};
use crate::storage::SourceFile;

/// `transfer_characteristics` (ISO/IEC 23091-2 8.2).
const PQ: u16 = 16;
const HLG: u16 = 18;

/// What the core finds; `None`: it cannot read the file, or none of the video in it.
pub(super) fn probe(file: &SourceFile) -> io::Result<Option<Result<Source, LadderError>>> {
    let Ok(mut movie) = file.read_movie()? else { return Ok(None) };
    let notes = movie.faults.iter().map(ToString::to_string).collect();
    only_one_video(&mut movie);
    let Ok(vod) = Vod::new(vec![movie], &Options::default()) else { return Ok(None) };
    let presentation = vod.presentation();
    let found = vod.renditions().find_map(|(rendition, track)| Some((rendition, video(rendition, track)?)));
    let Some((lead, video)) = found else { return Ok(None) };
    if let Media::Video(codec::Video { dolby_vision: Some(record), .. }) = &lead.codec.media
        && record.compatibility == 0
        && record.profile != 7
    {
        return Ok(Some(Err(LadderError::Source(NO_DOLBY_BASE.into()))));
    }
    let sounds = vod.renditions().filter_map(|(rendition, track)| sound(rendition, track)).collect();
    let texts = vod.renditions().filter_map(|(rendition, track)| {
        let content = TextContent::WebVtt(webvtt::file(track.cues.as_ref()?, presentation.start));
        Some(Text { content, told: told(rendition) })
    });
    Ok(Some(Ok(Source {
        identity: file.identity(),
        duration_millis: presentation.duration_millis(),
        bitrate: lead.bandwidth.average,
        video,
        sounds,
        texts: texts.collect(),
        notes,
    })))
}

/// Leaves the first video that is enabled, or else the first.
fn only_one_video(movie: &mut Movie) {
    let videos = || movie.tracks.iter().filter(|track| track.kind() == Kind::Video);
    let chosen = videos().find(|track| track.enabled).or_else(|| videos().next()).map(|track| track.id);
    movie.tracks.retain(|track| track.kind() != Kind::Video || Some(track.id) == chosen);
}

fn video(rendition: &Rendition, track: &Track) -> Option<Video> {
    let Media::Video(media) = &track.codec.media else { return None };
    let colour = media.colour.filter(|colour| [colour.primaries, colour.transfer, colour.matrix].iter().all(|code| *code != 0));
    let range = match colour.map(|colour| colour.transfer) {
        Some(PQ) => Range::Pq,
        Some(HLG) => Range::Hlg,
        _ => Range::Sdr,
    };
    let frame_rate = rendition.frame_rate?;
    Some(Video {
        stream: stream(track),
        width: media.width,
        height: media.height,
        pixel_aspect: media.pixel_aspect,
        on_its_side: track.is_on_its_side(),
        frame_rate,
        variable: (!is_constant(track, frame_rate)).then_some(track.timescale.get()),
        may_be_interlaced: track.codec.string.starts_with("avc"),
        range,
        colour: colour.map(|colour| [colour.primaries, colour.transfer, colour.matrix].map(|code| code.to_string())),
    })
}

/// Whether every frame is where the rate puts it, to less than half a frame: rounded times are no others.
fn is_constant(track: &Track, rate: FrameRate) -> bool {
    let mut times: Vec<i64> = track.samples.times(0..track.samples.len()).map(|(time, _)| time).collect();
    times.sort_unstable();
    let (Some(first), Some(frames)) = (times.first().copied(), Timescale::new(rate.numerator)) else { return true };
    times.iter().zip(0i64..).all(|(time, number)| {
        // In ticks of which a frame is `denominator`.
        let at = rescale(time - first, track.timescale, frames);
        let wanted = number.saturating_mul(rate.denominator.into());
        at.abs_diff(wanted) * 2 <= rate.denominator.into()
    })
}

fn sound(rendition: &Rendition, track: &Track) -> Option<Sound> {
    let Media::Audio(codec::Audio { channels, sample_rate, .. }) = track.codec.media else { return None };
    Some(Sound { stream: stream(track), codec: ffmpeg_name(&track.codec.string).into(), channels, sample_rate, told: told(rendition) })
}

/// ffmpeg's name of the codec of a sound, by its string (RFC 6381). AAC other than LC is of no use to whoever copies it: named otherwise.
fn ffmpeg_name(string: &str) -> &str {
    match string {
        "mp4a.40.2" => "aac",
        "Opus" | "opus" => "opus",
        "fLaC" | "flac" => "flac",
        "ac-3" => "ac3",
        "ec-3" => "eac3",
        other => other,
    }
}

fn stream(track: &Track) -> String {
    format!("i:{}", track.id)
}

fn told(rendition: &Rendition) -> Told {
    let purposes = [
        (Role::Commentary, Purpose::Commentary),
        (Role::Description, Purpose::Description),
        (Role::Caption, Purpose::Caption),
        (Role::ForcedSubtitle, Purpose::Forced),
        (Role::Dub, Purpose::Dub),
    ];
    let purpose = purposes.into_iter().find(|(role, _)| rendition.is(*role)).map_or(Purpose::Main, |(_, purpose)| purpose);
    Told { language: rendition.language.clone(), label: rendition.label.clone(), purpose }
}
