//! Any bytes as what a peer sends over RTMP behind its handshake, in pieces of any length: the same items as in one piece, the payload no
//! more than what came, and no panic.

use std::fmt::Write;

use reelway_core::demux::rtmp::{Event, Session};

use super::stream::tell;

/// Bytes of the handshake of a peer: the version, and two packets.
const HANDSHAKE: usize = 1 + 2 * 1536;

/// What a session tells, as text, and whether it can be read to its end.
fn read(bytes: &[u8], mut length: impl FnMut() -> usize) -> (String, bool) {
    let mut session = Session::new();
    let mut hello = vec![3];
    hello.resize(HANDSHAKE, 0);
    session.push(&hello).unwrap();
    let (mut told, mut payload, mut whole) = (String::new(), 0, true);
    let mut rest = bytes;
    let mut take = |session: &mut Session, whole: &mut bool| {
        while let Some(event) = session.poll() {
            match event {
                Event::Publish { app, name } => {
                    let _ = writeln!(told, "publish {app} {name}");
                    *whole &= session.accept().is_ok();
                }
                Event::Item(item) => payload += tell(item, &mut told),
                Event::Ended => told += "ended\n",
            }
        }
        session.to_send();
        assert!(payload <= bytes.len() as u64, "{payload} bytes of payload");
    };
    while !rest.is_empty() && whole {
        let (piece, after) = rest.split_at(length().clamp(1, rest.len()));
        rest = after;
        whole &= session.push(piece).is_ok();
        take(&mut session, &mut whole);
    }
    session.finish();
    take(&mut session, &mut whole);
    (told, whole)
}

/// Reads what a peer sends in one piece and in many. The first byte tells how many lengths of pieces follow, then comes what it sends.
pub fn rtmp(bytes: &[u8]) {
    let Some((count, rest)) = bytes.split_first() else { return };
    let (lengths, bytes) = rest.split_at(usize::from(*count).min(rest.len()));
    let mut lengths = lengths.iter().cycle();
    let whole = read(bytes, || usize::MAX);
    let pieces = read(bytes, || lengths.next().map_or(1, |length| usize::from(*length)));
    assert_eq!(whole, pieces);
}
