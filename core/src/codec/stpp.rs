//! TTML in XML samples (`stpp`; ISO/IEC 14496-30 6).

use alloc::format;

use super::{Codec, Media};
use crate::{
    boxes::{children, sample_entry::SampleEntry},
    coding::Reader,
    error::{Error, Result},
};

/// Describes a sample entry `stpp`.
///
/// The string names the profile that the track declares in its `mime` box. A track that declares none is IMSC 1, of pictures where the entry
/// names types of pictures and else of text: the profiles that players know.
pub fn describe(entry: &SampleEntry<'_>) -> Result<Codec> {
    let read = || {
        let mut content = entry.content;
        content.skip(8)?;
        let (_namespace, _schema) = (terminated(&mut content)?, terminated(&mut content)?);
        let auxiliary = terminated(&mut content)?;
        let mime = children(content).filter_map(Result::ok).find(|(name, _)| &name.0 == b"mime");
        let declared = mime.and_then(|(_, mime)| codecs(mime));
        Ok(declared.unwrap_or(if auxiliary.is_empty() { "im1t" } else { "im1i" }))
    };
    let profile = read().map_err(|e: Error| e.within(entry.name).by("ISO/IEC 14496-30 6.4"))?;
    Ok(Codec { string: format!("stpp.ttml.{profile}"), media: Media::Text })
}

/// A string that ends with a zero. Some writers leave the last ones out, where they are empty.
fn terminated<'a>(content: &mut Reader<'a>) -> Result<&'a [u8]> {
    let length = content.rest().iter().position(|byte| *byte == 0).unwrap_or(content.remaining());
    let text = content.take(length)?;
    content.skip(content.remaining().min(1))?;
    Ok(text)
}

/// The parameter `codecs` of a media type (ISO/IEC 14496-12 12.6.2), as far as it can stand in a manifest.
fn codecs(mut mime: Reader<'_>) -> Option<&str> {
    mime.full_box().ok()?;
    let text = core::str::from_utf8(mime.rest()).ok()?.trim_end_matches('\0');
    let value = text.split(';').find_map(|parameter| parameter.trim().strip_prefix("codecs="))?.trim_matches('"');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'|' | b'+' | b'.');
    (!value.is_empty() && value.len() <= 64 && value.bytes().all(plain)).then_some(value)
}

/// Whether a codecs string of text names it.
pub fn is_stpp(string: &str) -> bool {
    string.starts_with("stpp")
}

#[cfg(test)]
mod tests {
    use alloc::{string::String, vec::Vec};

    use super::*;
    use crate::{boxes::sample_entry::read_descriptions, coding::Writer};

    #[test]
    fn profiles() {
        const TTML: &[u8] = b"http://www.w3.org/ns/ttml\0";
        for (strings, mime, expected) in [
            ([TTML, b"\0", b"\0"].concat(), "", Some("stpp.ttml.im1t")),
            ([TTML, b"\0", b"image/png\0"].concat(), "", Some("stpp.ttml.im1i")),
            ([TTML, b"\0", b"\0"].concat(), "application/ttml+xml;codecs=im1i\0", Some("stpp.ttml.im1i")),
            ([TTML, b"\0", b"\0"].concat(), "application/ttml+xml; charset=utf-8; codecs=\"im2t|etd1\"", Some("stpp.ttml.im2t|etd1")),
            ([TTML, b"\0", b"\0"].concat(), "application/ttml+xml;codecs=\"<\"", Some("stpp.ttml.im1t")),
            (TTML.to_vec(), "", Some("stpp.ttml.im1t")),
        ] {
            let mut w = Writer::default();
            w.u32(0);
            w.u32(1);
            w.boxed(b"stpp", |w| {
                w.zeros(8);
                w.bytes(&strings);
                if !mime.is_empty() {
                    w.full_box(b"mime", 0, 0, |w| w.bytes(mime.as_bytes()));
                }
            });
            let bytes: Vec<u8> = w.into_bytes();
            let entries = read_descriptions(Reader::new(&bytes, 0)).unwrap();
            assert_eq!(describe(&entries[0]).ok().map(|codec: Codec| -> String { codec.string }).as_deref(), expected);
        }
    }
}
