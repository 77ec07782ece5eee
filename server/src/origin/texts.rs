//! Which texts stand beside which media: asked at every request, so that what a folder holds is remembered until the folder changes.

use std::{io, path::Path, sync::Arc, time::Duration};

use cap_std::{
    fs::{Dir, MetadataExt},
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

/// What was found in a folder: the time of its last change, and the names of the texts in it, in order.
type Found = ((i64, i64), Vec<String>);

/// What is remembered of folders; `None` is the media folder itself.
pub struct Texts(Cache<Option<AssetPath>, Arc<Found>>);

impl Texts {
    /// Nothing yet.
    pub fn new() -> Self {
        Self(Cache::new(FOLDERS))
    }

    /// The names of the texts in `folder` that belong to the file `video` in it, the first of [`MOST_FILES`].
    pub fn of(&self, root: &Dir, folder: Option<&AssetPath>, video: &str) -> io::Result<Vec<String>> {
        let path = folder.map_or_else(|| ".".into(), AssetPath::to_path);
        let metadata = root.metadata(&path)?;
        let changed = (metadata.mtime(), metadata.mtime_nsec());
        let key = folder.cloned();
        let known = self.0.get(&key).filter(|known| known.0 == changed);
        let found = match known {
            Some(found) => found,
            None => {
                let found = Arc::new((changed, list(root, &path)?));
                let now = SystemTime::from_std(std::time::SystemTime::now());
                if metadata.modified()?.checked_add(SETTLED).is_some_and(|settled| settled < now) {
                    self.0.insert(key, Arc::clone(&found));
                }
                found
            }
        };
        let stem = video.rsplit_once('.').map_or(video, |(stem, _)| stem);
        let first = found.1.partition_point(|name| name.as_str() < stem);
        let like = found.1.iter().skip(first).take_while(|name| name.starts_with(stem));
        Ok(like.filter(|name| is_beside(name, video)).take(MOST_FILES).cloned().collect())
    }
}

fn list(root: &Dir, path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in root.read_dir(path)? {
        names.extend(entry?.file_name().into_string().ok().filter(|name| !name.starts_with('.') && is_text(name)));
    }
    names.sort();
    Ok(names)
}
