//! Any bytes as a stream, in pieces of any length: the same items as in one piece, the payload no more than what came, and no panic.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use reelway_core::demux::stream::{Item, StreamDemuxer};

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
            match item {
                Item::Sample { track, sample } => {
                    payload += sample.len();
                    told += &format!("{track} {} {} {:?}\n", sample.decode_time, sample.duration, sample.payload.concat());
                }
                item => told += &format!("{item:?}\n"),
            }
        }
    }
    assert!(payload <= bytes.len() as u64, "{payload} bytes of payload");
    (told, demuxer.finish_body().is_ok())
}

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (bytes, lengths) = input;
    let mut lengths = lengths.into_iter().cycle();
    let whole = read(&bytes, || usize::MAX);
    let pieces = read(&bytes, || lengths.next().map_or(1, usize::from));
    assert_eq!(whole, pieces);
});
