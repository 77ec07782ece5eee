//! On demand: from the indexes of one or several files to the manifests of their presentation, its headers and any of its segments.

use alloc::{string::String, vec::Vec};

use crate::{
    codec::Kind,
    dash,
    demux::Movie,
    density,
    error::{Error, Result},
    hls,
    i_frames::{IFrame, i_frames},
    order,
    presentation::{Addressing, Bandwidth, Layout, Presentation, Rendition, Source},
    segment::{
        chunk::{self, Fragment},
        header, index, text, trick_mode,
    },
    selection::{LeftOut, Selection, select},
    text::{Cues, webvtt},
    time::{self, Date, Timescale, rescale_length},
    timeline::Timeline,
    track::Track,
};
#[cfg(feature = "encryption")]
use crate::{
    encryption::Encryption,
    protection::Scheme,
    segment::encrypt::{self, EncryptedFragment, SegmentId},
};

/// The segment duration that is aimed at unless something else is asked for, in milliseconds.
pub const SEGMENT_MILLIS: u64 = 4000;

/// How a presentation is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// The segment duration that is aimed at, in milliseconds.
    pub segment_millis: u64,
    /// When the presentation begins by the clock; playlists say it where it is given.
    pub date: Option<Date>,
    /// How segments are kept.
    pub layout: Layout,
    /// How the MPD tells of segments that are files.
    pub addressing: Addressing,
    /// In which form players of HLS get text that can have both.
    pub hls_text: HlsText,
    /// How segments are encrypted, if they are.
    #[cfg(feature = "encryption")]
    pub encryption: Option<Encryption>,
}

/// The form of text in HLS (RFC 8216bis 3.1.4, 3.1.5). DASH has the second alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HlsText {
    /// Segments of WebVTT, which every player knows.
    #[default]
    WebVtt,
    /// Fragmented MP4.
    Fmp4,
}

impl Default for Options {
    fn default() -> Self {
        Self::segments_of(SEGMENT_MILLIS)
    }
}

impl Options {
    /// Segments of about this many milliseconds; all else as usual.
    pub fn segments_of(segment_millis: u64) -> Self {
        Self {
            segment_millis,
            date: None,
            layout: Layout::default(),
            addressing: Addressing::default(),
            hls_text: HlsText::default(),
            #[cfg(feature = "encryption")]
            encryption: None,
        }
    }
}

/// One or several files as a presentation: manifests are text at once, headers and segments are made when they are asked for.
#[derive(Clone, Debug)]
pub struct Vod {
    inputs: Vec<Movie>,
    presentation: Presentation,
    left_out: Vec<LeftOut>,
    remarks: Vec<String>,
    #[cfg(feature = "encryption")]
    encryption: Option<Encryption>,
    /// For each rendition, where its segments are encrypted and were made: the bytes of the fragments of each.
    #[cfg(feature = "encryption")]
    lengths: Vec<Option<Vec<Vec<u64>>>>,
}

