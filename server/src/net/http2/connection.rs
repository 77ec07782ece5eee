//! One connection over HTTP/2: each request becomes a task.

use std::{
    error::Error,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{
    Ping, PingPong, RecvStream,
    server::{Builder, Connection, Handshake, SendResponse},
};
use http::Request;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};

use super::{exchange::exchange, watched::Watched, wishes::Wishes};
use crate::net::{
    Settings,
    answer::Service,
    pace::Pace,
    tcp::{Connected, Origin},
};

/// What one stream may have written and not yet given to the socket. The kernel buffers on top of it, so it need not grow with the round
/// trip.
const SEND_BUFFER: usize = 128 << 10;

/// Streams that one connection may have made us reset for its own faults (CVE-2025-8671).
const FAULTY_STREAMS: usize = 1024;

/// Serves a client until it goes, or its protocol ends. The future ends with the connection; its requests end with their streams.
pub(in crate::net) struct Http2<I, S> {
    state: State<I>,
    wishes: Wishes,
    origin: Arc<Origin<S>>,
    connected: Connected,
    /// The client is to bring no more requests.
    retired: bool,
    /// It has been told of its [fault](Wishes::fault).
    failed: bool,
    /// Ticks when the client has said nothing for so long that it is to be [asked](Self::is_there).
    silence: Interval,
    /// The client has been asked whether it is there.
    asked: bool,
}

enum State<I> {
    Handshaking(Handshake<Watched<I>, Bytes>),
    Serving(Connection<Watched<I>, Bytes>, Option<PingPong>),
}

impl<I: AsyncRead + AsyncWrite + Unpin, S: Service> Http2<I, S> {
    /// Begins on `io`, before the preface of the client.
    pub fn new(io: I, origin: Arc<Origin<S>>, connected: Connected) -> Self {
        let wishes = Wishes::new(origin.settings.max_streams, connected.order.clone());
        let handshake = builder(&origin.settings).handshake(Watched::new(io, wishes.clone()));
        let time = origin.settings.http2_silence;
        let mut silence = interval_at(Instant::now() + time, time);
        silence.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { state: State::Handshaking(handshake), wishes, origin, connected, retired: false, failed: false, silence, asked: false }
    }

    /// Lets what is under way end, and the connection after it.
    pub fn graceful_shutdown(self: Pin<&mut Self>) {
        let this = self.get_mut();
        if !mem::replace(&mut this.retired, true)
            && let State::Serving(h2, _) = &mut this.state
        {
            h2.graceful_shutdown();
        }
    }

    /// A request comes. Its task ends, and with it the stream, when its client does not take the response.
    fn begin(&self, request: Request<RecvStream>, respond: SendResponse<Bytes>) {
        let wish = self.wishes.accept(respond.stream_id().as_u32());
        let (pace, time) = (Pace::default(), self.origin.settings.write_timeout);
        let exchange = exchange(Arc::clone(&self.origin), self.connected.asks(Some(wish), pace.clone()), request, respond);
        tokio::spawn(async move {
            tokio::select! {
                () = exchange => {}
                () = pace.stalled(time) => tracing::debug!("a response over HTTP/2 is reset: the client does not take it"),
            }
        });
    }

    /// Asks a silent client whether it is there; false when it has not answered.
    fn is_there(&mut self, cx: &mut Context<'_>) -> bool {
        let State::Serving(_, Some(ping)) = &mut self.state else { return true };
        while self.silence.poll_tick(cx).is_ready() {
            let asked = self.asked;
            self.asked = !self.wishes.heard();
            if self.asked {
                if asked {
                    return false;
                }
                let _ = ping.poll_pong(cx); // the last answer makes room for the next question
                let _ = ping.send_ping(Ping::opaque());
            }
        }
        true
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin, S: Service> Future for Http2<I, S> {
    type Output = Result<(), Box<dyn Error + Send + Sync>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            if !this.is_there(cx) {
                return Poll::Ready(Err("the client does not answer a PING frame".into()));
            }
            match &mut this.state {
                State::Handshaking(handshake) => {
                    let mut h2 = ready!(Pin::new(handshake).poll(cx))?;
                    if this.retired {
                        h2.graceful_shutdown();
                    }
                    let ping = h2.ping_pong();
                    this.state = State::Serving(h2, ping);
                }
                State::Serving(h2, _) => {
                    let accepted = h2.poll_accept(cx);
                    if let Some(reason) = this.wishes.fault()
                        && !mem::replace(&mut this.failed, true)
                    {
                        h2.abrupt_shutdown(reason);
                        continue;
                    }
                    match ready!(accepted) {
                        Some(accepted) => {
                            let (request, respond) = accepted?;
                            this.begin(request, respond);
                        }
                        None => return Poll::Ready(Ok(())),
                    }
                }
            }
        }
    }
}

fn builder(settings: &Settings) -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(settings.max_streams)
        .max_header_list_size(settings.max_header_bytes)
        .initial_window_size(settings.stream_receive_window)
        .initial_connection_window_size(settings.receive_window)
        .max_local_error_reset_streams(Some(FAULTY_STREAMS))
        .max_send_buffer_size(SEND_BUFFER);
    builder
}
