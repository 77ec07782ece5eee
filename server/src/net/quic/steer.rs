//! Brings packets to the socket whose connection they are of.
//!
//! The sockets of one address share its port, and the system chooses among them by the addresses of both sides. A client that changes its own
//! (RFC 9000 section 9) comes to another socket then. The connection id in its packets tells which one made it.

use std::{
    fmt,
    io::{self, IoSliceMut},
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use quinn::{
    AsyncUdpSocket, UdpPoller,
    udp::{RecvMeta, Transmit},
};
use quinn_proto::{ConnectionId, ConnectionIdGenerator, HashedConnectionIdGenerator};
use tokio::sync::mpsc;

/// Receptions that wait for a socket at most. More are lost, as the network loses packets.
const WAITING: usize = 64;

/// What came to another socket: one packet, or several of one size from one address.
type Received = (RecvMeta, Box<[u8]>);

/// The sockets of one address, in their order.
pub(super) struct Siblings(Vec<Sibling>);

struct Sibling {
    /// Knows its ids.
    ids: HashedConnectionIdGenerator,
    to: mpsc::Sender<Received>,
}

impl Siblings {
    /// For sockets whose connection ids have these marks. With what each of them gets from the others.
    pub fn new(marks: &[u64]) -> (Arc<Self>, Vec<mpsc::Receiver<Received>>) {
        let open = |mark: &u64| {
            let (to, from) = mpsc::channel(WAITING);
            (Sibling { ids: HashedConnectionIdGenerator::from_key(*mark), to }, from)
        };
        let (siblings, from) = marks.iter().map(open).unzip();
        (Arc::new(Self(siblings)), from)
    }

    /// Whose packet this is, if another than `own` made its id. Those that begin a connection have an id of the client's making, and stay
    /// where they came: only a short header (RFC 9000 section 17.3.1) is looked at.
    fn other(&self, own: usize, packet: &[u8]) -> Option<&Sibling> {
        let (first, rest) = packet.split_first()?;
        if self.0.len() < 2 || first & 0x80 != 0 {
            return None;
        }
        let made_by =
            |sibling: &Sibling| rest.get(..sibling.ids.cid_len()).is_some_and(|id| sibling.ids.validate(&ConnectionId::new(id)).is_ok());
        if self.0.get(own).is_some_and(made_by) { None } else { self.0.iter().find(|sibling| made_by(sibling)) }
    }
}

/// One of them.
pub(super) struct SteeredSocket {
    socket: Arc<dyn AsyncUdpSocket>,
    siblings: Arc<Siblings>,
    index: usize,
    from_others: Mutex<mpsc::Receiver<Received>>,
}

impl SteeredSocket {
    /// The socket at `index` of `siblings`, which gives it what is `from_others`.
    pub fn new(socket: Arc<dyn AsyncUdpSocket>, siblings: Arc<Siblings>, index: usize, from_others: mpsc::Receiver<Received>) -> Self {
        Self { socket, siblings, index, from_others: Mutex::new(from_others) }
    }

    /// What another socket got, in the first of the buffers.
    fn poll_others(&self, cx: &mut Context<'_>, buffers: &mut [IoSliceMut<'_>], meta: &mut [RecvMeta]) -> Poll<usize> {
        let mut from_others = self.from_others.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(buffer), Some(meta)) = (buffers.first_mut(), meta.first_mut()) else { return Poll::Pending };
        while let Poll::Ready(Some((told, bytes))) = from_others.poll_recv(cx) {
            if let Some(place) = buffer.get_mut(..bytes.len()) {
                place.copy_from_slice(&bytes);
                *meta = told;
                return Poll::Ready(1);
            }
        }
        Poll::Pending
    }
}

impl AsyncUdpSocket for SteeredSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.socket).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.socket.try_send(transmit)
    }

    fn poll_recv(&self, cx: &mut Context<'_>, buffers: &mut [IoSliceMut<'_>], meta: &mut [RecvMeta]) -> Poll<io::Result<usize>> {
        if let Poll::Ready(count) = self.poll_others(cx, buffers, meta) {
            return Poll::Ready(Ok(count));
        }
        let received = self.socket.poll_recv(cx, buffers, meta);
        if let Poll::Ready(Ok(count)) = received {
            for (buffer, meta) in buffers.iter().zip(meta.iter_mut()).take(count) {
                let Some(bytes) = buffer.get(..meta.len) else { continue };
                if let Some(other) = self.siblings.other(self.index, bytes) {
                    let _ = other.to.try_send((*meta, bytes.into()));
                    // Nothing came here.
                    meta.len = 0;
                }
            }
        }
        received
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.socket.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.socket.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.socket.may_fragment()
    }
}

impl fmt::Debug for SteeredSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SteeredSocket").field("socket", &self.socket).field("index", &self.index).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_known_by_the_ids_of_their_connections() {
        let (siblings, mut from) = Siblings::new(&[1, 2, 3]);
        let packet = |first: u8, mark: u64| [&[first][..], &HashedConnectionIdGenerator::from_key(mark).generate_cid(), &[0; 20]].concat();
        let place = |own: usize, packet: &[u8]| {
            let other = siblings.other(own, packet)?;
            siblings.0.iter().position(|sibling| std::ptr::eq(sibling, other))
        };
        for (own, packet, to, told) in [
            (0, packet(0x40, 1), None, "its own"),
            (0, packet(0x40, 3), Some(2), "of another"),
            (2, packet(0x7f, 1), Some(0), "whatever the other bits say"),
            (0, packet(0xc0, 2), None, "a long header, whose id the client may have made"),
            (0, packet(0x40, 9), None, "of nobody here"),
            (0, vec![0x40, 1, 2], None, "too short for an id"),
            (0, Vec::new(), None, "empty"),
        ] {
            assert_eq!(place(own, &packet), to, "{told}");
        }
        let other = siblings.other(0, &packet(0x40, 2)).unwrap();
        for count in 0..=WAITING {
            assert_eq!(other.to.try_send((RecvMeta::default(), [1].into())).is_ok(), count < WAITING, "no more than so many wait");
        }
        assert_eq!(from[1].try_recv().unwrap().1.as_ref(), [1]);
    }

    #[test]
    fn one_socket_looks_at_nothing() {
        let (siblings, _) = Siblings::new(&[1]);
        assert!(siblings.other(0, &[0x40; 30]).is_none());
    }
}
