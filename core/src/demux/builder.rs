//! A track while its samples are gathered, from `moov`, from fragments or from both.

use alloc::{boxed::Box, format, vec::Vec};

use super::edits::Edits;
use crate::{
    boxes::{
        FourCc,
        event::EventMessage,
        movie::TrackBox,
        sample_entry::{SampleEntry, read_descriptions, read_entry},
    },
    codec::{self, Codec, Media, ac3, nal::Units},
    coding::Reader,
    error::{Error, Result},
    sample::{SampleTable, SampleTableBuilder},
    time::Timescale,
    track::{Event, Track},
};

/// A track to be.
#[derive(Debug)]
pub struct TrackBuilder {
    /// The track, as far as it is known; its codec is that of the first description that is carried.
    track: Track,
    /// `handler_type`.
    pub handler: FourCc,
    /// Coding name of the first sample entry.
    pub coding: FourCc,
    edits: Edits,
    /// All sample entries, or why they are not carried.
    descriptions: Vec<Result<Description>>,
    /// The one sample entry, where it lacks the configuration that a sample tells too.
    unconfigured: Option<Vec<u8>>,
    /// The samples so far.
    pub samples: SampleTableBuilder,
    /// The events so far, each with the time at which the fragment behind it is decoded.
    events: Vec<(u64, Box<[u8]>)>,
}

/// A sample entry that is carried.
#[derive(Debug)]
struct Description {
    codec: Codec,
    /// In the ISO form.
    entry: Vec<u8>,
    units: Option<Units>,
}

/// Stands for a description that is not there. There are fewer, see [`read_descriptions`].
const NO_DESCRIPTION: u8 = u8::MAX;

impl TrackBuilder {
    /// Of a track in a movie whose ticks are of scale `movie`, if it tells one. A track of which nothing is carried is an error; what a frame
    /// will tell is not missing, if `frames` are asked.
    pub fn new(boxes: &TrackBox<'_>, movie: Option<Timescale>, frames: bool) -> Result<Self> {
        let missing = |name: &str, clause| {
            // What is missing may have been lost in a box that is broken.
            boxes.fault.clone().unwrap_or_else(|| Error::malformed(format!("box '{name}' is missing")).by(clause))
        };
        let tables = boxes.sample_table.as_ref().ok_or_else(|| missing("stbl", "ISO/IEC 14496-12 8.5.1"))?;
        let in_table = |error: Error| error.within(FourCc(*b"stbl")).within(FourCc(*b"minf")).within(FourCc(*b"mdia"));
        let content = tables.descriptions.ok_or_else(|| missing("stsd", "ISO/IEC 14496-12 8.5.2"))?;
        let entries = read_descriptions(content).map_err(|e| in_table(e.within(FourCc(*b"stsd"))))?;
        let coding = entries.first().ok_or_else(|| missing("stsd", "ISO/IEC 14496-12 8.5.2"))?.name;
        let describe = |entry| Description::read(entry, boxes.handler).map_err(|e| in_table(e.within(FourCc(*b"stsd"))));
        let descriptions: Vec<Result<Description>> = entries.iter().map(describe).collect();
        let unconfigured = match entries.as_slice() {
            [entry] if frames && cfg!(feature = "frames") => ac3::without_configuration(entry).map(|codec| (codec, Vec::from(entry.bytes))),
            _ => None,
        };
        let described = descriptions.iter().find_map(|description| description.as_ref().ok()).map(|description| &description.codec);
        let codec = match described.or(unconfigured.as_ref().map(|(codec, _)| codec)) {
            Some(codec) => codec.clone(),
            None => {
                return Err(descriptions.into_iter().find_map(Result::err).unwrap_or_else(|| missing("stsd", "ISO/IEC 14496-12 8.5.2")));
            }
        };
        // Where the track tells no time, what it says is in ticks of the movie.
        let timescale = boxes.timescale.or(movie).ok_or_else(|| missing("mdhd", "ISO/IEC 14496-12 8.4.2"))?;
        let edits = Edits::new(&boxes.edits, movie, timescale)?;
        let track = Track {
            id: boxes.id,
            enabled: boxes.enabled,
            timescale,
            language: boxes.language.clone(),
            user_data: boxes.user_data.clone(),
            codec,
            sample_entries: Vec::new(),
            matrix: boxes.matrix,
            dimensions: boxes.dimensions,
            shift: edits.shift(),
            samples: SampleTable::default(),
            cues: None,
            events: Vec::new(),
            payload: None,
        };
        let unconfigured = unconfigured.map(|(_, entry)| entry);
        let samples = SampleTableBuilder::default();
        Ok(Self { track, handler: boxes.handler, coding, edits, descriptions, unconfigured, samples, events: Vec::new() })
    }

    /// Whether its first sample has to tell how its samples are decoded.
    pub fn is_without_configuration(&self) -> bool {
        cfg!(feature = "frames") && self.unconfigured.is_some()
    }

    /// Takes the beginning of the first sample, where no box tells how samples are decoded. What it does not tell stays missing.
    pub fn configure(&mut self, sample: &[u8]) {
        let unconfigured = self.unconfigured.take().filter(|_| cfg!(feature = "frames"));
        let entry = unconfigured.and_then(|entry| ac3::configured(&entry, sample));
        let entry = entry.as_ref().and_then(|entry| read_entry(&mut Reader::new(entry, 0)).ok());
        if let Some(described) = entry.and_then(|entry| Description::read(&entry, self.handler).ok()) {
            self.track.codec = described.codec.clone();
            self.descriptions = Vec::from([Ok(described)]);
        }
    }

