//! How many may come in at once: connections, those of one address, handshakes, requests.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Settings;
use crate::metrics::Metrics;

/// Who is in, over all listeners of a server.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Told of all that happens here and behind.
    pub metrics: Arc<Metrics>,
    connections: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    by_network: Mutex<HashMap<IpAddr, usize>>,
    per_network: usize,
}

/// A connection's place, until dropped.
#[derive(Debug)]
pub(crate) struct Place {
    gate: Arc<Gate>,
    network: IpAddr,
    _connection: OwnedSemaphorePermit,
}

impl Gate {
    /// Nobody is in.
    pub fn new(settings: &Settings, metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            connections: Arc::new(Semaphore::new(settings.max_connections)),
            handshakes: Arc::new(Semaphore::new(settings.max_handshakes)),
            requests: Arc::new(Semaphore::new(settings.max_requests)),
            by_network: Mutex::default(),
            per_network: settings.max_connections_per_ip,
        }
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
        let permit = Arc::clone(&self.connections).try_acquire_owned().ok()?;
        let network = network(client);
        let mut counts = self.by_network.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(network).or_default();
        if *count >= self.per_network {
            return None; // a count that is not zero: no entry stays behind
        }
        *count += 1;
        Some(Place { gate: Arc::clone(self), network, _connection: permit })
    }

    /// A place for one more handshake.
    pub fn handshake(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.handshakes).try_acquire_owned().ok()
    }

    /// More than half of the handshakes that may be under way are.
    pub fn is_pressed(&self, settings: &Settings) -> bool {
        self.handshakes.available_permits() < settings.max_handshakes.div_ceil(2)
    }

    /// A place for one more request.
    pub fn request(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.requests).try_acquire_owned().ok()
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
fn network(client: IpAddr) -> IpAddr {
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
}
