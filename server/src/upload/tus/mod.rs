//! Whole files at `/upload/tus/`, from their first byte to their last, by tus 1.0 (tus.io). By `PUT` with `Content-Range` the same files take
//! chunks in the manner of UpChunk.
//!
//! ```text
//! POST -> file of no bytes <- PATCH, PUT: bytes behind those that are there - all there -> an asset, planned like any file
//! ```
//!
//! What is acknowledged is on the disk. One request at a time writes to a file, and the newest comes first.

mod fields;
mod file;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use http_body_util::BodyExt;

use self::{
    fields::{CHECKSUMS, Checksum, ContentRange, bad, concat, kept, number, text},
    file::Partial,
};
use super::{
    disk::blocking,
    error::{Refusal, Result},
    owner::Owner,
    row::Concat,
    store::Uploads,
    turn::Turn,
};
use crate::http::{RequestBody, Response, options};

/// Where files are begun.
const FOLDER: &str = "/upload/tus";
const VERSION: &str = "1.0.0";
const EXTENSIONS: &str = "creation,creation-with-upload,expiration,checksum,termination,concatenation";
/// The type of the bytes of a file.
const BYTES: &str = "application/offset+octet-stream";
/// Bytes that are written at once.
const BATCH: usize = 256 << 10;
/// The checksum does not hold (tus 1.0, checksum).
const CHECKSUM_MISMATCH: u16 = 460;

/// The file that a path is about, an empty name for a new one; `None`: the path is not for tus.
pub fn name(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(FOLDER)?;
    if rest.is_empty() { Some("") } else { rest.strip_prefix('/') }
}

/// Answers a request about the file of that name.
pub async fn answer(uploads: &Arc<Uploads>, parts: &Parts, name: &str, body: RequestBody) -> Result<Response> {
    let headers = &parts.headers;
    let method = match text(headers, "x-http-method-override")? {
        Some(method) if parts.method == Method::POST => method.parse().map_err(|_| bad("X-HTTP-Method-Override is no method"))?,
        _ => parts.method.clone(),
    };
    if method == Method::OPTIONS {
        return Ok(capabilities(uploads));
    }
    if method != Method::PUT && text(headers, "tus-resumable")? != Some(VERSION) {
        return Err(Refusal(StatusCode::PRECONDITION_FAILED, format!("this is tus {VERSION}: send Tus-Resumable: {VERSION}")));
    }
    if name.is_empty() {
        return if method == Method::POST { create(uploads, parts, body).await } else { Err(not_allowed()) };
    }
    let turn = Arc::new(uploads.turns.take(name).await);
    let (opener, opened) = (Arc::clone(uploads), name.to_owned());
    let partial = blocking(move || Partial::open(&opener, &opened)).await?;
    match method {
        Method::HEAD => describe(uploads, &partial, StatusCode::OK),
        Method::DELETE => {
            let uploads = Arc::clone(uploads);
            blocking(move || partial.remove(&uploads)).await?;
            Ok(empty(StatusCode::NO_CONTENT))
        }
        Method::PATCH => {
            if matches!(partial.row.concat, Concat::Final(_)) {
                return Err(Refusal(StatusCode::FORBIDDEN, "this file was put together of others: it takes no bytes".into()));
            }
            if text(headers, "content-type")? != Some(BYTES) {
                return Err(Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("bytes come as {BYTES}")));
            }
            let offset = number(headers, "upload-offset")?;
            if offset != partial.offset {
                return Err(Refusal(StatusCode::CONFLICT, format!("{} bytes are there, these begin at {offset}", partial.offset)));
            }
            let partial = receive(uploads, turn, partial, headers, body, 0).await?;
            describe(uploads, &partial, StatusCode::NO_CONTENT)
        }
        Method::PUT => put(uploads, turn, partial, headers, body).await,
        _ => Err(not_allowed()),
    }
}

/// What every answer tells, and what pages of other origins may read and send.
pub fn tell(headers: &mut HeaderMap) {
    headers.insert("tus-resumable", HeaderValue::from_static(VERSION));
    headers.append(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(
            "Location, Range, Tus-Resumable, Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm, Upload-Offset, Upload-Length, \
             Upload-Metadata, Upload-Concat, Upload-Expires, Reelway-Asset",
        ),
    );
}

