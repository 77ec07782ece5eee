//! What goes wrong while we read from a peer, and how h3 and the handler hear of it.

use std::sync::Arc;

use h3::{
    error::Code,
    quic::{ConnectionErrorIncoming, StreamErrorIncoming},
};
use quinn::{ConnectionError, ReadError, VarInt, WriteError};
use thiserror::Error;

/// What a client did that HTTP/3 forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// The connection has to end, with this code (RFC 9114 section 8.1) and for this reason.
    Connection(Code, &'static str),
    /// One message is malformed (section 4.1.2); the connection goes on.
    Message(&'static str),
}

/// Why no more can be read from a stream.
#[derive(Clone, Debug, Error)]
pub(super) enum Fault {
    /// The peer has reset the stream.
    #[error("the client gave up the stream ({})", Code::from(*.0))]
    Reset(u64),
    /// The connection is gone.
    #[error("the connection is lost: {0}")]
    Lost(ConnectionError),
    /// The peer broke the protocol, and we closed the connection for it.
    #[error("connection closed with {code}: {reason}")]
    Refused {
        /// RFC 9114 section 8.1.
        code: Code,
        /// Which rule.
        reason: &'static str,
    },
    /// This one message breaks the protocol (RFC 9114 section 4.1.2).
    #[error("malformed message: {0}")]
    Malformed(&'static str),
    /// Nothing can be read any more: the stream has been stopped by us.
    #[error("the stream is closed")]
    Closed,
}

/// Closes the connection for a breach of the protocol.
pub(super) fn refuse(connection: &quinn::Connection, code: Code, reason: &'static str) -> Fault {
    tracing::debug!(peer = %connection.remote_address(), %code, reason, "an HTTP/3 connection is refused");
    connection.close(varint(code), reason.as_bytes());
    Fault::Refused { code, reason }
}

/// An error code for quinn.
pub(super) fn varint(code: Code) -> VarInt {
    VarInt::from_u64(code.value()).unwrap_or(VarInt::MAX)
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Reset(code) => Self::Reset(code.into_inner()),
            ReadError::ConnectionLost(error) => Self::Lost(error),
            ReadError::ClosedStream | ReadError::IllegalOrderedRead | ReadError::ZeroRttRejected => Self::Closed,
        }
    }
}

impl From<Fault> for StreamErrorIncoming {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Reset(error_code) => Self::StreamTerminated { error_code },
            Fault::Lost(error) => lost(error),
            // The connection is closed already; h3 has only to stop.
            refused @ Fault::Refused { .. } => {
                Self::ConnectionErrorIncoming { connection_error: ConnectionErrorIncoming::Undefined(Arc::new(refused)) }
            }
            fault @ (Fault::Malformed(_) | Fault::Closed) => Self::Unknown(Box::new(fault)),
        }
    }
}

/// A lost connection as h3 wants to hear of it on a stream.
pub(super) fn lost(error: ConnectionError) -> StreamErrorIncoming {
    StreamErrorIncoming::ConnectionErrorIncoming { connection_error: connection_error(error) }
}

/// A lost connection as h3 wants to hear of it.
pub(super) fn connection_error(error: ConnectionError) -> ConnectionErrorIncoming {
    match error {
        ConnectionError::ApplicationClosed(close) => {
            ConnectionErrorIncoming::ApplicationClose { error_code: close.error_code.into_inner() }
        }
        ConnectionError::TimedOut => ConnectionErrorIncoming::Timeout,
        error => ConnectionErrorIncoming::Undefined(Arc::new(error)),
    }
}

/// A failed write as h3 wants to hear of it.
pub(super) fn write_error(error: WriteError) -> StreamErrorIncoming {
    match error {
        WriteError::Stopped(code) => StreamErrorIncoming::StreamTerminated { error_code: code.into_inner() },
        WriteError::ConnectionLost(error) => lost(error),
        error @ (WriteError::ClosedStream | WriteError::ZeroRttRejected) => StreamErrorIncoming::Unknown(Box::new(error)),
    }
}
