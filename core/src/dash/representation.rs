//! Representations (ISO/IEC 23009-1 5.3.5) and how they tell their segments (5.3.9).

use alloc::{format, string::String};
use core::fmt::Write;

use super::{Escaped, Tell};
use crate::{
    codec::{Audio, Media, Video},
    presentation::{Addressing, Layout, Presentation, Rendition},
    time::{Timescale, greatest_common_divisor, rescale_length},
    timeline::Timeline,
};

/// Width to height as shown, in lowest terms.
pub fn picture_aspect(video: &Video) -> (u32, u32) {
    let (horizontal, vertical) = pixel_aspect(video);
    let (width, height) = (u64::from(video.width) * u64::from(horizontal), u64::from(video.height) * u64::from(vertical));
    match (u32::try_from(width), u32::try_from(height)) {
        (Ok(width), Ok(height)) => lowest(width, height),
        _ => (1, 1),
    }
}

/// The shape of a pixel in lowest terms.
fn pixel_aspect(video: &Video) -> (u32, u32) {
    lowest(video.pixel_aspect.0, video.pixel_aspect.1)
}

fn lowest(a: u32, b: u32) -> (u32, u32) {
    let common = greatest_common_divisor(a, b);
    (a / common, b / common)
}

pub fn write(text: &mut String, rendition: &Rendition, tell: &dyn Tell) {
    let _ = write!(
        text,
        "      <Representation id=\"{}\" codecs=\"{}\" bandwidth=\"{}\"",
        Escaped(&rendition.name),
        Escaped(&rendition.codec.string),
        // xs:unsignedInt
        rendition.transfer_rate().clamp(1, u32::MAX.into())
    );
    match &rendition.codec.media {
        Media::Video(video) => {
            let _ = write!(text, " width=\"{}\" height=\"{}\"", video.width, video.height);
            if let Some(rate) = rendition.frame_rate {
                let _ = write!(text, " frameRate=\"{rate}\"");
            }
            let (horizontal, vertical) = pixel_aspect(video);
            let _ = write!(text, " sar=\"{horizontal}:{vertical}\"");
            if let Some((codec, brand)) = rendition.supplemental_codec() {
                let _ = write!(text, " scte214:supplementalCodecs=\"{codec}\" scte214:supplementalProfiles=\"{brand}\"");
            }
            if let Some(trick_mode) = &rendition.trick_mode {
                let _ = write!(text, " maxPlayoutRate=\"{}\" codingDependency=\"false\"", trick_mode.playout_rate);
            }
            text.push_str(">\n");
        }
        Media::Text | Media::Metadata => text.push_str(">\n"),
        Media::Audio(audio) => {
            if audio.sample_rate > 0 {
                let _ = write!(text, " audioSamplingRate=\"{}\"", audio.sample_rate);
            }
            text.push_str(">\n");
            write_channels(text, audio);
        }
    }
    for (scheme, value) in &rendition.event_streams {
        // An event is told by scheme and value (5.10.2.1); no value is an empty one.
        let _ = writeln!(text, "        <InbandEventStream schemeIdUri=\"{}\" value=\"{}\"/>", Escaped(scheme), Escaped(value));
    }
    tell.tell_rendition(text, rendition);
    text.push_str("      </Representation>\n");
}

impl Tell for Presentation {
    fn tell_rendition(&self, text: &mut String, rendition: &Rendition) {
        match self.layout {
            Layout::SingleFile => write_file(text, self, rendition),
            Layout::Segments => write_template(text, self, &rendition.timeline),
        }
    }
}

/// Where the sound is heard: of AC-3 and Enhanced AC-3 as Dolby tells it (DASH-IF IOP 5.3.4.4), of all else by the layouts of ISO/IEC
/// 23091-3, as far as a number of channels tells one.
fn write_channels(text: &mut String, audio: &Audio) {
    /// The layout that a number of channels has unless something else is said, from one channel on; 0: none.
    const LAYOUTS: [u32; 8] = [1, 2, 3, 4, 5, 6, 11, 12];
    let told = match audio.dolby {
        Some(speakers) => Some(("tag:dolby.com,2014:dash:audio_channel_configuration:2011", format!("{:04X}", speakers.places))),
        None => {
            let index = usize::try_from(audio.channels).ok().and_then(|channels| channels.checked_sub(1));
            let layout = index.and_then(|index| LAYOUTS.get(index));
            layout.map(|layout| ("urn:mpeg:mpegB:cicp:ChannelConfiguration", format!("{layout}")))
        }
    };
    if let Some((scheme, value)) = told {
        let _ = writeln!(text, "        <AudioChannelConfiguration schemeIdUri=\"{scheme}\" value=\"{value}\"/>");
    }
    if let Some(objects) = audio.dolby.and_then(|speakers| speakers.joint_objects) {
        for (scheme, value) in [
            ("tag:dolby.com,2018:dash:EC3_ExtensionType:2018", String::from("JOC")),
            ("tag:dolby.com,2018:dash:EC3_ExtensionComplexityIndex:2018", format!("{objects}")),
        ] {
            let _ = writeln!(text, "        <SupplementalProperty schemeIdUri=\"{scheme}\" value=\"{value}\"/>");
        }
    }
}

