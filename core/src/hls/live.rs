//! The media playlist of a live rendition, with parts (RFC 8216bis 4.4.3, 4.4.4, 6.2.2, 6.2.5).

use alloc::{collections::VecDeque, format, string::String};
use core::{fmt::Write, mem};

use super::{Quoted, key::write_keys};
use crate::{
    protection::{Protection, Scheme},
    time::{Seconds, Timescale},
    window::{PartAddressing, Promise, Segment, Window},
};

/// Millionths of a second.
const MICROS: Timescale = Timescale::MICROS;

/// What the files of a rendition are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Fragments of MP4, with a header (3.1.2).
    Fragments,
    /// Text, which needs no header, and of which each part is a file (3.1.4).
    WebVtt,
}

impl Form {
    fn extension(self) -> &'static str {
        match self {
            Self::Fragments => "m4s",
            Self::WebVtt => "vtt",
        }
    }
}

/// How playlists list a whole segment: written once, for it does not change.
#[derive(Clone, Debug)]
pub struct Lines {
    text: String,
    /// Where the lines begin that stand behind those of parts.
    behind: usize,
}

impl Lines {
    /// Of `segment`, whose ticks are of scale `timescale`; its files are of this `form`.
    pub fn new(segment: &Segment, timescale: Timescale, form: Form) -> Self {
        let mut text = String::with_capacity(96);
        let _ = writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", segment.clock.date());
        let behind = text.len();
        if segment.gap {
            text.push_str("#EXT-X-GAP\n");
        }
        let seconds = Seconds { ticks: segment.duration, timescale, places: 6 };
        let _ = writeln!(text, "#EXTINF:{seconds},\n{}.{}", segment.number, form.extension());
        Self { text, behind }
    }
}

/// Where another rendition is (4.4.5.4).
#[derive(Clone, Debug)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// The last segment that is listed, whole or by its parts.
    pub segment: u32,
    /// The last of its parts that is listed, if any is.
    pub part: Option<u32>,
}

/// A live rendition to be told of.
#[derive(Debug)]
pub struct LivePlaylist<'a> {
    /// What all playlists of the stream promise.
    pub promise: &'a Promise,
    /// Its segments.
    pub window: &'a Window,
    /// What its files are.
    pub form: Form,
    /// How those that are whole are listed.
    pub lines: &'a VecDeque<Lines>,
    /// The other renditions.
    pub reports: &'a [Report],
    /// The header that what comes next needs, where it is another.
    pub next_header: Option<u32>,
    /// Number of the next part, by segment and part.
    pub next_part: (u32, u32),
    /// Whether nothing follows.
    pub ended: bool,
    /// The date ranges of the stream (4.4.5.1), each a line: updates do not leave them out.
    pub date_ranges: &'a str,
    /// How it is encrypted, if it is: with the key of its first segment first.
    pub protection: Option<&'a Protection>,
}

/// What stands in the playlist already, and holds until it is told otherwise.
#[derive(Default)]
struct Told {
    header: Option<u32>,
    /// Which of the keys.
    key: Option<usize>,
    /// Whether something is left out before it.
    behind: bool,
}

