//! DTLS 1.2 with what ring computes: ECDHE, ECDSA, AES-GCM and ChaCha20-Poly1305, as the `TlsAcceptor` next door has it for TLS.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock},
    time::Instant,
};

use aes::{
    Aes128,
    cipher::{BlockCipherEncrypt, KeyInit},
};
use dimpl::{
    Config, CryptoError, CryptoOperation, HashAlgorithm, NamedGroup, SignatureAlgorithm,
    crypto::{
        Aad, ActiveKeyExchange, Buf, Cipher, CryptoProvider, Dtls12CipherSuite, Dtls13CipherSuite, HashContext, HashProvider, HmacProvider,
        KeyProvider, Nonce, SecureRandom, SignatureVerifier, SigningKey, SupportedDtls12CipherSuite, SupportedDtls13CipherSuite,
        SupportedKxGroup, TmpBuf, check_verify_scheme,
    },
};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use ring::{
    aead::{self, AES_128_GCM, AES_256_GCM, CHACHA20_POLY1305, LessSafeKey, UnboundKey},
    agreement::{self, EphemeralPrivateKey, UnparsedPublicKey},
    digest, hmac,
    rand::{SecureRandom as _, SystemRandom},
    signature::{self, EcdsaKeyPair},
};
use str0m::{
    config::{DtlsCert, DtlsVersion},
    crypto::{
        CryptoError as ProviderError,
        dtls::{DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, ProtocolVersion},
    },
};

use super::certificate::{Curve, public_key};
use crate::net::Error;

/// A certificate that nobody vouches for: its fingerprint stands in the answer (RFC 8827 6.5).
pub fn certificate() -> Result<DtlsCert, Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = CertificateParams::default().self_signed(&key)?;
    Ok(DtlsCert { certificate: certificate.der().to_vec(), private_key: key.serialize_der() })
}

/// Makes sessions of DTLS.
#[derive(Debug)]
pub struct Dtls;

impl DtlsProvider for Dtls {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        certificate().ok()
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        _: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, ProviderError> {
        let config = config(mtu).map_err(ProviderError::DtlsImpl)?;
        Ok(Box::new(Session(dimpl::Dtls::new_12(config, certificate.clone(), now))))
    }
}

/// The configuration of all sessions, made once: each time the provider is tried out in full.
fn config(mtu: Option<usize>) -> Result<Arc<Config>, DtlsImplError> {
    static MADE: OnceLock<(Option<usize>, Arc<Config>)> = OnceLock::new();
    if let Some((_, config)) = MADE.get().filter(|(made, _)| *made == mtu) {
        return Ok(Arc::clone(config));
    }
    // ICE has shown where the peer is, so that no cookie has to.
    let builder = Config::builder().with_crypto_provider(PROVIDER).use_server_cookie(false);
    let builder = if let Some(mtu) = mtu { builder.mtu(mtu) } else { builder };
    let config = Arc::new(builder.build()?);
    Ok(Arc::clone(&MADE.get_or_init(|| (mtu, config)).1))
}

/// A session as the stack sees it.
struct Session(dimpl::Dtls);

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session")
    }
}

impl DtlsInstance for Session {
    fn set_active(&mut self, active: bool) {
        self.0.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.0.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        self.0.poll_output(buffer)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.0.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.0.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.0.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.0.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.0.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.0.close()
    }
}

/// What is computed with. DTLS 1.3 is not spoken: the stack does not do without a suite of it all the same.
const PROVIDER: CryptoProvider = CryptoProvider {
    kx_groups: &[&Group::X25519, &Group::P256, &Group::P384],
    signature_verification: &Ring,
    key_provider: &Ring,
    secure_random: &Ring,
    hash_provider: &Ring,
    hmac_provider: &Ring,
    cipher_suites: &[&Suite::Aes128, &Suite::Aes256, &Suite::ChaCha20],
    dtls13_cipher_suites: &[&Suite::Aes128],
};

#[derive(Debug)]
struct Ring;

