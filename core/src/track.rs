//! A track: what it carries, how its times map to the presentation, and its samples.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::ops::Range;

use crate::{
    boxes::{BoxHeader, event::EventMessage, user_data::UserData},
    codec::{Codec, Kind},
    coding::Reader,
    sample::{Sample, SampleTable},
    text::Cues,
    time::{FrameRate, Timescale},
};

/// A track that Reelway carries.
#[derive(Clone, Debug)]
pub struct Track {
    /// `track_ID` in the source.
    pub id: u32,
    /// Whether the source has it enabled.
    pub enabled: bool,
    /// Ticks a second of all its times.
    pub timescale: Timescale,
    /// ISO 639-2/T code or BCP 47 tag; `None`: undetermined.
    pub language: Option<String>,
    /// What it is for, and what people call it.
    pub user_data: UserData,
    /// Codec and kind of media; where samples use several descriptions, as the first of them tells.
    pub codec: Codec,
    /// The sample entries that samples use, numbered by first use, as the source has them, header included; sound in QuickTime's form is
    /// brought into that of ISO.
    pub sample_entries: Vec<Vec<u8>>,
    /// The matrix of `tkhd`, as the source has it.
    pub matrix: [u8; 36],
    /// Width and height of presentation in 16.16 fixed point.
    pub dimensions: (u32, u32),
    /// Ticks to add to a composition time for the time in the presentation: the edit list, folded.
    ///
    /// Positive: the track starts late (an empty edit). Negative: presentation begins inside the media (`media_time`:
    /// the reordering delay of B-frames, the priming of AAC).
    pub shift: i64,
    /// The samples, in decoding order.
    pub samples: SampleTable,
    /// What a track of text shows, where it was read: not of `stpp`. Of text that is not in samples of its own yet `samples` is empty.
    pub cues: Option<Cues>,
    /// What happens in the programme, in the order of the samples.
    pub events: Vec<Event>,
    /// The bytes of the samples, where they were made here: positions of samples are those in it, not in the input.
    pub payload: Option<Vec<u8>>,
}

/// An event message that came with a track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The first sample of the fragment that it stands in front of.
    pub sample: u32,
    /// The `emsg`, whole, with a time on the timeline of the track.
    pub bytes: Box<[u8]>,
}

impl Event {
    /// What it says.
    pub fn message(&self) -> Option<EventMessage<'_>> {
        let mut reader = Reader::new(&self.bytes, 0);
        BoxHeader::read(&mut reader).and_then(|_| EventMessage::read(reader)).ok()
    }
}

impl Track {
    /// Of which kind its media is.
    pub fn kind(&self) -> Kind {
        self.codec.media.kind()
    }

    /// Whether the matrix turns pictures by a quarter to either side, so that width and height change places.
    pub fn is_on_its_side(&self) -> bool {
        let mut fields = self.matrix.chunks_exact(4).map(|field| field != [0; 4]);
        let (a, b, _, c, d) = (fields.next(), fields.next(), fields.next(), fields.next(), fields.next());
        (a, b, c, d) == (Some(false), Some(true), Some(true), Some(false))
    }

    /// When `sample` is presented, in ticks of the presentation timeline. Negative: before its start, to be decoded but not shown.
    pub fn presentation_time(&self, sample: &Sample) -> i64 {
        sample.composition_time().saturating_add(self.shift)
    }

    /// Heap memory that it takes, in bytes.
    pub fn memory(&self) -> usize {
        self.samples.memory()
            + self.cues.as_ref().map_or(0, Cues::memory)
            + self.payload.as_ref().map_or(0, Vec::len)
            + self.events.iter().map(|event| event.bytes.len() + size_of::<Event>()).sum::<usize>()
            + self.sample_entries.iter().map(|entry| entry.len() + size_of::<Vec<u8>>()).sum::<usize>()
            + size_of::<Self>()
    }

    /// The events that come with the samples in `numbers`.
    pub fn events_in(&self, numbers: Range<u32>) -> &[Event] {
        let place = |number| self.events.partition_point(|event| event.sample < number);
        self.events.get(place(numbers.start)..place(numbers.end)).unwrap_or_default()
    }

    /// The rate of the frame duration that most samples have, if nine in ten have it; else the average.
    pub fn frame_rate(&self) -> Option<FrameRate> {
        let (delta, count) = self.samples.commonest_duration()?;
        let total = u64::from(self.samples.len());
        if u64::from(count) * 10 >= total * 9 {
            return FrameRate::new(self.timescale, delta);
        }
        let average = self.samples.duration().checked_div(total)?;
        FrameRate::new(self.timescale, u32::try_from(average).ok()?)
    }
}

/// A track for tests of rules on samples: `count` of them, `delta` ticks each, one byte each.
#[cfg(test)]
pub(crate) fn test_track(timescale: u32, count: u32, delta: u32, sync: impl Fn(u32) -> bool) -> Track {
    use crate::codec::{Audio, Media};
    let mut samples = crate::sample::SampleTableBuilder::default();
    for number in 0..count {
        let decode_time = u64::from(number) * u64::from(delta);
        let sample = Sample { decode_time, duration: delta, composition_offset: 0, sync: sync(number), offset: number.into(), size: 1 };
        samples.push(&sample).unwrap();
    }
    Track {
        id: 1,
        enabled: true,
        timescale: Timescale::new(timescale).unwrap(),
        language: None,
        user_data: UserData::default(),
        codec: Codec { string: "mp4a.40.2".into(), media: Media::Audio(Audio { channels: 2, sample_rate: 48_000, dolby: None }) },
        sample_entries: Vec::new(),
        matrix: [0; 36],
        dimensions: (0, 0),
        shift: 0,
        samples: samples.finish(),
        cues: None,
        events: Vec::new(),
        payload: None,
    }
}

/// The same for rules on video.
#[cfg(test)]
pub(crate) fn test_video(timescale: u32, count: u32, delta: u32, sync: impl Fn(u32) -> bool) -> Track {
    use crate::codec::{Media, Video};
    let mut track = test_track(timescale, count, delta, sync);
    let media = Media::Video(Video {
        width: 1280,
        height: 720,
        pixel_aspect: (4, 2),
        colour: None,
        dolby_vision: None,
        captions: crate::codec::captions::Captions::default(),
    });
    track.codec = Codec { string: "avc1.64001F".into(), media };
    track
}
