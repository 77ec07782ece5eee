//! The DASH manifest (ISO/IEC 23009-1): a static MPD with one period, the same while its segments come, and that of a live stream.

mod growing;
mod live;
mod protection;
mod representation;
mod sets;

use alloc::string::String;
use core::fmt::{self, Write};

use crate::{
    presentation::{Layout, Presentation, Rendition},
    time::{Seconds, Timescale, rescale_length},
};
pub use growing::growing_mpd;
pub use live::{LiveMpd, LivePeriod};

/// How segments are told.
trait Tell {
    /// What stands in a set of renditions before what it is for.
    fn tell_times(&self, _text: &mut String, _renditions: &[&Rendition]) {}

    /// What the renditions of a set have in common.
    fn tell_set(&self, _text: &mut String, _renditions: &[&Rendition]) {}

    /// What is of one rendition alone.
    fn tell_rendition(&self, text: &mut String, rendition: &Rendition);
}

/// Begins an MPD of `presentation`, as far as the names of its attributes.
fn start(presentation: &Presentation) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"");
    if presentation.videos().any(|video| video.supplemental_codec().is_some()) {
        text.push_str(" xmlns:scte214=\"urn:scte:dash:scte214-extensions\"");
    }
    if presentation.renditions.iter().any(|rendition| rendition.protection().is_some()) {
        text.push_str(protection::NAMESPACES);
    }
    text
}

/// The MPD of a complete `presentation`.
pub fn mpd(presentation: &Presentation) -> String {
    let mut text = start(presentation);
    let profile = match presentation.layout {
        Layout::Segments => "isoff-live",
        Layout::SingleFile => "isoff-on-demand",
    };
    let (longest, buffer) = lengths(presentation);
    let _ = writeln!(
        text,
        " type=\"static\" profiles=\"urn:mpeg:dash:profile:{profile}:2011,urn:mpeg:dash:profile:cmaf:2019\" \
         mediaPresentationDuration=\"{}\" maxSegmentDuration=\"{longest}\" minBufferTime=\"{buffer}\">\n  <Period id=\"1\" start=\"PT0S\">",
        Duration(presentation.duration_millis()),
    );
    write_sets(&mut text, presentation, presentation);
    text.push_str("</MPD>\n");
    text
}

/// No segment lasts longer than the first (5.3.1.2); who gets media at its bit rate plays without a stop once this much is there (5.3.5.2).
fn lengths(presentation: &Presentation) -> (Duration, Duration) {
    let longest = presentation.renditions.iter().flat_map(|rendition| {
        let scale = rendition.timeline.timescale;
        let segments = rendition.timeline.segments.iter().map(|segment| segment.duration);
        // Where one duration is told for all, it may be longer than each of them: the first begins where the presentation does.
        let told = representation::told_duration(&rendition.timeline, presentation);
        segments.chain(told).map(move |duration| rescale_length(duration, scale, Timescale::MILLIS))
    });
    // Rounding included.
    (Duration(longest.max().unwrap_or(0).saturating_add(1)), Duration(presentation.buffer_millis().max(1)))
}

/// Writes all sets of `presentation`, whose segments are told by `tell`, and ends the one period.
fn write_sets(text: &mut String, presentation: &Presentation, tell: &dyn Tell) {
    let sets = sets::adaptation_sets(presentation);
    for set in &sets {
        sets::write(text, presentation, &sets, set, tell);
    }
    text.push_str("  </Period>\n");
}

/// A length in milliseconds as xs:duration.
struct Duration(u64);

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PT{}S", Seconds { ticks: self.0, timescale: Timescale::MILLIS, places: 3 })
    }
}

/// Text inside an attribute value. What XML has no form for (XML 1.0 2.2) is left out.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '"' => f.write_str("&quot;")?,
                '\0'..' ' | '\u{fffe}' | '\u{ffff}' => {}
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

/// `UTCTiming` (5.8.4.11): where players ask for the time, and that it is told by ISO 8601.
struct UtcTiming<'a>(&'a str);

