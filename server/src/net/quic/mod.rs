//! HTTP/3 on quinn.
//!
//! h3 keeps SETTINGS, GOAWAY, QPACK and the validation of header fields. Everything that carries bytes is ours, because the stock
//! transport copies every body, ends torn responses cleanly, panics when a read is pending, keeps handlers of clients that left,
//! and lets frames grow without bound:
//!
//! ```text
//!              quinn::Connection
//!                     |
//!   transport ------- + -- uni_reader --> h3: control stream, checked frame by frame, at a bounded rate
//!       |                                 |
//!       | door         request_reader --> h3: one HEADERS frame, whole
//!       v                  |              v
//!   exchange  <-- streams -+         http::Request --> request_body --> handler
//!       '------ response_writer: h3's HEADERS, then DATA frames straight to quinn <-- response body
//! ```
//!
//! `connection` holds the exchanges of one connection and ends them with it; `frame` is the layout of frames, `request_frames` and
//! `uni_frames` what may come in which order; `fault` what goes wrong; `send_window` what is held for a client; `bbr` how fast
//! packets go; `endpoint` who may connect; `reset` what ends connections of a server that is gone; `socket` how packets leave; `steer`
//! which of the sockets of a port they come to.

mod bbr;
mod connection;
mod endpoint;
mod exchange;
mod fault;
mod frame;
mod request_body;
mod request_frames;
mod request_reader;
mod reset;
mod response_writer;
mod send_window;
mod socket;
mod steer;
mod streams;
mod transport;
mod uni_frames;
mod uni_reader;

pub(super) use endpoint::{Host, endpoints, run};
pub use fault::Breach;
pub use request_frames::RequestFrames;
pub use reset::ResetKey;
pub(super) use send_window::SendPool;
pub use uni_frames::UniFrames;
