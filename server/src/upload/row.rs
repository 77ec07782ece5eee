//! What the catalogue keeps of files that come as a whole.

use redb::{ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};

use crate::catalogue::{Catalogue, CatalogueError};

/// By the name in the URL, as JSON.
const FILES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("upload_files");

/// What is kept of a file. Its name in URLs is secret: whoever knows it may write. The asset that it becomes has another name.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Row {
    /// The asset that it becomes, and the name of the file on the disk.
    pub asset: String,
    /// All of its bytes.
    pub length: u64,
    /// `Upload-Metadata`, as it came.
    pub metadata: String,
    /// What it is of another file.
    pub concat: Concat,
    /// Bytes from here on have not been compared with their checksum.
    #[serde(default)]
    pub unverified: Option<u64>,
    /// Whose it is.
    #[serde(default)]
    pub owner: String,
}

/// What a file is of another.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub enum Concat {
    /// Nothing: it comes as a whole.
    #[default]
    Whole,
    /// A part of one that is put together later.
    Partial,
    /// It is put together of these paths or URLs, as they were given.
    Final(String),
}

impl Concat {
    /// The field, where it has one.
    pub fn field(&self) -> Option<String> {
        match self {
            Self::Whole => None,
            Self::Partial => Some("partial".into()),
            Self::Final(parts) => Some(format!("final;{parts}")),
        }
    }
}

/// Makes the table, so that reading never lacks it.
pub fn prepare(catalogue: &Catalogue) -> Result<(), CatalogueError> {
    catalogue.write(|tx| Ok(tx.open_table(FILES).map(drop)?))
}

/// What is kept of a file.
pub fn find(catalogue: &Catalogue, name: &str) -> Result<Option<Row>, CatalogueError> {
    let json = catalogue.read(|tx| Ok(tx.open_table(FILES)?.get(name)?.map(|json| json.value().to_vec())))?;
    Ok(json.and_then(|json| serde_json::from_slice(&json).ok()))
}

/// Keeps it, in place of what was kept of it before.
pub fn insert(catalogue: &Catalogue, name: &str, row: &Row) -> Result<(), CatalogueError> {
    let json = serde_json::to_vec(row).unwrap_or_default();
    catalogue.write(|tx| Ok(tx.open_table(FILES)?.insert(name, json.as_slice()).map(drop)?))
}

/// How many files are of `owner` that are no assets yet: of those `is_asset` says so.
pub fn owned(catalogue: &Catalogue, owner: &str, is_asset: impl Fn(&str) -> bool) -> Result<usize, CatalogueError> {
    catalogue.read(|tx| {
        let mut count = 0;
        for entry in tx.open_table(FILES)?.iter()? {
            let counts = |row: Row| row.owner == owner && !is_asset(&row.asset);
            count += usize::from(serde_json::from_slice(entry?.1.value()).is_ok_and(counts));
        }
        Ok(count)
    })
}

/// Forgets a file.
pub fn remove(catalogue: &Catalogue, name: &str) -> Result<(), CatalogueError> {
    catalogue.write(|tx| Ok(tx.open_table(FILES)?.remove(name).map(drop)?))
}

/// Forgets the files of all assets but those that are there.
pub fn retain(catalogue: &Catalogue, is_there: impl Fn(&str) -> bool) -> Result<(), CatalogueError> {
    catalogue.write(|tx| {
        let stays = |json: &[u8]| serde_json::from_slice(json).is_ok_and(|row: Row| is_there(&row.asset));
        Ok(tx.open_table(FILES)?.retain(|_, json| stays(json))?)
    })
}
