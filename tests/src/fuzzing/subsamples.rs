//! Any bytes as the samples of a track of video: what may be encrypted of each is found or refused, lies in the sample, in order.
//!
//! The first byte chooses the codec, the second how long the configuration is; then the samples follow, each with its length in two bytes.

use reelway_core::{
    boxes::sample_entry::read_entry,
    codec::{Media, Video, captions::Captions},
    coding::{Reader, Writer},
    subsamples::Finder,
};

/// Finds what may be encrypted.
pub fn subsamples(bytes: &[u8]) {
    let Some(([codec, length], rest)) = bytes.split_first_chunk() else { return };
    let (entry, config) = [(b"avc1", b"avcC"), (b"hvc1", b"hvcC"), (b"av01", b"av1C"), (b"vp09", b"vpcC")][usize::from(codec % 4)];
    let (configuration, mut samples) = rest.split_at(usize::from(*length).min(rest.len()));
    let mut w = Writer::default();
    w.boxed(entry, |w| {
        w.zeros(78);
        w.boxed(config, |w| w.bytes(configuration));
    });
    let entry = w.into_bytes();
    let media = Media::Video(Video {
        width: 16,
        height: 16,
        pixel_aspect: (1, 1),
        colour: None,
        dolby_vision: None,
        captions: Captions::default(),
    });
    let entry = read_entry(&mut Reader::new(&entry, 0)).unwrap();
    let Ok(mut finder) = Finder::new(&entry, &media) else { return };
    while let Some(([high, low], rest)) = samples.split_first_chunk() {
        let (sample, rest) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])).min(rest.len()));
        samples = rest;
        let Ok(found) = finder.find(sample, 0) else { continue };
        let mut end = 0;
        for stretch in found {
            assert!(stretch.start >= end && stretch.start < stretch.end && stretch.end <= sample.len(), "{stretch:?} after {end}");
            end = stretch.end;
        }
    }
}
