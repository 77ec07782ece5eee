//! Which rungs a ladder has: those that are asked for, or those that follow from the source.

use serde::Deserialize;

use super::{Codec, LadderError, source::Video};

/// The sizes of a ladder that follows from its source, as the lines of a picture of 16:9.
const SIZES: [u32; 6] = [2160, 1440, 1080, 720, 540, 360];

/// A source that is smaller than a size by no more than this many hundredths has that size.
const NEARLY: u32 = 95;

/// The next rung is smaller than this many hundredths of the one above it.
const STEP: u32 = 80;

/// The most rungs that may be asked for.
const MOST: usize = 16;

/// Bounds of what a rung may take, in bits a second.
const BITRATES: std::ops::RangeInclusive<u64> = 30_000..=400_000_000;

/// What rungs are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// Those that follow from the source.
    #[default]
    Auto,
    /// These.
    These(Vec<WantedRung>),
}

/// A rung that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedRung {
    /// The lines of the picture of 16:9 that its pictures fit into.
    #[serde(deserialize_with = "size")]
    pub size: u32,
    /// The most that its pictures take, in bits a second; `None`: as fits its size.
    #[serde(default, deserialize_with = "bitrate")]
    pub max_bitrate: Option<u64>,
    /// The quality, as the encoder counts it; `None`: as is usual for the encoder.
    #[serde(default)]
    pub crf: Option<u8>,
}

/// A rung as it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Its name, such as `720p`.
    pub name: String,
    /// Pixels in a line, even.
    pub width: u32,
    /// Lines, even.
    pub height: u32,
    /// The most that its pictures take, in bits a second, over as long as two seconds.
    pub max_bitrate: u64,
    /// The quality, as the encoder counts it.
    pub crf: u8,
}

impl Wanted {
    /// Reads `auto` or a list: `1080p,720p@3M`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let rungs: Result<Vec<WantedRung>, String> = text.split(',').map(WantedRung::parse).collect();
        Self::checked(rungs?)
    }

    /// Reads a TOML file: a table `[[rung]]` for each, with `size = "720p"` and, as wished, `max_bitrate = "3M"` and `crf = 22`.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            rung: Vec<WantedRung>,
        }
        let file: File = toml::from_str(text).map_err(|error| error.to_string().trim().replace('\n', " "))?;
        Self::checked(file.rung)
    }

    fn checked(rungs: Vec<WantedRung>) -> Result<Self, String> {
        if rungs.is_empty() || rungs.len() > MOST {
            return Err(format!("a ladder has between 1 and {MOST} rungs"));
        }
        for (index, rung) in rungs.iter().enumerate() {
            if rungs.iter().skip(index + 1).any(|other| other.size == rung.size) {
                return Err(format!("{}p is named twice", rung.size));
            }
            if rung.crf.is_some_and(|crf| crf > 63) {
                return Err(format!("{}p: a crf is between 0 and 63", rung.size));
            }
        }
        Ok(Self::These(rungs))
    }
}

impl WantedRung {
    fn of(size: u32) -> Self {
        Self { size, max_bitrate: None, crf: None }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (size, bitrate) = text.split_once('@').map_or((text, None), |(size, bitrate)| (size, Some(bitrate)));
        Ok(Self { max_bitrate: bitrate.map(parse_bitrate).transpose()?, ..Self::of(parse_size(size)?) })
    }
}

fn parse_size(text: &str) -> Result<u32, String> {
    let lines = text.strip_suffix('p').and_then(|lines| lines.parse().ok()).filter(|lines| (96..=8640).contains(lines));
    lines.ok_or_else(|| format!("'{text}' is no size: write it as 720p, between 96p and 8640p"))
}

fn parse_bitrate(text: &str) -> Result<u64, String> {
    let (number, unit) = match text.strip_suffix(['M', 'm']) {
        Some(number) => (number, 1000),
        None => (text.strip_suffix(['K', 'k']).unwrap_or(text), u64::from(text.ends_with(['K', 'k']))),
    };
    let bits = match unit {
        0 => number.parse().ok(),
        unit => super::process::thousandths(number).and_then(|thousandths| thousandths.checked_mul(unit)),
    };
    bits.filter(|bits| BITRATES.contains(bits))
        .ok_or_else(|| format!("'{text}' is no bit rate: write it as 3M, 800k or 800000, between 30k and 400M"))
}

