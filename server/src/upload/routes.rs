//! Requests: where an upload is announced, where its segments go, and what of it is there.

use std::{path::Path, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::{
    disk::blocking,
    error::{Refusal, Result},
    index::Announcement,
    owner::Owner,
    play::{self, Found},
    store::Uploads,
    transfer::{Taken, Upload, sha256},
    tus,
};
use crate::{
    http::{AssetPath, Handler, Request, RequestBody, Resource, Response, UPLOAD, options, problem, respond},
    origin::{IMAGES, plays, share},
};

/// Where uploads are announced.
const ANNOUNCE: &str = "/api/v1/uploads";
/// How many segments a client should send at once.
const WINDOW: u32 = 4;
/// `Segment: REP/N`, or `REP/init`.
const SEGMENT: HeaderName = HeaderName::from_static("segment");
/// RFC 9530.
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// What a path below `/upload/` is about.
#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    /// The upload.
    Whole,
    /// That it is complete.
    Complete,
    /// A header (`None`) or a segment of a rendition.
    Part(&'a str, Option<u32>),
}

impl Uploads {
    /// Whether requests for this path are for uploads. Their ladders are files as others are.
    pub fn takes(path: &str) -> bool {
        path.strip_prefix(ANNOUNCE).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            || path.starts_with("/upload/")
            || path.strip_prefix("/vod/").is_some_and(|rest| rest.starts_with(UPLOAD) && !rest.contains("/ladder/"))
    }

    async fn answer(self: &Arc<Self>, parts: &Parts, body: RequestBody) -> Result<Response> {
        let path = parts.uri.path();
        if parts.method == Method::OPTIONS && tus::name(path).is_none() {
            return Ok(preflight(&parts.headers));
        }
        if path == ANNOUNCE {
            return self.announce(parts, body).await;
        }
        if let Some(id) = path.strip_prefix(ANNOUNCE).and_then(|rest| rest.strip_prefix('/')) {
            let (uploads, id) = (Arc::clone(self), id.to_owned());
            return match parts.method {
                Method::GET | Method::HEAD => {
                    Ok(tell(StatusCode::OK, &blocking(move || Ok(describe(&*uploads.find(&id)?, &uploads.ladder(&id)))).await?))
                }
                _ => Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, "this is for reading".into())),
            };
        }
        if let Some(name) = tus::name(path) {
            return tus::answer(self, parts, name, body).await;
        }
        if let Some(Resource::Vod(asset, part)) = Resource::parse(path) {
            let uploads = Arc::clone(self);
            let found = blocking(move || play::find(&uploads, &asset.id(), &part)).await?;
            return Ok(match found {
                Found::Here(representation) => respond(&parts.method, &parts.headers, representation),
                Found::There(place) => redirect(place),
            });
        }
        let (id, rest) =
            path.strip_prefix("/upload/").map(|path| path.split_once('/').unwrap_or((path, ""))).ok_or_else(Refusal::not_found)?;
        let (uploads, name) = (Arc::clone(self), id.to_owned());
        let upload = blocking(move || uploads.find(&name)).await?;
        authorize(parts, &upload)?;
        let named = query(parts, "s").or_else(|| parts.headers.get(SEGMENT).and_then(|value| value.to_str().ok()));
        match (&parts.method, place(rest, named).ok_or_else(Refusal::not_found)?) {
            (&Method::GET | &Method::HEAD, Place::Whole) => Ok(tell(StatusCode::OK, &state(&upload))),
            (&Method::PUT | &Method::POST, Place::Part(rendition, number)) => self.take(parts, body, &upload, rendition, number).await,
            (&Method::POST, Place::Complete) => {
                let status = if upload.is_complete() { StatusCode::OK } else { StatusCode::CONFLICT };
                Ok(tell(status, &state(&upload)))
            }
            (&Method::DELETE, Place::Whole) => {
                let uploads = Arc::clone(self);
                blocking(move || uploads.remove(&upload)).await?;
                let mut response = Response::default();
                *response.status_mut() = StatusCode::NO_CONTENT;
                Ok(response)
            }
            (&Method::PUT | &Method::POST, Place::Whole) => Err(Refusal(
                StatusCode::BAD_REQUEST,
                "say which segment this is: `Segment: REP/N` or `?s=REP/N`, as `v1/7` or `v1/init`".into(),
            )),
            _ => Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, "this can be PUT, POST, GET, HEAD and DELETE".into())),
        }
    }

    async fn announce(self: &Arc<Self>, parts: &Parts, body: RequestBody) -> Result<Response> {
        if parts.method != Method::POST {
            return Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, "uploads are announced by POST".into()));
        }
        let owner = Owner::of(parts, self.tokens.as_deref())?;
        let _way = self.under.begin(&owner.0, self.limits().parallel)?;
        let grown = |by: u32| Arc::clone(&self.memory).try_acquire_many_owned(by).map_err(|_| Refusal::busy());
        let mut room = grown(0)?;
        let bytes = collect(body, self.limits().announcement, |length| {
            let held = u32::try_from(room.num_permits()).unwrap_or(u32::MAX);
            room.merge(grown(kib(length).saturating_sub(held))?);
            Ok(())
        });
        let bytes = bytes.await?;
        let uploads = Arc::clone(self);
        let begun = blocking(move || {
            let _kept = room;
            uploads.begin(Announcement::read(&bytes)?, owner)
        });
        let (upload, new) = begun.await?;
        let mut told = state(&upload);
        told["token"] = upload.record.token.as_str().into();
        let mut response = tell(if new { StatusCode::CREATED } else { StatusCode::OK }, &told);
        if let Ok(location) = HeaderValue::try_from(format!("/upload/{}", upload.id)) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        Ok(response)
    }

    async fn take(
        self: &Arc<Self>,
        parts: &Parts,
        body: RequestBody,
        upload: &Arc<Upload>,
        rendition: &str,
        number: Option<u32>,
    ) -> Result<Response> {
        let planned = match number {
            Some(number) => upload.planned(rendition, number)?,
            // Of a header no more is said than that it is one.
            None => 1 << 20,
        };
        let way = self.under.begin(&upload.record.owner, self.limits().parallel)?;
        let planned = usize::try_from(planned).unwrap_or(usize::MAX);
        let room = Arc::clone(&self.memory).acquire_many_owned(kib(planned)).await.map_err(|_| Refusal::not_found())?;
        let bytes = collect(body, planned, |_| Ok(())).await.map_err(|refusal| match refusal.0 {
            StatusCode::PAYLOAD_TOO_LARGE => Refusal::content(format!("the segment has more than the {planned} bytes that are planned")),
            _ => refusal,
        })?;
        let told = told_digests(&parts.headers);
        let (uploads, upload, rendition) = (Arc::clone(self), Arc::clone(upload), rendition.to_owned());
        let taken = blocking(move || {
            let _kept = (room, way);
            // It takes its time: not on a thread of the network.
            let sum = sha256(&bytes);
            check_digests(&told, sum)?;
            match number {
                Some(number) => {
                    uploads.room(bytes.len() as u64)?;
                    let taken = upload.take(uploads.catalogue(), &rendition, number, (&bytes, sum))?;
                    if taken == Taken::New && upload.is_complete() {
                        uploads.complete(&upload.id);
                    }
                    Ok(taken)
                }
                None => upload.take_header(&rendition, &bytes),
            }
        })
        .await?;
        let mut response = Response::default();
        *response.status_mut() = if taken == Taken::New { StatusCode::CREATED } else { StatusCode::OK };
        response.headers_mut().insert(header::CONTENT_LENGTH, 0.into());
        Ok(response)
    }
}

