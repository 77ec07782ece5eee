//! Playlists and MPDs, written once a version and shared, also compressed, by all who ask.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::http::{LivePart, Text};

/// The newest version of each text of a stream.
#[derive(Debug, Default)]
pub struct Texts(Mutex<HashMap<Key, (u64, Arc<Text>)>>);

/// Which text: that of a place, and whether old segments are skipped (RFC 8216bis 6.2.5.1).
type Key = (LivePart, bool);

impl Texts {
    /// The text of `part` as of `version`, which `write` makes where nobody has asked for it. Who asks meanwhile waits.
    pub fn get(&self, part: &LivePart, skip: bool, version: u64, write: impl FnOnce() -> Option<String>) -> Option<Arc<Text>> {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, text)) = texts.get(&(part.clone(), skip))
            && *known == version
        {
            return Some(Arc::clone(text));
        }
        let text = Arc::new(Text::new(write()?));
        texts.insert((part.clone(), skip), (version, Arc::clone(&text)));
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_written_once() {
        let texts = Texts::default();
        let get = |version, text: &str| texts.get(&LivePart::Mpd, false, version, || Some(text.to_owned()));
        let plain = |text: Option<Arc<Text>>| text.map(|text| text.coded(crate::http::Coding::Identity).1);
        assert_eq!(plain(get(1, "a")).as_deref(), Some(&b"a"[..]));
        assert_eq!(plain(get(1, "b")).as_deref(), Some(&b"a"[..]));
        assert_eq!(plain(get(2, "c")).as_deref(), Some(&b"c"[..]));
        assert!(texts.get(&LivePart::Mpd, true, 2, || None).is_none(), "another text, which is not there");
    }
}
