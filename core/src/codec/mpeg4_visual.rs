//! MPEG video under the name `mp4v` (ISO/IEC 14496-14 5.6): MPEG-4 part 2, and MPEG-1 and MPEG-2.

use alloc::format;

use super::{Codec, esds::decoder_config, required, video};
use crate::{
    boxes::sample_entry::SampleEntry,
    coding::Reader,
    error::{Error, Result},
};

/// `objectTypeIndication` of MPEG-4 visual; of the profiles of MPEG-2 video, from first to last; of MPEG-1 video.
const VISUAL: u8 = 0x20;
const MPEG2: core::ops::RangeInclusive<u8> = 0x60..=0x65;
const MPEG1: u8 = 0x6a;

/// Describes a sample entry `mp4v`; its codecs string is that of RFC 6381 3.3.
pub fn describe(entry: &SampleEntry<'_>) -> Result<Codec> {
    let mut esds = required(entry, entry.visual()?.find(*b"esds"), "esds", "ISO/IEC 14496-14 5.6")?;
    let decoder = decoder_config(&mut esds).map_err(|e| e.within(entry.name))?;
    let string = match (decoder.object_type, decoder.specific.and_then(profile_and_level)) {
        (VISUAL, Some(profile)) => format!("mp4v.20.{profile}"),
        (VISUAL | MPEG1, _) => format!("mp4v.{:02X}", decoder.object_type),
        (object_type, _) if MPEG2.contains(&object_type) => format!("mp4v.{object_type:02X}"),
        (other, _) => return Err(Error::unsupported(format!("sample entry 'mp4v': object type {other:#04X} is not carried"))),
    };
    video(entry, string, None)
}

/// `profile_and_level_indication` of the visual object sequence (ISO/IEC 14496-2 6.2.2), where the configuration begins with one.
fn profile_and_level(mut config: Reader<'_>) -> Option<u8> {
    const SEQUENCE_START: u32 = 0x1b0;
    (config.u32().ok()? == SEQUENCE_START).then(|| config.u8().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{boxes::sample_entry::read_descriptions, coding::Writer};

    #[test]
    fn codecs_strings() {
        for (object_type, specific, expected) in [
            (0x20, &[0, 0, 1, 0xb0, 9, 0, 0, 1, 0xb5][..], Some("mp4v.20.9")),
            (0x20, &[0, 0, 1, 0xb5, 9], Some("mp4v.20")),
            (0x61, &[], Some("mp4v.61")),
            (0x6a, &[], Some("mp4v.6A")),
            (0x6c, &[], None), // JPEG: cover art
        ] {
            let mut w = Writer::default();
            w.u32(0);
            w.u32(1);
            w.boxed(b"mp4v", |w| {
                w.zeros(78);
                w.full_box(b"esds", 0, 0, |w| {
                    let specific_length = u8::try_from(specific.len()).unwrap();
                    w.bytes(&[3, 20 + specific_length, 0, 1, 0, 4, 15 + specific_length, object_type, 0x11]);
                    w.zeros(11);
                    w.bytes(&[5, specific_length]);
                    w.bytes(specific);
                });
            });
            let bytes = w.into_bytes();
            let codec = describe(&read_descriptions(Reader::new(&bytes, 0)).unwrap()[0]);
            assert_eq!(codec.ok().map(|codec| codec.string).as_deref(), expected);
        }
    }
}
