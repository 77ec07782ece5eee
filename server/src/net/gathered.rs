//! TLS over TCP that is written to the socket in few calls.
//!
//! HTTP/2 is written frame by frame, and flushed after each: a call to the system for every 16 KiB, and a waking of the client. Here what
//! is written stays, encrypted, until there is enough for one call, or there is nothing more to write.

use std::{
    io::{self, IoSlice, Write},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

/// The most that is gathered, in bytes: a piece of a file, with its head and what TLS adds.
pub(super) const MOST: usize = 144 << 10;

/// A TLS stream whose flush is left to its [`Outflow`].
pub(super) struct Gathered(Arc<Mutex<TlsStream<TcpStream>>>);

/// Sends what is gathered.
pub(super) struct Outflow(Arc<Mutex<TlsStream<TcpStream>>>);

impl Gathered {
    /// Takes `stream`. Whoever polls what writes here polls [`Outflow::poll_flush`] after it.
    pub fn new(mut stream: TlsStream<TcpStream>) -> (Self, Outflow) {
        stream.get_mut().1.set_buffer_limit(Some(MOST));
        let stream = Arc::new(Mutex::new(stream));
        (Self(Arc::clone(&stream)), Outflow(stream))
    }

    fn lock(&self) -> MutexGuard<'_, TlsStream<TcpStream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outflow {
    /// Gives the socket what it takes.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).poll_flush(cx)
    }
}

impl AsyncRead for Gathered {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Gathered {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut stream = self.lock();
        loop {
            let written = stream.get_mut().1.writer().write_vectored(slices)?;
            if written > 0 || slices.iter().all(|slice| slice.is_empty()) {
                return Poll::Ready(Ok(written));
            }
            ready!(Pin::new(&mut *stream).poll_flush(cx))?;
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_shutdown(cx)
    }
}
