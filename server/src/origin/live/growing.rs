//! A segment while it grows: what there is of it at once, then each part in one burst, as it comes.

use std::{io, sync::Arc};

use bytes::Bytes;
use futures_util::stream::{Stream as Pieces, try_unfold};
use http::{StatusCode, header};

use super::set;
use crate::{
    http::{Body, Content, Response},
    live::{Cursor, Stream},
};

/// The last byte of what has no end yet, for those who need a number (RFC 8673 2.2).
const UNBOUNDED: u64 = (1 << 53) - 1;

/// All of the segment that `cursor` is at the beginning of.
pub(super) fn whole(stream: &Arc<Stream>, cursor: Cursor) -> Response {
    Response::new(Body::growing(pieces(stream, cursor)))
}

/// What there is from byte `first` on, which is in `so_far`: to `last`, or, where that is no more than a number for the end, all that comes.
pub(super) fn range(stream: &Arc<Stream>, so_far: Content, mut cursor: Cursor, first: u64, last: Option<u64>) -> Response {
    let (body, length, last) = match last.filter(|last| *last < UNBOUNDED) {
        Some(last) => {
            let end = so_far.len().min(last.saturating_add(1));
            (so_far.slice(first..end).into(), Some(end - first), end - 1)
        }
        None => {
            cursor.skip(first);
            (Body::growing(pieces(stream, cursor)), None, UNBOUNDED)
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let headers = response.headers_mut();
    set(headers, header::CONTENT_RANGE, &format!("bytes {first}-{last}/*"));
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    response
}

/// What comes from `cursor` on, to the end of its segment. A viewer that is too slow for it is reset.
fn pieces(stream: &Arc<Stream>, cursor: Cursor) -> impl Pieces<Item = io::Result<Bytes>> + use<> {
    try_unfold((cursor, Arc::clone(stream)), |(mut cursor, stream)| async move {
        let read = cursor.next_of_segment().await.inspect_err(|_| stream.figures.too_slow());
        Ok(read?.map(|bytes| (bytes, (cursor, stream))))
    })
}
