//! What is to be made of a source: every product with all that decides how it comes out, before anything runs.

use std::fmt::Write;

use data_encoding::HEXLOWER;
use reelway_core::time::FrameRate;
use ring::digest::{SHA256, digest};

use super::{
    Codec, LadderError, Tool, Wanted,
    loudness::Loudness,
    rungs::{Rung, rungs},
    source::{Purpose, Range, Sound, Source, Text},
};

/// The longest group of pictures, in milliseconds: a player can begin, and a finger on the timeline finds a picture, as often.
const LONGEST_GROUP: u64 = 2000;

/// How a ladder is made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which rungs.
    pub wanted: Wanted,
    /// The codec of all of them.
    pub codec: Codec,
    /// The preset of the encoder; `None`: the usual one.
    pub preset: Option<String>,
    /// What segments last, in milliseconds: key frames are so that segments can begin that often.
    pub segment_millis: u64,
    /// How loud the sound is to be, in LUFS below zero; `None`: as it is.
    pub loudness: Option<u8>,
    /// Whether a poster and a storyboard are made.
    pub images: bool,
    /// Whether each rung is encoded for itself, so that it is there when it is whole, at the price of decoding the source again.
    pub one_by_one: bool,
    /// Whether the caps of rungs that name none follow from how complex the pictures are.
    pub per_title: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            wanted: Wanted::Auto,
            codec: Codec::default(),
            preset: None,
            segment_millis: reelway_core::vod::SEGMENT_MILLIS,
            loudness: None,
            images: true,
            one_by_one: false,
            per_title: false,
        }
    }
}

/// Where key frames are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Every so many frames, all of which last equally long.
    Frames(u32),
    /// At the first frame of every so many milliseconds.
    Millis(u64),
}

/// How the pictures of all rungs come about, before they are scaled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pictures {
    /// Frames a second.
    pub rate: FrameRate,
    /// Ticks a second of their times, where these stay as they are; `None`: frames are put at the rate.
    pub variable: Option<u32>,
    /// Where key frames are.
    pub keys: Keys,
    /// The codec.
    pub codec: Codec,
    /// Its preset.
    pub preset: String,
    /// Whether the range of brightness is brought to the standard one.
    pub tone_mapped: bool,
    /// The range of brightness of what is made.
    pub range: Range,
}

/// A sound of the rungs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoundPlan {
    /// What it is made from.
    pub sound: Sound,
    /// How.
    pub way: Way,
    /// Whether it is in the largest rung alone.
    pub largest_alone: bool,
}

/// How a sound is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// As it is.
    Copy,
    /// AAC with this many channels, as loud as measured, if it was.
    Aac {
        /// One or two.
        channels: u32,
        /// How loud it is, and is to be.
        loudness: Option<Loudness>,
    },
}

/// All that is to be made.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How pictures come about.
    pub pictures: Pictures,
    /// The rungs, the largest first.
    pub rungs: Vec<Rung>,
    /// The sounds of the rungs.
    pub sounds: Vec<SoundPlan>,
    /// The products.
    pub products: Vec<Product>,
    /// What is worth knowing: a sentence each.
    pub notes: Vec<String>,
}

/// A part of the ladder that is made and kept as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Its name: that of its file, or of its files together.
    pub name: String,
    /// What it is.
    pub kind: ProductKind,
    /// A digest of all that decides how it comes out, but for the source.
    pub settings: String,
}

/// What a product is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProductKind {
    /// The rung with this index.
    Rung(usize),
    /// Poster and storyboard.
    Images,
    /// The texts.
    Texts,
}

/// Plans a ladder of `source`, with caps of so many hundredths of the usual ones.
pub fn plan(source: &Source, settings: &Settings, tool: &Tool, hundredths: u64) -> Result<Plan, LadderError> {
    tool.require_encoder(settings.codec)?;
    let video = &source.video;
    let (rungs, mut notes) = rungs(&settings.wanted, video, settings.codec, hundredths)?;
    let pictures = pictures(source, settings, tool, &mut notes)?;
    let sounds = source.sounds.iter().flat_map(|sound| sounds(sound, settings)).collect();
    let mut plan = Plan { pictures, rungs, sounds, products: Vec::new(), notes };
    plan.list_products(source, settings);
    Ok(plan)
}

