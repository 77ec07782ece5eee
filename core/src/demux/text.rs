//! Samples of text: the only payload that is read, once all else is known, because it is published in another form than it has.

use alloc::{format, string::String, vec::Vec};
use core::ops::Range;

use super::{LeftOut, Movie};
use crate::{
    boxes::{
        FourCc,
        sample_entry::{SampleEntry, read_descriptions},
        user_data::Role,
    },
    coding::Reader,
    error::{Error, Result},
    sample::Sample,
    text::{Cue, Cues, MAX_BYTES, tx3g, wvtt},
    time::{Timescale, rescale},
    track::Track,
};

/// Samples of a track more than this are not read, in a file of this many bytes: each takes more memory than it need take of the file.
fn most_samples(size: u64) -> u64 {
    8192 + size / 64
}

/// Samples nearer to each other than this are read at once.
const GAP: u64 = 4 << 10;
/// The most bytes that are read at once.
const MOST_AT_ONCE: u64 = 1 << 20;

/// A movie whose samples of text are read.
#[derive(Debug)]
pub struct TextReader {
    movie: Movie,
    /// Tracks that are still to be read; the last one is read now.
    waiting: Vec<TextTrack>,
    /// What is to be read next.
    next: Option<Stretch>,
    /// Tracks that are not read, by their places in the movie, and why.
    refused: Vec<(usize, Error)>,
}

/// Neighbouring samples: their numbers and their bytes.
#[derive(Clone, Debug)]
struct Stretch {
    samples: Range<u32>,
    bytes: Range<u64>,
}

/// A track that is read.
#[derive(Debug)]
struct TextTrack {
    /// Its place in the movie.
    index: usize,
    /// Number of the sample that is read next.
    next: u32,
    form: Form,
    /// How many samples cannot be read, and why the first of them.
    fault: Option<(u32, Error)>,
}

#[derive(Debug)]
enum Form {
    /// With a description for each sample entry.
    Tx3g(Vec<tx3g::Description>, Vec<Cue>),
    Wvtt(String, wvtt::Joiner),
}

impl TextReader {
    /// Reads the text of `movie`.
    pub fn new(movie: Movie) -> Self {
        let mut waiting = Vec::new();
        let mut refused = Vec::new();
        for (index, track) in movie.tracks.iter().enumerate() {
            match TextTrack::new(index, track, movie.size) {
                Ok(found) => waiting.extend(found),
                // What is WebVTT already can be published unread.
                Err(_) if track.codec.string == "wvtt" => {}
                Err(reason) => refused.push((index, reason)),
            }
        }
        waiting.reverse();
        let mut reader = Self { movie, waiting, next: None, refused };
        reader.plan();
        reader
    }

    /// The bytes that are needed next.
    pub fn required(&self) -> Option<Range<u64>> {
        self.next.as_ref().map(|next| next.bytes.clone())
    }

    /// Takes the bytes that are needed.
    pub fn handle(&mut self, bytes: &[u8]) {
        let (Some(stretch), Some(text)) = (self.next.take(), self.waiting.last_mut()) else { return };
        let Some(track) = self.movie.tracks.get(text.index) else { return };
        for (number, sample) in stretch.samples.clone().zip(track.samples.range(stretch.samples)) {
            if sample.size <= text.form.nothing() {
                continue;
            }
            let place = sample.offset.checked_sub(stretch.bytes.start).and_then(|place| usize::try_from(place).ok());
            let length = usize::try_from(sample.size).ok();
            let found = place.zip(length).and_then(|(place, length)| bytes.get(place..)?.get(..length));
            text.read(track, number, &sample, found.unwrap_or_default());
        }
        self.plan();
    }

    /// Finds what is to be read next.
    fn plan(&mut self) {
        while let Some(text) = self.waiting.last_mut() {
            let stretch = self.movie.tracks.get(text.index).and_then(|track| text.stretch(track));
            if stretch.is_some() {
                self.next = stretch;
                return;
            }
            let Some(text) = self.waiting.pop() else { return };
            text.finish(&mut self.movie);
        }
    }

    /// The movie with its text. One that has nothing else, and no text that can be read, is an error.
    pub fn finish(mut self) -> Result<Movie> {
        for index in (0..self.movie.tracks.len()).rev() {
            // What could be read is no longer in this form.
            if self.movie.tracks.get(index).is_none_or(|track| track.codec.string != "tx3g") {
                continue;
            }
            let track = self.movie.tracks.remove(index);
            let reason = self.refused.iter().find(|(refused, _)| *refused == index).map(|(_, reason)| reason.clone());
            let reason = reason.unwrap_or_else(|| Error::unsupported("the track shows no text"));
            self.movie.left_out.push(LeftOut { id: track.id, handler: FourCc(*b"text"), coding: Some(FourCc(*b"tx3g")), reason });
        }
        match self.movie.left_out.last() {
            Some(left_out) if self.movie.tracks.is_empty() => Err(left_out.reason.clone()),
            _ => Ok(self.movie),
        }
    }
}

