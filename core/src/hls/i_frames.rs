//! The I-frame playlist (RFC 8216bis 4.4.3.6).

use alloc::string::String;
use core::fmt::Write;

use super::{key::write_keys, write_date, write_map, write_segment};
use crate::{
    i_frames::IFrame,
    presentation::{Layout, Presentation, Rendition},
    time::Seconds,
};

/// The playlist of `frames`, the I-frames of a complete `rendition` of `presentation`.
///
/// Each is a byte range of a segment of the rendition, encrypted as segments are; the header is that of the rendition and not in the range.
pub fn i_frame_playlist(presentation: &Presentation, rendition: &Rendition, frames: &[IFrame]) -> String {
    let timescale = rendition.timeline.timescale;
    let longest = frames.iter().map(|frame| frame.duration).max().unwrap_or(0);
    let target = Seconds { ticks: longest.max(u64::from(timescale.get())), timescale, places: 0 };
    let mut text = String::with_capacity(200 + frames.len() * 60);
    text.push_str("#EXTM3U\n#EXT-X-VERSION:7\n");
    let _ = writeln!(text, "#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD");
    text.push_str("#EXT-X-I-FRAMES-ONLY\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    write_map(&mut text, presentation, rendition);
    write_date(&mut text, presentation);
    let mut period = None;
    let (mut places, mut at, mut base) = (rendition.places(), 0, 0);
    for IFrame { segment, bytes, duration } in frames {
        // Frames are listed by ascending segment.
        while at < *segment {
            at += 1;
            base = places.next().map_or(base, |place| place.start);
        }
        if let Some((protection, (index, key))) =
            rendition.protection().and_then(|protection| Some((protection, protection.key_of(*segment)?)))
            && period.replace(index) != Some(index)
        {
            write_keys(&mut text, "EXT-X-KEY", protection, key);
        }
        let base = if presentation.layout == Layout::SingleFile { base } else { 0 };
        let bytes = base.saturating_add(bytes.start)..base.saturating_add(bytes.end);
        let _ = writeln!(text, "#EXTINF:{},", Seconds { ticks: *duration, timescale, places: 6 });
        write_segment(&mut text, presentation.layout, *segment, &bytes, true);
    }
    text.push_str("#EXT-X-ENDLIST\n");
    text
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;
    use crate::presentation::test_presentation;

    #[test]
    fn frames_are_byte_ranges_of_segments() {
        let frame = |segment, bytes, duration| IFrame { segment, bytes, duration };
        let frames = [frame(1, 32..1140, 48), frame(1, 9000..9700, 48), frame(2, 32..932, 10)];
        let expected = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n\
                        #EXT-X-I-FRAMES-ONLY\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=\"init.mp4\"\n\
                        #EXTINF:1.920000,\n#EXT-X-BYTERANGE:1108@32\n1.m4s\n\
                        #EXTINF:1.920000,\n#EXT-X-BYTERANGE:700@9000\n1.m4s\n\
                        #EXTINF:0.400000,\n#EXT-X-BYTERANGE:900@32\n2.m4s\n#EXT-X-ENDLIST\n";
        let mut presentation = test_presentation();
        let video = presentation.videos().next().unwrap();
        assert_eq!(i_frame_playlist(&presentation, video, &frames), expected);
        let video = video.clone();
        presentation.layout = Layout::SingleFile;
        let second = video.places().nth(1).unwrap().start;
        let text = i_frame_playlist(&presentation, &video, &frames);
        for expected in [
            format!("#EXT-X-MAP:URI=\"media.mp4\",BYTERANGE=\"{}@0\"\n", video.header_length),
            format!("#EXT-X-BYTERANGE:700@{}\nmedia.mp4\n", 9000 + video.media_start()),
            format!("#EXT-X-BYTERANGE:900@{}\nmedia.mp4\n#EXT-X-ENDLIST", 32 + second),
        ] {
            assert!(text.contains(&expected), "{expected} is not in\n{text}");
        }
    }
}
