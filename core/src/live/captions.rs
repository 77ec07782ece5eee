//! Closed captions in the pictures of a live stream: any of them may be the first that has some.

use alloc::{borrow::Cow, vec::Vec};

use bytes::Bytes;

use crate::{
    boxes::sample_entry::read_entry,
    codec::{
        Media,
        captions::{self, CaptionReader, Messages},
    },
    coding::Reader,
    demux::captions::HEAD,
    sample::LiveSample,
    track::Track,
};

/// What was found so far.
#[derive(Debug, Default)]
pub struct Captions(CaptionReader);

impl Captions {
    /// Takes a sample of `track`, as it came.
    pub fn look(&mut self, track: &Track, sample: &LiveSample) {
        if !matches!(track.codec.media, Media::Video(_)) {
            return;
        }
        let entry = track.sample_entries.get(usize::from(sample.description)).map(|entry| read_entry(&mut Reader::new(entry, 0)));
        let Some(messages) = entry.and_then(|entry| Messages::of(&entry.ok()?)) else { return };
        // Pictures come in the order in which they are decoded, packets of CTA-708 in that in which they are presented: those are read that
        // one picture holds.
        self.0.gap();
        self.0.picture(messages, &head(&sample.payload));
    }

    /// The captions.
    pub fn found(&self) -> captions::Captions {
        self.0.captions()
    }
}

/// The first bytes of a sample that came in pieces.
fn head(payload: &[Bytes]) -> Cow<'_, [u8]> {
    match payload {
        [first, rest @ ..] if rest.is_empty() || first.len() >= HEAD => Cow::Borrowed(first.get(..HEAD).unwrap_or(first)),
        pieces => Cow::Owned(pieces.iter().flat_map(|piece| piece.iter().copied()).take(HEAD).collect::<Vec<u8>>()),
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::{demux::description, time::Timescale};

    #[test]
    fn captions_are_found_in_pieces() {
        let entry = description::pictures(*b"avc1", (320, 180), |w| {
            w.boxed(b"avcC", |w| w.bytes(&[1, 0x4d, 0x40, 0x0d, 0xff, 0xe0, 0]));
        });
        let track = description::track(1, *b"vide", Timescale::MILLIS, entry, (320, 180)).unwrap();
        let message =
            [0, 0, 0, 18, 6, 4, 14, 0xb5, 0, 0x31, b'G', b'A', b'9', b'4', 3, 0x41, 0xff, 0xfc, 0x94, 0x20, 0xff, 0x80, 0, 0, 0, 1, 0x65];
        for pieces in [vec![&message[..]], vec![&message[..9], &message[9..]], vec![&[], &message[..]]] {
            let payload = pieces.iter().map(|piece| Bytes::copy_from_slice(piece)).collect();
            let sample = LiveSample { decode_time: 0, duration: 40, composition_offset: 0, sync: true, description: 0, payload };
            let mut captions = Captions::default();
            assert!(captions.found().is_empty());
            captions.look(&track, &sample);
            assert_eq!(captions.found(), captions::Captions { channels: 1, services: 0 });
        }
    }
}
