//! All listeners of a server as one thing: bind, serve, stop.

use std::{
    future::Future,
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use http::HeaderValue;
use tokio::{net::TcpListener, runtime::Handle, task::JoinSet};
use tokio_rustls::TlsAcceptor;

use super::{
    Address, Certificates, Error, Service, Settings, Transport,
    bind::{self, Sockets, Udp},
    drain::Stop,
    gate::Gate,
    quic, tcp, threads,
};
use crate::metrics::Metrics;

/// Every socket of a server, bound and not yet serving.
pub struct Listeners {
    secure: Vec<TcpListener>,
    tls: Option<TlsAcceptor>,
    /// Each with the thread that it runs on.
    quic: Vec<(Handle, quinn::Endpoint)>,
    plain: Vec<TcpListener>,
    settings: Arc<Settings>,
    gate: Arc<Gate>,
    threads: Vec<Handle>,
}

impl Listeners {
    /// Takes the ports: `secure` for HTTP/3 on UDP and for HTTP/2 and HTTP/1.1 over TLS on TCP, one port number for both;
    /// `plain` for HTTP/1.1 and HTTP/2 without TLS. Clients may connect from here on, and wait until [`serve`](Self::serve).
    ///
    /// To be called inside a Tokio runtime with time and IO enabled.
    ///
    /// # Errors
    /// The first port that cannot be had, or a certificate that TLS refuses. Nothing stays bound then.
    pub fn bind(secure: Option<(Address, &Certificates)>, plain: Option<Address>, settings: Settings) -> Result<Self, Error> {
        let threads = threads::all().map_err(|source| Error::System { what: "threads", source })?;
        let udp = Udp { sockets: threads.len(), buffer: settings.udp_buffer_bytes };
        // All ports first: a QUIC endpoint gives its socket back only some time after it is dropped.
        let secure_sockets = secure.map(|(address, _)| bind::bind(address, Some(udp))).transpose()?;
        let plain_sockets = plain.map(|address| bind::bind(address, None)).transpose()?;
        let mut listeners = Self {
            secure: Vec::new(),
            tls: None,
            quic: Vec::new(),
            plain: Vec::new(),
            gate: Arc::new(Gate::new(&settings, Arc::default())),
            settings: Arc::new(settings),
            threads,
        };
        if let (Some((_, certificates)), Some(Sockets { tcp, udp })) = (secure, secure_sockets) {
            let crypto = certificates.quic()?;
            listeners.tls = Some(TlsAcceptor::from(certificates.tcp()?));
            listeners.secure = accepting(tcp)?;
            for sockets in udp {
                listeners.quic.extend(quic::endpoints(sockets, &listeners.threads, Arc::clone(&crypto), &listeners.settings)?);
            }
        }
        if let Some(Sockets { tcp, .. }) = plain_sockets {
            listeners.plain = accepting(tcp)?;
        }
        Ok(listeners)
    }

    /// Where HTTPS is served, on TCP and on UDP alike; the first is the address that was asked for.
    pub fn secure_addresses(&self) -> Vec<SocketAddr> {
        self.secure.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Where plain HTTP is served; the first is the address that was asked for.
    pub fn plain_addresses(&self) -> Vec<SocketAddr> {
        self.plain.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// What is counted here, from the first connection on.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.gate.metrics)
    }

    /// Who lets in connections and requests, and may be told to let in more or fewer.
    pub(crate) fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.gate)
    }

    /// Serves until `shutdown` resolves, then drains: no new connections, GOAWAY on those there are, running requests may end
    /// within [`Settings::drain_timeout`], what is left then is reset. Returns when all is closed.
    ///
    /// Dropping the future stops at once.
    pub async fn serve<S: Service>(self, service: Arc<S>, shutdown: impl Future<Output = ()> + Send) {
        let time = self.settings.drain_timeout;
        self.serve_until(service, async { (shutdown.await, time).1 }).await;
    }

    /// The same, where `shutdown` says how long running requests may go on.
    pub async fn serve_until<S: Service>(self, service: Arc<S>, shutdown: impl Future<Output = Duration> + Send) {
        let (stop, drain) = Stop::new();
        let Self { secure, tls, quic, plain, settings, gate, threads } = self;
        let mut running = JoinSet::new();

        let port = |listener, tls, alt_svc| tcp::Port {
            listener,
            tls,
            alt_svc,
            service: Arc::clone(&service),
            settings: Arc::clone(&settings),
            gate: Arc::clone(&gate),
            drain: drain.clone(),
            threads: threads.clone(),
        };
        for listener in secure {
            let alt_svc = if quic.is_empty() { None } else { alt_svc(&listener, &settings) };
            running.spawn(port(listener, tls.clone(), alt_svc).run());
        }
        for listener in plain {
            running.spawn(port(listener, None, None).run());
        }
        let host = Arc::new(quic::Host {
            service,
            gate,
            sending: Arc::new(quic::SendPool::new(settings.send_total)),
            settings: Arc::clone(&settings),
        });
        for (thread, endpoint) in quic {
            running.spawn_on(quic::run(endpoint, Arc::clone(&host), drain.clone()), &thread);
        }

        stop.begin(shutdown.await);
        while let Some(ended) = running.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a listener was ended by a panic");
            }
        }
    }
}

/// RFC 7838 section 3: the same host, the same port, over QUIC.
fn alt_svc(listener: &TcpListener, settings: &Settings) -> Option<HeaderValue> {
    let port = listener.local_addr().ok()?.port();
    HeaderValue::try_from(format!("h3=\":{port}\"; ma={}", settings.alt_svc_max_age.as_secs())).ok()
}

/// Takes a port for TCP, for a protocol that is not HTTP. To be called inside a Tokio runtime with IO enabled.
///
/// # Errors
/// The port cannot be had.
pub fn listen(address: Address) -> Result<Vec<TcpListener>, Error> {
    accepting(bind::bind(address, None)?.tcp)
}

/// Takes a port for UDP, for a protocol that is not QUIC.
///
/// # Errors
/// The port cannot be had.
pub fn listen_udp(address: Address) -> Result<UdpSocket, Error> {
    bind::udp(address.primary(), Udp { sockets: 1, buffer: Settings::default().udp_buffer_bytes })
}

fn accepting(sockets: Vec<std::net::TcpListener>) -> Result<Vec<TcpListener>, Error> {
    let listen = |socket: std::net::TcpListener| {
        let address = socket.local_addr().map_err(|source| Error::bind(UNKNOWN, Transport::Tcp, source))?;
        TcpListener::from_std(socket).map_err(|source| Error::bind(address, Transport::Tcp, source))
    };
    sockets.into_iter().map(listen).collect()
}

/// Stands for the address of a socket that does not know its own; the system never does that.
const UNKNOWN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);
