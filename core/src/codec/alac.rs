//! Apple Lossless: the box `alac` inside the sample entry `alac` holds `ALACSpecificConfig` (Apple Lossless Format, "Magic Cookie").

use super::{Codec, in_config, required, sound};
use crate::{boxes::sample_entry::SampleEntry, coding::Reader, error::Result};

/// Describes a sample entry `alac`.
pub fn describe(entry: &SampleEntry<'_>) -> Result<Codec> {
    let config = required(entry, entry.audio()?.find(*b"alac"), "alac", "Apple Lossless Format, Magic Cookie")?;
    let (channels, sample_rate) = specific_config(config).map_err(in_config(entry, *b"alac"))?;
    Ok(sound("alac", channels, sample_rate))
}

/// Channels and rate.
fn specific_config(mut config: Reader<'_>) -> Result<(u32, u32)> {
    config.full_box()?;
    config.skip(9)?;
    let channels = config.u8()?;
    config.skip(10)?;
    Ok((channels.into(), config.u32()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        boxes::{FourCc, sample_entry::read_descriptions},
        codec,
        coding::Writer,
    };

    /// Of ffmpeg: frames of 4096, 16 bits, one channel, 48 kHz.
    const CONFIG: [u8; 28] =
        [0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0x10, 0x28, 0x0a, 0x0e, 1, 0, 0, 0, 0, 0x20, 4, 0, 0x0b, 0xb8, 0, 0, 0, 0xbb, 0x80];

    /// The rate stands there too where the sample entry has no room for it, and where QuickTime nests the box in `wave`.
    #[test]
    fn configurations_in_iso_and_quicktime_form() {
        assert_eq!(specific_config(Reader::new(&CONFIG, 0)).unwrap(), (1, 48_000));
        let mut high = CONFIG;
        high[13] = 8;
        high[24..].copy_from_slice(&192_000_u32.to_be_bytes());
        for version in [0, 1] {
            let mut w = Writer::default();
            w.u32(0);
            w.u32(1);
            w.boxed(b"alac", |w| {
                w.zeros(6);
                w.u16(1);
                w.u16(version);
                w.zeros(6);
                w.u16(2);
                w.u16(16);
                w.zeros(8);
                if version == 0 {
                    w.boxed(b"alac", |w| w.bytes(&high));
                } else {
                    w.zeros(16);
                    w.boxed(b"wave", |w| {
                        w.boxed(b"frma", |w| w.bytes(b"alac"));
                        w.boxed(b"alac", |w| w.bytes(&high));
                        w.boxed(&[0; 4], |_| {});
                    });
                }
            });
            let bytes = w.into_bytes();
            let entries = read_descriptions(Reader::new(&bytes, 0)).unwrap();
            assert_eq!(codec::describe(&entries[0], FourCc(*b"soun")).unwrap(), sound("alac", 8, 192_000));
            let iso = entries[0].iso_audio(8, 192_000).unwrap();
            assert_eq!(iso.as_deref().map(<[u8]>::len), (version == 1).then_some(36 + 8 + CONFIG.len()));
            assert!(iso.is_none_or(|iso| iso.ends_with(&high)));
        }
    }
}
