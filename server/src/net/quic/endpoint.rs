//! The UDP sockets of an address and who may connect to them.

use std::{future::IntoFuture, io, net::UdpSocket, sync::Arc, time::Duration};

use h3::error::Code;
use quinn::{
    Connection, Endpoint, Incoming, Runtime, ServerConfig, TokioRuntime, TransportConfig, congestion::CubicConfig,
    crypto::rustls::QuicServerConfig,
};
use tokio::{
    runtime::Handle,
    task::{JoinSet, yield_now},
    time::{Instant, timeout, timeout_at},
};

use super::{
    bbr::BbrConfig,
    connection,
    fault::varint,
    reset,
    send_window::{self, SendPool},
    socket::BatchingSocket,
    steer::{Siblings, SteeredSocket},
};
use crate::{
    metrics::Link,
    net::{
        Congestion, Error, Service, Settings, Transport,
        drain::Drain,
        gate::{Gate, Permit, Place},
    },
};

/// Connection attempts that quinn holds until they are looked at, and the bytes it keeps of their first packets.
const MAX_INCOMING: usize = 1024;
const INCOMING_BYTES: u64 = 32 << 10;
const ALL_INCOMING_BYTES: u64 = 8 << 20;

/// Streams of a client besides requests: control and two for QPACK, and a few that we do not know.
const UNI_STREAMS: u32 = 8;

/// Time for the last packets to go out.
const FAREWELL: Duration = Duration::from_secs(1);

/// Takes the bound sockets of one address, the endpoint of each running on its thread.
pub(in crate::net) fn endpoints(
    sockets: Vec<UdpSocket>,
    threads: &[Handle],
    crypto: Arc<QuicServerConfig>,
    settings: &Settings,
) -> Result<Vec<(Handle, Endpoint)>, Error> {
    let address = match sockets.first().map(UdpSocket::local_addr) {
        Some(Ok(address)) => address,
        Some(Err(source)) => return Err(Error::bind(([0, 0, 0, 0], 0).into(), Transport::Udp, source)),
        None => return Ok(Vec::new()),
    };
    let open = || -> io::Result<Vec<(Handle, Endpoint)>> {
        let identity = reset::Identity::new(settings.reset_key.as_ref(), address)?;
        let marks: Vec<u64> = (0..sockets.len()).map(|index| identity.mark(index)).collect();
        let (siblings, from_others) = Siblings::new(&marks);
        // One for all of them: a client proves its address to one and may come to another.
        let config = server_config(crypto, settings, sockets.len());
        let mut endpoints = Vec::new();
        for (index, (((socket, thread), mark), from_others)) in sockets.into_iter().zip(threads).zip(marks).zip(from_others).enumerate() {
            let _on = thread.enter();
            let socket = TokioRuntime.wrap_udp_socket(socket)?;
            let socket = Arc::new(BatchingSocket::new(Arc::new(SteeredSocket::new(socket, Arc::clone(&siblings), index, from_others))));
            let endpoint =
                Endpoint::new_with_abstract_socket(identity.endpoint(mark), Some(config.clone()), socket, Arc::new(TokioRuntime))?;
            endpoints.push((thread.clone(), endpoint));
        }
        Ok(endpoints)
    };
    open().map_err(|source| Error::bind(address, Transport::Udp, source))
}

/// For one of so many endpoints.
fn server_config(crypto: Arc<QuicServerConfig>, settings: &Settings, endpoints: usize) -> ServerConfig {
    let mut config = ServerConfig::with_crypto(crypto);
    config
        .transport_config(Arc::new(transport(settings)))
        .max_incoming(MAX_INCOMING.div_ceil(endpoints))
        .incoming_buffer_size(INCOMING_BYTES)
        .incoming_buffer_size_total(ALL_INCOMING_BYTES.div_ceil(endpoints as u64));
    config
}

