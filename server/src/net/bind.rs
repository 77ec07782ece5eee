//! Sockets: taken all together before anything is served, or not at all.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
};

use socket2::{Domain, Protocol, Socket, Type};

use super::{Address, Error};

/// Connections the kernel holds for us between two calls of accept.
const BACKLOG: i32 = 1024;

/// What the system takes of a connection beyond what is on its way, in bytes. It would take megabytes: what became urgent meanwhile would
/// come behind them, and a slow client would seem to take nothing until a third of them is gone.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT: u32 = 128 << 10;

/// Another process may hold the UDP or IPv6 side of a port that the system chose for us; then the next one is tried.
const PORT_TRIES: usize = 32;

/// The sockets of one [`Address`]: the same port for all.
#[derive(Debug)]
pub(super) struct Sockets {
    pub tcp: Vec<TcpListener>,
    /// Those that share the port of an IP address, for each of these; empty for a plain address.
    pub udp: Vec<Vec<UdpSocket>>,
}

/// How UDP is taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Udp {
    /// Sockets that share the port.
    pub sockets: usize,
    /// Bytes that the system keeps for each, in either direction.
    pub buffer: usize,
}

/// A transport protocol, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Carries HTTP/1.1 and HTTP/2.
    Tcp,
    /// Carries QUIC.
    Udp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        })
    }
}

/// Takes TCP, and UDP where it is asked for, on one port of the address and its companion.
pub(super) fn bind(address: Address, udp: Option<Udp>) -> Result<Sockets, Error> {
    let chosen_by_system = address.primary().port() == 0;
    let mut tries = if chosen_by_system { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        match try_bind(address, udp) {
            Err(Error::Bind { source, .. }) if tries > 0 && source.kind() == io::ErrorKind::AddrInUse => {}
            result => return result,
        }
    }
}

fn try_bind(address: Address, udp: Option<Udp>) -> Result<Sockets, Error> {
    let first = tcp(address.primary())?;
    let port = first.local_addr().map_err(|source| Error::bind(address.primary(), Transport::Tcp, source))?.port();
    let mut sockets = Sockets { tcp: vec![first], udp: Vec::new() };
    if let Some(how) = udp {
        sockets.udp.push(sharing(SocketAddr::new(address.primary().ip(), port), how)?);
    }
    if let Some(ip) = address.companion() {
        // Both or none: half an address on ::1 would send browsers to a place where HTTP/3 is missing.
        match companion(ip, port, udp) {
            Ok((tcp, udp)) => {
                sockets.tcp.push(tcp);
                sockets.udp.extend(udp);
            }
            Err(Error::Bind { source, .. }) if no_such_family(&source) => tracing::info!("no IPv6 here: listening on {ip} is left out"),
            Err(error) => return Err(error),
        }
    }
    Ok(sockets)
}

fn companion(ip: IpAddr, port: u16, udp: Option<Udp>) -> Result<(TcpListener, Option<Vec<UdpSocket>>), Error> {
    let address = SocketAddr::new(ip, port);
    Ok((tcp(address)?, udp.map(|how| sharing(address, how)).transpose()?))
}

/// The machine has no IPv6, or none on its loopback interface.
fn no_such_family(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

fn tcp(address: SocketAddr) -> Result<TcpListener, Error> {
    let open = || -> io::Result<TcpListener> {
        let socket = socket(address, Type::STREAM, Protocol::TCP)?;
        // A restart must not wait for the connections of the last run to leave TIME_WAIT. On Windows the option means
        // something else: that two programs may listen on one port.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        // Accepted sockets have it from here.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = socket.set_tcp_notsent_lowat(UNSENT);
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    open().map_err(|source| Error::bind(address, Transport::Tcp, source))
}

/// Takes a port for UDP with all the sockets that share it.
fn sharing(address: SocketAddr, how: Udp) -> Result<Vec<UdpSocket>, Error> {
    (0..how.sockets).map(|_| udp(address, how)).collect()
}

/// Takes a port for UDP with one of the sockets that share it.
pub(super) fn udp(address: SocketAddr, how: Udp) -> Result<UdpSocket, Error> {
    let open = || -> io::Result<UdpSocket> {
        let socket = socket(address, Type::DGRAM, Protocol::UDP)?;
        // Best effort: the default of 208 KiB overflows when a thousand handshakes come at once, but it is no reason to refuse.
        let _ = socket.set_recv_buffer_size(how.buffer);
        let _ = socket.set_send_buffer_size(how.buffer);
        // The system gives what comes to one of them, by the addresses of both sides. TCP tells whether another server has the port.
        #[cfg(target_os = "linux")]
        socket.set_reuse_port(how.sockets > 1)?;
        socket.bind(&address.into())?;
        Ok(socket.into())
    };
    open().map_err(|source| Error::bind(address, Transport::Udp, source))
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        // `[::]` is the whole machine; any other IPv6 address leaves its IPv4 twin to a socket of its own.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}
