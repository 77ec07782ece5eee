//! WebVTT in samples (ISO/IEC 14496-30 7): cues split so that each moment has one sample, and samples joined to cues again.
//!
//! ```text
//! cues      |--a--|      |---b---|
//!              |----c----|
//! samples   |a |ac|   c  |   b   |vtte|    and one more at each start of a segment
//! ```

use alloc::{format, string::String, vec::Vec};
use core::ops::Range;

use super::{Cue, Cues, MAX_AT_ONCE, webvtt};
use crate::{
    boxes::{children, sample_entry::SampleEntry},
    coding::{Reader, Writer},
    error::{Error, Result},
    sample::{Sample, SampleTable, SampleTableBuilder},
};

/// Samples that were made of cues.
#[derive(Clone, Debug)]
pub struct Made {
    /// The samples; their positions are those in `payload`. A tick is a millisecond.
    pub samples: SampleTable,
    /// Their bytes.
    pub payload: Vec<u8>,
    /// Number of the first sample of each segment.
    pub segments: Vec<u32>,
}

/// Makes the samples of `cues`. Segments lie between neighbours of `bounds`, which ascend, in milliseconds: what is shown over a bound is
/// in both, and every moment between the first and the last has a sample, an empty one where nothing is shown.
///
/// # Errors
///
/// More than [`MAX_AT_ONCE`] cues are shown at once, or the samples and what is told of them take more than `limit` bytes.
pub fn make(cues: &Cues, bounds: &[u64], limit: usize) -> Result<Made> {
    // What is made takes memory once it is known how much.
    let (mut count, mut length) = (0usize, 0usize);
    let mut scratch = Vec::new();
    each_moment(cues, bounds, &mut |times: &Range<u64>, shown: &[(i32, &Cue)]| {
        let mut w = Writer::behind(core::mem::take(&mut scratch));
        write_sample(&mut w, times, shown);
        (count, length) = (count + 1, length + w.len());
        scratch = w.into_bytes();
        scratch.clear();
        if length + count * SampleTableBuilder::MOST_EACH > limit {
            return Err(Error::unsupported(format!("cues overlap or last so long that their samples take more than {limit} bytes")));
        }
        Ok(())
    })?;
    let mut builder = SampleTableBuilder::default();
    builder.reserve_each(count);
    let mut w = Writer::with_capacity(length);
    let mut segments = Vec::with_capacity(bounds.len().saturating_sub(1));
    let mut starts = bounds.iter().peekable();
    each_moment(cues, bounds, &mut |times: &Range<u64>, shown: &[(i32, &Cue)]| {
        let mut begins = false;
        while starts.next_if(|start| **start <= times.start).is_some() {
            begins = true;
        }
        if begins {
            segments.push(builder.len());
        }
        let offset = w.len();
        write_sample(&mut w, times, shown);
        builder.push(&Sample {
            decode_time: times.start,
            duration: u32::try_from(times.end - times.start).map_err(|_| Error::unsupported("nothing changes for more than 49 days"))?,
            composition_offset: 0,
            sync: true,
            offset: offset as u64,
            size: u32::try_from(w.len().saturating_sub(offset)).unwrap_or(u32::MAX),
        })
    })?;
    Ok(Made { samples: builder.finish(), payload: w.into_bytes(), segments })
}

/// Takes a moment, and the cues that are shown in it, numbered from 1.
type Visit<'a> = dyn FnMut(&Range<u64>, &[(i32, &Cue)]) -> Result<()> + 'a;

