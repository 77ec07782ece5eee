//! Content codings (RFC 9110 8.4.1, 12.5.3): what a client takes, and text that is compressed once for all of them.

use std::{
    io::{self, Write},
    sync::OnceLock,
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, header};

/// How content is coded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Coding {
    /// As it is.
    #[default]
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
}

impl Coding {
    /// Its name in `Content-Encoding`; `None` for content as it is.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Brotli => Some("br"),
        }
    }

    /// The coding that a client likes best, the smallest of those it likes equally.
    ///
    /// Content as it is goes to who says nothing, and to who takes nothing that is there: it may be refused then (406), but helps more.
    pub fn preferred(fields: &HeaderMap) -> Self {
        let mut weights = Weights::default();
        let lines = fields.get_all(header::ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).for_each(|member| weights.add(member));
        let coded = |weight: Option<u16>| weight.or(weights.any).unwrap_or(0);
        // 12.5.3: what is not listed is not wanted, but for content as it is, which is wanted least.
        let identity = weights.identity.or(weights.any.filter(|any| *any == 0)).unwrap_or(1);
        let choices = [(identity, Self::Identity), (coded(weights.gzip), Self::Gzip), (coded(weights.brotli), Self::Brotli)];
        choices.into_iter().filter(|(weight, _)| *weight > 0).max_by_key(|(weight, _)| *weight).map_or(Self::Identity, |(_, coding)| coding)
    }
}

/// The weights of an `Accept-Encoding`, in thousandths.
#[derive(Default)]
struct Weights {
    identity: Option<u16>,
    gzip: Option<u16>,
    brotli: Option<u16>,
    any: Option<u16>,
}

impl Weights {
    /// Takes one member of the list; one that is malformed is passed over.
    fn add(&mut self, member: &str) {
        let (name, parameters) = member.split_once(';').map_or((member, None), |(name, parameters)| (name, Some(parameters)));
        let Some(weight) = parameters.map_or(Some(1000), weight) else { return };
        let name = name.trim();
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        let place = match () {
            () if is("br") => &mut self.brotli,
            () if is("gzip") || is("x-gzip") => &mut self.gzip,
            () if is("identity") => &mut self.identity,
            () if is("*") => &mut self.any,
            () => return,
        };
        *place = Some(weight);
    }
}

/// A weight (12.4.2): from 0 to 1 with three places at most, in thousandths.
fn weight(text: &str) -> Option<u16> {
    let value = text.trim().strip_prefix(['q', 'Q'])?.strip_prefix('=')?;
    let (whole, places) = value.split_once('.').unwrap_or((value, ""));
    if places.len() > 3 || !places.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths = format!("{places:0<3}").parse::<u16>().ok()?;
    match (whole, thousandths) {
        ("0", _) => Some(thousandths),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

/// Text of one version, compressed when somebody first asks for it so, once, and shared by all who do.
#[derive(Debug)]
pub struct Text {
    plain: Bytes,
    gzip: OnceLock<Bytes>,
    brotli: OnceLock<Bytes>,
}

/// Shorter text would hardly become shorter, if at all, and goes in the packet that its head goes in.
const SHORT: usize = 128;

/// Of gzip: 9 takes many times the time of 6 and saves a hundredth.
const GZIP_LEVEL: u32 = 6;
/// Of brotli, by measuring playlists: 9 takes two to three times the time of 5 and saves a twentieth at most, 11 fifty times and a fifth.
const BROTLI_QUALITY: u32 = 5;
/// The window of brotli, as a power of two: 4 MiB, more than most manifests have.
const BROTLI_WINDOW: u32 = 22;

impl Text {
    /// Text as it is.
    pub fn new(plain: impl Into<Bytes>) -> Self {
        Self { plain: plain.into(), gzip: OnceLock::new(), brotli: OnceLock::new() }
    }

    /// In this coding; in none where it does not vary. The first to ask waits for the compression, and so does who asks meanwhile.
    pub fn coded(&self, coding: Coding) -> (Option<Coding>, Bytes) {
        if self.plain.len() < SHORT {
            return (None, self.plain.clone());
        }
        // Writing into memory does not fail.
        let bytes = match coding {
            Coding::Identity => &self.plain,
            Coding::Gzip => self.gzip.get_or_init(|| gzip(&self.plain).unwrap_or_default().into()),
            Coding::Brotli => self.brotli.get_or_init(|| brotli(&self.plain).unwrap_or_default().into()),
        };
        (Some(coding), bytes.clone())
    }
}

fn gzip(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
    encoder.write_all(plain)?;
    encoder.finish()
}

fn brotli(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressed = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut compressed, 32 << 10, BROTLI_QUALITY, BROTLI_WINDOW);
    encoder.write_all(plain)?;
    drop(encoder); // writes the end
    Ok(compressed)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// RFC 9110 12.4.2, 12.5.3, 8.4.1.3.
    #[test]
    fn the_coding_that_is_liked_best() {
        use Coding::{Brotli, Gzip, Identity};
        for (lines, expected) in [
            (&[][..], Identity),
            (&[""], Identity),
            (&["gzip, deflate, br, zstd"], Brotli),
            (&["gzip"], Gzip),
            (&["x-gzip"], Gzip),
            (&["GZip"], Gzip),
            (&["deflate"], Identity),
            (&["gzip", "br"], Brotli),
            (&["gzip;q=1.0, br;q=0.9"], Gzip),
            (&["gzip;q=0.5, br;q=0.5"], Brotli),
            (&["br;q=0, gzip;q=0.001"], Gzip),
            (&["br ; q=0.8 , gzip\t;\tQ=0.2"], Brotli),
            (&["gzip;q=0, br;q=0"], Identity),
            (&["identity"], Identity),
            (&["identity, gzip;q=0.5"], Identity),
            (&["identity;q=0.5, gzip;q=0.4"], Identity),
            (&["identity;q=0.5, gzip"], Gzip),
            (&["identity;q=0"], Identity),
            (&["identity;q=0, gzip;q=0.001"], Gzip),
            (&["*"], Brotli),
            (&["*;q=0"], Identity),
            (&["*;q=0, gzip"], Gzip),
            (&["br;q=0, *;q=0.1"], Gzip),
            (&["gzip;q=2, br;q=-1"], Identity),
            (&["gzip;q=1.001"], Identity),
            (&["gzip;q=0.1234"], Identity),
            (&["gzip;q=.5"], Identity),
            (&["gzip;level=1"], Identity),
            (&["gzip;q="], Identity),
            (&["gzip;q=1."], Gzip),
        ] {
            let fields = lines.iter().map(|line| (header::ACCEPT_ENCODING, HeaderValue::from_static(line)));
            assert_eq!(Coding::preferred(&fields.collect()), expected, "{lines:?}");
        }
    }

    #[test]
    fn short_text_does_not_vary() {
        let short = Text::new("#EXTM3U\n");
        assert_eq!(short.coded(Coding::Brotli), (None, Bytes::from_static(b"#EXTM3U\n")));
    }

    #[test]
    fn text_is_compressed_once() {
        let text = Text::new("#EXTINF:4,\n".repeat(1000));
        for coding in [Coding::Gzip, Coding::Brotli] {
            let (got, first) = text.coded(coding);
            assert_eq!(got, Some(coding));
            assert!(first.len() < 500, "{coding:?}: {} bytes", first.len());
            assert_eq!(text.coded(coding).1.as_ptr(), first.as_ptr(), "the same bytes, not as many again");
        }
    }
}
