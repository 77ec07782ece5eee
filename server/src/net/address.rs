//! Where to listen, as a person writes it.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use thiserror::Error;

/// `IP:PORT` or `localhost:PORT`. `localhost` and `127.0.0.1` stand for both loopback addresses, because a browser tries `::1`
/// first for `localhost` and a QUIC connection does not fall back to the other family. Port 0 lets the system choose one port,
/// the same for both families and for TCP and UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    ip: IpAddr,
    port: u16,
}

/// The text is no address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no address to listen on: write IP:PORT or localhost:PORT, such as 127.0.0.1:8443 or [::]:443")]
pub struct AddressError(String);

impl Address {
    /// The address that must be there.
    /// Whether only programs of this machine reach it.
    pub fn is_loopback(self) -> bool {
        self.primary().ip().is_loopback()
    }

    pub(super) fn primary(self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }

    /// The address that is used as well, where the machine has IPv6.
    pub(super) fn companion(self) -> Option<IpAddr> {
        (self.ip == Ipv4Addr::LOCALHOST).then_some(IpAddr::V6(Ipv6Addr::LOCALHOST))
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self::from(address));
        }
        let port = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
        port.map(|port| Self { ip: Ipv4Addr::LOCALHOST.into(), port }).ok_or_else(|| AddressError(text.to_owned()))
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self { ip: address.ip(), port: address.port() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.primary().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_is_both_families_and_other_addresses_are_themselves() {
        for (text, primary, both) in [
            ("localhost:8443", "127.0.0.1:8443", true),
            ("127.0.0.1:0", "127.0.0.1:0", true),
            ("[::1]:8443", "[::1]:8443", false),
            ("0.0.0.0:443", "0.0.0.0:443", false),
            ("[::]:443", "[::]:443", false),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.to_string().as_str(), address.companion().is_some()), (primary, both), "{text}");
        }
    }

    #[test]
    fn a_wrong_address_says_what_to_write() {
        for text in ["", "8443", ":8443", "localhost", "localhost:x", "example.org:443", "127.0.0.1:65536"] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("IP:PORT"), "{error}");
        }
    }
}
