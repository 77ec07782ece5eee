//! Several CMAF tracks in one file: their headers as one `moov`, their chunks with the numbers that their tracks have there.

use alloc::vec::Vec;

use crate::{
    boxes::{FourCc, children},
    coding::{Reader, Writer},
    error::{Error, Result},
};

/// One header for the tracks of these CMAF headers, which are numbered from 1 in this order.
pub fn muxed_header(headers: &[&[u8]]) -> Result<Vec<u8>> {
    let (mut movie, mut tracks, mut extends) = (Vec::new(), Vec::new(), Vec::new());
    for (header, id) in headers.iter().zip(1u32..) {
        let moov = find(Reader::new(header, 0), *b"moov")?;
        if movie.is_empty() {
            movie = find(moov, *b"mvhd")?.rest().to_vec();
            // The number of the next track is the last field (ISO/IEC 14496-12 8.2.2).
            let place = movie.len().saturating_sub(4);
            put(&mut movie, place, u32::try_from(headers.len()).unwrap_or(u32::MAX).saturating_add(1))?;
        }
        let trak = find(moov, *b"trak")?;
        let mut track = trak.rest().to_vec();
        put(&mut track, track_number(find(trak, *b"tkhd")?, trak)?, id)?;
        tracks.push(track);
        let mut extend = find(find(moov, *b"mvex")?, *b"trex")?.rest().to_vec();
        put(&mut extend, 4, id)?;
        extends.push(extend);
    }
    let mut w = Writer::with_capacity(headers.iter().map(|header| header.len()).sum());
    w.boxed(b"ftyp", |w| {
        w.bytes(b"iso6");
        w.u32(0);
        w.bytes(b"iso6mp41");
    });
    w.boxed(b"moov", |w| {
        w.boxed(b"mvhd", |w| w.bytes(&movie));
        for track in &tracks {
            w.boxed(b"trak", |w| w.bytes(track));
        }
        w.boxed(b"mvex", |w| extends.iter().for_each(|extend| w.boxed(b"trex", |w| w.bytes(extend))));
    });
    Ok(w.into_bytes())
}

/// The head of `chunk` with the number `id` for its track and `sequence` for its fragment, and where in `chunk` what stays as it is
/// begins: the payload.
pub fn renumbered(chunk: &[u8], id: u32, sequence: u32) -> Result<(Vec<u8>, usize)> {
    let whole = Reader::new(chunk, 0);
    let payload = find(whole, *b"mdat")?.position();
    let payload = usize::try_from(payload).unwrap_or(usize::MAX);
    let mut head = chunk.get(..payload).unwrap_or_default().to_vec();
    let moof = find(whole, *b"moof")?;
    for (place, value) in [(at(find(moof, *b"mfhd")?, 4)?, sequence), (at(find(find(moof, *b"traf")?, *b"tfhd")?, 4)?, id)] {
        put(&mut head, place, value)?;
    }
    if let Ok(prft) = find(whole, *b"prft") {
        put(&mut head, at(prft, 4)?, id)?;
    }
    Ok((head, payload))
}

/// The content of the first box of this name.
fn find(content: Reader<'_>, name: [u8; 4]) -> Result<Reader<'_>> {
    let mut found = children(content).filter_map(Result::ok).filter(|(other, _)| other.0 == name);
    found.next().map(|(_, content)| content).ok_or_else(|| Error::malformed("this box is missing").within(FourCc(name)))
}

/// Where in `trak` the number of the track stands, of which `tkhd` is the content (ISO/IEC 14496-12 8.3.2).
fn track_number(tkhd: Reader<'_>, trak: Reader<'_>) -> Result<usize> {
    let long = tkhd.rest().first() == Some(&1);
    Ok(at(tkhd, if long { 20 } else { 12 })?.saturating_sub(at(trak, 0)?))
}

/// The place of a field of `content`, counted from where its reader began.
fn at(content: Reader<'_>, field: usize) -> Result<usize> {
    let start = usize::try_from(content.position()).ok();
    start.and_then(|start| start.checked_add(field)).ok_or_else(|| Error::malformed("this is longer than memory"))
}

fn put(bytes: &mut [u8], place: usize, value: u32) -> Result<()> {
    let field = place.checked_add(4).and_then(|end| bytes.get_mut(place..end));
    field.ok_or_else(|| Error::malformed("a box is too short")).map(|field| field.copy_from_slice(&value.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        segment::{chunk, header::cmaf_header},
        track::{test_track, test_video},
    };

    #[test]
    fn tracks_have_numbers_of_their_own() {
        let (video, sound) = (test_video(90_000, 10, 3000, |_| true), test_track(48_000, 10, 1024, |_| true));
        let headers = [cmaf_header(&video), cmaf_header(&sound)];
        let muxed = muxed_header(&[&headers[0], &headers[1]]).unwrap();
        let moov = find(Reader::new(&muxed, 0), *b"moov").unwrap();
        let boxes: Vec<_> = children(moov).map(|child| child.unwrap()).collect();
        let names: Vec<_> = boxes.iter().map(|(name, _)| name.0).collect();
        assert_eq!(names, [*b"mvhd", *b"trak", *b"trak", *b"mvex"]);
        assert_eq!(boxes[0].1.rest()[96..], [0, 0, 0, 3], "the next number");
        for (index, scale) in [(1, 90_000u32), (2, 48_000)] {
            let trak = boxes[index].1;
            assert_eq!(find(trak, *b"tkhd").unwrap().rest()[12..16], [0, 0, 0, u8::try_from(index).unwrap()]);
            let mdhd = find(find(trak, *b"mdia").unwrap(), *b"mdhd").unwrap();
            assert_eq!(mdhd.rest()[12..16], scale.to_be_bytes());
        }
        let extends: Vec<_> = children(boxes[3].1).map(|child| child.unwrap().1.rest()[7]).collect();
        assert_eq!(extends, [1, 2]);
    }

    #[test]
    fn chunks_are_renumbered_and_their_payload_stays() {
        let video = test_video(90_000, 10, 3000, |number| number == 0);
        let head = chunk::head(&video, &(0..10), true, &chunk::Additions::default());
        let chunk = [head.clone(), alloc::vec![7; 10]].concat();
        let (changed, payload) = renumbered(&chunk, 5, 9).unwrap();
        assert_eq!((changed.len(), payload), (head.len(), head.len()));
        let differences: Vec<_> = (0..head.len()).filter(|place| head[*place] != changed[*place]).collect();
        assert_eq!(differences.len(), 2, "the numbers of the fragment and of the track: {differences:?}");
        let moof = find(Reader::new(&changed, 0), *b"moof");
        // The payload is not there, so that mdat does not fit; moof does.
        assert_eq!(find(moof.unwrap(), *b"mfhd").unwrap().rest()[4..], [0, 0, 0, 9]);
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let header = cmaf_header(&test_track(48_000, 10, 1024, |_| true));
        for broken in [&b""[..], b"\0\0\0\x08moov", &header[..header.len() - 60]] {
            assert!(muxed_header(&[broken]).is_err());
            assert!(renumbered(broken, 1, 1).is_err());
        }
    }
}
