//! Any bytes as the beginnings of pictures: the closed captions that they carry are found or are not, as they are however far the bytes go.
//!
//! The first byte chooses how samples hold messages; then the samples follow, each with its length in two bytes, of which the highest bit says
//! that it does not follow the one before.

use reelway_core::{
    Movie,
    codec::{
        captions::{CaptionReader, Messages},
        nal::Units,
    },
    demux::captions::{CaptionSearch, FIRST, HEAD, MORE, PLACES},
};

/// The ways of H.264 and H.265, by the bytes of a length, and of AV1.
pub const FORMS: [Messages; 9] = [
    Messages::Units(Units { length_size: 4, hevc: false }),
    Messages::Units(Units { length_size: 4, hevc: true }),
    Messages::OpenUnits,
    Messages::Units(Units { length_size: 1, hevc: false }),
    Messages::Units(Units { length_size: 2, hevc: false }),
    Messages::Units(Units { length_size: 3, hevc: false }),
    Messages::Units(Units { length_size: 1, hevc: true }),
    Messages::Units(Units { length_size: 2, hevc: true }),
    Messages::Units(Units { length_size: 3, hevc: true }),
];

/// Set in the length of a sample: it does not follow the one before.
const APART: u16 = 0x8000;

/// Reads the captions of pictures.
pub fn captions(bytes: &[u8]) {
    let Some(([form], mut samples)) = bytes.split_first_chunk() else { return };
    let messages = FORMS[usize::from(*form) % FORMS.len()];
    let mut reader = CaptionReader::default();
    let mut found = reader.captions();
    while let Some((length, rest)) = samples.split_first_chunk() {
        let length = u16::from_be_bytes(*length);
        if length & APART != 0 {
            reader.gap();
        }
        let (sample, rest) = rest.split_at(usize::from(length & !APART).min(rest.len()));
        samples = rest;
        reader.picture(messages, sample);
        let now = reader.captions();
        assert!(now.channels < 1 << 4 && now.services & 1 == 0, "{now:?}");
        assert!(now.channels().chain(now.services()).all(|number| (1..=63).contains(&number)));
        // That the first of two is unnamed is a guess, which a name ends; what is found stays.
        assert!(now.services & found.services == found.services && now.channels & found.channels & !1 == found.channels & !1);
        assert_eq!(reader.any(), !now.is_empty());
        found = now;
    }
}

/// Looks for captions in a file, by no more reads than are told.
pub fn search(movie: &mut Movie, file: &[u8]) {
    let most = u32::try_from(movie.tracks.len()).unwrap() * PLACES * (FIRST + MORE);
    let mut search = CaptionSearch::new(movie);
    let mut reads = 0;
    while let Some(range) = search.required() {
        assert!(range.start < range.end && range.end - range.start <= HEAD as u64, "{range:?}");
        search.handle(&file[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]);
        reads += 1;
        assert!(reads <= most, "more than {most} reads");
    }
}
