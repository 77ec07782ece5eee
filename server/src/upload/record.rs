//! What the catalogue keeps of uploads.

use redb::{ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use crate::catalogue::{Catalogue, CatalogueError};

/// By identifier, as JSON.
const UPLOADS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("uploads");
/// The identifier by the key of the file.
const KEYS: TableDefinition<'_, &str, &str> = TableDefinition::new("upload_keys");
/// SHA-256 by identifier, rendition and number.
const SEGMENTS: TableDefinition<'_, (&str, &str, u32), [u8; 32]> = TableDefinition::new("upload_segments");

/// An upload.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Record {
    /// The key of the file.
    pub key: String,
    /// What whoever may go on with it shows.
    pub token: String,
    /// Aimed at for segments, in milliseconds.
    pub segment: u64,
    /// What people call the file.
    pub name: String,
    /// It came as a whole, not by segments.
    #[serde(default)]
    pub whole: bool,
    /// Whose it is.
    #[serde(default)]
    pub owner: String,
}

/// A segment that is there.
pub type Received = ((String, u32), [u8; 32]);

/// Keeps a new upload.
pub fn insert(catalogue: &Catalogue, id: &str, record: &Record) -> Result<(), CatalogueError> {
    let json = serde_json::to_vec(record).unwrap_or_default();
    catalogue.write(|tx| {
        // The tables that others read are there from now on.
        tx.open_table(SEGMENTS)?;
        tx.open_table(UPLOADS)?.insert(id, json.as_slice())?;
        tx.open_table(KEYS)?.insert(record.key.as_str(), id)?;
        Ok(())
    })
}

/// Makes the tables, so that reading never lacks them.
pub fn prepare(catalogue: &Catalogue) -> Result<(), CatalogueError> {
    catalogue.write(|tx| {
        tx.open_table(SEGMENTS)?;
        tx.open_table(UPLOADS)?;
        tx.open_table(KEYS)?;
        Ok(())
    })
}

/// The upload of a file.
pub fn by_key(catalogue: &Catalogue, key: &str) -> Result<Option<String>, CatalogueError> {
    catalogue.read(|tx| Ok(tx.open_table(KEYS)?.get(key)?.map(|id| id.value().to_owned())))
}

/// An upload, with what is there of it.
pub fn find(catalogue: &Catalogue, id: &str) -> Result<Option<(Record, Vec<Received>)>, CatalogueError> {
    catalogue.read(|tx| {
        let Some(json) = tx.open_table(UPLOADS)?.get(id)?.map(|json| json.value().to_vec()) else { return Ok(None) };
        let Ok(record) = serde_json::from_slice(&json) else { return Ok(None) };
        let mut received = Vec::new();
        for entry in tx.open_table(SEGMENTS)?.range((id, "", 0)..)? {
            let (key, digest) = entry?;
            let (of, rendition, number) = key.value();
            if of != id {
                break;
            }
            received.push(((rendition.to_owned(), number), digest.value()));
        }
        Ok(Some((record, received)))
    })
}

/// How many uploads are of `owner`.
pub fn owned(catalogue: &Catalogue, owner: &str) -> Result<usize, CatalogueError> {
    catalogue.read(|tx| {
        let mut count = 0;
        for entry in tx.open_table(UPLOADS)?.iter()? {
            count += usize::from(serde_json::from_slice(entry?.1.value()).is_ok_and(|record: Record| record.owner == owner));
        }
        Ok(count)
    })
}

/// All uploads.
pub fn all(catalogue: &Catalogue) -> Result<Vec<String>, CatalogueError> {
    catalogue.read(|tx| {
        let table = tx.open_table(UPLOADS)?;
        table.iter()?.map(|entry| Ok(entry?.0.value().to_owned())).collect()
    })
}

/// Keeps that a segment is there.
pub fn receive(catalogue: &Catalogue, id: &str, rendition: &str, number: u32, digest: [u8; 32]) -> Result<(), CatalogueError> {
    catalogue.write(|tx| Ok(tx.open_table(SEGMENTS)?.insert((id, rendition, number), digest).map(drop)?))
}

/// Forgets an upload.
pub fn remove(catalogue: &Catalogue, id: &str, key: &str) -> Result<(), CatalogueError> {
    catalogue.write(|tx| {
        tx.open_table(UPLOADS)?.remove(id)?;
        remove_key(tx, id, key)?;
        tx.open_table(SEGMENTS)?.retain(|(of, _, _), _| of != id)?;
        Ok(())
    })
}

/// The key may lead to a newer upload of the same file.
fn remove_key(tx: &WriteTransaction, id: &str, key: &str) -> Result<(), CatalogueError> {
    let mut keys = tx.open_table(KEYS)?;
    let is_own = keys.get(key)?.is_some_and(|found| found.value() == id);
    if is_own {
        keys.remove(key)?;
    }
    Ok(())
}
