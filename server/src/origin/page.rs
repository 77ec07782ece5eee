//! The web app, which is built into the binary.

use data_encoding::HEXLOWER;
use rust_embed::RustEmbed;

use crate::http::{Content, Representation};

#[derive(RustEmbed)]
#[folder = "../web/dist"]
struct App;

/// The file of the app at `path`; the app itself at the empty path.
pub(super) fn represent(path: &str) -> Option<Representation> {
    let name = if path.is_empty() { "index.html" } else { path };
    let file = App::get(name)?;
    let etag = HEXLOWER.encode(file.metadata.sha256_hash().get(..16).unwrap_or_default());
    Some(Representation {
        content: match file.data {
            std::borrow::Cow::Borrowed(bytes) => Content::from_bytes(bytes),
            std::borrow::Cow::Owned(bytes) => Content::from_bytes(bytes),
        },
        media_type: media_type(name),
        // The names of built files tell their content; the page itself does not.
        cache_control: if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" },
        etag,
        modified: None,
    })
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "wasm" => "application/wasm",
        "json" | "map" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}
