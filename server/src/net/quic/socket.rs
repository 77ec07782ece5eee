//! The UDP socket under quinn, which sends a burst in one call.
//!
//! quinn gives its socket ten datagrams at a time. What the kernel does once a call costs more than those ten, so successive ones for
//! one peer are gathered here and leave together, cut into datagrams by segmentation offload (`UDP_SEGMENT`). Only what quinn has
//! filled to its limit waits, because more is about to follow: the end of a burst, an acknowledgement and a handshake leave at once.

use std::{
    fmt,
    future::poll_fn,
    hash::{BuildHasher, RandomState},
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use quinn::{
    AsyncUdpSocket, UdpPoller,
    udp::{EcnCodepoint, RecvMeta, Transmit},
};
use tokio::{
    sync::Notify,
    task::{JoinSet, yield_now},
};

/// Datagrams in a transmit that quinn has filled to its limit. Fewer are the end of a burst.
const FULL: usize = 10;

/// The largest payload of UDP over IPv4 (RFC 768, RFC 791), which bounds a burst before it is cut too.
const LARGEST: usize = 65_507;

/// Peers whose bursts are gathered side by side, without waiting for each other's lock. Each has [`LARGEST`] bytes of memory.
const LANES: usize = 16;

/// A socket that gathers.
pub(super) struct BatchingSocket {
    socket: Arc<dyn AsyncUdpSocket>,
    lanes: Vec<Arc<Lane>>,
    hasher: RandomState,
    /// Send what nobody follows up. They end with the socket.
    _late: JoinSet<()>,
}

impl BatchingSocket {
    /// Sends by `socket`. To be called inside a Tokio runtime.
    pub fn new(socket: Arc<dyn AsyncUdpSocket>) -> Self {
        let lanes: Vec<Arc<Lane>> = (0..LANES).map(|_| Arc::default()).collect();
        let mut late = JoinSet::new();
        for lane in &lanes {
            late.spawn(Arc::clone(lane).send_late(Arc::clone(&socket)));
        }
        Self { socket, lanes, hasher: RandomState::new(), _late: late }
    }
}

impl AsyncUdpSocket for BatchingSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.socket).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let index = self.hasher.hash_one(transmit.destination) % LANES as u64;
        match usize::try_from(index).ok().and_then(|index| self.lanes.get(index)) {
            Some(lane) => lane.send(&*self.socket, transmit),
            None => self.socket.try_send(transmit),
        }
    }

    fn poll_recv(&self, cx: &mut Context<'_>, buffers: &mut [io::IoSliceMut<'_>], meta: &mut [RecvMeta]) -> Poll<io::Result<usize>> {
        self.socket.poll_recv(cx, buffers, meta)
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

impl Drop for BatchingSocket {
    fn drop(&mut self) {
        for lane in &self.lanes {
            let _ = lane.lock().send(&*self.socket);
        }
    }
}

impl fmt::Debug for BatchingSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchingSocket").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// The bursts for some of the peers, one at a time.
#[derive(Debug, Default)]
struct Lane {
    burst: Mutex<Burst>,
    /// Something waits.
    waiting: Notify,
}

/// Datagrams for one peer that have not been sent yet, each of `segment` bytes; none when `bytes` is empty.
#[derive(Debug, Default)]
struct Burst {
    to: Option<Way>,
    segment: usize,
    bytes: Vec<u8>,
    /// Counts the bursts.
    number: u64,
}

/// All that datagrams which leave together have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Way {
    destination: SocketAddr,
    ecn: Option<EcnCodepoint>,
    source: Option<IpAddr>,
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, Burst> {
        self.burst.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends `transmit`, or keeps it for what follows. What is kept has been taken: only a transmit that is not is told of a socket
    /// that is not ready.
    fn send(&self, socket: &dyn AsyncUdpSocket, transmit: &Transmit<'_>) -> io::Result<()> {
        let mut burst = self.lock();
        let segment = transmit.segment_size.unwrap_or(transmit.contents.len());
        let is_full = segment > 0 && transmit.contents.len() >= segment * FULL && transmit.contents.len().is_multiple_of(segment);
        if !burst.takes(transmit, socket.max_transmit_segments()) {
            // In the order of quinn: a packet that overtakes others looks as if they were lost.
            burst.send(socket)?;
            if !is_full {
                return socket.try_send(transmit);
            }
            burst.begin(transmit, segment);
        }
        burst.bytes.extend_from_slice(transmit.contents);
        let goes_on = is_full && burst.has_room(segment * FULL, socket.max_transmit_segments());
        if !goes_on && burst.send(socket).is_ok() {
            return Ok(());
        }
        self.waiting.notify_one();
        Ok(())
    }

    /// Sends what nobody has followed up while others had their turn, and what the socket was not ready for.
    async fn send_late(self: Arc<Self>, socket: Arc<dyn AsyncUdpSocket>) {
        let mut poller = Arc::clone(&socket).create_io_poller();
        loop {
            self.waiting.notified().await;
            while let Some(number) = self.number() {
                yield_now().await;
                let sent = match &mut *self.lock() {
                    same if same.number == number => same.send(&*socket),
                    _ => Ok(()),
                };
                if sent.is_err() && poll_fn(|cx| poller.as_mut().poll_writable(cx)).await.is_err() {
                    return;
                }
            }
        }
    }

    /// Which burst waits, if one does.
    fn number(&self) -> Option<u64> {
        let burst = self.lock();
        (!burst.bytes.is_empty()).then_some(burst.number)
    }
}

impl Burst {
    fn begin(&mut self, transmit: &Transmit<'_>, segment: usize) {
        self.to = Some(Way::of(transmit));
        self.segment = segment;
        self.number += 1;
        self.bytes.reserve_exact(LARGEST);
    }

    /// Whether `transmit` may leave with what is here: all datagrams but the last one are of one size.
    fn takes(&self, transmit: &Transmit<'_>, most: usize) -> bool {
        let length = transmit.contents.len();
        let same_size = transmit.segment_size.map_or(length <= self.segment, |segment| segment == self.segment);
        let is_open = !self.bytes.is_empty() && self.bytes.len().is_multiple_of(self.segment);
        is_open && self.to == Some(Way::of(transmit)) && same_size && self.has_room(length, most)
    }

    fn has_room(&self, length: usize, most: usize) -> bool {
        self.bytes.len() + length <= LARGEST.min(self.segment * most)
    }

    /// Sends what is here. It stays if the socket is not ready.
    fn send(&mut self, socket: &dyn AsyncUdpSocket) -> io::Result<()> {
        let Some(Way { destination, ecn, source }) = self.to.filter(|_| !self.bytes.is_empty()) else { return Ok(()) };
        let transmit = Transmit { destination, ecn, contents: &self.bytes, segment_size: Some(self.segment), src_ip: source };
        let sent = socket.try_send(&transmit);
        if !sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            self.bytes.clear();
        }
        sent
    }
}