impl Handler for Arc<Uploads> {
    async fn handle(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let answer = self.answer(&parts, body).await;
        let mut response = answer.unwrap_or_else(|Refusal(status, detail)| problem(status, &detail));
        share(response.headers_mut());
        if tus::name(parts.uri.path()).is_some() {
            tus::tell(response.headers_mut());
        }
        response
    }
}

/// What `rest` of a path, behind the identifier, is about; `named`: the segment that the request names beside the path.
fn place<'a>(rest: &'a str, named: Option<&'a str>) -> Option<Place<'a>> {
    let part = |path: &'a str, ends: (&str, &str)| {
        let (rendition, name) = path.split_once('/')?;
        if name == ends.0 {
            return Some(Place::Part(rendition, None));
        }
        let digits = name.strip_suffix(ends.1)?;
        let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
        Some(Place::Part(rendition, Some(digits.parse().ok().filter(|_| plain)?)))
    };
    match (rest, named) {
        ("", None) => Some(Place::Whole),
        ("", Some(named)) => part(named, ("init", "")),
        ("complete", _) => Some(Place::Complete),
        (path, _) => part(path, ("init.mp4", ".m4s")),
    }
}

/// A field of the query, as it is.
fn query<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.uri.query()?.split('&').find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
}

/// Whoever announced an upload may go on with it, by the token that it got. A simple request of another origin has no header for it.
fn authorize(parts: &Parts, upload: &Upload) -> Result<()> {
    let bearer = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let shown = bearer.or_else(|| query(parts, "token")).unwrap_or_default();
    // Compared by digests: how long that takes tells nothing of the token.
    if sha256(shown.as_bytes()) == sha256(upload.record.token.as_bytes()) {
        return Ok(());
    }
    Err(Refusal(StatusCode::UNAUTHORIZED, "show the token of the upload: `Authorization: Bearer TOKEN`".into()))
}

