//! 3GPP timed text (3GPP TS 26.245): samples read to text with the tags of WebVTT.

use alloc::{string::String, vec::Vec};

use super::{markup::push_escaped, srt::utf16};
use crate::{
    boxes::{children, sample_entry::SampleEntry},
    coding::Reader,
    error::{Error, Result},
};

/// Bold, italic and underline, as bits (5.2, `face-style-flags`).
const FACES: [(u8, &str, &str); 3] = [(1, "<b>", "</b>"), (2, "<i>", "</i>"), (4, "<u>", "</u>")];

/// What a sample entry says of its samples (5.16).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Whether every sample is to be shown though nobody asked for subtitles: QuickTime's `displayFlags`.
    pub forced: bool,
    /// The style of letters that have no other.
    pub face: u8,
}

impl Description {
    /// Reads a sample entry `tx3g`.
    pub fn read(entry: &SampleEntry<'_>) -> Result<Self> {
        /// All samples are forced (QuickTime File Format, Subtitle Sample Description).
        const ALL_FORCED: u32 = 0x8000_0000;
        let mut reader = entry.content;
        let mut read = || {
            reader.skip(8)?;
            let flags = reader.u32()?;
            reader.skip(1 + 1 + 4 + 8)?; // justification, background, text box
            reader.skip(2 + 2 + 2)?; // start, end and font of the default style
            Ok(Self { forced: flags & ALL_FORCED != 0, face: reader.u8()? })
        };
        read().map_err(|e: Error| e.within(entry.name).by("3GPP TS 26.245 5.16"))
    }
}

/// A run of letters in one style (5.17.1.1): numbers of characters, and the bits of [`FACES`].
struct Style {
    start: u16,
    end: u16,
    face: u8,
}

/// The text of a sample with tags for bold, italic and underline; empty where nothing is shown.
pub fn read(sample: &[u8], description: &Description) -> Result<String> {
    let mut reader = Reader::new(sample, 0);
    let length = reader.u16()?;
    let bytes = reader.take(length.into())?;
    let plain = match bytes {
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        bytes => String::from_utf8_lossy(bytes).into_owned(),
    };
    let mut styles = Vec::new();
    // Boxes behind the text are all optional: what cannot be read styles nothing.
    for (_, content) in children(reader).map_while(Result::ok).filter(|(name, _)| &name.0 == b"styl") {
        read_styles(content, &mut styles);
    }
    Ok(tagged(&plain, &styles, description.face))
}

fn read_styles(mut content: Reader<'_>, styles: &mut Vec<Style>) {
    let Ok(count) = content.u16() else { return };
    for _ in 0..count {
        let mut read = || {
            let (start, end) = (content.u16()?, content.u16()?);
            content.skip(2)?;
            let face = content.u8()?;
            content.skip(1 + 4)?; // size and colour
            Ok::<_, Error>(Style { start, end, face })
        };
        match read() {
            Ok(style) => styles.push(style),
            Err(_) => return,
        }
    }
}

/// Styles follow each other (5.17.1.1); where a writer lets them overlap the earlier one ends first.
fn tagged(plain: &str, styles: &[Style], default: u8) -> String {
    let mut text = String::with_capacity(plain.len());
    let mut styles = styles.iter().peekable();
    let mut open = 0;
    for (number, letter) in plain.chars().enumerate() {
        while styles.next_if(|style| usize::from(style.end) <= number).is_some() {}
        let face = styles.peek().filter(|style| usize::from(style.start) <= number).map_or(default, |style| style.face) & 7;
        // Tags do not go over the end of a line, where a line may become one alone.
        let wanted = if letter == '\n' || letter == '\r' { 0 } else { face };
        switch(&mut text, open, wanted);
        open = wanted;
        push_escaped(&mut text, letter);
    }
    switch(&mut text, open, 0);
    text
}

fn switch(text: &mut String, open: u8, wanted: u8) {
    if open == wanted {
        return;
    }
    for (_, _, end) in FACES.iter().rev().filter(|(bit, ..)| open & bit != 0) {
        text.push_str(end);
    }
    for (_, start, _) in FACES.iter().filter(|(bit, ..)| wanted & bit != 0) {
        text.push_str(start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{boxes::sample_entry::read_descriptions, coding::Writer};

    fn sample(text: &[u8], styles: &[(u16, u16, u8)]) -> Vec<u8> {
        let mut w = Writer::default();
        w.u16(u16::try_from(text.len()).unwrap());
        w.bytes(text);
        w.boxed(b"hlit", |w| w.zeros(4));
        w.boxed(b"styl", |w| {
            w.u16(u16::try_from(styles.len()).unwrap());
            for (start, end, face) in styles {
                w.u16(*start);
                w.u16(*end);
                w.u16(1);
                w.u8(*face);
                w.zeros(5);
            }
        });
        w.into_bytes()
    }

    #[test]
    fn samples_as_tagged_text() {
        const PLAIN: Description = Description { forced: false, face: 0 };
        let utf16: Vec<u8> = [0xfeff].into_iter().chain("é😀<".encode_utf16()).flat_map(u16::to_be_bytes).collect();
        for (bytes, face, expected, what) in [
            (sample(b"", &[]), 0, "", "5.17: no text"),
            (sample(b"a < b & c", &[]), 0, "a &lt; b &amp; c", "letters that mean something in WebVTT"),
            (sample(&utf16, &[]), 0, "é😀&lt;", "5.17: UTF-16 by its byte order mark"),
            (sample(b"abcd", &[(1, 3, 1)]), 0, "a<b>bc</b>d", "5.17.1.1: bold"),
            (sample(b"abcd", &[(0, 2, 3), (2, 4, 4)]), 0, "<b><i>ab</i></b><u>cd</u>", "5.17.1.1: styles that follow each other"),
            (sample("é😀c".as_bytes(), &[(1, 2, 2)]), 0, "é<i>😀</i>c", "5.17.1.1: characters are counted, not bytes"),
            (sample(b"ab\ncd", &[(0, 9, 1)]), 0, "<b>ab</b>\n<b>cd</b>", "a style over two lines, and behind the end"),
            (sample(b"abcd", &[(0, 3, 1), (1, 4, 2)]), 0, "<b>abc</b><i>d</i>", "styles that overlap"),
            (sample(b"ab", &[(3, 2, 1), (0, 0, 1)]), 0, "ab", "styles of nothing"),
            (sample(b"abc", &[(1, 2, 0)]), 2, "<i>a</i>b<i>c</i>", "5.16: the style of the sample entry"),
            (Vec::from(*b"\0\x01a\0\0\0\x09styl\0"), 0, "a", "a box that is cut short"),
        ] {
            assert_eq!(read(&bytes, &Description { face, ..PLAIN }).unwrap(), expected, "{what}");
        }
        for bytes in [&b""[..], b"\0", b"\0\x05abc"] {
            assert!(read(bytes, &PLAIN).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn sample_entries() {
        let entry = |flags, length| {
            let mut w = Writer::default();
            w.u32(0);
            w.u32(1);
            w.boxed(b"tx3g", |w| {
                w.zeros(8);
                w.u32(flags);
                w.zeros(20);
                w.u8(2);
                w.zeros(length);
            });
            let bytes = w.into_bytes();
            let entries = read_descriptions(Reader::new(&bytes, 0)).unwrap();
            Description::read(&entries[0])
        };
        assert_eq!(entry(0, 5).unwrap(), Description { forced: false, face: 2 });
        assert_eq!(entry(0xc000_0000, 5).unwrap(), Description { forced: true, face: 2 });
    }
}