/// What differs from quinn's defaults. Left as they are: segmentation offload on (without it sending costs three times the CPU),
/// fair sharing between streams (without it a live stream starves beside a bulk one), MTU discovery, no keep-alive.
fn transport(settings: &Settings) -> TransportConfig {
    let initial_window = u64::from(settings.initial_window_packets) * 1200;
    let mut config = TransportConfig::default();
    match settings.congestion {
        Congestion::Bbr => config.congestion_controller_factory(Arc::new(BbrConfig { initial_window })),
        Congestion::Cubic => {
            let mut cubic = CubicConfig::default();
            cubic.initial_window(initial_window);
            config.congestion_controller_factory(Arc::new(cubic))
        }
    };
    config
        .max_concurrent_bidi_streams(settings.max_streams.into())
        .max_concurrent_uni_streams(UNI_STREAMS.into())
        .stream_receive_window(settings.stream_receive_window.into())
        .receive_window(settings.receive_window.into())
        .send_window(send_window::LEAST as u64)
        .max_idle_timeout(settings.quic_idle_timeout.try_into().ok())
        .datagram_receive_buffer_size(None);
    config
}

/// What all sockets and connections have in common.
pub(in crate::net) struct Host<S> {
    pub service: Arc<S>,
    pub settings: Arc<Settings>,
    pub gate: Arc<Gate>,
    pub sending: Arc<SendPool>,
}

impl<S> Host<S> {
    /// Takes an attempt in or turns it away. Where many handshakes are under way, only for those who have shown that they
    /// receive what is sent to their address: a flood under false addresses gets Retry packets, which cost us nothing to forget.
    /// Until then they count for nobody, so that nobody can use up what another address may have.
    fn admit(&self, incoming: Incoming) -> Option<(Incoming, Place, Permit)> {
        if self.gate.is_pressed() && !incoming.remote_address_validated() && incoming.may_retry() {
            let _ = incoming.retry();
            return None;
        }
        let places = self.gate.connection(incoming.remote_address().ip()).zip(self.gate.handshake());
        let Some((place, handshake)) = places else {
            incoming.refuse();
            return None;
        };
        Some((incoming, place, handshake))
    }
}

/// Accepts and serves until drained.
pub(in crate::net) async fn run<S: Service>(endpoint: Endpoint, host: Arc<Host<S>>, drain: Drain) {
    let mut draining = drain.clone();
    let mut connections = JoinSet::new();
    let end = loop {
        tokio::select! {
            biased;
            end = draining.begun() => break end,
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "an HTTP/3 connection was ended by a panic");
                }
            }
            incoming = endpoint.accept() => {
                let Some(incoming) = incoming else { break Instant::now() };
                let Some((incoming, place, handshake)) = host.admit(incoming) else { continue };
                let (host, drain) = (Arc::clone(&host), drain.clone());
                // In a box of its own, so that the task is no larger for it as long as the connection lives.
                let connecting = Box::pin(connect(incoming, handshake, Arc::clone(&host)));
                connections.spawn(async move {
                    if let Some(connection) = connecting.await {
                        serve(connection, host, drain).await;
                    }
                    drop(place);
                });
                // A handshake computes for long. Where many come at once, the socket is read between two of them, before it is full.
                yield_now().await;
            }
        }
    };
    // New attempts are refused, so that a client tries elsewhere at once.
    endpoint.set_server_config(None);
    let _ = timeout_at(end + FAREWELL, async { while connections.join_next().await.is_some() {} }).await;
    connections.shutdown().await;
    endpoint.close(varint(Code::H3_NO_ERROR), b"");
    let _ = timeout(FAREWELL, endpoint.wait_idle()).await;
}

/// The handshake; `None` when it failed.
async fn connect<S: Service>(incoming: Incoming, handshake: Permit, host: Arc<Host<S>>) -> Option<Connection> {
    let address = incoming.remote_address();
    match timeout(host.settings.handshake_timeout, incoming.into_future()).await {
        Ok(Ok(connection)) => {
            drop(handshake);
            return Some(connection);
        }
        Ok(Err(error)) => tracing::debug!(peer = %address, %error, "a QUIC handshake failed"),
        Err(_) => tracing::debug!(peer = %address, "a QUIC handshake took too long"),
    }
    host.gate.metrics.handshake_failed();
    None
}

async fn serve<S: Service>(connection: Connection, host: Arc<Host<S>>, drain: Drain) {
    let metrics = Arc::clone(&host.gate.metrics);
    let open = metrics.connection(Link::Http3);
    connection::serve(connection.clone(), host, drain).await;
    drop(open);
    let path = connection.stats().path;
    metrics.packets(path.sent_packets, path.lost_packets);
}
