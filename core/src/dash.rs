//! The DASH manifest (ISO/IEC 23009-1): a static MPD with one period, `SegmentTemplate` and `SegmentTimeline`.

use alloc::{format, string::String, vec::Vec};
use core::fmt::{self, Write};

use crate::{
    codec::Media,
    presentation::{Presentation, Rendition},
    time::{Seconds, Timescale, greatest_common_divisor, rescale_length},
    timeline::Timeline,
};

/// The MPD of a complete `presentation`.
pub fn mpd(presentation: &Presentation) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let duration = presentation.duration_millis();
    let longest = presentation.renditions.iter().flat_map(|rendition| {
        let scale = rendition.timeline.timescale;
        rendition.timeline.segments.iter().map(move |segment| rescale_length(segment.duration, scale, Timescale::MILLIS))
    });
    // No segment may last longer than this says (5.3.1.2), rounding included.
    let longest = longest.max().unwrap_or(0).saturating_add(1);
    let _ = writeln!(
        text,
        "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" \
         profiles=\"urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019\" \
         mediaPresentationDuration=\"{}\" maxSegmentDuration=\"{}\" minBufferTime=\"PT2S\">\n  <Period id=\"1\" start=\"PT0S\">",
        Duration(duration),
        Duration(longest)
    );
    for (id, set) in (1..).zip(adaptation_sets(presentation)) {
        write_set(&mut text, id, &set, presentation.start);
    }
    text.push_str("  </Period>\n</MPD>\n");
    text
}

/// Renditions that a player may switch between without a seam: one kind, one codec family, one language (5.3.3.1).
fn adaptation_sets(presentation: &Presentation) -> Vec<Vec<&Rendition>> {
    let mut sets: Vec<Vec<&Rendition>> = Vec::new();
    for rendition in &presentation.renditions {
        let family = |rendition: &Rendition| rendition.codec.string.split('.').next().map(String::from);
        let fits = |set: &&mut Vec<&Rendition>| {
            set.first().is_some_and(|first| {
                // Two sounds in one language are two works, not two qualities: nothing in the file says otherwise.
                first.is_video() && rendition.is_video() && first.language == rendition.language && family(first) == family(rendition)
            })
        };
        match sets.iter_mut().find(fits) {
            Some(set) => set.push(rendition),
            None => sets.push(Vec::from([rendition])),
        }
    }
    sets
}

fn write_set(text: &mut String, id: u32, set: &[&Rendition], start: (u64, Timescale)) {
    let video = set.first().is_some_and(|rendition| rendition.is_video());
    let kind = if video { "video" } else { "audio" };
    let _ = write!(text, "    <AdaptationSet id=\"{id}\" contentType=\"{kind}\" mimeType=\"{kind}/mp4\"");
    if let Some(language) = set.first().and_then(|rendition| rendition.language.as_deref()) {
        let _ = write!(text, " lang=\"{}\"", Escaped(language));
    }
    text.push_str(" segmentAlignment=\"true\" startWithSAP=\"1\">\n");
    for rendition in set {
        write_representation(text, rendition, start);
    }
    text.push_str("    </AdaptationSet>\n");
}

fn write_representation(text: &mut String, rendition: &Rendition, start: (u64, Timescale)) {
    let _ = write!(
        text,
        "      <Representation id=\"{}\" codecs=\"{}\" bandwidth=\"{}\"",
        Escaped(&rendition.name),
        Escaped(&rendition.codec.string),
        rendition.bandwidth.peak.max(1)
    );
    match &rendition.codec.media {
        Media::Video(video) => {
            let _ = write!(text, " width=\"{}\" height=\"{}\"", video.width, video.height);
            if let Some(rate) = rendition.frame_rate {
                let _ = write!(text, " frameRate=\"{rate}\"");
            }
            let common = greatest_common_divisor(video.pixel_aspect.0, video.pixel_aspect.1);
            let _ = writeln!(text, " sar=\"{}:{}\">", video.pixel_aspect.0 / common, video.pixel_aspect.1 / common);
        }
        Media::Audio(audio) => {
            if audio.sample_rate > 0 {
                let _ = write!(text, " audioSamplingRate=\"{}\"", audio.sample_rate);
            }
            let _ = writeln!(
                text,
                ">\n        <AudioChannelConfiguration schemeIdUri=\"urn:mpeg:dash:23003:3:audio_channel_configuration:2011\" value=\"{}\"/>",
                audio.channels
            );
        }
    }
    write_template(text, &rendition.timeline, start);
    text.push_str("      </Representation>\n");
}

fn write_template(text: &mut String, timeline: &Timeline, start: (u64, Timescale)) {
    let offset = match rescale_length(start.0, start.1, timeline.timescale) {
        0 => String::new(),
        offset => format!(" presentationTimeOffset=\"{offset}\""),
    };
    let _ = writeln!(
        text,
        "        <SegmentTemplate timescale=\"{}\"{offset} initialization=\"$RepresentationID$/init.mp4\" \
         media=\"$RepresentationID$/$Number$.m4s\" startNumber=\"1\">\n          <SegmentTimeline>",
        timeline.timescale.get()
    );
    let mut next = None;
    let mut segments = timeline.segments.iter().peekable();
    while let Some(segment) = segments.next() {
        text.push_str("            <S");
        if next != Some(segment.start) {
            let _ = write!(text, " t=\"{}\"", segment.start);
        }
        let mut repeats = 0;
        let mut end = segment.end();
        while segments.next_if(|same| same.start == end && same.duration == segment.duration).is_some() {
            repeats += 1;
            end = end.saturating_add(segment.duration);
        }
        let _ = write!(text, " d=\"{}\"", segment.duration);
        if repeats > 0 {
            let _ = write!(text, " r=\"{repeats}\"");
        }
        text.push_str("/>\n");
        next = Some(end);
    }
    text.push_str("          </SegmentTimeline>\n        </SegmentTemplate>\n");
}

/// A length in milliseconds as xs:duration.
struct Duration(u64);

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PT{}S", Seconds { ticks: self.0, timescale: Timescale::MILLIS, places: 3 })
    }
}

/// Text inside an attribute value.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '"' => f.write_str("&quot;")?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::presentation::test_presentation;

    #[test]
    fn the_timeline_is_that_of_the_presentation() {
        let text = mpd(&test_presentation());
        for expected in [
            "type=\"static\"",
            "mediaPresentationDuration=\"PT10.505S\" maxSegmentDuration=\"PT4.012S\"",
            "<AdaptationSet id=\"1\" contentType=\"video\" mimeType=\"video/mp4\" segmentAlignment=\"true\" startWithSAP=\"1\">",
            "<Representation id=\"v1\" codecs=\"avc1.64001F\" bandwidth=\"1192\" width=\"1280\" height=\"720\" frameRate=\"25\" sar=\"2:1\">",
            "<S t=\"0\" d=\"100\" r=\"1\"/>\n            <S d=\"50\"/>",
            "<AdaptationSet id=\"3\" contentType=\"audio\" mimeType=\"audio/mp4\" lang=\"de\"",
            // Late by half a second: told by the first t.
            "<S t=\"24000\" d=\"167936\"/>",
            // Primed by 1024 samples, which are before the start and not in the timeline.
            "<S t=\"0\" d=\"191488\"/>",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
    }

    #[test]
    fn attribute_values_are_escaped() {
        assert_eq!(Escaped("a<b&\"c\"").to_string(), "a&lt;b&amp;&quot;c&quot;");
    }
}
