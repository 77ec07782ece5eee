//! How a server tells the clients of the one that ran before it that their connections are gone (RFC 9000 section 10.3): else they
//! wait until their idle time-out.

use std::{fmt, io, net::SocketAddr, sync::Arc};

use quinn::EndpointConfig;
use quinn_proto::HashedConnectionIdGenerator;
use ring::{hmac, rand::SystemRandom};
use zeroize::Zeroizing;

/// From which the reset tokens and the marks of connection ids of a server are made. To be kept where a restart finds it, and with no
/// other server that runs at the same time (RFC 9000 section 21.11).
#[derive(Clone)]
pub struct ResetKey(Zeroizing<[u8; 16]>);

impl From<Zeroizing<[u8; 16]>> for ResetKey {
    fn from(bytes: Zeroizing<[u8; 16]>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for ResetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResetKey")
    }
}

/// What the endpoints of one address are known by. Each address has its own: what is sent to one would else end a connection of the other.
pub(super) struct Identity {
    key: hmac::Key,
    address: SocketAddr,
}

impl Identity {
    /// From the key of the server; without one it is another at each start.
    ///
    /// # Errors
    /// There is no key, and the system has no random numbers.
    pub fn new(key: Option<&ResetKey>, address: SocketAddr) -> io::Result<Self> {
        let key = match key {
            Some(ResetKey(key)) => hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()),
            None => hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
                .map_err(|_| io::Error::other("the system has no random numbers"))?,
        };
        Ok(Self { key, address })
    }

    /// What marks the connection ids of the endpoint at `index`.
    pub fn mark(&self, index: usize) -> u64 {
        let purpose = if index == 0 { "id".to_owned() } else { format!("id {index}") };
        self.derive(&purpose).as_ref().iter().take(8).fold(0, |mark, byte| mark << 8 | u64::from(*byte))
    }

    /// The ids of an endpoint, and the tokens that end them.
    pub fn endpoint(&self, mark: u64) -> EndpointConfig {
        let mut config = EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, self.derive("token").as_ref())));
        config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(mark)));
        config
    }

    fn derive(&self, purpose: &str) -> hmac::Tag {
        hmac::sign(&self.key, format!("{purpose} {}", self.address).as_bytes())
    }
}
