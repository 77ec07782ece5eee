//! The file that tells how to encrypt: JSON, because keys on a command line are seen by everybody on the machine.
//!
//! ```json
//! { "keys": [{ "kid": "eb676abb-cb34-5e96-bbcf-616630f1a3da", "key": "100b6c20940f779a4589152b57d2dacb" }] }
//! ```
//!
//! | field | says |
//! |---|---|
//! | `keys` | each with `kid` and `key`, 32 hexadecimal digits |
//! | `keys[].for` | `video` or `audio`; without it both |
//! | `keys[].iv` | 32 digits; without it random. `cbcs`: the constant vector; `aes-128`: of each segment, without it the segment's number |
//! | `keys[].uri` | where players of HLS get the key; `aes-128` needs it |
//! | `keys[].pssh` | boxes of key systems, base64; the common one of W3C is made |
//! | `period` | segments after which the next key is used, after the last the first again |
//! | `iv_size` | of `cenc`: 8 (the usual) or 16 bytes |
//! | `clear_key_url` | where players get keys as W3C ClearKey |

use std::{fs, num::NonZeroU32, path::Path};

use anyhow::{Context, anyhow, bail, ensure};
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use reelway_core::{
    boxes::protection::ProtectionSystem,
    encryption::{ContentKey, Encryption, Key},
    protection::{KeyInfo, Scheme},
};
use ring::rand::{SecureRandom, SystemRandom};
use serde::Deserialize;
use zeroize::Zeroizing;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    keys: Vec<KeyEntry>,
    period: Option<NonZeroU32>,
    iv_size: Option<u8>,
    clear_key_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    kid: String,
    key: String,
    iv: Option<String>,
    #[serde(rename = "for", default)]
    kind: KeyKind,
    uri: Option<String>,
    #[serde(default)]
    pssh: Vec<String>,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum KeyKind {
    #[default]
    All,
    Video,
    Audio,
}

/// Reads the file at `path` for `scheme`. Errors name the file and the place in it, never what stands there.
pub fn read(path: &Path, scheme: Scheme) -> anyhow::Result<Encryption> {
    let name = path.display();
    let text = Zeroizing::new(fs::read(path).with_context(|| format!("cannot read the keys in {name}"))?);
    let file: KeyFile = serde_json::from_slice(&text).map_err(|error| {
        // What serde says of a value may hold the value.
        anyhow!(
            "{name}: line {}, column {}: this is not as a file of keys has it (see `reelway package --help`)",
            error.line(),
            error.column()
        )
    })?;
    encryption(file, scheme).with_context(|| name.to_string())
}

fn encryption(file: KeyFile, scheme: Scheme) -> anyhow::Result<Encryption> {
    let scheme = match (scheme, file.iv_size) {
        (Scheme::Cenc, Some(16)) => Scheme::Cenc16,
        (Scheme::Cenc, Some(8)) | (_, None) => scheme,
        (Scheme::Cenc, Some(size)) => bail!("iv_size is {size}, it may be 8 or 16"),
        (_, Some(_)) => bail!("iv_size is of cenc alone"),
    };
    let (mut video, mut audio) = (Vec::new(), Vec::new());
    for (index, entry) in file.keys.into_iter().enumerate() {
        let kind = entry.kind;
        let key = content_key(entry, scheme).with_context(|| format!("key {}", index + 1))?;
        if kind != KeyKind::Audio {
            video.push(key.clone());
        }
        if kind != KeyKind::Video {
            audio.push(key);
        }
    }
    Ok(Encryption::new(scheme, video, audio, file.period)?.with_clear_key_url(file.clear_key_url))
}

fn content_key(entry: KeyEntry, scheme: Scheme) -> anyhow::Result<ContentKey> {
    let id = sixteen(&entry.kid).context("kid is not 32 hexadecimal digits")?;
    let digits = Zeroizing::new(entry.key);
    let key = Key::new(*Zeroizing::new(sixteen(&digits).context("key is not 32 hexadecimal digits")?));
    let iv = match entry.iv {
        Some(iv) => Some(sixteen(&iv).context("iv is not 32 hexadecimal digits")?),
        None if scheme == Scheme::Aes128 => None,
        None => Some(random()?),
    };
    let systems = entry.pssh.iter().enumerate().map(|(index, text)| {
        let bytes = BASE64.decode(text.trim().as_bytes()).with_context(|| format!("pssh {} is not base64", index + 1))?;
        ProtectionSystem::read(&bytes).with_context(|| format!("pssh {}", index + 1))
    });
    let systems = systems.collect::<anyhow::Result<_>>()?;
    Ok(ContentKey { key, info: KeyInfo { id, iv, uri: entry.uri, systems } })
}

/// 16 bytes out of 32 hexadecimal digits, with or without the hyphens of a UUID.
fn sixteen(text: &str) -> Option<[u8; 16]> {
    let digits: Zeroizing<String> = Zeroizing::new(text.chars().filter(|letter| *letter != '-').collect());
    let bytes = Zeroizing::new(HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()?);
    bytes.as_slice().try_into().ok()
}

fn random() -> anyhow::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    ensure!(SystemRandom::new().fill(&mut bytes).is_ok(), "the system has no random numbers");
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "100b6c20940f779a4589152b57d2dacb";

    fn read_text(text: &str, scheme: Scheme) -> anyhow::Result<Encryption> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("keys.json");
        fs::write(&path, text)?;
        read(&path, scheme)
    }

    #[test]
    fn files_of_keys() -> anyhow::Result<()> {
        let kid = "eb676abb-cb34-5e96-bbcf-616630f1a3da";
        for (text, scheme, ok) in [
            (format!(r#"{{"keys":[{{"kid":"{kid}","key":"{KEY}"}}]}}"#), Scheme::Cenc, true),
            (format!(r#"{{"keys":[{{"kid":"{kid}","key":"{KEY}"}}]}}"#), Scheme::Aes128, false),
            (format!(r#"{{"keys":[{{"kid":"{kid}","key":"{KEY}","uri":"k"}}]}}"#), Scheme::Aes128, true),
            (format!(r#"{{"keys":[{{"kid":"{kid}","key":"{KEY}"}}],"iv_size":16}}"#), Scheme::Cenc, true),
            (format!(r#"{{"keys":[{{"kid":"{kid}","key":"{KEY}"}}],"iv_size":12}}"#), Scheme::Cenc, false),
            (format!(r#"{{"keys":[{{"kid":"{kid}","key":"{KEY}","for":"video"}}]}}"#), Scheme::Cbcs, false),
            (format!(r#"{{"keys":[{{"kid":"{kid}","key":"{KEY}","pssh":["AAAA"]}}]}}"#), Scheme::Cbcs, false),
            (format!(r#"{{"keys":[{{"kid":"{kid}","key":"{KEY}00"}}]}}"#), Scheme::Cbcs, false),
            (format!(r#"{{"keys":[{{"kid":{KEY:?},"key":{{"a":"{KEY}"}}}}]}}"#), Scheme::Cbcs, false),
            (r#"{"keys":[]}"#.to_owned(), Scheme::Cbcs, false),
        ] {
            let found = read_text(&text, scheme);
            assert_eq!(found.is_ok(), ok, "{text}: {found:?}");
            let said = match found {
                Ok(encryption) => format!("{encryption:?}"),
                Err(error) => format!("{error:?}"),
            };
            anyhow::ensure!(!said.contains("100b6c20") && !said.contains("16, 11, 108"), "it says the key: {said}");
        }
        Ok(())
    }
}