impl Vod {
    /// Makes one presentation of `inputs`, whose tracks share one timeline: as [`select`] says.
    ///
    /// Text that has no samples of its own is cut exactly where the first video is, or else the first sound. In a track of `wvtt` or `stpp` a
    /// sample that is shown over a cut stays whole, in the segment in which it begins. Text that cannot be made is left out.
    ///
    /// # Errors
    ///
    /// There is no input, an input says that it has more than its bytes can hold, videos of several inputs cannot be cut at the same moments (the message says where and by how much), or a track
    /// cannot be encrypted as it should.
    pub fn new(mut inputs: Vec<Movie>, options: &Options) -> Result<Self> {
        if inputs.is_empty() {
            return Err(Error::misuse("a presentation is made of one input at least"));
        }
        if inputs.iter().flat_map(|movie| &movie.tracks).all(|track| track.kind() == Kind::Metadata) {
            return Err(Error::unsupported("nothing but timed metadata"));
        }
        density::check(&inputs, options.segment_millis)?;
        // A side file has no timeline of its own.
        let starts = inputs.iter().filter(|movie| !movie.side_file).map(Movie::start);
        let start = starts.min_by(|a, b| time::compare(*a, *b)).unwrap_or((0, Timescale::MILLIS));
        let Selection { tracks, mut left_out, remarks } = select(&inputs, options.segment_millis)?;
        let mut timelines: Vec<(Source, Timeline)> = tracks.into_iter().map(|(source, _, timeline)| (source, timeline)).collect();
        if inputs.iter().flat_map(|movie| &movie.tracks).any(|track| track.samples.is_empty()) {
            left_out.extend(add_text(&mut inputs, &mut timelines, start, options.segment_millis));
        }
        let tracks = timelines.into_iter().filter_map(|(source, timeline)| Some((source, track_of(&inputs, source)?, timeline)));
        let mut presentation =
            Presentation { date: options.date, layout: options.layout, addressing: options.addressing, ..Presentation::new(tracks, start) };
        if options.hls_text == HlsText::Fmp4 {
            presentation.renditions.iter_mut().for_each(|rendition| rendition.webvtt = false);
        }
        let vod = Self {
            inputs,
            presentation,
            left_out,
            remarks,
            #[cfg(feature = "encryption")]
            encryption: None,
            #[cfg(feature = "encryption")]
            lengths: Vec::new(),
        };
        #[cfg(feature = "encryption")]
        let vod = vod.encrypted(options.encryption.clone())?;
        Ok(vod)
    }

    /// The same with a set of key frames alone in the MPD for each set of pictures: payload that is named once more, and in files is there twice.
    ///
    /// # Errors
    ///
    /// Key frames cannot be encrypted as they should.
    pub fn with_trick_modes(mut self) -> Result<Self> {
        let videos: Vec<Rendition> = self.presentation.videos().cloned().collect();
        for Rendition { name, source, timeline, .. } in videos {
            let Some(track) = track_of(&self.inputs, source) else { continue };
            let Some((keys, cuts)) = trick_mode::key_frames(track, &timeline) else { continue };
            let playout_rate = track.samples.len() / keys.samples.len().max(1);
            let Some(movie) = self.inputs.get_mut(source.input) else { continue };
            let source = Source { track: movie.tracks.len(), ..source };
            self.presentation.add_trick_mode(&name, (source, &keys, Timeline::new(&keys, &cuts)), playout_rate);
            movie.tracks.push(keys);
        }
        #[cfg(feature = "encryption")]
        {
            let encryption = self.encryption.take();
            self = self.encrypted(encryption)?;
        }
        Ok(self)
    }

    /// The indexes it was made from.
    pub fn inputs(&self) -> &[Movie] {
        &self.inputs
    }

    /// The tracks of the inputs that are not in the presentation, besides those that the inputs have left out already.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// What whoever publishes it should know: a sentence each.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// What the manifests are written from.
    pub fn presentation(&self) -> &Presentation {
        &self.presentation
    }

    /// The input and the track that a rendition is made from.
    pub fn source(&self, rendition: &str) -> Result<Source> {
        self.rendition(rendition).map(|(rendition, _)| rendition.source)
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
        self.rendition(rendition).map(|(rendition, track)| hls::media_playlist(&self.presentation, rendition, &track.events))
    }

    /// The HLS media playlist of a rendition of which the first `arrived` segments are there and the others will come.
    pub fn event_playlist(&self, rendition: &str, arrived: u32) -> Result<String> {
        self.rendition(rendition).map(|(rendition, track)| hls::event_playlist(&self.presentation, rendition, &track.events, arrived))
    }

    /// The HLS playlist of the I-frames of a rendition of video.
    pub fn i_frame_playlist(&self, rendition: &str) -> Result<String> {
        let frames = self.i_frames(rendition)?;
        self.rendition(rendition).map(|(rendition, _)| hls::i_frame_playlist(&self.presentation, rendition, &frames))
    }

