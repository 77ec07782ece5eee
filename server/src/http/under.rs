//! What a viewer that comes under `/t/TOKEN` is told: keys are below that too.
//!
//! Paths in manifests are relative, so that they stay under the token by themselves. Not so the URL of keys: players of DASH ask for it as
//! it stands, below their own page.

use data_encoding::HEXLOWER;
use http::{HeaderMap, header};
use ring::digest::{SHA256, digest};

use super::{Content, Representation};

/// `/t/TOKEN`, in the extensions of a request that came under it and may go on.
#[derive(Clone, Debug)]
pub struct Under(String);

impl Under {
    /// Under `token`, if that is one that may stand in any text: other than letters, digits, `-`, `_`, `.`, `~` no token has.
    pub fn new(token: &str) -> Option<Self> {
        let plain = |letter: u8| letter.is_ascii_alphanumeric() || b"-_.~".contains(&letter);
        token.bytes().all(plain).then(|| Self(format!("/t/{token}")))
    }

    /// The fields of the request, as those of who takes no coding: what is its alone is not compressed for it.
    pub fn plain(fields: &HeaderMap) -> HeaderMap {
        let mut fields = fields.clone();
        fields.remove(header::ACCEPT_ENCODING);
        fields
    }

    /// A manifest that is not compressed, with its keys at `path` under the token.
    pub fn names(&self, path: &str, mut manifest: Representation) -> Representation {
        if let Some(bytes) = manifest.content.take_made() {
            let text = String::from_utf8_lossy(&bytes).replace(path, &format!("{}{path}", self.0));
            let tag = digest(&SHA256, self.0.as_bytes());
            manifest.content = Content::from_bytes(text);
            manifest.etag = format!("{}-{}", manifest.etag, HEXLOWER.encode(tag.as_ref().get(..8).unwrap_or_default()));
        }
        manifest
    }
}