fn size<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    parse_size(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

fn bitrate<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    parse_bitrate(&String::deserialize(deserializer)?).map(Some).map_err(serde::de::Error::custom)
}

/// The rungs for `video` in `codec`, the largest first, and what is to be told of those that are left out. None is larger than the source.
/// Caps that are not named are so many hundredths of the usual ones.
pub fn rungs(wanted: &Wanted, video: &Video, codec: Codec, hundredths: u64) -> Result<(Vec<Rung>, Vec<String>), LadderError> {
    let class = class(video);
    let mut notes = Vec::new();
    let mut these: Vec<WantedRung> = match wanted {
        Wanted::Auto => auto(class).into_iter().map(WantedRung::of).collect(),
        Wanted::These(rungs) => rungs.clone(),
    };
    these.sort_by_key(|rung| std::cmp::Reverse(rung.size));
    let (width, height) = video.shown();
    these.retain(|rung| {
        let fits = *wanted == Wanted::Auto || class >= rung.size.saturating_mul(NEARLY) / 100;
        if !fits {
            notes.push(format!("{}p is left out: the source has {width}x{height}, and nothing is made larger", rung.size));
        }
        fits
    });
    if these.is_empty() {
        let message = format!("every rung that is named is larger than the source, which has {width}x{height}: name {class}p, or auto");
        return Err(LadderError::Source(message));
    }
    Ok((these.iter().map(|wanted| rung(wanted, class, video, codec, hundredths)).collect(), notes))
}

/// The lines of the smallest picture of 16:9 that the pictures fit into, upright or on its side.
fn class(video: &Video) -> u32 {
    let (width, height) = video.shown();
    let (long, short) = (width.max(height), width.min(height));
    let lines = u32::try_from((u64::from(long) * 9).div_ceil(16)).unwrap_or(u32::MAX).max(short);
    // A line more or less is no other size.
    SIZES.into_iter().find(|size| lines.abs_diff(*size) <= 2).unwrap_or(lines)
}

/// The source's own size, and each of the usual ones that is smaller by enough.
fn auto(class: u32) -> Vec<u32> {
    let near = |size: &u32| class <= *size && class >= size * NEARLY / 100;
    let mut sizes = vec![SIZES.into_iter().find(near).unwrap_or(class)];
    for size in SIZES {
        if sizes.last().is_some_and(|last| size <= last * STEP / 100) {
            sizes.push(size);
        }
    }
    sizes
}

fn rung(wanted: &WantedRung, class: u32, video: &Video, codec: Codec, hundredths: u64) -> Rung {
    let (width, height) = video.upright();
    // Never more than the source has.
    let size = wanted.size.min(class);
    let scaled = |side: u32| {
        let side = (u64::from(side) * u64::from(size) + u64::from(class) / 2) / u64::from(class.max(1));
        u32::try_from(side / 2 * 2).unwrap_or(u32::MAX).max(2)
    };
    let (width, height) = (scaled(width), scaled(height));
    let max_bitrate = wanted.max_bitrate.unwrap_or_else(|| codec.usual_bitrate(width, height, video.made_rate()) * hundredths / 100);
    Rung { name: format!("{}p", wanted.size), width, height, max_bitrate, crf: wanted.crf.unwrap_or(codec.usual_crf()) }
}

#[cfg(test)]
mod tests {
    use super::{super::source::tests::video, *};

    fn sizes(wanted: &str, video: &Video) -> Vec<(String, u32, u32)> {
        let (rungs, _) = rungs(&Wanted::parse(wanted).unwrap(), video, Codec::H264, 100).unwrap();
        rungs.into_iter().map(|rung| (rung.name, rung.width, rung.height)).collect()
    }