async fn create(uploads: &Arc<Uploads>, parts: &Parts, body: RequestBody) -> Result<Response> {
    let headers = &parts.headers;
    let owner = Owner::of(parts, uploads.tokens.as_deref())?;
    let metadata = kept(headers, "upload-metadata")?.unwrap_or_default().to_owned();
    let maker = Arc::clone(uploads);
    let partial = match concat(headers)? {
        Concat::Final(paths) => blocking(move || Partial::join(&maker, paths, metadata, owner)).await?,
        concat => {
            let length = number(headers, "upload-length")?;
            let mut partial = blocking(move || Partial::create(&maker, length, metadata, concat, owner)).await?;
            if text(headers, "content-type")? == Some(BYTES) {
                let turn = Arc::new(uploads.turns.take(&partial.name).await);
                partial = receive(uploads, turn, partial, headers, body, 0).await?;
            }
            partial
        }
    };
    let mut response = describe(uploads, &partial, StatusCode::CREATED)?;
    insert(response.headers_mut(), header::LOCATION, &format!("{FOLDER}/{}", partial.name))?;
    Ok(response)
}

/// A chunk of UpChunk: 308 and what is there, until all is. What comes again is passed over.
async fn put(uploads: &Arc<Uploads>, turn: Arc<Turn>, partial: Partial, headers: &HeaderMap, body: RequestBody) -> Result<Response> {
    let range = ContentRange::read(headers)?;
    if range.length != partial.row.length {
        return Err(bad(&format!("the file was begun with {} bytes, not {}", partial.row.length, range.length)));
    }
    let partial = if range.start <= partial.offset && partial.offset < range.end {
        let known = partial.offset - range.start;
        receive(uploads, turn, partial, headers, body, known).await?
    } else {
        partial
    };
    let status = if partial.is_whole() { StatusCode::OK } else { StatusCode::PERMANENT_REDIRECT };
    let mut response = describe(uploads, &partial, status)?;
    if let Some(last) = partial.offset.checked_sub(1) {
        insert(response.headers_mut(), header::RANGE, &format!("bytes=0-{last}"))?;
    }
    Ok(response)
}

/// Takes the body of a request behind what is there, but for its first `known` bytes. What breaks off leaves what has come, if it need not
/// be compared with a checksum.
async fn receive(
    uploads: &Arc<Uploads>,
    turn: Arc<Turn>,
    mut partial: Partial,
    headers: &HeaderMap,
    mut body: RequestBody,
    mut known: u64,
) -> Result<Partial> {
    let _way = uploads.under.begin(&partial.row.owner, uploads.limits().parallel)?;
    let from = partial.offset;
    let mut checksum = Checksum::read(headers)?;
    let mut left = partial.row.length - from;
    let too_much = |length| Refusal::too_large(format!("the file was begun with {length} bytes, and here are more"));
    if headers.contains_key(header::CONTENT_LENGTH) && number(headers, "content-length")?.saturating_sub(known) > left {
        return Err(too_much(partial.row.length));
    }
    if checksum.is_some() {
        partial = on_disk(uploads, &turn, partial, move |uploads, partial| partial.verify_from(uploads, Some(from))).await?;
    }
    let mut batch = BytesMut::new();
    let ended = loop {
        let frame = tokio::select! {
            biased;
            () = turn.is_asked_for() => break Err(Refusal(StatusCode::LOCKED, "another request goes on with this file".into())),
            frame = tokio::time::timeout(uploads.limits().idle, body.frame()) => frame,
        };
        let mut data = match frame {
            Err(_) => break Err(Refusal(StatusCode::REQUEST_TIMEOUT, "nothing more came: go on from what is there".into())),
            Ok(None) => break Ok(()),
            Ok(Some(Err(error))) => break Err(bad(&format!("the request broke off: {error}"))),
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        };
        let passed = usize::try_from(known).unwrap_or(usize::MAX).min(data.len());
        known -= passed as u64;
        bytes::Buf::advance(&mut data, passed);
        if data.len() as u64 > left {
            batch.clear();
            partial = on_disk(uploads, &turn, partial, move |_, partial| partial.cut(from)).await?;
            break Err(too_much(partial.row.length));
        }
        left -= data.len() as u64;
        if let Some(checksum) = &mut checksum {
            checksum.update(&data);
        }
        batch.extend_from_slice(&data);
        if batch.len() >= BATCH {
            partial = write(uploads, &turn, partial, batch.split().freeze()).await?;
        }
    };
    partial = write(uploads, &turn, partial, batch.freeze()).await?;
    let checked = checksum.is_some();
    let holds = checksum.is_none_or(Checksum::holds);
    let is_kept = !checked || (ended.is_ok() && holds);
    partial = on_disk(uploads, &turn, partial, move |uploads, partial| {
        if !is_kept {
            partial.cut(from)?;
        }
        if checked {
            partial.file.sync_all()?;
            partial.verify_from(uploads, None)?;
        }
        partial.settle(uploads)
    })
    .await?;
    ended?;
    if !holds {
        let status = StatusCode::from_u16(CHECKSUM_MISMATCH).unwrap_or(StatusCode::BAD_REQUEST);
        return Err(Refusal(status, "the bytes that came are not those of Upload-Checksum: send them again".into()));
    }
    Ok(partial)
}

