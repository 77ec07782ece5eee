//! The media core of Reelway: any MP4 in, CMAF with HLS and DASH out, without moving a byte of media.
//!
//! It is sans-IO: it takes bytes of ranges that it asks for, and gives bytes that it makes and ranges that it names. It has no clock, no
//! file, no socket, no thread; it runs in a server and in a browser alike. It does not decode or encode, and it does not serve.
//!
//! ```text
//! bytes -> demux -> samples -> segment -> timeline -> presentation -> HLS / DASH text
//!          ^ ranges of the file   '- head + extents: what is made, and where the rest already is
//! ```
//!
//! A file takes no more memory than four times its bytes and 1 MiB, and however large it is no more than [`demux::MAX_INDEX`] says.
//!
//! The whole of it, with `read` for reading a range of a file of `size` bytes:
//!
//! ```
//! # fn package(size: u64, read: impl Fn(core::ops::Range<u64>) -> Vec<u8>) -> reelway_core::Result<()> {
//! use reelway_core::{Demuxer, Options, Vod};
//!
//! let mut demuxer = Demuxer::new(size);
//! while let Some(range) = demuxer.required() {
//!     demuxer.handle(range.start, &read(range.clone()))?;
//! }
//! let vod = Vod::new(vec![demuxer.finish()?], &Options::default())?;
//! println!("{}", vod.multivariant_playlist());
//! for fragment in vod.segment("v1", 1)? {
//!     println!("{} bytes of head, then {:?} of the file", fragment.head.len(), fragment.extents);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A module uses only those above it in this list: [`error`], [`time`], [`language`], [`coding`]; [`boxes`]; [`codec`], [`sample`], [`text`],
//! [`track`]; [`demux`], [`segment`], [`timeline`], [`window`]; [`i_frames`], [`presentation`], [`alignment`], `density`, [`selection`]; [`hls`], [`dash`]; [`vod`], [`live`].

#![no_std]
#![deny(
    clippy::indexing_slicing,          // every index may come from outside
    clippy::cast_possible_truncation,  // 64-bit offsets meet 32-bit addresses in a browser
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::expect_used,
    clippy::panic
)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::cast_possible_truncation))] // tests may fail by panic

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod alignment;
pub mod boxes;
pub mod codec;
pub mod coding;
pub mod dash;
pub mod demux;
mod density;
#[cfg(feature = "encryption")]
pub mod encryption;
pub mod error;
pub mod hls;
pub mod i_frames;
pub mod language;
pub mod live;
mod notation;
mod order;
pub mod presentation;
pub mod protection;
pub mod sample;
pub mod segment;
pub mod selection;
#[cfg(feature = "encryption")]
pub mod subsamples;
pub mod text;
pub mod time;
pub mod timeline;
pub mod track;
pub mod vod;
pub mod window;

pub use demux::{Demuxer, Movie};
pub use error::{Error, ErrorKind, Result};
pub use live::Live;
pub use presentation::Presentation;
pub use segment::chunk::Fragment;
pub use vod::{Options, Vod};
