//! The public key in the certificate of a peer. Nobody vouches for it: its fingerprint stands in the offer (RFC 8827 6.5), so that what it
//! says of names and times is of no interest.

/// The longest certificate that is looked into, in bytes.
const LONGEST: usize = 16 << 10;

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const BIT_STRING: u8 = 0x03;
/// The version, where it is told: `[0]` (RFC 5280 4.1).
const VERSION: u8 = 0xa0;

/// id-ecPublicKey, and the curves (RFC 5480 2.1.1).
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];

/// A curve that signatures are taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// secp256r1.
    P256,
    /// secp384r1.
    P384,
}

/// The curve and the point of the public key in a certificate, DER; `None`: it holds none of a curve that is taken.
pub fn public_key(certificate: &[u8]) -> Option<(Curve, &[u8])> {
    if certificate.len() > LONGEST {
        return None;
    }
    let mut certificate = Elements(Elements(certificate).of_kind(SEQUENCE)?);
    let mut signed = Elements(certificate.of_kind(SEQUENCE)?);
    if signed.0.first() == Some(&VERSION) {
        signed.read()?;
    }
    for _ in ["serial number", "signature", "issuer", "validity", "subject"] {
        signed.read()?;
    }
    let mut info = Elements(signed.of_kind(SEQUENCE)?);
    let mut algorithm = Elements(info.of_kind(SEQUENCE)?);
    if algorithm.of_kind(OBJECT_IDENTIFIER)? != EC_PUBLIC_KEY {
        return None;
    }
    let curve = match algorithm.of_kind(OBJECT_IDENTIFIER)? {
        P256 => Curve::P256,
        P384 => Curve::P384,
        _ => return None,
    };
    // No bits of the last byte are unused.
    info.of_kind(BIT_STRING)?.strip_prefix(&[0]).map(|point| (curve, point))
}

/// Elements of DER that follow each other (ITU-T X.690 8.1, 10.1).
struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// The content of the next, if it is of this kind.
    fn of_kind(&mut self, kind: u8) -> Option<&'a [u8]> {
        self.read().filter(|(found, _)| *found == kind).map(|(_, content)| content)
    }

    /// The kind and the content of the next.
    fn read(&mut self) -> Option<(u8, &'a [u8])> {
        let (kind, rest) = self.0.split_first()?;
        let (first, mut rest) = rest.split_first()?;
        let length = match first {
            0..=0x7f => usize::from(*first),
            0x81 | 0x82 => {
                let (length, behind) = rest.split_at_checked(usize::from(first & 3))?;
                rest = behind;
                length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
            }
            _ => return None,
        };
        let (content, behind) = rest.split_at_checked(length)?;
        self.0 = behind;
        Some((*kind, content))
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PublicKeyData};

    use super::*;

    #[test]
    fn keys_are_found_in_certificates() {
        for (algorithm, expected) in
            [(&PKCS_ECDSA_P256_SHA256, Some(Curve::P256)), (&PKCS_ECDSA_P384_SHA384, Some(Curve::P384)), (&PKCS_ED25519, None)]
        {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let certificate = CertificateParams::default().self_signed(&key).unwrap();
            let found = public_key(certificate.der());
            assert_eq!(found, expected.map(|curve| (curve, key.der_bytes())));
            for length in 0..certificate.der().len() {
                assert!(public_key(&certificate.der()[..length]).is_none(), "cut off at {length}");
            }
        }
    }

    #[test]
    fn what_is_no_certificate_has_none() {
        for bytes in
            [&[][..], &[0x30], &[0x30, 0x80], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 0x82, 0xff, 0xff, 1], &vec![0; LONGEST + 1]]
        {
            assert_eq!(public_key(bytes), None, "{:?}", bytes.get(..6));
        }
    }
}
