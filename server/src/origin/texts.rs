//! Which texts stand beside which media: asked at every request, so that what a folder holds is remembered until the folder changes.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use cap_std::{
    fs::{Dir, Metadata, MetadataExt},
    time::SystemTime,
};
use quick_cache::sync::Cache;
use reelway_core::demux::side_file::is_beside;

use super::assets::MOST_FILES;
use crate::{http::AssetPath, storage::is_text};

/// Folders that are remembered.
const FOLDERS: usize = 256;
/// A folder that was changed so shortly ago may be changed again without showing it: its clock may tick no finer.
const SETTLED: Duration = Duration::from_secs(2);

/// What was found in a folder.
struct Found {
    /// The time of its last change.
    changed: (i64, i64),
    /// The names of the texts in it, in order.
    names: Vec<String>,
}

impl Found {
    /// Those that belong to the file `video` in it, the first of [`MOST_FILES`].
    fn beside(&self, video: &str) -> Vec<String> {
        let stem = video.rsplit_once('.').map_or(video, |(stem, _)| stem);
        let first = self.names.partition_point(|name| name.as_str() < stem);
        let like = self.names.iter().skip(first).take_while(|name| name.starts_with(stem));
        like.filter(|name| is_beside(name, video)).take(MOST_FILES).cloned().collect()
    }
}

/// What is remembered of folders; `None` is the media folder itself.
pub struct Texts(Cache<Option<AssetPath>, Arc<Found>>);

impl Texts {
    /// Nothing yet.
    pub fn new() -> Self {
        Self(Cache::new(FOLDERS))
    }

    /// The names of the texts in `folder` that belong to the file `video` in it.
    pub fn of(&self, root: &Dir, folder: Option<&AssetPath>, video: &str) -> io::Result<Vec<String>> {
        let path = place(folder);
        let metadata = root.metadata(&path)?;
        if let Some(found) = self.remembered(folder, &metadata) {
            return Ok(found.beside(video));
        }
        let found = Arc::new(Found { changed: changed(&metadata), names: list(root, &path)? });
        let now = SystemTime::from_std(std::time::SystemTime::now());
        if metadata.modified()?.checked_add(SETTLED).is_some_and(|settled| settled < now) {
            self.0.insert(folder.cloned(), Arc::clone(&found));
        }
        Ok(found.beside(video))
    }

    /// The same if the folder, by which the caller has just come, so that the system has it in memory, is remembered.
    pub fn at_hand(&self, root: &Dir, folder: Option<&AssetPath>, video: &str) -> Option<Vec<String>> {
        let metadata = root.metadata(place(folder)).ok()?;
        Some(self.remembered(folder, &metadata)?.beside(video))
    }

    fn remembered(&self, folder: Option<&AssetPath>, now: &Metadata) -> Option<Arc<Found>> {
        self.0.get(&folder.cloned()).filter(|found| found.changed == changed(now))
    }
}

fn place(folder: Option<&AssetPath>) -> PathBuf {
    folder.map_or_else(|| ".".into(), AssetPath::to_path)
}

fn changed(metadata: &Metadata) -> (i64, i64) {
    (metadata.mtime(), metadata.mtime_nsec())
}

fn list(root: &Dir, path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in root.read_dir(path)? {
        names.extend(entry?.file_name().into_string().ok().filter(|name| !name.starts_with('.') && is_text(name)));
    }
    names.sort();
    Ok(names)
}
