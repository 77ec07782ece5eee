//! One address for all streams (`--srt`): a caller says by its stream id which it publishes, and is encrypted with a passphrase that is the
//! key of that stream.
//!
//! ```text
//! caller -> front: cookie -> stream id: who may, with which passphrase -> ffmpeg that listens on this machine for it -> source
//!             '------------ every further packet, both ways, with the cookie of that listener -----------'
//! ```
//!
//! ffmpeg alone has the passphrase tried: a caller that does not know it is turned away by it.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::HeaderMap;
use ring::{hmac, rand::SystemRandom};
use tokio::{
    net::UdpSocket,
    sync::mpsc::{self, Receiver, Sender, error::TrySendError},
    time::{sleep, timeout},
};

use super::handshake::{self, Handshake, LONGEST, Refusal, Step, Wish};
use crate::{
    auth::{Access, Credentials, Verdict},
    config::{Passphrase, Srt},
    http::StreamName,
    ingest::Ingest,
    metrics::Metrics,
    net::{Gate, Settings, network},
};

/// The most callers at once, of all and of one address.
const MOST_CALLERS: usize = 64;
const MOST_OF_ONE: usize = 16;
/// The most listeners that no media has come to yet, of all and of one address.
const MOST_WAITING: usize = 8;
const MOST_WAITING_OF_ONE: usize = 3;
/// How many packets of a caller may wait.
const MOST_PACKETS: usize = 512;
/// How long a listener waits for the media of a caller, and how long a caller may be silent.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a listener that has just been started is asked whether it is there.
const ASK: Duration = Duration::from_millis(50);

/// Takes callers of SRT.
pub struct Front {
    shared: Arc<Shared>,
    callers: HashMap<SocketAddr, Caller>,
    gate: Arc<Gate>,
    cookies: hmac::Key,
}

struct Shared {
    socket: UdpSocket,
    ingest: Ingest,
    /// By the stream, and whether it comes encrypted: who cannot have it so holds up nobody who can have it otherwise.
    listeners: Mutex<HashMap<(StreamName, bool), Listener>>,
}

/// A caller that has said what it wants.
struct Caller {
    /// The number of its socket.
    id: u32,
    packets: Sender<Bytes>,
}

/// An ffmpeg that listens for callers of a stream.
struct Listener {
    address: SocketAddr,
    /// The network of who called first.
    called_by: IpAddr,
    /// Whether media has come.
    on_air: Arc<AtomicBool>,
}

impl Front {
    /// Takes callers at `socket` for `ingest`; those that find no room are counted.
    ///
    /// # Errors
    /// The socket cannot be used, or the system has no random numbers.
    pub fn new(socket: std::net::UdpSocket, ingest: Ingest, metrics: Arc<Metrics>) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let cookies = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).map_err(io::Error::other)?;
        let shared = Shared { socket: UdpSocket::from_std(socket)?, ingest, listeners: Mutex::default() };
        let settings = Settings { max_connections: MOST_CALLERS, max_connections_per_ip: MOST_OF_ONE, ..Settings::default() };
        let gate = Arc::new(Gate::new(&settings, metrics));
        Ok(Self { shared: Arc::new(shared), callers: HashMap::new(), gate, cookies })
    }

    /// For as long as the server runs.
    pub async fn run(mut self) {
        let mut buffer = [0; LONGEST + 1];
        loop {
            match self.shared.socket.recv_from(&mut buffer).await {
                // What is longer was cut off, and is none of this protocol.
                Ok((length, from)) if length <= LONGEST => self.take(buffer.get(..length).unwrap_or_default(), from).await,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "SRT cannot be read");
                    sleep(ASK).await;
                }
            }
        }
    }

    async fn take(&mut self, packet: &[u8], from: SocketAddr) {
        let known = self.callers.get(&from);
        match handshake::read(packet) {
            Some(Handshake { step: Step::Induction, socket, .. }) => {
                self.shared.send(&handshake::answer(packet, socket, self.cookie(from, 0)), from).await;
            }
            Some(Handshake { step: Step::Conclusion(wish), socket, cookie }) if known.is_none_or(|known| known.id != socket) => {
                // Who has the cookie is where it says that it is. It is of this minute or the one before.
                let is_there = [0, 1].iter().any(|ago| cookie == self.cookie(from, *ago));
                if is_there {
                    self.begin(packet, from, socket, wish).await;
                }
            }
            _ => {
                // What it sends too fast is lost, as on any other way.
                let sent = known.map(|caller| caller.packets.try_send(Bytes::copy_from_slice(packet)));
                if let Some(Err(TrySendError::Closed(_))) = sent {
                    self.callers.remove(&from);
                }
            }
        }
    }

    /// A caller comes.
    async fn begin(&mut self, packet: &[u8], from: SocketAddr, id: u32, wish: Wish) {
        self.callers.retain(|_, caller| !caller.packets.is_closed());
        let Some(place) = self.gate.connection(from.ip()) else {
            return self.shared.send(&handshake::refuse(packet, id, Refusal::Overload), from).await;
        };
        let (packets, receiver) = mpsc::channel(MOST_PACKETS);
        self.callers.insert(from, Caller { id, packets });
        let (shared, packet) = (Arc::clone(&self.shared), packet.to_vec());
        tokio::spawn(async move {
            match shared.admit(from.ip(), &wish).await {
                // It sees for itself that nothing comes any more.
                Ok(listener) => drop(shared.relay(packet, from, listener, receiver).await),
                Err(refusal) => {
                    tracing::info!(%from, ?refusal, stream = wish.stream_id, "a caller of SRT is turned away");
                    shared.send(&handshake::refuse(&packet, id, refusal), from).await;
                }
            }
            drop(place);
        });
    }

    /// What a caller has to come back with: of so many minutes `ago`.
    fn cookie(&self, from: SocketAddr, ago: u64) -> u32 {
        let minutes = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() / 60);
        let tag = hmac::sign(&self.cookies, format!("{from} {}", minutes.saturating_sub(ago)).as_bytes());
        tag.as_ref().first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
    }
}