/// The sample entries of a track, each read by `read`.
fn entries<T>(track: &Track, read: impl Fn(&SampleEntry<'_>) -> Result<T>) -> Result<Vec<T>> {
    let mut found = Vec::new();
    for entry in &track.sample_entries {
        let descriptions = [&[0, 0, 0, 0, 0, 0, 0, 1], entry.as_slice()].concat();
        for entry in &read_descriptions(Reader::new(&descriptions, 0))? {
            found.push(read(entry)?);
        }
    }
    Ok(found)
}

impl Form {
    /// Bytes of a sample that shows nothing.
    fn nothing(&self) -> u32 {
        match self {
            Self::Tx3g(..) => 2, // the length of no text
            Self::Wvtt(..) => 8, // `vtte`
        }
    }
}

impl TextTrack {
    /// `None`: a track that is not read.
    fn new(index: usize, track: &Track, size: u64) -> Result<Option<Self>> {
        let form = match track.codec.string.as_str() {
            "tx3g" => Form::Tx3g(entries(track, tx3g::Description::read)?, Vec::new()),
            "wvtt" => Form::Wvtt(entries(track, |entry| Ok(wvtt::blocks(entry)))?.pop().unwrap_or_default(), wvtt::Joiner::default()),
            _ => return Ok(None),
        };
        let (count, bytes, most) = (track.samples.len(), track.samples.bytes(), most_samples(size));
        if u64::from(count) > most || bytes > size.min(MAX_BYTES as u64) {
            let message = format!("{count} samples of text with {bytes} bytes are more than is read ({most} and {MAX_BYTES})");
            return Err(Error::unsupported(message));
        }
        Ok(Some(Self { index, next: 0, form, fault: None }))
    }

    /// The samples from the next one on that are read at once. Those that are known to show nothing are passed over.
    fn stretch(&mut self, track: &Track) -> Option<Stretch> {
        let nothing = self.form.nothing();
        let mut found: Option<Stretch> = None;
        for (number, sample) in (self.next..).zip(track.samples.range(self.next..track.samples.len())) {
            match &mut found {
                _ if sample.size <= nothing => {
                    if found.is_none() {
                        self.next = number.saturating_add(1);
                    }
                }
                None => found = Some(Stretch { samples: number..number.saturating_add(1), bytes: sample.range() }),
                Some(Stretch { samples, bytes }) => {
                    let near = bytes.end.saturating_add(GAP);
                    let end = sample.range().end;
                    if !(bytes.end..=near).contains(&sample.offset) || end - bytes.start > MOST_AT_ONCE {
                        break;
                    }
                    *samples = samples.start..number.saturating_add(1);
                    bytes.end = end;
                }
            }
        }
        if let Some(stretch) = &found {
            self.next = stretch.samples.end;
        }
        found
    }

    fn read(&mut self, track: &Track, number: u32, sample: &Sample, bytes: &[u8]) {
        let millis = |ticks| u64::try_from(rescale(ticks, track.timescale, Timescale::MILLIS)).unwrap_or(0);
        let start = track.presentation_time(sample);
        let times = millis(start)..millis(start.saturating_add(sample.duration.into()));
        let read = match &mut self.form {
            Form::Tx3g(descriptions, cues) => {
                let description = descriptions.get(usize::from(track.samples.description(number))).or(descriptions.first());
                let description = description.copied().unwrap_or_default();
                tx3g::read(bytes, &description).map(|text| cues.push(Cue::new(times, "", "", &text)))
            }
            Form::Wvtt(_, joiner) => joiner.add(&times, bytes),
        };
        if let Err(error) = read {
            let (count, _) = self.fault.get_or_insert_with(|| (0, error.at(sample.offset)));
            *count += 1;
        }
    }

    /// Gives its track what it shows.
    fn finish(self, movie: &mut Movie) {
        if let Some((count, fault)) = self.fault {
            let fault = Error::malformed(format!("{count} samples of text cannot be read; the first: {fault}"));
            movie.faults.push(fault.within(FourCc(*b"trak")).within(FourCc(*b"moov")));
        }
        let Some(track) = movie.tracks.get_mut(self.index) else { return };
        match self.form {
            Form::Tx3g(descriptions, cues) => {
                let cues = Cues::new(cues, String::new());
                if cues.list().is_empty() {
                    return;
                }
                if descriptions.iter().all(|description| description.forced) {
                    track.user_data.roles.push(Role::ForcedSubtitle);
                }
                track.show(cues);
            }
            Form::Wvtt(blocks, joiner) => track.cues = Some(joiner.finish(blocks)),
        }
    }
}

impl Track {
    /// Makes it a track of WebVTT that shows `cues`, whose samples are still to be made.
    pub(super) fn show(&mut self, cues: Cues) {
        self.timescale = Timescale::MILLIS;
        self.shift = 0;
        self.codec.string = String::from("wvtt");
        self.sample_entries = Vec::from([wvtt::sample_entry(cues.blocks())]);
        self.samples = crate::sample::SampleTable::default();
        self.cues = Some(cues);
    }
}
