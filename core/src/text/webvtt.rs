//! WebVTT (W3C): files read to cues, and cues written as segments for HLS.

use alloc::{format, string::String, vec::Vec};
use core::{fmt::Write, ops::Range};

use super::{Cue, Cues, Fault, decode};
use crate::{
    error::{Error, Result},
    time::{Timescale, rescale_length},
};

/// Reads a file as browsers do (WebVTT 6.1): what cannot be a cue is passed over, told in the [`Fault`].
///
/// # Errors
///
/// It does not begin with `WEBVTT`, it is larger than [`MAX_BYTES`](super::MAX_BYTES), or its letters take much more memory than its bytes.
pub fn read(bytes: &[u8]) -> Result<(Cues, Option<Fault>)> {
    let text = decode::utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))?;
    // A cue has its text as it stands, but for what would end it.
    let escaped = text.bytes().filter(|byte| *byte == 0).count() * 2 + arrows(&text) * 3;
    decode::check(bytes.len(), text.len() + escaped)?;
    let signed = text.strip_prefix("WEBVTT").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']));
    if !signed {
        return Err(Error::malformed("not a WebVTT file: it does not begin with WEBVTT").at(0).by("WebVTT 4.1"));
    }
    let mut lines = (1u32..).zip(lines(&text)).peekable();
    // The header ends at an empty line, or where a cue begins without one.
    lines.next();
    while lines.next_if(|(_, line)| !line.is_empty() && arrows(line) == 0).is_some() {}
    let mut file = File { text: &text, cues: Vec::with_capacity(most_cues(&text)), blocks: String::new(), fault: None };
    while lines.peek().is_some() {
        file.read_block(&mut lines);
    }
    Ok((Cues::new(file.cues, file.blocks), file.fault))
}

/// As many cues as `text` can hold at most: each has an arrow, two times and a letter.
pub(super) fn most_cues(text: &str) -> usize {
    const LEAST: usize = "0:0:0,0-->0:0:0,1\na".len();
    arrows(text).min(text.len() / LEAST)
}

/// How often `-->` stands in `text`.
fn arrows(text: &str) -> usize {
    text.as_bytes().windows(3).filter(|three| *three == b"-->").count()
}

/// The stretch of `text` from the start of one of its lines to the end of another.
pub(super) fn between<'a>(text: &'a str, first: &str, last: &str) -> &'a str {
    let place = |line: &str| line.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    text.get(place(first)..place(last).saturating_add(last.len())).unwrap_or_default()
}

/// Lines end by LF, CR or both (6.1).
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    core::iter::from_fn(move || {
        let text = rest?;
        let Some((line, after)) = text.find(['\n', '\r']).and_then(|end| text.split_at_checked(end)) else {
            rest = None;
            return Some(text);
        };
        rest = after.strip_prefix("\r\n").or_else(|| after.get(1..));
        Some(line)
    })
}

struct File<'a> {
    text: &'a str,
    cues: Vec<Cue>,
    blocks: String,
    fault: Option<Fault>,
}

impl<'a> File<'a> {
    /// Reads a block (6.1, "collect a WebVTT block"): an optional identifier, times, text; or a style sheet, a region, a comment.
    fn read_block(&mut self, lines: &mut core::iter::Peekable<impl Iterator<Item = (u32, &'a str)>>) {
        let mut first = "";
        let mut times = None;
        let mut body: Option<(&str, &str)> = None;
        let mut count = 0;
        while let Some((number, line)) = lines.next_if(|(_, line)| !(arrows(line) > 0 && (count > 1 || times.is_some()))) {
            count += 1;
            if arrows(line) > 0 {
                times = Some((number, read_times(line)));
            } else if line.is_empty() {
                break;
            } else if count == 1 {
                first = line;
            } else {
                body = Some((body.map_or(line, |(begin, _)| begin), line));
            }
        }
        let body = body.map_or("", |(begin, end)| between(self.text, begin, end));
        match times {
            Some((_, Ok((times, settings)))) => self.cues.push(Cue::new(times, first, settings, body)),
            Some((line, Err(reason))) => Fault::add(&mut self.fault, line, reason),
            None => self.add_block(first, body),
        }
    }

    /// Style sheets and regions stand before the first cue.
    fn add_block(&mut self, first: &str, body: &str) {
        if matches!(first.trim_end_matches([' ', '\t']), "STYLE" | "REGION") && self.cues.is_empty() {
            if self.blocks.is_empty() {
                self.blocks.reserve_exact(self.text.len());
            } else {
                self.blocks.push_str("\n\n");
            }
            self.blocks.push_str(first.trim_end());
            for line in lines(body) {
                self.blocks.push('\n');
                self.blocks.push_str(line);
            }
        }
    }
}

/// Times and settings of a cue (6.3).
fn read_times(line: &str) -> Result<(Range<u64>, &str), &'static str> {
    let mut rest = line.trim_start_matches(is_space);
    let start = read_time(&mut rest).ok_or("the time at which the cue appears is no time")?;
    let after = rest.trim_start_matches(is_space).strip_prefix("-->").ok_or("no --> stands between the times")?;
    let mut rest = after.trim_start_matches(is_space);
    let end = read_time(&mut rest).ok_or("the time at which the cue goes is no time")?;
    if end <= start {
        return Err("the cue goes before it appears");
    }
    Ok((start..end, rest.trim_matches(is_space)))
}

fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\u{c}')
}

/// A timestamp (6.3, "collect a WebVTT timestamp") at the start of `text`, in milliseconds; `text` is left behind it.
fn read_time(text: &mut &str) -> Option<u64> {
    let mut digits = |separators: &[char]| -> Option<(u64, usize, Option<char>)> {
        let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        let (number, after) = text.split_at_checked(end)?;
        let value = number.parse().ok()?;
        let separator = after.chars().next().filter(|letter| separators.contains(letter));
        *text = after.get(separator.map_or(0, char::len_utf8)..)?;
        Some((value, end, separator))
    };
    let (first, first_digits, _) = digits(&[':']).filter(|(.., separator)| separator.is_some())?;
    let (second, second_digits, separator) = digits(&[':', '.']).filter(|(.., separator)| separator.is_some())?;
    let (hours, minutes, seconds) = if separator == Some(':') {
        let (third, 2, Some('.')) = digits(&['.'])? else { return None };
        (first, second, third)
    } else if first_digits == 2 {
        (0, first, second)
    } else {
        return None;
    };
    let (millis, 3, _) = digits(&[])? else { return None };
    if second_digits != 2 || minutes > 59 || seconds > 59 {
        return None;
    }
    hours.checked_mul(3_600_000)?.checked_add(minutes * 60_000 + seconds * 1000 + millis)
}

