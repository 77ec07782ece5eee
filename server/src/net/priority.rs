//! What is said of the priority of a response (RFC 9218): by the client in the header `priority` of its request, by the origin in that
//! of the response.

use http::{HeaderMap, HeaderName};

const PRIORITY: HeaderName = HeaderName::from_static("priority");

/// The priority of a response (section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Priority {
    /// From 0, the most urgent, to 7.
    pub urgency: u8,
    /// Whether a client can use parts of it, so that it may share the connection with others of its urgency.
    pub incremental: bool,
}

/// Sections 4.1 and 4.2: what holds of what nobody has said.
impl Default for Priority {
    fn default() -> Self {
        Self { urgency: 3, incremental: false }
    }
}

impl Priority {
    /// Of a field whose absent members have their defaults.
    pub fn of_field(field: &str) -> Self {
        Said::of_members(field.split(',')).complete()
    }
}

/// Members of a `priority` field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    urgency: Option<u8>,
    incremental: Option<bool>,
}

impl Said {
    /// By the header `priority`. Section 4: other members, and values out of range, are ignored.
    pub fn in_headers(headers: &HeaderMap) -> Self {
        Self::of_members(headers.get_all(PRIORITY).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')))
    }

    /// RFC 8941 section 3.2: of members with the same key the last one counts.
    fn of_members<'a>(members: impl Iterator<Item = &'a str>) -> Self {
        let mut said = Self::default();
        for member in members {
            let member = member.split(';').next().unwrap_or(member).trim();
            match member.split_once('=').unwrap_or((member, "?1")) {
                ("u", urgency) => said.urgency = urgency.parse().ok().filter(|urgency| *urgency <= 7),
                ("i", incremental @ ("?0" | "?1")) => said.incremental = Some(incremental == "?1"),
                _ => {}
            }
        }
        said
    }

    /// Section 8: what the origin says in its response goes, member by member, before what the client said.
    #[must_use]
    pub fn or(self, client: Self) -> Self {
        Self { urgency: self.urgency.or(client.urgency), incremental: self.incremental.or(client.incremental) }
    }

    /// With the defaults for the rest.
    pub fn complete(self) -> Priority {
        let Priority { urgency, incremental } = Priority::default();
        Priority { urgency: self.urgency.unwrap_or(urgency), incremental: self.incremental.unwrap_or(incremental) }
    }
}

impl From<Priority> for Said {
    fn from(Priority { urgency, incremental }: Priority) -> Self {
        Self { urgency: Some(urgency), incremental: Some(incremental) }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn said(text: &'static str) -> Said {
        Said::in_headers(&HeaderMap::from_iter([(PRIORITY, HeaderValue::from_static(text))]))
    }

    #[test]
    fn the_field_is_read_as_browsers_write_it() {
        for (text, urgency, incremental) in [
            ("u=0", Some(0), None),
            ("u=1, i", Some(1), Some(true)),
            ("i, u=7", Some(7), Some(true)),
            ("i", None, Some(true)),
            ("i=?0", None, Some(false)),
            ("i=1", None, None),
            ("u=8", None, None),
            ("u=-1", None, None),
            ("u=x", None, None),
            ("u=2, u=5;x=1", Some(5), None),
            ("i;x=1, other=2", None, Some(true)),
            ("", None, None),
        ] {
            assert_eq!(said(text), Said { urgency, incremental }, "{text}");
        }
    }

    #[test]
    fn the_origin_goes_before_the_client_and_both_before_the_defaults() {
        for (origin, client, urgency, incremental) in
            [("", "", 3, false), ("", "u=1, i", 1, true), ("u=4", "u=1, i", 4, true), ("u=4, i=?0", "i", 4, false), ("i", "u=7", 7, true)]
        {
            assert_eq!(said(origin).or(said(client)).complete(), Priority { urgency, incremental }, "{origin:?} over {client:?}");
        }
    }
}
