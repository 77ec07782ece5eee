//! What HTTP/2 says that hyper does not tell: PRIORITY_UPDATE frames (RFC 9218 section 7.1), and which stream a request is on.
//!
//! ```text
//! socket --> TLS --> watched: frames --> hyper --> request --+--> answer
//!                       |                                    |
//!                       '--> requests: stream, wishes -------'
//! ```
//!
//! hyper gets all bytes as they are, into its own buffer: h2 passes over frames that it does not know. It is never given more than one
//! request at a time, so the one that it hands over next is the one that was seen last, also where h2 has refused some.

mod fault;
mod frames;
mod requests;
mod watched;

pub use frames::{Http2Frames, Seen};
pub(super) use requests::Requests;
pub(super) use watched::Watched;