fn failed(operation: CryptoOperation) -> CryptoError {
    CryptoError::OperationFailed(operation)
}

impl SecureRandom for Ring {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), CryptoError> {
        SystemRandom::new().fill(buffer).map_err(|_| failed(CryptoOperation::FillRandom))
    }
}

impl HashProvider for Ring {
    fn create_hash(&self, algorithm: HashAlgorithm) -> Box<dyn HashContext> {
        // The suites have these two.
        let algorithm = if algorithm == HashAlgorithm::SHA384 { &digest::SHA384 } else { &digest::SHA256 };
        Box::new(Hash(AssertUnwindSafe(digest::Context::new(algorithm))))
    }
}

struct Hash(AssertUnwindSafe<digest::Context>);

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hash")
    }
}

impl HashContext for Hash {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn clone_and_finalize(&self, out: &mut Buf) {
        out.clear();
        out.extend_from_slice(self.0.0.clone().finish().as_ref());
    }
}

impl HmacProvider for Ring {
    fn hmac(&self, hash: HashAlgorithm, key: &[u8], data: &[u8], out: &mut [u8]) -> Result<usize, CryptoError> {
        let algorithm = match hash {
            HashAlgorithm::SHA256 => hmac::HMAC_SHA256,
            HashAlgorithm::SHA384 => hmac::HMAC_SHA384,
            other => return Err(CryptoError::UnsupportedHmacHash(other)),
        };
        let tag = hmac::sign(&hmac::Key::new(algorithm, key), data);
        let length = tag.as_ref().len();
        out.get_mut(..length).ok_or(CryptoError::UnsupportedHmacHash(hash))?.copy_from_slice(tag.as_ref());
        Ok(length)
    }
}

/// Groups of key exchange.
#[derive(Clone, Copy, Debug)]
enum Group {
    X25519,
    P256,
    P384,
}

impl Group {
    fn algorithm(self) -> &'static agreement::Algorithm {
        match self {
            Self::X25519 => &agreement::X25519,
            Self::P256 => &agreement::ECDH_P256,
            Self::P384 => &agreement::ECDH_P384,
        }
    }
}

impl SupportedKxGroup for Group {
    fn name(&self) -> NamedGroup {
        match self {
            Self::X25519 => NamedGroup::X25519,
            Self::P256 => NamedGroup::Secp256r1,
            Self::P384 => NamedGroup::Secp384r1,
        }
    }

    fn start_exchange(&self, mut buffer: Buf) -> Result<Box<dyn ActiveKeyExchange>, CryptoError> {
        let private = EphemeralPrivateKey::generate(self.algorithm(), &SystemRandom::new());
        let private = private.map_err(|_| failed(CryptoOperation::GenerateEphemeralKey))?;
        let public = private.compute_public_key().map_err(|_| failed(CryptoOperation::ComputePublicKey))?;
        buffer.clear();
        buffer.extend_from_slice(public.as_ref());
        Ok(Box::new(Exchange { group: *self, private, public: buffer }))
    }
}

#[derive(Debug)]
struct Exchange {
    group: Group,
    private: EphemeralPrivateKey,
    public: Buf,
}

impl ActiveKeyExchange for Exchange {
    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn complete(self: Box<Self>, peer: &[u8], out: &mut Buf) -> Result<(), CryptoError> {
        let group = self.group();
        let peer = UnparsedPublicKey::new(self.group.algorithm(), peer);
        let agreed = agreement::agree_ephemeral(self.private, &peer, |secret| {
            out.clear();
            out.extend_from_slice(secret);
        });
        agreed.map_err(|_| CryptoError::InvalidPublicKey(group))
    }

    fn group(&self) -> NamedGroup {
        self.group.name()
    }
}

/// Cipher suites: ECDHE_ECDSA with each of these (RFC 5289 3.2, RFC 7905 2).
#[derive(Clone, Copy, Debug)]
enum Suite {
    Aes128,
    Aes256,
    ChaCha20,
}

