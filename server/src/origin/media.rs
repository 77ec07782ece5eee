//! `/media/PATH`: a file as it is.

use std::sync::Arc;

use super::{Fault, assets::Assets};
use crate::{
    http::{AssetPath, Content, Representation},
    storage::SourceFile,
};

/// As urgent as the segments of video (RFC 9218 4.1).
const URGENCY: u8 = 4;

pub(super) fn represent(assets: &Assets, path: &AssetPath) -> Result<Representation, Fault> {
    if assets.keys().is_encrypted(path) {
        return Err(Fault::NotFound);
    }
    Ok(of(path, assets.file(path)?))
}

/// The same without waiting for a disk, if that can be.
pub(super) fn represent_at_hand(assets: &Assets, path: &AssetPath) -> Option<Representation> {
    if assets.keys().is_encrypted(path) {
        return None;
    }
    Some(of(path, assets.file_at_hand(path)?))
}

fn of(path: &AssetPath, source: SourceFile) -> Representation {
    let identity = source.identity();
    Representation {
        content: Content::from_file(Arc::new(source)),
        coding: None,
        media_type: media_type(path.file_name()),
        cache_control: "public, max-age=3600".into(),
        etag: identity.etag(),
        modified: Some(identity.modified_seconds()),
        urgency: Some(URGENCY),
        cmsd: None,
    }
}

/// By the extension of a file name; it is what the owner says that the file is.
fn media_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    match extension.as_str() {
        "mp4" | "m4v" | "cmfv" => "video/mp4",
        "m4a" | "cmfa" => "audio/mp4",
        "mov" => "video/quicktime",
        "webm" => "video/webm",
        "vtt" => "text/vtt",
        "m3u8" => "application/vnd.apple.mpegurl",
        "mpd" => "application/dash+xml",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        _ => "application/octet-stream",
    }
}
