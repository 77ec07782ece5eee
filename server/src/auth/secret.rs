//! The secret of a server: random bytes in its data folder, from which the keys are made that it need not remember.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use data_encoding::BASE64URL_NOPAD;
use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use zeroize::Zeroizing;

/// The file in the data folder.
const FILE: &str = "secret.key";

/// The file of what no other server may have.
const OWN_FILE: &str = "reset.key";

/// Bytes of a secret.
const LENGTH: usize = 32;

/// The secret of a server. Whoever has it may publish everything.
#[derive(Clone, Debug)]
pub struct Secret(hmac::Key);

impl Secret {
    /// The secret of the server whose data folder is `data`; made, for its owner alone to read, when there is none.
    pub fn of(data: &Path) -> io::Result<Self> {
        Self::kept(data, FILE)
    }

    /// What ends the QUIC connections that this server had before it was started again. Servers that run side by side may have the
    /// same secret, but not this: one would tell anybody how to end the connections of the other (RFC 9000 section 21.11).
    pub fn of_connections(data: &Path) -> io::Result<Self> {
        Self::kept(data, OWN_FILE)
    }

    fn kept(data: &Path, name: &str) -> io::Result<Self> {
        let path = data.join(name);
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => {
                let bytes = found.map_err(named)?;
                if bytes.len() != LENGTH {
                    return Err(named(io::Error::other(format!("a secret has {LENGTH} bytes; remove it, and make the keys again"))));
                }
                return Ok(Self::new(&bytes));
            }
        }
        let mut bytes = [0; LENGTH];
        SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("the system has no random numbers"))?;
        let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            // Another process was first: its secret counts.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Self::kept(data, name),
            file => file.map_err(named)?,
        };
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(named)?;
        Ok(Self::new(&bytes))
    }

    fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The key to publish the stream `name`.
    pub fn publish_key(&self, name: &str) -> String {
        BASE64URL_NOPAD.encode(hmac::sign(&self.0, &purpose(name)).as_ref())
    }

    /// The key that tokens of viewers are signed with.
    pub(super) fn token_key(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(hmac::sign(&self.0, b"play\0").as_ref().to_vec())
    }

    /// Sixteen bytes for this purpose and no other, the same each time.
    pub fn derive(&self, purpose: &str, name: &str) -> Zeroizing<[u8; 16]> {
        let tag = hmac::sign(&self.0, &[purpose.as_bytes(), b"\0", name.as_bytes()].concat());
        let mut bytes = Zeroizing::new([0; 16]);
        bytes.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        bytes
    }

    /// Whether `key` is that of the stream `name`; takes as long for a wrong key as for the right one.
    pub(super) fn is_publish_key(&self, name: &str, key: &str) -> bool {
        let tag = BASE64URL_NOPAD.decode(key.as_bytes());
        tag.is_ok_and(|tag| hmac::verify(&self.0, &purpose(name), &tag).is_ok())
    }
}

/// What is signed, so that a key for one purpose is none for another.
fn purpose(name: &str) -> Vec<u8> {
    [b"publish\0", name.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_of_one_stream_and_one_server() -> io::Result<()> {
        let (here, there) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let (secret, other) = (Secret::of(here.path())?, Secret::of(there.path())?);
        let key = secret.publish_key("news");
        assert!(Secret::of(here.path())?.is_publish_key("news", &key), "it outlives the process");
        assert!(!secret.is_publish_key("sport", &key) && !other.is_publish_key("news", &key));
        assert!(!secret.is_publish_key("news", "") && !secret.is_publish_key("news", "no key"));
        fs::write(here.path().join(FILE), b"short")?;
        let error = Secret::of(here.path()).unwrap_err().to_string();
        assert!(error.contains(FILE) && error.contains("32 bytes"), "{error}");
        Ok(())
    }
}
