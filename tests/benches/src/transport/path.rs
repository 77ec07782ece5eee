//! A path between a client and a server on this machine: a bottleneck with a queue, a delay, packets that are lost.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{
    net::UdpSocket,
    runtime::Builder,
    sync::oneshot,
    time::{Instant, sleep_until},
};

/// What a path is like.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Bits a second towards the client; the way back is as wide as it needs.
    pub rate: u64,
    pub rtt: Duration,
    /// What waits at most, in time at that rate.
    pub queue: Duration,
    /// Packets towards the client that are lost at random, of a thousand.
    pub loss: u64,
}

/// Packets towards the client: all, and those that did not arrive.
#[derive(Debug, Default)]
struct Count {
    offered: AtomicU64,
    lost: AtomicU64,
}

/// A path that carries packets until it is dropped.
pub struct Path {
    /// What a client takes for the server.
    pub address: SocketAddr,
    count: Arc<Count>,
    /// Dropped with it, which ends the thread.
    _end: oneshot::Sender<()>,
}

impl Path {
    /// To the server at `to`, for one client.
    pub fn open(kind: Kind, to: SocketAddr) -> anyhow::Result<Self> {
        let (front, back) = (socket()?, socket()?);
        back.connect(to)?;
        let address = front.local_addr()?;
        let count = Arc::new(Count::default());
        let (end, ended) = oneshot::channel();
        // On a thread and a runtime of its own: what the client does must not delay packets.
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let carrier = Carrier { kind, count: Arc::clone(&count), free_at: Instant::now(), random: 0x9e37_79b9_7f4a_7c15 };
        thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = ended => Ok(()),
                    failed = carrier.carry(front, back) => failed,
                }
            })
        });
        Ok(Self { address, count, _end: end })
    }

    /// Share of the packets towards the client that did not arrive.
    pub fn loss(&self) -> f64 {
        let [offered, lost] = [&self.count.offered, &self.count.lost].map(|count| count.load(Ordering::Relaxed));
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let share = lost as f64 / offered.max(1) as f64;
        share
    }
}

fn socket() -> anyhow::Result<std::net::UdpSocket> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, Some(socket2::Protocol::UDP))?;
    socket.set_recv_buffer_size(4 << 20)?;
    socket.set_send_buffer_size(4 << 20)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    Ok(socket.into())
}

struct Carrier {
    kind: Kind,
    count: Arc<Count>,
    /// When the bottleneck has sent what waits.
    free_at: Instant,
    random: u64,
}

impl Carrier {
    async fn carry(mut self, front: std::net::UdpSocket, back: std::net::UdpSocket) -> std::io::Result<()> {
        let (front, back) = (UdpSocket::from_std(front)?, UdpSocket::from_std(back)?);
        let (mut down, mut up) = (VecDeque::new(), VecDeque::new());
        let (mut from_server, mut from_client) = ([0; 2048], [0; 2048]);
        let mut client = None;
        loop {
            let next = [down.front(), up.front()].into_iter().flatten().map(|(at, _): &(Instant, Vec<u8>)| *at).min();
            tokio::select! {
                received = back.recv(&mut from_server) => {
                    let packet = &from_server[..received?];
                    if let Some(at) = self.arrival(packet.len()) {
                        down.push_back((at, packet.to_vec()));
                    }
                }
                received = front.recv_from(&mut from_client) => {
                    let (length, address) = received?;
                    client = Some(address);
                    up.push_back((Instant::now() + self.kind.rtt / 2, from_client[..length].to_vec()));
                }
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            }
            let now = Instant::now();
            while let Some((_, packet)) = down.pop_front_if(|(at, _)| *at <= now) {
                if let Some(client) = client {
                    front.send_to(&packet, client).await?;
                }
            }
            while let Some((_, packet)) = up.pop_front_if(|(at, _)| *at <= now) {
                back.send(&packet).await?;
            }
        }
    }

    /// When a packet to the client arrives, if it does.
    fn arrival(&mut self, bytes: usize) -> Option<Instant> {
        let now = Instant::now();
        self.count.offered.fetch_add(1, Ordering::Relaxed);
        let begins = self.free_at.max(now);
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let is_full = begins - now > self.kind.queue;
        if !is_full {
            self.free_at = begins + Duration::from_nanos(bytes as u64 * 8 * 1_000_000_000 / self.kind.rate);
        }
        if is_full || (self.random >> 11) % 1000 < self.kind.loss {
            self.count.lost.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.free_at + self.kind.rtt / 2)
    }
}
