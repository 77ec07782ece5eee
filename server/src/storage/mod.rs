//! Where payload is: files on a local disk, read by range. Other stores will stand beside it.

mod block;
mod disk;
mod file;
mod gather;
mod hot;
mod kept;
mod payload;
mod recording;
mod replace;

pub use block::Block;
pub use disk::{Disk, LocalDisk};
pub use file::{Identity, SourceFile, is_media, is_text};
pub use gather::{Piece, gather, gather_cached};
pub use hot::{BLOCK, Hot};
pub use kept::{Kept, KeptPart, KeptRendition, KeptSegment};
pub use payload::read_payload;
pub use recording::{Entry, Extent, Form, Opening, Recorder};
pub use replace::{Readers, replace};
