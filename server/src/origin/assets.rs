//! The media folder, and the indexes of what in it was asked for last: of a file, or of a folder whose files are one title.

use std::{
    collections::HashMap,
    fs::File,
    io::{
        self,
        ErrorKind::{InvalidInput, NotFound, PermissionDenied},
    },
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use cap_std::{
    ambient_authority,
    fs::{Dir, OpenOptions, OpenOptionsExt},
};
use data_encoding::HEXLOWER;
use quick_cache::{Weighter, sync::Cache};
use reelway_core::{Options, Vod, demux::chapters::Chapter, protection::Scheme};
use ring::digest::{SHA256, digest};

use crate::{
    content_key::MediaKeys,
    http::{AssetPath, Text, VodPart},
    storage::{Hot, Identity, SourceFile, is_media, is_text},
};

use super::{encryption::AssetKeys, texts::Texts};

/// Memory for indexes, in bytes: about a hundred films of two hours, or thousands of clips.
const INDEX_MEMORY: u64 = 128 << 20;

/// The most files of a title. A folder that holds more of them is a part of a library, not a title.
pub const MOST_FILES: usize = 64;

/// A version of an asset: that of each of its files, and what it is encrypted with.
type Key = (AssetPath, Vec<Identity>, Option<(u8, String)>);

/// What is known of a version of an asset: its presentation, or why it has none.
pub type Known = Result<Asset, String>;

/// The open files of an asset: those of media by name, then the texts beside them by name. A text that cannot be read is no input, so that
/// numbers of inputs are those of files of media at least; of texts nothing is read later.
pub struct Sources(Vec<SourceFile>);

impl Sources {
    fn identities(&self) -> Vec<Identity> {
        self.0.iter().map(SourceFile::identity).collect()
    }

    /// A strong validator for what is made from the files: another when one of them changes, comes or goes.
    pub fn etag(&self) -> String {
        let tags: Vec<String> = self.0.iter().map(|source| source.identity().etag()).collect();
        match tags.as_slice() {
            [tag] => tag.clone(),
            tags => HEXLOWER.encode(digest(&SHA256, tags.join(" ").as_bytes()).as_ref().get(..16).unwrap_or_default()),
        }
    }

    /// Seconds since 1970 of the last change of a file.
    pub fn latest_change(&self) -> u64 {
        self.0.iter().map(|source| source.identity().modified_seconds()).max().unwrap_or(0)
    }

    /// The same as a validator. There is none of several files: when one goes, what is left changed before.
    pub fn modified(&self) -> Option<u64> {
        (self.0.len() == 1).then(|| self.latest_change())
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.0.iter().map(|source| source.identity().size).sum()
    }

    /// The file of an input.
    pub fn take(self, input: usize) -> Option<SourceFile> {
        self.0.into_iter().nth(input)
    }
}

/// One or several files as a presentation. Manifests are written once, compressed once, and shared by all who ask.
pub struct Asset {
    vod: Vod,
    key: Option<MediaKeys>,
    /// `None` for what there is not, such as a playlist of the I-frames of sound.
    manifests: HashMap<VodPart, OnceLock<Option<Text>>>,
    /// Read when somebody wants them.
    chapters: OnceLock<Vec<Chapter>>,
}

impl Asset {
    fn new(vod: Vod, key: Option<MediaKeys>) -> Self {
        let names = vod.presentation().renditions.iter().map(|rendition| &rendition.name);
        let parts = names.flat_map(|name| [VodPart::MediaPlaylist(name.clone()), VodPart::IFramePlaylist(name.clone())]);
        let parts = parts.chain([VodPart::MultivariantPlaylist, VodPart::Mpd]);
        Self { manifests: parts.map(|part| (part, OnceLock::new())).collect(), vod, key, chapters: OnceLock::new() }
    }

    /// The presentation.
    pub fn vod(&self) -> &Vod {
        &self.vod
    }

    /// What it is encrypted with, if it is.
    pub fn key(&self) -> Option<&MediaKeys> {
        self.key.as_ref()
    }

    /// Its chapters: those of the first of its files, `sources`, that has any.
    pub fn chapters(&self, sources: &Sources) -> &[Chapter] {
        let read = |source: &SourceFile| source.read_chapters().ok().filter(|chapters| !chapters.is_empty());
        self.chapters.get_or_init(|| sources.0.iter().find_map(read).unwrap_or_default())
    }

    /// A playlist or the MPD; `None` for what there is not.
    pub fn manifest(&self, part: &VodPart) -> Option<&Text> {
        let write = || match part {
            VodPart::MultivariantPlaylist => Some(self.vod.multivariant_playlist()),
            // DASH has no segments that are encrypted whole.
            VodPart::Mpd if self.key.as_ref().is_some_and(|key| key.scheme == Scheme::Aes128) => None,
            VodPart::Mpd => Some(self.vod.mpd()),
            VodPart::MediaPlaylist(name) => self.vod.media_playlist(name).ok(),
            VodPart::IFramePlaylist(name) => self.vod.i_frame_playlist(name).ok(),
            _ => None,
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
    /// The folder of recordings, which are assets below `live`.
    recordings: Option<PathBuf>,
    /// The folder of the ladders of uploads, each below the name of its upload.
    pub ladders: Option<PathBuf>,
    indexes: Cache<Key, Arc<Known>, Memory>,
    hot: Arc<Hot>,
    texts: Texts,
    keys: AssetKeys,
    /// How often an index was asked for, and how often it had to be read.
    asked: AtomicU64,
    read: AtomicU64,
}

impl Assets {
    /// Opens the folder.
    pub fn open(folder: Option<&Path>) -> io::Result<Self> {
        let root =
            folder.map(|folder| Ok::<_, io::Error>((Dir::open_ambient_dir(folder, ambient_authority())?, folder.into()))).transpose()?;
        Ok(Self {
            root,
            recordings: None,
            ladders: None,
            indexes: Cache::with_weighter(1024, INDEX_MEMORY, Memory),
            hot: Arc::default(),
            texts: Texts::new(),
            keys: AssetKeys::default(),
            asked: AtomicU64::new(0),
            read: AtomicU64::new(0),
        })
    }

    /// The same, with the recordings below `folder`, which need not exist yet.
    pub fn with_recordings(self, folder: PathBuf) -> Self {
        Self { recordings: Some(folder), ..self }
    }

    /// The same, encrypted where `keys` say so.
    pub fn with_keys(self, keys: AssetKeys) -> Self {
        Self { keys, ..self }
    }

    /// Which of them are encrypted.
    pub fn keys(&self) -> &AssetKeys {
        &self.keys
    }

    /// The folder, open, and where it is.
    pub fn root(&self) -> Option<(&Dir, &Path)> {
        self.root.as_ref().map(|(dir, path)| (dir, path.as_path()))
    }

    /// How often an index was found in memory, and how often it had to be read.
    pub fn index_cache(&self) -> (u64, u64) {
        let read = self.read.load(Relaxed);
        (self.asked.load(Relaxed).saturating_sub(read), read)
    }

    /// Opens a file. Anything but a regular file is not found.
    pub fn file(&self, path: &AssetPath) -> io::Result<SourceFile> {
        let mut options = OpenOptions::new();
        // A pipe must not hold up who opens it; to a regular file the flag is nothing.
        options.read(true).custom_flags(i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0));
        self.within(path, |dir, path| Ok(SourceFile::new(dir.open_with(path, &options)?.into_std())?.kept_in(&self.hot)))
    }

    /// The same if it can be had without waiting for a disk: `None` where the system must look there for a name, or where there is no such
    /// file, which [`file`](Self::file) then tells.
    pub fn file_at_hand(&self, path: &AssetPath) -> Option<SourceFile> {
        if self.elsewhere(path).is_some() {
            return None;
        }
        Some(SourceFile::new(open_at_hand(self.root()?.0, &path.to_path())?).ok()?.kept_in(&self.hot))
    }

    /// The folder outside that of the media that `path` leads into, and the path within it.
    fn elsewhere(&self, path: &AssetPath) -> Option<(&Path, AssetPath)> {
        let recording = self.recordings.as_deref().zip(path.below("live"));
        recording.or_else(|| self.ladders.as_deref().filter(|_| path.is_upload()).map(|folder| (folder, path.clone())))
    }

    /// Does `work` in the folder that `path` is in: that of recordings or ladders, if it is there, else that of the media.
    fn within<T>(&self, path: &AssetPath, work: impl Fn(&Dir, &Path) -> io::Result<T>) -> io::Result<T> {
        if let Some((folder, rest)) = self.elsewhere(path)
            && let Ok(dir) = Dir::open_ambient_dir(folder, ambient_authority())
        {
            match work(&dir, &rest.to_path()) {
                Err(error) if error.kind() == NotFound => {}
                found => return found,
            }
        }
        let (dir, _) = self.root.as_ref().ok_or(NotFound)?;
        work(dir, &path.to_path())
    }

    /// Opens the files of an asset and finds its index, which is read if this version of it is not known. Whoever asks for it meanwhile
    /// waits.
    pub fn asset(&self, path: &AssetPath) -> io::Result<(Sources, Arc<Known>)> {
        let (sources, names) = match self.file(path) {
            Err(error) if error.kind() == InvalidInput => self.title(path)?,
            source => {
                let (mut sources, mut names) = (vec![source?], vec![String::new()]);
                self.open_each(self.texts_beside(path)?, &mut sources, &mut names)?;
                (Sources(sources), names)
            }
        };
        let encrypted = self.keys.of(path, || sources.etag())?;
        self.asked.fetch_add(1, Relaxed);
        let known = self.indexes.get_or_insert_with(&key(path, &sources, encrypted.as_ref()), || {
            self.read.fetch_add(1, Relaxed);
            read(&sources, names, path, encrypted).map(Arc::new)
        })?;
        Ok((sources, known))
    }

    /// The same for a file that is not encrypted, can be had without waiting for a disk, and whose index is known.
    pub fn asset_at_hand(&self, path: &AssetPath) -> Option<(Sources, Arc<Known>)> {
        if self.keys.is_encrypted(path) {
            return None;
        }
        let mut sources = vec![self.file_at_hand(path)?];
        let names = self.texts.at_hand(self.root()?.0, path.parent().as_ref(), path.file_name())?;
        for text in beside(path, &names) {
            sources.push(self.file_at_hand(&text)?);
        }
        let sources = Sources(sources);
        let known = self.indexes.get(&key(path, &sources, None))?;
        self.asked.fetch_add(1, Relaxed);
        Some((sources, known))
    }

    /// The texts beside a file of media that are called like it.
    pub fn texts_beside(&self, path: &AssetPath) -> io::Result<Vec<AssetPath>> {
        let (root, _) = self.root().ok_or(NotFound)?;
        let names = self.texts.of(root, path.parent().as_ref(), path.file_name())?;
        Ok(beside(path, &names).collect())
    }

    /// Opens the files of media and text that are directly in a folder, by name. Hidden ones and those of folders in it do not belong to the
    /// title.
    fn title(&self, path: &AssetPath) -> io::Result<(Sources, Vec<String>)> {
        let folder = self.within(path, |dir, path| dir.open_dir(path))?;
        let (mut media, mut texts) = (Vec::new(), Vec::new());
        for entry in folder.entries()? {
            let Ok(name) = entry?.file_name().into_string() else { continue };
            let kind = if is_media(&name) { &mut media } else { &mut texts };
            kind.extend(path.join(&name).filter(|_| is_media(&name) || is_text(&name)));
            if media.len() > MOST_FILES || texts.len() > MOST_FILES {
                return Err(NotFound.into());
            }
        }
        let (mut sources, mut names) = (Vec::new(), Vec::new());
        media.sort();
        self.open_each(media, &mut sources, &mut names)?;
        if sources.is_empty() {
            return Err(NotFound.into());
        }
        texts.sort();
        self.open_each(texts, &mut sources, &mut names)?;
        Ok((Sources(sources), names))
    }

    /// Opens files. A folder that is called like a file, or what may not be read or leads nowhere, is passed over: the library does not list
    /// it either.
    fn open_each(&self, files: Vec<AssetPath>, sources: &mut Vec<SourceFile>, names: &mut Vec<String>) -> io::Result<()> {
        for file in files {
            match self.file(&file) {
                Err(error) if matches!(error.kind(), InvalidInput | NotFound | PermissionDenied) => {}
                source => {
                    sources.push(source?);
                    names.push(file.file_name().to_owned());
                }
            }
        }
        Ok(())
    }
}

fn key(path: &AssetPath, sources: &Sources, encrypted: Option<&MediaKeys>) -> Key {
    (path.clone(), sources.identities(), encrypted.map(|key| (key.scheme as u8, key.name())))
}

/// The paths of what is called `names` and stands beside `path`.
fn beside(path: &AssetPath, names: &[String]) -> impl Iterator<Item = AssetPath> {
    let folder = path.parent();
    names
        .iter()
        .filter_map(move |name| folder.as_ref().map_or_else(|| AssetPath::from_relative(Path::new(name)), |folder| folder.join(name)))
}

/// Opens a file below `root` if all that its path names is in memory.
#[cfg(target_os = "linux")]
fn open_at_hand(root: &Dir, path: &Path) -> Option<File> {
    use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::CACHED;
    openat2(root, path, flags, Mode::empty(), resolve).ok().map(File::from)
}

/// Other systems do not tell.
#[cfg(not(target_os = "linux"))]
fn open_at_hand(_: &Dir, _: &Path) -> Option<File> {
    None
}

/// Reads the indexes of files, which messages call `names`, and makes one presentation of them. A text that cannot be read is left out.
fn read(sources: &Sources, names: Vec<String>, path: &AssetPath, key: Option<MediaKeys>) -> io::Result<Known> {
    let mut movies = Vec::with_capacity(names.len());
    for (source, name) in sources.0.iter().zip(names) {
        match source.read_input(&name)? {
            Ok(mut movie) => {
                movie.name = name;
                movies.push(movie);
            }
            // The title plays without it.
            Err(error) if is_text(&name) => tracing::warn!(name, %error, "a file of text is left out"),
            Err(error) if name.is_empty() => return Ok(Err(error.to_string())),
            Err(error) => return Ok(Err(format!("{name}: {error}"))),
        }
    }
    let encryption = key.as_ref().map(|key| key.encryption(&format!("/vod/{}", path.url()))).transpose();
    // Here key frames cost nothing twice.
    let vod =
        encryption.and_then(|encryption| Vod::new(movies, &Options { encryption, ..Options::default() })).and_then(Vod::with_trick_modes);
    Ok(vod.map(|vod| Asset::new(vod, key)).map_err(|error| error.to_string()))
}
