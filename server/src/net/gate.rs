//! How many may come in at once: connections, those of one address, handshakes, requests.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use super::Settings;
use crate::metrics::Metrics;

/// Who is in, over all listeners of a server.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Told of all that happens here and behind.
    pub metrics: Arc<Metrics>,
    connections: Arc<Room>,
    handshakes: Arc<Room>,
    requests: Arc<Room>,
    by_network: Mutex<HashMap<IpAddr, usize>>,
    per_network: AtomicUsize,
}

/// Who is in of one kind, and the most that may come in. Who is in when that is lowered stays.
#[derive(Debug)]
struct Room {
    taken: AtomicUsize,
    most: AtomicUsize,
}

/// Somebody is in, until dropped.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Room>);

/// A connection's place, until dropped.
#[derive(Debug)]
pub(crate) struct Place {
    gate: Arc<Gate>,
    network: IpAddr,
    _connection: Permit,
}

impl Room {
    fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { taken: AtomicUsize::new(0), most: AtomicUsize::new(most) })
    }

    fn enter(self: &Arc<Self>) -> Option<Permit> {
        let most = self.most.load(Relaxed);
        self.taken.fetch_update(Relaxed, Relaxed, |taken| (taken < most).then_some(taken + 1)).ok()?;
        Some(Permit(Arc::clone(self)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Relaxed);
    }
}

impl Gate {
    /// Nobody is in.
    pub fn new(settings: &Settings, metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            connections: Room::new(settings.max_connections),
            handshakes: Room::new(settings.max_handshakes),
            requests: Room::new(settings.max_requests),
            by_network: Mutex::default(),
            per_network: AtomicUsize::new(settings.max_connections_per_ip),
        }
    }

    /// From now on as many may come in as `settings` says.
    pub fn adjust(&self, settings: &Settings) {
        self.connections.most.store(settings.max_connections, Relaxed);
        self.handshakes.most.store(settings.max_handshakes, Relaxed);
        self.requests.most.store(settings.max_requests, Relaxed);
        self.per_network.store(settings.max_connections_per_ip, Relaxed);
    }

    /// A place for one more connection; None when there is none, or when the client's network has its share.
    pub fn connection(self: &Arc<Self>, client: IpAddr) -> Option<Place> {
        let place = self.place(client);
        if place.is_none() {
            self.metrics.turned_away();
        }
        place
    }

    fn place(self: &Arc<Self>, client: IpAddr) -> Option<Place> {
        let permit = self.connections.enter()?;
        let network = network(client);
        let mut counts = self.by_network.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.get(&network).copied().unwrap_or(0);
        if count >= self.per_network.load(Relaxed) {
            return None;
        }
        counts.insert(network, count + 1);
        Some(Place { gate: Arc::clone(self), network, _connection: permit })
    }

    /// A place for one more handshake.
    pub fn handshake(&self) -> Option<Permit> {
        self.handshakes.enter()
    }

    /// More than half of the handshakes that may be under way are.
    pub fn is_pressed(&self) -> bool {
        let Room { taken, most } = &*self.handshakes;
        taken.load(Relaxed) > most.load(Relaxed) / 2
    }

    /// A place for one more request.
    pub fn request(&self) -> Option<Permit> {
        self.requests.enter()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.gate.by_network.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.network);
            }
        }
    }
}

/// Whom an address belongs to: with IPv6 one subscriber has at least a /64 (RFC 6177), and any address in it.
pub(crate) fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_its_share_and_gives_it_back() {
        let settings = Settings { max_connections: 4, max_connections_per_ip: 2, ..Settings::default() };
        let gate = Arc::new(Gate::new(&settings, Arc::default()));
        let enter = |address: &str| gate.connection(address.parse().unwrap());
        let first = [enter("2001:db8::1"), enter("2001:db8::ffff:2")];
        assert!(first.iter().all(Option::is_some));
        assert!(enter("2001:db8::3").is_none(), "a third of the same /64");
        let others = [enter("192.0.2.1"), enter("::ffff:192.0.2.1")];
        assert!(others.iter().all(Option::is_some));
        assert!(enter("192.0.2.2").is_none(), "a fifth of all");
        drop((first, others));
        assert!(gate.by_network.lock().unwrap().is_empty(), "who left is forgotten");
        assert!(enter("192.0.2.2").is_some());
    }

    #[test]
    fn limits_change_while_somebody_is_in() {
        let settings = |connections, per_ip, requests| Settings {
            max_connections: connections,
            max_connections_per_ip: per_ip,
            max_requests: requests,
            ..Settings::default()
        };
        let gate = Arc::new(Gate::new(&settings(2, 1, 1), Arc::default()));
        let enter = |address: &str| gate.connection(address.parse().unwrap());
        let (first, request) = (enter("192.0.2.1").unwrap(), gate.request().unwrap());
        assert!(enter("192.0.2.1").is_none() && gate.request().is_none());
        gate.adjust(&settings(3, 3, 2));
        let (second, third) = (enter("192.0.2.1").unwrap(), enter("192.0.2.1").unwrap());
        assert!(enter("192.0.2.2").is_none() && gate.request().is_some());
        gate.adjust(&settings(2, 2, 1));
        drop((first, request));
        assert!(enter("192.0.2.2").is_none() && enter("192.0.2.1").is_none(), "as many are in as may be now");
        drop(second);
        assert!(enter("192.0.2.1").is_some() && gate.request().is_some());
        drop(third);
        assert!(gate.by_network.lock().unwrap().is_empty());
        gate.adjust(&settings(2, 0, 0));
        assert!(enter("192.0.2.1").is_none() && gate.request().is_none());
        assert!(gate.by_network.lock().unwrap().is_empty(), "who was not let in is not remembered");
    }
}
