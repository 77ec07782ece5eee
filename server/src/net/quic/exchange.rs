//! One request and its response.

use std::{
    future::{Future, pending, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::Context,
    time::Duration,
};

use bytes::Bytes;
use h3::{
    error::{Code, StreamError},
    server::{RequestResolver, RequestStream as H3Stream},
};
use http::{Method, Request, Response, header};
use http_body::Body;
use tokio::time::timeout;

use super::{
    Host,
    fault::varint,
    request_body::RequestBody,
    response_writer::{Data, ResponseWriter},
    send_window::SendWindow,
    streams::{Halves, RequestStream},
    transport::Transport,
};
use crate::net::{
    answer::{Peer, Service, answer},
    fields::{CONNECTION_FIELDS, complete},
    measured::Measured,
    order::{Order, Turn},
    priority::Said,
};

/// After the response, what is read of a request that the handler left unread. A client that is told to stop while its FIN is
/// on the way takes that for a failure of a response it has (curl issue 22270), so the end of a short rest is awaited.
const REST_BYTES: u64 = 256 << 10;
const REST_TIME: Duration = Duration::from_secs(1);

/// How an exchange ended, for the connection that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The client has the response, or what there was of it.
    Served,
    /// The client gave up, or never asked properly.
    Abandoned,
}

/// Serves one request stream to its end. Dropping the future resets the response and drops the handler.
pub(super) async fn exchange<S: Service>(
    host: Arc<Host<S>>,
    (window, order): (Arc<SendWindow>, Order),
    resolver: RequestResolver<Transport, Bytes>,
    halves: Halves,
    peer: Peer,
) -> Outcome {
    let Some(stopped) = halves.lock().writer.as_ref().map(ResponseWriter::stopped) else { return Outcome::Abandoned };
    // A handler may wait for long (a playlist that blocks until the next part), so giving up must be noticed apart from writing.
    let given_up = async {
        match stopped.await {
            Ok(Some(code)) => code,
            Ok(None) => pending().await, // the response has ended and been received; the request may still be read
            Err(_) => varint(Code::H3_REQUEST_CANCELLED),
        }
    };
    tokio::select! {
        biased;
        outcome = serve(&host, (&window, &order), resolver, &halves, peer) => outcome,
        code = given_up => {
            halves.reject(code);
            Outcome::Abandoned
        }
    }
}

async fn serve<S: Service>(
    host: &Host<S>,
    (window, order): (&SendWindow, &Order),
    resolver: RequestResolver<Transport, Bytes>,
    halves: &Halves,
    peer: Peer,
) -> Outcome {
    let (head, mut h3) = match timeout(host.settings.header_timeout, resolver.resolve_request()).await {
        Ok(Ok(resolved)) => resolved,
        Ok(Err(StreamError::HeaderTooBig { .. })) => {
            // h3 has written a 431.
            if let Some(writer) = &mut halves.lock().writer {
                writer.finish();
            }
            read_rest(halves).await;
            return Outcome::Served;
        }
        Ok(Err(error)) => {
            tracing::debug!(peer = %peer.address, %error, "no request on a request stream");
            return Outcome::Abandoned;
        }
        Err(_) => {
            halves.reject(varint(Code::H3_REQUEST_INCOMPLETE));
            return Outcome::Abandoned;
        }
    };
    let Some(request) = admit(head, halves).await else {
        halves.reject(varint(Code::H3_MESSAGE_ERROR));
        return Outcome::Abandoned;
    };
    let head = request.method() == Method::HEAD;
    let response = answer(&*host.service, request, peer, &host.settings, &host.gate, (order, None)).await;
    let way = Way { halves, window, write_timeout: host.settings.write_timeout };
    if !way.respond(response, head, &mut h3).await {
        return Outcome::Served;
    }
    read_rest(halves).await;
    // What is finished is not yet sent: as long as this task lives, draining waits for it.
    let received = halves.lock().writer.as_ref().map(ResponseWriter::stopped);
    if let Some(received) = received {
        let mut received = pin!(received);
        poll_fn(|cx| {
            if let Some(writer) = &halves.lock().writer {
                writer.heed(cx, None);
            }
            received.as_mut().poll(cx).map(drop)
        })
        .await;
    }
    Outcome::Served
}

