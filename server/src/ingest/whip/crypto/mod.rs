//! What WebRTC computes with, for a stack that brings no cryptography of its own: ring, as for TLS, and AES in counter mode, which ring does
//! not give out.

pub mod certificate;
mod dtls;
mod srtp;

use std::sync::Arc;

use ring::{digest, hmac};
use str0m::crypto::{CryptoProvider, Sha1HmacProvider, Sha1Provider, Sha256Provider};

use crate::net::Error;

/// All of it, with a certificate for this run of the server.
///
/// # Errors
/// No certificate can be made.
pub fn provider() -> Result<(Arc<CryptoProvider>, str0m::config::DtlsCert), Error> {
    let provider = CryptoProvider {
        srtp_provider: &srtp::Srtp,
        sha1_hmac_provider: &Hashes,
        sha1_provider: &Hashes,
        sha256_provider: &Hashes,
        dtls_provider: &dtls::Dtls,
    };
    Ok((Arc::new(provider), dtls::certificate()?))
}

/// The hashes of STUN (RFC 8489 14.5) and of fingerprints (RFC 8122 5).
#[derive(Debug)]
struct Hashes;

/// HMAC-SHA-1 of these payloads, one behind the other, as STUN has it (RFC 8489 14.5).
pub fn sha1_hmac(key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key));
    for payload in payloads {
        context.update(payload);
    }
    context.sign().as_ref().try_into().unwrap_or_default()
}

impl Sha1HmacProvider for Hashes {
    fn sha1_hmac(&self, key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
        sha1_hmac(key, payloads)
    }
}

impl Sha1Provider for Hashes {
    fn sha1(&self, data: &[u8]) -> [u8; 20] {
        digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, data).as_ref().try_into().unwrap_or_default()
    }
}

impl Sha256Provider for Hashes {
    fn sha256(&self, data: &[u8]) -> [u8; 32] {
        digest::digest(&digest::SHA256, data).as_ref().try_into().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    #[test]
    fn hashes() {
        // RFC 2202 3, test cases 1 and 2; the text in two pieces.
        let first = sha1_hmac(&[0x0b; 20], &[b"Hi There"]);
        assert_eq!(HEXLOWER.encode(&first), "b617318655057264e28bc0b6fb378c8ef146be00");
        let second = sha1_hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(HEXLOWER.encode(&second), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        // RFC 3174 7.3 and FIPS 180-2 B.1: "abc".
        assert_eq!(HEXLOWER.encode(&Hashes.sha1(b"abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(HEXLOWER.encode(&Hashes.sha256(b"abc")), expected);
    }
}
