//! What a token lets its bearer play. A token is a JWT (RFC 7519) with these claims:
//!
//! | claim | says |
//! |---|---|
//! | `exp` | until when it holds, in seconds since 1970; there is none without |
//! | `nbf` | from when on |
//! | `paths` | what it opens: a path, or with a slash at the end all that is below; as in URLs, from `/` on |
//! | `ip` | the only address that may use it |
//! | `sub` | whose the files are that are brought with it |

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::http::steps;

/// The longest token that is looked at, in bytes.
pub const LONGEST: usize = 4096;

/// The claims of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Until when it holds, in seconds since 1970.
    pub exp: u64,
    /// From when on, the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// What it opens.
    pub paths: Vec<String>,
    /// Who alone may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// Whose the files are that are brought with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
}

impl Claims {
    /// Whether they open the path of a URL.
    pub fn open(&self, path: &str) -> bool {
        let Some(asked) = steps(path) else { return false };
        self.paths.iter().filter_map(|pattern| steps(pattern)).any(|pattern| match pattern.split_last() {
            // All that is below, however it is encoded.
            Some((last, folder)) if last.is_empty() => asked.len() > folder.len() && asked.starts_with(folder),
            _ => asked == pattern,
        })
    }

    /// Whether they let `address` in.
    pub fn let_in(&self, address: Option<IpAddr>) -> bool {
        self.ip.is_none_or(|ip| address.is_some_and(|address| address.to_canonical() == ip.to_canonical()))
    }
}

/// Why a token does not open what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is none.
    Missing,
    /// It is no token, or none that one of our keys signed.
    Invalid,
    /// It is over.
    Expired,
    /// It does not hold yet.
    TooEarly,
    /// It is for something else.
    Scope,
    /// It is for another address.
    Address,
    /// Who decides says no.
    Denied,
    /// Who decides does not answer.
    Undecided,
}

impl Refused {
    /// What the bearer is told.
    pub fn detail(self) -> &'static str {
        match self {
            Self::Missing => "a token is needed: as /t/TOKEN before the path, in the cookie reelway_token, or as Authorization: Bearer",
            Self::Invalid => "this is no token that was signed with a key of this server",
            Self::Expired => "the token has expired",
            Self::TooEarly => "the token does not hold yet",
            Self::Scope => "the token is for something else",
            Self::Address => "the token is for another address",
            Self::Denied => "this may not be played",
            Self::Undecided => "who decides who may play does not answer",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_paths_open() {
        for (pattern, path, open) in [
            ("/vod/a.mp4/", "/vod/a.mp4/master.m3u8", true),
            ("/vod/a.mp4/", "/vod/a.mp4/v1/1.m4s", true),
            ("/vod/a.mp4/", "/vod/%61.mp4/v1/1.m4s", true),
            ("/vod/a%20b/", "/vod/a b/v1/1.m4s", true),
            ("/vod/a.mp4/", "/vod/a.mp4", false),
            ("/vod/a.mp4/", "/vod/a.mp4x/master.m3u8", false),
            ("/vod/a", "/vod/a.mp4/master.m3u8", false),
            ("/media/a.mp4", "/media/a.mp4", true),
            ("/media/a.mp4", "/media/b.mp4", false),
            ("/", "/live/news/master.m3u8", true),
            ("", "/live/news/master.m3u8", false),
            ("/live/%6", "/live/%6", false),
            ("/vod/a/", "/vod/a%2fb/master.m3u8", false),
        ] {
            let claims = Claims { exp: 0, nbf: None, paths: vec![pattern.into()], ip: None, sub: None };
            assert_eq!(claims.open(path), open, "{pattern} {path}");
        }
    }

    #[test]
    fn whom_they_let_in() {
        let claims = |ip: Option<&str>| Claims { exp: 0, nbf: None, paths: Vec::new(), ip: ip.map(|ip| ip.parse().unwrap()), sub: None };
        for (ip, address, expected) in [
            (None, None, true),
            (None, Some("192.0.2.1"), true),
            (Some("192.0.2.1"), Some("192.0.2.1"), true),
            (Some("192.0.2.1"), Some("::ffff:192.0.2.1"), true),
            (Some("192.0.2.1"), Some("192.0.2.2"), false),
            (Some("192.0.2.1"), None, false),
        ] {
            assert_eq!(claims(ip).let_in(address.map(|address| address.parse().unwrap())), expected, "{ip:?} {address:?}");
        }
    }
}
