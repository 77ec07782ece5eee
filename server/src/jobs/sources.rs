//! What ladders are made of, and where they go: files of the media folder, and uploads that are whole.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::Refusal;
use crate::{http::AssetPath, upload::Uploads};

/// What ladders are made of.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The media folder, from the root.
    media: Option<PathBuf>,
    uploads: Option<Arc<Uploads>>,
}

/// What one ladder is made of, and where it goes.
#[derive(Debug)]
pub struct Place {
    /// The file.
    pub source: PathBuf,
    /// The asset that plays it, as it is told.
    pub output: String,
    /// Where it is made.
    pub folder: PathBuf,
    /// Where it goes when all of it is whole. `None`: each rung is in its place as soon as it is whole.
    whole: Option<PathBuf>,
}

impl Sources {
    /// The files below `media`, and these uploads.
    pub fn new(media: Option<&Path>, uploads: Option<Arc<Uploads>>) -> io::Result<Self> {
        Ok(Self { media: media.map(Path::canonicalize).transpose()?, uploads })
    }

    /// Where the ladder of `asset` goes.
    pub fn place(&self, asset: &str) -> Result<Place, Refusal> {
        let path = AssetPath::from_relative(Path::new(asset)).ok_or(Refusal::NoAsset)?;
        let uploads = self.uploads.as_ref().filter(|_| path.is_upload());
        if let Some((source, folder)) = uploads.and_then(|uploads| Some((uploads.whole(asset)?, uploads.ladder(asset)))) {
            let making = folder.with_file_name(".making");
            return Ok(Place { source, output: asset.to_owned(), folder: making, whole: Some(folder) });
        }
        let media = self.media.as_ref().ok_or(Refusal::NoAsset)?;
        let source = media.join(path.to_path()).canonicalize().map_err(|_| Refusal::NoAsset)?;
        if !source.starts_with(media) || !source.is_file() {
            return Err(Refusal::NoAsset);
        }
        let output = output_of(&path);
        Ok(Place { source, folder: media.join(&output), output, whole: None })
    }

    /// A text without the folders that are nobody's business: with paths as clients know them.
    pub fn told(&self, text: &str) -> String {
        let folders = self.media.iter().map(PathBuf::as_path).chain(self.uploads.iter().flat_map(|uploads| uploads.folders()));
        folders.fold(text.to_owned(), |text, folder| text.replace(&format!("{}/", folder.display()), ""))
    }
}

impl Place {
    /// Refuses what stands in its way: a ladder that is whole, or what is no ladder to go on with.
    pub fn check(&self) -> Result<(), Refusal> {
        if let Some(whole) = &self.whole {
            return if whole.exists() { Err(Refusal::Made(self.output.clone())) } else { Ok(()) };
        }
        let is_ladder = || self.folder.join(".ladder").is_dir() || self.folder.read_dir().is_ok_and(|mut entries| entries.next().is_none());
        if self.folder.exists() && !is_ladder() { Err(Refusal::Occupied(self.output.clone())) } else { Ok(()) }
    }

    /// Whether a rung is in its place before all are.
    pub fn grows(&self) -> bool {
        self.whole.is_none()
    }

    /// Puts what is whole in its place. The source may have been given up meanwhile: then nothing is left.
    pub fn finish(&self) -> io::Result<()> {
        let Some(whole) = &self.whole else { return Ok(()) };
        if !self.source.exists() {
            fs::remove_dir_all(&self.folder)?;
            return Err(io::Error::new(io::ErrorKind::NotFound, "the upload was given up meanwhile"));
        }
        fs::rename(&self.folder, whole)?;
        whole.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    }
}

/// The folder of the ladder of a file: beside it, called as it is without its extension.
fn output_of(asset: &AssetPath) -> String {
    let name = asset.file_name();
    let stem = name.rsplit_once('.').map_or("", |(stem, _)| stem);
    let folder = if stem.is_empty() { format!("{name}-ladder") } else { stem.to_owned() };
    asset.parent().map_or(folder.clone(), |parent| format!("{}/{folder}", parent.id()))
}
