//! Reelway, the server: an HTTP/3, HTTP/2 and HTTP/1.1 origin for video, and the packager.

pub mod http;
pub mod net;