impl SupportedDtls12CipherSuite for Suite {
    fn suite(&self) -> Dtls12CipherSuite {
        match self {
            Self::Aes128 => Dtls12CipherSuite::ECDHE_ECDSA_AES128_GCM_SHA256,
            Self::Aes256 => Dtls12CipherSuite::ECDHE_ECDSA_AES256_GCM_SHA384,
            Self::ChaCha20 => Dtls12CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305_SHA256,
        }
    }

    fn hash_algorithm(&self) -> HashAlgorithm {
        if matches!(self, Self::Aes256) { HashAlgorithm::SHA384 } else { HashAlgorithm::SHA256 }
    }

    /// Of the MAC, the key, and the part of the nonce that is not in the record.
    fn key_lengths(&self) -> (usize, usize, usize) {
        match self {
            Self::Aes128 => (0, 16, 4),
            Self::Aes256 => (0, 32, 4),
            Self::ChaCha20 => (0, 32, 12),
        }
    }

    fn explicit_nonce_len(&self) -> usize {
        if matches!(self, Self::ChaCha20) { 0 } else { 8 }
    }

    fn tag_len(&self) -> usize {
        16
    }

    fn create_cipher(&self, key: &[u8]) -> Result<Box<dyn Cipher>, CryptoError> {
        let algorithm = match self {
            Self::Aes128 => &AES_128_GCM,
            Self::Aes256 => &AES_256_GCM,
            Self::ChaCha20 => &CHACHA20_POLY1305,
        };
        let key = UnboundKey::new(algorithm, key).map_err(|_| failed(CryptoOperation::CreateCipher))?;
        Ok(Box::new(Sealed(LessSafeKey::new(key))))
    }
}

impl SupportedDtls13CipherSuite for Suite {
    fn suite(&self) -> Dtls13CipherSuite {
        Dtls13CipherSuite::AES_128_GCM_SHA256
    }

    fn hash_algorithm(&self) -> HashAlgorithm {
        HashAlgorithm::SHA256
    }

    fn key_len(&self) -> usize {
        16
    }

    fn iv_len(&self) -> usize {
        12
    }

    fn tag_len(&self) -> usize {
        16
    }

    fn create_cipher(&self, key: &[u8]) -> Result<Box<dyn Cipher>, CryptoError> {
        SupportedDtls12CipherSuite::create_cipher(&Self::Aes128, key)
    }

    /// RFC 9147 4.2.3.
    fn encrypt_sn(&self, key: &[u8], sample: &[u8; 16]) -> [u8; 16] {
        let mut block = (*sample).into();
        if let Ok(cipher) = Aes128::new_from_slice(key) {
            cipher.encrypt_block(&mut block);
        }
        block.into()
    }
}

#[derive(Debug)]
struct Sealed(LessSafeKey);

impl Cipher for Sealed {
    fn encrypt(&mut self, text: &mut Buf, aad: Aad, nonce: Nonce) -> Result<(), CryptoError> {
        let nonce = aead::Nonce::assume_unique_for_key(nonce.0);
        self.0.seal_in_place_append_tag(nonce, aead::Aad::from(&*aad), text).map_err(|_| failed(CryptoOperation::Encrypt))
    }

    fn decrypt(&mut self, text: &mut TmpBuf, aad: Aad, nonce: Nonce) -> Result<(), CryptoError> {
        let nonce = aead::Nonce::assume_unique_for_key(nonce.0);
        let opened = self.0.open_in_place(nonce, aead::Aad::from(&*aad), text.as_mut());
        let length = opened.map_err(|_| failed(CryptoOperation::Decrypt))?.len();
        text.truncate(length);
        Ok(())
    }
}

impl KeyProvider for Ring {
    fn load_private_key(&self, key: &[u8]) -> Result<Box<dyn SigningKey>, CryptoError> {
        let pair = EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_ASN1_SIGNING, key, &SystemRandom::new());
        Ok(Box::new(OurKey(pair.map_err(|_| CryptoError::InvalidPrivateKey)?)))
    }
}

