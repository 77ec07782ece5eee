//! RTMP, the side of the server, for those who publish (Adobe RTMP 1.0; Enhanced RTMP v2): bytes of the peer go in, bytes for the peer and
//! the items of a stream come out. It has no socket and no clock.
//!
//! ```text
//! bytes -> handshake -> chunk stream -> messages -> commands: who publishes what
//!                                                '-> tags -> items
//! ```
//!
//! Who plays is turned away: viewers come by HTTP.

mod chunk;
mod command;

use alloc::{collections::VecDeque, format, string::String, vec::Vec};

use bytes::Bytes;

use super::{LeftOut, flv::TagDemuxer, stream::Item};
use crate::{
    coding::{Reader, Writer},
    error::{Error, Result},
};
use chunk::{Chunks, Message, OUR_SIZE};
use command::Command;

/// Bytes of a packet of the handshake (5.2.3).
const HANDSHAKE: usize = 1536;
/// The version of the protocol (5.2.2).
const VERSION: u8 = 3;
/// Bytes after which either side says what it has received, until it says otherwise (5.4.4).
const WINDOW: u32 = 2_500_000;
/// The longest command, in bytes.
const MOST_COMMAND: usize = 64 << 10;

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The peer asks to publish: [`Session::accept`] or [`Session::refuse`]. Nothing is read on before.
    Publish {
        /// The application that it named: the path of the URL up to the last step.
        app: String,
        /// The name of the stream, as it was written, query included.
        name: String,
    },
    /// What the stream tells.
    Item(Item),
    /// The peer says that it has ended.
    Ended,
}

/// Where the session is.
#[derive(Debug, PartialEq, Eq)]
enum State {
    /// Nothing has come.
    Hello,
    /// The answer to the first half of the handshake was given.
    Echo,
    /// Commands are taken.
    Ready,
    /// It is to be decided whether the peer may publish, in this message stream.
    Asked(u32),
    /// It publishes.
    Publishing,
    /// Nothing more is read.
    Over,
}

/// A session with a peer that publishes.
///
/// [`push`](Self::push) what came, then [`poll`](Self::poll) until there is nothing and send what [`to_send`](Self::to_send) gives. After an
/// error the session cannot be read on.
#[derive(Debug)]
pub struct Session {
    state: State,
    /// What has come and was not read.
    rest: Vec<u8>,
    chunks: Chunks,
    tags: TagDemuxer,
    out: Writer,
    /// The chunk size of what is written.
    size: usize,
    app: String,
    events: VecDeque<Event>,
    /// Bytes received, those acknowledged, and after how many that is to be.
    received: u32,
    acknowledged: u32,
    window: u32,
    failed: Option<Error>,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            state: State::Hello,
            rest: Vec::new(),
            chunks: Chunks::default(),
            tags: TagDemuxer::new(),
            out: Writer::default(),
            size: 128,
            app: String::new(),
            events: VecDeque::new(),
            received: 0,
            acknowledged: 0,
            window: WINDOW,
            failed: None,
        }
    }
}

