//! Any bytes as text: WebVTT, SubRip, samples of 3GPP timed text and of `wvtt`. What is read can be written in both forms, and is read
//! again as it was.

use reelway_core::{
    text::{Cues, srt, tx3g, webvtt, wvtt},
    time::Timescale,
};

/// Reads and writes text.
pub fn text(bytes: &[u8]) {
    let found = [webvtt::read(bytes).ok().map(|(cues, _)| cues), srt::read(bytes).ok().map(|(cues, ..)| cues)];
    for cues in found.into_iter().flatten() {
        assert!(cues.memory() <= 8 * bytes.len() + 1024, "{} bytes of cues for {}", cues.memory(), bytes.len());
        written_and_read(&cues);
    }
    let _ = tx3g::read(bytes, &tx3g::Description { forced: false, face: 7 });
    // The bytes as samples, each with its length before it.
    let (mut joiner, mut time, mut rest) = (wvtt::Joiner::default(), 0, bytes);
    while let Some((&[high, low], after)) = rest.split_first_chunk() {
        let (sample, after) = after.split_at(usize::from(u16::from_be_bytes([high, low])).min(after.len()));
        rest = after;
        let duration = u64::from(high) + 1;
        let _ = joiner.add(&(time..time + duration), sample);
        time += duration;
    }
    written_and_read(&joiner.finish(String::new()));
}

fn written_and_read(cues: &Cues) {
    let zero = (0, Timescale::MILLIS);
    let text = webvtt::segment(cues, 0..u64::MAX, zero);
    let (again, fault) = webvtt::read(text.as_bytes()).unwrap();
    assert_eq!((&again, fault), (cues, None), "{text}");
    let end = cues.end();
    let bounds: Vec<u64> = (0..=8).map(|n| end / 8 * n).chain([end]).collect();
    let Ok(made) = wvtt::make(cues, &bounds, 1 << 20) else { return };
    let mut joiner = wvtt::Joiner::default();
    let mut next = 0;
    for sample in &made.samples {
        assert_eq!(sample.decode_time, next, "every moment has a sample");
        next += u64::from(sample.duration);
        let range = usize::try_from(sample.offset).unwrap()..usize::try_from(sample.range().end).unwrap();
        joiner.add(&(sample.decode_time..next), &made.payload[range]).unwrap();
    }
    assert_eq!(next, if made.samples.is_empty() { 0 } else { end });
    // Cues that say the same, one behind the other, become one: what is shown stays the same.
    let joined = joiner.finish(cues.blocks().into());
    let shown = |cues: &Cues, time| {
        let mut texts: Vec<String> =
            cues.during(time..time + 1).map(|cue| format!("{cue:?}").split_once("parts").unwrap().1.into()).collect();
        texts.sort();
        texts
    };
    for time in bounds.iter().flat_map(|bound| [bound.saturating_sub(1), *bound]).filter(|time| *time < end) {
        assert_eq!(shown(&joined, time), shown(cues, time), "at {time}");
    }
}
