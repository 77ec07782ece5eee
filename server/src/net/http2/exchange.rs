//! One request and its response.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, server::SendResponse};
use http::{Method, Request, Response};
use http_body::Body;

use super::request_body::RequestBody;
use crate::net::{
    answer::Service,
    fields::complete,
    tcp::{Asked, Origin},
};

/// Serves one stream to its end. Dropping the future resets the response and drops the handler.
pub(super) async fn exchange<S: Service>(
    origin: Arc<Origin<S>>,
    asked: Asked,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let head = request.method() == Method::HEAD;
    let (parts, stream) = request.into_parts();
    let body = RequestBody::new(stream, &parts.headers);
    let response = tokio::select! {
        biased;
        response = origin.answer(Request::from_parts(parts, body), asked) => response,
        // A handler may wait for long (a playlist that blocks until the next part), so giving up must be noticed apart from writing.
        _ = poll_fn(|cx| respond.poll_reset(cx)) => return,
    };
    let (mut parts, body) = response.into_parts();
    complete(&mut parts, &body, head);
    let ends = body.is_end_stream();
    let sent = match respond.send_response(Response::from_parts(parts, ()), ends) {
        Ok(stream) if !ends => Sending { stream, body, piece: None }.send().await,
        sent => sent.map(drop),
    };
    if let Err(error) = sent {
        tracing::debug!(%error, "a response over HTTP/2 is not sent to its end");
    }
}

/// A body on its way into a stream.
struct Sending<B> {
    stream: SendStream<Bytes>,
    body: B,
    /// What there is no room for as yet, and whether it is the last.
    piece: Option<(Bytes, bool)>,
}

impl<B: Body<Data = Bytes, Error = std::io::Error> + Unpin> Sending<B> {
    /// Sends the whole body, or resets the stream. Trailers are not sent: no body of ours has any.
    async fn send(mut self) -> Result<(), h2::Error> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        loop {
            // The task is woken when the client gives up.
            if let Poll::Ready(reason) = self.stream.poll_reset(cx)? {
                return Poll::Ready(Err(reason.into()));
            }
            if let Some((piece, last)) = self.piece.take() {
                if self.stream.capacity() == 0 {
                    match self.stream.poll_capacity(cx) {
                        Poll::Pending => {
                            self.piece = Some((piece, last));
                            return Poll::Pending;
                        }
                        Poll::Ready(Some(room)) => {
                            room?;
                            self.piece = Some((piece, last));
                            continue;
                        }
                        Poll::Ready(None) => return Poll::Ready(Err(Reason::STREAM_CLOSED.into())),
                    }
                }
                self.stream.send_data(piece, last)?;
                if last {
                    return Poll::Ready(Ok(()));
                }
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)).map(|frame| frame.map(http_body::Frame::into_data)) {
                None => return Poll::Ready(self.stream.send_data(Bytes::new(), true)),
                Some(Ok(Ok(piece))) => {
                    if !piece.is_empty() {
                        // Room for one byte is enough to hand over all: more would be taken from other streams while it waits.
                        self.stream.reserve_capacity(1);
                        self.piece = Some((piece, self.body.is_end_stream()));
                    }
                }
                Some(Ok(Err(_trailers))) => {}
                Some(Err(error)) => {
                    tracing::debug!(%error, "a response body failed and is reset");
                    self.stream.send_reset(Reason::INTERNAL_ERROR);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}
