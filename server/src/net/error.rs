//! What can keep the transports from starting.

use std::{io, net::SocketAddr, path::PathBuf};

use thiserror::Error;

use super::bind::Transport;

/// Why nothing is served: each message names what, where, and what to do about it when that is known.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A port cannot be had.
    #[error("{address} ({transport}) {}: {source}", bind_trouble(source))]
    Bind {
        /// Where.
        address: SocketAddr,
        /// By which protocol; the other one may be free.
        transport: Transport,
        /// What the system said.
        source: io::Error,
    },
    /// The system gives none of what every server needs.
    #[error("the system gives no {what}: {source}")]
    System {
        /// Of what.
        what: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// A file of the certificate cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file holds no usable PEM.
    #[error("{}: {reason}", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificate and the key do not fit together, or TLS does not accept them.
    #[error("the certificate cannot be used: {0}")]
    Tls(#[from] rustls::Error),
    /// The development certificate could not be made.
    #[error("the development certificate cannot be made: {0}")]
    Certificate(#[from] rcgen::Error),
}

impl Error {
    pub(super) fn bind(address: SocketAddr, transport: Transport, source: io::Error) -> Self {
        Self::Bind { address, transport, source }
    }
}

fn bind_trouble(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => "is already in use",
        io::ErrorKind::AddrNotAvailable => "is not an address of this machine",
        io::ErrorKind::PermissionDenied => "may not be used (ports below 1024 need CAP_NET_BIND_SERVICE)",
        _ => "cannot be listened on",
    }
}
