//! H.264: `avcC` (ISO/IEC 14496-15 5.3.3) and its codecs string (RFC 6381 3.3).

use alloc::format;

use super::{Codec, video};
use crate::{
    boxes::{FourCc, sample_entry::SampleEntry},
    error::{Error, Result},
};

/// Describes a sample entry `avc1` or `avc3`.
pub fn describe(entry: &SampleEntry<'_>) -> Result<Codec> {
    let mut config = entry.visual()?.find(*b"avcC").ok_or_else(|| {
        Error::malformed("box 'avcC' is missing").at(entry.content.position()).within(entry.name).by("ISO/IEC 14496-15 5.4.2.1")
    })?;
    if config.is_empty() {
        let message =
            "the decoder configuration is empty: the pictures are a byte stream (Annex B of H.264), which has to be put into MP4 anew";
        let error = Error::malformed(message).at(config.position()).within(FourCc(*b"avcC")).within(entry.name);
        return Err(error.by("ISO/IEC 14496-15 5.3.3"));
    }
    let mut read = || {
        config.skip(1)?;
        Ok((config.u8()?, config.u8()?, config.u8()?))
    };
    let (profile, constraints, level) = read().map_err(|e: Error| e.within(FourCc(*b"avcC")).within(entry.name))?;
    video(entry, format!("{}.{profile:02X}{constraints:02X}{level:02X}", entry.name))
}
