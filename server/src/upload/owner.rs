//! Who a file belongs to, and how much one owner may do at once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use http::{StatusCode, request::Parts};

use super::error::{Refusal, Result};
use crate::{auth::Playback, net::Peer};

/// Before the subject of a token.
const TOKEN: &str = "token ";

/// Who brings a file: the subject of a token, or the address that it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner(pub String);

impl Owner {
    /// Of a request, whose token is one that `tokens` takes. Without, nobody has one.
    pub fn of(parts: &Parts, tokens: Option<&Playback>) -> Result<Self> {
        let address = parts.extensions.get::<Peer>().map(|peer| peer.address.ip().to_canonical());
        let subject = match tokens {
            Some(tokens) => {
                tokens.subject(parts.uri.path(), &parts.headers, address).map_err(|refused| Refusal::unauthorized(refused.detail()))?
            }
            None => None,
        };
        // Told apart, so that nobody is called as somebody's address.
        Ok(Self(match (subject, address) {
            (Some(subject), _) => format!("{TOKEN}{subject}"),
            (None, Some(address)) => format!("address {address}"),
            (None, None) => String::new(),
        }))
    }

    /// Whether a file of `other` is found again by this one: by everybody where neither has a token, as one comes from many addresses.
    pub fn is_also(&self, other: &str) -> bool {
        let has_token = |owner: &str| owner.starts_with(TOKEN);
        self.0 == other || !(has_token(&self.0) || has_token(other))
    }
}

/// How many requests of each owner bring bytes.
#[derive(Debug, Default)]
pub struct Under(Mutex<HashMap<String, usize>>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Way {
    under: Arc<Under>,
    owner: String,
}

impl Under {
    /// Counts a request of `owner`, unless `most` are under way.
    pub fn begin(self: &Arc<Self>, owner: &str, most: usize) -> Result<Way> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(owner.to_owned()).or_default();
        if *count >= most {
            // Clients of tus give up at 429, and come again after 503.
            return Err(Refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("{most} requests of yours bring bytes: wait until one has ended"),
            ));
        }
        *count += 1;
        Ok(Way { under: Arc::clone(self), owner: owner.to_owned() })
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        let mut counts = self.under.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = counts.get_mut(&self.owner).map_or(0, |count| {
            *count -= 1;
            *count
        });
        if left == 0 {
            counts.remove(&self.owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_owner_has_so_many_at_once() {
        let under = Arc::new(Under::default());
        let first = under.begin("a", 2).unwrap();
        let second = under.begin("a", 2).unwrap();
        assert_eq!(under.begin("a", 2).unwrap_err().0, StatusCode::SERVICE_UNAVAILABLE);
        let other = under.begin("b", 2).unwrap();
        drop(first);
        let third = under.begin("a", 2).unwrap();
        drop((second, third, other));
        assert!(under.0.lock().unwrap().is_empty());
    }
}
