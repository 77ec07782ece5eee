//! The ciphers of SRTP: AES in counter mode (RFC 3711 4.1.1), and AES-GCM (RFC 7714).

use std::fmt;

use aes::{
    Aes128, Aes256,
    cipher::{BlockCipherEncrypt, InnerIvInit, KeyInit, StreamCipher},
};
use ctr::{Ctr128BE, CtrCore};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, Tag, UnboundKey};
use str0m::crypto::{
    AeadAes128GcmCipher, AeadAes256GcmCipher, Aes128CmSha1_80Cipher, CryptoError, SrtpProvider, SupportedAeadAes128Gcm,
    SupportedAeadAes256Gcm, SupportedAes128CmSha1_80,
};

const BLOCK: usize = 16;
const TAG: usize = 16;

/// What stands for each of the ciphers, and makes them.
#[derive(Debug)]
pub struct Srtp;

impl SrtpProvider for Srtp {
    fn aes_128_cm_sha1_80(&self) -> &'static dyn SupportedAes128CmSha1_80 {
        &Srtp
    }

    fn aead_aes_128_gcm(&self) -> &'static dyn SupportedAeadAes128Gcm {
        &Srtp
    }

    fn aead_aes_256_gcm(&self) -> &'static dyn SupportedAeadAes256Gcm {
        &Srtp
    }

    fn srtp_aes_128_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        derive(Aes128::new_from_slice(key), input, output);
    }

    fn srtp_aes_256_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        derive(Aes256::new_from_slice(key), input, output);
    }
}

/// One block of the key derivation (RFC 3711 4.3.3), at the start of `output`. Of a key or block of another length, which the stack never
/// has, it is zero, as it came.
fn derive<C: BlockCipherEncrypt, E>(cipher: Result<C, E>, input: &[u8], output: &mut [u8]) {
    if let (Ok(cipher), Ok(mut block)) = (cipher, aes::cipher::Block::<C>::try_from(input))
        && let Some(output) = output.get_mut(..BLOCK)
    {
        cipher.encrypt_block(&mut block);
        output.copy_from_slice(&block);
    }
}

impl SupportedAes128CmSha1_80 for Srtp {
    fn create_cipher(&self, key: [u8; 16], _: bool) -> Box<dyn Aes128CmSha1_80Cipher> {
        Box::new(CounterMode(Aes128::new(&key.into())))
    }
}

impl SupportedAeadAes128Gcm for Srtp {
    fn create_cipher(&self, key: [u8; 16], _: bool) -> Box<dyn AeadAes128GcmCipher> {
        Box::new(Gcm::new(&AES_128_GCM, &key))
    }
}

impl SupportedAeadAes256Gcm for Srtp {
    fn create_cipher(&self, key: [u8; 32], _: bool) -> Box<dyn AeadAes256GcmCipher> {
        Box::new(Gcm::new(&AES_256_GCM, &key))
    }
}

struct CounterMode(Aes128);

impl fmt::Debug for CounterMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CounterMode")
    }
}

impl Aes128CmSha1_80Cipher for CounterMode {
    fn encrypt(&mut self, iv: &[u8; 16], input: &[u8], output: &mut [u8]) -> Result<(), CryptoError> {
        let output = copy(input, output)?;
        Ctr128BE::from_core(CtrCore::inner_iv_init(self.0.clone(), iv.into())).apply_keystream(output);
        Ok(())
    }

    fn decrypt(&mut self, iv: &[u8; 16], input: &[u8], output: &mut [u8]) -> Result<(), CryptoError> {
        self.encrypt(iv, input, output)
    }
}

/// AES-GCM; none where ring takes the key for none, which it does with no key of the right length.
#[derive(Debug)]
struct Gcm(Option<LessSafeKey>);

impl Gcm {
    fn new(algorithm: &'static Algorithm, key: &[u8]) -> Self {
        Self(UnboundKey::new(algorithm, key).ok().map(LessSafeKey::new))
    }

    fn key(&self) -> Result<&LessSafeKey, CryptoError> {
        self.0.as_ref().ok_or_else(|| fault("the key is none"))
    }

    fn seal(&self, iv: &[u8; 12], aad: &[u8], input: &[u8], output: &mut [u8]) -> Result<(), CryptoError> {
        let (text, rest) = output.split_at_mut_checked(input.len()).ok_or_else(|| fault("there is no room"))?;
        text.copy_from_slice(input);
        let tag = self.key()?.seal_in_place_separate_tag(Nonce::assume_unique_for_key(*iv), Aad::from(aad), text);
        let tag = tag.map_err(|_| fault("it cannot be encrypted"))?;
        copy(tag.as_ref(), rest).map(drop)
    }

    fn open(&self, iv: &[u8; 12], aad: &[&[u8]], input: &[u8], output: &mut [u8]) -> Result<usize, CryptoError> {
        let (text, tag) = input.split_last_chunk::<TAG>().ok_or_else(|| fault("it is shorter than its tag"))?;
        let output = copy(text, output)?;
        // The header of RTP is one piece, that of RTCP two (RFC 7714 9.2).
        let joined;
        let aad = match aad {
            [one] => *one,
            several => {
                joined = several.concat();
                joined.as_slice()
            }
        };
        let (nonce, tag) = (Nonce::assume_unique_for_key(*iv), Tag::from(*tag));
        let opened = self.key()?.open_in_place_separate_tag(nonce, Aad::from(aad), tag, output, 0..);
        opened.map(|text| text.len()).map_err(|_| fault("it is not authentic"))
    }
}

