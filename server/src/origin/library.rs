//! `/api/v1/assets`: what is in the media folder, file by file; a folder whose files are one title is listed as that.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::Path,
    sync::Arc,
    time::UNIX_EPOCH,
};

use cap_std::fs::{Dir, MetadataExt};
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    Fault, api,
    assets::{Assets, Known, MOST_FILES},
    title::is_title,
    watch::Watch,
};
use crate::{
    http::{AssetPath, Coding, Representation, Text},
    storage::{Identity, is_media, is_text},
};
use reelway_core::{
    Presentation,
    codec::{Kind, Media},
    demux::side_file::is_beside,
    presentation::Rendition,
};

/// The poster and the storyboard of a ladder, in its folder.
pub(crate) const IMAGES: [&str; 2] = ["images/poster.jpg", "images/storyboard.vtt"];

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
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(flatten)]
    content: Contents,
}

/// What plays of an asset, or why nothing does.
#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub(crate) enum Contents {
    Plays {
        duration_ms: u64,
        tracks: Vec<TrackEntry>,
        hls: String,
        dash: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        poster: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        storyboard: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        chapters: Option<String>,
    },
    Fails {
        problem: String,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TrackEntry {
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
    Text {},
}

/// What is in the media folder, as it was when somebody last asked, and since when it may be otherwise.
#[derive(Default)]
pub struct Library {
    watch: Watch,
    /// Of files and folders by path, each with the versions of the files that it describes; `None` for a folder that is no title.
    entries: HashMap<AssetPath, (Vec<Identity>, Option<Arc<Entry>>)>,
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
        let mut folders: BTreeMap<Option<AssetPath>, Vec<(AssetPath, Identity)>> = BTreeMap::new();
        for path in paths {
            // A file that goes away meanwhile is simply not there.
            let Ok(identity) = assets.file(&path).map(|source| source.identity()) else { continue };
            folders.entry(path.parent()).or_default().push((path, identity));
        }
        let mut entries = HashMap::new();
        let mut listed = Vec::new();
        // What is known of these versions, or what is found out about them.
        let mut find = |path: AssetPath, versions: Vec<Identity>, make: &dyn Fn(&AssetPath) -> Option<Entry>| {
            let known = self.entries.get(&path).filter(|(known, _)| *known == versions).map(|(_, entry)| entry.clone());
            let entry = known.unwrap_or_else(|| make(&path).map(Arc::new));
            listed.extend(entry.clone().map(|entry| (path.clone(), entry)));
            let found = entry.is_some();
            entries.insert(path, (versions, entry));
            found
        };
        for (folder, mut files) in folders {
            files.sort_by(|(a, _), (b, _)| a.cmp(b));
            let (texts, files): (Vec<_>, Vec<_>) = files.into_iter().partition(|(path, _)| is_text(path.file_name()));
            let pictures = folder.iter().flat_map(|folder| IMAGES.map(|name| picture(assets, folder, name))).flatten();
            let versions = files.iter().chain(&texts).cloned().chain(pictures).map(|(_, identity)| identity).collect();
            let is_title = match folder.filter(|_| (2..=MOST_FILES).contains(&files.len())) {
                Some(folder) => find(folder, versions, &|folder| title(assets, folder, &files)),
                None => false,
            };
            for (path, identity) in files.into_iter().filter(|_| !is_title) {
                let beside = texts.iter().filter(|(text, _)| is_beside(text.file_name(), path.file_name())).map(|(_, identity)| *identity);
                let versions = [identity].into_iter().chain(beside).collect();
                find(path, versions, &|path| entry(assets, path, true).ok());
            }
        }
        listed.sort_by(|(a, _), (b, _)| a.cmp(b));
        let text = serde_json::to_vec(&Assembled { assets: listed.iter().map(|(_, entry)| entry.as_ref()).collect() }).unwrap_or_default();
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

/// Gathers the files of media and text below `folder`, which is at `path` of the media folder `root`, hidden ones left out, and watches where it looks.
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
        } else if metadata.is_file() && (is_media(asset.file_name()) || is_text(asset.file_name())) && paths.len() < FILES {
            paths.push(asset);
        }
    }
    around.pop();
    Ok(())
}

