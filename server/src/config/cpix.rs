//! Content keys from a document of DASH-IF CPIX 2.3, as key servers give it out: one key, or one for pictures and one for sound.

use std::{fs, io::Read, path::PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};
use roxmltree::{Document, Node, ParsingOptions};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::OwnKey;

/// The namespaces of CPIX, and of the keys in it (RFC 6030).
const CPIX: &str = "urn:dashif:org:cpix";
const PSKC: &str = "urn:ietf:params:xml:ns:keyprov:pskc";

/// The longest document, in bytes.
const LONGEST: u64 = 1 << 20;
/// The most elements, attributes and texts in it.
const MOST_NODES: u32 = 50_000;

/// Keys that somebody else gave out, as those of a document are. They are shown nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "PathBuf")]
pub struct OwnKeys {
    /// For pictures.
    pub video: OwnKey,
    /// For sound.
    pub audio: OwnKey,
}

impl From<OwnKey> for OwnKeys {
    /// One key for all.
    fn from(key: OwnKey) -> Self {
        Self { video: key.clone(), audio: key }
    }
}

impl TryFrom<PathBuf> for OwnKeys {
    type Error = String;

    fn try_from(path: PathBuf) -> Result<Self, String> {
        let named = |error: String| format!("{}: {error}", path.display());
        let mut text = Zeroizing::new(String::new());
        let file = fs::File::open(&path).map_err(|error| named(error.to_string()))?;
        file.take(LONGEST + 1).read_to_string(&mut text).map_err(|error| named(error.to_string()))?;
        if text.len() as u64 > LONGEST {
            return Err(named(format!("it is longer than {LONGEST} bytes, which no document of keys is")));
        }
        Self::parse(&text).map_err(named)
    }
}

impl OwnKeys {
    /// Reads a document. Errors tell no key.
    fn parse(text: &str) -> Result<Self, String> {
        let options = ParsingOptions { nodes_limit: MOST_NODES, ..ParsingOptions::default() };
        let document = Document::parse_with_options(text, options).map_err(|error| format!("this is no XML: {error}"))?;
        let root = document.root_element();
        if !root.has_tag_name((CPIX, "CPIX")) {
            return Err(format!("its root is {}, not CPIX of {CPIX}", root.tag_name().name()));
        }
        let all = |list: &'static str, name: &'static str| {
            let lists = root.children().filter(move |node| node.has_tag_name((CPIX, list)));
            lists.flat_map(|list| list.children()).filter(move |node| node.has_tag_name((CPIX, name)))
        };
        let keys = all("ContentKeyList", "ContentKey").map(|node| content_key(&node)).collect::<Result<Vec<_>, _>>()?;
        let rules: Vec<(String, Vec<&str>)> = all("ContentKeyUsageRuleList", "ContentKeyUsageRule").map(|rule| usage(&rule)).collect();
        // The key of a kind of media: the one whose rule names it, or the only one.
        let key = |kind: &str| {
            let named = rules.iter().find(|(_, kinds)| kinds.contains(&kind)).map(|(kid, _)| kid.as_str());
            let found = match (named, keys.as_slice()) {
                (Some(kid), keys) => keys.iter().find(|key| uuid(kid) == Some(key.id)),
                (None, [only]) => Some(only),
                (None, _) => None,
            };
            found.cloned().ok_or_else(|| format!("it has {} keys, and no ContentKeyUsageRule that says which is for {kind}", keys.len()))
        };
        Ok(Self { video: key("VIDEO")?, audio: key("AUDIO")? })
    }
}

/// 5.2.3: a key with its number; its value has to be there as it is.
fn content_key(node: &Node<'_, '_>) -> Result<OwnKey, String> {
    let kid = node.attribute("kid").unwrap_or_default();
    let id = uuid(kid).ok_or("the kid of a ContentKey is no UUID")?;
    let value = |name: &str| node.descendants().find(|inner| inner.has_tag_name((PSKC, name)));
    let Some(plain) = value("PlainValue") else {
        let why = if value("EncryptedValue").is_some() {
            "is encrypted; ask its server for a document with plain values"
        } else {
            "has no PlainValue"
        };
        return Err(format!("the value of key {kid} {why}"));
    };
    let digits: String = plain.text().unwrap_or_default().split_whitespace().collect();
    let bytes = STANDARD.decode(Zeroizing::new(digits).as_bytes()).map(Zeroizing::new).ok();
    let key = bytes.and_then(|bytes| <[u8; 16]>::try_from(bytes.as_slice()).ok());
    let key = key.ok_or_else(|| format!("the value of key {kid} is not 16 bytes in base64"))?;
    Ok(OwnKey { id, key: Zeroizing::new(key) })
}