/// ` presentationTimeOffset="..."`, where the presentation does not begin at zero.
fn time_offset(start: (u64, Timescale), timescale: Timescale) -> String {
    match rescale_length(start.0, start.1, timescale) {
        0 => String::new(),
        offset => format!(" presentationTimeOffset=\"{offset}\""),
    }
}

/// One file with an index in it (5.3.9.2, on-demand profile).
fn write_file(text: &mut String, presentation: &Presentation, rendition: &Rendition) {
    let timescale = rendition.timeline.timescale;
    let media = rendition.media_start();
    let _ = writeln!(
        text,
        "        <BaseURL>{}/media.mp4</BaseURL>\n        <SegmentBase timescale=\"{}\"{} indexRange=\"{}-{}\">\n          \
         <Initialization range=\"0-{}\"/>\n        </SegmentBase>",
        Escaped(&rendition.name),
        timescale.get(),
        time_offset(presentation.start, timescale),
        rendition.header_length,
        media.saturating_sub(1),
        rendition.header_length.saturating_sub(1),
    );
}

fn write_template(text: &mut String, presentation: &Presentation, timeline: &Timeline) {
    match told_duration(timeline, presentation) {
        Some(duration) => {
            start_template(text, presentation, timeline);
            let _ = writeln!(text, " duration=\"{duration}\"/>");
        }
        None => write_listed(text, presentation, timeline, timeline.segments.len()),
    }
}

fn start_template(text: &mut String, presentation: &Presentation, timeline: &Timeline) {
    let _ = write!(
        text,
        "        <SegmentTemplate timescale=\"{}\"{} initialization=\"$RepresentationID$/init.mp4\" \
         media=\"$RepresentationID$/$Number$.m4s\" startNumber=\"1\"",
        timeline.timescale.get(),
        time_offset(presentation.start, timeline.timescale)
    );
}

/// The first `count` segments of `timeline`, each with its time.
pub fn write_listed(text: &mut String, presentation: &Presentation, timeline: &Timeline, count: usize) {
    start_template(text, presentation, timeline);
    text.push_str(">\n          <SegmentTimeline>\n");
    write_timeline(text, timeline.segments.iter().take(count).map(|segment| (segment.start, segment.duration)));
    text.push_str("          </SegmentTimeline>\n        </SegmentTemplate>\n");
}

/// The one duration that is told for all segments, if one is.
pub fn told_duration(timeline: &Timeline, presentation: &Presentation) -> Option<u64> {
    match presentation.addressing {
        Addressing::Number if presentation.layout == Layout::Segments => constant_duration(timeline, presentation),
        _ => None,
    }
}

/// The one duration that tells the segments of `timeline` by their numbers, if there is one: each begins within half of it of its multiple
/// (5.3.9.5.3), and a player that counts them up to the end of the presentation comes to as many as there are.
fn constant_duration(timeline: &Timeline, presentation: &Presentation) -> Option<u64> {
    let start = rescale_length(presentation.start.0, presentation.start.1, timeline.timescale);
    let count = u64::try_from(timeline.segments.len()).ok()?;
    let last = timeline.segments.last()?;
    let end = rescale_length(presentation.duration_millis(), Timescale::MILLIS, timeline.timescale);
    // From first to last segment, so that a last one that is short does not count; a lone one lasts as long as it does.
    let duration = match count.checked_sub(1).filter(|gaps| *gaps > 0) {
        Some(gaps) => (last.start.saturating_sub(start).saturating_add(gaps / 2)) / gaps,
        None => end,
    };
    let near = (0u64..).zip(&timeline.segments).all(|(index, segment)| {
        let told = index.saturating_mul(duration);
        segment.start.saturating_sub(start).abs_diff(told) <= duration / 2
    });
    (duration > 0 && near && end.div_ceil(duration) == count).then_some(duration)
}

/// `S` elements (5.3.9.6) of segments by start and duration, equal neighbours as one.
pub fn write_timeline(text: &mut String, segments: impl Iterator<Item = (u64, u64)>) {
    let mut next = None;
    let mut segments = segments.peekable();
    while let Some((start, duration)) = segments.next() {
        text.push_str("            <S");
        if next != Some(start) {
            let _ = write!(text, " t=\"{start}\"");
        }
        let mut repeats = 0;
        let mut end = start.saturating_add(duration);
        while segments.next_if(|same| *same == (end, duration)).is_some() {
            repeats += 1;
            end = end.saturating_add(duration);
        }
        let _ = write!(text, " d=\"{duration}\"");
        if repeats > 0 {
            let _ = write!(text, " r=\"{repeats}\"");
        }
        text.push_str("/>\n");
        next = Some(end);
    }
}
