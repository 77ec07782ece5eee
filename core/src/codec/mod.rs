//! What a manifest has to say of a codec: the RFC 6381 string and the few facts beside it. One file a codec family.

pub mod aac;
pub mod avc;
pub mod hevc;

use alloc::{format, string::String};

use crate::{
    boxes::{
        FourCc,
        sample_entry::{Colour, SampleEntry},
    },
    error::{Error, Result},
};

/// A codec as manifests name it, with what its configuration says of the media.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codec {
    /// The `codecs` parameter of RFC 6381, such as `avc1.64001F`.
    pub string: String,
    /// What kind of media it carries.
    pub media: Media,
}

/// The kind of media of a track, with its properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Media {
    /// Pictures.
    Video(Video),
    /// Sound.
    Audio(Audio),
}

/// Properties of pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Video {
    /// Coded width in pixels.
    pub width: u32,
    /// Coded height in pixels.
    pub height: u32,
    /// Shape of a pixel, horizontal to vertical; (1, 1) where nothing else is said.
    pub pixel_aspect: (u32, u32),
    /// Colour, where the sample entry tells it.
    pub colour: Option<Colour>,
}

/// Properties of sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audio {
    /// Channels as decoded.
    pub channels: u32,
    /// Samples a second as decoded, in Hz.
    pub sample_rate: u32,
}

/// Describes a sample entry of a track whose handler is `handler`. Codecs that Reelway does not carry are [`Error::unsupported`].
pub fn describe(entry: &SampleEntry<'_>, handler: FourCc) -> Result<Codec> {
    match (&handler.0, &entry.name.0) {
        (b"vide", b"avc1" | b"avc3") => avc::describe(entry),
        (b"vide", b"hvc1" | b"hev1") => hevc::describe(entry),
        (b"soun", b"mp4a") => aac::describe(entry),
        (_, b"encv" | b"enca") => Err(Error::unsupported(format!("sample entry '{}': the track is encrypted", entry.name))),
        (b"vide" | b"soun", _) => Err(Error::unsupported(format!("sample entry '{}': this codec is not carried", entry.name))),
        _ => Err(Error::unsupported(format!("handler '{handler}': neither video nor audio"))),
    }
}

fn video(entry: &SampleEntry<'_>, string: String) -> Result<Codec> {
    let visual = entry.visual()?;
    let pixel_aspect = visual.pixel_aspect.filter(|(h, v)| *h > 0 && *v > 0).unwrap_or((1, 1));
    let (width, height) = (visual.width.into(), visual.height.into());
    Ok(Codec { string, media: Media::Video(Video { width, height, pixel_aspect, colour: visual.colour }) })
}