/// 5.2.8: of which key a rule is, and for what; one that tells of nothing is for all.
fn usage<'a>(rule: &Node<'a, '_>) -> (String, Vec<&'a str>) {
    let filters = ["VIDEO", "AUDIO"].into_iter().zip(["VideoFilter", "AudioFilter"]);
    let filtered: Vec<&str> =
        filters.filter(|(_, name)| rule.children().any(|node| node.has_tag_name((CPIX, *name)))).map(|(kind, _)| kind).collect();
    let kinds = match rule.attribute("intendedTrackType") {
        _ if !filtered.is_empty() => filtered,
        Some(told) => ["VIDEO", "AUDIO"].into_iter().filter(|kind| told.split('+').any(|told| is_of(told, kind))).collect(),
        None => vec!["VIDEO", "AUDIO"],
    };
    (rule.attribute("kid").unwrap_or_default().to_owned(), kinds)
}

/// Whether a track type (`VIDEO`, `AUDIO`, or a quality of pictures) is of a kind.
fn is_of(told: &str, kind: &str) -> bool {
    match told {
        "VIDEO" | "SD" | "HD" | "UHD" | "UHD1" | "UHD2" => kind == "VIDEO",
        told => told == kind,
    }
}

fn uuid(text: &str) -> Option<[u8; 16]> {
    let digits = text.replace('-', "");
    if digits.len() == 32 { u128::from_str_radix(&digits, 16).ok().map(u128::to_be_bytes) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KID: &str = "00010203-0405-0607-0809-0a0b0c0d0e0f";
    const OTHER: &str = "10111213-1415-1617-1819-1a1b1c1d1e1f";

    fn key(kid: &str, value: &str) -> String {
        format!(
            "<cpix:ContentKey kid=\"{kid}\" explicitIV=\"hush\"><cpix:Data><pskc:Secret>{value}</pskc:Secret></cpix:Data></cpix:ContentKey>"
        )
    }

    fn plain(byte: u8) -> String {
        format!("<pskc:PlainValue>\n {} </pskc:PlainValue>", STANDARD.encode([byte; 16]))
    }

    fn document(keys: &[String], rules: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?><cpix:CPIX xmlns:cpix=\"{CPIX}\" xmlns:pskc=\"{PSKC}\" contentId=\"a\"><cpix:ContentKeyList>{}</cpix:ContentKeyList>\
             <cpix:DRMSystemList/><cpix:ContentKeyUsageRuleList>{rules}</cpix:ContentKeyUsageRuleList></cpix:CPIX>",
            keys.concat()
        )
    }

    fn rule(kid: &str, rest: &str) -> String {
        format!("<cpix:ContentKeyUsageRule kid=\"{kid}\"{rest}</cpix:ContentKeyUsageRule>")
    }

    /// CPIX 2.3 5.2.8: which key is for what.
    #[test]
    fn keys_are_for_kinds_of_media() {
        let (one, both) = ([key(KID, &plain(1))], [key(KID, &plain(1)), key(OTHER, &plain(2))]);
        for (keys, rules, video, audio) in [
            (&one[..], String::new(), 1, 1),
            (&one, rule(KID, ">"), 1, 1),
            (&both, rule(KID, " intendedTrackType=\"VIDEO\">") + &rule(OTHER, " intendedTrackType=\"AUDIO\">"), 1, 2),
            (&both, rule(KID, "><cpix:AudioFilter/>") + &rule(OTHER, "><cpix:VideoFilter minPixels=\"1\"/>"), 2, 1),
            (&both, rule(OTHER, " intendedTrackType=\"HD+AUDIO\">"), 2, 2),
            (&both, rule(OTHER, ">"), 2, 2),
        ] {
            let found = OwnKeys::parse(&document(keys, &rules)).unwrap();
            assert_eq!((*found.video.key, *found.audio.key), ([video; 16], [audio; 16]), "{rules}");
        }
    }

    #[test]
    fn what_is_no_document_of_keys_is_refused_without_a_key() {
        let encrypted = "<pskc:EncryptedValue>hush</pskc:EncryptedValue>";
        let nested = "<a>".repeat(100_000);
        for (text, told) in [
            ("hush".to_owned(), "this is no XML"),
            ("<!DOCTYPE a [<!ENTITY b \"hush\">]><a>&b;</a>".to_owned(), "this is no XML"),
            (nested, "this is no XML"),
            ("<CPIX/>".to_owned(), "its root is CPIX, not"),
            (document(&[], ""), "it has 0 keys"),
            (document(&[key(KID, &plain(1)), key(OTHER, &plain(2))], ""), "it has 2 keys"),
            (document(&[key(KID, encrypted)], ""), "is encrypted; ask its server"),
            (document(&[key(KID, "")], ""), "has no PlainValue"),
            (document(&[key("hush", &plain(1))], ""), "no UUID"),
            (document(&[key(KID, "<pskc:PlainValue>aHVzaA==</pskc:PlainValue>")], ""), "not 16 bytes"),
            (document(&[key(KID, &plain(1))], &rule(OTHER, ">")), "it has 1 keys"),
        ] {
            let error = OwnKeys::parse(&text).unwrap_err();
            assert!(error.contains(told) && !error.contains("hush") && !error.contains("aHVz"), "{told}: {error}");
        }
    }
}
