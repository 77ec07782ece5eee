//! Parts of sound beside parts of pictures.

use super::*;

/// The lengths of the parts of each segment, in thousandths of a second.
fn parts(source: &Source, id: RenditionId) -> Vec<Vec<u64>> {
    let scale = if id == source.v() { 12_800 } else { 48_000 };
    let of = |segment: &&Segment| segment.parts.iter().map(|part| part.duration * 1000 / scale).collect();
    source.segments(id).iter().map(of).collect()
}

#[test]
fn there_are_no_more_and_none_is_an_afterthought() {
    for (segment, part, gop) in [(2000, 200, 50), (1000, 200, 25), (2000, 1000, 50), (6000, 200, 150), (4000, 320, 100), (2000, 100, 50)] {
        let mut source = Source { gop, ..Source::new(Config { segment_target: segment, part_target: part, ..Config::default() }) };
        source.run(0, 20_500, 0).unwrap();
        let promised = source.live.promise().part_micros() / 1000;
        let (pictures, sound) = (parts(&source, source.v()), parts(&source, source.a()));
        assert!(sound.len() >= 3, "{segment}: {sound:?}");
        for (pictures, sound) in pictures.iter().zip(&sound) {
            let case = format!("segments of {segment}, parts of {part}: {pictures:?} and {sound:?}, {promised} promised");
            // Of parts that are a few frames of sound, all but the last have to be as long as promised: there may be fewer.
            assert!(sound.len() == pictures.len() || (part < 150 && sound.len() < pictures.len()), "{case}");
            // No last part is shorter by more than a frame than that of the pictures.
            assert!(sound.last().unwrap() + 22 >= *pictures.last().unwrap(), "{case}");
            for parts in [pictures, sound] {
                // RFC 8216bis 4.4.4.9
                let (_, before) = parts.split_last().unwrap();
                assert!(before.iter().all(|length| (length + 1) * 100 >= promised * 85), "{case}");
                assert!(parts.iter().all(|length| *length <= promised), "{case}");
            }
        }
        let longest = pictures.iter().flatten().max().unwrap();
        assert!(promised * 85 <= longest * 100, "{promised}: three of these is how far players lie back");
    }
}