/// Tells `visit` each moment between the first and the last of `bounds` in which the same cues are shown.
fn each_moment(cues: &Cues, bounds: &[u64], visit: &mut Visit<'_>) -> Result<()> {
    let mut shown: Vec<(i32, &Cue)> = Vec::new();
    let mut waiting = (1..).zip(cues.list()).peekable();
    for (start, end) in bounds.iter().zip(bounds.iter().skip(1)) {
        let mut time = *start;
        while time < *end {
            shown.retain(|(_, cue)| cue.end > time);
            while let Some((id, cue)) = waiting.next_if(|(_, cue)| cue.start <= time) {
                if cue.end > time {
                    shown.push((id, cue));
                }
            }
            if shown.len() > MAX_AT_ONCE {
                let message = format!("{} cues are shown at once at {time} ms, more than {MAX_AT_ONCE}", shown.len());
                return Err(Error::unsupported(message));
            }
            let changes = shown.iter().map(|(_, cue)| cue.end).chain(waiting.peek().map(|(_, cue)| cue.start)).chain([*end]);
            let until = changes.min().unwrap_or(*end);
            visit(&(time..until), &shown)?;
            time = until;
        }
    }
    Ok(())
}

/// A sample (7.4): a `vttc` for each cue, or one `vtte`.
fn write_sample(w: &mut Writer, times: &Range<u64>, shown: &[(i32, &Cue)]) {
    if shown.is_empty() {
        w.boxed(b"vtte", |_| {});
    }
    for (id, cue) in shown {
        w.boxed(b"vttc", |w| {
            if cue.start < times.start || cue.end > times.end {
                w.boxed(b"vsid", |w| w.i32(*id));
            }
            if !cue.id().is_empty() {
                w.boxed(b"iden", |w| w.bytes(cue.id().as_bytes()));
            }
            if has_timestamps(cue.text()) {
                let mut time = String::new();
                webvtt::write_time(&mut time, times.start);
                w.boxed(b"ctim", |w| w.bytes(time.as_bytes()));
            }
            if !cue.settings().is_empty() {
                w.boxed(b"sttg", |w| w.bytes(cue.settings().as_bytes()));
            }
            w.boxed(b"payl", |w| w.bytes(cue.text().as_bytes()));
        });
    }
}

/// Whether parts of the text appear at times of their own (WebVTT 3.1, cue timestamps): they count from the time in `ctim`.
fn has_timestamps(text: &str) -> bool {
    text.split('<').skip(1).any(|tag| tag.starts_with(|letter: char| letter.is_ascii_digit()))
}

/// The sample entry (7.3) of a track with these style sheets and regions.
pub fn sample_entry(blocks: &str) -> Vec<u8> {
    let mut w = Writer::default();
    w.boxed(b"wvtt", |w| {
        w.zeros(6);
        w.u16(1); // data_reference_index
        w.boxed(b"vttC", |w| {
            w.bytes(b"WEBVTT");
            if !blocks.is_empty() {
                w.bytes(b"\n\n");
                w.bytes(blocks.as_bytes());
            }
        });
    });
    w.into_bytes()
}

/// The style sheets and regions of a sample entry `wvtt`.
pub fn blocks(entry: &SampleEntry<'_>) -> String {
    let mut content = entry.content;
    if content.skip(8).is_err() {
        return String::new();
    }
    let config = children(content).filter_map(Result::ok).find(|(name, _)| &name.0 == b"vttC");
    let header = config.and_then(|(_, config)| webvtt::read(config.rest()).ok());
    header.map_or_else(String::new, |(cues, _)| cues.blocks().into())
}

/// A cue in a sample, and which cue of the source it is a piece of.
type Piece = (Option<i32>, Cue);

/// Joins samples to cues: pieces of one cue in samples that follow each other become one again.
#[derive(Debug, Default)]
pub struct Joiner {
    /// Cues that the sample before showed.
    shown: Vec<Piece>,
    cues: Vec<Cue>,
}

impl Joiner {
    /// The next sample, which is shown for `times`, in milliseconds.
    pub fn add(&mut self, times: &Range<u64>, sample: &[u8]) -> Result<()> {
        let mut shown = Vec::new();
        for child in children(Reader::new(sample, 0)) {
            let (name, content) = child?;
            if &name.0 != b"vttc" {
                continue; // vtte: nothing is shown; vtta: what stands between cues
            }
            if shown.len() == MAX_AT_ONCE {
                return Err(Error::unsupported(format!("a sample of more than {MAX_AT_ONCE} cues")));
            }
            let (source, mut cue) = read_cue(content, times).map_err(|error| error.within(name))?;
            let same = |(other, before): &Piece| *other == source && before.end == times.start && before.says_the_same(&cue);
            if let Some(found) = self.shown.iter().position(same) {
                cue.start = self.shown.swap_remove(found).1.start;
            }
            shown.push((source, cue));
        }
        let before = core::mem::replace(&mut self.shown, shown);
        self.cues.extend(before.into_iter().map(|(_, cue)| cue));
        Ok(())
    }

