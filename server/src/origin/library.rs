//! `/api/v1/assets`: what is in the media folder.

use std::{collections::HashMap, io, path::Path, sync::Arc, time::UNIX_EPOCH};

use cap_std::fs::{Dir, MetadataExt};
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    Fault, api,
    assets::{Asset, Assets},
    watch::Watch,
};
use crate::{
    http::{AssetPath, Coding, Representation, Text},
    storage::Identity,
};
use reelway_core::codec::Media;

/// Folders deeper than this, and files more than that, are not listed.
const DEPTH: usize = 16;
const FILES: usize = 20_000;

#[derive(Serialize)]
struct Assembled<'a> {
    assets: Vec<&'a Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    id: String,
    name: String,
    size: u64,
    modified: String,
    file: String,
    #[serde(flatten)]
    content: Contents,
}

#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Contents {
    Plays { duration_ms: u64, tracks: Vec<TrackEntry>, hls: String, dash: String },
    Fails { problem: String },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TrackEntry {
    id: String,
    kind: &'static str,
    codec: String,
    bitrate: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frame_rate: Option<String>,
    #[serde(flatten)]
    media: MediaEntry,
}

#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum MediaEntry {
    Video { width: u32, height: u32 },
    Audio { channels: u32, sample_rate: u32 },
}

/// What is in the media folder, as it was when somebody last asked, and since when it may be otherwise.
#[derive(Default)]
pub struct Library {
    watch: Watch,
    /// By path, each with the version of the file that it describes; as many as are listed.
    entries: HashMap<AssetPath, (Identity, Arc<Entry>)>,
    listing: Option<Arc<Listing>>,
}

/// The answer to all who ask while nothing changes.
pub struct Listing {
    text: Text,
    etag: String,
}

impl Library {
    /// The listing, made again if anything changed. What is known of files that did not change is kept.
    pub fn listing(&mut self, assets: &Assets) -> Result<Arc<Listing>, Fault> {
        if let Some(listing) = self.listing.as_ref().filter(|_| !self.watch.changed()) {
            return Ok(Arc::clone(listing));
        }
        let mut watch = Watch::new();
        let mut paths = Vec::new();
        if let Some((root, folder)) = assets.root() {
            walk(root, folder, Path::new(""), &mut Vec::new(), &mut watch, &mut paths)?;
        }
        paths.sort();
        let mut entries = HashMap::with_capacity(paths.len());
        let mut listed = Vec::with_capacity(paths.len());
        for path in paths {
            // A file that goes away meanwhile is simply not there.
            let Ok(identity) = assets.file(&path).map(|source| source.identity()) else { continue };
            let known = self.entries.get(&path).filter(|(known, _)| *known == identity).map(|(_, entry)| Arc::clone(entry));
            let Ok(entry) = known.map_or_else(|| entry(assets, &path).map(Arc::new), Ok) else { continue };
            listed.push(Arc::clone(&entry));
            entries.insert(path, (identity, entry));
        }
        let text = serde_json::to_vec(&Assembled { assets: listed.iter().map(Arc::as_ref).collect() }).unwrap_or_default();
        let listing = Arc::new(Listing { etag: api::tag(&text), text: Text::new(text) });
        *self = Self { watch, entries, listing: Some(Arc::clone(&listing)) };
        Ok(listing)
    }
}

impl Listing {
    pub fn represent(&self, preferred: Coding) -> Representation {
        api::json(&self.text, self.etag.clone(), preferred)
    }
}

/// Gathers the media files below `folder`, which is at `path` of the media folder `root`, hidden ones left out, and watches where it looks.
/// `around` are the folders that it is in, by device and inode: a link to one of them would lead in a circle.
fn walk(
    folder: &Dir,
    root: &Path,
    path: &Path,
    around: &mut Vec<(u64, u64)>,
    watch: &mut Watch,
    paths: &mut Vec<AssetPath>,
) -> io::Result<()> {
    let metadata = folder.dir_metadata()?;
    let place = (metadata.dev(), metadata.ino());
    if around.len() > DEPTH || around.contains(&place) {
        return Ok(());
    }
    around.push(place);
    watch.folder(&root.join(path));
    for entry in folder.entries()? {
        let entry = entry?;
        let name = entry.file_name();
        let path = path.join(&name);
        let Some(asset) = AssetPath::from_relative(&path) else { continue };
        // Follows symbolic links, as far as they stay inside.
        let Ok(metadata) = folder.metadata(&name) else { continue };
        if metadata.is_dir() {
            if let Ok(inner) = folder.open_dir(&name) {
                walk(&inner, root, &path, around, watch, paths)?;
            }
        } else if metadata.is_file() && is_media(asset.file_name()) && paths.len() < FILES {
            paths.push(asset);
        }
    }
    around.pop();
    Ok(())
}

fn is_media(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    ["mp4", "m4v", "mov", "m4a"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

fn entry(assets: &Assets, path: &AssetPath) -> io::Result<Entry> {
    let (sources, known) = assets.asset(path)?;
    let identity = sources.first().ok_or(io::ErrorKind::NotFound)?.identity();
    let modified = UNIX_EPOCH + std::time::Duration::from_secs(identity.modified_seconds());
    let content = match known.as_ref() {
        Ok(asset) => plays(asset, path),
        Err(error) => Contents::Fails { problem: error.to_string() },
    };
    Ok(Entry {
        id: path.id(),
        name: path.file_name().into(),
        size: identity.size,
        modified: OffsetDateTime::from(modified).format(&Rfc3339).unwrap_or_default(),
        file: format!("/media/{}", path.url()),
        content,
    })
}

fn plays(asset: &Asset, path: &AssetPath) -> Contents {
    let presentation = asset.vod().presentation();
    let tracks = presentation.renditions.iter().map(|rendition| TrackEntry {
        id: rendition.name.clone(),
        kind: rendition.kind().name(),
        codec: rendition.codec.string.clone(),
        bitrate: rendition.bandwidth.average,
        language: rendition.language.clone(),
        frame_rate: rendition.frame_rate.map(|rate| rate.to_string()),
        media: match &rendition.codec.media {
            Media::Video(video) => MediaEntry::Video { width: video.width, height: video.height },
            Media::Audio(audio) => MediaEntry::Audio { channels: audio.channels, sample_rate: audio.sample_rate },
        },
    });
    let url = path.url();
    Contents::Plays {
        duration_ms: presentation.duration_millis(),
        tracks: tracks.collect(),
        hls: format!("/vod/{url}/master.m3u8"),
        dash: format!("/vod/{url}/manifest.mpd"),
    }
}
