//! Live streams, between those who push and those who watch. Nothing here knows of HTTP requests.
//!
//! ```text
//! ingest -> Stream: the core's Live under one lock -> Log of each rendition -> origin
//! ```

mod clear;
mod clock;
mod figures;
mod log;
mod past;
mod recording;
mod stream;
mod streams;
mod texts;

pub use clock::Clock;
pub use figures::{Counted, Figures};
pub use log::{Cursor, Edge, Log, Part, Segment};
pub use stream::Stream;
pub use streams::{Full, Streams};
pub use texts::Wanted;
