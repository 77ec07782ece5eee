//! Playlists and MPDs, written once a version and shared, also compressed, by all who ask.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::http::{LivePart, Text};

/// The most places to begin at for which texts are kept.
const MOST_STARTS: usize = 64;

/// The newest version of each text of a stream.
#[derive(Debug, Default)]
pub struct Texts(Mutex<HashMap<Key, (u64, Arc<Text>)>>);

/// Which text: that of a place, and how it is wanted.
type Key = (LivePart, Wanted);

/// How a text is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// All of it.
    Whole,
    /// Without old segments (RFC 8216bis 6.2.5.1).
    Delta,
    /// For viewers that begin so many seconds behind the first picture or, where it is less than 0, before the newest (4.4.2.2).
    From(i32),
}

impl Texts {
    /// The text of `part` as of `version`, which `write` makes where nobody has asked for it. Who asks meanwhile waits.
    pub fn get(&self, part: &LivePart, wanted: Wanted, version: u64, write: impl FnOnce() -> Option<String>) -> Option<Arc<Text>> {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (part.clone(), wanted);
        if let Some((known, text)) = texts.get(&key)
            && *known == version
        {
            return Some(Arc::clone(text));
        }
        let text = Arc::new(Text::new(write()?));
        let is_start = |(_, wanted): &Key| matches!(wanted, Wanted::From(_));
        if is_start(&key) && texts.keys().filter(|key| is_start(key)).count() >= MOST_STARTS {
            texts.retain(|key, _| !is_start(key));
        }
        texts.insert(key, (version, Arc::clone(&text)));
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_written_once() {
        let texts = Texts::default();
        let get = |version, text: &str| texts.get(&LivePart::Mpd, Wanted::Whole, version, || Some(text.to_owned()));
        let plain = |text: Option<Arc<Text>>| text.map(|text| text.coded(crate::http::Coding::Identity).1);
        assert_eq!(plain(get(1, "a")).as_deref(), Some(&b"a"[..]));
        assert_eq!(plain(get(1, "b")).as_deref(), Some(&b"a"[..]));
        assert_eq!(plain(get(2, "c")).as_deref(), Some(&b"c"[..]));
        assert!(texts.get(&LivePart::Mpd, Wanted::Delta, 2, || None).is_none(), "another text, which is not there");
    }

    #[test]
    fn who_asks_to_begin_everywhere_fills_no_memory() {
        let texts = Texts::default();
        let get = |wanted, text: String| texts.get(&LivePart::MultivariantPlaylist, wanted, 1, || Some(text)).unwrap();
        let whole = get(Wanted::Whole, "whole".into());
        for start in -5000..5000 {
            let text = get(Wanted::From(start), start.to_string());
            assert!(Arc::ptr_eq(&text, &get(Wanted::From(start), String::new())), "one for all");
        }
        assert!(texts.0.lock().unwrap().len() <= MOST_STARTS + 1);
        assert!(Arc::ptr_eq(&whole, &get(Wanted::Whole, String::new())));
    }
}
