//! Whether the files of a folder are one title: a rule that must not take films for rungs only because they lie beside each other.

use reelway_core::{
    Presentation,
    codec::{Kind, Media},
    selection::SAME_LENGTH_MILLIS,
};

/// A picture as a ladder tells its rungs apart.
#[derive(Debug, PartialEq, Eq)]
struct Picture<'a> {
    codec: &'a str,
    width: u32,
    height: u32,
    bitrate: u64,
}

impl Picture<'_> {
    /// Whether a ladder would hold both: another codec or size, or a bit rate that differs by more than a fifth.
    fn differs(&self, other: &Self) -> bool {
        let (low, high) = (self.bitrate.min(other.bitrate), self.bitrate.max(other.bitrate));
        !self.looks_like(other) || high - low > high / 5
    }

    fn looks_like(&self, other: &Self) -> bool {
        (self.codec, self.width, self.height) == (other.codec, other.width, other.height)
    }
}

/// Whether files with these presentations look like one title: all equally long to half a second; at least two videos that differ in
/// codec or size, and no two that a ladder would not hold both, or one video and files of sound for it.
///
/// That their key frames are at the same times, which films that are cut by the same clock alone have in common too, is found when they
/// are put together.
pub fn is_title(files: &[&Presentation]) -> bool {
    let lengths = || files.iter().map(|file| file.duration_millis());
    let same_length = lengths().max().unwrap_or(0) - lengths().min().unwrap_or(0) <= SAME_LENGTH_MILLIS;
    let pictures: Vec<Picture<'_>> = files
        .iter()
        .flat_map(|file| file.videos())
        .filter_map(|video| {
            let Media::Video(media) = &video.codec.media else { return None };
            let codec = video.codec.string.split('.').next().unwrap_or_default();
            Some(Picture { codec, width: media.width, height: media.height, bitrate: video.bandwidth.average })
        })
        .collect();
    let with_video = files.iter().filter(|file| file.renditions.iter().any(|rendition| rendition.kind() == Kind::Video)).count();
    let is_ladder = match pictures.as_slice() {
        [first, others @ ..] => others.iter().any(|other| !other.looks_like(first)),
        [] => false,
    };
    let each_differs = (1..).zip(&pictures).all(|(next, picture)| pictures.iter().skip(next).all(|other| picture.differs(other)));
    files.len() > 1 && same_length && (with_video == 1 || (is_ladder && each_differs))
}
