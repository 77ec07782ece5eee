//! `ContentProtection` (ISO/IEC 23009-1 5.8.4.1, ISO/IEC 23001-7 11.2): how players get the first key. Later ones are told by segments.

use alloc::string::String;
use core::fmt::Write;

use super::Escaped;
use crate::{
    coding::Writer,
    notation::{Base64, Uuid},
    protection::{Protection, Scheme},
};

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
        let _ = writeln!(
            text,
            "      <ContentProtection schemeIdUri=\"urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e\" value=\"ClearKey1.0\">\n        \
             <dashif:Laurl licenseType=\"EME-1.0\">{}</dashif:Laurl>\n      </ContentProtection>",
            Escaped(url)
        );
    }
    for system in key.systems() {
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
