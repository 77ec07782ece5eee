//! Where things are: the workspace, the shared media, the folder for what tests make and keep.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// A folder of the project's shared material, which lies beside the workspace on machines that have it.
fn shared(variable: &str, name: &str) -> Option<PathBuf> {
    let folder = env::var_os(variable).map_or_else(|| workspace().join("../shared").join(name), PathBuf::from);
    folder.is_dir().then(|| folder.canonicalize().ok()).flatten()
}

/// Media that nobody here made: `real` and `bad`. `REELWAY_SHARED_MEDIA` names it; `None`, said in a line, where it is not there.
pub fn shared_media(kind: &str) -> Option<Vec<PathBuf>> {
    let found = shared("REELWAY_SHARED_MEDIA", "media").map(|media| media.join(kind)).filter(|folder| folder.is_dir());
    let Some(folder) = found else {
        println!("skipped: shared media '{kind}' is not there");
        return None;
    };
    let mut paths = Vec::new();
    gather(&folder, &mut paths);
    paths.sort();
    Some(paths)
}

/// XML schemas. `REELWAY_SHARED_SCHEMAS` names them; `None`, said in a line, where they are not there.
pub fn shared_schemas() -> Option<PathBuf> {
    let found = shared("REELWAY_SHARED_SCHEMAS", "schemas");
    if found.is_none() {
        println!("skipped: the DASH schema is not there");
    }
    found
}

/// A folder below the build's target folder for files that are made once and used by every run after.
pub fn kept(name: &str) -> std::io::Result<PathBuf> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    let folder = target.join("test-media").join(name);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// When the last of the files below a folder was changed.
pub fn newest(folder: &Path) -> Option<SystemTime> {
    let mut paths = Vec::new();
    gather(folder, &mut paths);
    paths.iter().filter_map(|path| fs::metadata(path).ok()?.modified().ok()).max()
}

/// The last part of a path, as text.
pub fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn gather(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            gather(&path, paths);
        } else {
            paths.push(path);
        }
    }
}
