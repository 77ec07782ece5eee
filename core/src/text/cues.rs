//! Cues: what is shown from when to when, in the form of WebVTT whatever the source is.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::ops::Range;

use crate::order;

/// A cue (WebVTT 3.1): text that is shown for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cue {
    /// When it appears, in milliseconds.
    pub start: u64,
    /// When it goes, in milliseconds; after `start`.
    pub end: u64,
    /// Identifier, settings and text, a line end between them: one allocation a cue.
    parts: Box<str>,
}

impl Cue {
    /// A cue with this identifier, these settings (`line:0 align:left`) and this text with the tags of WebVTT.
    ///
    /// What would end a cue in a file (3.1: line ends in the first two, empty lines and `-->` in all) is taken out, so that whatever the
    /// source is, the cue can be written.
    pub fn new(times: Range<u64>, id: &str, settings: &str, text: &str) -> Self {
        let mut length = 0;
        clean([id, settings], text, &mut |piece| length += piece.len());
        let mut parts = String::with_capacity(length);
        clean([id, settings], text, &mut |piece| parts.push_str(piece));
        Self { start: times.start, end: times.end, parts: parts.into_boxed_str() }
    }

    fn part(&self, number: usize) -> &str {
        self.parts.splitn(3, '\n').nth(number).unwrap_or_default()
    }

    /// The identifier; mostly empty.
    pub fn id(&self) -> &str {
        self.part(0)
    }

    /// The settings, as they stand behind the times.
    pub fn settings(&self) -> &str {
        self.part(1)
    }

    /// The text, with tags.
    pub fn text(&self) -> &str {
        self.part(2)
    }

    /// Bytes of identifier, settings and text.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Whether it shows nothing.
    pub fn is_empty(&self) -> bool {
        self.text().is_empty()
    }

    /// Whether all but the times is the same.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

fn is_line_end(letter: char) -> bool {
    matches!(letter, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Tells `push` the parts of a cue, piece by piece: `heads` each as one line, then `text` without its empty lines.
fn clean(heads: [&str; 2], text: &str, push: &mut dyn FnMut(&str)) {
    for line in heads {
        clean_line(line.trim(), push);
        push("\n");
    }
    let lines = text.split(is_line_end).filter(|line| !line.trim().is_empty());
    for (number, line) in lines.enumerate() {
        if number > 0 {
            push("\n");
        }
        clean_line(line, push);
    }
}

fn clean_line(line: &str, push: &mut dyn FnMut(&str)) {
    let mut dashes = 0;
    for letter in line.chars() {
        match letter {
            '\0' => push("\u{fffd}"),
            '>' if dashes >= 2 => push("&gt;"),
            letter if is_line_end(letter) => push(" "),
            letter => push(letter.encode_utf8(&mut [0; 4])),
        }
        dashes = if letter == '-' { dashes + 1 } else { 0 };
    }
}

/// The cues of a track, in the order in which they appear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cues {
    list: Vec<Cue>,
    /// For each cue the latest end of it and all before it: what is shown at a time is found by two binary searches.
    reach: Vec<u64>,
    blocks: String,
}

/// What of a source could not be read and was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// How many cues.
    pub count: u32,
    /// Line of the first of them in the file, or number of its sample in the track; from 1.
    pub first: u32,
    /// What is wrong with the first.
    pub reason: &'static str,
}

impl Cues {
    /// Cues in any order; those that show nothing are left out. `blocks`: the style sheets and regions of WebVTT, without empty lines at
    /// either end.
    pub fn new(mut list: Vec<Cue>, blocks: String) -> Self {
        list.retain(|cue| cue.end > cue.start && !cue.is_empty());
        order::by_key(&mut list, |cue| cue.start);
        list.shrink_to_fit();
        let ends = list.iter().scan(0, |latest: &mut u64, cue| {
            *latest = cue.end.max(*latest);
            Some(*latest)
        });
        let reach = ends.collect();
        Self { list, reach, blocks }
    }

    /// The cues, by when they appear.
    pub fn list(&self) -> &[Cue] {
        &self.list
    }

    /// Style sheets and regions (WebVTT 3.2, 3.3), an empty line between them.
    pub fn blocks(&self) -> &str {
        &self.blocks
    }

    /// Those that are shown at any time in `span`, in milliseconds.
    pub fn during(&self, span: Range<u64>) -> impl Iterator<Item = &Cue> {
        let first = self.reach.partition_point(|reach| *reach <= span.start);
        let end = self.list.partition_point(|cue| cue.start < span.end);
        let found = self.list.get(first..end.max(first)).unwrap_or_default();
        found.iter().filter(move |cue| cue.end > span.start)
    }

    /// When the last of them goes, in milliseconds.
    pub fn end(&self) -> u64 {
        self.reach.last().copied().unwrap_or(0)
    }

    /// Shows all of them `millis` later.
    pub fn delay(&mut self, millis: u64) {
        for cue in &mut self.list {
            (cue.start, cue.end) = (cue.start.saturating_add(millis), cue.end.saturating_add(millis));
        }
        self.reach.iter_mut().for_each(|reach| *reach = reach.saturating_add(millis));
    }

    /// Heap memory that they take, in bytes.
    pub fn memory(&self) -> usize {
        let texts: usize = self.list.iter().map(Cue::len).sum();
        texts + size_of_val(self.list.as_slice()) + size_of_val(self.reach.as_slice()) + self.blocks.len()
    }
}

impl Fault {
    /// Counts one more.
    pub(super) fn add(fault: &mut Option<Self>, first: u32, reason: &'static str) {
        fault.get_or_insert(Self { count: 0, first, reason }).count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_cue_in_a_file_is_taken_out() {
        let cue = Cue::new(0..1, "1\r\n-->", " line:0\nalign:left ", "\n a\r\n\r\n \nb --> c\0\u{2028}d\n");
        assert_eq!((cue.id(), cue.settings(), cue.text()), ("1  --&gt;", "line:0 align:left", " a\nb --&gt; c\u{fffd}\nd"));
        assert!(Cue::new(0..1, "1", "line:0", " \n ").is_empty());
    }

    #[test]
    fn cues_are_found_by_time() {
        let cue = |times| Cue::new(times, "", "", "x");
        let cues = Cues::new([cue(50..60), cue(0..100), cue(10..20), cue(70..70), Cue::new(1..2, "", "", "")].into(), String::new());
        let during = |span| cues.during(span).map(|cue| cue.start..cue.end).collect::<Vec<_>>();
        assert_eq!(during(0..10), [0..100]);
        assert_eq!(during(15..55), [0..100, 10..20, 50..60]);
        assert_eq!(during(20..50), [0..100]);
        assert_eq!(during(100..200), []);
        assert_eq!(during(30..30), [0..100], "a moment");
    }
}
