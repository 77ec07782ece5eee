//! From the bytes of a fragmented MP4 that goes on, as they come, to its samples (ISO/IEC 14496-12 8.8; CMAF, ISO/IEC 23000-19 7.3).
//!
//! ```text
//! ftyp moov ( [styp] [sidx] [prft] [emsg] moof mdat )*
//! ```
//!
//! A sample is given as soon as its own bytes are there, whatever the length of its fragment; its bytes are those that came off the wire.

mod buffer;
mod fragment;

use alloc::{collections::VecDeque, format, vec::Vec};

use bytes::Bytes;

use super::{LeftOut, builder::TrackBuilder, coding, fragmented::Fragments, is_first, start_of};
use crate::{
    boxes::{BoxHeader, FourCc, movie::MovieBox},
    coding::Reader,
    error::{Error, Result},
    sample::LiveSample,
    time::Moment,
    track::Track,
};
use buffer::Buffer;
use fragment::{Place, Timeline};

/// The largest `moov` of a stream that is read, in bytes.
pub const MAX_HEADER: u64 = 4 << 20;
/// The largest `moof` of a stream that is read, in bytes.
pub const MAX_FRAGMENT: u64 = 4 << 20;
/// The largest `prft`, `emsg` and `styp` that are read, in bytes.
const MAX_MESSAGE: u64 = 64 << 10;

/// What a stream tells, in its order.
#[derive(Clone, Debug)]
pub enum Item {
    /// Its tracks, which have no samples in them. Another header than before: what follows is described anew.
    Header(Vec<Track>),
    /// A sample.
    Sample {
        /// Index of its track in the last header.
        track: usize,
        /// The sample.
        sample: LiveSample,
    },
    /// When a moment of the media is by the clock of the encoder.
    ReferenceTime {
        /// Index of the track whose ticks it counts.
        track: usize,
        /// Both times.
        reference: ReferenceTime,
    },
    /// A box `emsg`, whole (ISO/IEC 23009-1 5.10.3.3).
    Event(Bytes),
    /// The source said that nothing follows.
    End,
}

/// A time of the media and the same by the clock (`prft`; ISO/IEC 14496-12 8.16.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferenceTime {
    /// Decoding time in ticks of the track, by the clock of the source.
    pub media_time: u64,
    /// When that was.
    pub clock: Moment,
    /// What happened to the media then: flags of the box.
    pub flags: u32,
}

/// Reads a stream that is pushed.
///
/// [`push`](Self::push) what came, then [`poll`](Self::poll) until there is nothing. After an error the stream cannot be read on.
#[derive(Debug, Default)]
pub struct StreamDemuxer {
    buffer: Buffer,
    state: State,
    header: Option<Header>,
    /// Samples that a `moof` announces and whose bytes have not come, in the order of their bytes.
    awaited: VecDeque<Place>,
    items: VecDeque<Item>,
    /// Whether the source said that this segment is the last.
    last: bool,
    failed: Option<Error>,
}

/// What is read next.
#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// The header of a box.
    #[default]
    Header,
    /// A box that is read whole: its name and its bytes.
    Whole(FourCc, usize),
    /// The content of a box up to this byte of the input, for ever if there is none; whether it is media.
    Content(Option<u64>, bool),
}

/// What `moov` said.
#[derive(Debug)]
struct Header {
    bytes: Bytes,
    fragments: Fragments,
    /// Those of the tracks that are carried.
    timelines: Vec<Timeline>,
    left_out: Vec<LeftOut>,
}

