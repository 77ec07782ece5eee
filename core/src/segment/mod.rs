//! Where segments begin, and the bytes that are made for them: the CMAF header and the heads of chunks. Payload is only named.

pub mod boundary;
pub mod chunk;
#[cfg(feature = "encryption")]
pub mod encrypt;
pub mod header;
pub mod index;
pub mod mux;
pub mod text;
pub mod trick_mode;
