//! Opening the files that a command names.

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use reelway_core::{Movie, demux::side_file::is_beside};

use crate::storage::{SourceFile, is_media, is_text};

/// Opens `path` and reads its index, which is called as the path. Every error names the path.
pub fn open(path: &Path) -> anyhow::Result<(SourceFile, Movie)> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
    if file.metadata().with_context(|| format!("cannot open {name}"))?.is_dir() {
        bail!("{name} is a folder: name a video file");
    }
    let source = SourceFile::new(file).with_context(|| format!("cannot read {name}"))?;
    let last = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let mut movie = source.read_input(last).with_context(|| format!("cannot read {name}"))?.with_context(|| format!("{name}"))?;
    movie.name = name.to_string();
    Ok((source, movie))
}

/// Opens the files at `paths`; a folder stands for the files of media and text directly in it, by name. A file brings along the texts
/// beside it that are called like it, those that can be read.
pub fn open_all(paths: &[PathBuf]) -> anyhow::Result<(Vec<SourceFile>, Vec<Movie>)> {
    let (mut sources, mut movies): (Vec<SourceFile>, Vec<Movie>) = (Vec::new(), Vec::new());
    for path in paths {
        for file in files(path)? {
            let (source, movie) = open(&file)?;
            let again = sources.iter().zip(&movies).find(|(other, _)| other.identity() == source.identity());
            if let Some((_, other)) = again {
                bail!("{} and {} are the same file: name it once", other.name, movie.name);
            }
            sources.push(source);
            movies.push(movie);
        }
    }
    for path in paths.iter().flat_map(|path| texts_beside(path)) {
        match open(&path) {
            Ok((source, movie)) => {
                if sources.iter().all(|other| other.identity() != source.identity()) {
                    sources.push(source);
                    movies.push(movie);
                }
            }
            Err(error) => eprintln!("reelway: {error:#}: it is left out"),
        }
    }
    Ok((sources, movies))
}

/// The texts beside a file of media, by name.
fn texts_beside(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().and_then(OsStr::to_str).filter(|name| is_media(name)).unwrap_or_default();
    let folder = path.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let entries = folder.filter(|_| !name.is_empty() && path.is_file()).and_then(|folder| fs::read_dir(folder).ok());
    let texts = entries.into_iter().flatten().filter_map(Result::ok);
    let mut texts: Vec<PathBuf> = texts
        .filter(|entry| entry.file_name().to_str().is_some_and(|text| !text.starts_with('.') && is_beside(text, name)))
        .map(|entry| path.with_file_name(entry.file_name()))
        .filter(|path| path.is_file())
        .collect();
    texts.sort();
    texts
}

/// What `path` stands for. What is no folder is left to whoever opens it.
fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.into()]);
    }
    let name = path.display();
    let mut files = Vec::new();
    for entry in fs::read_dir(path).with_context(|| format!("cannot read the folder {name}"))? {
        let entry = entry.with_context(|| format!("cannot read the folder {name}"))?;
        let is_input = |name: &str| is_media(name) || is_text(name);
        let visible = entry.file_name().to_str().is_some_and(|name| !name.starts_with('.') && is_input(name));
        if visible && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    if files.is_empty() {
        bail!("the folder {name} holds no MP4, M4V, MOV or M4A file");
    }
    files.sort();
    Ok(files)
}