impl StreamDemuxer {
    /// Of a stream of which nothing has come.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the bytes that come next, in pieces of any length.
    pub fn push(&mut self, bytes: Bytes) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.buffer.push(bytes);
        self.advance().inspect_err(|error| self.failed = Some(error.clone()))
    }

    /// What was found in it, in order.
    pub fn poll(&mut self) -> Option<Item> {
        self.items.pop_front()
    }

    /// Bytes that were read, from the first on.
    pub fn position(&self) -> u64 {
        self.buffer.position()
    }

    /// Whether a header has come. Fragments before it are an error.
    pub fn has_header(&self) -> bool {
        self.header.is_some()
    }

    /// The tracks of the last header that are not carried, and why.
    pub fn left_out(&self) -> &[LeftOut] {
        self.header.as_ref().map_or(&[], |header| &header.left_out)
    }

    /// Whether nothing is missing of what has begun: a body may end here.
    pub fn is_whole(&self) -> bool {
        self.awaited.is_empty() && self.buffer.len() == 0 && !matches!(self.state, State::Whole(..) | State::Content(Some(_), _))
    }

    /// A body of several that make up the stream ends here: the next begins with a box, and the header stays. What is not whole is
    /// forgotten, which is an error of kind [`Truncated`](crate::ErrorKind::Truncated); the stream goes on all the same.
    pub fn finish_body(&mut self) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let (position, missing) = (self.buffer.position(), self.awaited.len());
        let whole = self.is_whole();
        self.buffer.skip(u64::MAX);
        (self.state, self.awaited) = (State::Header, VecDeque::new());
        if core::mem::take(&mut self.last) {
            self.items.push_back(Item::End);
        }
        if whole {
            return Ok(());
        }
        Err(Error::truncated(format!("the body is cut short: it ends inside a box, {missing} samples of its last fragment are missing"))
            .at(position))
    }

    fn advance(&mut self) -> Result<()> {
        loop {
            let goes_on = match self.state {
                State::Header => self.read_header()?,
                State::Whole(name, length) if self.buffer.len() >= length => {
                    let position = self.buffer.position();
                    let bytes = self.buffer.take_whole(length);
                    self.state = State::Header;
                    self.read_whole(name, &bytes, position)?;
                    true
                }
                State::Whole(..) => false,
                State::Content(end, media) => self.read_content(end, media)?,
            };
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// Reads the header of a box, if it is there.
    fn read_header(&mut self) -> Result<bool> {
        const LARGEST: usize = 16;
        if self.buffer.len() < 8 {
            return Ok(false);
        }
        let position = self.buffer.position();
        let mut room = [0; LARGEST];
        let start = self.buffer.peek(&mut room);
        let long = start.starts_with(&[0, 0, 0, 1]);
        if long && start.len() < LARGEST {
            return Ok(false);
        }
        let header = BoxHeader::read(&mut Reader::new(start, position))?;
        if position == 0 && !is_first(header.name) {
            let message = format!("not a fragmented MP4: it begins with{}", start_of(start));
            return Err(Error::unsupported(message).at(0));
        }
        let end = header.size.map(|size| position.saturating_add(size));
        let limit = match &header.name.0 {
            b"moov" => MAX_HEADER,
            b"moof" => MAX_FRAGMENT,
            b"prft" | b"emsg" | b"styp" => MAX_MESSAGE,
            _ => {
                if &header.name.0 == b"mfra" {
                    self.last = true;
                }
                self.buffer.skip(header.header);
                self.state = State::Content(end, &header.name.0 == b"mdat");
                return Ok(true);
            }
        };
        let length = header.size.filter(|length| *length <= limit).ok_or_else(|| {
            let message = format!("box '{}' of a stream is longer than {limit} bytes or says no length", header.name);
            Error::unsupported(message).at(position)
        })?;
        self.state = State::Whole(header.name, usize::try_from(length).unwrap_or(usize::MAX));
        Ok(true)
    }

    fn read_whole(&mut self, name: FourCc, bytes: &Bytes, position: u64) -> Result<()> {
        let mut content = Reader::new(bytes, position);
        BoxHeader::read(&mut content)?;
        let in_box = |error: Error| error.within(name);
        match &name.0 {
            b"moov" => self.read_movie(content, bytes).map_err(in_box),
            b"moof" => self.read_fragment(content, position).map_err(in_box),
            b"prft" => self.read_reference(content).map_err(in_box),
            b"styp" => {
                self.last |= content.rest().as_chunks::<4>().0.contains(b"lmsg");
                Ok(())
            }
            _ => {
                self.items.push_back(Item::Event(bytes.clone()));
                Ok(())
            }
        }
    }

    fn read_movie(&mut self, content: Reader<'_>, bytes: &Bytes) -> Result<()> {
        if self.header.as_ref().is_some_and(|header| header.bytes == bytes) {
            return Ok(());
        }
        self.check_nothing_awaited(content.position())?;
        let movie = MovieBox::read(content)?;
        let (mut tracks, mut timelines, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        for boxes in &movie.tracks {
            if boxes.sample_table.as_ref().is_some_and(|tables| tables.sizes.count() > 0) {
                let message = "the movie box has samples of its own: a stream has them in fragments alone \
                               (ffmpeg: -movflags +frag_keyframe+empty_moov+default_base_moof)";
                return Err(Error::unsupported(message).at(content.position()));
            }
            match TrackBuilder::new(boxes, movie.timescale, false).and_then(TrackBuilder::announce) {
                Ok((track, descriptions)) => {
                    timelines.push(Timeline::new(track.id, descriptions));
                    tracks.push(track);
                }
                Err(reason) => left_out.push(LeftOut { id: boxes.id, handler: boxes.handler, coding: coding(boxes), reason }),
            }
        }
        if tracks.is_empty() {
            let reason = left_out.first().map(|left_out| left_out.reason.clone());
            return Err(reason.unwrap_or_else(|| Error::malformed("the movie has no track").by("ISO/IEC 14496-12 8.2.1")));
        }
        let fragments = Fragments::new(movie.extends.unwrap_or_default());
        self.header = Some(Header { bytes: bytes.clone(), fragments, timelines, left_out });
        self.items.push_back(Item::Header(tracks));
        Ok(())
    }

    fn read_fragment(&mut self, content: Reader<'_>, position: u64) -> Result<()> {
        self.check_nothing_awaited(position)?;
        let data = self.buffer.position();
        let header = self.header.as_mut().ok_or_else(|| {
            Error::malformed("a fragment comes before the header ('moov') of the stream").at(position).by("ISO/IEC 23000-19 7.3.1")
        })?;
        self.awaited = fragment::places(&header.fragments, &mut header.timelines, content, (position, data))?;
        self.give_empty();
        Ok(())
    }

    fn read_reference(&mut self, mut content: Reader<'_>) -> Result<()> {
        let (version, flags) = content.full_box()?;
        let id = content.u32()?;
        let clock = Moment::from_ntp(content.u64()?);
        let media_time = if version == 1 { content.u64()? } else { content.u32()?.into() };
        let timelines = self.header.as_ref().map_or(&[][..], |header| &header.timelines);
        if let Some(track) = timelines.iter().position(|timeline| timeline.id == id) {
            let media_time = if version == 1 { media_time } else { timelines.get(track).map_or(0, |timeline| timeline.unwrap(media_time)) };
            self.items.push_back(Item::ReferenceTime { track, reference: ReferenceTime { media_time, clock, flags } });
        }
        Ok(())
    }

    fn check_nothing_awaited(&self, position: u64) -> Result<()> {
        let Some(place) = self.awaited.front() else { return Ok(()) };
        let message = format!("{} samples, the first at byte {}, are announced and did not come", self.awaited.len(), place.sample.offset);
        Err(Error::malformed(message).at(position).by("ISO/IEC 14496-12 8.8.8"))
    }

    /// Goes on in the content of a box: gives its samples and passes over the rest.
    fn read_content(&mut self, end: Option<u64>, media: bool) -> Result<bool> {
        while let Some(place) = self.awaited.front().filter(|place| media && end.is_none_or(|end| place.sample.offset < end)) {
            let range = place.sample.range();
            if end.is_some_and(|end| end < range.end) {
                let message = format!("a sample ends at byte {}, the box 'mdat' that it begins in before it", range.end);
                return Err(Error::malformed(message).at(range.start).by("ISO/IEC 14496-12 8.8.8"));
            }
            let before = range.start.saturating_sub(self.buffer.position());
            if self.buffer.skip(before) < before {
                return Ok(false);
            }
            let length = usize::try_from(place.sample.size).unwrap_or(usize::MAX);
            if self.buffer.len() < length {
                return Ok(false);
            }
            let payload = self.buffer.take(length);
            if let Some(place) = self.awaited.pop_front() {
                self.items.push_back(place.item(payload));
            }
            self.give_empty();
        }
        let left = end.map_or(u64::MAX, |end| end.saturating_sub(self.buffer.position()));
        if self.buffer.skip(left) < left {
            return Ok(false);
        }
        self.state = State::Header;
        Ok(true)
    }

    /// Samples without bytes need none to come.
    fn give_empty(&mut self) {
        while let Some(place) = self.awaited.pop_front_if(|place| place.sample.size == 0) {
            self.items.push_back(place.item(Vec::new()));
        }
    }
}
