//! HLS playlists (RFC 8216bis).

mod captions;
mod date_ranges;
mod groups;
mod i_frames;
mod key;
mod live;
mod media;
mod multivariant;
mod reload;
mod subtitles;

pub use date_ranges::{SPLICE_INFO, write_date_range};
pub use i_frames::i_frame_playlist;
pub use live::{Form, Lines, LivePlaylist, Report};
pub use media::{event_playlist, media_playlist};
pub use multivariant::multivariant_playlist;
pub use reload::{Decision, Directives, Edge};

use alloc::string::String;
use core::{
    fmt::{self, Write},
    ops::Range,
};

use crate::presentation::{Layout, Presentation, Rendition};

/// The date of the first segment, where it is asked for (4.4.4.6): in every playlist of a presentation or in none (6.2.4).
fn write_date(text: &mut String, presentation: &Presentation) {
    if let Some(date) = presentation.date {
        let _ = writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{date}");
    }
}

/// Where the header stands (4.4.4.5).
fn write_map(text: &mut String, presentation: &Presentation, rendition: &Rendition) {
    let _ = match presentation.layout {
        Layout::Segments => writeln!(text, "#EXT-X-MAP:URI=\"init.mp4\""),
        Layout::SingleFile => writeln!(text, "#EXT-X-MAP:URI=\"media.mp4\",BYTERANGE=\"{}@0\"", rendition.header_length),
    };
}

/// Where a segment or, by `range`, a range of bytes stands (4.4.4.2): of its own file, or of the file that holds all.
fn write_segment(text: &mut String, layout: Layout, number: u32, bytes: &Range<u64>, range: bool) {
    if range {
        let _ = writeln!(text, "#EXT-X-BYTERANGE:{}@{}", bytes.end.saturating_sub(bytes.start), bytes.start);
    }
    let _ = match layout {
        Layout::Segments => writeln!(text, "{number}.m4s"),
        Layout::SingleFile => writeln!(text, "media.mp4"),
    };
}

/// A quoted string of an attribute list: what must not stand in one (4.2: line feed, carriage return, double quote) is left out.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for part in self.0.split(['"', '\n', '\r']) {
            f.write_str(part)?;
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    #[test]
    fn quoted_strings_hold_no_quote_and_no_line_end() {
        assert_eq!(super::Quoted("a\"b\r\nc").to_string(), "\"abc\"");
    }
}
