//! The driver under a clock that the test sets: nothing here waits.

mod bounds;
mod cutting;
mod derived;
mod follow;
mod headers;
mod losses;
mod messages;
mod overslept;
mod pace;
mod periods;
mod requests;
#[cfg(feature = "encryption")]
mod sealed;
mod start_over;
mod text;
mod times;

use alloc::{collections::BTreeMap, format, string::String, vec, vec::Vec};

use bytes::Bytes;

use super::*;
use crate::{
    hls::{Decision, Directives},
    track::{test_track, test_video},
    window::{PartAddressing, Segment},
};

/// 2026-11-28T10:00:00Z.
const START: Moment = Moment(1_795_860_000_000_000);

fn at(millis: i64) -> Moment {
    START.after(millis * 1000)
}

/// Frames of 40 ms, a key frame every `gop`, in the order in which an encoder without reordering sends them.
fn frame(number: u64, gop: u64) -> LiveSample {
    LiveSample {
        decode_time: number * 512,
        duration: 512,
        composition_offset: 0,
        sync: number.is_multiple_of(gop),
        description: 0,
        payload: vec![Bytes::from(format!("frame {number}"))],
    }
}

fn sound(number: u64) -> LiveSample {
    let payload = vec![Bytes::from(format!("sound {number}"))];
    LiveSample { decode_time: number * 1024, duration: 1024, composition_offset: 0, sync: true, description: 0, payload }
}

/// A source that sends each sample when it has ended.
struct Source {
    live: Live,
    video: Option<RenditionId>,
    audio: Option<RenditionId>,
    gop: u64,
    events: Vec<Event>,
}

fn video_track() -> Track {
    test_video(12_800, 0, 512, |_| true)
}

impl Source {
    fn new(config: Config) -> Self {
        let mut live = Live::new(config).unwrap();
        let video = live.add(&video_track(), START).unwrap();
        let audio = live.add(&test_track(48_000, 0, 1024, |_| true), START).unwrap();
        Self { live, video: Some(video), audio: Some(audio), gop: 50, events: Vec::new() }
    }

    fn poll(&mut self) {
        self.events.extend(core::iter::from_fn(|| self.live.poll()));
    }

    /// Goes on from `from` to `until`, in milliseconds of media, which come so many milliseconds `late`.
    fn run(&mut self, from: u64, until: u64, late: i64) -> Result<()> {
        self.run_by(from, until, late, 0)
    }

    /// The same with the clock of the source so many milliseconds `ahead`.
    fn run_by(&mut self, from: u64, until: u64, late: i64, ahead: i64) -> Result<()> {
        let mut samples: Vec<(u64, RenditionId, LiveSample)> = Vec::new();
        let mut add = |end: u64, id, sample: LiveSample, ticks: i64| {
            let decode_time = sample.decode_time.checked_add_signed(ahead * ticks / 10).unwrap();
            samples.push((end, id, LiveSample { decode_time, ..sample }));
        };
        if let Some(id) = self.video {
            for number in from / 40..until / 40 {
                add((number + 1) * 40_000, id, frame(number, self.gop), 128);
            }
        }
        if let Some(id) = self.audio {
            for number in (from * 48 + 512) / 1024..(until * 48 + 512) / 1024 {
                add((number + 1) * 1024 * 1000 / 48, id, sound(number), 480);
            }
        }
        samples.sort_by_key(|(end, ..)| *end);
        for (end, id, sample) in samples {
            let now = at(late).after(i64::try_from(end).unwrap());
            self.wait(now);
            self.live.push(id, sample, now)?;
            self.poll();
        }
        Ok(())
    }

    /// Lets time pass.
    fn wait(&mut self, now: Moment) {
        while let Some(due) = self.live.timeout().filter(|due| *due <= now) {
            self.live.handle_timeout(due);
            self.poll();
            assert!(self.live.timeout().is_none_or(|next| next > due), "the same time again");
        }
    }

    fn segments(&self, id: RenditionId) -> Vec<&Segment> {
        let of = |event: &'_ Event| matches!(event, Event::Segment { rendition, .. } if *rendition == id);
        let found = self.events.iter().filter(|event| of(event));
        found.filter_map(|event| if let Event::Segment { segment, .. } = event { Some(segment) } else { None }).collect()
    }

    /// What segments hold, as text: each with its number, the first and last sample.
    fn contents(&self, id: RenditionId) -> Vec<String> {
        let mut payload: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for event in &self.events {
            if let Event::Part { rendition, segment, payload: pieces, .. } = event
                && *rendition == id
            {
                let text = pieces.iter().map(|piece| String::from_utf8(piece.to_vec()).unwrap());
                payload.entry(*segment).or_default().extend(text);
            }
        }
        let ends = |(number, names): (&u32, &Vec<String>)| format!("{number}: {} - {}", names[0], names[names.len() - 1]);
        payload.iter().map(ends).collect()
    }

    fn playlist(&self, id: RenditionId) -> String {
        self.live.media_playlist(id, false).unwrap()
    }

    fn v(&self) -> RenditionId {
        self.video.unwrap()
    }

    fn a(&self) -> RenditionId {
        self.audio.unwrap()
    }
}
