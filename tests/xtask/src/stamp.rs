//! Telling whether the inputs of a step have changed since it was last done.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// A file that remembers what a step was last done from.
pub struct Stamp {
    file: PathBuf,
    wanted: String,
}

impl Stamp {
    /// A stamp kept in `file`, over the names and contents of `inputs`: files, or whole folders without those in `except`.
    pub fn new(file: impl Into<PathBuf>, inputs: &[PathBuf], except: &[&str]) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        for input in inputs {
            hash_into(&mut hasher, input, except)?;
        }
        Ok(Self { file: file.into(), wanted: format!("{:016x}\n", hasher.finish()) })
    }

    /// Whether the step was done from just these inputs.
    pub fn is_fresh(&self) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|found| found == self.wanted)
    }

    /// Remembers that the step is done.
    pub fn keep(&self) -> Result<()> {
        fs::write(&self.file, &self.wanted).with_context(|| format!("cannot write {}", self.file.display()))
    }
}

fn hash_into(hasher: &mut DefaultHasher, path: &Path, except: &[&str]) -> Result<()> {
    let what = || format!("cannot read {}", path.display());
    path.file_name().hash(hasher);
    if !path.is_dir() {
        fs::read(path).with_context(what)?.hash(hasher);
        return Ok(());
    }
    let mut entries = fs::read_dir(path).with_context(what)?.collect::<Result<Vec<_>, _>>().with_context(what)?;
    entries.retain(|entry| !except.iter().any(|name| entry.file_name() == *name));
    entries.sort_by_key(fs::DirEntry::file_name);
    entries.len().hash(hasher);
    entries.iter().try_for_each(|entry| hash_into(hasher, &entry.path(), except))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_fresh_until_an_input_changes() {
        let folder = std::env::temp_dir().join(format!("xtask-stamp-{}", std::process::id()));
        fs::create_dir_all(folder.join("in/skipped")).unwrap();
        fs::write(folder.join("in/a"), "1").unwrap();
        let stamp = || Stamp::new(folder.join("stamp"), &[folder.join("in")], &["skipped"]).unwrap();
        assert!(!stamp().is_fresh());
        stamp().keep().unwrap();
        assert!(stamp().is_fresh());
        fs::write(folder.join("in/skipped/b"), "2").unwrap();
        assert!(stamp().is_fresh());
        fs::write(folder.join("in/a"), "3").unwrap();
        assert!(!stamp().is_fresh());
        fs::remove_dir_all(folder).unwrap();
    }
}
