//! HTTP/2 over h2. hyper would hide which stream a request is on, and nobody but us heeds PRIORITY_UPDATE frames (RFC 9218 section 7.1).
//!
//! ```text
//! socket --> TLS --> watched: frames --> h2 --> connection --> exchange --> answer
//!                       |                                        |
//!                       '--> wishes: of which stream, what ------'
//! ```
//!
//! h2 gets all bytes as they come, into its own buffer, and passes over frames that it does not know: its bounds on floods are as without
//! us.

mod connection;
mod exchange;
mod frames;
mod preface;
mod request_body;
mod watched;
mod wishes;

pub(super) use connection::Http2;
pub use frames::{Http2Frames, Seen};
pub(super) use preface::sniff;
