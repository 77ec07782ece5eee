//! Any bytes as a stream, in pieces of any length: the same items as in one piece, the payload no more than what came, and no panic.

use std::fmt::Write;

use bytes::Bytes;
use reelway_core::demux::stream::{Item, StreamDemuxer};

/// Adds what an item tells, and gives how many bytes of payload are in it.
pub(super) fn tell(item: Item, told: &mut String) -> u64 {
    let Item::Sample { track, sample } = item else {
        let _ = writeln!(told, "{item:?}");
        return 0;
    };
    let payload = sample.payload.concat();
    let _ = writeln!(told, "{track} {} {} {payload:?}", sample.decode_time, sample.duration);
    sample.len()
}

/// What a stream tells, as text, and whether it can be read to its end.
fn read(bytes: &[u8], mut length: impl FnMut() -> usize) -> (String, bool) {
    let mut demuxer = StreamDemuxer::new();
    let (mut told, mut payload, mut whole) = (String::new(), 0, true);
    let mut rest = bytes;
    while !rest.is_empty() && whole {
        let (piece, after) = rest.split_at(length().clamp(1, rest.len()));
        rest = after;
        whole = demuxer.push(Bytes::copy_from_slice(piece)).is_ok();
        while let Some(item) = demuxer.poll() {
            payload += tell(item, &mut told);
        }
    }
    assert!(payload <= bytes.len() as u64, "{payload} bytes of payload");
    (told, demuxer.finish_body().is_ok())
}

/// Reads a stream in one piece and in many. The first byte tells how many lengths of pieces follow, then comes the stream.
pub fn stream(bytes: &[u8]) {
    let Some((count, rest)) = bytes.split_first() else { return };
    let (lengths, bytes) = rest.split_at(usize::from(*count).min(rest.len()));
    let mut lengths = lengths.iter().cycle();
    let whole = read(bytes, || usize::MAX);
    let pieces = read(bytes, || lengths.next().map_or(1, |length| usize::from(*length)));
    assert_eq!(whole, pieces);
}
