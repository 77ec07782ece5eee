//! `udta` of a track (ISO/IEC 14496-12 8.10): what the track is for, and what people call it.

use alloc::{string::String, vec::Vec};

use super::children;
use crate::coding::Reader;

/// What a track is for, by the role scheme of DASH (ISO/IEC 23009-1 5.8.5.5), which CMAF uses too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The programme itself.
    Main,
    /// Another rendering of the same content.
    Alternate,
    /// Content that is meant to be shown beside the main one.
    Supplementary,
    /// Talk about the programme.
    Commentary,
    /// A translation of the speech.
    Dub,
    /// Messages in an emergency.
    Emergency,
    /// Text of speech and sounds, for those who do not hear them.
    Caption,
    /// Text of speech.
    Subtitle,
    /// Text that is shown to everybody: of what is in another language than the programme.
    ForcedSubtitle,
    /// Sign language.
    Sign,
    /// Tells what is to be seen, for those who do not see it.
    Description,
    /// Text made easy to read.
    EasyReader,
    /// A programme without the singing.
    Karaoke,
    /// Speech that is clearer than in the main programme.
    EnhancedIntelligibility,
}

/// Every role with the value of the DASH scheme, the kind of HTML's tracks and the characteristic of QuickTime that mean the same.
const ROLES: [(Role, &str, &str, &str); 14] = [
    (Role::Main, "main", "main", "public.main-program-content"),
    (Role::Alternate, "alternate", "alternative", ""),
    (Role::Supplementary, "supplementary", "", "public.auxiliary-content"),
    (Role::Commentary, "commentary", "commentary", ""),
    (Role::Dub, "dub", "translation", "public.translation.dubbed"),
    (Role::Emergency, "emergency", "", ""),
    (Role::Caption, "caption", "captions", "public.accessibility.transcribes-spoken-dialog"),
    (Role::Subtitle, "subtitle", "subtitles", ""),
    (Role::ForcedSubtitle, "forced-subtitle", "", "public.subtitles.forced-only"),
    (Role::Sign, "sign", "sign", ""),
    (Role::Description, "description", "descriptions", "public.accessibility.describes-video"),
    (Role::EasyReader, "easyreader", "", "public.easy-to-read"),
    (Role::Karaoke, "karaoke", "", ""),
    (Role::EnhancedIntelligibility, "enhanced-audio-intelligibility", "", "public.accessibility.enhances-speech-intelligibility"),
];

impl Role {
    /// Its value in the scheme `urn:mpeg:dash:role:2011`.
    pub fn name(self) -> &'static str {
        ROLES.iter().find(|(role, ..)| *role == self).map_or("", |(_, name, ..)| *name)
    }

    fn find(value: &str, of: impl Fn(&(Self, &'static str, &'static str, &'static str)) -> &'static str) -> Option<Self> {
        ROLES.iter().find(|entry| !value.is_empty() && of(entry) == value).map(|(role, ..)| *role)
    }
}

/// What is known of a track beyond its media.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserData {
    /// What it is for; each role once, in the order of the file.
    pub roles: Vec<Role>,
    /// What people call it.
    pub label: Option<String>,
}

impl UserData {
    /// Reads the content of `udta`. Nothing in it is needed to play, so what cannot be read is passed over.
    pub fn read(content: Reader<'_>) -> Self {
        let mut found = Self::default();
        for (name, mut child) in children(content).filter_map(Result::ok) {
            let role = match &name.0 {
                b"kind" => read_kind(child),
                b"tagc" => text(child.rest()).and_then(|value| Role::find(value, |(.., quicktime)| quicktime)),
                b"name" => {
                    found.label = found.label.or_else(|| label(child.rest()));
                    None
                }
                // Its text stands behind the number of the group and the language (8.10.5).
                b"labl" if child.full_box().is_ok() && child.skip(2).is_ok() => {
                    let label = child.rest().splitn(2, |byte| *byte == 0).nth(1).and_then(label);
                    found.label = label.or(found.label);
                    None
                }
                _ => None,
            };
            found.roles.extend(role.filter(|role| !found.roles.contains(role)));
        }
        found
    }
}

/// `kind` (8.10.4): the scheme, and the value in it.
fn read_kind(mut content: Reader<'_>) -> Option<Role> {
    content.full_box().ok()?;
    let mut parts = content.rest().split(|byte| *byte == 0);
    let (scheme, value) = (parts.next()?, text(parts.next()?)?);
    match scheme {
        b"urn:mpeg:dash:role:2011" => Role::find(value, |(_, dash, ..)| dash),
        b"about:html-kind" => Role::find(value, |(_, _, html, _)| html),
        _ => None,
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    core::str::from_utf8(bytes).ok().map(|text| text.trim_matches('\0'))
}

/// A name of one line and of a length that names have.
fn label(bytes: &[u8]) -> Option<String> {
    let text = text(bytes)?.trim();
    (!text.is_empty() && text.len() <= 200 && !text.chars().any(char::is_control)).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coding::Writer;

    fn read(name: [u8; 4], content: &[u8]) -> UserData {
        let mut w = Writer::default();
        w.boxed(&name, |w| w.bytes(content));
        UserData::read(Reader::new(&w.into_bytes(), 0))
    }

    #[test]
    fn roles_and_labels() {
        for (name, content, role) in [
            (b"kind", &b"\0\0\0\0urn:mpeg:dash:role:2011\0commentary\0"[..], Some(Role::Commentary)), // 8.10.4, as ffmpeg writes it
            (b"kind", b"\0\0\0\0about:html-kind\0captions\0", Some(Role::Caption)),
            (b"kind", b"\0\0\0\0urn:mpeg:dash:role:2011\0no-such-role\0", None),
            (b"kind", b"\0\0\0\0about:html-kind\0\0", None),
            (b"kind", b"\0\0\0\0about:html-kind", None),
            (b"kind", b"\0\0", None),
            (b"tagc", b"public.accessibility.describes-video", Some(Role::Description)),
            (b"tagc", b"", None),
            (b"free", b"urn:mpeg:dash:role:2011\0main\0", None),
        ] {
            assert_eq!(read(*name, content).roles, Vec::from_iter(role), "{}", core::str::from_utf8(content).unwrap());
        }
        for (name, content, label) in [
            (b"name", &b"Director's talk\0"[..], Some("Director's talk")),
            (b"name", b"two\nlines", None),
            (b"name", b"\xff", None),
            (b"name", b"", None),
            (b"labl", b"\0\0\0\0\0\x01en\0Director's talk\0", Some("Director's talk")), // 8.10.5
            (b"labl", b"\0\0\0\0\0\x01en", None),
        ] {
            assert_eq!(read(*name, content).label.as_deref(), label);
        }
    }
}
