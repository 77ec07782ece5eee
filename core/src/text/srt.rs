//! SubRip, which no standard describes: read as common programs write it.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::ops::Range;

use super::{
    Cue, Cues, Fault, decode,
    markup::{keypad_settings, push_escaped},
    webvtt,
};
use crate::error::{Error, Result};

/// How the letters of a file are coded. SubRip does not say; the first that fits is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// By its byte order mark, or because all of it is.
    Utf8,
    /// By its byte order mark.
    Utf16,
    /// Taken where nothing else fits: most old files of Western Europe are.
    Windows1252,
}

/// Reads a file: its cues, how its letters are coded, and what was passed over.
///
/// # Errors
///
/// No line has two times with `-->` between them, it is larger than [`MAX_BYTES`](super::MAX_BYTES), or its letters take much more memory than its bytes.
pub fn read(bytes: &[u8]) -> Result<(Cues, Encoding, Option<Fault>)> {
    let (text, encoding) = letters(bytes)?;
    decode::check(bytes.len(), escaped_length(&text))?;
    let mut cues = Vec::with_capacity(webvtt::most_cues(&text));
    let mut fault = None;
    // Times of the cue that is read, its first line, the last one, and the one before that.
    let mut current: Option<(Range<u64>, [Option<&str>; 3])> = None;
    let mut add = |cue: Option<(Range<u64>, [Option<&str>; 3])>| {
        if let Some((times, [first, last, _])) = cue {
            let body = first.zip(last).map_or("", |(first, last)| webvtt::between(&text, first, last));
            cues.push(read_cue(times, body));
        }
    };
    for (number, line) in (1u32..).zip(webvtt::lines(&text)) {
        if !line.contains("-->") {
            if let Some((_, [first, last, before])) = &mut current {
                first.get_or_insert(line);
                *before = last.replace(line);
            }
            continue;
        }
        let Some(times) = read_times(line) else {
            Fault::add(&mut fault, number, "the line has no two times with --> between them");
            continue;
        };
        if let Some((_, [first, last, before])) = &mut current
            && last.is_some_and(|line| line.trim().bytes().all(|byte| byte.is_ascii_digit()))
        {
            // The line before the times is the number of the cue.
            *last = *before;
            *first = first.filter(|_| before.is_some());
        }
        if times.end <= times.start {
            Fault::add(&mut fault, number, "the cue goes before it appears");
        }
        add(current.replace((times, [None; 3])));
    }
    let nothing = current.is_none();
    add(current);
    if nothing {
        return Err(Error::malformed("not a SubRip file: no line has two times with --> between them"));
    }
    Ok((Cues::new(cues, String::new()), encoding, fault))
}

fn letters(bytes: &[u8]) -> Result<(Cow<'_, str>, Encoding)> {
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => Ok((decode::utf8(rest)?, Encoding::Utf8)),
        [0xff, 0xfe, rest @ ..] => Ok((utf16(rest, u16::from_le_bytes)?.into(), Encoding::Utf16)),
        [0xfe, 0xff, rest @ ..] => Ok((utf16(rest, u16::from_be_bytes)?.into(), Encoding::Utf16)),
        bytes => match core::str::from_utf8(bytes) {
            Ok(text) => Ok((text.into(), Encoding::Utf8)),
            Err(_) => {
                let letters = bytes.iter().map(|byte| windows_1252(*byte));
                Ok((decode::letters_of(bytes.len(), letters)?.into(), Encoding::Windows1252))
            }
        },
    }
}

/// UTF-16 in one order of bytes; what is none becomes the replacement character.
pub(super) fn utf16(bytes: &[u8], order: fn([u8; 2]) -> u16) -> Result<String> {
    let (units, _) = bytes.as_chunks::<2>();
    let letters = char::decode_utf16(units.iter().map(|unit| order(*unit)));
    decode::letters_of(bytes.len(), letters.map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)))
}

/// Bytes that `text` takes at most once its letters are escaped.
fn escaped_length(text: &str) -> usize {
    let more = text.bytes().map(|byte| match byte {
        b'&' => 4,
        b'<' | b'>' => 3,
        0 => 2,
        _ => 0,
    });
    text.len() + more.sum::<usize>()
}

