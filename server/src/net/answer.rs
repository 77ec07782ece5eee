//! What all transports do with a request and its response.

use std::{future::Future, io, net::SocketAddr};

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use tracing::Instrument;

use super::{Settings, gate::Gate, measured::Measured, order::Order, pace::Upload, priority::Said, wish::Wish};
use crate::{
    http::{BodyError, Handler, Request, refuse},
    metrics::{Record, without_secrets},
};

/// What a transport asks of the origin. Every [`Handler`] is one; benches and tests bring bodies of their own.
pub trait Service: Send + Sync + 'static {
    /// The body of a response. Its chunks go to the transport as they are, without a copy over HTTP/3.
    type Body: http_body::Body<Data = Bytes, Error = io::Error> + Send + Unpin + 'static;

    /// Answers one request; see [`Handler::handle`].
    fn call(&self, request: Request) -> impl Future<Output = http::Response<Self::Body>> + Send;
}

impl<H: Handler> Service for H {
    type Body = crate::http::Body;

    async fn call(&self, request: Request) -> http::Response<Self::Body> {
        match refuse(&request) {
            Some(refusal) => refusal,
            None => self.handle(request).await,
        }
    }
}

/// Who asks, by which way: an extension of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The client, or the proxy before us. Over QUIC the address at the time the request began.
    pub address: SocketAddr,
    /// The request came encrypted.
    pub secure: bool,
}

/// Calls the service, and holds its response to what its head announces and to its place in `order`, as the client wishes by its request or
/// by a later `wish`, and the client to the limits of a request.
pub(super) async fn answer<S, B>(
    service: &S,
    request: http::Request<B>,
    peer: Peer,
    settings: &Settings,
    gate: &Gate,
    (order, wish): (&Order, Option<&Wish>),
) -> http::Response<Measured<S::Body>>
where
    S: Service,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BodyError>,
{
    let mut record = Record::begin(&gate.metrics, &request, peer.address);
    if request.headers().len() > settings.max_header_fields {
        return refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, record);
    }
    let Some(permit) = gate.request() else {
        let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, record);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return response;
    };
    let span =
        tracing::debug_span!("request", peer = %peer.address, method = %request.method(), path = %without_secrets(request.uri().path()));
    let head = request.method() == Method::HEAD;
    let wanted = Said::in_headers(request.headers());
    let mut request = request.map(|body| Upload::new(body, settings).boxed_unsync());
    request.extensions_mut().insert(peer);
    // In a box of its own: what a handler keeps is some kilobytes, which would be copied each time that a future around it is moved.
    let response = Box::pin(service.call(request)).instrument(span).await;
    record.answered(response.status());
    let bodyless = head || has_no_body(response.status());
    let (parts, body) = response.into_parts();
    let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let body = if bodyless {
        Measured::absent(record)
    } else {
        let said = Said::in_headers(&parts.headers);
        let priority = said.or(wanted).complete();
        let turn = wish.map_or_else(|| order.begin(priority), |wish| order.begin_on(wish.stream(), priority));
        // After it has begun: what is said from then on finds it there.
        if let Some(wished) = wish.and_then(Wish::take) {
            turn.set_priority(said.or(wished.into()).complete());
        }
        Measured::new(body, announced, turn, record)
    };
    http::Response::from_parts(parts, body.holding(permit))
}

/// An answer without content. The service does not hear of the request.
fn refusal<B>(status: StatusCode, mut record: Record) -> http::Response<Measured<B>> {
    record.answered(status);
    let mut response = http::Response::new(Measured::absent(record));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_LENGTH, 0.into());
    response
}

/// RFC 9110 section 6.4.1: these never have content, whatever the handler gave.
fn has_no_body(status: StatusCode) -> bool {
    status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
}