fn pictures(source: &Source, settings: &Settings, tool: &Tool, notes: &mut Vec<String>) -> Result<Pictures, LadderError> {
    let (video, codec) = (&source.video, settings.codec);
    let rate = video.made_rate();
    // An encoder that counts frames puts key frames at times only where frames last equally long.
    let variable = video.variable.filter(|_| rate == video.frame_rate && codec != Codec::Av1);
    if rate != video.frame_rate {
        notes.push(format!("{} frames a second are halved to {rate}", video.frame_rate));
    } else if video.variable.is_some() && variable.is_none() {
        notes.push(format!("frames of different lengths are put at {rate} a second, because the encoder of AV1 counts them"));
    }
    let group = settings.segment_millis / settings.segment_millis.div_ceil(LONGEST_GROUP).max(1);
    let keys = match variable {
        Some(_) => Keys::Millis(group),
        None => {
            let (numerator, denominator) = (u64::from(rate.numerator), u64::from(rate.denominator));
            let frames = (group * numerator + 500 * denominator) / (1000 * denominator);
            Keys::Frames(u32::try_from(frames).unwrap_or(u32::MAX).max(1))
        }
    };
    let tone_mapped = video.range != Range::Sdr && codec == Codec::H264;
    if tone_mapped {
        if !tool.has_filters(&["zscale", "tonemap"]) {
            let message = "the source is HDR, which H.264 does not carry, and this ffmpeg has no zscale and tonemap to make it SDR: \
                           choose --codec hevc or av1, or install an ffmpeg with libzimg";
            return Err(LadderError::Tool(message.into()));
        }
        notes.push("the source is HDR: for H.264 its brightness is mapped to SDR; --codec hevc and av1 keep it".into());
    }
    let preset = settings.preset.clone().unwrap_or_else(|| codec.usual_preset().into());
    let range = if tone_mapped { Range::Sdr } else { video.range };
    Ok(Pictures {
        rate,
        variable: variable.map(|ticks| if ticks > 100_000 { 90_000 } else { ticks }),
        keys,
        codec,
        preset,
        tone_mapped,
        range,
    })
}

/// What becomes of a sound: AAC that everything plays, and, where the original has more than that and plays in places, that too.
fn sounds(sound: &Sound, settings: &Settings) -> Vec<SoundPlan> {
    let plan = |way, largest_alone| SoundPlan { sound: sound.clone(), way, largest_alone };
    if sound.codec == "aac" && sound.channels <= 2 && settings.loudness.is_none() {
        return vec![plan(Way::Copy, false)];
    }
    let mut made = vec![plan(Way::Aac { channels: sound.channels.clamp(1, 2), loudness: None }, false)];
    if sound.channels > 2 && ["aac", "ac3", "eac3", "opus", "flac"].contains(&sound.codec.as_str()) {
        made.push(plan(Way::Copy, true));
    }
    made
}

impl Plan {
    /// Lists the products anew, after something that decides how they come out has changed.
    pub(super) fn list_products(&mut self, source: &Source, settings: &Settings) {
        let pictures = format!("{:?} {:?}", self.pictures, source.video);
        let codec = settings.codec.name();
        let mut products: Vec<Product> = Vec::new();
        for (index, rung) in self.rungs.iter().enumerate() {
            let sounds: Vec<&SoundPlan> = self.sounds_of(index).collect();
            let kind = ProductKind::Rung(index);
            products.push(Product {
                name: format!("{}-{codec}.mp4", rung.name),
                kind,
                settings: hash(&format!("{pictures} {rung:?} {sounds:?}")),
            });
        }
        if settings.images {
            products.push(Product { name: "images".into(), kind: ProductKind::Images, settings: hash(&format!("{:?}", source.video)) });
        }
        if !source.texts.is_empty() {
            products.push(Product { name: "texts".into(), kind: ProductKind::Texts, settings: hash(&format!("{:?}", source.texts)) });
        }
        self.products = products;
    }

    /// The sounds of the rung with this index.
    pub(super) fn sounds_of(&self, rung: usize) -> impl Iterator<Item = &SoundPlan> {
        self.sounds.iter().filter(move |sound| rung == 0 || !sound.largest_alone)
    }