impl AeadAes128GcmCipher for Gcm {
    fn encrypt(&mut self, iv: &[u8; 12], aad: &[u8], input: &[u8], output: &mut [u8]) -> Result<(), CryptoError> {
        self.seal(iv, aad, input, output)
    }

    fn decrypt(&mut self, iv: &[u8; 12], aads: &[&[u8]], input: &[u8], output: &mut [u8]) -> Result<usize, CryptoError> {
        self.open(iv, aads, input, output)
    }
}

impl AeadAes256GcmCipher for Gcm {
    fn encrypt(&mut self, iv: &[u8; 12], aad: &[u8], input: &[u8], output: &mut [u8]) -> Result<(), CryptoError> {
        self.seal(iv, aad, input, output)
    }

    fn decrypt(&mut self, iv: &[u8; 12], aads: &[&[u8]], input: &[u8], output: &mut [u8]) -> Result<usize, CryptoError> {
        self.open(iv, aads, input, output)
    }
}

/// Copies `input` to the start of `output`, and gives that.
fn copy<'a>(input: &[u8], output: &'a mut [u8]) -> Result<&'a mut [u8], CryptoError> {
    let output = output.get_mut(..input.len()).ok_or_else(|| fault("there is no room"))?;
    output.copy_from_slice(input);
    Ok(output)
}

fn fault(why: &str) -> CryptoError {
    CryptoError::Other(format!("SRTP: {why}"))
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER_PERMISSIVE;

    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        HEXLOWER_PERMISSIVE.decode(text.replace(' ', "").as_bytes()).unwrap()
    }

    fn array<const N: usize>(text: &str) -> [u8; N] {
        bytes(text).try_into().unwrap()
    }

    #[test]
    fn counter_mode() {
        // RFC 3711 B.2: the first two blocks of the key stream, and those around 0xfeff.
        let mut cipher = SupportedAes128CmSha1_80::create_cipher(&Srtp, array("2B7E151628AED2A6ABF7158809CF4F3C"), true);
        let iv = array("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000");
        let mut stream = vec![0; 0xff02 * BLOCK];
        cipher.encrypt(&iv, &vec![0; 0xff02 * BLOCK], &mut stream).unwrap();
        for (block, expected) in [
            (0, "E03EAD0935C95E80E166B16DD92B4EB4"),
            (1, "D23513162B02D0F72A43A2FE4A5F97AB"),
            (2, "41E95B3BB0A2E8DD477901E4FCA894C0"),
            (0xfeff, "EC8CDF7398607CB0F2D21675EA9EA1E4"),
            (0xff00, "362B7C3C6773516318A077D7FC5073AE"),
            (0xff01, "6A2CC3787889374FBEB4C81B17BA6C44"),
        ] {
            assert_eq!(stream[block * BLOCK..][..BLOCK], bytes(expected), "{block:#x}");
        }
        assert!(cipher.decrypt(&iv, &[0; 17], &mut [0; 16]).is_err(), "no room");
    }

    #[test]
    fn key_derivation() {
        // RFC 3711 B.3: the cipher key, and the first block of the authentication key.
        let master = bytes("E1F97A0D3E018BE0D64FA32C06DE4139");
        for (block, expected) in [
            ("0EC675AD498AFEEBB6960B3AABE60000", "C61E7A93744F39EE10734AFE3FF7A087"),
            ("0EC675AD498AFEEAB6960B3AABE60000", "CEBE321F6FF7716B6FD4AB49AF256A15"),
        ] {
            let mut output = [0; 32];
            Srtp.srtp_aes_128_ecb_round(&master, &bytes(block), &mut output);
            assert_eq!(output[..BLOCK], bytes(expected), "{block}");
        }
    }

    #[test]
    fn authenticated_encryption() {
        let text = bytes("47616c6c696120657374206f6d6e697320646976697361 20696e207061727465732074726573");
        let (head, iv) = (bytes("8040f17b8041f8d35501a0b2"), array("51753c6580c2726f20718414"));
        // RFC 7714 16.1.1.
        let sealed = bytes("f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce");
        let mut cipher = SupportedAeadAes128Gcm::create_cipher(&Srtp, array("000102030405060708090a0b0c0d0e0f"), true);
        let mut output = vec![0; sealed.len()];
        cipher.encrypt(&iv, &head, &text, &mut output).unwrap();
        assert_eq!(output, sealed);
        let mut output = vec![0; text.len()];
        assert_eq!(cipher.decrypt(&iv, &[&head[..8], &head[8..]], &sealed, &mut output).unwrap(), text.len());
        assert_eq!(output, text);
        // RFC 7714 16.2.1.
        let sealed = bytes("32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13");
        let key = array("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
        let mut cipher = SupportedAeadAes256Gcm::create_cipher(&Srtp, key, false);
        assert_eq!(cipher.decrypt(&iv, &[&head], &sealed, &mut output).unwrap(), text.len());
        assert_eq!(output, text);
        for (head, sealed, why) in [
            (&head[..11], &sealed[..], "another header"),
            (&head, &sealed[..15], "shorter than a tag"),
            (&head, &sealed[1..], "other bytes"),
        ] {
            assert!(cipher.decrypt(&iv, &[head], sealed, &mut [0; 64]).is_err(), "{why}");
        }
    }
}
