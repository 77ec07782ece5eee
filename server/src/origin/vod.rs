//! `/vod/ASSET/...`: a file as a presentation, packaged when it is asked for.

use std::sync::Arc;

use super::{Fault, assets::Assets};
use crate::http::{AssetPath, Content, Representation, VodPart};

const HLS: &str = "application/vnd.apple.mpegurl";
const DASH: &str = "application/dash+xml";

/// Manifests are asked for again each time: the answer is mostly that nothing changed.
const MANIFEST: &str = "public, no-cache";
/// A file may be replaced under its name, so segments are not kept for ever.
const SEGMENT: &str = "public, max-age=3600";

pub(super) fn represent(assets: &Assets, path: &AssetPath, part: &VodPart) -> Result<Representation, Fault> {
    let (sources, known) = assets.asset(path)?;
    let asset = known.as_ref().as_ref().map_err(|error| Fault::Media(format!("{}: {error}", path.id())))?;
    let vod = asset.vod();
    // The names are plain and the numbers counted: what the core does not know does not exist.
    let missing = |_| Fault::NotFound;
    let identity = sources.first().ok_or(Fault::NotFound)?.identity();
    let (content, media_type, cache_control, place) = match part {
        VodPart::MultivariantPlaylist => (Content::from_bytes(asset.multivariant_playlist()), HLS, MANIFEST, "m".into()),
        VodPart::Mpd => (Content::from_bytes(asset.mpd()), DASH, MANIFEST, "d".into()),
        VodPart::MediaPlaylist(name) => {
            (Content::from_bytes(asset.media_playlist(name).map_err(missing)?), HLS, MANIFEST, format!("{name}-l"))
        }
        VodPart::IFramePlaylist(name) => {
            (Content::from_bytes(asset.i_frame_playlist(name).map_err(missing)?), HLS, MANIFEST, format!("{name}-f"))
        }
        VodPart::Header(name) => (Content::from_bytes(vod.header(name).map_err(missing)?), media_type(name), SEGMENT, format!("{name}-i")),
        VodPart::Segment(name, number) => {
            let fragments = vod.segment(name, *number).map_err(missing)?;
            let input = vod.source(name).map_err(missing)?.input;
            let source = sources.into_iter().nth(input).ok_or(Fault::NotFound)?;
            let content = Content::from_fragments(fragments, Arc::new(source));
            (content, media_type(name), SEGMENT, format!("{name}-{number}"))
        }
    };
    // The same file gives the same bytes as long as the same code makes them.
    let etag = format!("{}-{}-{place}", identity.etag(), env!("CARGO_PKG_VERSION"));
    Ok(Representation { content, media_type, cache_control, etag, modified: Some(identity.modified_seconds()) })
}

fn media_type(rendition: &str) -> &'static str {
    if rendition.starts_with('v') { "video/mp4" } else { "audio/mp4" }
}
