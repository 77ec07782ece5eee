//! The end of a connection over TCP, for a client that is still sending.
//!
//! A socket that is closed while bytes wait in it is reset by the system, and with it what the client has not read yet: that its header
//! section is too large, say. So the server ends its own side alone at first, and takes what comes without looking (RFC 9112 section 9.6).

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::timeout,
};

use super::drain::Drain;

/// For how long: a client that reads its response closes the connection by then.
const TIME: Duration = Duration::from_secs(2);

/// Bytes that are taken.
const MOST: u64 = 1 << 20;

/// Takes what comes from a connection whose other side is ended, until the client ends its own; not where the server is about to end.
pub(super) async fn linger(io: impl AsyncRead + Unpin, drain: &mut Drain) {
    let mut rest = io.take(MOST);
    // On the heap, so that a connection is no larger for it as long as it lives.
    let mut sink = vec![0; 4096];
    let taking = timeout(TIME, async { while matches!(rest.read(&mut sink).await, Ok(1..)) {} });
    tokio::select! {
        biased;
        _ = drain.begun() => {}
        _ = taking => {}
    }
}
