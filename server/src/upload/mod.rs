//! Uploads of segments that a browser has cut: plan first, then segments in any order, played while they come.
//!
//! ```text
//! index of the file -> plan (core) -> file of full size with gaps <- segments: heads compared, payload put where the file has it
//!                                     '- played like any file, as far as it has come
//! ```
//!
//! The client sends the bytes that its plan was made from, and the server makes the same plan with the same core: it then knows every head
//! and every size, and a segment that is not as planned is refused. Heads are not kept, they are made again; payload goes to its place in
//! a file as large as the original, which is the original once all has come, but for what no track uses.
//!
//! Who has no such client sends whole files (tus); they are planned once they are there.
//!
//! What is acknowledged is on the disk: first the payload, then the digest of the segment in the catalogue.

mod disk;
mod error;
mod index;
mod owner;
mod play;
mod record;
mod routes;
mod row;
mod store;
mod transfer;
mod turn;
mod tus;

use std::time::Duration;

pub use index::{Announcement, Planned};
pub use store::Uploads;

/// What one client may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a file.
    pub file: u64,
    /// Bytes of the request that announces a file: its index in base64.
    pub announcement: usize,
    /// Bytes of a segment: it is in memory as a whole.
    pub segment: u64,
    /// Bytes of all segments and announcements that are in memory at once, of all clients.
    pub memory: u64,
    /// Files, be they whole or not.
    pub files: usize,
    /// Files of one owner.
    pub owned: usize,
    /// Requests of one owner that bring bytes at once.
    pub parallel: usize,
    /// Bytes that stay free on the disk: the catalogue and all else that the server writes need room when uploads have none.
    pub reserve: u64,
    /// How long a request for a whole file is waited for, of which nothing more comes.
    pub idle: Duration,
    /// How long a file is kept of which nothing more comes.
    pub expiry: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file: 64 << 30,
            announcement: 64 << 20,
            segment: 64 << 20,
            memory: 256 << 20,
            files: 10_000,
            owned: 1000,
            parallel: 64,
            reserve: 64 << 20,
            idle: Duration::from_secs(30),
            expiry: Duration::from_hours(7 * 24),
        }
    }
}
