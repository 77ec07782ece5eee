//! A connection whose frames are looked at on their way to hyper.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    str,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    fault::Fault,
    frames::{Http2Frames, Seen},
    requests::Requests,
};
use crate::net::{budget::Budget, priority::Priority, wish::LARGEST_UPDATE};

/// A PRIORITY_UPDATE frame costs its payload and this.
const FRAME_COST: u32 = 64;

/// What such frames may cost on one connection: some 3000 at once, 1500 a second, as over HTTP/3.
const UPDATES: (u32, u32) = (256 << 10, 128 << 10);

/// Reads and writes what is within, and tells [`Requests`] of what it reads. As long as those say so, nothing more is read: whoever polls
/// hyper polls it again after [`Requests::go_on`].
pub(in crate::net) struct Watched<I> {
    inner: I,
    frames: Http2Frames,
    requests: Requests,
    updates: Budget,
    /// What was read behind a request.
    behind: BytesMut,
    /// What is wrong, and how many bytes hyper has of its consequence.
    fault: Option<(Fault, usize)>,
}

impl<I> Watched<I> {
    /// From the first byte on.
    pub fn new(inner: I, requests: Requests) -> Self {
        let updates = Budget::new(UPDATES.0, UPDATES.1);
        Self { inner, frames: Http2Frames::default(), requests, updates, behind: BytesMut::new(), fault: None }
    }

    /// Looks at what was read. Gives how many bytes hyper may have.
    fn look(&mut self, bytes: &[u8]) -> usize {
        let mut passed = 0;
        while let Some(rest) = bytes.get(passed..).filter(|rest| !rest.is_empty()) {
            let (length, seen) = self.frames.next(rest);
            passed += length;
            match seen {
                None => {}
                Some(Seen::Request(stream)) => {
                    self.requests.arrive(stream);
                    return passed;
                }
                Some(Seen::Reset(stream)) => self.requests.end(stream),
                Some(Seen::Update { on, payload, length }) => {
                    if let Err(fault) = self.update(on, &payload, length) {
                        tracing::debug!(?fault, "a PRIORITY_UPDATE frame ends a connection over HTTP/2");
                        self.fault = Some((fault, 0));
                        return passed; // and what follows is of no use
                    }
                }
            }
        }
        passed
    }

    /// RFC 9218 section 7.1: on stream 0, the id of a stream, and a `priority` field in ASCII.
    fn update(&mut self, on: u32, payload: &[u8], length: u32) -> Result<(), Fault> {
        if !self.updates.charge(length.saturating_add(FRAME_COST)) {
            return Err(Fault::Flood);
        }
        let (id, field) = payload.split_first_chunk().ok_or(Fault::FrameSize)?;
        let id = u32::from_be_bytes(*id) & 0x7fff_ffff;
        // Those of requests are odd (RFC 9113 section 5.1.1), and no push is ever promised.
        if on != 0 || id % 2 == 0 {
            return Err(Fault::Protocol);
        }
        match str::from_utf8(field) {
            Ok(field) if length as usize <= LARGEST_UPDATE && !self.requests.update(id, Priority::of_field(field)) => Err(Fault::Protocol),
            _ => Ok(()),
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let watched = self.get_mut();
        if watched.frames.is_other() {
            return Pin::new(&mut watched.inner).poll_read(cx, buffer);
        }
        if watched.requests.is_fresh() {
            return Poll::Pending;
        }
        let room = buffer.remaining();
        if let Some((fault, sent)) = &mut watched.fault {
            for byte in fault.provocation(*sent).take(room) {
                buffer.put_slice(&[byte]);
            }
            *sent += room;
        } else if watched.behind.is_empty() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut watched.inner).poll_read(cx, buffer))?;
            let read = buffer.filled().get(before..).unwrap_or_default();
            let given = watched.look(read);
            watched.behind.extend_from_slice(read.get(given..).unwrap_or_default());
            buffer.set_filled(before + given);
        } else {
            let mut behind = std::mem::take(&mut watched.behind);
            let given = watched.look(behind.get(..room.min(behind.len())).unwrap_or_default());
            buffer.put_slice(behind.get(..given).unwrap_or_default());
            behind.advance(given);
            if !behind.is_empty() {
                watched.behind = behind;
            }
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