impl LivePlaylist<'_> {
    /// The playlist; `skip`: without what a player has that asks for that, where there is enough to leave out.
    pub fn write(&self, skip: bool) -> String {
        let Self { promise, window, .. } = self;
        let target = promise.target_duration;
        let mut text = String::with_capacity(window.segments.len() * 96 + 1024);
        let _ = writeln!(text, "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:{target}");
        let seconds = |micros: u64| Seconds { ticks: micros, timescale: MICROS, places: 6 };
        // Three parts: the least that is advised (4.4.3.8).
        let (part, hold_back) = (promise.part_micros(), promise.part_micros().saturating_mul(3));
        let _ = write!(text, "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={},HOLD-BACK={}", seconds(hold_back), 3 * target);
        if promise.delta_updates {
            let _ = write!(text, ",CAN-SKIP-UNTIL={}", 6 * target);
        }
        let first = window.segments.front().or(window.open.as_ref());
        let sequence = first.map_or(0, |first| first.discontinuities.saturating_sub(first.discontinuity.into()));
        let _ = writeln!(
            text,
            "\n#EXT-X-PART-INF:PART-TARGET={}\n#EXT-X-MEDIA-SEQUENCE:{}\n#EXT-X-DISCONTINUITY-SEQUENCE:{sequence}\n#EXT-X-INDEPENDENT-SEGMENTS",
            seconds(part),
            first.map_or(0, |first| first.number),
        );
        let skipped = if skip { self.skipped() } else { 0 };
        if skipped > 0 {
            let _ = writeln!(text, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}");
        }
        text.push_str(self.date_ranges);
        // Parts are for players near the end (6.2.2).
        let far = window.before_end(3 * u64::from(target));
        let mut told = Told { behind: skipped > 0, ..Told::default() };
        for (index, (segment, lines)) in window.segments.iter().zip(self.lines).enumerate().skip(skipped) {
            self.write_changes(&mut text, segment, &mut told);
            if index >= far && !self.ended && !segment.parts.is_empty() {
                text.push_str(lines.text.get(..lines.behind).unwrap_or_default());
                self.write_parts(&mut text, segment);
                text.push_str(lines.text.get(lines.behind..).unwrap_or_default());
            } else {
                text.push_str(&lines.text);
            }
        }
        if self.ended {
            text.push_str("#EXT-X-ENDLIST\n");
            return text;
        }
        if let Some(open) = window.open.as_ref().filter(|open| !open.parts.is_empty()) {
            self.write_changes(&mut text, open, &mut told);
            let _ = writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", open.clock.date());
            self.write_parts(&mut text, open);
        }
        if let Some(number) = self.next_header.filter(|_| self.form == Form::Fragments) {
            let _ = writeln!(text, "#EXT-X-PRELOAD-HINT:TYPE=MAP,URI=\"init-{number}.mp4\"");
        }
        let (segment, part) = self.next_part;
        // A hint tells no key, and a player that decrypts parts takes that of the part before.
        let key = self.protection.filter(|told| told.scheme == Scheme::Aes128).and_then(|told| Some(told.key_of(segment)?.0));
        let is_understood = key.is_none_or(|key| told.key == Some(key));
        let _ = match self.addressing() {
            _ if !is_understood => Ok(()),
            PartAddressing::Files => {
                writeln!(text, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{segment}.{part}.{}\"", self.form.extension())
            }
            PartAddressing::Ranges => {
                let start = window.open.as_ref().filter(|open| open.number == segment).map_or(0, |open| open.bytes);
                writeln!(text, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{segment}.m4s\",BYTERANGE-START={start}")
            }
        };
        for report in self.reports {
            let uri = format!("../{}/media.m3u8", report.name);
            let _ = write!(text, "#EXT-X-RENDITION-REPORT:URI={},LAST-MSN={}", Quoted(&uri), report.segment);
            if let Some(part) = report.part {
                let _ = write!(text, ",LAST-PART={part}");
            }
            text.push('\n');
        }
        text
    }

    /// How parts are named: what is made of text when it is asked for has no places.
    fn addressing(&self) -> PartAddressing {
        if self.form == Form::WebVtt { PartAddressing::Files } else { self.promise.part_addressing }
    }

    /// How many segments a player has that has asked in time (4.4.5.2): those that are further from the end than the skip boundary.
    fn skipped(&self) -> usize {
        if self.ended || !self.promise.delta_updates {
            return 0;
        }
        self.window.before_end(6 * u64::from(self.promise.target_duration))
    }

    /// What stands before the first part of a segment where it is new: all of it is written again behind what is left out.
    fn write_changes(&self, text: &mut String, segment: &Segment, told: &mut Told) {
        if segment.discontinuity {
            text.push_str("#EXT-X-DISCONTINUITY\n");
        }
        if self.form == Form::Fragments && told.header.replace(segment.header) != Some(segment.header) {
            // A header behind a key would be encrypted with it (4.4.4.4), and behind what is left out there is one.
            let is_whole = self.protection.is_some_and(|protection| protection.scheme == Scheme::Aes128);
            if is_whole && (mem::take(&mut told.behind) | told.key.take().is_some()) {
                text.push_str("#EXT-X-KEY:METHOD=NONE\n");
            }
            let _ = writeln!(text, "#EXT-X-MAP:URI=\"init-{}.mp4\"", segment.header);
        }
        if let Some((protection, (turn, key))) = self.protection.and_then(|told| Some((told, told.key_of(segment.number)?)))
            && told.key.replace(turn) != Some(turn)
        {
            write_keys(text, "EXT-X-KEY", protection, key);
        }
    }

    fn write_parts(&self, text: &mut String, segment: &Segment) {
        let mut start = 0u64;
        for (number, part) in segment.parts.iter().enumerate() {
            let _ = write!(text, "#EXT-X-PART:DURATION={},", self.window.seconds(part.duration));
            let _ = match self.addressing() {
                PartAddressing::Files => write!(text, "URI=\"{}.{number}.{}\"", segment.number, self.form.extension()),
                PartAddressing::Ranges => write!(text, "URI=\"{}.m4s\",BYTERANGE=\"{}@{start}\"", segment.number, part.bytes),
            };
            text.push_str(if part.independent { ",INDEPENDENT=YES\n" } else { "\n" });
            start = start.saturating_add(part.bytes);
        }
    }
}
