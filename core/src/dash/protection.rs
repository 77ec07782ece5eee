//! `ContentProtection` (ISO/IEC 23009-1 5.8.4.1, ISO/IEC 23001-7 11.2): how players get keys.
//!
//! Where keys change segments tell them, by the common system. A player that is told by the MPD what to ask of a key system asks for no
//! more, and one that is told of W3C ClearKey by that name makes it up (Shaka Player), or looks for boxes of that name (dash.js): so such
//! an MPD names the common system alone, and where its keys are.

use alloc::string::String;
use core::fmt::Write;

use super::Escaped;
use crate::{
    boxes::protection::COMMON_SYSTEM,
    coding::Writer,
    notation::{Base64, Uuid},
    protection::{Protection, Scheme},
};

/// W3C ClearKey, as DASH-IF names it.
const CLEAR_KEY: [u8; 16] = [0xe2, 0x71, 0x9d, 0x58, 0xa9, 0x85, 0xb3, 0xc9, 0x78, 0x1a, 0xb0, 0x30, 0xaf, 0x78, 0xd3, 0x0e];

/// The namespaces of what is written here, as attributes of `MPD`.
pub const NAMESPACES: &str = " xmlns:cenc=\"urn:mpeg:cenc:2013\" xmlns:dashif=\"https://dashif.org/CPS\"";

/// The elements of an `AdaptationSet`.
pub fn write_content_protection(text: &mut String, protection: &Protection) {
    let scheme = match protection.scheme {
        Scheme::Cenc | Scheme::Cenc16 => "cenc",
        Scheme::Cbcs => "cbcs",
        Scheme::Aes128 => return, // not in DASH
    };
    let Some((_, key)) = protection.keys.first() else { return };
    let _ = writeln!(
        text,
        "      <ContentProtection schemeIdUri=\"urn:mpeg:dash:mp4protection:2011\" value=\"{scheme}\" cenc:default_KID=\"{}\"/>",
        Uuid(&key.id)
    );
    if let Some(url) = &protection.clear_key_url {
        let system = if protection.changes { COMMON_SYSTEM } else { CLEAR_KEY };
        let _ = writeln!(
            text,
            "      <ContentProtection schemeIdUri=\"urn:uuid:{}\" value=\"ClearKey1.0\">\n        \
             <dashif:Laurl licenseType=\"EME-1.0\">{}</dashif:Laurl>\n      </ContentProtection>",
            Uuid(&system),
            Escaped(url)
        );
    }
    for system in key.systems().filter(|system| !protection.changes || system.system != COMMON_SYSTEM) {
        let mut w = Writer::default();
        system.write(&mut w);
        let _ = writeln!(
            text,
            "      <ContentProtection schemeIdUri=\"urn:uuid:{}\">\n        <cenc:pssh>{}</cenc:pssh>\n      </ContentProtection>",
            Uuid(&system.system),
            Base64(&w.into_bytes())
        );
    }
}
