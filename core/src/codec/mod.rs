//! What a manifest has to say of a codec: the RFC 6381 string and the few facts beside it. One file a codec family.

pub mod aac;
pub mod ac3;
pub mod ac4;
pub mod alac;
pub mod av1;
pub mod avc;
pub(crate) mod bits;
pub mod captions;
pub mod copied;
pub mod dolby_vision;
pub mod esds;
pub mod flac;
pub mod hevc;
pub mod iamf;
pub mod mpeg4_visual;
pub mod mpegh;
pub mod nal;
pub mod opus;
pub mod stpp;
pub mod syncframe;
pub mod vpx;
pub mod vvc;

use self::captions::Captions;
use alloc::{format, string::String};

use crate::{
    boxes::{
        FourCc,
        protection::ProtectionScheme,
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
    /// Timed text: `wvtt`, `stpp`, and `tx3g`, which is published as `wvtt`.
    Text,
    /// Timed metadata for whoever knows it: `mett`, `metx`, `urim` (ISO/IEC 14496-12 12.3.3).
    Metadata,
}

/// Kinds of media, in the order in which a presentation lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Timed text.
    Text,
    /// Timed metadata.
    Metadata,
}

impl Kind {
    /// The letter with which names of renditions begin.
    pub fn letter(self) -> char {
        match self {
            Self::Video => 'v',
            Self::Audio => 'a',
            Self::Text => 't',
            Self::Metadata => 'm',
        }
    }

    /// As manifests name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Text => "text",
            Self::Metadata => "application",
        }
    }

    /// The media type of a CMAF file of this kind.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Video => "video/mp4",
            Self::Audio => "audio/mp4",
            Self::Text | Self::Metadata => "application/mp4",
        }
    }
}

impl Media {
    /// Of which kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Video(_) => Kind::Video,
            Self::Audio(_) => Kind::Audio,
            Self::Text => Kind::Text,
            Self::Metadata => Kind::Metadata,
        }
    }
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
    /// Colour, where the sample entry or the decoder configuration in it tells it.
    pub colour: Option<Colour>,
    /// Dolby Vision, alone or on top of the codec.
    pub dolby_vision: Option<dolby_vision::Record>,
    /// Closed captions, as far as somebody looked for them: see [`CaptionSearch`](crate::demux::captions::CaptionSearch).
    pub captions: Captions,
}

/// Properties of sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audio {
    /// Channels as decoded.
    pub channels: u32,
    /// Samples a second as decoded, in Hz.
    pub sample_rate: u32,
    /// What AC-3 and Enhanced AC-3 tell beside that.
    pub dolby: Option<ac3::Speakers>,
}

/// Describes a sample entry of a track whose handler is `handler`. Codecs that Reelway does not carry are [`Error::unsupported`].
pub fn describe(entry: &SampleEntry<'_>, handler: FourCc) -> Result<Codec> {
    match (&handler.0, &entry.name.0) {
        (b"vide", b"avc1" | b"avc3") => avc::describe(entry),
        (b"vide", b"hvc1" | b"hev1") => hevc::describe(entry),
        (b"vide", b"av01") => av1::describe(entry),
        (b"vide", b"vp08" | b"vp09") => vpx::describe(entry),
        (b"vide", b"dvh1" | b"dvhe" | b"dav1" | b"dva1" | b"dvav") => dolby_vision::describe(entry),
        (b"vide", b"vvc1" | b"vvi1") => vvc::describe(entry),
        (b"vide", b"mp4v") => mpeg4_visual::describe(entry),
        (b"vide", b"s263") => copied::describe_video(entry),
        (b"soun", b"mp4a") => aac::describe(entry),
        (b"soun", _) if entry.is_quicktime_mp3() => aac::describe_mp3(entry),
        (b"soun", b"Opus") => opus::describe(entry),
        (b"soun", b"fLaC") => flac::describe(entry),
        (b"soun", b"alac") => alac::describe(entry),
        (b"soun", b"ac-3") => ac3::describe(entry),
        (b"soun", b"ec-3") => ac3::describe_enhanced(entry),
        (b"soun", b"ac-4") => ac4::describe(entry),
        (b"soun", b"mha1" | b"mha2" | b"mhm1" | b"mhm2") => mpegh::describe(entry),
        (b"soun", b"iamf") => iamf::describe(entry),
        (b"soun", b"mlpa") => copied::describe_true_hd(entry),
        (b"soun", b"ipcm" | b"fpcm") => copied::describe_pcm(entry),
        (b"soun", name) if copied::is_sound(*name) => copied::describe_sound(entry),
        (b"soun", _) if let Some(pcm) = entry.quicktime_pcm() => copied::describe_quicktime_pcm(entry, pcm),
        (b"text" | b"sbtl" | b"subt", b"wvtt" | b"tx3g") => Ok(Codec { string: format!("{}", entry.name), media: Media::Text }),
        (b"text" | b"sbtl" | b"subt", b"stpp") => stpp::describe(entry),
        (b"meta", b"mett" | b"metx" | b"urim") => Ok(Codec { string: format!("{}", entry.name), media: Media::Metadata }),
        (_, b"encv" | b"enca") => {
            let how = ProtectionScheme::of(entry).map(|told| format!(" ('{}' by '{}')", told.original, told.scheme)).unwrap_or_default();
            Err(Error::unsupported(format!("sample entry '{}': the track is encrypted{how}", entry.name)))
        }
        (b"vide" | b"soun", _) => Err(Error::unsupported(format!("sample entry '{}': this codec is not carried", entry.name))),
        (b"meta", name) => Err(Error::unsupported(format!("timed metadata ('{}') is not carried", name.escape_ascii()))),
        (b"clcp", name) => Err(Error::unsupported(format!(
            "sample entry '{}': closed captions in a track of their own are not carried",
            name.escape_ascii()
        ))),
        (_, name) => Err(Error::unsupported(format!("handler '{handler}' ('{}'): neither video nor audio", name.escape_ascii()))),
    }
}

