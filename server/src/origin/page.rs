//! The web app, which is built into the binary.

use std::{borrow::Cow, collections::HashMap, sync::LazyLock};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use rust_embed::RustEmbed;

use crate::http::{Coding, Content, Representation, Text};

#[derive(RustEmbed)]
#[folder = "../web/dist"]
struct App;

/// Whether it is the player alone, for the frames of other pages, that is at `path`.
pub(super) fn is_embedded(path: &str) -> bool {
    path.starts_with("embed/")
}

/// What of it is text, by its names: compressed once, when it is first asked for.
static TEXTS: LazyLock<HashMap<Cow<'static, str>, Text>> = LazyLock::new(|| {
    let texts = App::iter().filter(|name| is_text(media_type(name)));
    texts.filter_map(|name| Some((name.clone(), Text::new(bytes(App::get(&name)?.data))))).collect()
});

/// The file of the app at `path`; the app itself at the empty path.
pub(super) fn represent(path: &str, preferred: Coding) -> Option<Representation> {
    // Whatever is embedded, the page finds out by its address.
    let name = if path.is_empty() {
        "index.html"
    } else if is_embedded(path) {
        "embed.html"
    } else {
        path
    };
    let file = App::get(name)?;
    let etag = HEXLOWER.encode(file.metadata.sha256_hash().get(..16).unwrap_or_default());
    let (coding, content) = TEXTS.get(name).map_or_else(|| (None, bytes(file.data)), |text| text.coded(preferred));
    Some(Representation {
        content: Content::from_bytes(content),
        coding,
        media_type: media_type(name),
        // The names of built files tell their content; the page itself does not.
        cache_control: if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" }.into(),
        etag,
        modified: None,
        urgency: None,
        cmsd: None,
    })
}

fn bytes(data: Cow<'static, [u8]>) -> Bytes {
    match data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    }
}

fn is_text(media_type: &str) -> bool {
    media_type.starts_with("text/") || ["image/svg+xml", "application/wasm", "application/json"].contains(&media_type)
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
