//! Any bytes as a packet that somebody sends to the address of SRT: what is read of it is in it, what is answered is no longer than it, and
//! nothing panics.

use reelway::ingest::srt::handshake::{Refusal, Step, answer, read, refuse, resource, set_cookie};

/// Reads a packet, and answers it.
pub fn srt(bytes: &[u8]) {
    let Some(handshake) = read(bytes) else { return };
    assert!(
        answer(bytes, handshake.socket, 7).len() <= bytes.len() && refuse(bytes, handshake.socket, Refusal::Overload).len() <= bytes.len()
    );
    if let Step::Conclusion(wish) = &handshake.step
        && let Some(id) = &wish.stream_id
    {
        assert!(id.len() <= bytes.len() && resource(id).is_ok_and(|name| id.contains(name)) | resource(id).is_err());
    }
    let mut other = bytes.to_vec();
    set_cookie(&mut other, !handshake.cookie);
    let again = read(&other).unwrap();
    assert_eq!((again.step, again.socket, again.cookie), (handshake.step, handshake.socket, !handshake.cookie));
}