async fn write(uploads: &Arc<Uploads>, turn: &Arc<Turn>, partial: Partial, bytes: Bytes) -> Result<Partial> {
    on_disk(uploads, turn, partial, move |uploads, partial| partial.append(uploads, &bytes)).await
}

/// Does work with a file that waits for the disk. The turn is kept until it has ended, even if the client goes away.
async fn on_disk(
    uploads: &Arc<Uploads>,
    turn: &Arc<Turn>,
    mut partial: Partial,
    work: impl FnOnce(&Uploads, &mut Partial) -> Result<()> + Send + 'static,
) -> Result<Partial> {
    let (uploads, turn) = (Arc::clone(uploads), Arc::clone(turn));
    blocking(move || {
        let _turn = turn;
        work(&uploads, &mut partial)?;
        Ok(partial)
    })
    .await
}

/// A file, as it is told by fields.
fn describe(uploads: &Uploads, partial: &Partial, status: StatusCode) -> Result<Response> {
    let mut response = empty(status);
    let headers = response.headers_mut();
    insert(headers, HeaderName::from_static("upload-offset"), &partial.offset.to_string())?;
    insert(headers, HeaderName::from_static("upload-length"), &partial.row.length.to_string())?;
    if !partial.row.metadata.is_empty() {
        insert(headers, HeaderName::from_static("upload-metadata"), &partial.row.metadata)?;
    }
    if let Some(concat) = partial.row.concat.field() {
        insert(headers, HeaderName::from_static("upload-concat"), &concat)?;
    }
    if partial.is_whole() && partial.row.concat != Concat::Partial {
        insert(headers, HeaderName::from_static("reelway-asset"), &partial.row.asset)?;
    } else {
        insert(headers, HeaderName::from_static("upload-expires"), &partial.expires(uploads)?)?;
    }
    Ok(response)
}

fn capabilities(uploads: &Uploads) -> Response {
    let mut response = options();
    let headers = response.headers_mut();
    headers.insert("tus-version", HeaderValue::from_static(VERSION));
    headers.insert("tus-extension", HeaderValue::from_static(EXTENSIONS));
    headers.insert("tus-max-size", uploads.limits().file.into());
    headers.insert("tus-checksum-algorithm", HeaderValue::from_static(CHECKSUMS));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, HEAD, PATCH, PUT, DELETE"));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(
            "Authorization, Content-Type, Content-Range, Tus-Resumable, Upload-Length, Upload-Offset, Upload-Metadata, Upload-Checksum, \
             Upload-Concat, X-HTTP-Method-Override, X-Requested-With",
        ),
    );
    response
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    if status != StatusCode::NO_CONTENT {
        response.headers_mut().insert(header::CONTENT_LENGTH, 0.into());
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) -> Result<()> {
    headers.insert(name, HeaderValue::try_from(value).map_err(|_| bad("a field cannot be sent back"))?);
    Ok(())
}

fn not_allowed() -> Refusal {
    Refusal(StatusCode::METHOD_NOT_ALLOWED, "files are begun by POST, and go on by PATCH, HEAD, PUT and DELETE".into())
}
