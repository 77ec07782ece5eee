//! The tags `EXT-X-KEY` and `EXT-X-SESSION-KEY` (RFC 8216bis 4.4.4.4, 4.4.6.5): how players get keys. No key is told.

use alloc::{format, string::String, vec::Vec};
use core::fmt::Write;

use super::Quoted;
use crate::{
    boxes::protection::{COMMON_SYSTEM, PLAYREADY, ProtectionSystem},
    coding::Writer,
    notation::{Base64, Hex, Uuid},
    protection::{KeyInfo, Protection, Scheme},
};

/// The tags `name` of a key: one for each way in which a player can get it.
pub fn write_keys(text: &mut String, name: &str, protection: &Protection, key: &KeyInfo) {
    let method = match protection.scheme {
        Scheme::Cenc | Scheme::Cenc16 => "SAMPLE-AES-CTR",
        Scheme::Cbcs => "SAMPLE-AES",
        Scheme::Aes128 => "AES-128",
    };
    let whole = protection.scheme == Scheme::Aes128;
    if let Some(uri) = &key.uri {
        let _ = write!(text, "#{name}:METHOD={method},URI={}", Quoted(uri));
        // The vectors of `cenc` stand beside its samples.
        if let Some(iv) = key.iv.filter(|_| whole || protection.scheme == Scheme::Cbcs) {
            let _ = write!(text, ",IV=0x{}", Hex(&iv));
        }
        text.push('\n');
    }
    if whole {
        return;
    }
    let mut system = |uri: &str, format: &str| {
        let _ = writeln!(
            text,
            "#{name}:METHOD={method},URI={},KEYID=0x{},KEYFORMAT={},KEYFORMATVERSIONS=\"1\"",
            Quoted(uri),
            Hex(&key.id),
            Quoted(format)
        );
    };
    if let Some(url) = &protection.clear_key_url {
        // The same place has all keys; the fragment, which no request carries, tells players that take URLs for names that this is another.
        system(&format!("{url}#{}", Hex(&key.id)), "org.w3.clearkey");
    }
    for known in key.systems() {
        match known.system {
            // Its data is the object that the system's own format takes, in place of the box.
            PLAYREADY => {
                system(&format!("data:text/plain;charset=UTF-16;base64,{}", Base64(&known.data)), "com.microsoft.playready");
            }
            COMMON_SYSTEM if !key.systems.is_empty() || key.uri.is_some() || protection.clear_key_url.is_some() => {}
            _ => system(&format!("data:text/plain;base64,{}", Base64(&boxed(&known))), &format!("urn:uuid:{}", Uuid(&known.system))),
        }
    }
}

/// The box `pssh` of a system.
fn boxed(system: &ProtectionSystem) -> Vec<u8> {
    let mut w = Writer::default();
    system.write(&mut w);
    w.into_bytes()
}
