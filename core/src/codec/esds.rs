//! The elementary stream descriptor (`esds`; ISO/IEC 14496-14 5.6, ISO/IEC 14496-1 7.2.6), in which MPEG-4 tells codecs.

use alloc::format;

use crate::{
    coding::Reader,
    error::{Error, Result},
};

const ES_DESCRIPTOR: u8 = 3;
const DECODER_CONFIG: u8 = 4;
const DECODER_SPECIFIC: u8 = 5;

/// `DecoderConfigDescriptor`.
pub struct DecoderConfig<'a> {
    /// `objectTypeIndication`.
    pub object_type: u8,
    /// What `DecoderSpecificInfo` holds, where it is there.
    pub specific: Option<Reader<'a>>,
}

/// Reads the content of `esds` as far as the decoder is described.
pub fn decoder_config<'a>(esds: &mut Reader<'a>) -> Result<DecoderConfig<'a>> {
    const CLAUSE: &str = "ISO/IEC 14496-1 7.2.6";
    esds.full_box()?;
    let (tag, mut stream) = descriptor(esds)?;
    if tag != ES_DESCRIPTOR {
        return Err(Error::malformed(format!("descriptor {tag} where the elementary stream's (3) must be"))
            .at(stream.position())
            .by(CLAUSE));
    }
    stream.skip(2)?;
    let flags = stream.u8()?;
    if flags & 0x80 != 0 {
        stream.skip(2)?;
    }
    if flags & 0x40 != 0 {
        let length = stream.u8()?;
        stream.skip(length.into())?;
    }
    if flags & 0x20 != 0 {
        stream.skip(2)?;
    }
    while !stream.is_empty() {
        let (tag, mut config) = descriptor(&mut stream)?;
        if tag == DECODER_CONFIG {
            let object_type = config.u8()?;
            config.skip(12)?;
            let specific = descriptor(&mut config).ok().filter(|(tag, _)| *tag == DECODER_SPECIFIC).map(|(_, specific)| specific);
            return Ok(DecoderConfig { object_type, specific });
        }
    }
    Err(Error::malformed("no decoder configuration in the elementary stream descriptor").at(stream.position()).by(CLAUSE))
}

/// A descriptor: tag, then a length of up to four bytes of seven bits. A length past the end means up to the end, as some writers pad none.
fn descriptor<'a>(reader: &mut Reader<'a>) -> Result<(u8, Reader<'a>)> {
    let tag = reader.u8()?;
    let mut length = 0usize;
    for _ in 0..4 {
        let byte = reader.u8()?;
        length = (length << 7) | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Ok((tag, reader.sub(length.min(reader.remaining()))?))
}
