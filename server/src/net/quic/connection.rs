//! One HTTP/3 connection, from its handshake to its GOAWAY.

use std::{
    future::{pending, poll_fn},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use h3::{
    error::{Code, ConnectionError},
    frame::FrameStream,
    stream::BufRecvStream,
};
use tokio::{
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until, timeout, timeout_at},
};

use super::{
    Host,
    exchange::{Outcome, exchange},
    fault::refuse,
    send_window::SendWindow,
    streams::Outbox,
    transport::{Door, Transport},
};
use crate::net::{
    answer::{Peer, Service},
    budget::{ABANDONED, Budget},
    drain::Drain,
    order::Order,
};

/// Between the GOAWAY that asks for no more requests and the one that names the last served (RFC 9114 section 5.2), two round
/// trips within these bounds.
const GOAWAY_GRACE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));

/// Time that a connection closed for idleness has to hear of it. A request that was on its way is still answered.
const FAREWELL: Duration = Duration::from_secs(5);

/// Serves a connection until it is closed by the client, by a breach of the protocol, for idleness, or by draining.
pub(super) async fn serve<S: Service>(connection: quinn::Connection, host: Arc<Host<S>>, mut drain: Drain) {
    let settings = &host.settings;
    let outbox = Outbox::default();
    let (transport, door) = Transport::new(connection.clone(), outbox.clone(), settings);
    let window = Arc::new(SendWindow::new(connection.clone(), settings.send_window, Arc::clone(&host.sending)));
    let order = Order::default();
    // A client that gives us no stream credit for our control stream would hold this up for ever. What is needed until then, and what to
    // end, is in boxes: most of the time a connection is idle, and this task is a good part of what it takes.
    let building = Box::pin(timeout(settings.handshake_timeout, build(transport, settings.max_header_bytes)));
    let Ok(Ok(mut h3)) = building.await else { return };

    let mut exchanges: JoinSet<Outcome> = JoinSet::new();
    let mut abandoned = Budget::new(ABANDONED.0, ABANDONED.1);
    let mut phase = Phase::Serving;
    let mut idle_since = Instant::now();
    // Outside of the loop: what stands in `select!` takes its space twice.
    let mut begun = pin!(drain.begun());
    let mut timer = pin!(sleep_until(idle_since));
    loop {
        if matches!(phase, Phase::Ending { .. }) && exchanges.is_empty() {
            break;
        }
        let is_busy = phase == Phase::Serving && !exchanges.is_empty();
        timer.as_mut().reset(phase.until().unwrap_or(idle_since + settings.idle_timeout));
        // What has to be waited for is waited for outside: within, the task would have space aside for what the arms had.
        let next = tokio::select! {
            // What h3 makes of this as a future has space aside for a whole request.
            accepted = poll_fn(|cx| h3.poll_accept_request_stream(cx)) => match accepted {
                Ok(Some(stream)) => {
                    let Some(halves) = door.take() else { continue };
                    let resolver = h3.create_resolver(FrameStream::new(BufRecvStream::new(stream)));
                    let peer = Peer { address: connection.remote_address(), secure: true };
                    exchanges.spawn(exchange(Arc::clone(&host), (Arc::clone(&window), order.clone()), resolver, halves, peer));
                    continue;
                }
                Ok(None) => None,
                // Closed, by whomever. Every exchange is dropped with the set, and its handler with it.
                Err(error) => return tracing::debug!(peer = %connection.remote_address(), %error, "an HTTP/3 connection ended"),
            },
            Some(ended) = exchanges.join_next() => {
                idle_since = Instant::now();
                if is_abandoned(ended) && !abandoned.charge(1) {
                    refuse(&connection, Code::H3_EXCESSIVE_LOAD, "too many abandoned requests");
                    return;
                }
                continue;
            }
            end = &mut begun, if phase == Phase::Serving => {
                window.make_room();
                Some(end)
            }
            () = flush(&outbox) => continue,
            () = &mut timer, if !is_busy => Some(phase.end().unwrap_or_else(|| Instant::now() + FAREWELL)),
        };
        phase = match (phase, next) {
            (Phase::Serving, Some(end)) => Box::pin(begin_to_end(&mut h3, &door, &connection, end)).await,
            (Phase::Refusing { .. }, Some(end)) => {
                window.make_room();
                Box::pin(name_the_last(&mut h3, &door, end)).await
            }
            (Phase::Ending { .. }, Some(_)) => break,
            // The client says goodbye.
            (_, None) => {
                Box::pin(goaway(&mut h3, 0)).await;
                break;
            }
        };
    }
    // The client has said GOAWAY, or all is answered, or time is up. h3 says no more requests are running, but what they wrote
    // may not have been received.
    let end = phase.end().unwrap_or_else(|| Instant::now() + settings.drain_timeout);
    let received = Box::pin(timeout_at(end, async {
        tokio::select! {
            () = async { while exchanges.join_next().await.is_some() {} } => {}
            () = flush(&outbox) => {}
            _ = connection.closed() => {}
        }
    }));
    let _ = received.await;
}

type H3 = h3::server::Connection<Transport, Bytes>;

/// Opens our control stream and writes SETTINGS to it.
async fn build(transport: Transport, max_header_bytes: u32) -> Result<H3, ConnectionError> {
    h3::server::builder().max_field_section_size(max_header_bytes.into()).send_grease(false).build(transport).await
}

/// The way from serving to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    /// The client has been asked to bring no more requests, and those on the way are still let in.
    Refusing {
        until: Instant,
        end: Instant,
    },
    /// No more is let in.
    Ending {
        end: Instant,
    },
}

impl Phase {
    /// When the next phase begins, if a time for it is set.
    fn until(self) -> Option<Instant> {
        match self {
            Self::Serving => None,
            Self::Refusing { until, .. } => Some(until),
            Self::Ending { end } => Some(end),
        }
    }

    fn end(self) -> Option<Instant> {
        match self {
            Self::Serving => None,
            Self::Refusing { end, .. } | Self::Ending { end } => Some(end),
        }
    }
}

async fn begin_to_end(h3: &mut H3, door: &Door, connection: &quinn::Connection, end: Instant) -> Phase {
    if door.is_unused() {
        return name_the_last(h3, door, end).await;
    }
    // As many as there can ever be.
    goaway(h3, usize::MAX).await;
    let grace = (connection.rtt() * 2).clamp(GOAWAY_GRACE.0, GOAWAY_GRACE.1);
    Phase::Refusing { until: (Instant::now() + grace).min(end), end }
}

async fn name_the_last(h3: &mut H3, door: &Door, end: Instant) -> Phase {
    door.close();
    // GOAWAY names the first stream that is not served; to h3 that is one more than the last.
    goaway(h3, 1).await;
    Phase::Ending { end }
}

/// An error is seen again by accept. Where the client gives no credit for it at the moment, it waits in the outbox.
async fn goaway(h3: &mut H3, more_requests: usize) {
    let _ = h3.shutdown(more_requests).await;
}

/// Writes what could not be written at once, for as long as this is polled. A client that never gives credit for it does not learn of the
/// end, that is all.
async fn flush(outbox: &Outbox) {
    let _ = poll_fn(|cx| outbox.poll_flush(cx)).await;
    pending::<()>().await;
}

/// Whether the client made us work for nothing. A panic is the handler's fault, not the client's.
fn is_abandoned(ended: Result<Outcome, JoinError>) -> bool {
    match ended {
        Ok(outcome) => outcome == Outcome::Abandoned,
        Err(error) => {
            if error.is_panic() {
                tracing::error!(%error, "a request was ended by a panic of its handler");
            }
            false
        }
    }
}
