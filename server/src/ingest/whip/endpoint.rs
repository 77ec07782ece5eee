//! One socket for all publishers: what comes is handed to whose it is, and what is of nobody is dropped as it came.
//!
//! A packet of ICE names the session that it is for, and proves that it may (RFC 8445 7.3); from then on what comes from its address is of that
//! session.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use str0m::ice::{IceCreds, StunMessage};
use tokio::{
    net::UdpSocket,
    sync::{mpsc, watch},
    time::{Instant, sleep},
};

use super::crypto::sha1_hmac;
use crate::http::StreamName;

/// The longest datagram: media comes in packets of less than 1500 bytes.
const LONGEST: usize = 2048;
/// How many datagrams of a publisher may wait: those of a large key frame.
const MOST_WAITING: usize = 2048;
/// From how many addresses a publisher may come: a phone that changes its network has another each time.
const MOST_ADDRESSES: usize = 8;

/// The socket, and who is known by it.
pub struct Endpoint {
    socket: UdpSocket,
    candidates: Vec<SocketAddr>,
    known: Mutex<Known>,
    /// Whether it is over for all.
    over: watch::Sender<bool>,
}

#[derive(Default)]
struct Known {
    by_ufrag: HashMap<String, Arc<Entry>>,
    by_address: HashMap<SocketAddr, Arc<Entry>>,
}

/// A session.
struct Entry {
    name: StreamName,
    id: String,
    password: String,
    datagrams: mpsc::Sender<Datagram>,
    deleted: watch::Sender<bool>,
    addresses: Mutex<VecDeque<SocketAddr>>,
}

/// What came.
pub struct Datagram {
    /// From where.
    pub source: SocketAddr,
    /// Where to, as the other side knows it.
    pub destination: SocketAddr,
    /// What.
    pub bytes: Bytes,
    /// When.
    pub at: Instant,
}

/// The way of one publisher, until dropped.
pub struct Way {
    endpoint: Arc<Endpoint>,
    ufrag: String,
    datagrams: mpsc::Receiver<Datagram>,
    deleted: watch::Receiver<bool>,
    over: watch::Receiver<bool>,
}

/// What comes for a publisher.
pub enum Coming {
    /// A datagram.
    Datagram(Datagram),
    /// It said that it is over.
    Deleted,
    /// The server is.
    Over,
}

impl Endpoint {
    /// At `socket`, which publishers are told is at `address`, where that is given.
    pub fn new(socket: std::net::UdpSocket, address: Option<IpAddr>) -> io::Result<Arc<Self>> {
        socket.set_nonblocking(true)?;
        let candidates = candidates(socket.local_addr()?, address);
        if candidates.is_empty() {
            return Err(io::Error::other("this machine has no address to tell publishers: name one with --webrtc-address"));
        }
        let (socket, over) = (UdpSocket::from_std(socket)?, watch::Sender::new(false));
        Ok(Arc::new(Self { socket, candidates, known: Mutex::default(), over }))
    }

    /// Where publishers find it.
    pub fn candidates(&self) -> &[SocketAddr] {
        &self.candidates
    }

    /// Hands on what comes, for as long as the server runs.
    pub async fn run(self: Arc<Self>) {
        loop {
            // What makes the reader of packets fail costs that packet.
            let reading = Arc::clone(&self);
            if let Err(error) = tokio::spawn(async move { reading.read().await }).await {
                tracing::error!(%error, "a packet of WebRTC could not be read");
            }
        }
    }

