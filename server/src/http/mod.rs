//! HTTP semantics (RFC 9110) above the transports: one request type, one response type, one handler for HTTP/1.1, HTTP/2 and HTTP/3.
//!
//! ```text
//! path -> resource -> (origin) -> representation -> precondition, range, multipart -> response
//! ```

mod admission;
mod body;
mod cmcd;
mod coding;
mod content;
mod live_path;
mod multipart;
mod precondition;
mod problem;
mod range;
mod representation;
mod resource;
mod under;

use std::future::Future;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

pub use admission::refuse;
pub use body::Body;
pub use cmcd::{Cmcd, Format, ObjectType, StreamType};
pub use coding::{Coding, Text};
pub use content::Content;
pub use live_path::{IngestPath, LivePart, StreamName};
pub use problem::problem;
pub use range::of_growing as range_of_growing;
pub use representation::{Representation, options, respond};
pub use resource::{AssetPath, Resource, UPLOAD, VodPart, steps};
pub use under::Under;

/// What goes wrong while a request body is read.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request, whatever transport brought it.
pub type RequestBody = UnsyncBoxBody<Bytes, BodyError>;

/// A request, whatever transport brought it.
pub type Request = http::Request<RequestBody>;

/// A response, whatever transport carries it.
pub type Response = http::Response<Body>;

/// Answers requests. The transports know nothing else of the origin.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. The future is dropped when the client goes away.
    fn handle(&self, request: Request) -> impl Future<Output = Response> + Send;
}