    /// Whether a rendition has a playlist of I-frames: one of video has, unless its segments are encrypted whole or none of its pictures can
    /// be decoded alone.
    pub fn has_i_frames(&self, rendition: &str) -> bool {
        self.i_frames(rendition).is_ok_and(|frames| !frames.is_empty())
    }

    fn i_frames(&self, rendition: &str) -> Result<Vec<IFrame>> {
        let (rendition, track) = self.rendition(rendition)?;
        if !rendition.is_video() {
            return Err(Error::misuse("only video has I-frames"));
        }
        #[cfg(feature = "encryption")]
        if let Some(protection) = rendition.protection() {
            let index = self.presentation.renditions.iter().position(|found| found.name == rendition.name);
            let lengths = index.and_then(|index| self.lengths.get(index)?.as_deref()).filter(|_| protection.scheme != Scheme::Aes128);
            let lengths = lengths.ok_or_else(|| {
                Error::misuse(
                    "where I-frames lie in encrypted segments is known once these are made, and of segments encrypted whole never",
                )
            })?;
            return Ok(i_frames(track, &rendition.timeline, self.presentation.start, Some(lengths)));
        }
        Ok(i_frames(track, &rendition.timeline, self.presentation.start, None))
    }

    /// The DASH manifest.
    pub fn mpd(&self) -> String {
        dash::mpd(&self.presentation)
    }

    /// The DASH manifest while the segments come, as far as they have: see [`dash::growing_mpd`].
    pub fn growing_mpd(&self, arrived: &dyn Fn(&Rendition) -> u32, published: Date, utc_timing: &str) -> String {
        dash::growing_mpd(&self.presentation, arrived, published, utc_timing)
    }

    /// The CMAF header of a rendition.
    pub fn header(&self, rendition: &str) -> Result<Vec<u8>> {
        let (_, track) = self.rendition(rendition)?;
        #[cfg(feature = "encryption")]
        if let Some(encryption) = &self.encryption
            && self.rendition(rendition)?.0.protection().is_some()
        {
            return Ok(encrypt::header(track, encryption));
        }
        Ok(header::cmaf_header(track))
    }

    /// The segment index of a rendition, which stands behind its header where all is one file.
    ///
    /// # Errors
    ///
    /// There is no such rendition, or a segment is larger than an index can tell.
    pub fn index(&self, rendition: &str) -> Result<Vec<u8>> {
        self.rendition(rendition).and_then(|(rendition, _)| index::segment_index(&rendition.timeline))
    }

    /// Segment `number`, counted from 1, of a rendition: fragments that follow each other, whose extents are ranges of the input that
    /// [`source`](Self::source) names.
    pub fn segment(&self, rendition: &str, number: u32) -> Result<Vec<Fragment>> {
        let (rendition, track) = self.rendition(rendition)?;
        let segment = rendition.timeline.segment(number).ok_or_else(no_segment)?;
        Ok(chunk::segment(track, segment.samples.clone()))
    }

    /// Segment `number`, counted from 1, of a rendition of text, as HLS has it: WebVTT with the cues that are shown in it.
    pub fn webvtt_segment(&self, rendition: &str, number: u32) -> Result<String> {
        let (rendition, track) = self.rendition(rendition)?;
        let cues = track.cues.as_ref().filter(|_| rendition.webvtt).ok_or_else(no_segment)?;
        let segment = rendition.timeline.segment(number).ok_or_else(no_segment)?;
        let millis = |ticks| rescale_length(ticks, rendition.timeline.timescale, Timescale::MILLIS);
        // The first lasts from the start of the presentation, in the playlist too.
        let start = self.presentation.start;
        let begin = if number == 1 { rescale_length(start.0, start.1, Timescale::MILLIS) } else { millis(segment.start) };
        Ok(webvtt::segment(cues, begin..millis(segment.end()), start))
    }