impl fmt::Display for UtcTiming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"{}\"/>", Escaped(self.0))
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString, vec::Vec};

    use super::*;
    use crate::{
        boxes::{sample_entry::Colour, user_data::Role},
        codec::{Media, ac3::Speakers, dolby_vision::Record},
        presentation::{Addressing, Rendition, Source, test_presentation},
        segment::trick_mode,
        timeline::Timeline,
        track::test_video,
    };

    fn says(text: &str, expected: &[&str]) {
        for expected in expected {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
    }

    #[test]
    fn the_timeline_is_that_of_the_presentation() {
        let text = mpd(&test_presentation());
        says(
            &text,
            &[
                "type=\"static\" profiles=\"urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019\"",
                "mediaPresentationDuration=\"PT10.505S\" maxSegmentDuration=\"PT4.012S\" minBufferTime=\"PT3.228S\"",
                "<AdaptationSet id=\"1\" contentType=\"video\" mimeType=\"video/mp4\" maxWidth=\"1280\" maxHeight=\"720\" maxFrameRate=\"25\" \
                 par=\"32:9\" segmentAlignment=\"true\" startWithSAP=\"1\">",
                "<Representation id=\"v1\" codecs=\"avc1.64001F\" bandwidth=\"1160\" width=\"1280\" height=\"720\" frameRate=\"25\" sar=\"2:1\">",
                "<S t=\"0\" d=\"100\" r=\"1\"/>\n            <S d=\"50\"/>",
                "<AdaptationSet id=\"3\" contentType=\"audio\" mimeType=\"audio/mp4\" lang=\"de\" segmentAlignment=\"true\" startWithSAP=\"1\">\n      \
                 <Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"alternate\"/>",
                "<AudioChannelConfiguration schemeIdUri=\"urn:mpeg:mpegB:cicp:ChannelConfiguration\" value=\"2\"/>",
                // Late by half a second: told by the first t.
                "<S t=\"24000\" d=\"167936\"/>",
                // Primed by 1024 samples, which are before the start and not in the timeline.
                "<S t=\"0\" d=\"191488\"/>",
            ],
        );
    }

    /// ISO/IEC 23009-1 5.3.9.5.3: by number where every segment begins within half a segment of its multiple, else by time.
    #[test]
    fn numbers() {
        let mut presentation = test_presentation();
        presentation.addressing = Addressing::Number;
        let text = mpd(&presentation);
        assert_eq!(text.matches(" startNumber=\"1\" duration=\"").count(), 4, "{text}");
        says(
            &text,
            &[
                "timescale=\"25\" initialization=\"$RepresentationID$/init.mp4\" media=\"$RepresentationID$/$Number$.m4s\" startNumber=\"1\" duration=\"100\"/>",
            ],
        );
        let begin = |presentation: &mut Presentation, starts: [u64; 3]| {
            let segments = &mut presentation.renditions.first_mut().unwrap().timeline.segments;
            segments.iter_mut().zip(starts).for_each(|(segment, start)| segment.start = start);
        };
        begin(&mut presentation, [0, 100, 180]);
        says(&mpd(&presentation), &[" duration=\"90\"/>"]);
        begin(&mut presentation, [0, 151, 200]);
        assert_eq!(mpd(&presentation).matches("<SegmentTimeline>").count(), 1, "the second begins more than half a segment late");
        begin(&mut presentation, [0, 76, 152]);
        assert_eq!(mpd(&presentation).matches("<SegmentTimeline>").count(), 1, "a player would ask for a fourth");
    }

    /// Sets, each with its Representations; the sets that each switches to.
    fn sets(presentation: &Presentation) -> Vec<(String, String)> {
        let text = mpd(presentation);
        let of = |part: &str, before: &str| -> String {
            part.split(before).skip(1).filter_map(|rest| rest.split_once('"')).map(|(value, _)| value.to_string() + " ").collect()
        };
        let parts = text.split("<AdaptationSet ").skip(1).filter(|part| part.contains("video/mp4"));
        let switching = "adaptation-set-switching:2016\" value=\"";
        parts.map(|part| (of(part, "<Representation id=\""), of(part, switching))).collect()
    }

    #[test]
    fn pictures_of_one_codec_are_a_set() {
        let mut presentation = test_presentation();
        let video = presentation.renditions.first().unwrap().clone();
        presentation.renditions.truncate(1);
        let mut add = |name: &str, codec: &str, change: fn(&mut Rendition)| {
            let mut other = video.clone();
            other.name = name.into();
            other.codec.string = codec.into();
            change(&mut other);
            presentation.renditions.push(other);
        };
        let hdr = |rendition: &mut Rendition| {
            let Media::Video(video) = &mut rendition.codec.media else { unreachable!("it is video") };
            video.colour = Some(Colour { primaries: 9, transfer: 16, matrix: 9, full_range: false });
        };
        add("v2", "avc1.640028", |_| {});
        add("v3", "hvc1.1.6.L93.B0", |_| {});
        add("v4", "hvc1.2.4.L93.B0", hdr);
        add("v5", "av01.0.05M.08", |rendition| rendition.timeline.segments.truncate(2));
        let expected = [("v1 v2 ", "2 "), ("v3 ", "1 "), ("v4 ", ""), ("v5 ", "")];
        let expected: Vec<_> = expected.iter().map(|(renditions, others)| (renditions.to_string(), others.to_string())).collect();
        assert_eq!(sets(&presentation), expected);
        let text = mpd(&presentation);
        // More than the standard range is for those that know it, where there is something for the others.
        says(&text, &["<EssentialProperty schemeIdUri=\"urn:mpeg:mpegB:cicp:TransferCharacteristics\" value=\"16\"/>"]);
        presentation.renditions.retain(|rendition| rendition.name == "v4");
        says(&mpd(&presentation), &["<SupplementalProperty schemeIdUri=\"urn:mpeg:mpegB:cicp:ColourPrimaries\" value=\"9\"/>"]);
    }

    /// DASH-IF Interoperability Points 3.2.9.
    #[test]
    fn key_frames_are_a_set_of_their_own() {
        let mut presentation = test_presentation();
        let video = test_video(25, 250, 1, |n| n % 50 == 0);
        let timeline = presentation.videos().next().unwrap().timeline.clone();
        let (keys, cuts) = trick_mode::key_frames(&video, &timeline).unwrap();
        let source = Source { input: 0, track: 4 };
        presentation.add_trick_mode("v1", (source, &keys, Timeline::new(&keys, &cuts)), 50);
        let text = mpd(&presentation);
        says(
            &text,
            &[
                "<AdaptationSet id=\"5\" contentType=\"video\" mimeType=\"video/mp4\" maxWidth=\"1280\" maxHeight=\"720\" maxFrameRate=\"1/2\" \
                 par=\"32:9\" segmentAlignment=\"true\" startWithSAP=\"1\">\n      \
                 <EssentialProperty schemeIdUri=\"http://dashif.org/guidelines/trickmode\" value=\"1\"/>\n      <Representation id=\"k1\" ",
                " frameRate=\"1/2\" sar=\"2:1\" maxPlayoutRate=\"50\" codingDependency=\"false\">",
                "minBufferTime=\"PT3.228S\"",
            ],
        );
        assert_eq!(presentation.videos().count(), 1, "no video beside the others");
    }

    #[test]
    fn what_sets_are_for() {
        let mut presentation = test_presentation();
        let sound = presentation.renditions.last_mut().unwrap();
        sound.roles = Vec::from([Role::Description, Role::Dub]);
        sound.label = Some("Ton & Bild".into());
        let Media::Audio(audio) = &mut sound.codec.media else { unreachable!("it is sound") };
        audio.dolby = Some(Speakers { places: 0xf801, joint_objects: Some(16) });
        let video = presentation.renditions.first_mut().unwrap();
        video.codec.string = "hvc1.2.4.L120.B0".into();
        let Media::Video(media) = &mut video.codec.media else { unreachable!("it is video") };
        media.dolby_vision = Some(Record { profile: 8, level: 6, base_layer: true, compatibility: 4 });
        let role = |name| format!("      <Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"{name}\"/>\n");
        let told = format!(
            "      <Label>Ton &amp; Bild</Label>\n      \
             <Accessibility schemeIdUri=\"urn:tva:metadata:cs:AudioPurposeCS:2007\" value=\"1\"/>\n{}{}",
            role("description"),
            role("dub")
        );
        says(
            &mpd(&presentation),
            &[
                &told,
                "<AudioChannelConfiguration schemeIdUri=\"tag:dolby.com,2014:dash:audio_channel_configuration:2011\" value=\"F801\"/>",
                "<SupplementalProperty schemeIdUri=\"tag:dolby.com,2018:dash:EC3_ExtensionType:2018\" value=\"JOC\"/>",
                "<SupplementalProperty schemeIdUri=\"tag:dolby.com,2018:dash:EC3_ExtensionComplexityIndex:2018\" value=\"16\"/>",
                " xmlns:scte214=\"urn:scte:dash:scte214-extensions\" type=",
                " scte214:supplementalCodecs=\"dvh1.08.06\" scte214:supplementalProfiles=\"db4h\">",
            ],
        );
    }

    /// 5.3.5.2: what begins late takes its bits in the time that it lasts.
    #[test]
    fn bandwidth_of_what_begins_late() {
        let mut presentation = test_presentation();
        let sound = presentation.renditions.iter_mut().find(|rendition| rendition.name == "a2").unwrap();
        // One segment of 1,000 bytes from second 2 to 4: in HLS it lasts four seconds.
        sound.timeline.segments.truncate(1);
        let segment = sound.timeline.segments.first_mut().unwrap();
        (segment.start, segment.duration, segment.bytes) = (96_000, 96_000, 1000);
        sound.measure((0, Timescale::MILLIS));
        assert_eq!((sound.bandwidth.peak, sound.transfer_rate()), (2000, 4000));
        says(&mpd(&presentation), &["<Representation id=\"a2\" codecs=\"mp4a.40.2\" bandwidth=\"4000\""]);
    }

    /// 5.10.3.3: what a player has to look for in the segments.
    #[test]
    fn event_streams() {
        let mut presentation = test_presentation();
        presentation.renditions.first_mut().unwrap().event_streams =
            [("urn:x&y".into(), String::new()), ("urn:z".into(), "7".into())].into();
        says(
            &mpd(&presentation),
            &[" sar=\"2:1\">\n        <InbandEventStream schemeIdUri=\"urn:x&amp;y\" value=\"\"/>\n        \
               <InbandEventStream schemeIdUri=\"urn:z\" value=\"7\"/>\n        <SegmentTemplate "],
        );
    }

    /// 5.3.9.2: header, index, segments.
    #[test]
    fn one_file() {
        let mut presentation = test_presentation();
        presentation.layout = Layout::SingleFile;
        let video = presentation.renditions.first().unwrap();
        let header = video.header_length;
        assert_eq!(video.media_start(), header + 40 + 3 * 12);
        let expected = format!(
            "<BaseURL>v1/media.mp4</BaseURL>\n        <SegmentBase timescale=\"25\" indexRange=\"{header}-{}\">\n          \
             <Initialization range=\"0-{}\"/>\n        </SegmentBase>",
            header + 40 + 3 * 12 - 1,
            header - 1
        );
        says(
            &mpd(&presentation),
            &[
                "profiles=\"urn:mpeg:dash:profile:isoff-on-demand:2011,",
                " subsegmentAlignment=\"true\" subsegmentStartsWithSAP=\"1\">",
                &expected,
            ],
        );
    }

    #[test]
    fn attribute_values_are_escaped() {
        assert_eq!(Escaped("a<b&\"c\"\u{1}\n").to_string(), "a&lt;b&amp;&quot;c&quot;");
    }
}