/// The title that all `files` of a folder are, if they are one.
fn title(assets: &Assets, folder: &AssetPath, files: &[(AssetPath, Identity)]) -> Option<Entry> {
    let known: io::Result<Vec<Arc<Known>>> = files.iter().map(|(path, _)| Ok(assets.asset(path)?.1)).collect();
    let known = known.ok()?;
    let presentations: Option<Vec<&Presentation>> =
        known.iter().map(|file| Some(file.as_ref().as_ref().ok()?.vod().presentation())).collect();
    // The folder is opened only where it promises something.
    let entry = if is_title(&presentations?) { entry(assets, folder, false).ok()? } else { return None };
    matches!(entry.content, Contents::Plays { .. }).then_some(entry)
}

/// An asset as it stands in the list; of a file with the way to it as it is.
fn entry(assets: &Assets, path: &AssetPath, is_file: bool) -> io::Result<Entry> {
    let (sources, known) = assets.asset(path)?;
    let modified = UNIX_EPOCH + std::time::Duration::from_secs(sources.latest_change());
    let content = match known.as_ref() {
        Ok(asset) => {
            let pictures = IMAGES.map(|name| picture(assets, path, name).filter(|_| !is_file).map(|(path, _)| path));
            plays(asset.vod().presentation(), &path.url(), pictures, !asset.chapters(&sources).is_empty())
        }
        Err(error) => Contents::Fails { problem: error.clone() },
    };
    Ok(Entry {
        id: path.id(),
        name: path.file_name().into(),
        size: sources.size(),
        modified: OffsetDateTime::from(modified).format(&Rfc3339).unwrap_or_default(),
        file: (is_file && !assets.keys().is_encrypted(path)).then(|| format!("/media/{}", path.url())),
        content,
    })
}

/// A picture, or what tells of pictures, that a ladder has brought with it.
fn picture(assets: &Assets, folder: &AssetPath, name: &str) -> Option<(AssetPath, Identity)> {
    let path = AssetPath::from_relative(&folder.to_path().join(name))?;
    let identity = assets.file(&path).ok()?.identity();
    Some((path, identity))
}

/// What plays of a presentation, at `/vod/URL/`, the pictures for it, and whether it has chapters.
pub(crate) fn plays(presentation: &Presentation, url: &str, pictures: [Option<AssetPath>; 2], has_chapters: bool) -> Contents {
    let listed = |rendition: &&Rendition| rendition.trick_mode.is_none() && rendition.kind() != Kind::Metadata;
    let tracks = presentation.renditions.iter().filter(listed).map(|rendition| TrackEntry {
        id: rendition.name.clone(),
        kind: rendition.kind().name(),
        codec: rendition.codec.string.clone(),
        bitrate: rendition.bandwidth.average,
        language: rendition.language.clone(),
        frame_rate: rendition.frame_rate.map(|rate| rate.to_string()),
        media: match &rendition.codec.media {
            Media::Video(video) => MediaEntry::Video { width: video.width, height: video.height },
            Media::Audio(audio) => MediaEntry::Audio { channels: audio.channels, sample_rate: audio.sample_rate },
            Media::Text | Media::Metadata => MediaEntry::Text {},
        },
    });
    let [poster, storyboard] = pictures;
    Contents::Plays {
        duration_ms: presentation.duration_millis(),
        tracks: tracks.collect(),
        hls: format!("/vod/{url}/master.m3u8"),
        dash: format!("/vod/{url}/manifest.mpd"),
        poster: poster.map(|path| format!("/media/{}", path.url())),
        storyboard: storyboard.map(|path| format!("/media/{}", path.url())),
        chapters: has_chapters.then(|| format!("/vod/{url}/chapters.vtt")),
    }
}