/// As the Encoding standard maps it: the C1 controls that it has no letter for stay what they are.
fn windows_1252(byte: u8) -> char {
    const HIGH: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";
    match byte {
        0x80..=0x9f => HIGH.chars().nth(usize::from(byte - 0x80)).unwrap_or(char::REPLACEMENT_CHARACTER),
        byte => char::from(byte),
    }
}

/// `00:00:01,000 --> 00:00:02,000`, with a comma or a full stop; coordinates behind it are passed over.
fn read_times(line: &str) -> Option<Range<u64>> {
    let (start, end) = line.split_once("-->")?;
    Some(read_time(start.trim())?..read_time(end.split_whitespace().next()?)?)
}

/// Hours, minutes and seconds of any number of digits; a part of a second of at most three.
fn read_time(text: &str) -> Option<u64> {
    let (clock, part) = text.split_once([',', '.']).unwrap_or((text, "0"));
    let mut parts = clock.split(':').map(|part| part.trim().parse::<u64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || !(1..=3).contains(&part.len()) {
        return None;
    }
    let millis = part.parse::<u64>().ok()?.checked_mul([0, 100, 10, 1].get(part.len()).copied()?)?;
    let minutes = hours.checked_mul(60)?.checked_add(minutes)?;
    minutes.checked_mul(60)?.checked_add(seconds)?.checked_mul(1000)?.checked_add(millis)
}

fn read_cue(times: Range<u64>, body: &str) -> Cue {
    let mut text = String::with_capacity(escaped_length(body));
    let mut settings = "";
    for line in webvtt::lines(body) {
        if !text.is_empty() {
            text.push('\n');
        }
        let mut rest = line;
        while let Some(letter) = rest.chars().next() {
            if let Some((place, after)) = override_block(rest) {
                settings = place.map_or(settings, keypad_settings);
                rest = after;
            } else if let Some((tag, after)) = tag(rest) {
                text.push_str(tag);
                rest = after;
            } else {
                // Some write the entities of HTML, some mean the letters.
                match letter {
                    '&' if is_entity(rest) => text.push('&'),
                    letter => push_escaped(&mut text, letter),
                }
                rest = rest.get(letter.len_utf8()..).unwrap_or_default();
            }
        }
    }
    Cue::new(times, "", settings, &text)
}

/// `{\an8}` and its kin out of SubStation Alpha at the start of `text`: the place on the keypad if it names one, and what follows.
fn override_block(text: &str) -> Option<(Option<u8>, &str)> {
    let (block, after) = text.strip_prefix("{\\")?.split_once('}')?;
    let place = block.split('\\').find_map(|command| command.strip_prefix("an")?.parse().ok());
    Some((place, after))
}

/// The tag of HTML at the start of `text`, as WebVTT has it, and what follows. Fonts and colours have no form there: nothing.
fn tag(text: &str) -> Option<(&'static str, &str)> {
    const TAGS: [(&str, &str); 8] = [
        ("<b>", "<b>"),
        ("</b>", "</b>"),
        ("<i>", "<i>"),
        ("</i>", "</i>"),
        ("<u>", "<u>"),
        ("</u>", "</u>"),
        ("</font>", ""),
        ("</s>", ""),
    ];
    let starts_with = |name: &str| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    if let Some((name, tag)) = TAGS.iter().find(|(name, _)| starts_with(name)) {
        return Some((tag, text.get(name.len()..)?));
    }
    if starts_with("<font ") || starts_with("<s>") {
        return Some(("", text.split_once('>')?.1));
    }
    None
}

fn is_entity(text: &str) -> bool {
    ["&amp;", "&lt;", "&gt;", "&nbsp;", "&lrm;", "&rlm;"].iter().any(|entity| text.starts_with(entity))
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn texts(text: &str) -> Vec<(u64, u64, String, String)> {
        let (cues, _, _) = read(text.as_bytes()).unwrap();
        cues.list().iter().map(|cue| (cue.start, cue.end, cue.settings().into(), cue.text().into())).collect()
    }

    #[test]
    fn files_as_programs_write_them() {
        for (text, expected, what) in [
            ("1\n00:00:01,000 --> 00:00:02,500\na\nb\n\n2\n00:00:03,000 --> 00:00:04,000\nc\n", "a\nb|c", "plain"),
            ("\u{feff}1\r\n00:00:01,000 --> 00:00:02,500\r\na\r\n\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\nc", "a|c", "BOM, CRLF"),
            ("00:00:01.000 --> 00:00:02.500\na\n\n0:0:3.5 --> 0:0:4\nc\n", "a|c", "no numbers, full stops, short times"),
            (
                "1\n00:00:01,000 --> 00:00:02,000 X1:1 X2:2 Y1:3 Y2:4\na\n\nb\n2\n00:00:03,000 --> 00:00:04,000\nc\n",
                "a\nb|c",
                "empty lines",
            ),
            ("1\n00:00:01,000 --> 00:00:02,000\n1984\n\n00:00:03,000 --> 00:00:04,000\n7\n", "1984|7", "text of digits"),
            ("9\n00:00:03,000 --> 00:00:04,000\nc\n\n1\n00:00:01,000 --> 00:00:02,000\na\n", "a|c", "out of order"),
            (
                "1\n00:00:01,000 --> 00:00:02,000\n<B>a</b> <i>b</I> <u>c</u> <font color=\"#fff\">d</font> <s>e</s>",
                "<b>a</b> <i>b</i> <u>c</u> d e",
                "tags",
            ),
            (
                "1\n00:00:01,000 --> 00:00:02,000\n5 < 6 & 7 > <x> &amp; &lt; &foo;",
                "5 &lt; 6 &amp; 7 &gt; &lt;x&gt; &amp; &lt; &amp;foo;",
                "letters",
            ),
            ("1\n00:00:01,000 --> 00:00:02,000\n{\\i1}a{\\i0} {b} {", "a {b} {", "commands of SubStation Alpha"),
        ] {
            assert_eq!(texts(text).into_iter().map(|(.., text)| text).collect::<Vec<_>>().join("|"), expected, "{what}");
        }
        assert_eq!(texts("00:00:01.5 --> 00:00:02,05\na")[0].0, 1500, "a fraction is decimal");
        assert_eq!(texts("00:00:01.5 --> 00:00:02,05\na")[0].1, 2050);
        for (place, expected) in [("8", "line:0"), ("2", ""), ("1", "position:0% align:left"), ("x", "")] {
            assert_eq!(texts(&format!("0:0:1,0 --> 0:0:2,0\n{{\\an{place}\\b1}}a"))[0].2, expected);
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        let (cues, _, fault) =
            read(b"1\n00:00:01 -> x --> y\n\n2\n00:00:05,000 --> 00:00:04,000\nb\n\n3\n00:00:06,0 --> 00:00:07,0\nc").unwrap();
        assert_eq!((cues.list().len(), fault.map(|fault| (fault.count, fault.first))), (1, Some((2, 2))));
        for text in ["", "hello", "WEBVTT\n\n00:01.000 --> 00:02.000\na", "a --> b"] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
        assert!(read(b"99999999999999999999:0:0,0 --> 1:0:0,0\n").is_err());
    }

    #[test]
    fn letters_in_any_coding() {
        let text = "1\n00:00:01,000 --> 00:00:02,000\né€ 😀";
        let units = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
        let little = [&[0xff, 0xfe][..], &units(u16::to_le_bytes)].concat();
        let big = [&[0xfe, 0xff][..], &units(u16::to_be_bytes)].concat();
        for (bytes, expected) in [(text.as_bytes(), Encoding::Utf8), (&little, Encoding::Utf16), (&big, Encoding::Utf16)] {
            let (cues, encoding, _) = read(bytes).unwrap();
            assert_eq!((cues.list()[0].text(), encoding), ("é€ 😀", expected));
        }
        let (cues, encoding, _) = read(b"0:0:1,0 --> 0:0:2,0\n\xe9\x80\x9f\xff").unwrap();
        assert_eq!((cues.list()[0].text(), encoding), ("é€Ÿÿ", Encoding::Windows1252));
    }
}
