//! Why an upload, or a part of it, is refused.

use std::{fmt::Display, io};

use http::StatusCode;

use crate::catalogue::CatalogueError;

/// A refusal: the status, and a sentence for who sends.
#[derive(Debug)]
pub struct Refusal(pub StatusCode, pub String);

/// What comes of a request.
pub type Result<T> = std::result::Result<T, Refusal>;

impl Refusal {
    /// There is no such thing, or nobody here may know of it.
    pub fn not_found() -> Self {
        Self(StatusCode::NOT_FOUND, "there is no such upload or part of one".into())
    }

    /// The client is at fault: what it sends is not what it should be.
    pub fn content(why: impl Display) -> Self {
        Self(StatusCode::UNPROCESSABLE_ENTITY, why.to_string())
    }

    /// Who sends has not shown that it may.
    pub fn unauthorized(why: impl Display) -> Self {
        Self(StatusCode::UNAUTHORIZED, why.to_string())
    }

    /// Others bring as much as fits into memory.
    pub fn busy() -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, "others announce and bring as much as fits into memory: come again in a moment".into())
    }

    /// More than is taken.
    pub fn too_large(why: impl Display) -> Self {
        Self(StatusCode::PAYLOAD_TOO_LARGE, why.to_string())
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        tracing::error!(%error, "an upload cannot be kept");
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self(StatusCode::INSUFFICIENT_STORAGE, "the disk is full: nothing of this request was kept".into())
            }
            _ => Self(StatusCode::INTERNAL_SERVER_ERROR, "the upload cannot be kept".into()),
        }
    }
}

impl From<CatalogueError> for Refusal {
    fn from(error: CatalogueError) -> Self {
        io::Error::from(error).into()
    }
}
