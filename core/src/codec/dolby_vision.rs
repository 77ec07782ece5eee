//! Dolby Vision: `dvcC`, `dvvC`, `dvwC` and the codecs string (Dolby Vision Streams Within the ISO Base Media File Format 3 and 4.2).

use alloc::{format, string::String};

use super::{Codec, av1, avc, hevc, in_config, required, video};
use crate::{
    boxes::sample_entry::SampleEntry,
    coding::Reader,
    error::{Error, Result},
};

const CLAUSE: &str = "Dolby Vision ISOBMFF 3";

/// What `DOVIDecoderConfigurationRecord` says of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// `dv_profile`.
    pub profile: u8,
    /// `dv_level`.
    pub level: u8,
    /// `bl_present_flag`: the pictures are here, not only what improves those of another track.
    pub base_layer: bool,
    /// `dv_bl_signal_compatibility_id`: what the pictures are to decoders that know nothing of Dolby Vision. 1: HDR10, 2: SDR, 4: HLG.
    pub compatibility: u8,
}

/// Describes a sample entry that only decoders of Dolby Vision may play: `dvh1`, `dvhe`, `dav1`, `dva1`, `dvav`.
pub fn describe(entry: &SampleEntry<'_>) -> Result<Codec> {
    let record = required(entry, record(entry)?, "dvcC", CLAUSE)?;
    if !record.base_layer {
        return Err(Error::unsupported(format!("sample entry '{}': an enhancement of another track, no pictures of its own", entry.name)));
    }
    let string = format!("{}.{:02}.{:02}", entry.name, record.profile, record.level);
    let coded = match &entry.name.0 {
        b"dvh1" | b"dvhe" => hevc::colour(entry),
        b"dav1" => av1::colour(entry),
        _ => avc::colour(entry),
    };
    video(entry, string, coded)
}

/// The record of an entry, which entries of the codecs below (`hvc1`, `av01`, ...) may have too. The box is named by profile: `dvcC` up
/// to 7, `dvvC` from 8 to 10, `dvwC` above.
pub fn record(entry: &SampleEntry<'_>) -> Result<Option<Record>> {
    let visual = entry.visual()?;
    let found = [*b"dvcC", *b"dvvC", *b"dvwC"].into_iter().find_map(|name| Some((name, visual.find(name)?)));
    found.map(|(name, config)| read(config).map_err(in_config(entry, name))).transpose()
}

impl Record {
    /// The codecs string of the whole stream and the brand of what it is to other decoders, where `base` is the string of the codec that
    /// those know (RFC 8216bis 4.4.6.2, SUPPLEMENTAL-CODECS; Dolby Vision ISOBMFF 4.2). `None`: there is no such codec, or no brand for it.
    pub fn supplemental(&self, base: &str) -> Option<(String, &'static str)> {
        let name = match base.split('.').next()? {
            "hvc1" => "dvh1",
            "hev1" => "dvhe",
            "av01" => "dav1",
            "avc1" => "dva1",
            "avc3" => "dvav",
            _ => return None,
        };
        let brand = match self.compatibility {
            1 => "db1p",
            2 => "db2g",
            4 => "db4h",
            _ => return None,
        };
        Some((format!("{name}.{:02}.{:02}", self.profile, self.level), brand))
    }
}

fn read(mut config: Reader<'_>) -> Result<Record> {
    config.skip(2)?;
    let fields = config.u16()?;
    let profile = u8::try_from(fields >> 9).unwrap_or(u8::MAX);
    let level = u8::try_from((fields >> 3) & 0x3f).unwrap_or(u8::MAX);
    Ok(Record { profile, level, base_layer: fields & 1 == 1, compatibility: config.u8()? >> 4 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn supplemental_codecs() {
        for (base, profile, compatibility, expected) in [
            ("hvc1.2.4.L153.B0", 8, 4, Some("dvh1.08.04/db4h")), // Apple's HLS authoring specification 1.10
            ("hvc1.2.4.L153.B0", 8, 1, Some("dvh1.08.04/db1p")),
            ("hev1.2.4.L153.B0", 8, 2, Some("dvhe.08.04/db2g")),
            ("av01.0.13M.10", 10, 4, Some("dav1.10.04/db4h")),
            ("avc1.640028", 9, 2, Some("dva1.09.04/db2g")),
            ("hvc1.2.4.L153.B0", 7, 6, None),
            ("dvh1.05.04", 5, 0, None),
        ] {
            let record = Record { profile, level: 4, base_layer: true, compatibility };
            let found = record.supplemental(base).map(|(codec, brand)| format!("{codec}/{brand}"));
            assert_eq!(found.as_deref(), expected, "{base} {profile}.{compatibility}");
        }
    }

    #[test]
    fn records() {
        for (config, profile, level, base_layer, compatibility) in [
            ([2, 1, 0x14, 0x3d, 0x00], 10, 7, true, 0), // media3__video_dovi_3840x2160_30fps_dav1_10.mp4
            ([1, 0, 0x0a, 0x35, 0x00], 5, 6, true, 0),
            ([1, 0, 0x10, 0x25, 0x40], 8, 4, true, 4),
            ([1, 0, 0x0e, 0x36, 0x60], 7, 6, false, 6),
        ] {
            let expected = Record { profile, level, base_layer, compatibility };
            assert_eq!(read(Reader::new(&config, 0)).unwrap(), expected);
        }
    }
}