/// Milliseconds as a timestamp, hours always written.
pub(super) fn write_time(text: &mut String, millis: u64) {
    let (seconds, rest) = (millis / 1000, millis % 1000);
    let _ = write!(text, "{:02}:{:02}:{:02}.{rest:03}", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

/// A segment of WebVTT (RFC 8216bis 3.1.4) with the cues that are shown in `span`, in milliseconds on the timeline of the presentation.
///
/// Its times count from the start of the presentation, which `X-TIMESTAMP-MAP` places on the timeline of the other renditions. A cue that
/// goes on behind the segment stands in the next one too, both times with its whole length.
pub fn segment(cues: &Cues, span: Range<u64>, start: (u64, Timescale)) -> String {
    /// The clock of MPEG-2 timestamps.
    const MPEG: u32 = 90_000;
    let map = Timescale::new(MPEG).map_or(0, |mpeg| rescale_length(start.0, start.1, mpeg)) % (1 << 33);
    let origin = rescale_length(start.0, start.1, Timescale::MILLIS);
    let header = format!("WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:{map},LOCAL:00:00:00.000\n\n");
    write(header, cues, span, origin)
}

/// A file of WebVTT with all cues; their times count from the start of the presentation, `start`.
pub fn file(cues: &Cues, start: (u64, Timescale)) -> String {
    write("WEBVTT\n\n".into(), cues, 0..u64::MAX, rescale_length(start.0, start.1, Timescale::MILLIS))
}

/// Writes the cues that are shown in `span` behind a header, their times from `origin` on, all in milliseconds.
fn write(mut header: String, cues: &Cues, span: Range<u64>, origin: u64) -> String {
    /// Two times, an arrow, and what stands between and behind the parts.
    const AROUND: usize = 2 * "00:00:00.000".len() + 10;
    let length = cues.during(span.clone()).map(|cue| cue.len() + AROUND).sum::<usize>();
    header.reserve_exact(length + cues.blocks().len() + 2);
    let mut text = header;
    if !cues.blocks().is_empty() {
        let _ = write!(text, "{}\n\n", cues.blocks());
    }
    for cue in cues.during(span) {
        if !cue.id().is_empty() {
            text.push_str(cue.id());
            text.push('\n');
        }
        write_time(&mut text, cue.start.saturating_sub(origin));
        text.push_str(" --> ");
        write_time(&mut text, cue.end.saturating_sub(origin));
        if !cue.settings().is_empty() {
            text.push(' ');
            text.push_str(cue.settings());
        }
        text.push('\n');
        text.push_str(cue.text());
        // An empty line behind the last one too: some players put segments together before they read them.
        text.push_str("\n\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    /// Start, end, identifier, settings, text.
    type Read<'a> = (u64, u64, &'a str, &'a str, &'a str);

    fn check(text: &str, expected: &[Read<'_>], fault: Option<(u32, u32)>, what: &str) {
        let (cues, found) = read(text.as_bytes()).unwrap();
        let list: Vec<_> = cues.list().iter().map(|cue| (cue.start, cue.end, cue.id(), cue.settings(), cue.text())).collect();
        assert_eq!(list, expected, "{what}");
        assert_eq!(found.map(|fault| (fault.count, fault.first)), fault, "{what}");
    }

    #[test]
    fn files_are_read_as_browsers_read_them() {
        const ONE: &[Read<'_>] = &[(1000, 2000, "", "", "a")];
        for (text, expected, fault, what) in [
            ("WEBVTT", &[][..], None, "4.1: the signature alone"),
            ("\u{feff}WEBVTT - a title\nKind: captions\n\n00:01.000 --> 00:02.000\na", ONE, None, "4.1: BOM, title, metadata"),
            ("WEBVTT\r\n\r\n00:01.000 --> 00:02.000\r\na\r\n", ONE, None, "6.1: CRLF"),
            ("WEBVTT\r\r00:01.000 --> 00:02.000\ra\r\r", ONE, None, "6.1: CR"),
            ("WEBVTT\n00:01.000 --> 00:02.000\na\n", ONE, None, "6.1: no empty line behind the header"),
            ("WEBVTT\n\n\n\n00:00:01.000-->00:00:02.000\na\n\n\n", ONE, None, "6.3: hours, no spaces"),
            ("WEBVTT\n\nNOTE a --\ncomment\n\n00:01.000 --> 00:02.000\na\n", ONE, None, "4.1: a comment"),
            ("WEBVTT\n\nid\n00:01.000 --> 00:02.000 line:0\tx \na\nb", &[(1000, 2000, "id", "line:0\tx", "a\nb")], None, "4.1: all parts"),
            ("WEBVTT\n\n100:00:00.001 --> 100:00:00.002\na", &[(360_000_001, 360_000_002, "", "", "a")], None, "4.3: long hours"),
            (
                "WEBVTT\n\n00:01.000 --> 00:02.000\na\n00:02.000 --> 00:03.000\nb",
                &[(1000, 2000, "", "", "a"), (2000, 3000, "", "", "b")],
                None,
                "6.1: times end the cue before",
            ),
            ("WEBVTT\n\nx\ny\n00:01.000 --> 00:02.000\na", ONE, None, "6.1: the third line begins a block"),
            ("WEBVTT\n\n00:01.000 --> 00:02.000\n\na\n\n00:03.000 --> 00:04.000\n", &[], None, "cues without text show nothing"),
            (
                "WEBVTT\n\n00:02.000 --> 00:03.000\nb\n\n00:01.000 --> 00:02.500\na",
                &[(1000, 2500, "", "", "a"), (2000, 3000, "", "", "b")],
                None,
                "sorted",
            ),
            ("WEBVTT\n\n0:01.000 --> 00:02.000\nx\n\n00:01.000 --> 00:02.000\na", ONE, Some((1, 3)), "4.3: minutes of one digit"),
            ("WEBVTT\n\n00:60.000 --> 01:02.000\nx", &[], Some((1, 3)), "4.3: seconds up to 59"),
            ("WEBVTT\n\n00:60:00.000 --> 01:02:00.000\nx", &[], Some((1, 3)), "4.3: minutes up to 59"),
            ("WEBVTT\n\n00:01,000 --> 00:02,000\nx", &[], Some((1, 3)), "4.3: a full stop before milliseconds"),
            ("WEBVTT\n\n00:01.00 --> 00:02.000\nx", &[], Some((1, 3)), "4.3: three digits of milliseconds"),
            ("WEBVTT\n\n00:01.000 -> 00:02.000 -->\nx", &[], Some((1, 3)), "6.3: the arrow"),
            ("WEBVTT\n\n00:02.000 --> 00:01.000\nx\n\n00:02.000 --> 00:02.000\ny", &[], Some((2, 3)), "4.1: the end is behind the start"),
            ("WEBVTT\n\n99999999999999999999:00:00.000 --> 00:01.000\nx", &[], Some((1, 3)), "a time that no number holds"),
        ] {
            check(text, expected, fault, what);
        }
    }

    #[test]
    fn what_is_no_webvtt_is_refused() {
        for text in ["", "WEBVT", "WEBVTTX\n", " WEBVTT", "1\n00:00:01,000 --> 00:00:02,000\na"] {
            assert_eq!(read(text.as_bytes()).unwrap_err().clause(), Some("WebVTT 4.1"), "{text}");
        }
        assert!(read(&alloc::vec![b'\n'; crate::text::MAX_BYTES + 1]).is_err());
        let (cues, _) = read(b"WEBVTT\n\n00:01.000 --> 00:02.000\n\xff\0").unwrap();
        assert_eq!(cues.list()[0].text(), "\u{fffd}\u{fffd}", "6.1: bytes that are no UTF-8, and zero");
    }

    #[test]
    fn style_sheets_and_regions_are_kept() {
        let text = "WEBVTT\n\nSTYLE \n::cue { color: red }\n::cue(b) {}\n\nREGION\nid:a\n\nNOTE x\n\nSTYLED\nx\n\n00:01.000 --> 00:02.000\na\n\nSTYLE\nlate";
        let (cues, fault) = read(text.as_bytes()).unwrap();
        assert_eq!(cues.blocks(), "STYLE\n::cue { color: red }\n::cue(b) {}\n\nREGION\nid:a");
        assert_eq!((cues.list().len(), fault), (1, None));
    }

    #[test]
    fn segments_hold_what_is_shown_in_them() {
        let cue = |times, id, settings, text| Cue::new(times, id, settings, text);
        let cues = Cues::new(
            [cue(3500..4500, "7", "line:0", "<b>a</b>\nb"), cue(4500..5000, "", "", "c"), cue(8000..9000, "", "", "d")].into(),
            "STYLE\nx".to_string(),
        );
        let zero = (0, Timescale::MILLIS);
        let head = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n\nSTYLE\nx\n\n";
        let first = "7\n00:00:03.500 --> 00:00:04.500 line:0\n<b>a</b>\nb\n\n";
        assert_eq!(segment(&cues, 0..4000, zero), format!("{head}{first}"));
        assert_eq!(segment(&cues, 4000..8000, zero), format!("{head}{first}00:00:04.500 --> 00:00:05.000\nc\n\n"));
        assert_eq!(segment(&cues, 12_000..16_000, zero), head, "nothing is shown, and the segment is there");
        // A presentation that begins at an hour of its timeline, and one behind the largest MPEG-2 timestamp.
        let late = Cues::new([cue(3_600_500..3_601_000, "", "", "a")].into(), String::new());
        let expected = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:324000000,LOCAL:00:00:00.000\n\n00:00:00.500 --> 00:00:01.000\na\n\n";
        assert_eq!(segment(&late, 3_600_000..3_604_000, (3600, Timescale::new(1).unwrap())), expected);
        let map = segment(&late, 0..1, ((1 << 33) + 5, Timescale::new(90_000).unwrap()));
        assert!(map.contains("MPEGTS:5,"), "{map}");
    }

    /// What is written is read again as it was.
    #[test]
    fn segments_are_read_back() {
        let (cues, _) = read("WEBVTT\n\nSTYLE\nx\n\nid\n00:01.000 --> 00:02.000 line:0\na\nb &amp; <i>c</i>\n".as_bytes()).unwrap();
        assert_eq!(read(segment(&cues, 0..4000, (0, Timescale::MILLIS)).as_bytes()).unwrap(), (cues.clone(), None));
        let whole = file(&cues, (0, Timescale::MILLIS));
        assert!(!whole.contains("X-TIMESTAMP-MAP"), "{whole}");
        assert_eq!(read(whole.as_bytes()).unwrap(), (cues, None));
    }
}
