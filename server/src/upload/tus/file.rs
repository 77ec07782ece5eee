//! A file that comes from its first byte to its last: what is kept of it, and how bytes get to the disk.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
};

use super::fields::{bad, file_name};
use crate::upload::{
    error::{Refusal, Result},
    owner::Owner,
    record::{self, Record},
    row::{self, Concat, Row},
    store::{Uploads, new_id, random},
};

/// Milliseconds aimed at for the segments that a whole file is played by.
const SEGMENT: u64 = 4000;

/// A file, opened by whoever has its turn. All that it does may wait for the disk.
#[derive(Debug)]
pub struct Partial {
    /// In its URL.
    pub name: String,
    /// What is kept of it.
    pub row: Row,
    /// On the disk.
    pub file: File,
    /// How many bytes are there.
    pub offset: u64,
}

impl Partial {
    /// Begins one of `length` bytes.
    pub fn create(uploads: &Uploads, length: u64, metadata: String, concat: Concat, owner: Owner) -> Result<Self> {
        let most = uploads.limits().file;
        if length > most {
            return Err(Refusal::too_large(format!("files of up to {most} bytes are taken")));
        }
        uploads.room(length)?;
        uploads.count(&owner)?;
        let row = Row { asset: new_id()?, length, metadata, concat, unverified: None, owner: owner.0 };
        let name = random()?;
        let path = uploads.path(&row.asset);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        let made = Self { name, row, file, offset: 0 };
        if let Err(refusal) = uploads.sync_folder().and_then(|()| made.save(uploads)) {
            fs::remove_file(path).ok();
            return Err(refusal);
        }
        Ok(made)
    }

    /// Opens one. Bytes that were never compared with their checksum are gone.
    pub fn open(uploads: &Uploads, name: &str) -> Result<Self> {
        let row = row::find(uploads.catalogue(), name)?.ok_or_else(Refusal::not_found)?;
        let file = match OpenOptions::new().read(true).write(true).open(uploads.path(&row.asset)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Refusal::not_found()),
            opened => opened?,
        };
        let offset = file.metadata()?.len();
        let mut opened = Self { name: name.to_owned(), row, file, offset };
        if let Some(verified) = opened.row.unverified {
            opened.cut(verified)?;
            opened.row.unverified = None;
            opened.save(uploads)?;
        }
        Ok(opened)
    }

    /// Whether all of its bytes are there.
    pub fn is_whole(&self) -> bool {
        self.offset == self.row.length
    }

    /// When it is given up, if nothing more comes: `Upload-Expires`.
    pub fn expires(&self, uploads: &Uploads) -> Result<String> {
        let at = self.file.metadata()?.modified()?.checked_add(uploads.limits().expiry);
        Ok(at.map(httpdate::fmt_http_date).unwrap_or_default())
    }

    /// Puts bytes behind those that are there.
    pub fn append(&mut self, uploads: &Uploads, bytes: &[u8]) -> Result<()> {
        uploads.room(bytes.len() as u64)?;
        self.file.write_all_at(bytes, self.offset)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Takes away what is behind `offset`.
    pub fn cut(&mut self, offset: u64) -> Result<()> {
        self.file.set_len(offset)?;
        self.offset = offset;
        Ok(())
    }

    /// What comes next is compared with its checksum in the end, or not.
    pub fn verify_from(&mut self, uploads: &Uploads, offset: Option<u64>) -> Result<()> {
        self.row.unverified = offset;
        self.save(uploads)
    }

    /// Once this is done, what is there is on the disk; all of it is an asset then. What is no video is refused, and forgotten.
    pub fn settle(&self, uploads: &Uploads) -> Result<()> {
        self.file.sync_all()?;
        if !self.is_whole() || self.row.concat == Concat::Partial || record::find(uploads.catalogue(), &self.row.asset)?.is_some() {
            return Ok(());
        }
        let record = Record {
            key: format!("file {}", self.name),
            token: random()?,
            segment: SEGMENT,
            name: file_name(&self.row.metadata),
            whole: true,
            owner: self.row.owner.clone(),
        };
        uploads.try_open(&self.row.asset, record.clone(), Vec::new()).inspect_err(|refusal| {
            if refusal.0.is_client_error() {
                self.remove(uploads).ok();
            }
        })?;
        record::insert(uploads.catalogue(), &self.row.asset, &record)?;
        uploads.complete(&self.row.asset);
        Ok(())
    }

    /// Makes one of others that are whole.
    pub fn join(uploads: &Uploads, paths: String, metadata: String, owner: Owner) -> Result<Self> {
        let mut parts = Vec::new();
        for path in paths.split_ascii_whitespace() {
            let name = path.rsplit('/').next().unwrap_or_default();
            let part = Self::open(uploads, name)?;
            if part.row.concat != Concat::Partial || !part.is_whole() {
                return Err(bad(&format!("{path} is no part, or is not all there")));
            }
            parts.push(part);
        }
        let length = parts.iter().map(|part| part.row.length).fold(0, u64::saturating_add);
        let mut joined = Self::create(uploads, length, metadata, Concat::Final(paths), owner)?;
        let copied = parts.iter_mut().try_for_each(|part| io::copy(&mut part.file, &mut joined.file).map(drop));
        if let Err(error) = copied {
            joined.remove(uploads)?;
            return Err(error.into());
        }
        joined.offset = length;
        joined.settle(uploads)?;
        Ok(joined)
    }

    /// Gives it up, and the asset that it has become.
    pub fn remove(&self, uploads: &Uploads) -> Result<()> {
        row::remove(uploads.catalogue(), &self.name)?;
        match uploads.find(&self.row.asset) {
            Ok(upload) => uploads.remove(&upload),
            Err(_) => Ok(fs::remove_file(uploads.path(&self.row.asset))?),
        }
    }

    fn save(&self, uploads: &Uploads) -> Result<()> {
        Ok(row::insert(uploads.catalogue(), &self.name, &self.row)?)
    }
}
