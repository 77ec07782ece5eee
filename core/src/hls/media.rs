//! The media playlist (RFC 8216bis 4.4.2 to 4.4.4).

use alloc::string::String;
use core::fmt::Write;

use crate::{
    presentation::Rendition,
    time::{Seconds, Timescale},
};

/// The media playlist of a complete `rendition` in a presentation that begins at `start`.
///
/// Durations are those of [`lasting`](crate::timeline::Timeline::lasting).
pub fn media_playlist(rendition: &Rendition, start: (u64, Timescale)) -> String {
    let timescale = rendition.timeline.timescale;
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:7\n");
    let mut longest = 0;
    let mut list = String::with_capacity(rendition.timeline.segments.len() * 28);
    for (number, (_, ticks)) in (1u32..).zip(rendition.timeline.lasting(start)) {
        longest = longest.max(ticks);
        let _ = writeln!(list, "#EXTINF:{},\n{number}.m4s", Seconds { ticks, timescale, places: 6 });
    }
    let target = Seconds { ticks: longest.max(u64::from(timescale.get())), timescale, places: 0 };
    let _ = writeln!(text, "#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD");
    text.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=\"init.mp4\"\n");
    text.push_str(&list);
    text.push_str("#EXT-X-ENDLIST\n");
    text
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;
    use crate::presentation::test_presentation;

    #[test]
    fn sound_that_begins_late_stays_beside_its_pictures() {
        let presentation = test_presentation();
        let list = |name: &str| {
            let rendition = presentation.renditions.iter().find(|rendition| rendition.name == name).unwrap();
            media_playlist(rendition, presentation.start)
        };
        let head = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n\
                    #EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=\"init.mp4\"\n";
        let video = "#EXTINF:4.000000,\n1.m4s\n#EXTINF:4.000000,\n2.m4s\n#EXTINF:2.000000,\n3.m4s\n#EXT-X-ENDLIST\n";
        let late = "#EXTINF:3.998667,\n1.m4s\n#EXTINF:4.010667,\n2.m4s\n#EXTINF:2.496000,\n3.m4s\n#EXT-X-ENDLIST\n";
        assert_eq!(list("v1"), format!("{head}{video}"));
        assert_eq!(list("a2"), format!("{head}{late}"));
    }
}
