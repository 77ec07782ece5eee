//! FLAC: `dfLa` (Encapsulation of FLAC in ISO Base Media File Format 3.3.2) and the STREAMINFO block in it (RFC 9639 8.2).

use alloc::format;

use super::{Codec, bits::Bits, in_config, required, sound};
use crate::{
    boxes::sample_entry::SampleEntry,
    coding::Reader,
    error::{Error, Result},
};

/// Describes a sample entry `fLaC`.
pub fn describe(entry: &SampleEntry<'_>) -> Result<Codec> {
    let config = required(entry, entry.audio()?.find(*b"dfLa"), "dfLa", "FLAC-ISOBMFF 3.3.1")?;
    let (channels, sample_rate) = stream_info(config).map_err(in_config(entry, *b"dfLa"))?;
    Ok(sound("fLaC", channels, sample_rate))
}

/// Channels and rate. STREAMINFO must be the first of the metadata blocks.
fn stream_info(mut config: Reader<'_>) -> Result<(u32, u32)> {
    config.full_box()?;
    let at = config.position();
    let kind = config.u8()? & 0x7f;
    if kind != 0 {
        return Err(Error::malformed(format!("metadata block {kind} where STREAMINFO (0) must be")).at(at).by("FLAC-ISOBMFF 3.3.2"));
    }
    config.skip(3 + 10)?;
    let mut bits = Bits::new(config);
    let sample_rate = bits.take(20)?;
    Ok((bits.take(3)? + 1, sample_rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_infos() {
        // Of ffmpeg: 48 kHz, one channel, 16 bits.
        let mut config = [
            0, 0, 0, 0, 0x80, 0, 0, 0x22, 0x12, 0, 0x12, 0, 0, 1, 0xdc, 0, 0x13, 0xaf, 0x0b, 0xb8, 0, 0xf0, 0, 0x0e, 0xa6, 0, 0xcb, 0xbc,
            9, 0x75, 0xa6, 0x81, 0x87, 0x6b, 0xa3, 0xd3, 0x36, 0x94, 0x12, 0xc5, 0xb5, 0xfd,
        ];
        assert_eq!(stream_info(Reader::new(&config, 0)).unwrap(), (1, 48_000));
        // 96 kHz, six channels, 24 bits.
        config[18..22].copy_from_slice(&[0x17, 0x70, 0x0b, 0x70]);
        assert_eq!(stream_info(Reader::new(&config, 0)).unwrap(), (6, 96_000));
        config[4] = 0x84;
        assert_eq!(stream_info(Reader::new(&config, 50)).unwrap_err().offset(), Some(54));
    }
}
