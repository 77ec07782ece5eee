//! The transports: HTTP/1.1 and HTTP/2 over TCP, HTTP/3 over QUIC, one service behind all of them.
//!
//! ```text
//! Address --bind--> sockets --Listeners::serve--+-- tcp   TLS by ALPN or plain, hyper, h2 --+
//! Certificates ----> rustls                     '-- quic  quinn, our transport under h3   --+--> answer --> Service
//! ```
//!
//! What this module promises to the origin:
//!
//! - All sockets are taken before anything is served; a port that cannot be had is named in the error.
//! - A handler's future and its body are dropped as soon as the client cancels, or its connection ends.
//! - A body that fails, or is not as long as its `Content-Length`, never looks complete: HTTP/1.1 closes, HTTP/2 and HTTP/3 reset.
//! - What a peer can make us hold is bounded by [`Settings`], and so is the time it can take.
//! - Chunks of a body go to QUIC as they are, without a copy.
//! - When stopping, running requests may end, new ones are refused so that a client may safely repeat them elsewhere.
//!
//! | file | the one idea |
//! |---|---|
//! | `settings` | every limit and its unit |
//! | `address`, `bind` | where to listen; sockets all together or not at all |
//! | `tls`, `dev_certificate` | a certificate and its key; one that is made when there is none |
//! | `certificates` | those of a server: by name, for TCP and QUIC, exchanged while it serves |
//! | `challenges` | what shows an authority of ACME that a name is ours |
//! | `answer`, `measured`, `fields` | what holds for a request on every transport; for a head on the later ones |
//! | `gate`, `pace`, `budget` | how many may come in; clients that do not keep up; what is too much of a thing |
//! | `priority`, `wish`, `order` | what is said of the urgency of a response, at first and later; whose turn it is |
//! | `activity`, `drain` | closing what is idle; stopping |
//! | `tcp`, `gathered`, `linger` | connections over TCP, HTTP/1.1 by hyper; TLS in few calls; how one ends |
//! | `http2` | HTTP/2 by h2, and what h2 does not tell |
//! | `threads` | the thread that a connection runs on |
//! | `quic` | HTTP/3, from frames up to one exchange |
//! | `client` | the other side: requests over each of the three |

mod activity;
mod address;
mod answer;
mod bind;
mod budget;
mod certificates;
mod challenges;
pub mod client;
mod dev_certificate;
mod drain;
mod error;
mod fields;
mod gate;
mod gathered;
mod http2;
mod linger;
mod listeners;
mod measured;
mod order;
mod pace;
mod priority;
mod quic;
mod settings;
mod tcp;
mod threads;
mod tls;
mod wish;

pub use address::{Address, AddressError};
pub use answer::{Peer, Service};
pub use bind::Transport;
pub use certificates::{Certificates, PemFiles};
pub use challenges::{Challenges, Shown};
pub use error::Error;
pub(crate) use gate::{Gate, network};
pub use http2::{Http2Frames, Seen};
pub use listeners::{Listeners, listen, listen_udp};
pub use quic::{Breach, RequestFrames, ResetKey, UniFrames};
pub use settings::{Congestion, Settings};
pub use tls::Identity;
