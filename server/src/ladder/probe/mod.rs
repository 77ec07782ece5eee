//! What is in a source: found by our own core where it reads it, else by ffprobe.

mod ffprobe;
mod own;

use std::{
    fs::{self, File},
    path::Path,
};

use super::{Cancel, LadderError, Source, Tool, error::at};
use crate::storage::SourceFile;

/// The longest frame rate that is believed, in frames a second; what tells more is variable.
const MOST_FRAMES: u64 = 1000;

/// The smallest and the largest side of pictures that encoders take.
const SIDES: std::ops::RangeInclusive<u32> = 16..=16_384;

/// Finds out what the file at `path` holds, to which a link in the folder `work` leads.
pub(super) fn probe(path: &Path, work: &Path, tool: &Tool, cancel: &Cancel) -> Result<Source, LadderError> {
    let name = path.display();
    let fault = |what: &str| LadderError::Source(format!("{name}: {what}"));
    let whole = fs::canonicalize(path).map_err(at(path))?;
    let metadata = fs::metadata(&whole).map_err(at(path))?;
    if metadata.is_dir() {
        return Err(fault("it is a folder: name a video file"));
    }
    if !metadata.is_file() {
        return Err(fault("it is no regular file: name a video file"));
    }
    if metadata.len() == 0 {
        return Err(fault("the file is empty"));
    }
    let file = SourceFile::new(File::open(&whole).map_err(at(path))?).map_err(at(path))?;
    let own = own::probe(&file).map_err(at(path))?;
    let mut source = match own.transpose().map_err(|error| named(error, path))? {
        Some(source) => source,
        None => ffprobe::probe(file.identity(), work, tool, cancel).map_err(|error| named(error, path))?,
    };
    let (video, rate) = (&source.video, source.video.frame_rate);
    if !SIDES.contains(&video.width) || !SIDES.contains(&video.height) {
        return Err(fault(&format!("pictures of {}x{} cannot be encoded", video.width, video.height)));
    }
    if u64::from(rate.numerator) > MOST_FRAMES * u64::from(rate.denominator) {
        return Err(fault(&format!("{rate} frames a second are no frame rate")));
    }
    if source.duration_millis == 0 {
        return Err(fault("it plays for no time"));
    }
    if source.bitrate == 0 {
        source.bitrate = source.identity.size.saturating_mul(8000) / source.duration_millis;
    }
    Ok(source)
}

/// Names the source in a fault of it.
fn named(error: LadderError, path: &Path) -> LadderError {
    let name = path.display();
    match error {
        LadderError::Source(what) => LadderError::Source(format!("{name}: {what}")),
        LadderError::Failed { program: "ffprobe", log, .. } => LadderError::Source(format!("{name}: it cannot be read as video: {log}")),
        other => other,
    }
}