impl Way {
    fn of(transmit: &Transmit<'_>) -> Self {
        Self { destination: transmit.destination, ecn: transmit.ecn, source: transmit.src_ip }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use super::*;

    /// Keeps what is sent: to which port, in datagrams of which size, how many bytes.
    #[derive(Debug, Default)]
    struct Sent {
        calls: Mutex<Vec<(u16, usize, usize)>>,
        is_full: AtomicBool,
    }

    impl AsyncUdpSocket for Sent {
        fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
            Box::pin(AlwaysReady)
        }

        fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
            if self.is_full.load(Relaxed) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let length = transmit.contents.len();
            self.calls.lock().unwrap().push((transmit.destination.port(), transmit.segment_size.unwrap_or(length), length));
            Ok(())
        }

        fn poll_recv(&self, _: &mut Context<'_>, _: &mut [io::IoSliceMut<'_>], _: &mut [RecvMeta]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn local_addr(&self) -> io::Result<SocketAddr> {
            Ok(([127, 0, 0, 1], 443).into())
        }

        fn max_transmit_segments(&self) -> usize {
            64
        }
    }

    /// Says that it is, although it may not be, as a socket does when another takes the room first.
    #[derive(Debug)]
    struct AlwaysReady;

    impl UdpPoller for AlwaysReady {
        fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn send(socket: &BatchingSocket, port: u16, segment: usize, length: usize) -> io::Result<()> {
        socket.try_send(&Transmit {
            destination: ([127, 0, 0, 1], port).into(),
            ecn: None,
            contents: &vec![0; length],
            segment_size: (length > segment).then_some(segment),
            src_ip: None,
        })
    }

    #[tokio::test]
    async fn a_burst_leaves_at_once_and_in_order() {
        for (sends, expected, told) in [
            (&[(1, 1200, 12_000), (1, 1200, 12_000), (1, 1200, 3000)][..], &[(1, 1200, 27_000)][..], "its end is short"),
            (&[(1, 1200, 12_000), (1, 1200, 100)], &[(1, 1200, 12_100)], "its end is one datagram"),
            (&[(1, 1200, 100)], &[(1, 100, 100)], "one datagram alone"),
            (&[(1, 1200, 3000), (1, 1200, 3000)], &[(1, 1200, 3000), (1, 1200, 3000)], "two ends"),
            (&[(1, 1200, 12_000), (1, 1300, 13_000), (1, 1300, 50)], &[(1, 1200, 12_000), (1, 1300, 13_050)], "another size"),
            (&[(1, 1200, 12_000), (1, 1400, 1400)], &[(1, 1200, 12_000), (1, 1400, 1400)], "a larger datagram does not overtake"),
            (&[(1, 1400, 14_000); 4], &[(1, 1400, 56_000)], "no room for a fifth"),
            (&[(1, 1000, 10_000); 6], &[(1, 1000, 60_000)], "no more than 64 datagrams"),
        ] {
            let sent = Arc::new(Sent::default());
            let socket = BatchingSocket::new(Arc::clone(&sent) as Arc<dyn AsyncUdpSocket>);
            for (port, segment, length) in sends {
                send(&socket, *port, *segment, *length).unwrap();
            }
            assert_eq!(*sent.calls.lock().unwrap(), expected, "{told}");
        }
    }

    #[tokio::test]
    async fn what_nobody_follows_up_leaves_all_the_same() {
        let sent = Arc::new(Sent::default());
        let socket = BatchingSocket::new(Arc::clone(&sent) as Arc<dyn AsyncUdpSocket>);
        send(&socket, 1, 1200, 12_000).unwrap();
        assert!(sent.calls.lock().unwrap().is_empty(), "more may follow");
        while sent.calls.lock().unwrap().is_empty() {
            yield_now().await;
        }
        assert_eq!(*sent.calls.lock().unwrap(), [(1, 1200, 12_000)]);

        send(&socket, 1, 1200, 12_000).unwrap();
        drop(socket);
        assert_eq!(sent.calls.lock().unwrap().len(), 2, "the last packets of a socket");
    }

    #[tokio::test]
    async fn what_a_full_socket_does_not_take_is_kept_and_nothing_more_is_taken() {
        let sent = Arc::new(Sent::default());
        let socket = BatchingSocket::new(Arc::clone(&sent) as Arc<dyn AsyncUdpSocket>);
        sent.is_full.store(true, Relaxed);
        send(&socket, 1, 1200, 12_000).unwrap();
        send(&socket, 1, 1200, 1300).unwrap();
        for length in [100, 1300, 12_000] {
            assert_eq!(send(&socket, 1, 1200, length).unwrap_err().kind(), io::ErrorKind::WouldBlock, "{length}");
        }
        sent.is_full.store(false, Relaxed);
        while sent.calls.lock().unwrap().is_empty() {
            yield_now().await;
        }
        send(&socket, 1, 1200, 100).unwrap();
        assert_eq!(*sent.calls.lock().unwrap(), [(1, 1200, 13_300), (1, 100, 100)]);
    }
}