/// Ours, which is of P-256.
#[derive(Debug)]
struct OurKey(EcdsaKeyPair);

impl SigningKey for OurKey {
    fn sign(&mut self, data: &[u8], hash: HashAlgorithm, out: &mut Buf) -> Result<(), CryptoError> {
        if hash != self.hash_algorithm() {
            return Err(CryptoError::SigningKeyHashMismatch { key_hash: self.hash_algorithm(), requested: hash });
        }
        let signed = self.0.sign(&SystemRandom::new(), data).map_err(|_| failed(CryptoOperation::Sign))?;
        out.clear();
        out.extend_from_slice(signed.as_ref());
        Ok(())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }

    fn hash_algorithm(&self) -> HashAlgorithm {
        HashAlgorithm::SHA256
    }

    fn supported_hash_algorithms(&self) -> &[HashAlgorithm] {
        &[HashAlgorithm::SHA256]
    }
}

impl SignatureVerifier for Ring {
    fn verify_signature(
        &self,
        certificate: &[u8],
        data: &[u8],
        signed: &[u8],
        hash: HashAlgorithm,
        algorithm: SignatureAlgorithm,
    ) -> Result<(), CryptoError> {
        let (curve, point) = public_key(certificate).ok_or(CryptoError::CertificateParseFailed)?;
        let group = if curve == Curve::P256 { NamedGroup::Secp256r1 } else { NamedGroup::Secp384r1 };
        check_verify_scheme(algorithm, hash, group)?;
        let verification = match (curve, hash) {
            (Curve::P256, HashAlgorithm::SHA384) => &signature::ECDSA_P256_SHA384_ASN1,
            (Curve::P256, _) => &signature::ECDSA_P256_SHA256_ASN1,
            (Curve::P384, HashAlgorithm::SHA256) => &signature::ECDSA_P384_SHA256_ASN1,
            (Curve::P384, _) => &signature::ECDSA_P384_SHA384_ASN1,
        };
        let verified = signature::UnparsedPublicKey::new(verification, point).verify(data, signed);
        verified.map_err(|_| CryptoError::SignatureVerificationFailed { signature: algorithm, hash, group })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_computes_what_it_should() {
        // The stack tries each part with vectors of its own.
        config(None).unwrap();
    }

    #[test]
    fn signatures_are_of_the_certificate() {
        let (certificate, another) = (certificate().unwrap(), certificate().unwrap());
        let mut key = Ring.load_private_key(&certificate.private_key).unwrap();
        let mut signed = Buf::new();
        key.sign(b"what is signed", HashAlgorithm::SHA256, &mut signed).unwrap();
        assert!(key.sign(b"what is signed", HashAlgorithm::SHA384, &mut Buf::new()).is_err());
        let verify =
            |certificate: &[u8], data: &[u8], hash| Ring.verify_signature(certificate, data, &signed, hash, SignatureAlgorithm::ECDSA);
        assert_eq!(verify(&certificate.certificate, b"what is signed", HashAlgorithm::SHA256), Ok(()));
        for (certificate, data, hash) in [
            (&another.certificate[..], &b"what is signed"[..], HashAlgorithm::SHA256),
            (&certificate.certificate, b"something else", HashAlgorithm::SHA256),
            (&certificate.certificate, b"what is signed", HashAlgorithm::SHA384),
            (b"none", b"what is signed", HashAlgorithm::SHA256),
        ] {
            assert!(verify(certificate, data, hash).is_err());
        }
    }

    #[test]
    fn keys_that_agree_on_nothing_are_refused() {
        // RFC 7748 6.1: the point of small order.
        let exchange = Group::X25519.start_exchange(Buf::new()).unwrap();
        assert_eq!(exchange.complete(&[0; 32], &mut Buf::new()), Err(CryptoError::InvalidPublicKey(NamedGroup::X25519)));
    }
}