/// An upload, as it is told.
fn state(upload: &Upload) -> Value {
    let id = &upload.id;
    json!({
        "id": id,
        "have": upload.have(),
        "complete": upload.is_complete(),
        "window": WINDOW,
        "hls": format!("/vod/{id}/master.m3u8"),
        "dash": format!("/vod/{id}/manifest.mpd"),
    })
}

/// An upload as an asset, as the library tells of files, with the pictures of its ladder. It needs no token: it can be played without one.
fn describe(upload: &Upload, ladder: &Path) -> Value {
    let pictures = IMAGES.map(|name| {
        let is_there = ladder.join(name).is_file();
        AssetPath::from_relative(&Path::new(&upload.id).join("ladder").join(name)).filter(|_| is_there)
    });
    let mut told =
        serde_json::to_value(plays(upload.vod.presentation(), &upload.id, pictures, !upload.chapters().is_empty())).unwrap_or_default();
    told["id"] = upload.id.as_str().into();
    told["name"] = upload.record.name.as_str().into();
    told["size"] = upload.source.identity().size.into();
    told["modified"] = upload.changed().to_string().into();
    told["complete"] = upload.is_complete().into();
    told
}

/// Leads to another place, from where this is; it may lead elsewhere tomorrow.
fn redirect(place: &'static str) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, HeaderValue::from_static(place));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_LENGTH, 0.into());
    response
}

fn tell(status: StatusCode, told: &Value) -> Response {
    let text = Bytes::from(told.to_string());
    let length = text.len();
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What pages of other origins may send (Fetch 4.8), asked once a day for each upload.
fn preflight(fields: &HeaderMap) -> Response {
    let mut response = options();
    if fields.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE"));
        headers
            .insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Authorization, Content-Type, Content-Digest, Segment"));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    }
    response
}

/// Each `sha-256` of `Content-Digest` (RFC 9530 2); `None` for what is none. Digests of other kinds are not looked at.
fn told_digests(headers: &HeaderMap) -> Vec<Option<Vec<u8>>> {
    let fields = headers.get_all(CONTENT_DIGEST).iter().filter_map(|value| value.to_str().ok());
    let digests = fields.flat_map(|field| field.split(',')).filter_map(|digest| digest.trim().strip_prefix("sha-256="));
    digests.map(|digest| digest.strip_prefix(':').and_then(|digest| BASE64_STANDARD.decode(digest.strip_suffix(':')?).ok())).collect()
}

/// Whether all that was told of the bytes is so.
fn check_digests(told: &[Option<Vec<u8>>], sum: [u8; 32]) -> Result<()> {
    if told.iter().all(|told| told.as_deref() == Some(&sum[..])) {
        return Ok(());
    }
    Err(Refusal::content("the bytes that came are not those of Content-Digest: send them again"))
}

/// The whole of a body of at most so many bytes.
async fn collect(mut body: RequestBody, most: usize, mut grow: impl FnMut(usize) -> Result<()>) -> Result<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refusal(StatusCode::BAD_REQUEST, format!("the request broke off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > most - bytes.len() {
            return Err(Refusal::too_large(format!("more than {most} bytes")));
        }
        grow(bytes.len() + data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// So many bytes in KiB, of which memory is counted.
fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_fields_name_segments() {
        for (rest, named, expected) in [
            ("", None, Some(Place::Whole)),
            ("", Some("v1/7"), Some(Place::Part("v1", Some(7)))),
            ("", Some("v1/init"), Some(Place::Part("v1", None))),
            ("v1/7.m4s", None, Some(Place::Part("v1", Some(7)))),
            ("v1/init.mp4", None, Some(Place::Part("v1", None))),
            ("complete", None, Some(Place::Complete)),
            ("", Some("v1/07"), None),
            ("", Some("v1"), None),
            ("v1/7", None, None),
            ("v1/+7.m4s", None, None),
            ("v1/.m4s", None, None),
        ] {
            assert_eq!(place(rest, named), expected, "{rest} {named:?}");
        }
    }

    #[test]
    fn digests_are_compared() {
        let check = |field: &'static str| {
            let headers = HeaderMap::from_iter([(CONTENT_DIGEST, HeaderValue::from_static(field))]);
            check_digests(&told_digests(&headers), sha256(b"hello\n")).map_err(|refusal| refusal.0)
        };
        for (field, expected) in [
            ("sha-256=:WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM=:", Ok(())),
            ("sha-512=:AAAA:", Ok(())),
            ("crc32c=:AAAA:, sha-256=:WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM=:", Ok(())),
            ("sha-256=:WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgA=:", Err(StatusCode::UNPROCESSABLE_ENTITY)),
            ("sha-256=WJG1", Err(StatusCode::UNPROCESSABLE_ENTITY)),
        ] {
            assert_eq!(check(field), expected, "{field}");
        }
    }
}