    /// Encrypts segment `number`, counted from 1, of a rendition. `payload`: the bytes that [`segment`](Self::segment) names, one after
    /// the other; they are encrypted in place.
    ///
    /// # Errors
    ///
    /// The presentation is not encrypted, the segment does not exist, `payload` is not as long as it must be, or a sample cannot be
    /// read: then `payload` is half encrypted and of no use.
    #[cfg(feature = "encryption")]
    pub fn encrypt(&self, rendition: &str, number: u32, payload: &mut [u8]) -> Result<Vec<EncryptedFragment>> {
        let encryption = self.encryption.as_ref().ok_or_else(|| Error::misuse("the presentation is not encrypted"))?;
        let (index, (rendition, track)) =
            (0..).zip(self.renditions()).find(|(_, (found, _))| found.name == rendition).ok_or_else(no_rendition)?;
        if rendition.protection().is_none() {
            return Err(Error::misuse("the rendition stays clear"));
        }
        let segment = rendition.timeline.segment(number).ok_or_else(no_segment)?;
        let id = SegmentId { number, rendition: index };
        encrypt::segment(track, segment.samples.clone(), id, encryption, payload)
    }

    /// Takes over what came of all segments of a rendition: for each the bytes of its fragments, as [`encrypt`](Self::encrypt) made them.
    /// Bit rates and I-frames in manifests are then those of the encrypted segments; before, of the clear ones.
    #[cfg(feature = "encryption")]
    pub fn measured(&mut self, rendition: &str, lengths: Vec<Vec<u64>>) -> Result<()> {
        let start = self.presentation.start;
        let found = self.presentation.renditions.iter_mut().enumerate().find(|(_, found)| found.name == rendition);
        let (index, rendition) = found.ok_or_else(no_rendition)?;
        for (segment, lengths) in rendition.timeline.segments.iter_mut().zip(&lengths) {
            segment.bytes = lengths.iter().sum();
        }
        rendition.measure(start);
        if self.lengths.len() <= index {
            self.lengths.resize(index + 1, None);
        }
        if let Some(slot) = self.lengths.get_mut(index) {
            *slot = Some(lengths);
        }
        Ok(())
    }

    /// How segments are encrypted, if they are.
    #[cfg(feature = "encryption")]
    pub fn encryption(&self) -> Option<&Encryption> {
        self.encryption.as_ref()
    }

    /// Encrypted, if `encryption` says how: every video must be of a codec that has a rule for it.
    #[cfg(feature = "encryption")]
    fn encrypted(mut self, encryption: Option<Encryption>) -> Result<Self> {
        if let Some(encryption) = &encryption {
            if self.presentation.layout == Layout::SingleFile && encryption.scheme() == Scheme::Aes128 {
                let message =
                    "encryption by AES-128 in single files: it is of whole segments, which are files of no format then; keep segments";
                return Err(Error::unsupported(message));
            }
            // Text and metadata are read by more than players: they stay clear.
            let is_media = |rendition: &&mut Rendition| matches!(rendition.kind(), Kind::Video | Kind::Audio);
            for rendition in self.presentation.renditions.iter_mut().filter(is_media) {
                let Source { input, track } = rendition.source;
                if let Some(track) = self.inputs.get(input).and_then(|movie| movie.tracks.get(track)) {
                    encrypt::check(track, encryption)?;
                    rendition.header_length = encrypt::header(track, encryption).len() as u64;
                }
                let segments = u32::try_from(rendition.timeline.segments.len()).unwrap_or(u32::MAX);
                rendition.protection = Some(encryption.protection(rendition.kind(), segments));
            }
        }
        self.encryption = encryption;
        Ok(self)
    }

    /// The renditions, each with the track that it is made from.
    pub fn renditions(&self) -> impl Iterator<Item = (&Rendition, &Track)> {
        self.presentation.renditions.iter().filter_map(|rendition| {
            let Source { input, track } = rendition.source;
            Some((rendition, self.inputs.get(input)?.tracks.get(track)?))
        })
    }

