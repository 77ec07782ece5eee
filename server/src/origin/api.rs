//! `/api/v1/...` but for the library.

use std::sync::LazyLock;

use data_encoding::HEXLOWER;
use reelway_core::time::Moment;
use ring::digest::{SHA256, digest};
use serde::Serialize;

use crate::http::{Coding, Content, Representation, Text};

/// `/api/v1/server`: what a client may want to know of the server.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerInfo {
    name: &'static str,
    version: &'static str,
    protocols: Vec<&'static str>,
    certificate_sha256: Option<String>,
    uploads: bool,
    /// The port of RTMP.
    rtmp: Option<u16>,
    webrtc: bool,
}

impl ServerInfo {
    /// A server with these protocols, by their ALPN names, whose certificate, if it made one by itself, has this SHA-256 in hexadecimal.
    pub fn new(protocols: Vec<&'static str>, certificate_sha256: Option<String>) -> Self {
        Self {
            name: "reelway",
            version: env!("CARGO_PKG_VERSION"),
            protocols,
            certificate_sha256,
            uploads: false,
            rtmp: None,
            webrtc: false,
        }
    }

    /// The same, and it takes uploads.
    #[must_use]
    pub fn with_uploads(self, uploads: bool) -> Self {
        Self { uploads, ..self }
    }

    /// The same, and besides HTTP publishers are taken by RTMP at this port, and by WebRTC.
    #[must_use]
    pub fn with_publishers(self, rtmp: Option<u16>, webrtc: bool) -> Self {
        Self { rtmp, webrtc, ..self }
    }

    pub(super) fn represent(&self, preferred: Coding) -> Representation {
        let text = serde_json::to_vec(self).unwrap_or_default();
        let etag = tag(&text);
        json(&Text::new(text), etag, preferred)
    }
}

/// `/api/v1/time`: the time to the millisecond, for players that compare their clock with ours (ISO/IEC 23009-1 5.8.5.7): by the clock of
/// the live streams, which their manifests tell times by, whatever becomes of that of the system.
pub(super) fn time(now: Moment) -> Representation {
    let date = now.date().to_string();
    Representation { content: Content::from_bytes(date.clone()), etag: date, ..alive() }
}

/// `/api/v1/openapi.json`: what the API answers, for programs.
pub(super) fn description(preferred: Coding) -> Representation {
    const TEXT: &str = include_str!("openapi.json");
    static DESCRIPTION: LazyLock<(Text, String)> = LazyLock::new(|| (Text::new(TEXT), tag(TEXT.as_bytes())));
    let (text, etag) = &*DESCRIPTION;
    json(text, etag.clone(), preferred)
}

/// An entity tag of these bytes.
pub(super) fn tag(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA256, bytes).as_ref().get(..16).unwrap_or_default())
}

/// JSON, always asked for again.
pub(super) fn json(text: &Text, etag: String, preferred: Coding) -> Representation {
    let (coding, text) = text.coded(preferred);
    Representation {
        content: Content::from_bytes(text),
        coding,
        media_type: "application/json",
        cache_control: "no-cache".into(),
        etag,
        modified: None,
        urgency: None,
        cmsd: None,
    }
}

/// The answer of `/healthz` and `/readyz`.
pub(super) fn alive() -> Representation {
    Representation {
        content: Content::from_bytes("ok\n"),
        coding: None,
        media_type: "text/plain",
        cache_control: "no-store".into(),
        etag: "ok".into(),
        modified: None,
        urgency: None,
        cmsd: None,
    }
}
