//! `/api/v1/...` but for the library.

use data_encoding::HEXLOWER;
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
}

impl ServerInfo {
    /// A server with these protocols, by their ALPN names, whose certificate, if it made one by itself, has this SHA-256 in hexadecimal.
    pub fn new(protocols: Vec<&'static str>, certificate_sha256: Option<String>) -> Self {
        Self { name: "reelway", version: env!("CARGO_PKG_VERSION"), protocols, certificate_sha256 }
    }

    pub(super) fn represent(&self, preferred: Coding) -> Representation {
        json(self, preferred)
    }
}

/// A value as JSON, always asked for again.
pub(super) fn json(value: &impl Serialize, preferred: Coding) -> Representation {
    let text = serde_json::to_vec(value).unwrap_or_default();
    let etag = HEXLOWER.encode(digest(&SHA256, &text).as_ref().get(..16).unwrap_or_default());
    let (coding, text) = Text::new(text).coded(preferred);
    Representation {
        etag,
        content: Content::from_bytes(text),
        coding,
        media_type: "application/json",
        cache_control: "no-cache",
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
        cache_control: "no-store",
        etag: "ok".into(),
        modified: None,
        urgency: None,
        cmsd: None,
    }
}