    /// Heap memory that it takes, in bytes.
    pub fn memory(&self) -> usize {
        let segments: usize = self.presentation.renditions.iter().map(|rendition| rendition.timeline.segments.len()).sum();
        let inputs: usize = self.inputs.iter().map(|movie| movie.memory() + size_of::<Movie>()).sum();
        inputs + segments * size_of::<crate::timeline::Segment>() + self.presentation.renditions.len() * size_of::<Rendition>()
    }

    /// Bytes that all its manifests come to, about: for who keeps them.
    pub fn text_length(&self) -> usize {
        /// Bytes that a segment takes in a media playlist and in the MPD, and a key frame in a playlist of I-frames.
        const SEGMENT: usize = 64;
        const KEY_FRAME: usize = 64;
        let of = |(rendition, track): (&Rendition, &Track)| {
            let key_frames = if rendition.is_video() { track.samples.sync_count() } else { 0 };
            rendition.timeline.segments.len() * SEGMENT + key_frames * KEY_FRAME
        };
        self.renditions().map(of).sum()
    }

    fn rendition(&self, name: &str) -> Result<(&Rendition, &Track)> {
        let found = self.renditions().find(|(rendition, _)| rendition.name == name);
        found.ok_or_else(no_rendition)
    }
}

fn track_of(inputs: &[Movie], source: Source) -> Option<&Track> {
    inputs.get(source.input)?.tracks.get(source.track)
}

/// Makes the samples of text that has none, and adds their timelines in the order of their sources. Returns what cannot be made.
fn add_text(inputs: &mut [Movie], timelines: &mut Vec<(Source, Timeline)>, start: (u64, Timescale), target: u64) -> Vec<LeftOut> {
    let millis = |ticks, scale| rescale_length(ticks, scale, Timescale::MILLIS);
    let origin = millis(start.0, start.1);
    for movie in inputs.iter_mut().filter(|movie| movie.side_file && origin > 0) {
        movie.tracks.iter_mut().filter_map(|track| track.cues.as_mut()).for_each(|cues| cues.delay(origin));
    }
    let is = |source, kind| track_of(inputs, source).is_some_and(|track| track.kind() == kind);
    let lead = [Kind::Video, Kind::Audio].iter().find_map(|kind| timelines.iter().find(|(source, _)| is(*source, *kind)));
    let ends = timelines.iter().map(|(_, timeline)| millis(timeline.end(), timeline.timescale));
    let cues = || inputs.iter().flat_map(|movie| &movie.tracks).filter_map(|track| track.cues.as_ref());
    let end = ends.max().or_else(|| cues().map(Cues::end).max()).unwrap_or(0);
    let bounds = text::bounds(origin, lead.map(|(_, timeline)| timeline), target, end);
    let mut left_out = Vec::new();
    for (input, movie) in inputs.iter_mut().enumerate() {
        let size = movie.size;
        for (index, track) in movie.tracks.iter_mut().enumerate().filter(|(_, track)| track.samples.is_empty()) {
            let source = Source { input, track: index };
            match text::make(track, &bounds, size) {
                Ok(cuts) => timelines.push((source, Timeline::new(track, &cuts))),
                Err(reason) => left_out.push(LeftOut { source, reason }),
            }
        }
    }
    timelines.retain(|(_, timeline)| !timeline.segments.is_empty());
    // Text in the order of its sources, all else as it was.
    let is_text = |source| track_of(inputs, source).is_some_and(|track| track.kind() == Kind::Text);
    for key in [|source: Source| source.track, |source: Source| source.input] {
        order::by_key(timelines, |(source, _)| if is_text(*source) { key(*source) as u64 + 1 } else { 0 });
    }
    left_out
}

fn no_rendition() -> Error {
    Error::misuse("there is no such rendition")
}

fn no_segment() -> Error {
    Error::misuse("there is no such segment")
}
