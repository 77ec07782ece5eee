//! A response body that keeps to the `Content-Length` announced, or fails.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::activity::Busy;

/// Over HTTP/2 and HTTP/3 nothing below us notices that a body ends early: the client would get a clean end of a torn response.
/// This body turns a length other than the announced one into an error, and every transport turns an error into a reset.
#[derive(Debug)]
pub(super) struct Measured<B> {
    body: B,
    expects: Expects,
    /// Says that the connection is at work until the last byte is handed over.
    busy: Option<Busy>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expects {
    /// The response has no content: HEAD, 204, 304.
    Nothing,
    /// Until the body says it ends.
    End,
    /// So many bytes more.
    Bytes(u64),
}

impl<B> Measured<B> {
    /// A body that must be `announced` bytes long, when that is known.
    pub fn new(body: B, announced: Option<u64>) -> Self {
        Self { body, expects: announced.map_or(Expects::End, Expects::Bytes), busy: None }
    }

    /// A body that is not sent.
    pub fn absent(body: B) -> Self {
        Self { body, expects: Expects::Nothing, busy: None }
    }

    /// Keeps `busy` as long as the body lives.
    pub fn keeping(mut self, busy: Busy) -> Self {
        self.busy = Some(busy);
        self
    }

    /// The response has no content.
    pub fn is_absent(&self) -> bool {
        self.expects == Expects::Nothing
    }
}

impl<B: Body<Data = Bytes, Error = io::Error> + Unpin> Body for Measured<B> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.is_absent() {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
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

    fn is_end_stream(&self) -> bool {
        match self.expects {
            Expects::Nothing | Expects::Bytes(0) => true,
            Expects::Bytes(_) => false, // also when the body has ended: then it has to be asked, to fail
            Expects::End => self.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.expects {
            // Not exactly 0: that would announce a length of 0 for what HEAD did not fetch.
            Expects::Nothing => SizeHint::default(),
            Expects::Bytes(left) => SizeHint::with_exact(left),
            Expects::End => self.body.size_hint(),
        }
    }
}
