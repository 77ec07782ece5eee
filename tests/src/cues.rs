//! A source of text: cues in WebVTT samples, as packagers for live streams send them (ISO/IEC 14496-30 7; DASH-IF Live Media Ingest 6.4).

use std::ops::Range;

use anyhow::Result;
use reelway_core::{
    coding::Writer,
    demux::stream::{Item, StreamDemuxer},
    text::wvtt,
};

use crate::surgery::{boxed, change};

/// Ticks a second of the track.
const TIMESCALE: u32 = 1000;

/// The header of a track of text alone, which has the number 1.
pub fn header() -> Vec<u8> {
    let mut w = Writer::default();
    w.boxed(b"ftyp", |w| w.bytes(b"iso6\0\0\0\0iso6cmfc"));
    w.boxed(b"moov", |w| {
        w.full_box(b"mvhd", 0, 0, |w| {
            w.zeros(8);
            w.u32(TIMESCALE);
            w.zeros(80);
            w.u32(2);
        });
        w.bytes(&track(1));
        w.boxed(b"mvex", |w| w.bytes(&extends(1)));
    });
    w.into_bytes()
}

/// The header of other tracks, to which that of a text with this number is added.
pub fn header_with(mut others: Vec<u8>, number: u32) -> Result<Vec<u8>> {
    change(&mut others, "moov", |movie| movie.extend(track(number)))?;
    change(&mut others, "moov/mvex", |content| content.extend(extends(number)))?;
    Ok(others)
}

/// A fragment of the track with this number: what is shown in `times`, in milliseconds, of `cues`, which do not overlap.
pub fn fragment(number: u32, times: Range<u64>, cues: &[(Range<u64>, &str)]) -> Vec<u8> {
    let samples = samples(times.clone(), cues);
    let mut w = Writer::default();
    let mut place = 0;
    w.boxed(b"moof", |w| {
        w.full_box(b"mfhd", 0, 0, |w| w.u32(1));
        w.boxed(b"traf", |w| {
            w.full_box(b"tfhd", 0, 0x2_0000, |w| w.u32(number));
            w.full_box(b"tfdt", 1, 0, |w| w.u64(times.start));
            w.full_box(b"trun", 0, 0x301, |w| {
                w.u32(u32::try_from(samples.len()).unwrap_or(0));
                place = w.len();
                w.u32(0);
                for (duration, bytes) in &samples {
                    w.u32(u32::try_from(*duration).unwrap_or(0));
                    w.u32(u32::try_from(bytes.len()).unwrap_or(0));
                }
            });
        });
    });
    w.patch_u32(place, u32::try_from(w.len() + 8).unwrap_or(0));
    w.boxed(b"mdat", |w| samples.iter().for_each(|(_, bytes)| w.bytes(bytes)));
    w.into_bytes()
}

/// What a player reads in a track of text: start and end of each cue in milliseconds from `zero` on, and its text. What goes on from one
/// sample to the next is one cue.
pub fn read(file: Vec<u8>, zero: u64) -> Result<Vec<(Range<u64>, String)>> {
    let mut demuxer = StreamDemuxer::new();
    demuxer.push(file.into())?;
    let mut joiner = wvtt::Joiner::default();
    while let Some(item) = demuxer.poll() {
        let Item::Sample { sample, .. } = item else { continue };
        let start = sample.decode_time.saturating_sub(zero);
        joiner.add(&(start..start + u64::from(sample.duration)), &sample.payload.concat())?;
    }
    Ok(joiner.finish(String::new()).list().iter().map(|cue| (cue.start..cue.end, cue.text().to_owned())).collect())
}

/// Length and bytes of each sample.
fn samples(times: Range<u64>, cues: &[(Range<u64>, &str)]) -> Vec<(u64, Vec<u8>)> {
    let mut samples = Vec::new();
    let mut at = times.start;
    while at < times.end {
        let shown = cues.iter().find(|(shown, _)| shown.contains(&at));
        let next = cues.iter().map(|(shown, _)| shown.start).filter(|start| *start > at).min();
        let until = shown.map(|(shown, _)| shown.end).or(next).unwrap_or(times.end).min(times.end);
        let bytes = shown.map_or_else(|| boxed("vtte", &[]), |(_, text)| boxed("vttc", &boxed("payl", text.as_bytes())));
        samples.push((until - at, bytes));
        at = until;
    }
    samples
}

fn track(number: u32) -> Vec<u8> {
    let mut w = Writer::default();
    w.boxed(b"trak", |w| {
        w.full_box(b"tkhd", 0, 3, |w| {
            w.zeros(8);
            w.u32(number);
            w.zeros(68);
        });
        w.boxed(b"mdia", |w| {
            w.full_box(b"mdhd", 0, 0, |w| {
                w.zeros(8);
                w.u32(TIMESCALE);
                w.u32(0);
                w.u16(0x15c7); // eng
                w.u16(0);
            });
            w.full_box(b"hdlr", 0, 0, |w| {
                w.u32(0);
                w.bytes(b"text");
                w.zeros(13);
            });
            w.boxed(b"minf", |w| {
                w.full_box(b"nmhd", 0, 0, |_| {});
                w.boxed(b"stbl", |w| {
                    w.full_box(b"stsd", 0, 0, |w| {
                        w.u32(1);
                        w.bytes(&wvtt::sample_entry(""));
                    });
                    for name in [b"stts", b"stsc", b"stco"] {
                        w.full_box(name, 0, 0, |w| w.u32(0));
                    }
                    w.full_box(b"stsz", 0, 0, |w| w.zeros(8));
                });
            });
        });
    });
    w.into_bytes()
}

fn extends(number: u32) -> Vec<u8> {
    let mut w = Writer::default();
    w.full_box(b"trex", 0, 0, |w| {
        w.u32(number);
        w.u32(1);
        w.zeros(12);
    });
    w.into_bytes()
}
