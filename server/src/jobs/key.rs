//! The key that orders come with: made once, and kept in the data folder for whoever may read it there.

use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind::NotFound, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, bail};
use data_encoding::HEXLOWER;
use ring::rand::{SecureRandom, SystemRandom};

/// The key of the server whose data folder this is, in `jobs.key`; made, for its owner alone, where there is none.
pub fn of(data: &Path) -> anyhow::Result<String> {
    let path = data.join("jobs.key");
    let name = path.display();
    match fs::read_to_string(&path) {
        Ok(key) if key.trim().len() >= 16 => return Ok(key.trim().to_owned()),
        Ok(_) => bail!("{name} is no key: write 16 characters or more into it, or remove it"),
        Err(error) if error.kind() == NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot read {name}")),
    }
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("no randomness")).with_context(|| format!("cannot make {name}"))?;
    let key = HEXLOWER.encode(&bytes);
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).with_context(|| format!("cannot make {name}"))?;
    writeln!(file, "{key}").and_then(|()| file.sync_all()).with_context(|| format!("cannot write {name}"))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let key = of(folder.path()).unwrap();
        assert_eq!((key.len(), of(folder.path()).unwrap()), (32, key));
        fs::write(folder.path().join("jobs.key"), "short").unwrap();
        assert!(of(folder.path()).unwrap_err().to_string().contains("jobs.key is no key"));
    }
}
