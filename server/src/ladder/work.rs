//! The folder of a ladder: what in it is whole, and how something that is being made becomes a part of it.
//!
//! ```text
//! DIR/720p-h264.mp4, subtitles.de.vtt, images/poster.jpg ...   what is whole
//! DIR/.ladder/state.json                                       what was made, by which settings, with a digest of each file
//! DIR/.ladder/lock                                             held while a ladder is made
//! DIR/.ladder/making/                                          where ffmpeg runs: a link to the source, and what is not whole
//! ```

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io::{self, ErrorKind::NotFound, Read},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::{LadderError, command::LINK, error::at};
use crate::storage::Identity;

/// The folder for what is not for players; hidden, so that it is not served.
const HIDDEN: &str = ".ladder";

/// The largest state that is read, in bytes.
const STATE: u64 = 4 << 20;

/// The folder of a ladder, ours while this lives.
#[derive(Debug)]
pub struct Work {
    folder: PathBuf,
    /// Whether we made it, so that we take it away where nothing comes of it.
    made: bool,
    state: State,
    _lock: File,
}

/// What a folder holds of a ladder.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    /// The source, by its size and the time of its last change.
    source: Option<(u64, String)>,
    /// Where key frames are.
    key_frames: Option<String>,
    products: BTreeMap<String, Made>,
}

/// A product that was made whole.
#[derive(Debug, Serialize, Deserialize)]
struct Made {
    settings: String,
    files: Vec<MadeFile>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct MadeFile {
    /// Where it is in the folder.
    path: String,
    size: u64,
    sha256: String,
}

impl Work {
    /// Opens the folder, which is made if it does not exist, and keeps others from making a ladder there. What was not finished last time
    /// is removed; a link leads to the source at `source`.
    pub fn open(folder: &Path, source: &Path) -> Result<Self, LadderError> {
        let made = !folder.exists();
        let hidden = folder.join(HIDDEN);
        fs::create_dir_all(&hidden).map_err(at(folder))?;
        let path = hidden.join("lock");
        let lock = File::create(&path).map_err(at(&path))?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(LadderError::Busy(folder.into())),
            Err(TryLockError::Error(error)) => return Err(at(&path)(error)),
            Ok(()) => {}
        }
        let state = read_state(&hidden.join("state.json"))?;
        let work = Self { folder: folder.into(), made, state, _lock: lock };
        work.clear()?;
        let making = work.making();
        fs::create_dir(&making).map_err(at(&making))?;
        let source = fs::canonicalize(source).map_err(at(source))?;
        symlink(&source, making.join(LINK)).map_err(at(&making))?;
        Ok(work)
    }

    /// Where ffmpeg runs.
    pub fn making(&self) -> PathBuf {
        self.folder.join(HIDDEN).join("making")
    }