/// Pictures; `coded` is the colour that they say of themselves, for entries without a `colr` box that tells it.
fn video(entry: &SampleEntry<'_>, string: String, coded: Option<Colour>) -> Result<Codec> {
    let visual = entry.visual()?;
    let pixel_aspect = visual.pixel_aspect.filter(|(h, v)| *h > 0 && *v > 0).unwrap_or((1, 1));
    let (width, height) = (visual.width.into(), visual.height.into());
    // Whoever does not know Dolby Vision plays the codec below all the same.
    let dolby_vision = dolby_vision::record(entry).ok().flatten();
    Ok(Codec {
        string,
        media: Media::Video(Video {
            width,
            height,
            pixel_aspect,
            colour: visual.colour.or(coded),
            dolby_vision,
            captions: Captions::default(),
        }),
    })
}

fn sound(string: impl Into<String>, channels: u32, sample_rate: u32) -> Codec {
    Codec { string: string.into(), media: Media::Audio(Audio { channels, sample_rate, dolby: None }) }
}

/// What was found in an entry, or the error that the box which must hold it is not there.
fn required<T>(entry: &SampleEntry<'_>, found: Option<T>, name: &str, clause: &'static str) -> Result<T> {
    found.ok_or_else(|| Error::malformed(format!("box '{name}' is missing")).at(entry.content.position()).within(entry.name).by(clause))
}

/// Names the configuration box of an entry in an error.
fn in_config(entry: &SampleEntry<'_>, name: [u8; 4]) -> impl Fn(Error) -> Error {
    let entry = entry.name;
    move |error| error.within(FourCc(name)).within(entry)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::{
        boxes::sample_entry::read_descriptions,
        coding::{Reader, Writer},
    };

    /// An entry of this name with the fields of its kind and nothing else.
    fn described(handler: [u8; 4], name: [u8; 4]) -> Result<Codec> {
        let mut w = Writer::default();
        w.u32(0);
        w.u32(1);
        w.boxed(&name, |w| match &handler {
            b"vide" => w.zeros(78),
            b"soun" => {
                w.zeros(16);
                w.u16(2);
                w.u16(16);
                w.zeros(4);
                w.u32(48_000 << 16);
            }
            _ => w.zeros(8),
        });
        let bytes = w.into_bytes();
        describe(&read_descriptions(Reader::new(&bytes, 0))?[0], FourCc(handler))
    }

    /// Names that are all that is told; under which PCM of QuickTime is published; and why others are not carried.
    #[test]
    fn entries_without_a_configuration() {
        for (handler, name, expected) in [
            (b"soun", b"dtsc", Ok("dtsc")),
            (b"soun", b"samr", Ok("samr")),
            (b"soun", b"sowt", Ok("ipcm")),
            (b"soun", b"in24", Ok("ipcm")),
            (b"soun", b"fl32", Ok("fpcm")),
            (b"soun", b".mp2", Ok("mp4a.6B")),
            (b"vide", b"s263", Ok("s263")),
            (b"soun", b"ipcm", Err("box 'pcmC' is missing")),
            (b"soun", b"mlpa", Err("box 'dmlp' is missing")),
            (b"soun", b"mhm1", Err("box 'mhaC' is missing")),
            (b"soun", b"raw ", Err("sample entry 'raw ': this codec is not carried")),
            (b"vide", b"jpeg", Err("sample entry 'jpeg': this codec is not carried")),
            (b"meta", b"mett", Ok("mett")),
            (b"meta", b"urim", Ok("urim")),
            (b"meta", b"mebx", Err("timed metadata ('mebx') is not carried")),
            (b"clcp", b"c608", Err("sample entry 'c608': closed captions in a track of their own are not carried")),
            (b"hint", b"rtp ", Err("handler 'hint' ('rtp '): neither video nor audio")),
        ] {
            let told = described(*handler, *name).map(|codec| codec.string);
            assert_eq!(told.is_ok(), expected.is_ok(), "{told:?}");
            let (told, expected) = (told.unwrap_or_else(|error| error.to_string()), expected.unwrap_or_else(|reason| reason));
            assert!(told.starts_with(expected), "{told}, not {expected}");
        }
    }
}