    async fn read(&self) {
        let mut buffer = [0; LONGEST + 1];
        loop {
            match self.socket.recv_from(&mut buffer).await {
                // What is longer was cut off, and is none of this protocol.
                Ok((length, source)) if length <= LONGEST => self.take(buffer.get(..length).unwrap_or_default(), canonical(source)),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "WebRTC cannot be read");
                    sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn take(&self, packet: &[u8], source: SocketAddr) {
        let Some(entry) = self.whose(packet, source) else { return };
        let same_family = self.candidates.iter().find(|candidate| candidate.is_ipv4() == source.is_ipv4());
        let Some(destination) = same_family.or_else(|| self.candidates.first()).copied() else { return };
        // What comes too fast is lost, as on any other way.
        let _ = entry.datagrams.try_send(Datagram { source, destination, bytes: Bytes::copy_from_slice(packet), at: Instant::now() });
    }

    /// The session that a packet is of.
    fn whose(&self, packet: &[u8], source: SocketAddr) -> Option<Arc<Entry>> {
        // RFC 7983 7.
        if packet.first().is_some_and(|first| *first > 3) {
            return self.known().by_address.get(&source).cloned();
        }
        let message = StunMessage::parse(packet).ok()?;
        let (ufrag, _) = message.split_username()?;
        let mut known = self.known();
        // A name alone moves nobody: it is seen by whoever sees the answer's packets, and what is forged may say that it comes from anywhere.
        let proved = |entry: &&Arc<Entry>| message.verify(entry.password.as_bytes(), sha1_hmac);
        let entry = known.by_ufrag.get(ufrag).filter(proved).cloned()?;
        if known.by_address.get(&source).is_none_or(|before| !Arc::ptr_eq(before, &entry)) {
            let mut addresses = lock(&entry.addresses);
            if addresses.len() >= MOST_ADDRESSES
                && let Some(oldest) = addresses.pop_front()
                && known.by_address.get(&oldest).is_some_and(|of| Arc::ptr_eq(of, &entry))
            {
                known.by_address.remove(&oldest);
            }
            addresses.push_back(source);
            known.by_address.insert(source, Arc::clone(&entry));
        }
        Some(entry)
    }

    /// A way for the session `id` of a stream, whose packets of ICE are known and proved by `ice`.
    pub fn open(self: &Arc<Self>, name: StreamName, id: String, ice: IceCreds) -> Way {
        let IceCreds { ufrag, pass: password } = ice;
        let (sender, datagrams) = mpsc::channel(MOST_WAITING);
        let deleted = watch::Sender::new(false);
        let (told, over) = (deleted.subscribe(), self.over.subscribe());
        let entry = Entry { name, id, password, datagrams: sender, deleted, addresses: Mutex::default() };
        self.known().by_ufrag.insert(ufrag.clone(), Arc::new(entry));
        Way { endpoint: Arc::clone(self), ufrag, datagrams, deleted: told, over }
    }

    /// Ends a session; whether there was one.
    pub fn close(&self, name: &StreamName, id: &str) -> bool {
        let known = self.known();
        let found = known.by_ufrag.values().find(|entry| entry.name == *name && entry.id == id);
        found.is_some_and(|entry| !entry.deleted.send_replace(true))
    }

    /// Ends all sessions, and waits until none is left.
    pub async fn end(&self) {
        self.over.send_replace(true);
        self.over.closed().await;
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }
}

impl Way {
    /// Sends a datagram. One that is lost is asked for again.
    pub async fn send(&self, packet: &[u8], to: SocketAddr) {
        let socket = &self.endpoint.socket;
        // A socket of IPv6 knows the addresses of IPv4 by another name.
        let to = match (socket.local_addr(), to) {
            (Ok(SocketAddr::V6(_)), SocketAddr::V4(to)) => SocketAddr::new(to.ip().to_ipv6_mapped().into(), to.port()),
            _ => to,
        };
        let _ = socket.send_to(packet, to).await;
    }

    /// Waits for what comes next.
    pub async fn next(&mut self) -> Coming {
        tokio::select! {
            datagram = self.datagrams.recv() => datagram.map_or(Coming::Over, Coming::Datagram),
            _ = self.deleted.wait_for(|deleted| *deleted) => Coming::Deleted,
            _ = self.over.wait_for(|over| *over) => Coming::Over,
        }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        let mut known = self.endpoint.known();
        if let Some(entry) = known.by_ufrag.remove(&self.ufrag) {
            known.by_address.retain(|_, of| !Arc::ptr_eq(of, &entry));
        }
    }
}

/// Where a socket at `local` is found from outside: at `told` if that is given; else there, or where this machine sends from.
fn candidates(local: SocketAddr, told: Option<IpAddr>) -> Vec<SocketAddr> {
    let port = local.port();
    if let Some(told) = told {
        return vec![SocketAddr::new(told, port)];
    }
    if !local.ip().is_unspecified() {
        return vec![local];
    }
    // Nothing is sent: the system says which address it would send from to the addresses of documentation (RFC 5737, RFC 3849).
    let from = |any: IpAddr, to: IpAddr| {
        let socket = std::net::UdpSocket::bind((any, 0)).ok()?;
        socket.connect((to, 9)).ok()?;
        Some(SocketAddr::new(socket.local_addr().ok()?.ip(), port)).filter(|found| !found.ip().is_unspecified())
    };
    let fourth = from(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into());
    let sixth =
        local.is_ipv6().then(|| from(Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into())).flatten();
    fourth.into_iter().chain(sixth).collect()
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use str0m::ice::TransId;

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// A request of ICE for `ufrag`, proved with `password`.
    fn binding(ufrag: &str, password: &str) -> Vec<u8> {
        let user = format!("{ufrag}:peer");
        let message = StunMessage::binding_request(&user, TransId::new(), true, 1, 1, false);
        let mut bytes = vec![0; 256];
        let length = message.to_bytes(Some(password.as_bytes()), &mut bytes, sha1_hmac).unwrap();
        bytes.truncate(length);
        bytes
    }

    fn endpoint() -> Arc<Endpoint> {
        Endpoint::new(std::net::UdpSocket::bind("127.0.0.1:0").unwrap(), None).unwrap()
    }

    #[tokio::test]
    async fn packets_are_of_who_named_itself() {
        let endpoint = endpoint();
        let name = StreamName::new("a").unwrap();
        let ice = IceCreds { ufrag: "ours".into(), pass: "secret".into() };
        let mut way = endpoint.open(name.clone(), "id".into(), ice);
        let (here, there) = (address("127.0.0.1:5000"), address("127.0.0.1:5001"));
        for (packet, source, expected, why) in [
            (vec![0x80; 40], here, false, "media of nobody"),
            (binding("other", "secret"), here, false, "for another"),
            (binding("ours", "guess"), here, false, "for us, and forged"),
            (vec![0x80; 40], here, false, "media from where something was forged"),
            (binding("ours", "secret"), here, true, "for us"),
            (vec![0x80; 40], here, true, "media from there"),
            (vec![0x80; 40], there, false, "media from elsewhere"),
            (Vec::new(), here, false, "nothing"),
            (vec![0, 1, 0xff, 0xff], here, false, "half a message"),
        ] {
            endpoint.take(&packet, source);
            assert_eq!(way.datagrams.try_recv().is_ok(), expected, "{why}");
        }
        let from_everywhere = |packet: &[u8]| (6000..7000).for_each(|port| endpoint.take(packet, address(&format!("127.0.0.1:{port}"))));
        from_everywhere(&binding("ours", "guess"));
        endpoint.take(&[0x80; 40], here);
        assert!(way.datagrams.try_recv().is_ok(), "what is forged pushes nobody out");
        assert_eq!(endpoint.known().by_address.len(), 1);
        from_everywhere(&binding("ours", "secret"));
        assert_eq!(endpoint.known().by_address.len(), MOST_ADDRESSES);
        assert!(!endpoint.close(&name, "other") && !endpoint.close(&StreamName::new("b").unwrap(), "id"));
        assert!(endpoint.close(&name, "id") && !endpoint.close(&name, "id"));
        let end = loop {
            match way.next().await {
                Coming::Datagram(_) => {}
                end => break end,
            }
        };
        assert!(matches!(end, Coming::Deleted));
        drop(way);
        let known = endpoint.known();
        assert!(known.by_address.is_empty() && known.by_ufrag.is_empty());
    }

    #[test]
    fn addresses_that_are_told() {
        let told = |local, told: Option<&str>| candidates(address(local), told.map(|told| told.parse().unwrap()));
        assert_eq!(told("127.0.0.1:7000", None), [address("127.0.0.1:7000")]);
        assert_eq!(told("0.0.0.0:7000", Some("198.51.100.7")), [address("198.51.100.7:7000")]);
        assert!(told("0.0.0.0:7000", None).iter().all(|found| !found.ip().is_unspecified() && found.port() == 7000));
    }
}
