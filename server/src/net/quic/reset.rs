//! How a server tells the clients of the one that ran before it that their connections are gone (RFC 9000 section 10.3): else they
//! wait until their idle time-out.

use std::{fmt, net::SocketAddr, sync::Arc};

use quinn::EndpointConfig;
use quinn_proto::HashedConnectionIdGenerator;
use ring::hmac;
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

/// The ids of an endpoint and the tokens that end them, without a key other ones at each start. Each address has its own: what is sent to one
/// would else end a connection of the other.
pub(super) fn identity(key: Option<&ResetKey>, address: SocketAddr) -> EndpointConfig {
    let Some(ResetKey(key)) = key else { return EndpointConfig::default() };
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_slice());
    let derive = |purpose: &str| hmac::sign(&key, format!("{purpose} {address}").as_bytes());
    let mut config = EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, derive("token").as_ref())));
    let mark = derive("id").as_ref().iter().take(8).fold(0, |mark, byte| mark << 8 | u64::from(*byte));
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(mark)));
    config
}
