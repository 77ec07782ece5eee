//! The media playlist (RFC 8216bis 4.4.2 to 4.4.4).

use alloc::string::String;
use core::fmt::Write;

use super::{date_ranges::write_date_ranges, key::write_keys, write_date, write_map, write_segment};
use crate::{
    presentation::{Layout, Presentation, Rendition},
    time::Seconds,
    track::Event,
};

/// The media playlist of a complete `rendition` of `presentation`.
///
/// Durations are those of [`lasting`](crate::timeline::Timeline::lasting). `events`: those in its segments.
pub fn media_playlist(presentation: &Presentation, rendition: &Rendition, events: &[Event]) -> String {
    playlist(presentation, rendition, events, None)
}

/// The media playlist of a `rendition` of which the first `arrived` segments are there and the others will come (4.4.3.5). What is said of
/// all segments is that of all, so that nothing of it changes as they come (6.2.1).
pub fn event_playlist(presentation: &Presentation, rendition: &Rendition, events: &[Event], arrived: u32) -> String {
    playlist(presentation, rendition, events, Some(arrived))
}

fn playlist(presentation: &Presentation, rendition: &Rendition, events: &[Event], arrived: Option<u32>) -> String {
    let timescale = rendition.timeline.timescale;
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:7\n");
    let mut longest = 0;
    let mut list = String::with_capacity(rendition.timeline.segments.len() * 28);
    let segments = rendition.timeline.lasting(presentation.start).zip(rendition.places());
    for (number, ((_, ticks), bytes)) in (1u32..).zip(segments) {
        longest = longest.max(ticks);
        if arrived.is_some_and(|arrived| number > arrived) {
            continue;
        }
        if let Some((protection, key)) = rendition.protection().and_then(|protection| Some((protection, protection.key_from(number)?))) {
            write_keys(&mut list, "EXT-X-KEY", protection, key);
        }
        let _ = writeln!(list, "#EXTINF:{},", Seconds { ticks, timescale, places: 6 });
        if rendition.webvtt {
            let _ = writeln!(list, "{number}.vtt");
            continue;
        }
        write_segment(&mut list, presentation.layout, number, &bytes, presentation.layout == Layout::SingleFile);
    }
    let target = Seconds { ticks: longest.max(u64::from(timescale.get())), timescale, places: 0 };
    let kind = if arrived.is_some() { "EVENT" } else { "VOD" };
    let _ = writeln!(text, "#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:{kind}");
    if rendition.timeline.independent() {
        text.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    if arrived.is_some() {
        // What has no end begins near its newest segment unless told otherwise (4.4.2.2).
        text.push_str("#EXT-X-START:TIME-OFFSET=0\n");
    }
    if !rendition.webvtt {
        write_map(&mut text, presentation, rendition);
    }
    write_date(&mut text, presentation);
    write_date_ranges(&mut text, presentation, events);
    // Keys stand behind the header, which is not encrypted.
    text.push_str(&list);
    if arrived.is_none() {
        text.push_str("#EXT-X-ENDLIST\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;
    use crate::{presentation::test_presentation, time::Date};

    #[test]
    fn a_playlist_that_grows_only_gets_longer() {
        let mut presentation = test_presentation();
        let video = presentation.renditions.first_mut().unwrap();
        // The longest comes last, and is announced from the start.
        video.timeline.segments.last_mut().unwrap().duration *= 4;
        let video = video.clone();
        let lists: [_; 4] = core::array::from_fn(|arrived| event_playlist(&presentation, &video, &[], u32::try_from(arrived).unwrap()));
        assert!(lists.windows(2).all(|pair| pair[1].starts_with(pair[0].as_str()) && pair[1].len() > pair[0].len()), "{lists:?}");
        let whole = media_playlist(&presentation, &video, &[]);
        let start = "#EXT-X-INDEPENDENT-SEGMENTS\n";
        assert_eq!(
            format!("{}#EXT-X-ENDLIST\n", lists[3]),
            whole.replace("TYPE:VOD", "TYPE:EVENT").replace(start, &format!("{start}#EXT-X-START:TIME-OFFSET=0\n"))
        );
    }

    #[test]
    fn sound_that_begins_late_stays_beside_its_pictures() {
        let mut presentation = test_presentation();
        let list = |presentation: &Presentation, name: &str| {
            let rendition = presentation.renditions.iter().find(|rendition| rendition.name == name).unwrap();
            media_playlist(presentation, rendition, &[])
        };
        let head = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n\
                    #EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=\"init.mp4\"\n";
        let video = "#EXTINF:4.000000,\n1.m4s\n#EXTINF:4.000000,\n2.m4s\n#EXTINF:2.000000,\n3.m4s\n#EXT-X-ENDLIST\n";
        let late = "#EXTINF:3.998667,\n1.m4s\n#EXTINF:4.010667,\n2.m4s\n#EXTINF:2.496000,\n3.m4s\n#EXT-X-ENDLIST\n";
        assert_eq!(list(&presentation, "v1"), format!("{head}{video}"));
        assert_eq!(list(&presentation, "a2"), format!("{head}{late}"));
        // Ranges of one file, the header among them (4.4.4.2, 4.4.4.5).
        let video = presentation.renditions.first().unwrap();
        let (header, media) = (video.header_length, video.media_start());
        presentation.layout = Layout::SingleFile;
        let text = list(&presentation, "v1");
        let expected = format!(
            "#EXT-X-MAP:URI=\"media.mp4\",BYTERANGE=\"{header}@0\"\n#EXTINF:4.000000,\n#EXT-X-BYTERANGE:556@{media}\nmedia.mp4\n\
             #EXTINF:4.000000,\n#EXT-X-BYTERANGE:556@{}\nmedia.mp4\n",
            media + 556
        );
        assert!(text.contains(&expected), "{expected} is not in\n{text}");
        presentation.layout = Layout::Segments;
        // The date of the start is that of the first segment in every rendition (4.4.4.6, 6.2.4).
        presentation.date = Some(Date(1000));
        let date = "#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:01.000Z\n";
        assert_eq!(list(&presentation, "a2"), format!("{head}{date}{late}"));
    }
}
