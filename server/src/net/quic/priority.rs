//! Which response goes first (RFC 9218).

use http::{HeaderMap, HeaderName};

const PRIORITY: HeaderName = HeaderName::from_static("priority");

/// Section 4.1: what a message without a priority has; 0 is the most urgent, 7 the least.
const DEFAULT_URGENCY: i32 = 3;

/// The priority of a response for quinn, where more goes first. What the origin says in the response goes before what the client
/// said in the request (section 8). Responses of one urgency share the connection evenly.
pub(super) fn priority(request: Option<i32>, response: &HeaderMap) -> i32 {
    -urgency(response).or(request).unwrap_or(DEFAULT_URGENCY)
}

/// The parameter `u` of the header `priority`, if there is a valid one. Section 4: other members, and values out of range, are ignored.
pub(super) fn urgency(headers: &HeaderMap) -> Option<i32> {
    let members = headers.get_all(PRIORITY).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    // RFC 8941 section 3.2: of members with the same key the last one counts.
    let last = members.filter_map(|member| member.trim().strip_prefix("u=")).next_back()?;
    let value = last.split(';').next().unwrap_or(last).trim();
    value.parse().ok().filter(|urgency| (0..=7).contains(urgency))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn urgency_is_read_as_browsers_write_it() {
        for (text, expected) in [
            ("u=0", Some(0)),
            ("u=1, i", Some(1)),
            ("i, u=7", Some(7)),
            ("i", None),
            ("u=8", None),
            ("u=-1", None),
            ("u=x", None),
            ("u=2, u=5;x=1", Some(5)),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(PRIORITY, HeaderValue::from_static(text))]);
            assert_eq!(urgency(&headers), expected, "{text}");
        }
    }

    #[test]
    fn the_origin_goes_before_the_client_and_urgent_before_late() {
        let none = HeaderMap::new();
        let urgent = HeaderMap::from_iter([(PRIORITY, HeaderValue::from_static("u=0"))]);
        assert!(priority(Some(7), &urgent) > priority(Some(1), &none));
        assert_eq!(priority(None, &none), priority(Some(3), &none));
    }
}
