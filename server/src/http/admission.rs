//! What is refused whatever it asks for.

use http::{HeaderMap, StatusCode, Uri, Version, header, uri::Authority};

use super::{Request, Response, problem};

/// The longest path and query that are looked at, in bytes: more than the longest path of a file system with every byte of it encoded.
/// RFC 9110 4.1 asks for 8000 at least.
const TARGET: usize = 16 << 10;

/// The answer to a request that is malformed, or names more than there can be; `None` for a request that goes on.
pub fn refuse(request: &Request) -> Option<Response> {
    if !has_host(request.version(), request.uri(), request.headers()) {
        return Some(problem(StatusCode::BAD_REQUEST, "the request names no host, several, or none that can be (RFC 9112 3.2)"));
    }
    let length = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    (length > TARGET).then(|| problem(StatusCode::URI_TOO_LONG, &format!("the path has {length} bytes, {TARGET} are looked at")))
}

/// Whether the host is told once, and could be one (RFC 9112 3.2, RFC 9113 8.3.1, RFC 9114 4.3.1).
fn has_host(version: Version, uri: &Uri, fields: &HeaderMap) -> bool {
    let mut lines = fields.get_all(header::HOST).iter();
    let (host, more) = (lines.next(), lines.next());
    let target = uri.authority().map(Authority::as_str);
    if more.is_some() || !target.is_none_or(is_host) {
        return false;
    }
    match host.map(|host| host.to_str().unwrap_or("not text")) {
        None => version < Version::HTTP_11 || (version > Version::HTTP_11 && target.is_some()),
        Some("") => version <= Version::HTTP_11 && target.is_none(),
        // The target goes before the field of HTTP/1.1; later versions know no difference between the two.
        Some(host) => is_host(host) && (version <= Version::HTTP_11 || target.is_none_or(|target| target.eq_ignore_ascii_case(host))),
    }
}

/// A host with or without a port, nobody's name in front (RFC 9110 4.2.4).
fn is_host(text: &str) -> bool {
    text.parse::<Authority>().is_ok_and(|authority| {
        let port = text.strip_prefix(authority.host());
        !authority.host().is_empty() && port.is_some_and(|port| matches!(port, "" | ":") || authority.port_u16().is_some())
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_host_is_told_once() {
        for (version, uri, hosts, expected, clause) in [
            (Version::HTTP_11, "/", &["a.example"][..], true, "RFC 9112 3.2"),
            (Version::HTTP_11, "/", &["a.example:8443"], true, "RFC 9110 7.2"),
            (Version::HTTP_11, "/", &["a.example:"], true, "RFC 3986 3.2.3: the port may be empty"),
            (Version::HTTP_11, "/", &["[::1]:8443"], true, "RFC 9110 7.2"),
            (Version::HTTP_11, "/", &["127.0.0.1"], true, "RFC 9110 7.2"),
            (Version::HTTP_11, "/", &[""], true, "RFC 9112 3.2: empty where there is no authority"),
            (Version::HTTP_10, "/", &[], true, "RFC 9112 3.2: HTTP/1.0 knew no Host"),
            (Version::HTTP_11, "/", &[], false, "RFC 9112 3.2"),
            (Version::HTTP_11, "/", &["a.example", "a.example"], false, "RFC 9112 3.2"),
            (Version::HTTP_11, "/", &["a example"], false, "RFC 9112 3.2"),
            (Version::HTTP_11, "/", &["a.example/path"], false, "RFC 9112 3.2"),
            (Version::HTTP_11, "/", &["user@a.example"], false, "RFC 9110 4.2.4"),
            (Version::HTTP_11, "/", &["a.example:http"], false, "RFC 3986 3.2.3"),
            (Version::HTTP_11, "/", &["a.example:99999"], false, "no such port"),
            (Version::HTTP_11, "/", &[":80"], false, "RFC 9110 4.2.1: no empty host"),
            (Version::HTTP_11, "http://a.example/", &["b.example"], true, "RFC 9112 3.2.2: the target counts"),
            (Version::HTTP_11, "http://a.example:99999/", &["b.example"], false, "no such port"),
            (Version::HTTP_2, "https://a.example/", &[], true, "RFC 9113 8.3.1"),
            (Version::HTTP_2, "https://a.example/", &["A.example"], true, "RFC 9113 8.3.1"),
            (Version::HTTP_2, "https://a.example/", &["b.example"], false, "RFC 9113 8.3.1"),
            (Version::HTTP_2, "https://user@a.example/", &[], false, "RFC 9113 8.3.1"),
            (Version::HTTP_3, "/", &["a.example"], true, "RFC 9114 4.3.1"),
            (Version::HTTP_3, "/", &[], false, "RFC 9114 4.3.1"),
            (Version::HTTP_3, "https://a.example/", &[""], false, "RFC 9114 4.3.1"),
        ] {
            let mut fields = HeaderMap::new();
            for host in hosts {
                fields.append(header::HOST, HeaderValue::from_static(host));
            }
            // The parser of URIs has its say first.
            let has = uri.parse().is_ok_and(|uri| has_host(version, &uri, &fields));
            assert_eq!(has, expected, "{version:?} {uri} {hosts:?}: {clause}");
        }
    }
}
