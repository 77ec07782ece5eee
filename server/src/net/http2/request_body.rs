//! The body of a request, for its handler.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};

/// Reads content as it is asked for; what is not asked for stays under flow control. h2 sees to it that it is as long as announced.
pub(super) struct RequestBody {
    stream: RecvStream,
    /// Bytes to come, where that is known.
    left: Option<u64>,
}

impl RequestBody {
    /// Of a request with these fields.
    pub fn new(stream: RecvStream, fields: &HeaderMap) -> Self {
        let announced = fields.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        Self { left: announced.or(stream.is_end_stream().then_some(0)), stream }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        Poll::Ready(match ready!(self.stream.poll_data(cx)) {
            Some(Ok(content)) => {
                // What the handler has is its own affair: the client may send as much again.
                let _ = self.stream.flow_control().release_capacity(content.len());
                self.left = self.left.map(|left| left.saturating_sub(content.len() as u64));
                Some(Ok(Frame::data(content)))
            }
            // Of trailers nobody asks.
            None => None,
            // There is no more, and that is no fault (RFC 9113 section 8.1).
            Some(Err(error)) if error.reason() == Some(Reason::NO_ERROR) => None,
            Some(Err(error)) => Some(Err(error)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
