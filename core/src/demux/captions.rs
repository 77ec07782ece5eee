//! Closed captions in the pictures of a movie. No box tells of them, so whoever has the payload at hand looks for them there.
//!
//! Pictures are looked at in [`PLACES`] places of a track, as many as [`FIRST`] says in each, and where any captions are found in one of them, as
//! many as [`MORE`] says, so that rarer channels are found too: channels that begin elsewhere are not. Of each picture the first [`HEAD`]
//! bytes are read.

use alloc::vec::Vec;
use core::ops::Range;

use super::Movie;
use crate::{
    boxes::sample_entry::read_entry,
    codec::{
        Media,
        captions::{CaptionReader, Messages},
    },
    coding::Reader,
    sample::Sample,
    track::Track,
};

/// Places in a track where pictures are looked at, the first at its beginning, at equal distances.
pub const PLACES: u32 = 4;
/// Pictures that are looked at in each place.
pub const FIRST: u32 = 12;
/// Pictures that are looked at in each place of a track that has captions: two seconds and more.
pub const MORE: u32 = 72;
/// Bytes at the beginning of a picture that are looked at.
pub const HEAD: usize = 4096;

/// Looks for closed captions in the pictures of a movie.
///
/// Ask [`required`](Self::required) which bytes come next, give them to [`handle`](Self::handle), until nothing is required. The tracks of the movie
/// then tell of their captions.
#[derive(Debug)]
pub struct CaptionSearch<'a> {
    movie: &'a mut Movie,
    /// Index of the track.
    track: usize,
    reader: CaptionReader,
    /// The pictures that are looked at, the last first.
    pictures: Vec<Picture>,
    /// Whether these are [`MORE`].
    more: bool,
}

/// A picture to be looked at.
#[derive(Debug)]
struct Picture {
    bytes: Range<u64>,
    messages: Messages,
    /// Whether it does not follow the one before.
    apart: bool,
}

impl<'a> CaptionSearch<'a> {
    /// Begins with the first track of `movie`.
    pub fn new(movie: &'a mut Movie) -> Self {
        let pictures = movie.tracks.first().map(|track| pictures(track, FIRST, movie.size)).unwrap_or_default();
        let mut search = Self { movie, track: 0, reader: CaptionReader::default(), pictures, more: false };
        search.go_on();
        search
    }

    /// The bytes of the file that are needed next; `None`: it is done.
    pub fn required(&self) -> Option<Range<u64>> {
        self.pictures.last().map(|picture| picture.bytes.clone())
    }

    /// Takes what is [`required`](Self::required).
    pub fn handle(&mut self, bytes: &[u8]) {
        let Some(picture) = self.pictures.pop() else { return };
        if picture.apart {
            self.reader.gap();
        }
        self.reader.picture(picture.messages, bytes);
        self.go_on();
    }

    /// Goes on to pictures that are left, of this track or the next.
    fn go_on(&mut self) {
        while self.pictures.is_empty() {
            let reader = core::mem::take(&mut self.reader);
            let captions = reader.captions();
            let Some(track) = self.movie.tracks.get_mut(self.track) else { return };
            if !captions.is_empty() && !self.more {
                self.more = true;
                self.pictures = pictures(track, MORE, self.movie.size);
                continue;
            }
            if let Media::Video(video) = &mut track.codec.media {
                video.captions = captions;
            }
            self.track += 1;
            self.more = false;
            let next = self.movie.tracks.get(self.track);
            self.pictures = next.map(|track| pictures(track, FIRST, self.movie.size)).unwrap_or_default();
        }
    }
}

/// The pictures of `track` that are looked at, so many in each place, in a file of `size` bytes: those of a place in the order in which they are
/// presented, without any that others come before which are not looked at. The last stands first.
fn pictures(track: &Track, each: u32, size: u64) -> Vec<Picture> {
    let mut found = Vec::new();
    if !matches!(track.codec.media, Media::Video(_)) || track.payload.is_some() {
        return found;
    }
    let messages: Vec<Option<Messages>> = track.sample_entries.iter().map(|entry| messages(entry)).collect();
    let samples = &track.samples;
    let mut end = 0;
    for place in 0..PLACES {
        let number = u32::try_from(u64::from(samples.len()) * u64::from(place) / u64::from(PLACES)).unwrap_or(0);
        let start = samples.sync_numbers(number..samples.len()).next().unwrap_or(number).max(end);
        end = start.saturating_add(each).min(samples.len());
        // Pictures are presented at most so many later than they are decoded.
        let (behind, _) = samples.span(end..end.saturating_add(16)).unwrap_or((i64::MAX, 0));
        let mut run: Vec<(Sample, Messages)> = (start..end)
            .zip(samples.range(start..end))
            .filter_map(|(number, sample)| Some((sample, messages.get(usize::from(samples.description(number))).copied().flatten()?)))
            .filter(|(sample, _)| sample.composition_time() < behind && sample.range().end <= size)
            .collect();
        run.sort_by_key(|(sample, _)| sample.composition_time());
        found.extend(run.into_iter().enumerate().map(|(index, (sample, messages))| Picture {
            bytes: sample.offset..sample.range().end.min(sample.offset.saturating_add(HEAD as u64)),
            messages,
            apart: index == 0,
        }));
    }
    found.retain(|picture| !picture.bytes.is_empty());
    found.reverse();
    found
}

fn messages(entry: &[u8]) -> Option<Messages> {
    Messages::of(&read_entry(&mut Reader::new(entry, 0)).ok()?)
}
