//! On demand: from the index of a file to its manifests, its headers and any of its segments.

use alloc::{string::String, vec::Vec};

use crate::{
    codec::Media,
    dash,
    demux::Movie,
    error::{Error, Result},
    hls,
    i_frames::{IFrame, i_frames},
    presentation::{Bandwidth, Presentation, Rendition},
    segment::{
        boundary::{self, Cut},
        chunk::{self, Fragment},
        header,
    },
    time::Timescale,
    timeline::Timeline,
    track::Track,
};

/// The segment duration that is aimed at unless something else is asked for, in milliseconds.
pub const SEGMENT_MILLIS: u64 = 4000;

/// A file as a presentation: manifests are text at once, headers and segments are made when they are asked for.
#[derive(Clone, Debug)]
pub struct Vod {
    movie: Movie,
    presentation: Presentation,
    /// For each rendition, in the order of the presentation, the index of its track in the movie.
    tracks: Vec<usize>,
}

impl Vod {
    /// Cuts all tracks of `movie`: the first video at its sync samples, every other track as near to it as its samples allow.
    /// Without video each track is cut by itself. `segment_millis` is the duration aimed at.
    pub fn new(movie: Movie, segment_millis: u64) -> Self {
        let is_video = |track: &Track| matches!(track.codec.media, Media::Video(_));
        let lead = movie.tracks.iter().find(|track| is_video(track));
        let lead_cuts: Option<(Vec<Cut>, Timescale)> =
            lead.map(|track| (boundary::at_sync_samples(track, segment_millis), track.timescale));
        let timelines: Vec<Timeline> = movie
            .tracks
            .iter()
            .map(|track| {
                let cuts = match &lead_cuts {
                    _ if is_video(track) => boundary::at_sync_samples(track, segment_millis),
                    Some((cuts, timescale)) => boundary::near(track, cuts.iter().skip(1).map(|cut| cut.time), *timescale),
                    None => boundary::at_multiples(track, segment_millis),
                };
                Timeline::new(track, &cuts)
            })
            .collect();
        let indices = 0..movie.tracks.len();
        let (mut tracks, sounds): (Vec<usize>, Vec<usize>) = indices.partition(|index| movie.tracks.get(*index).is_some_and(is_video));
        tracks.extend(sounds);
        let presentation = Presentation::new(movie.tracks.iter().zip(timelines), movie.start());
        Self { movie, presentation, tracks }
    }

    /// The index it was made from.
    pub fn movie(&self) -> &Movie {
        &self.movie
    }

    /// What the manifests are written from.
    pub fn presentation(&self) -> &Presentation {
        &self.presentation
    }

    /// The HLS multivariant playlist.
    pub fn multivariant_playlist(&self) -> String {
        hls::multivariant_playlist(&self.presentation, |rendition| {
            let frames = self.i_frames(&rendition.name).ok().filter(|frames| !frames.is_empty())?;
            let pieces: Vec<(u64, u64)> = frames.iter().map(|frame| (frame.bytes.end - frame.bytes.start, frame.duration)).collect();
            Some(Bandwidth::of(&pieces, rendition.timeline.timescale))
        })
    }

    /// The HLS media playlist of a rendition.
    pub fn media_playlist(&self, rendition: &str) -> Result<String> {
        self.rendition(rendition).map(|(rendition, _)| hls::media_playlist(rendition, self.presentation.start))
    }

    /// The HLS playlist of the I-frames of a rendition of video.
    pub fn i_frame_playlist(&self, rendition: &str) -> Result<String> {
        let frames = self.i_frames(rendition)?;
        self.rendition(rendition).map(|(rendition, _)| hls::i_frame_playlist(&frames, rendition.timeline.timescale))
    }

    fn i_frames(&self, rendition: &str) -> Result<Vec<IFrame>> {
        let (rendition, track) = self.rendition(rendition)?;
        if !rendition.is_video() {
            return Err(Error::misuse("sound has no I-frames"));
        }
        Ok(i_frames(track, &rendition.timeline, self.presentation.start))
    }

    /// The DASH manifest.
    pub fn mpd(&self) -> String {
        dash::mpd(&self.presentation)
    }

    /// The CMAF header of a rendition.
    pub fn header(&self, rendition: &str) -> Result<Vec<u8>> {
        self.rendition(rendition).map(|(_, track)| header::cmaf_header(track))
    }

    /// Segment `number`, counted from 1, of a rendition: fragments that follow each other.
    pub fn segment(&self, rendition: &str, number: u32) -> Result<Vec<Fragment>> {
        let (rendition, track) = self.rendition(rendition)?;
        let segment = rendition.timeline.segment(number).ok_or_else(|| Error::misuse("there is no such segment"))?;
        Ok(chunk::segment(track, segment.samples.clone()))
    }

    /// The renditions, each with the track that it is made from.
    pub fn renditions(&self) -> impl Iterator<Item = (&Rendition, &Track)> {
        let tracks = self.tracks.iter().filter_map(|index| self.movie.tracks.get(*index));
        self.presentation.renditions.iter().zip(tracks)
    }

    /// Heap memory that it takes, in bytes.
    pub fn memory(&self) -> usize {
        let segments: usize = self.presentation.renditions.iter().map(|rendition| rendition.timeline.segments.len()).sum();
        self.movie.memory() + segments * size_of::<crate::timeline::Segment>() + self.presentation.renditions.len() * size_of::<Rendition>()
    }

    fn rendition(&self, name: &str) -> Result<(&Rendition, &Track)> {
        let found = self.renditions().find(|(rendition, _)| rendition.name == name);
        found.ok_or_else(|| Error::misuse("there is no such rendition"))
    }
}
