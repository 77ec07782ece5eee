//! All uploads: in memory as long as they are in use, on the disk until they expire.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::ErrorKind,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::SystemTime,
};

use data_encoding::HEXLOWER;
use reelway_core::{Options, Vod};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{Semaphore, broadcast};

use super::{
    Limits,
    error::{Refusal, Result},
    index::{Announcement, Planned},
    owner::{Owner, Under},
    record::{self, Received, Record},
    row,
    transfer::Upload,
    turn::Turns,
};
use crate::{
    auth::Playback,
    catalogue::{Catalogue, CatalogueError},
    http::UPLOAD,
    storage::SourceFile,
};

/// The uploads of a data folder.
#[derive(Debug)]
pub struct Uploads {
    folder: PathBuf,
    /// The folder of the ladders that were made of them.
    ladders: PathBuf,
    catalogue: Catalogue,
    limits: RwLock<Limits>,
    /// Those that were asked for last.
    open: Mutex<HashMap<String, Arc<Upload>>>,
    /// KiB of segments and announcements that may be in memory.
    pub(super) memory: Arc<Semaphore>,
    /// Who writes to the files that come as a whole.
    pub(super) turns: Turns,
    completed: broadcast::Sender<String>,
    /// Requests that bring bytes, by owner.
    pub(super) under: Arc<Under>,
    /// Whose tokens count.
    pub(super) tokens: Option<Arc<Playback>>,
}

/// How many that have just become whole are told to whoever is slow.
const TOLD: usize = 64;

/// How many uploads are kept open.
const OPEN: usize = 256;

