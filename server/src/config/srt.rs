//! Where a stream is taken by SRT: `srt` and `srt_passphrase` of `[stream.NAME]`.

use std::{fmt, net::SocketAddr};

use serde::Deserialize;
use zeroize::Zeroizing;

/// Where callers of SRT find a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srt {
    /// The address that is listened at. It tells the stream: no two have the same.
    pub address: SocketAddr,
    /// What callers must know.
    pub passphrase: Option<Passphrase>,
}

/// A passphrase of SRT. It is shown nowhere.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// As it stands in a URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

impl TryFrom<String> for Passphrase {
    type Error = &'static str;

    /// SRT takes 10 to 79 characters; these mean nothing else in a URL (RFC 3986 2.3).
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let text = Zeroizing::new(text);
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        let fits = plain && (10..=79).contains(&text.len());
        fits.then_some(Self(text)).ok_or("a passphrase of SRT has 10 to 79 letters, digits and -._~")
    }
}
