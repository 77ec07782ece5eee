//! Any bytes as a transport stream, in pieces of any length: the same items as in one piece, the payload no more than what came, and no
//! panic.

use reelway_core::demux::ts::TransportDemuxer;

use super::stream::tell;

/// What a stream tells, as text, and whether it can be read to its end.
fn read(bytes: &[u8], mut length: impl FnMut() -> usize) -> (String, bool) {
    let mut demuxer = TransportDemuxer::new();
    let (mut told, mut payload, mut whole) = (String::new(), 0, true);
    let mut rest = bytes;
    let mut take = |demuxer: &mut TransportDemuxer| {
        while let Some(item) = demuxer.poll() {
            payload += tell(item, &mut told);
        }
        // A unit of a byte stream has a start code of three bytes, and gets a length of four.
        assert!(payload <= 2 * bytes.len() as u64, "{payload} bytes of payload");
    };
    while !rest.is_empty() && whole {
        let (piece, after) = rest.split_at(length().clamp(1, rest.len()));
        rest = after;
        whole = demuxer.push(piece).is_ok();
        take(&mut demuxer);
    }
    whole &= demuxer.finish_body().is_ok();
    take(&mut demuxer);
    (told, whole)
}

/// Reads a stream in one piece and in many. The first byte tells how many lengths of pieces follow, then come the packets without their first
/// bytes: what a fuzzer finds by itself too seldom.
pub fn transport(bytes: &[u8]) {
    let Some((count, rest)) = bytes.split_first() else { return };
    let (lengths, packets) = rest.split_at(usize::from(*count).min(rest.len()));
    let bytes: Vec<u8> = packets.chunks(187).flat_map(|packet| [&[0x47], packet].concat()).collect();
    let mut lengths = lengths.iter().cycle();
    let whole = read(&bytes, || usize::MAX);
    let pieces = read(&bytes, || lengths.next().map_or(1, |length| usize::from(*length)));
    assert_eq!(whole, pieces);
}
