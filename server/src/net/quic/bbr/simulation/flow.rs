//! One connection over the path: two endpoints of quinn-proto, what the server sends on it, and what the client sees.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use quinn::{
    congestion::ControllerFactory,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use quinn_proto::{
    ClientConfig, Connection, ConnectionHandle, DatagramEvent, Dir, Endpoint, EndpointConfig, Event, ServerConfig, StreamEvent, StreamId,
    TransportConfig, VarInt,
};

/// What the server sends.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// As much as goes.
    Endless,
    /// So many bytes, and then nothing.
    Bytes(u64),
    /// So many bytes each so often: live media.
    Live(u64, Duration),
}

/// The two ends of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Server,
    Client,
}

pub struct Flow {
    server: Host,
    client: Host,
    source: Source,
    begins: Instant,
    stream: Option<StreamId>,
    written: u64,
    incoming: Option<StreamId>,
    /// Bytes that the client has read, and when.
    pub received: Vec<(Instant, u64)>,
}

struct Host {
    endpoint: Endpoint,
    connection: Option<(ConnectionHandle, Connection)>,
    address: SocketAddr,
}

const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4433);
const CLIENT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 50_000);

/// Packets that leave at once, as many as quinn sends in one call.
const BURST: usize = 10;

impl Flow {
    pub fn new(controller: Arc<dyn ControllerFactory + Send + Sync>, source: Source, begins: Instant, seed: u8) -> Self {
        let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate can be made");
        let certificate = key.cert.der().clone();
        let secret = rustls::pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der()).expect("the key is PKCS#8");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3 is known")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], secret)
            .expect("the key is that of the certificate");
        let mut transport = TransportConfig::default();
        transport.congestion_controller_factory(controller);
        let mut server = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).expect("TLS 1.3 is on")));
        server.transport_config(Arc::new(transport));

        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate).expect("the certificate is whole");
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3 is known")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut transport = TransportConfig::default();
        let window = VarInt::from_u32(15 << 20);
        transport.receive_window(window).stream_receive_window(window);
        let mut client = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).expect("TLS 1.3 is on")));
        client.transport_config(Arc::new(transport));

        let identity = Arc::new(EndpointConfig::default());
        let host = |config: Option<Arc<ServerConfig>>, address| Host {
            endpoint: Endpoint::new(Arc::clone(&identity), config, true, Some([seed; 32])),
            connection: None,
            address,
        };
        let server = host(Some(Arc::new(server)), CLIENT);
        let mut to = host(None, SERVER);
        to.connection = Some(to.endpoint.connect(begins, client, SERVER, "localhost").expect("the address is valid"));
        Self { server, client: to, source, begins, stream: None, written: 0, incoming: None, received: Vec::new() }
    }

    /// Bytes received until then.
    pub fn received_by(&self, at: Instant) -> u64 {
        let after = self.received.partition_point(|(when, _)| *when <= at);
        after.checked_sub(1).map_or(0, |last| self.received[last].1)
    }

    /// When so many bytes were there, from the beginning of the flow.
    pub fn took(&self, bytes: u64) -> Option<Duration> {
        let first = self.received.partition_point(|(_, received)| *received < bytes);
        self.received.get(first).map(|(when, _)| *when - self.begins)
    }

    /// Packets sent and lost, as the server counts them.
    pub fn packets(&self) -> (u64, u64) {
        let path = self.server.connection.as_ref().expect("the handshake is done").1.stats().path;
        (path.sent_packets, path.lost_packets)
    }

    /// The server's controller.
    pub fn controller(&self) -> Option<&dyn quinn::congestion::Controller> {
        self.server.connection.as_ref().map(|(_, connection)| connection.congestion_state())
    }

    fn host(&mut self, side: Side) -> &mut Host {
        match side {
            Side::Server => &mut self.server,
            Side::Client => &mut self.client,
        }
    }

    /// A packet arrives.
    pub fn arrive(&mut self, side: Side, now: Instant, packet: &[u8]) {
        let host = self.host(side);
        let mut answer = Vec::new();
        match host.endpoint.handle(now, host.address, None, None, BytesMut::from(packet), &mut answer) {
            Some(DatagramEvent::NewConnection(incoming)) => {
                host.connection = Some(host.endpoint.accept(incoming, now, &mut answer, None).expect("the server takes it"));
            }
            Some(DatagramEvent::ConnectionEvent(_, event)) => {
                if let Some((_, connection)) = &mut host.connection {
                    connection.handle_event(event);
                }
            }
            Some(DatagramEvent::Response(_)) | None => {}
        }
    }

    /// When the side wants to be driven again: by a timer of quinn's, or for what its source gives next.
    pub fn due(&mut self, side: Side, now: Instant) -> Option<Instant> {
        let timer = self.host(side).connection.as_mut().and_then(|(_, connection)| connection.poll_timeout());
        let next = match self.source {
            Source::Live(_, each) if side == Side::Server && self.stream.is_some() => {
                let elapsed = (now - self.begins).as_nanos() / each.as_nanos();
                Some(self.begins + each * u32::try_from(elapsed + 1).expect("a simulation is short"))
            }
            _ => None,
        };
        timer.into_iter().chain(next).min()
    }

    /// Does what there is to do; the packets to send.
    pub fn drive(&mut self, side: Side, now: Instant) -> Vec<Vec<u8>> {
        if let Some((_, connection)) = &mut self.host(side).connection
            && connection.poll_timeout().is_some_and(|at| at <= now)
        {
            connection.handle_timeout(now);
        }
        let mut packets = Vec::new();
        loop {
            self.apply(side, now);
            let host = self.host(side);
            let Some((handle, connection)) = &mut host.connection else { return packets };
            while let Some(event) = connection.poll_endpoint_events() {
                if let Some(event) = host.endpoint.handle_event(*handle, event) {
                    connection.handle_event(event);
                }
            }
            let mut buffer = Vec::new();
            let Some(transmit) = connection.poll_transmit(now, BURST, &mut buffer) else { return packets };
            let size = transmit.segment_size.unwrap_or(transmit.size);
            packets.extend(buffer[..transmit.size].chunks(size).map(<[u8]>::to_vec));
        }
    }

    /// What the applications do: the server writes what its source gives, the client reads.
    fn apply(&mut self, side: Side, now: Instant) {
        let given = match self.source {
            Source::Endless => u64::MAX,
            Source::Bytes(bytes) => bytes,
            Source::Live(bytes, each) => bytes * u64::try_from((now - self.begins).as_nanos() / each.as_nanos()).expect("few"),
        };
        let Self { server, client, stream, written, incoming, received, .. } = self;
        let host = if side == Side::Server { server } else { client };
        let Some((_, connection)) = &mut host.connection else { return };
        while let Some(event) = connection.poll() {
            match (side, event) {
                (Side::Server, Event::Connected) => *stream = connection.streams().open(Dir::Uni),
                (Side::Client, Event::Stream(StreamEvent::Opened { dir: Dir::Uni })) => *incoming = connection.streams().accept(Dir::Uni),
                (_, Event::ConnectionLost { reason }) => panic!("the connection was lost: {reason}"),
                _ => {}
            }
        }
        if let (Side::Server, Some(stream)) = (side, *stream) {
            const PIECE: [u8; 16 << 10] = [0; 16 << 10];
            while *written < given {
                let most = usize::try_from((given - *written).min(PIECE.len() as u64)).expect("a piece is small");
                match connection.send_stream(stream).write(&PIECE[..most]) {
                    Ok(taken) => *written += taken as u64,
                    Err(_) => break,
                }
            }
        }
        if let (Side::Client, Some(stream)) = (side, *incoming) {
            let mut stream = connection.recv_stream(stream);
            let Ok(mut chunks) = stream.read(true) else { return };
            let mut sum = received.last().map_or(0, |(_, sum)| *sum);
            let before = sum;
            while let Ok(Some(chunk)) = chunks.next(usize::MAX) {
                sum += chunk.bytes.len() as u64;
            }
            let _ = chunks.finalize();
            if sum > before {
                received.push((now, sum));
            }
        }
    }
}
