//! Whether what ffmpeg made is what was asked for: read by our own core before it becomes a part of the ladder.

use std::{fs::File, path::Path};

use reelway_core::{
    Movie, Options, Vod,
    codec::{Kind, Media},
    time::{Timescale, same_moment},
    track::Track,
};

use super::{LadderError, error::at, rungs::Rung};
use crate::storage::SourceFile;

/// A rung may be shorter than its source by this many milliseconds, or hundredths of it, whichever is more: what containers say of their
/// length is not exact.
const SHORTER: (u64, u64) = (1000, 2);

/// Reads a rung and compares it with what it is to be.
pub fn read_rung(path: &Path, name: &str, rung: Option<&Rung>, duration_millis: u64) -> Result<Movie, LadderError> {
    let wrong = |what: String| LadderError::Wrong(format!("{name}: {what}"));
    let file = SourceFile::new(File::open(path).map_err(at(path))?).map_err(at(path))?;
    let mut movie = file.read_movie().map_err(at(path))?.map_err(|error| wrong(error.to_string()))?;
    movie.name = name.into();
    if let Some(fault) = movie.faults.first() {
        return Err(wrong(fault.to_string()));
    }
    let video = movie.tracks.iter().find(|track| track.kind() == Kind::Video).ok_or_else(|| wrong("there is no video in it".into()))?;
    if let (Some(rung), Media::Video(media)) = (rung, &video.codec.media)
        && (media.width, media.height) != (rung.width, rung.height)
    {
        return Err(wrong(format!("it has {}x{} and not {}x{}", media.width, media.height, rung.width, rung.height)));
    }
    let length = reelway_core::time::rescale_length(video.samples.duration(), video.timescale, Timescale::MILLIS);
    if length + SHORTER.0.max(duration_millis * SHORTER.1 / 100) < duration_millis {
        let message = format!("it ends after {length} ms, the source after {duration_millis} ms: the source is broken there");
        return Err(wrong(message));
    }
    Ok(movie)
}

/// Sees to it that players can switch between all rungs at every key frame: that these are at the same moments in all of them, and that
/// one presentation comes of them.
pub fn check_alignment(movies: Vec<Movie>, segment_millis: u64) -> Result<(), LadderError> {
    {
        let mut videos = movies
            .iter()
            .flat_map(|movie| movie.tracks.iter().filter(|track| track.kind() == Kind::Video).map(move |track| (movie, track)));
        if let Some((first, track)) = videos.next() {
            let expected: Vec<i64> = key_frames(track).collect();
            for (movie, other) in videos {
                let found: Vec<i64> = key_frames(other).collect();
                let same = |(a, b): (&i64, &i64)| same_moment((*a, track.timescale), (*b, other.timescale));
                if expected.len() != found.len() || !expected.iter().zip(&found).all(same) {
                    let message = format!("the key frames of {} and {} are not at the same times", first.name, movie.name);
                    return Err(LadderError::Wrong(message));
                }
            }
        }
    }
    Vod::new(movies, &Options::segments_of(segment_millis)).map(drop).map_err(|error| LadderError::Wrong(error.to_string()))
}

/// When the sync samples of a track are presented, in its ticks.
fn key_frames(track: &Track) -> impl Iterator<Item = i64> {
    track.samples.sync_samples().map(|(_, sample)| track.presentation_time(&sample))
}