    #[test]
    fn rungs_follow_the_source() {
        for (source, expected) in [
            (video(1920, 1080), &[("1080p", 1920, 1080), ("720p", 1280, 720), ("540p", 960, 540), ("360p", 640, 360)][..]),
            (
                video(3840, 2160),
                &[
                    ("2160p", 3840, 2160),
                    ("1440p", 2560, 1440),
                    ("1080p", 1920, 1080),
                    ("720p", 1280, 720),
                    ("540p", 960, 540),
                    ("360p", 640, 360),
                ],
            ),
            // On its side, and of the cinema.
            (video(1080, 1920), &[("1080p", 1080, 1920), ("720p", 720, 1280), ("540p", 540, 960), ("360p", 360, 640)]),
            (video(1920, 800), &[("1080p", 1920, 800), ("720p", 1280, 532), ("540p", 960, 400), ("360p", 640, 266)]),
            // Turned by players: the first is made upright.
            (Video { on_its_side: true, ..video(1280, 720) }, &[("720p", 720, 1280), ("540p", 540, 960), ("360p", 360, 640)]),
            // Anamorphic: the shape of pixels stays, so that both sides become smaller by the same.
            (Video { pixel_aspect: (64, 45), ..video(720, 576) }, &[("576p", 720, 576), ("360p", 450, 360)]),
            // Odd and small ones.
            (video(641, 361), &[("360p", 640, 360)]),
            (video(1916, 1076), &[("1080p", 1916, 1076), ("720p", 1276, 716), ("540p", 958, 538), ("360p", 638, 358)]),
            (video(800, 600), &[("600p", 800, 600), ("360p", 480, 360)]),
            (video(160, 90), &[("90p", 160, 90)]),
        ] {
            let found = sizes("auto", &source);
            let found: Vec<(&str, u32, u32)> = found.iter().map(|(name, width, height)| (name.as_str(), *width, *height)).collect();
            assert_eq!(found, expected, "{}x{}", source.width, source.height);
        }
    }

    #[test]
    fn nothing_is_made_larger() {
        let source = video(1280, 720);
        let (found, notes) = rungs(&Wanted::parse("360p,1080p,720p@3M").unwrap(), &source, Codec::H264, 100).unwrap();
        let names: Vec<&str> = found.iter().map(|rung| rung.name.as_str()).collect();
        assert_eq!(names, ["720p", "360p"]);
        assert_eq!((found[0].max_bitrate, notes.len()), (3_000_000, 1));
        assert!(notes[0].starts_with("1080p is left out"));
        assert!(rungs(&Wanted::parse("1080p,2160p").unwrap(), &source, Codec::H264, 100).is_err());
    }

    #[test]
    fn rungs_are_read() {
        let rung = |size, max_bitrate, crf| WantedRung { size, max_bitrate, crf };
        for (text, expected) in [
            ("1080p", vec![rung(1080, None, None)]),
            ("1080p@5.5M,720p@800k", vec![rung(1080, Some(5_500_000), None), rung(720, Some(800_000), None)]),
            ("480p@1200000", vec![rung(480, Some(1_200_000), None)]),
        ] {
            assert_eq!(Wanted::parse(text), Ok(Wanted::These(expected)), "{text}");
        }
        for text in ["", "720", "720p,720p@3M", "720p@", "720p@fast", "720p@1", "0p", "9999999999p", "720p,", "-720p", "720p@-3M"] {
            assert!(Wanted::parse(text).is_err(), "{text}");
        }
        let file = "[[rung]]\nsize = \"1080p\"\nmax_bitrate = \"5M\"\ncrf = 21\n[[rung]]\nsize = \"360p\"\n";
        assert_eq!(Wanted::from_toml(file), Ok(Wanted::These(vec![rung(1080, Some(5_000_000), Some(21)), rung(360, None, None)])));
        for text in [
            "",
            "rung = []",
            "[[rung]]\nsize = 720",
            "[[rung]]\nsize = \"720p\"\nfps = 3",
            "[[rung]]\nsize = \"720p\"\ncrf = 99",
            "not toml",
        ] {
            assert!(Wanted::from_toml(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bit_rates_follow_size_rate_and_codec() {
        let rate = |numerator| reelway_core::time::FrameRate { numerator, denominator: 1 };
        let at = |codec: Codec, width, height, fps| codec.usual_bitrate(width, height, rate(fps));
        let full = at(Codec::H264, 1920, 1080, 25);
        assert!((4_500_000..5_500_000).contains(&full), "{full}");
        assert!(at(Codec::H264, 1280, 720, 25) < full * 6 / 10 && at(Codec::H264, 1920, 1080, 60) > full * 13 / 10);
        assert!(at(Codec::Hevc, 1920, 1080, 25) < full && at(Codec::Av1, 1920, 1080, 25) < at(Codec::Hevc, 1920, 1080, 25));
    }
}
