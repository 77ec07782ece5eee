//! A connection whose frames are looked at on their way to h2.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    str,
    task::{Context, Poll, ready},
};

use h2::Reason;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    frames::{Http2Frames, Seen},
    wishes::Wishes,
};
use crate::net::{
    budget::{ABANDONED, Budget},
    priority::Priority,
    wish::LARGEST_UPDATE,
};

/// A PRIORITY_UPDATE frame costs its payload and this.
const FRAME_COST: u32 = 64;

/// What such frames may cost on one connection: some 3000 at once, 1500 a second, as over HTTP/3.
const UPDATES: (u32, u32) = (256 << 10, 128 << 10);

/// Reads and writes what is within, and tells [`Wishes`] of what it reads. After a fault nothing more is read: whoever polls the
/// connection looks for [`Wishes::fault`] after it.
pub(super) struct Watched<I> {
    inner: I,
    frames: Http2Frames,
    wishes: Wishes,
    updates: Budget,
    resets: Budget,
}

impl<I> Watched<I> {
    /// From the first byte on.
    pub fn new(inner: I, wishes: Wishes) -> Self {
        let (updates, resets) = (Budget::new(UPDATES.0, UPDATES.1), Budget::new(ABANDONED.0, ABANDONED.1));
        Self { inner, frames: Http2Frames::default(), wishes, updates, resets }
    }

    fn look(&mut self, mut bytes: &[u8]) -> Result<(), Reason> {
        while !bytes.is_empty() {
            let (passed, seen) = self.frames.next(bytes);
            bytes = bytes.get(passed..).unwrap_or_default();
            match seen {
                None => {}
                // h2 counts those that come before it has handed over their requests, and no others.
                Some(Seen::Reset(stream)) if self.resets.charge(1) => self.wishes.end(stream),
                Some(Seen::Reset(_)) => return Err(Reason::ENHANCE_YOUR_CALM),
                Some(Seen::Update { on, payload, length }) => self.update(on, &payload, length)?,
            }
        }
        Ok(())
    }

    /// RFC 9218 section 7.1: on stream 0, the id of a stream, and a `priority` field in ASCII.
    fn update(&mut self, on: u32, payload: &[u8], length: u32) -> Result<(), Reason> {
        if !self.updates.charge(length.saturating_add(FRAME_COST)) {
            return Err(Reason::ENHANCE_YOUR_CALM);
        }
        let (id, field) = payload.split_first_chunk().ok_or(Reason::FRAME_SIZE_ERROR)?;
        let id = u32::from_be_bytes(*id) & 0x7fff_ffff;
        // Those of requests are odd (RFC 9113 section 5.1.1), and no push is ever promised.
        if on != 0 || id % 2 == 0 {
            return Err(Reason::PROTOCOL_ERROR);
        }
        match str::from_utf8(field) {
            Ok(field) if length as usize <= LARGEST_UPDATE && !self.wishes.update(id, Priority::of_field(field)) => {
                Err(Reason::PROTOCOL_ERROR)
            }
            _ => Ok(()),
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let watched = self.get_mut();
        if watched.wishes.fault().is_some() {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut watched.inner).poll_read(cx, buffer))?;
        watched.wishes.hear();
        if let Err(reason) = watched.look(buffer.filled().get(before..).unwrap_or_default()) {
            tracing::debug!(?reason, "a frame ends a connection over HTTP/2");
            watched.wishes.fail(reason);
            buffer.set_filled(before);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Watched<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
