//! `/live/NAME/...`: a live stream for its viewers.
//!
//! Requests for what is about to be published wait, and are all answered at once when it is. What is asked for is looked up and never
//! made: a name that nobody publishes costs no more than looking for it.

mod endless;
mod growing;
mod manifest;
mod media;
mod text;

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::Value;

use crate::{
    content_key::StreamKeys,
    http::{LivePart, Representation, Response, StreamName, problem, respond},
    live::{Stream, Streams},
};

/// Why a viewer does not get what it asks for.
#[derive(Debug)]
enum Refusal {
    /// There is no such thing, and nobody should ask again within this time.
    NotFound(Duration),
    /// It may be there after this time.
    NotYet(Duration),
    /// It was there.
    Gone,
    /// It cannot be asked for so.
    BadRequest(String),
    /// It does not go on where the request wants it to.
    NoRange,
    /// It was waited for in vain.
    Unavailable,
}

/// Answers a viewer of the stream `name`, who gets what `told` makes of what there is.
pub async fn answer(
    streams: &Streams,
    (method, fields): (&Method, &HeaderMap),
    name: &StreamName,
    part: &LivePart,
    query: &str,
    told: impl FnOnce(Representation) -> Representation,
) -> Response {
    let Some(stream) = streams.get(name) else {
        return Refusal::NotFound(Duration::from_secs(1)).answer();
    };
    let is_whole = stream.keys.as_ref().is_some_and(StreamKeys::are_of_segments);
    let found = match part {
        // AES-128 is of HLS alone, and what it encrypts is asked for whole.
        LivePart::Mpd | LivePart::Endless if is_whole => Err(Refusal::NotFound(Duration::from_mins(1))),
        LivePart::MultivariantPlaylist | LivePart::Mpd => manifest::whole(&stream, part, query, fields).await,
        LivePart::MediaPlaylist(rendition) => manifest::media_playlist(&stream, rendition, query, fields).await,
        LivePart::Header(rendition, number) => media::header(&stream, rendition, *number).await,
        LivePart::Part(rendition, segment, part) => media::part(&stream, rendition, *segment, *part).await,
        LivePart::Segment(rendition, number) => match media::segment(&stream, (rendition, *number), (method, fields)).await {
            Ok(media::Segment::Closed(representation)) => Ok(representation),
            Ok(media::Segment::Growing(response)) => return streamed(method, fields, response),
            Err(refusal) => Err(refusal),
        },
        LivePart::WebVtt(rendition, segment, part) => text::webvtt(&stream, rendition, *segment, *part).await,
        LivePart::Key(name) => media::key(&stream, name).await,
        // Keys are asked for with a body.
        LivePart::ClearKey => Err(Refusal::NotFound(Duration::from_secs(1))),
        LivePart::Endless => match endless::endless(&stream, query).await {
            Ok(response) => return streamed(method, fields, response),
            Err(refusal) => Err(refusal),
        },
    };
    match found {
        Ok(representation) => respond(method, fields, told(representation)),
        Err(refusal) => refusal.answer(),
    }
}

/// The keys of the stream `name` for a player of W3C ClearKey that has asked for those with the numbers `kids`; `None`: it has none.
pub async fn licence(streams: &Streams, name: &StreamName, kids: &[String]) -> Option<Value> {
    let stream = streams.get(name)?;
    let keys = stream.keys.as_ref()?;
    (!keys.are_of_segments()).then_some(keys.licence(kids, numbers(&stream).await))
}

/// The numbers of the segments that are there.
async fn numbers(stream: &Stream) -> RangeInclusive<u32> {
    let live = stream.view().await;
    let windows = || live.renditions().filter_map(|id| live.window(id));
    let first = windows().filter_map(|window| window.segments.front().or(window.open.as_ref())).map(|first| first.number).min();
    let last = windows().filter_map(|window| window.open.as_ref().or(window.segments.back())).map(|last| last.number).max();
    first.unwrap_or(1)..=last.unwrap_or(1)
}

/// A response whose end nobody knows: it has no entity tag.
fn streamed(method: &Method, fields: &HeaderMap, mut response: Response) -> Response {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "this can be read with GET and HEAD only");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
        return response;
    }
    // Proxies are not to gather what is meant to flow.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    if fields.contains_key("priority") {
        response.headers_mut().remove("priority");
    }
    response
}

impl Refusal {
    fn answer(self) -> Response {
        let (status, detail, cache) = match &self {
            Self::NotFound(time) | Self::NotYet(time) => (StatusCode::NOT_FOUND, "there is nothing here", Some(*time)),
            Self::Gone => (StatusCode::GONE, "this is over", Some(Duration::from_mins(1))),
            Self::BadRequest(detail) => (StatusCode::BAD_REQUEST, detail.as_str(), None),
            Self::NoRange => (StatusCode::RANGE_NOT_SATISFIABLE, "it has not come as far as this range", None),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "it did not come in time", None),
        };
        let mut response = problem(status, detail);
        let headers = response.headers_mut();
        if let Some(time) = cache {
            set(headers, header::CACHE_CONTROL, &format!("public, max-age={}", time.as_secs()));
        }
        if let Self::NotYet(time) = self {
            set(headers, header::RETRY_AFTER, &time.as_secs().max(1).to_string());
        }
        response
    }
}

fn set(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The entity tag of `place` of a stream: another stream of the same name has others.
fn etag(stream: &Arc<Stream>, place: &str) -> String {
    format!("{:x}-{place}", stream.session)
}