    /// The cues of all samples.
    pub fn finish(mut self, blocks: String) -> Cues {
        self.cues.extend(self.shown.into_iter().map(|(_, cue)| cue));
        Cues::new(self.cues, blocks)
    }
}

fn read_cue(content: Reader<'_>, times: &Range<u64>) -> Result<Piece> {
    let mut source = None;
    let (mut id, mut settings, mut text) = (String::new(), String::new(), String::new());
    for child in children(content) {
        let (name, mut content) = child?;
        let string = |content: Reader<'_>| String::from_utf8_lossy(content.rest()).into_owned();
        match &name.0 {
            b"vsid" => source = Some(content.i32().map_err(|error| error.within(name))?),
            b"iden" => id = string(content),
            b"sttg" => settings = string(content),
            b"payl" => text = string(content),
            _ => {}
        }
    }
    Ok((source, Cue::new(times.clone(), &id, &settings, &text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boxes::sample_entry::read_descriptions;

    fn cue(times: Range<u64>, text: &str) -> Cue {
        Cue::new(times, "", "", text)
    }

    fn join(made: &Made) -> Cues {
        let mut joiner = Joiner::default();
        for sample in &made.samples {
            let range = usize::try_from(sample.offset).unwrap()..usize::try_from(sample.range().end).unwrap();
            let times = sample.decode_time..sample.decode_time + u64::from(sample.duration);
            joiner.add(&times, &made.payload[range]).unwrap();
        }
        joiner.finish(String::new())
    }

    /// Start, duration and texts of each sample.
    fn listed(made: &Made) -> Vec<(u64, u32, String)> {
        let text = |sample: &Sample| {
            let mut joiner = Joiner::default();
            let range = usize::try_from(sample.offset).unwrap()..usize::try_from(sample.range().end).unwrap();
            joiner.add(&(0..1), &made.payload[range]).unwrap();
            joiner.finish(String::new()).list().iter().map(Cue::text).collect()
        };
        made.samples.iter().map(|sample| (sample.decode_time, sample.duration, text(&sample))).collect()
    }

    #[test]
    fn each_moment_has_one_sample() {
        let cues = Cues::new([cue(1000..3000, "a"), cue(2000..5000, "c"), cue(5000..6000, "b")].into(), String::new());
        let made = make(&cues, &[0, 4000, 8000, 12_000], usize::MAX).unwrap();
        let expected: Vec<_> = [
            (0, 1000, ""),
            (1000, 1000, "a"),
            (2000, 1000, "ac"),
            (3000, 1000, "c"),
            (4000, 1000, "c"),
            (5000, 1000, "b"),
            (6000, 2000, ""),
            (8000, 4000, ""),
        ]
        .into_iter()
        .map(|(start, duration, text)| (start, duration, String::from(text)))
        .collect();
        assert_eq!(listed(&made), expected);
        assert_eq!(made.segments, [0, 4, 7], "every segment begins with a sample of its own");
        assert_eq!(join(&made), cues);
    }

    #[test]
    fn what_lies_outside_is_cut_off() {
        let cues = Cues::new([cue(0..2000, "a"), cue(3000..9000, "b"), cue(7000..8000, "c")].into(), String::new());
        let made = make(&cues, &[1000, 5000], usize::MAX).unwrap();
        assert_eq!(
            listed(&made).iter().map(|(start, duration, _)| (*start, *duration)).collect::<Vec<_>>(),
            [(1000, 1000), (2000, 1000), (3000, 2000)]
        );
        for bounds in [&[][..], &[5], &[5, 5]] {
            assert_eq!(make(&cues, bounds, usize::MAX).unwrap().segments, [0; 0], "{bounds:?}");
        }
    }

    /// ISO/IEC 14496-30 7.4: `vsid` where a cue is in several samples, `ctim` where it has timestamps.
    #[test]
    fn boxes_of_a_cue() {
        let cues = Cues::new([Cue::new(0..2000, "id", "line:0", "a<00:00:01.000>b"), cue(2000..3000, "c")].into(), String::new());
        let made = make(&cues, &[0, 1000, 3000], usize::MAX).unwrap();
        let first = "\0\0\0\x58vttc\0\0\0\x0cvsid\0\0\0\x01\0\0\0\x0aidenid\0\0\0\x14ctim00:00:00.000\0\0\0\x0esttgline:0\0\0\0\x18payla<00:00:01.000>b";
        assert!(made.payload.starts_with(first.as_bytes()), "{:?}", String::from_utf8_lossy(&made.payload));
        assert!(made.payload.ends_with(b"\0\0\0\x11vttc\0\0\0\x09paylc"));
        assert_eq!(join(&made), cues);
    }

    #[test]
    fn few_cues_do_not_make_many_bytes() {
        let many = |count, length| Cues::new((0..count).map(|n| cue(n..10_000, length)).collect(), String::new());
        assert!(make(&many(32, "a"), &[0, 10_000], usize::MAX).is_ok());
        assert!(make(&many(33, "a"), &[0, 10_000], usize::MAX).unwrap_err().message().starts_with("33 cues are shown at once at 32 ms"));
        let bounds: Vec<u64> = (0..10_000).collect();
        assert!(make(&many(1, "a"), &bounds, 1000).is_err());
    }

    #[test]
    fn samples_of_others_are_joined_by_what_they_say() {
        let sample = |pieces: &[(Option<i32>, &str)]| {
            let mut w = Writer::default();
            for (source, text) in pieces {
                w.boxed(b"vttc", |w| {
                    w.boxed(b"payl", |w| w.bytes(text.as_bytes()));
                    if let Some(source) = source {
                        w.boxed(b"vsid", |w| w.i32(*source));
                    }
                });
            }
            w.boxed(b"vtta", |w| w.bytes(b"a comment"));
            w.into_bytes()
        };
        let mut joiner = Joiner::default();
        for (times, pieces) in [
            (0..4, &[(None, "a"), (None, "a")][..]),
            (4..5, &[(None, "a"), (Some(1), "b")]),
            (5..6, &[(Some(2), "b")]),
            (7..8, &[(Some(2), "b"), (None, "c\n\n-->")]),
        ] {
            joiner.add(&times, &sample(pieces)).unwrap();
        }
        let cues = joiner.finish(String::new());
        let found: Vec<_> = cues.list().iter().map(|cue| (cue.start, cue.end, cue.text())).collect();
        assert_eq!(found, [(0, 4, "a"), (0, 5, "a"), (4, 5, "b"), (5, 6, "b"), (7, 8, "b"), (7, 8, "c\n--&gt;")]);
        for bytes in [&b"\0\0\0\x09vtte"[..], b"\0\0\0\x11vttc\0\0\0\x09vsid\0"] {
            assert!(Joiner::default().add(&(0..1), bytes).is_err(), "{bytes:?}");
        }
        let crowd: Vec<_> = (0..33).map(|_| (None, "a")).collect();
        assert!(Joiner::default().add(&(0..1), &sample(&crowd)).is_err());
    }

    #[test]
    fn sample_entries_keep_style_sheets() {
        for text in ["", "STYLE\n::cue {}\n\nREGION\nid:a"] {
            let mut descriptions = Vec::from([0, 0, 0, 0, 0, 0, 0, 1]);
            descriptions.extend(sample_entry(text));
            assert_eq!(blocks(&read_descriptions(Reader::new(&descriptions, 0)).unwrap()[0]), text);
        }
    }
}
