//! Jobs in the catalogue: they are there after a restart and after a kill.

use redb::{ReadableTable, TableDefinition, TableError};

use super::Job;
use crate::catalogue::{Catalogue, CatalogueError};

/// Jobs in JSON, by their names.
const JOBS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("jobs");

/// The jobs of the catalogue.
#[derive(Clone, Debug)]
pub struct Store(Catalogue);

impl Store {
    /// Keeps jobs in `catalogue`.
    pub fn new(catalogue: Catalogue) -> Self {
        Self(catalogue)
    }

    /// All jobs. One that cannot be read, as a later release may have written it, is passed over.
    pub fn all(&self) -> Result<Vec<Job>, CatalogueError> {
        self.0.read(|transaction| {
            let table = match transaction.open_table(JOBS) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                table => table?,
            };
            let mut jobs = Vec::new();
            for entry in table.iter()? {
                jobs.extend(serde_json::from_slice::<Job>(entry?.1.value()).ok());
            }
            Ok(jobs)
        })
    }

    /// Keeps a job as it is now, but for its progress.
    pub fn put(&self, job: &Job) -> Result<(), CatalogueError> {
        let kept = serde_json::to_vec(&Job { progress: None, ..job.clone() }).unwrap_or_default();
        self.0.write(|transaction| Ok(transaction.open_table(JOBS)?.insert(job.id.as_str(), kept.as_slice()).map(drop)?))
    }

    /// Forgets a job.
    pub fn remove(&self, id: &str) -> Result<(), CatalogueError> {
        self.0.write(|transaction| Ok(transaction.open_table(JOBS)?.remove(id).map(drop)?))
    }
}