    /// Where the file of a product is, once it is whole.
    pub fn place(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// Sees to it that what the folder holds goes together with a ladder of this source with such key frames.
    pub fn agree(&mut self, source: Identity, key_frames: &str) -> Result<(), LadderError> {
        let source = (source.size, source.modified.to_string());
        let name = self.folder.display();
        if !self.state.products.is_empty() {
            if self.state.source.as_ref() != Some(&source) {
                let message =
                    format!("{name}: it holds a ladder of another source, or of another version of it: name another folder, or remove it");
                return Err(LadderError::Source(message));
            }
            if let Some(there) = self.state.key_frames.as_ref().filter(|there| *there != key_frames) {
                let message = format!(
                    "{name}: its rungs have key frames {there}, these would have them {key_frames}, and players could not switch: name another folder, or remove it"
                );
                return Err(LadderError::Source(message));
            }
        }
        self.state.source = Some(source);
        self.state.key_frames = Some(key_frames.into());
        Ok(())
    }

    /// Whether a product was made by these settings and is still as it was made: every byte is read.
    pub fn is_whole(&self, product: &str, settings: &str) -> bool {
        self.state.products.get(product).is_some_and(|made| {
            made.settings == settings && made.files.iter().all(|file| describe(&self.folder, &file.path).is_ok_and(|found| found == *file))
        })
    }

    /// The files of what was made that are there, but for the products that are named.
    pub fn others(&self, products: &[&str]) -> Vec<String> {
        let others = self.state.products.iter().filter(|(name, _)| !products.contains(&name.as_str()));
        others.flat_map(|(_, made)| &made.files).map(|file| file.path.clone()).filter(|path| self.place(path).is_file()).collect()
    }

    /// Puts the files of a product in place, each from what it was called while it was made to where it belongs; what the product had
    /// before and has no more is removed.
    pub fn finish(&mut self, product: &str, settings: &str, files: &[(String, String)]) -> Result<(), LadderError> {
        let making = self.making();
        for (from, _) in files {
            let path = making.join(from);
            File::open(&path).and_then(|file| file.sync_all()).map_err(at(&path))?;
        }
        let before = self.state.products.remove(product).map(|made| made.files).unwrap_or_default();
        // Until all is in place, what is there counts for nothing.
        self.save()?;
        for file in before.iter().filter(|file| !files.iter().any(|(_, to)| *to == file.path)) {
            remove(&self.place(&file.path))?;
        }
        let mut made = Vec::new();
        for (from, to) in files {
            let place = self.place(to);
            if let Some(parent) = place.parent() {
                fs::create_dir_all(parent).map_err(at(parent))?;
            }
            fs::rename(making.join(from), &place).map_err(at(&place))?;
            made.push(describe(&self.folder, to).map_err(at(&place))?);
        }
        self.state.products.insert(product.into(), Made { settings: settings.into(), files: made });
        self.save()
    }

    fn save(&self) -> Result<(), LadderError> {
        let hidden = self.folder.join(HIDDEN);
        let (partial, whole) = (hidden.join("state.partial"), hidden.join("state.json"));
        let written = serde_json::to_vec_pretty(&self.state).map_err(io::Error::from).and_then(|text| {
            fs::write(&partial, text)?;
            File::open(&partial)?.sync_all()?;
            fs::rename(&partial, &whole)
        });
        written.map_err(at(&whole))
    }

    /// Removes what is not whole.
    fn clear(&self) -> Result<(), LadderError> {
        let making = self.making();
        match fs::remove_dir_all(&making) {
            Err(error) if error.kind() != NotFound => Err(at(&making)(error)),
            _ => Ok(()),
        }
    }
}

impl Drop for Work {
    /// Nothing half-made is left; a folder that holds nothing goes too, if it was made for this.
    fn drop(&mut self) {
        let _ = self.clear();
        if self.state.products.is_empty() {
            let _ = fs::remove_dir_all(self.folder.join(HIDDEN));
            if self.made {
                let _ = fs::remove_dir(&self.folder);
            }
        }
    }
}

/// The state, if there is one that can be read: without it everything is made again.
fn read_state(path: &Path) -> Result<State, LadderError> {
    let mut text = Vec::new();
    match File::open(path).and_then(|file| file.take(STATE).read_to_end(&mut text)) {
        Err(error) if error.kind() == NotFound => Ok(State::default()),
        Err(error) => Err(at(path)(error)),
        Ok(_) => Ok(serde_json::from_slice(&text).unwrap_or_default()),
    }
}

/// Size and digest of a file in the folder.
fn describe(folder: &Path, path: &str) -> io::Result<MadeFile> {
    let (mut file, mut context, mut window) = (File::open(folder.join(path))?, Context::new(&SHA256), vec![0; 1 << 18]);
    let mut size = 0;
    loop {
        let count = file.read(&mut window)?;
        if count == 0 {
            return Ok(MadeFile { path: path.into(), size, sha256: HEXLOWER.encode(context.finish().as_ref()) });
        }
        context.update(window.get(..count).unwrap_or_default());
        size += count as u64;
    }
}

fn remove(path: &Path) -> Result<(), LadderError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(size: u64) -> Identity {
        Identity { size, inode: (1, 1), modified: 7 }
    }

    #[test]
    fn what_is_whole_is_known_by_settings_and_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (source, out) = (folder.path().join("source.mkv"), folder.path().join("out"));
        fs::write(&source, "film").unwrap();
        let files = [("0.mp4".to_owned(), "720p.mp4".to_owned())];
        let mut work = Work::open(&out, &source).unwrap();
        assert_eq!(fs::read(work.making().join(LINK)).unwrap(), b"film");
        work.agree(identity(4), "every 50 frames").unwrap();
        fs::write(work.making().join("0.mp4"), "rung").unwrap();
        assert!(!work.is_whole("720p.mp4", "a"));
        work.finish("720p.mp4", "a", &files).unwrap();
        assert!(work.is_whole("720p.mp4", "a") && !work.is_whole("720p.mp4", "b"));
        assert!(matches!(Work::open(&out, &source), Err(LadderError::Busy(_))));
        drop(work);
        assert!(!out.join(".ladder/making").exists());

        let mut work = Work::open(&out, &source).unwrap();
        assert!(work.is_whole("720p.mp4", "a"));
        assert!(work.agree(identity(4), "every 48 frames").is_err() && work.agree(identity(5), "every 50 frames").is_err());
        fs::write(out.join("720p.mp4"), "gnur").unwrap();
        assert!(!work.is_whole("720p.mp4", "a"), "as long, and other bytes");
        fs::remove_file(out.join("720p.mp4")).unwrap();
        assert!(!work.is_whole("720p.mp4", "a"));
    }

    #[test]
    fn nothing_half_made_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let (source, out) = (folder.path().join("source.mkv"), folder.path().join("out"));
        fs::write(&source, "film").unwrap();
        let work = Work::open(&out, &source).unwrap();
        fs::write(work.making().join("0.mp4"), "half").unwrap();
        drop(work);
        assert!(!out.exists());
        // What was killed is found and removed by whoever comes next; what others have put there stays.
        fs::create_dir_all(out.join(".ladder/making")).unwrap();
        fs::write(out.join(".ladder/making/0.mp4"), "half").unwrap();
        fs::write(out.join("notes.txt"), "mine").unwrap();
        drop(Work::open(&out, &source).unwrap());
        assert!(out.join("notes.txt").exists() && !out.join(".ladder").exists());
    }

    #[test]
    fn a_state_that_cannot_be_read_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let (source, out) = (folder.path().join("source.mkv"), folder.path().join("out"));
        fs::write(&source, "film").unwrap();
        fs::create_dir_all(out.join(".ladder")).unwrap();
        fs::write(out.join(".ladder/state.json"), "{\"products\": 3").unwrap();
        let work = Work::open(&out, &source).unwrap();
        assert!(!work.is_whole("720p.mp4", "a"));
    }
}
