//! The catalogue: what the server must still know after it was killed, in one embedded database (redb) in the data folder.
//!
//! Whoever keeps something in it has tables of its own, defined beside the code that uses them and named after it.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use redb::{Database, DatabaseError, ReadTransaction, ReadableDatabase, WriteTransaction};

/// Why the catalogue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// Another process has it.
    #[error("{} is in use by another reelway: end that one, or name another folder with --data", .0.display())]
    InUse(PathBuf),
    /// The file cannot be opened.
    #[error("cannot open {}: {reason}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Reading or writing failed: the disk is full or broken.
    #[error("the catalogue cannot be read or written: {0}")]
    Use(redb::Error),
}

impl<E: Into<redb::Error>> From<E> for CatalogueError {
    fn from(error: E) -> Self {
        Self::Use(error.into())
    }
}

impl From<CatalogueError> for io::Error {
    fn from(error: CatalogueError) -> Self {
        match error {
            // Its kind tells a full disk from a broken one.
            CatalogueError::Use(redb::Error::Io(error)) => error,
            error => Self::other(error),
        }
    }
}

/// Bytes of the catalogue that are kept in memory at most. What is not among them is in the page cache of the system.
pub const CACHE: usize = 16 << 20;

/// The open catalogue; clones are the same one. Every call may wait for the disk.
#[derive(Clone, Debug)]
pub struct Catalogue(Arc<Database>);

impl Catalogue {
    /// Opens `catalogue.redb` in the data folder, which exists; it is made if it is not there. A process opens it once.
    pub fn open(data: &Path) -> Result<Self, CatalogueError> {
        let path = data.join("catalogue.redb");
        match Database::builder().set_cache_size(CACHE).create(&path) {
            Ok(database) => Ok(Self(Arc::new(database))),
            Err(DatabaseError::DatabaseAlreadyOpen) => Err(CatalogueError::InUse(path)),
            Err(error) => Err(CatalogueError::Open { path, reason: error.to_string() }),
        }
    }

    /// Reads one state of the catalogue, whatever is written meanwhile.
    pub fn read<T>(&self, work: impl FnOnce(&ReadTransaction) -> Result<T, CatalogueError>) -> Result<T, CatalogueError> {
        work(&self.0.begin_read()?)
    }

    /// Changes the catalogue: all that `work` did, once it is on the disk; nothing of it where `work` fails. Others that write wait.
    pub fn write<T>(&self, work: impl FnOnce(&WriteTransaction) -> Result<T, CatalogueError>) -> Result<T, CatalogueError> {
        let transaction = self.0.begin_write()?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use redb::TableDefinition;

    use super::*;

    const WORDS: TableDefinition<'_, &str, &str> = TableDefinition::new("test_words");

    #[test]
    fn what_is_written_is_there_after_a_restart_and_what_failed_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let word = |catalogue: &Catalogue, name: &str| {
            catalogue.read(|tx| Ok(tx.open_table(WORDS)?.get(name)?.map(|value| value.value().to_owned()))).unwrap()
        };
        let catalogue = Catalogue::open(folder.path()).unwrap();
        catalogue.write(|tx| Ok(tx.open_table(WORDS)?.insert("a", "1").map(drop)?)).unwrap();
        let failed = catalogue.write(|tx| {
            tx.open_table(WORDS)?.insert("b", "2")?;
            Err::<(), _>(CatalogueError::InUse(PathBuf::new()))
        });
        assert!(failed.is_err());
        assert!(matches!(Catalogue::open(folder.path()), Err(CatalogueError::InUse(_))));
        drop(catalogue);
        let again = Catalogue::open(folder.path()).unwrap();
        assert_eq!((word(&again, "a"), word(&again, "b")), (Some("1".into()), None));
    }

    #[test]
    fn what_is_no_catalogue_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("catalogue.redb"), "this is no database, but some text that somebody put here").unwrap();
        let error = Catalogue::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("catalogue.redb"), "{error}");
    }
}
