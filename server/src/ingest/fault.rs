//! Why a request of a publisher comes to nothing, and how it is told (DASH-IF Live Media Ingest 1.2, 6.2.4).

use http::{HeaderValue, StatusCode, header};
use reelway_core::{Error, ErrorKind};

use crate::http::{Response, problem};

/// Why a request of a publisher comes to nothing.
#[derive(Debug)]
pub enum Fault {
    /// It says not who it is.
    Unauthorized,
    /// The key is not the right one.
    Forbidden,
    /// Who decides does not answer.
    Undecided,
    /// There is no room for one more stream.
    Full,
    /// Somebody else publishes.
    Busy,
    /// Media before its header.
    NoHeader(String),
    /// What comes is no media that can be published.
    NoMedia(String),
    /// The media is at fault.
    Media(Error),
    /// `Content-Range` does not go on where the last request ended.
    Range {
        /// Where that was.
        expected: u64,
    },
    /// `Content-Range` cannot be read.
    MalformedRange,
    /// The body did not come to its end.
    Cut(String),
    /// Another publisher took its place.
    Replaced,
    /// Ours.
    Internal(String),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Media(error)
    }
}

impl Fault {
    /// What the encoder is told. It is told to close the connection too: encoders send on without reading answers, and only that stops
    /// them.
    pub fn answer(&self) -> Response {
        let (status, detail) = self.told();
        let mut response = problem(status, &detail);
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        if matches!(self, Self::Unauthorized) {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"publish\", charset=\"UTF-8\""));
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"publish\""));
        }
        if matches!(self, Self::Undecided | Self::Full | Self::Busy) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }

    /// Whether it is the media of who may publish: encoders go on as they are, and show nothing of why, so that somebody has to look.
    pub fn is_of_media(&self) -> bool {
        matches!(self, Self::NoHeader(_) | Self::NoMedia(_) | Self::Media(_))
    }

    /// Of which kind it is, by the statuses of HTTP, and what is wrong.
    pub fn told(&self) -> (StatusCode, String) {
        match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "a key is needed: make one with `reelway token publish NAME`".into()),
            Self::Forbidden => (StatusCode::FORBIDDEN, "this is not the key of the stream".into()),
            Self::Undecided => (StatusCode::SERVICE_UNAVAILABLE, "who decides who may publish does not answer".into()),
            Self::Full => (StatusCode::SERVICE_UNAVAILABLE, "there are as many streams as there may be".into()),
            Self::Busy => (StatusCode::CONFLICT, "somebody else publishes this stream".into()),
            Self::NoHeader(file) => {
                (StatusCode::PRECONDITION_FAILED, format!("{file} comes before its header: send the header (ftyp, moov) first, or again"))
            }
            Self::NoMedia(what) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, what.clone()),
            Self::Media(error) => {
                let status = match error.kind() {
                    ErrorKind::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    _ => StatusCode::BAD_REQUEST,
                };
                (status, error.to_string())
            }
            Self::Range { expected } => (StatusCode::RANGE_NOT_SATISFIABLE, format!("the next byte is {expected}")),
            Self::MalformedRange => (StatusCode::BAD_REQUEST, "Content-Range is to be as bytes 0-99/*".into()),
            Self::Cut(why) => (StatusCode::BAD_REQUEST, format!("the body ended before its end: {why}")),
            Self::Replaced => (StatusCode::CONFLICT, "another publisher took over the stream".into()),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the server failed".into()),
        }
    }
}
