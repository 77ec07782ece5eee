//! The media folder, and the indexes of the files in it that were asked for last.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use cap_std::{
    ambient_authority,
    fs::{Dir, OpenOptions, OpenOptionsExt},
};
use quick_cache::{Weighter, sync::Cache};
use reelway_core::{Options, Vod};

use crate::{
    http::{AssetPath, Text, VodPart},
    storage::{Identity, SourceFile},
};

/// Memory for indexes, in bytes: about a hundred films of two hours, or thousands of clips.
const INDEX_MEMORY: u64 = 128 << 20;

/// A version of a file.
type Key = (AssetPath, Identity);

/// What is known of a version of a file: its presentation, or why it has none.
type Known = Result<Asset, reelway_core::Error>;

/// A file as a presentation. Manifests are written once, compressed once, and shared by all who ask.
pub struct Asset {
    vod: Vod,
    /// `None` for what there is not, such as a playlist of the I-frames of sound.
    manifests: HashMap<VodPart, OnceLock<Option<Text>>>,
}

impl Asset {
    fn new(vod: Vod) -> Self {
        let names = vod.presentation().renditions.iter().map(|rendition| &rendition.name);
        let parts = names.flat_map(|name| [VodPart::MediaPlaylist(name.clone()), VodPart::IFramePlaylist(name.clone())]);
        let parts = parts.chain([VodPart::MultivariantPlaylist, VodPart::Mpd]);
        Self { manifests: parts.map(|part| (part, OnceLock::new())).collect(), vod }
    }

    /// The presentation.
    pub fn vod(&self) -> &Vod {
        &self.vod
    }

    /// A playlist or the MPD; `None` for what there is not.
    pub fn manifest(&self, part: &VodPart) -> Option<&Text> {
        let write = || match part {
            VodPart::MultivariantPlaylist => Some(self.vod.multivariant_playlist()),
            VodPart::Mpd => Some(self.vod.mpd()),
            VodPart::MediaPlaylist(name) => self.vod.media_playlist(name).ok(),
            VodPart::IFramePlaylist(name) => self.vod.i_frame_playlist(name).ok(),
            VodPart::Header(_) | VodPart::Segment(..) => None,
        };
        self.manifests.get(part)?.get_or_init(|| write().map(Text::new)).as_ref()
    }
}

#[derive(Clone)]
struct Memory;

impl Weighter<Key, Arc<Known>> for Memory {
    fn weight(&self, _: &Key, known: &Arc<Known>) -> u64 {
        /// The entry itself, its key, and the manifests of a short file.
        const LEAST: usize = 8 << 10;
        // Manifests are kept as they are and compressed, which takes less than half as much again.
        LEAST as u64 + known.as_ref().as_ref().map_or(0, |asset| (asset.vod.memory() + asset.vod.text_length() * 3 / 2) as u64)
    }
}

/// The files that are served.
pub struct Assets {
    /// The folder, which no path can leave: each step is resolved beneath it, symbolic links included.
    root: Option<(Dir, PathBuf)>,
    indexes: Cache<Key, Arc<Known>, Memory>,
}

impl Assets {
    /// Opens the folder.
    pub fn open(folder: Option<&Path>) -> io::Result<Self> {
        let root =
            folder.map(|folder| Ok::<_, io::Error>((Dir::open_ambient_dir(folder, ambient_authority())?, folder.into()))).transpose()?;
        Ok(Self { root, indexes: Cache::with_weighter(1024, INDEX_MEMORY, Memory) })
    }

    /// The folder, open, and where it is.
    pub fn root(&self) -> Option<(&Dir, &Path)> {
        self.root.as_ref().map(|(dir, path)| (dir, path.as_path()))
    }

    /// Opens a file. Anything but a regular file is not found.
    pub fn file(&self, path: &AssetPath) -> io::Result<SourceFile> {
        let (dir, _) = self.root.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let mut options = OpenOptions::new();
        // A pipe must not hold up who opens it; to a regular file the flag is nothing.
        options.read(true).custom_flags(i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0));
        SourceFile::new(dir.open_with(path.to_path(), &options)?.into_std())
    }

    /// Opens the files of an asset, in the order of its inputs, and finds its index, which is read if this version of it is not known.
    /// Whoever asks for it meanwhile waits.
    pub fn asset(&self, path: &AssetPath) -> io::Result<(Vec<SourceFile>, Arc<Known>)> {
        let source = self.file(path)?;
        let key = (path.clone(), source.identity());
        let known = self.indexes.get_or_insert_with(&key, || {
            let movie = source.read_movie()?;
            let vod = movie.and_then(|movie| Vod::new(vec![movie], &Options::default()));
            Ok::<_, io::Error>(Arc::new(vod.map(Asset::new)))
        })?;
        Ok((vec![source], known))
    }
}
