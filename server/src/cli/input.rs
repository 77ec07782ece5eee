//! Opening the file that a command names.

use std::{fs::File, path::Path};

use anyhow::{Context, bail};
use reelway_core::Movie;

use crate::storage::SourceFile;

/// Opens `path` and reads its index, which is called as the path. Every error names the path.
pub fn open(path: &Path) -> anyhow::Result<(SourceFile, Movie)> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
    if file.metadata().with_context(|| format!("cannot open {name}"))?.is_dir() {
        bail!("{name} is a folder: name a video file");
    }
    let source = SourceFile::new(file).with_context(|| format!("cannot read {name}"))?;
    let mut movie = source.read_movie().with_context(|| format!("cannot read {name}"))?.with_context(|| format!("{name}"))?;
    movie.name = name.to_string();
    Ok((source, movie))
}
