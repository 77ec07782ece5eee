//! A quinn connection as h3 sees it (the traits of `h3::quic`).

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h3::{
    error::Code,
    quic::{Connection, ConnectionErrorIncoming, OpenStreams, StreamErrorIncoming},
};

use super::{
    fault::{Fault, connection_error, lost, refuse, varint},
    request_reader::RequestReader,
    response_writer::ResponseWriter,
    streams::{Halves, Outbox, RequestStream, UniWriter},
    uni_frames::control_budget,
    uni_reader::UniReader,
};
use crate::net::{Settings, budget::Budget, wish::Priorities};

/// A future of quinn, kept until it resolves: quinn forgets who waits when one is dropped.
type Waiting<T> = Pin<Box<dyn Future<Output = Result<T, quinn::ConnectionError>> + Send>>;

/// Unidirectional streams a client may open: far more than the three it needs, far fewer than would be work.
const UNI_STREAMS: (u32, u32) = (64, 4);

/// h3's side of a connection. The other side, with the exchanges, is a [`Door`].
pub(super) struct Transport {
    connection: quinn::Connection,
    accepting_bidi: Waiting<(quinn::SendStream, quinn::RecvStream)>,
    accepting_uni: Waiting<quinn::RecvStream>,
    opener: Opener,
    door: Door,
    /// See [`RequestReader::new`].
    largest_frame: u32,
    control: Arc<Mutex<Budget>>,
    uni_streams: Budget,
    priorities: Priorities,
}

impl Transport {
    /// A transport on `connection` whose control stream writes to `outbox`, and the door through which its request streams go to their
    /// exchanges.
    pub fn new(connection: quinn::Connection, outbox: Outbox, settings: &Settings) -> (Self, Door) {
        let door = Door::default();
        let transport = Self {
            accepting_bidi: accept_bidi(connection.clone()),
            accepting_uni: accept_uni(connection.clone()),
            opener: Opener::new(connection.clone(), outbox),
            door: door.clone(),
            largest_frame: settings.max_header_bytes,
            control: Arc::new(Mutex::new(control_budget())),
            uni_streams: Budget::new(UNI_STREAMS.0, UNI_STREAMS.1),
            priorities: Priorities::new(settings.max_streams),
            connection,
        };
        (transport, door)
    }
}

/// Where the halves of the request stream that h3 accepted last can be had, and where further ones are turned away.
#[derive(Clone, Default)]
pub(super) struct Door(Arc<Mutex<DoorState>>);

#[derive(Default)]
struct DoorState {
    arrived: Option<Halves>,
    /// The id after the last one let in.
    next: u64,
    closed: bool,
}

impl Door {
    /// The halves of the stream that h3 accepted last.
    pub fn take(&self) -> Option<Halves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).arrived.take()
    }

    /// No request has come yet.
    pub fn is_unused(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next == 0
    }

    /// Lets no further stream in. What comes is rejected, which tells the client that it may safely be repeated elsewhere
    /// (RFC 9114 section 5.2). h3 would still let in the very stream that its GOAWAY names as the first not to be served.
    pub fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
    }

    /// Lets a stream in, or says that it may not.
    fn admit(&self, id: quinn::StreamId, halves: &Halves) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed && u64::from(id) >= state.next {
            return false;
        }
        state.next = state.next.max(u64::from(id) + 4); // RFC 9000 section 2.1: the two low bits are the kind of stream
        state.arrived = Some(halves.clone());
        true
    }
}

fn accept_bidi(connection: quinn::Connection) -> Waiting<(quinn::SendStream, quinn::RecvStream)> {
    Box::pin(async move { connection.accept_bi().await })
}

fn accept_uni(connection: quinn::Connection) -> Waiting<quinn::RecvStream> {
    Box::pin(async move { connection.accept_uni().await })
}

impl Connection<Bytes> for Transport {
    type RecvStream = UniReader;
    type OpenStreams = Opener;

    fn poll_accept_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<UniReader, ConnectionErrorIncoming>> {
        let accepted = ready!(self.accepting_uni.as_mut().poll(cx)).map_err(connection_error)?;
        self.accepting_uni = accept_uni(self.connection.clone());
        if !self.uni_streams.charge(1) {
            let fault = refuse(&self.connection, Code::H3_EXCESSIVE_LOAD, "too many unidirectional streams");
            return Poll::Ready(Err(ConnectionErrorIncoming::Undefined(Arc::new(fault))));
        }
        Poll::Ready(Ok(UniReader::new(self.connection.clone(), accepted, Arc::clone(&self.control), self.priorities.clone())))
    }

    fn poll_accept_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<RequestStream, ConnectionErrorIncoming>> {
        loop {
            let (send, receive) = ready!(self.accepting_bidi.as_mut().poll(cx)).map_err(connection_error)?;
            self.accepting_bidi = accept_bidi(self.connection.clone());
            let id = send.id();
            let reader = RequestReader::new(self.connection.clone(), receive, self.largest_frame);
            let halves = Halves::new(reader, ResponseWriter::new(send, self.priorities.open(id.into())));
            if self.door.admit(id, &halves) {
                return Poll::Ready(Ok(RequestStream::new(halves, id)));
            }
            halves.reject(varint(Code::H3_REQUEST_REJECTED));
        }
    }

    fn opener(&self) -> Opener {
        Opener::new(self.connection.clone(), self.opener.outbox.clone())
    }
}

impl OpenStreams<Bytes> for Transport {
    type BidiStream = RequestStream;
    type SendStream = UniWriter;

    fn poll_open_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<RequestStream, StreamErrorIncoming>> {
        self.opener.poll_open_bidi(cx)
    }

    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<UniWriter, StreamErrorIncoming>> {
        self.opener.poll_open_send(cx)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.opener.close(code, reason);
    }
}

/// Opens our control stream.
pub(super) struct Opener {
    connection: quinn::Connection,
    outbox: Outbox,
    opening: Option<Waiting<quinn::SendStream>>,
}

impl Opener {
    fn new(connection: quinn::Connection, outbox: Outbox) -> Self {
        Self { connection, outbox, opening: None }
    }
}

impl OpenStreams<Bytes> for Opener {
    type BidiStream = RequestStream;
    type SendStream = UniWriter;

    /// A server opens no bidirectional streams (RFC 9114 section 6.1), and h3 asks for none.
    fn poll_open_bidi(&mut self, _: &mut Context<'_>) -> Poll<Result<RequestStream, StreamErrorIncoming>> {
        Poll::Ready(Err(Fault::Closed.into()))
    }

    /// The control stream, which is asked for first. There are no others: h3 asks for two more for QPACK and goes on without them, which who
    /// has no dynamic table need not open (RFC 9204 section 4.2).
    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<UniWriter, StreamErrorIncoming>> {
        if self.outbox.is_open() {
            return Poll::Ready(Err(Fault::Closed.into()));
        }
        let opening = self.opening.get_or_insert_with(|| {
            let connection = self.connection.clone();
            Box::pin(async move { connection.open_uni().await })
        });
        let opened = ready!(opening.as_mut().poll(cx));
        self.opening = None;
        Poll::Ready(opened.map(|stream| self.outbox.open(stream)).map_err(lost))
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.connection.close(varint(code), reason);
    }
}
