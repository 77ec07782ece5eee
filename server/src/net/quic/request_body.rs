//! The body of a request, for its handler.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{fault::Fault, request_reader::RequestReader, streams::Halves};

/// Reads content as it is asked for; what is not asked for stays under QUIC's flow control. When dropped, it gives the reader
/// back to the exchange, which sees the stream to its end.
pub(super) struct RequestBody {
    reader: Option<RequestReader>,
    halves: Halves,
}

impl RequestBody {
    /// Takes the reader out of `halves` until dropped.
    pub fn take(halves: Halves) -> Self {
        let reader = halves.lock().reader.take();
        Self { reader, halves }
    }

    /// Announces how long the content must be, and looks whether its end has come with the header section, as it does for a GET:
    /// then the handler can see that there is none.
    pub async fn announce(&mut self, length: Option<u64>) {
        if let Some(reader) = &mut self.reader {
            reader.announce(length);
            poll_fn(|cx| {
                reader.look_ahead(cx);
                Poll::Ready(())
            })
            .await;
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let Some(reader) = &mut self.reader else { return Poll::Ready(None) };
        Poll::Ready(ready!(reader.poll_content(cx)).map(|content| content.map(Frame::data)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.reader.as_ref().is_none_or(RequestReader::is_at_end)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.reader {
            Some(reader) if !reader.is_at_end() => reader.to_come().map_or_else(SizeHint::default, SizeHint::with_exact),
            _ => SizeHint::with_exact(0),
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.halves.lock().reader = self.reader.take();
    }
}
