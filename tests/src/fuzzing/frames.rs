//! Any bytes on an HTTP/3 stream or an HTTP/2 connection: what is read of them is the same however the packets cut them, and is never more
//! than came.

use bytes::Bytes;
use reelway::net::{Breach, Http2Frames, RequestFrames, Seen, UniFrames};

/// The largest frame but DATA.
const LARGEST: u32 = 1 << 10;

/// So much costs less than any limit that heals with time.
const TIMELESS: usize = 4 << 10;

/// A header section, then content, then the end; or the breach that came instead.
fn request(stream: &Bytes, step: usize, announced: Option<u64>) -> Result<(Option<Bytes>, Vec<u8>), Breach> {
    let mut frames = RequestFrames::new(LARGEST);
    let (mut headers, mut content) = (None, Vec::new());
    for chunk in stream.chunks(step) {
        frames.feed(stream.slice_ref(chunk));
        if headers.is_none() {
            headers = frames.headers()?;
            if headers.is_some() {
                frames.announce(announced);
            }
        }
        if headers.is_some() {
            while let Some(piece) = frames.content()? {
                content.extend_from_slice(&piece);
            }
        }
    }
    frames.end()?;
    content.extend_from_slice(&frames.gathered().unwrap_or_default());
    assert!(frames.is_used_up());
    Ok((headers, content))
}

/// All that h3 gets of a unidirectional stream, or the breach that came instead.
fn uni(stream: &Bytes, step: usize) -> Result<Vec<u8>, Breach> {
    let mut frames = UniFrames::of_new_connection(16);
    let mut given = Vec::new();
    for chunk in stream.chunks(step) {
        frames.feed(stream.slice_ref(chunk));
        while let Some(bytes) = frames.give()? {
            given.extend_from_slice(&bytes);
        }
    }
    Ok(given)
}

/// All that is seen of what a client of HTTP/2 sends after its preface.
fn http2(stream: &[u8], step: usize) -> Vec<Seen> {
    let mut frames = Http2Frames::default();
    assert_eq!(frames.next(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), (24, None));
    let mut all = Vec::new();
    for mut chunk in stream.chunks(step) {
        while !chunk.is_empty() {
            let (passed, seen) = frames.next(chunk);
            assert!(passed > 0);
            chunk = &chunk[passed..];
            all.extend(seen);
        }
    }
    all
}

/// Reads a stream in one piece and in many. The first byte tells how long the pieces are, the second how much content was announced.
pub fn frames(input: &[u8]) {
    let [step, announced, stream @ ..] = input else { return };
    let stream = Bytes::copy_from_slice(stream);
    let step = usize::from(*step) + 1;
    let announced = (*announced < 200).then_some(u64::from(*announced));

    let whole = request(&stream, usize::MAX, announced);
    assert_eq!(request(&stream, step, announced), whole);
    if let Ok((headers, content)) = whole {
        let headers = headers.map_or(0, |headers| headers.len());
        // A frame header may have been written longer than need be, never shorter than it is given.
        assert!(headers + content.len() <= stream.len() && headers <= LARGEST as usize + 16);
        assert!(announced.is_none_or(|announced| headers == 0 || content.len() as u64 == announced));
    }

    let whole = http2(&stream, usize::MAX);
    assert_eq!(http2(&stream, step), whole);
    assert!(whole.iter().all(|seen| !matches!(seen, Seen::Update { payload, length, .. } if payload.len() > *length as usize)));

    let whole = uni(&stream, usize::MAX);
    let cut = uni(&stream, step);
    if stream.len() <= TIMELESS {
        assert_eq!(cut, whole);
    }
    if let Ok(given) = whole {
        assert!(given.len() <= stream.len());
    }
}