    /// Where key frames are, in words that are the same for rungs that can be switched between.
    pub(super) fn key_frames(&self) -> String {
        let rate = self.pictures.rate;
        match self.pictures.keys {
            Keys::Frames(frames) => format!("every {frames} frames at {rate} a second"),
            Keys::Millis(millis) => format!("every {millis} ms"),
        }
    }

    /// The most bytes that these products may take.
    pub(super) fn most_bytes<'a>(&self, source: &Source, products: impl IntoIterator<Item = &'a Product>) -> u64 {
        let sound = |rung| self.sounds_of(rung).map(|sound| if sound.way == Way::Copy { 700_000 } else { 160_000 }).sum::<u64>();
        let bits = products.into_iter().map(|product| match product.kind {
            ProductKind::Rung(index) => self.rungs.get(index).map_or(0, |rung| rung.max_bitrate + sound(index)),
            ProductKind::Images | ProductKind::Texts => 20_000,
        });
        bits.sum::<u64>() / 8 * (source.duration_millis / 1000 + 2)
    }
}

/// The names of the files of texts, in their order: `subtitles.en.vtt`, `subtitles-2.en.sdh.vtt`.
pub fn text_names(texts: &[Text]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for text in texts {
        let language = text.told.language.as_ref().map(|tag| format!(".{tag}")).unwrap_or_default();
        let purpose = match text.told.purpose {
            Purpose::Forced => ".forced",
            Purpose::Caption => ".sdh",
            _ => "",
        };
        let name = |number: usize| {
            let mut name = String::from("subtitles");
            if number > 1 {
                let _ = write!(name, "-{number}");
            }
            format!("{name}{language}{purpose}.vtt")
        };
        names.extend((1..=texts.len()).map(name).find(|name| !names.contains(name)));
    }
    names
}

fn hash(text: &str) -> String {
    HEXLOWER.encode(digest(&SHA256, text.as_bytes()).as_ref().get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{
        super::source::{TextContent, Told},
        *,
    };

    fn sound(codec: &str, channels: u32) -> Sound {
        Sound { stream: "1".into(), codec: codec.into(), channels, sample_rate: 48_000, told: Told::default() }
    }

    #[test]
    fn sounds_that_play_are_kept() {
        let quiet = Settings { loudness: Some(16), ..Settings::default() };
        for (codec, channels, settings, expected) in [
            ("aac", 2, &Settings::default(), &["copy"][..]),
            ("aac", 2, &quiet, &["aac 2"]),
            ("aac", 6, &Settings::default(), &["aac 2", "copy, largest"]),
            ("ac3", 6, &Settings::default(), &["aac 2", "copy, largest"]),
            ("mp3", 2, &Settings::default(), &["aac 2"]),
            ("pcm_s16le", 1, &Settings::default(), &["aac 1"]),
            ("dts", 6, &Settings::default(), &["aac 2"]),
            ("mp4a.40.5", 2, &Settings::default(), &["aac 2"]),
        ] {
            let plans = sounds(&sound(codec, channels), settings);
            let told: Vec<String> = plans
                .iter()
                .map(|plan| match (&plan.way, plan.largest_alone) {
                    (Way::Copy, false) => "copy".into(),
                    (Way::Copy, true) => "copy, largest".into(),
                    (Way::Aac { channels, .. }, _) => format!("aac {channels}"),
                })
                .collect();
            assert_eq!(told, expected, "{codec} {channels}");
        }
    }

    #[test]
    fn texts_have_names_that_tell_what_they_are() {
        let text = |language: Option<&str>, purpose| Text {
            content: TextContent::Stream("3".into()),
            told: Told { language: language.map(Into::into), label: None, purpose },
        };
        let texts = [
            text(Some("en"), Purpose::Main),
            text(Some("en"), Purpose::Main),
            text(Some("en"), Purpose::Caption),
            text(Some("pt-BR"), Purpose::Forced),
            text(None, Purpose::Main),
        ];
        let expected = ["subtitles.en.vtt", "subtitles-2.en.vtt", "subtitles.en.sdh.vtt", "subtitles.pt-BR.forced.vtt", "subtitles.vtt"];
        assert_eq!(text_names(&texts), expected);
        for name in expected {
            assert!(reelway_core::demux::side_file::SideFileName::read(name).is_some(), "{name}");
        }
    }
}
