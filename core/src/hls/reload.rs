//! What to do with a request for a live media playlist (RFC 8216bis 6.2.5): answer it, hold it, refuse it. Nothing here is waited for.

use alloc::format;

use crate::error::{Error, Result};

/// The delivery directives of a request (6.2.5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// `_HLS_msn`: the playlist is to have this segment, or the part of it.
    pub segment: Option<u32>,
    /// `_HLS_part`.
    pub part: Option<u32>,
    /// `_HLS_skip`: what the player has may be left out.
    pub skip: bool,
}

/// The newest of what a playlist lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The last segment that is whole; one less than the first where none is.
    pub whole: u32,
    /// How many parts it has.
    pub whole_parts: u32,
    /// How many parts the segment after it has.
    pub parts: u32,
    /// How many parts ahead of the last one a player may ask for (6.2.5.2).
    pub part_limit: u32,
    /// Whether nothing follows.
    pub ended: bool,
}

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The playlist as it is.
    Ready,
    /// Not yet: ask again when something has happened. A request that has been held for three target durations is refused with 503.
    Wait,
    /// It asks for what cannot be meant: 400.
    Refuse,
}

impl Directives {
    /// Reads the query of a URL. Other parameters are passed over.
    ///
    /// # Errors
    ///
    /// A directive has a value that is none, or there is `_HLS_part` without `_HLS_msn`: 400.
    pub fn parse(query: &str) -> Result<Self> {
        let mut found = Self::default();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let number = || {
                let digits = value.bytes().all(|byte| byte.is_ascii_digit());
                value
                    .parse::<u32>()
                    .ok()
                    .filter(|_| digits)
                    .ok_or_else(|| Error::misuse(format!("{name} is a decimal number below 2^32")).by("RFC 8216bis 6.2.5.1"))
            };
            match name {
                "_HLS_msn" => found.segment = Some(number()?),
                "_HLS_part" => found.part = Some(number()?),
                "_HLS_skip" => found.skip = matches!(value, "YES" | "v2"),
                _ => {}
            }
        }
        if found.part.is_some() && found.segment.is_none() {
            return Err(Error::misuse("_HLS_part says nothing without _HLS_msn").by("RFC 8216bis 6.2.5.2"));
        }
        Ok(found)
    }
}

impl Edge {
    /// What to do with a request.
    pub fn decide(&self, directives: &Directives) -> Decision {
        let Some(segment) = directives.segment.filter(|_| !self.ended) else { return Decision::Ready };
        let open = self.whole.saturating_add(1);
        // A part behind the last of its segment is the first of the next (6.2.5.2).
        let (segment, part) = match directives.part {
            Some(part) if segment == self.whole && part >= self.whole_parts => (open, Some(0)),
            part => (segment, part),
        };
        if segment < open {
            return Decision::Ready;
        }
        // The last segment of the playlist is the one of which it has parts, and there may be two more.
        let last = if self.parts > 0 { open } else { self.whole };
        if segment > last.saturating_add(2) {
            return Decision::Refuse;
        }
        let Some(part) = part else { return Decision::Wait };
        let known = if segment == open { self.parts } else { 0 };
        if part < known {
            return Decision::Ready;
        }
        if part >= known.saturating_add(self.part_limit) { Decision::Refuse } else { Decision::Wait }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 6.2.5.1, 6.2.5.2; live checklist "Delivery directives".
    #[test]
    fn directives_are_read() {
        let told = |segment, part, skip| Some(Directives { segment, part, skip });
        for (query, expected) in [
            ("", told(None, None, false)),
            ("_HLS_msn=7", told(Some(7), None, false)),
            ("a=b&_HLS_msn=7&_HLS_part=0&_HLS_skip=YES", told(Some(7), Some(0), true)),
            ("_HLS_skip=v2&token=x", told(None, None, true)),
            ("_HLS_skip=NO", told(None, None, false)),
            ("_HLS_part=0", None),
            ("_HLS_msn=", None),
            ("_HLS_msn=-1", None),
            ("_HLS_msn=+1", None),
            ("_HLS_msn=1.5", None),
            ("_HLS_msn=4294967296", None),
            ("_HLS_msn=7&_HLS_part=x", None),
        ] {
            assert_eq!(Directives::parse(query).ok(), expected, "{query}");
        }
    }

    /// Ten segments are whole, the last of 10 parts, the eleventh has 3.
    #[test]
    fn requests_are_decided() {
        let edge = Edge { whole: 10, whole_parts: 10, parts: 3, part_limit: 15, ended: false };
        let fresh = Edge { parts: 0, ..edge };
        let ended = Edge { ended: true, ..edge };
        for (edge, query, expected, clause) in [
            (edge, "", Decision::Ready, "6.2.5.2: no directive"),
            (edge, "_HLS_msn=10", Decision::Ready, "6.2.5.2: it is there"),
            (edge, "_HLS_msn=2&_HLS_part=99", Decision::Ready, "stale: at once"),
            (edge, "_HLS_msn=11", Decision::Wait, "6.2.5.2: until the whole segment is there"),
            (edge, "_HLS_msn=11&_HLS_part=2", Decision::Ready, "the last part"),
            (edge, "_HLS_msn=11&_HLS_part=3", Decision::Wait, "the next part"),
            (edge, "_HLS_msn=11&_HLS_part=17", Decision::Wait, "within the Advance Part Limit"),
            (edge, "_HLS_msn=11&_HLS_part=18", Decision::Refuse, "beyond the Advance Part Limit"),
            (edge, "_HLS_msn=10&_HLS_part=10", Decision::Ready, "behind the last part: the first of the next"),
            (edge, "_HLS_msn=13", Decision::Wait, "two ahead"),
            (edge, "_HLS_msn=14", Decision::Refuse, "more than two ahead"),
            (fresh, "_HLS_msn=10&_HLS_part=10", Decision::Wait, "behind the last part, and the next is not there"),
            (fresh, "_HLS_msn=12", Decision::Wait, "two ahead of the last whole one"),
            (fresh, "_HLS_msn=13", Decision::Refuse, "three ahead"),
            (ended, "_HLS_msn=99&_HLS_part=99", Decision::Ready, "ended: directives are passed over"),
        ] {
            let directives = Directives::parse(query).unwrap();
            assert_eq!(edge.decide(&directives), expected, "{query}: {clause}");
        }
    }
}
