//! A response body that keeps to the `Content-Length` announced, or fails.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{activity::Busy, gate::Permit, order::Turn, pace::Pace, wish::Wish};
use crate::metrics::Record;

/// Over HTTP/2 and HTTP/3 nothing below us notices that a body ends early: the client would get a clean end of a torn response.
/// This body turns a length other than the announced one into an error, and every transport turns an error into a reset.
#[derive(Debug)]
pub(super) struct Measured<B> {
    /// None: the response has no content.
    body: Option<B>,
    /// Among the contents that are under way on the connection.
    turn: Option<Turn>,
    expects: Expects,
    /// Says that the connection is at work until the last byte is handed over.
    busy: Option<Busy>,
    /// Hears of each piece that is handed over.
    pace: Option<Pace>,
    /// The place of the request among all that are under way.
    permit: Option<Permit>,
    /// What the client wishes of it, kept as long as there is something to wish for.
    wish: Option<Wish>,
    record: Record,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expects {
    /// No content.
    Nothing,
    /// Until the body says it ends.
    End,
    /// So many bytes more.
    Bytes(u64),
}

impl<B> Measured<B> {
    /// A body that must be `announced` bytes long, when that is known, and goes in its turn.
    pub fn new(body: B, announced: Option<u64>, turn: Turn, record: Record) -> Self {
        let expects = announced.map_or(Expects::End, Expects::Bytes);
        Self { body: Some(body), turn: Some(turn), expects, busy: None, pace: None, permit: None, wish: None, record }
    }

    /// No content: HEAD, 204, 304, and what we answer ourselves.
    pub fn absent(mut record: Record) -> Self {
        record.complete();
        Self { body: None, turn: None, expects: Expects::Nothing, busy: None, pace: None, permit: None, wish: None, record }
    }

    /// Its turn, if there is content.
    pub fn turn(&mut self) -> Option<&mut Turn> {
        self.turn.as_mut()
    }

    /// Keeps `permit` as long as the body lives.
    pub fn holding(mut self, permit: Permit) -> Self {
        self.permit = Some(permit);
        self
    }

    /// Keeps `busy` and `wish` as long as the body lives, and tells `pace` of each piece.
    pub fn watched(mut self, busy: Busy, wish: Option<Wish>, pace: Pace) -> Self {
        self.busy = Some(busy);
        self.wish = wish;
        self.pace = Some(pace);
        self
    }
}

impl<B: Body<Data = Bytes, Error = io::Error> + Unpin> Measured<B> {
    fn poll_measured(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        let Expects::Bytes(left) = self.expects else { return Poll::Ready(frame) };
        Poll::Ready(match frame {
            Some(Ok(frame)) => match left.checked_sub(frame.data_ref().map_or(0, |data| data.len() as u64)) {
                Some(left) => {
                    self.expects = Expects::Bytes(left);
                    Some(Ok(frame))
                }
                None => Some(Err(io::Error::other("the response body is longer than its Content-Length"))),
            },
            None if left > 0 => Some(Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the response body is {left} bytes shorter than its Content-Length"),
            ))),
            other => other,
        })
    }
}

impl<B: Body<Data = Bytes, Error = io::Error> + Unpin> Body for Measured<B> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(pace) = &self.pace {
            pace.taken();
        }
        if let Some(turn) = &mut self.turn {
            ready!(turn.poll(cx));
        }
        let frame = self.poll_measured(cx);
        if let Some(turn) = &self.turn {
            turn.gave(frame.is_ready());
        }
        let frame = ready!(frame);
        match &frame {
            Some(Ok(frame)) => {
                if let Some(pace) = &self.pace {
                    pace.gave();
                }
                self.record.gave(frame.data_ref().map_or(0, Bytes::len));
                if self.is_end_stream() {
                    self.record.complete(); // nobody need ask again
                }
            }
            Some(Err(_)) => {}
            None => self.record.complete(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match self.expects {
            Expects::Nothing | Expects::Bytes(0) => true,
            Expects::Bytes(_) => false, // also when the body has ended: then it has to be asked, to fail
            Expects::End => self.body.as_ref().is_none_or(Body::is_end_stream),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.expects {
            // Not exactly 0: that would announce a length of 0 for what HEAD did not fetch.
            Expects::Nothing => SizeHint::default(),
            Expects::Bytes(left) => SizeHint::with_exact(left),
            Expects::End => self.body.as_ref().map_or_else(SizeHint::default, Body::size_hint),
        }
    }
}