impl Shared {
    async fn send(&self, packet: &[u8], to: SocketAddr) {
        // One that is lost is asked for again.
        let _ = self.socket.send_to(packet, to).await;
    }

    /// The listener for what a caller wants.
    async fn admit(self: &Arc<Self>, from: IpAddr, wish: &Wish) -> Result<SocketAddr, Refusal> {
        let id = wish.stream_id.as_deref().unwrap_or_default();
        let name = StreamName::new(handshake::resource(id)?).ok_or(Refusal::BadRequest)?;
        let inner = &self.ingest.0;
        let config = inner.streams.config().get().stream(&name);
        let is_open = !wish.encrypted && config.srt_passphrase.is_none();
        // Who is encrypted has to know the key; of others it is asked as of those who publish by HTTP without one.
        if is_open || config.publish == Access::Hook {
            let credentials = Credentials::of(Some(from), &HeaderMap::new(), None);
            if inner.gate.decide(name.as_str(), &config, &credentials).await != Verdict::Admitted {
                return Err(Refusal::Forbidden);
            }
        }
        let passphrase = match (wish.encrypted, config.srt_passphrase) {
            (false, Some(_)) => return Err(Refusal::Forbidden),
            (false, None) => None,
            (true, Some(passphrase)) => Some(passphrase),
            (true, None) => Some(Passphrase::try_from(inner.gate.key(&name)).map_err(|_| Refusal::Forbidden)?),
        };
        self.listen(name, from, passphrase)
    }

    /// The listener of a stream, which is started where there is none.
    fn listen(self: &Arc<Self>, name: StreamName, from: IpAddr, passphrase: Option<Passphrase>) -> Result<SocketAddr, Refusal> {
        let (key, from) = ((name, passphrase.is_some()), network(from));
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let name = &key.0;
        if listeners.iter().any(|((other, _), listener)| other == name && listener.on_air.load(Relaxed)) {
            return Err(Refusal::Conflict);
        }
        if let Some(there) = listeners.get(&key) {
            return Ok(there.address);
        }
        let waiting = || listeners.values().filter(|listener| !listener.on_air.load(Relaxed));
        let of_one = || waiting().filter(|listener| listener.called_by == from);
        if waiting().count() >= MOST_WAITING || of_one().count() >= MOST_WAITING_OF_ONE {
            return Err(Refusal::Overload);
        }
        // What is free now is so a moment later.
        let free = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
        let address = free.map_err(|_| Refusal::Overload)?;
        let on_air = Arc::new(AtomicBool::new(false));
        listeners.insert(key.clone(), Listener { address, called_by: from, on_air: Arc::clone(&on_air) });
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let (srt, name) = (Srt { address, passphrase }, &key.0);
            if let Err(error) = shared.ingest.0.receive(name, &srt, Some(PATIENCE), &on_air).await {
                tracing::error!(stream = %name, %error, "SRT cannot be taken");
            }
            shared.listeners.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        });
        Ok(address)
    }

    /// Carries packets between a caller and a listener until one of them is gone.
    async fn relay(
        &self,
        mut conclusion: Vec<u8>,
        caller: SocketAddr,
        listener: SocketAddr,
        mut packets: Receiver<Bytes>,
    ) -> io::Result<()> {
        let inner = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        inner.connect(listener).await?;
        let cookie = timeout(PATIENCE, ask(&inner)).await?;
        handshake::set_cookie(&mut conclusion, cookie);
        inner.send(&conclusion).await?;
        let mut buffer = [0; LONGEST + 1];
        loop {
            tokio::select! {
                packet = packets.recv() => {
                    let Some(packet) = packet else { return Ok(()) };
                    if handshake::read(&packet).is_some() {
                        let mut again = packet.to_vec();
                        handshake::set_cookie(&mut again, cookie);
                        inner.send(&again).await?;
                    } else {
                        inner.send(&packet).await?;
                    }
                }
                received = inner.recv(&mut buffer) => {
                    let packet = buffer.get(..received?).unwrap_or_default();
                    // It was asked more than once, and that is no business of the caller.
                    if !handshake::read(packet).is_some_and(|read| read.step == Step::Induction) {
                        self.send(packet, caller).await;
                    }
                }
                () = sleep(PATIENCE) => return Ok(()),
            }
        }
    }
}

/// The cookie of the listener that a socket is connected to, as soon as that is there.
async fn ask(listener: &UdpSocket) -> u32 {
    let mut buffer = [0; LONGEST + 1];
    loop {
        // Until somebody listens it is refused.
        let _ = listener.send(&handshake::induction()).await;
        if let Ok(Ok(length)) = timeout(ASK, listener.recv(&mut buffer)).await {
            match handshake::read(buffer.get(..length).unwrap_or_default()) {
                Some(Handshake { step: Step::Induction, cookie, .. }) => return cookie,
                _ => continue,
            }
        }
        sleep(ASK).await;
    }
}