impl Session {
    /// With a peer of which nothing has come.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the bytes that come next, in pieces of any length.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.rest.extend_from_slice(bytes);
        self.received = self.received.wrapping_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.advance()
    }

    /// What happened, in order.
    pub fn poll(&mut self) -> Option<Event> {
        while let Some(item) = self.tags.poll() {
            self.events.push_back(Event::Item(item));
        }
        self.events.pop_front()
    }

    /// What is to be sent to the peer.
    pub fn to_send(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.out).into_bytes()
    }

    /// Whether the handshake is done.
    pub fn is_begun(&self) -> bool {
        !matches!(self.state, State::Hello | State::Echo)
    }

    /// Whether it is known how the samples are to be decoded.
    pub fn has_header(&self) -> bool {
        self.tags.has_header()
    }

    /// What is not carried of the stream, and why.
    pub fn left_out(&self) -> &[LeftOut] {
        self.tags.left_out()
    }

    /// The peer may publish what it asked for.
    pub fn accept(&mut self) -> Result<()> {
        let State::Asked(stream) = self.state else { return Ok(()) };
        self.state = State::Publishing;
        let mut begin = Vec::from([0, 0]);
        begin.extend(stream.to_be_bytes());
        self.send(2, &Message { kind: 4, stream: 0, timestamp: 0, body: begin.into() });
        self.command(stream, &command::status("status", "NetStream.Publish.Start", "it may begin"));
        self.advance()
    }

    /// The peer may not publish what it asked for, and is told why; nothing more is read.
    pub fn refuse(&mut self, why: &str) {
        let stream = if let State::Asked(stream) = self.state { stream } else { 0 };
        self.state = State::Over;
        self.command(stream, &command::status("error", "NetStream.Publish.BadName", why));
    }

    /// Nothing comes any more: what is held is given.
    pub fn finish(&mut self) {
        if self.state == State::Publishing {
            self.tags.finish();
        }
        self.state = State::Over;
    }

    fn advance(&mut self) -> Result<()> {
        let mut rest = core::mem::take(&mut self.rest);
        let mut start = 0;
        let done = loop {
            match self.step(rest.get(start..).unwrap_or_default()) {
                Ok(0) => break Ok(()),
                Ok(used) => start += used,
                Err(error) => break Err(error),
            }
        };
        rest.drain(..start.min(rest.len()));
        self.rest = rest;
        if self.is_begun() && self.received.wrapping_sub(self.acknowledged) >= self.window / 2 {
            self.acknowledged = self.received;
            self.control(3, self.received);
        }
        done.inspect_err(|error| self.failed = Some(error.clone()))
    }

    /// Reads what `bytes` begin with; how many bytes that is, 0 where more is needed.
    fn step(&mut self, bytes: &[u8]) -> Result<usize> {
        match self.state {
            State::Hello => {
                if bytes.first().is_some_and(|version| *version != VERSION) {
                    let message = "this is no RTMP: it begins with another byte than 3 (encrypted RTMP, 6, is not spoken; RTMPS is)";
                    return Err(Error::unsupported(message).at(0).by("RTMP 1.0 5.2.2"));
                }
                let Some(packet) = bytes.get(1..1 + HANDSHAKE) else { return Ok(0) };
                // Without a digest, which no encoder asks for: time and version are zero.
                self.out.u8(VERSION);
                self.out.zeros(HANDSHAKE);
                self.out.bytes(packet);
                self.state = State::Echo;
                Ok(1 + HANDSHAKE)
            }
            State::Echo if bytes.len() < HANDSHAKE => Ok(0),
            State::Echo => {
                self.state = State::Ready;
                Ok(HANDSHAKE)
            }
            State::Ready | State::Publishing => {
                let Some((used, message)) = self.chunks.read(bytes)? else { return Ok(0) };
                if let Some(message) = message {
                    self.message(message)?;
                }
                Ok(used)
            }
            State::Asked(_) => Ok(0),
            State::Over => Ok(bytes.len()),
        }
    }

    fn message(&mut self, message: Message) -> Result<()> {
        let Message { kind, stream, timestamp, body } = message;
        let number = || Reader::new(&body, 0).u32().map_err(|error| error.by("RTMP 1.0 5.4"));
        match kind {
            1 => self.chunks.set_size(number()?)?,
            2 => self.chunks.abort(number()?),
            4 => self.user_control(&body),
            5 => self.window = number()?.max(64 << 10),
            8 | 9 | 18 | 22 if self.state == State::Publishing => self.media(kind, timestamp, &body)?,
            8 | 9 | 22 => return Err(Error::malformed("media before the peer has asked to publish").by("RTMP 1.0 7.2.2.6")),
            17 | 20 => {
                if body.len() > MOST_COMMAND {
                    return Err(Error::malformed(format!("a command of {} bytes", body.len())));
                }
                // A command with values of AMF 3 begins with a zero, and has values of AMF 0 all the same.
                let values = if kind == 17 { body.get(1..).unwrap_or_default() } else { &body };
                self.handle(stream, command::read(values)?);
            }
            // Acknowledgements, bandwidth, data of AMF 3, shared objects.
            _ => {}
        }
        Ok(())
    }

    fn media(&mut self, kind: u8, timestamp: u32, body: &Bytes) -> Result<()> {
        match kind {
            8 => self.tags.audio(timestamp, body),
            9 => self.tags.video(timestamp, body),
            18 => {
                self.tags.script(body);
                Ok(())
            }
            _ => self.aggregate(timestamp, body),
        }
    }

    /// Tags one after the other, whose timestamps count from the first (7.1.6).
    fn aggregate(&mut self, timestamp: u32, body: &Bytes) -> Result<()> {
        let mut reader = Reader::new(body, 0);
        let mut first = None;
        while reader.remaining() >= 11 {
            let kind = reader.u8()?;
            let length = usize::try_from(reader.u24()?).unwrap_or(usize::MAX);
            let low = reader.u24()?;
            let time = u32::from(reader.u8()?) << 24 | low;
            reader.skip(3)?;
            let start = body.len() - reader.remaining();
            reader.skip(length).map_err(|error| error.by("RTMP 1.0 7.1.6"))?;
            reader.skip(reader.remaining().min(4))?; // how long the tag was
            let first = *first.get_or_insert(time);
            if matches!(kind, 8 | 9 | 18) {
                let time = timestamp.wrapping_add(time.wrapping_sub(first));
                self.media(kind, time, &body.slice(start..start + length))?;
            }
        }
        Ok(())
    }

    /// A ping is answered (7.1.7).
    fn user_control(&mut self, body: &[u8]) {
        if let Some(time) = body.strip_prefix(&[0, 6]) {
            let answer = [&[0, 7], time.get(..4).unwrap_or_default()].concat();
            self.send(2, &Message { kind: 4, stream: 0, timestamp: 0, body: answer.into() });
        }
    }

    fn handle(&mut self, stream: u32, command: Command) {
        match command {
            Command::Connect { transaction, app } => {
                self.app = app;
                self.control(5, WINDOW);
                self.send(2, &Message { kind: 6, stream: 0, timestamp: 0, body: [&WINDOW.to_be_bytes()[..], &[2]].concat().into() });
                self.control(1, u32::try_from(OUR_SIZE).unwrap_or(128));
                self.size = OUR_SIZE;
                self.command(0, &command::connected(transaction));
            }
            Command::CreateStream { transaction } => self.command(0, &command::created(transaction)),
            Command::Publish { name } if self.state == State::Ready => {
                self.state = State::Asked(stream);
                self.events.push_back(Event::Publish { app: self.app.clone(), name });
            }
            Command::Publish { .. } => self.command(stream, &command::status("error", "NetStream.Publish.BadName", "it publishes already")),
            Command::Play => {
                self.command(
                    stream,
                    &command::status("error", "NetStream.Play.Failed", "viewers come by HTTP: see /live/NAME/master.m3u8"),
                );
                self.state = State::Over;
            }
            Command::End if self.state == State::Publishing => {
                self.finish();
                while let Some(item) = self.tags.poll() {
                    self.events.push_back(Event::Item(item));
                }
                self.events.push_back(Event::Ended);
            }
            Command::Other { transaction } if transaction > 0.0 => self.command(0, &command::done(transaction)),
            Command::End | Command::Other { .. } => {}
        }
    }

    fn control(&mut self, kind: u8, value: u32) {
        self.send(2, &Message { kind, stream: 0, timestamp: 0, body: value.to_be_bytes().to_vec().into() });
    }

    fn command(&mut self, stream: u32, values: &[super::amf::Value]) {
        let body = super::amf::write(values).into();
        self.send(3, &Message { kind: 20, stream, timestamp: 0, body });
    }

    fn send(&mut self, chunk_stream: u8, message: &Message) {
        chunk::write(&mut self.out, chunk_stream, message, self.size);
    }
}

#[cfg(test)]
mod tests;