/// Makes the request for the handler; None for one that is malformed (RFC 9114 section 4.1.2 and 4.2).
async fn admit(request: Request<()>, halves: &Halves) -> Option<Request<RequestBody>> {
    let headers = request.headers();
    if CONNECTION_FIELDS.iter().any(|field| headers.contains_key(field)) || headers.get(header::TE).is_some_and(|te| te != "trailers") {
        return None;
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let announced = match (lengths.next(), lengths.next()) {
        (None, _) => None,
        (Some(length), None) => Some(length.to_str().ok()?.parse().ok()?),
        (Some(_), Some(_)) => return None,
    };
    let mut body = RequestBody::take(halves.clone());
    body.announce(announced).await;
    Some(request.map(|()| body))
}

/// The way of a response to its client.
struct Way<'a> {
    halves: &'a Halves,
    window: &'a SendWindow,
    write_timeout: Duration,
}

impl Way<'_> {
    /// Sends the response; false when it has been reset, or cannot be received any more.
    async fn respond<B>(&self, response: Response<Measured<B>>, head: bool, h3: &mut H3Stream<RequestStream, Bytes>) -> bool
    where
        B: Body<Data = Bytes, Error = std::io::Error> + Unpin,
    {
        let (mut parts, mut body) = response.into_parts();
        complete(&mut parts, &body, head);
        if let (Some(writer), Some(turn)) = (&self.halves.lock().writer, body.turn()) {
            if let Some(wished) = writer.wished() {
                turn.set_priority(Said::in_headers(&parts.headers).or(wished.into()).complete());
            }
            writer.set_priority(turn.priority());
        }
        match timeout(self.write_timeout, h3.send_response(Response::from_parts(parts, ()))).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, "a response cannot be sent");
                return false;
            }
            Err(_) => {
                self.halves.reject(varint(Code::H3_REQUEST_CANCELLED));
                return false;
            }
        }
        let Some(mut writer) = self.halves.lock().writer.take() else { return false };
        let sent = self.send_body(body, &mut writer).await;
        match sent {
            Ok(()) => writer.finish(),
            Err(code) => writer.reset(varint(code)),
        }
        self.halves.lock().writer = Some(writer);
        sent.is_ok()
    }

    /// Sends the whole body; the code for a reset when it failed, or the client does not take it. Trailers are not sent: no body of
    /// ours has any.
    async fn send_body<B>(&self, mut body: Measured<B>, writer: &mut ResponseWriter) -> Result<(), Code>
    where
        B: Body<Data = Bytes, Error = std::io::Error> + Unpin,
    {
        let next = |body: &mut Measured<B>, writer: &ResponseWriter, cx: &mut Context<'_>| {
            writer.heed(cx, body.turn());
            Pin::new(body).poll_frame(cx)
        };
        while let Some(frame) = poll_fn(|cx| next(&mut body, writer, cx)).await {
            match frame.map(http_body::Frame::into_data) {
                Ok(Ok(bytes)) => {
                    let Some(turn) = body.turn() else { return Ok(()) };
                    self.send(Data::new(bytes), turn, writer).await?;
                }
                Ok(Err(_trailers)) => {}
                Err(error) => {
                    tracing::debug!(%error, "a response body failed and is reset");
                    return Err(Code::H3_INTERNAL_ERROR);
                }
            }
        }
        Ok(())
    }

    /// Sends a piece, in its turn.
    async fn send(&self, mut data: Data, turn: &mut Turn, writer: &mut ResponseWriter) -> Result<(), Code> {
        while !data.is_written() {
            // It is not the client's fault how long this takes.
            poll_fn(|cx| {
                writer.heed(cx, Some(turn));
                turn.poll(cx)
            })
            .await;
            match timeout(self.write_timeout, writer.data(&mut data, turn, |taken| self.window.took(taken))).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(Code::H3_INTERNAL_ERROR),
                Err(_) => {
                    tracing::debug!("a response over HTTP/3 is reset: the client does not take it");
                    return Err(Code::H3_REQUEST_CANCELLED);
                }
            }
        }
        Ok(())
    }
}

/// Reads a request to its end, within bounds. What is beyond them is stopped when the halves are dropped.
async fn read_rest(halves: &Halves) {
    let Some(mut reader) = halves.lock().reader.take() else { return };
    let rest = async {
        let mut bytes = 0;
        while let Ok(Some(content)) = poll_fn(|cx| reader.poll_content(cx)).await {
            bytes += content.len() as u64;
            if bytes > REST_BYTES {
                return;
            }
        }
    };
    let _ = timeout(REST_TIME, rest).await;
}