impl Uploads {
    /// Those in `data`, of which `catalogue` knows.
    pub fn open(data: &Path, catalogue: Catalogue, limits: Limits) -> std::io::Result<Self> {
        let folder = data.join("uploads");
        fs::create_dir_all(&folder)?;
        record::prepare(&catalogue)?;
        row::prepare(&catalogue)?;
        let memory = usize::try_from(limits.memory >> 10).unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS);
        let ladders = data.join("ladders");
        Ok(Self {
            folder,
            ladders,
            catalogue,
            limits: RwLock::new(limits),
            open: Mutex::default(),
            memory: Arc::new(Semaphore::new(memory)),
            turns: Turns::default(),
            completed: broadcast::Sender::new(TOLD),
            under: Arc::default(),
            tokens: None,
        })
    }

    /// The same for owners by the tokens that `tokens` takes, where the configuration asks for them.
    #[must_use]
    pub fn with_tokens(mut self, tokens: Arc<Playback>) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// What one client may take now.
    pub(super) fn limits(&self) -> Limits {
        *self.limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on one client may take as much as `limits` says. What it has stays; how much memory all of them take does not change.
    pub fn adjust(&self, limits: Limits) {
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// The catalogue that knows of them.
    pub(super) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The upload of a file that is announced: the one that is there, or a new one. Tells whether it is new.
    pub fn begin(&self, announcement: Announcement, owner: Owner) -> Result<(Arc<Upload>, bool)> {
        let limits = self.limits();
        if announcement.size > limits.file {
            return Err(Refusal::too_large(format!("files of up to {} bytes are taken", limits.file)));
        }
        let (segment, name, size) = (announcement.segment, announcement.name.chars().take(255).collect(), announcement.size);
        let planned = announcement.plan()?;
        let longest = planned.vod.presentation().renditions.iter().flat_map(|rendition| &rendition.timeline.segments);
        if longest.map(|segment| segment.bytes).max().unwrap_or(0) > limits.segment {
            let most = limits.segment;
            return Err(Refusal::too_large(format!(
                "a segment has more than {most} bytes: key frames are too far apart, or ask for shorter segments"
            )));
        }
        // One at a time, so that two tabs with one file come to the same upload.
        let mut open = self.held();
        if let Some(id) = record::by_key(&self.catalogue, &planned.key)?
            && let Ok(found) = self.find_in(&mut open, &id)
            && owner.is_also(&found.record.owner)
        {
            return Ok((found, false));
        }
        self.count(&owner)?;
        self.room(planned.index.iter().map(|(_, bytes)| bytes.len() as u64).sum())?;
        let id = new_id()?;
        let record = Record { key: planned.key.clone(), token: random()?, segment, name, whole: false, owner: owner.0 };
        let made = self.make(&id, &record, size, planned);
        if made.is_err() {
            fs::remove_file(self.path(&id)).ok();
        }
        let upload = Arc::new(made?);
        keep(&mut open, &upload);
        Ok((upload, true))
    }

    /// Whether the disk has room for so many bytes more. It is asked before they are taken: what fails in the middle of writing may fail
    /// for all, the catalogue above all.
    pub(super) fn room(&self, bytes: u64) -> Result<()> {
        let disk = rustix::fs::statvfs(&self.folder).map_err(std::io::Error::from)?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < bytes.saturating_add(self.limits().reserve) {
            return Err(std::io::Error::from(ErrorKind::StorageFull).into());
        }
        Ok(())
    }

    /// Refuses one more file where there are as many as are kept, of `owner` or of all.
    pub(super) fn count(&self, owner: &Owner) -> Result<()> {
        let is_asset = |asset: &str| record::find(&self.catalogue, asset).is_ok_and(|found| found.is_some());
        let most = self.limits().owned;
        if record::owned(&self.catalogue, &owner.0)? + row::owned(&self.catalogue, &owner.0, is_asset)? >= most {
            return Err(Refusal(
                http::StatusCode::FORBIDDEN,
                format!("{most} files of yours are kept, and no more are taken: remove some"),
            ));
        }
        let most = self.limits().files;
        if fs::read_dir(&self.folder)?.count() >= most {
            return Err(Refusal(http::StatusCode::SERVICE_UNAVAILABLE, format!("{most} uploads are kept, and no more are taken")));
        }
        Ok(())
    }

    fn make(&self, id: &str, record: &Record, size: u64, planned: Planned) -> Result<Upload> {
        let path = self.path(id);
        let writer = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        writer.set_len(size)?;
        for (at, bytes) in &planned.index {
            writer.write_all_at(bytes, *at)?;
        }
        writer.sync_all()?;
        self.sync_folder()?;
        let source = SourceFile::filling(writer.try_clone()?)?;
        record::insert(&self.catalogue, id, record)?;
        Ok(Upload::new(id.to_owned(), record.clone(), planned.vod, source, writer, Vec::new()))
    }

    /// An upload by its identifier.
    pub fn find(&self, id: &str) -> Result<Arc<Upload>> {
        self.find_in(&mut self.held(), id)
    }

    fn find_in(&self, open: &mut HashMap<String, Arc<Upload>>, id: &str) -> Result<Arc<Upload>> {
        if let Some(upload) = open.get(id) {
            return Ok(Arc::clone(upload));
        }
        // It becomes the name of a file.
        let plain = id.strip_prefix(UPLOAD).is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let found = if plain { record::find(&self.catalogue, id)? } else { None };
        let (record, received) = found.ok_or_else(Refusal::not_found)?;
        let upload = Arc::new(self.try_open(id, record, received)?);
        keep(open, &upload);
        Ok(upload)
    }

    /// The names of uploads, as they become whole.
    pub fn completed(&self) -> broadcast::Receiver<String> {
        self.completed.subscribe()
    }

    /// Tells that an upload is whole.
    pub(super) fn complete(&self, id: &str) {
        // Where nobody wants to know it, nobody is told.
        let _ = self.completed.send(id.to_owned());
    }

    /// The names of all that are whole.
    pub fn all_whole(&self) -> Result<Vec<String>> {
        Ok(record::all(&self.catalogue)?.into_iter().filter(|id| self.whole(id).is_some()).collect())
    }

    /// The file of an upload that is whole.
    pub fn whole(&self, id: &str) -> Option<PathBuf> {
        self.find(id).ok().filter(|upload| upload.is_complete()).map(|_| self.path(id))
    }

    /// The folder of the ladder of an upload: if it is there, it is whole.
    pub fn ladder(&self, id: &str) -> PathBuf {
        self.ladders.join(id).join("ladder")
    }

    /// The folders of the uploads and of their ladders.
    pub fn folders(&self) -> [&Path; 2] {
        [&self.folder, &self.ladders]
    }

    /// Plans the file of an upload.
    pub(super) fn try_open(&self, id: &str, record: Record, received: Vec<Received>) -> Result<Upload> {
        let writer = OpenOptions::new().read(true).write(true).open(self.path(id))?;
        let source = SourceFile::filling(writer.try_clone()?)?;
        let movie = source.read_movie()?.map_err(Refusal::content)?;
        let vod = Vod::new(vec![movie], &Options::segments_of(record.segment)).map_err(Refusal::content)?;
        Ok(Upload::new(id.to_owned(), record, vod, source, writer, received))
    }

    /// Gives an upload up, with all that is there of it.
    pub fn remove(&self, upload: &Upload) -> Result<()> {
        let mut open = self.held();
        open.remove(&upload.id);
        record::remove(&self.catalogue, &upload.id, &upload.record.key)?;
        // First the file: whoever makes a ladder of it sees then that nobody wants it.
        fs::remove_file(self.path(&upload.id))?;
        match fs::remove_dir_all(self.ladders.join(&upload.id)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Removes what is not complete and of which nothing came for long, and files that the catalogue does not know.
    pub fn expire(&self, now: SystemTime) -> std::result::Result<(), CatalogueError> {
        let known = record::all(&self.catalogue)?;
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let Ok(id) = entry.file_name().into_string() else { continue };
            let changed = entry.metadata().and_then(|metadata| metadata.modified());
            let age = changed.ok().and_then(|changed| now.duration_since(changed).ok());
            if age.is_none_or(|age| age < self.limits().expiry) {
                continue;
            }
            if known.contains(&id) {
                match self.find(&id) {
                    Ok(upload) if !upload.is_complete() => self.remove(&upload).ok(),
                    _ => None,
                };
            } else {
                fs::remove_file(entry.path()).ok();
            }
        }
        row::retain(&self.catalogue, |asset| self.path(asset).exists())
    }

    /// The file of an upload.
    pub(super) fn path(&self, id: &str) -> PathBuf {
        self.folder.join(id)
    }

    /// Once this is done, the files that were made are there after a loss of power.
    pub(super) fn sync_folder(&self) -> Result<()> {
        Ok(File::open(&self.folder)?.sync_all()?)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Arc<Upload>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps an upload open; where there are too many, one that nobody uses goes.
fn keep(open: &mut HashMap<String, Arc<Upload>>, upload: &Arc<Upload>) {
    if open.len() >= OPEN {
        let idle = open.iter().find(|(_, upload)| Arc::strong_count(upload) == 1).map(|(id, _)| id.clone());
        if let Some(id) = idle {
            open.remove(&id);
        }
    }
    open.insert(upload.id.clone(), Arc::clone(upload));
}

/// The identifier of a new upload.
pub(super) fn new_id() -> Result<String> {
    Ok(format!("{UPLOAD}{}", random()?))
}

/// A name that nobody guesses.
pub(super) fn random() -> Result<String> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| std::io::Error::other("the system has no random numbers"))?;
    Ok(HEXLOWER.encode(&bytes))
}