    /// `track_ID` in the source.
    pub fn id(&self) -> u32 {
        self.track.id
    }

    /// Whether it holds text whose samples are read.
    pub fn has_cues(&self) -> bool {
        matches!(self.track.codec.string.as_str(), "tx3g" | "wvtt")
    }

    /// Whether it holds video.
    pub fn is_video(&self) -> bool {
        matches!(self.track.codec.media, Media::Video(_))
    }

    /// How its samples hold NAL units, if they do, and all in the same way.
    pub fn units(&self) -> Option<Units> {
        let mut told = self.descriptions.iter().flatten().map(|description| description.units);
        let first = told.next()?;
        first.filter(|_| told.all(|other| other == first))
    }

    /// Takes an event that stands in front of the samples from number `first` on, if there is one.
    pub fn add_event(&mut self, message: EventMessage<'_>, first: u32) {
        let Some(decode_time) = self.samples.get(first).map(|sample| sample.decode_time) else { return };
        let earliest = self.samples.earliest_from(first).map_or(0, |earliest| earliest.saturating_add(self.track.shift));
        let message = message.absolute(u64::try_from(earliest).unwrap_or(0), self.track.timescale);
        self.events.push((decode_time, message.to_bytes().into()));
    }

    /// The description that samples name by `index`, counted from 1, as the builder of samples takes it. Where there is one, it is that.
    pub fn description(&self, index: u32) -> u8 {
        let last = self.descriptions.len().saturating_sub(1);
        let found = usize::try_from(index).ok().and_then(|index| index.checked_sub(1)).filter(|index| *index <= last);
        found.or((last == 0).then_some(0)).and_then(|index| u8::try_from(index).ok()).unwrap_or(NO_DESCRIPTION)
    }

    /// The track before it has samples, with all descriptions of the codec of the first that is carried; and, for each description of the
    /// source, which of them it is. Edits that are more than one shift are an error: what they leave out is not known while it comes.
    pub fn announce(self) -> Result<(Track, Vec<Option<u8>>)> {
        let mut track = self.track;
        self.edits.join(SampleTable::default(), false)?;
        let mut places = Vec::with_capacity(self.descriptions.len());
        for description in self.descriptions {
            let carried = description.ok().filter(|found| family(&found.codec.string) == family(&track.codec.string));
            places.push(carried.as_ref().and_then(|_| u8::try_from(track.sample_entries.len()).ok()));
            track.sample_entries.extend(carried.map(|found| found.entry));
        }
        Ok((track, places))
    }

    /// The track with its samples and the descriptions that they use, numbered by first use.
    ///
    /// A sample with a description that is not carried is an error, and so are descriptions of several codecs: no player changes between
    /// them. Profile, size and the like may change; the codec is then that of the first description.
    pub fn finish(mut self) -> Result<Track> {
        let video = self.is_video();
        let mut samples = self.edits.join(self.samples.finish(), video)?;
        let mut used: Vec<u8> = Vec::new();
        for index in samples.description_indices() {
            if !used.contains(&index) {
                used.push(index);
            }
        }
        samples.map_descriptions(|index| used.iter().position(|used| *used == index).unwrap_or(0));
        let mut codec: Option<Codec> = None;
        let count = self.descriptions.len();
        for index in used {
            let description = self.descriptions.get_mut(usize::from(index)).ok_or_else(|| {
                Error::malformed(format!("samples name a description that is not among the {count} there are")).by("ISO/IEC 14496-12 8.7.4")
            })?;
            let taken = core::mem::replace(description, Err(Error::misuse("a description is used once")));
            let Description { codec: found, entry, .. } = taken?;
            let first = codec.get_or_insert_with(|| found.clone());
            if family(&first.string) != family(&found.string) {
                let message = format!("samples use descriptions of several codecs ({} and {})", first.string, found.string);
                return Err(Error::unsupported(message));
            }
            self.track.sample_entries.push(entry);
        }
        self.track.codec = codec.unwrap_or(self.track.codec);
        let event = |(time, bytes)| Event { sample: samples.first_decoded_from(time).min(samples.len().saturating_sub(1)), bytes };
        self.track.events = self.events.into_iter().map(event).collect();
        self.track.samples = samples;
        Ok(self.track)
    }
}

impl Description {
    fn read(entry: &SampleEntry<'_>, handler: FourCc) -> Result<Self> {
        let codec = codec::describe(entry, handler)?;
        let iso = match &codec.media {
            Media::Audio(audio) => entry.iso_audio(audio.channels, audio.sample_rate)?,
            Media::Video(_) | Media::Text | Media::Metadata => None,
        };
        Ok(Self { codec, entry: iso.unwrap_or_else(|| Vec::from(entry.bytes)), units: Units::of(entry) })
    }
}

/// What names the codec in a codecs string (RFC 6381 3.3): the coding name, and the object type of what is in `mp4a`.
fn family(string: &str) -> &str {
    let parts = if string.starts_with("mp4a") { 2 } else { 1 };
    string.match_indices('.').nth(parts - 1).and_then(|(end, _)| string.get(..end)).unwrap_or(string)
}
