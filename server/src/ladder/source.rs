//! What a ladder is made from: the facts of a source that decide its rungs, whoever found them.

use reelway_core::time::FrameRate;
use serde::Serialize;

use crate::storage::Identity;

/// A file with video that a ladder is made from.
#[derive(Clone, Debug)]
pub struct Source {
    /// Which version of it.
    pub identity: Identity,
    /// How long it plays, in milliseconds.
    pub duration_millis: u64,
    /// Bits a second of all of it.
    pub bitrate: u64,
    /// The pictures.
    pub video: Video,
    /// The sounds, in the order of the file.
    pub sounds: Vec<Sound>,
    /// The texts, in the order of the file.
    pub texts: Vec<Text>,
    /// What is worth knowing of it: a sentence each.
    pub notes: Vec<String>,
}

/// A stream of the source as ffmpeg finds it: `i:1` by the number of its track, `3` by its place.
pub type StreamSpecifier = String;

/// The pictures of a source, as they stand in it: not turned yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Video {
    /// Which stream.
    pub stream: StreamSpecifier,
    /// Pixels in a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Shape of a pixel, horizontal to vertical.
    pub pixel_aspect: (u32, u32),
    /// Whether players turn it by a quarter to either side.
    pub on_its_side: bool,
    /// Frames a second; on the average, where they are not equally long.
    pub frame_rate: FrameRate,
    /// Ticks a second of its times, where frames are not equally long; `None`: they are.
    pub variable: Option<u32>,
    /// Whether fields may have to be put together: never where it is known that they need not.
    pub may_be_interlaced: bool,
    /// The range of brightness.
    pub range: Range,
    /// Primaries, transfer and matrix, by number or name as ffmpeg takes them, where they are told.
    pub colour: Option<[String; 3]>,
}

/// The range of brightness of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// Standard.
    Sdr,
    /// High, by SMPTE ST 2084.
    Pq,
    /// High, by ARIB STD-B67.
    Hlg,
}

/// A sound of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sound {
    /// Which stream.
    pub stream: StreamSpecifier,
    /// ffmpeg's name of the codec.
    pub codec: String,
    /// Channels.
    pub channels: u32,
    /// Samples a second, in Hz.
    pub sample_rate: u32,
    /// What is told of it.
    pub told: Told,
}

/// A text of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// How its WebVTT comes about.
    pub content: TextContent,
    /// What is told of it.
    pub told: Told,
}

/// How the WebVTT of a text comes about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextContent {
    /// It was read already: this is it.
    WebVtt(String),
    /// ffmpeg makes it of this stream.
    Stream(StreamSpecifier),
}

/// What a source tells of a sound or a text beside its media.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Told {
    /// ISO 639-2 code or BCP 47 tag.
    pub language: Option<String>,
    /// What people call it.
    pub label: Option<String>,
    /// What it is for.
    pub purpose: Purpose,
}

/// What a sound or a text is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Purpose {
    /// The programme itself, or whatever nothing else is said of.
    #[default]
    Main,
    /// A translation of the speech.
    Dub,
    /// Talk about the programme.
    Commentary,
    /// Tells what is to be seen, for those who do not see it.
    Description,
    /// Text of speech and sounds, for those who do not hear them.
    Caption,
    /// Text that is shown to everybody.
    Forced,
}

impl Video {
    /// Width and height in pixels as they are coded when it has been turned upright.
    pub fn upright(&self) -> (u32, u32) {
        if self.on_its_side { (self.height, self.width) } else { (self.width, self.height) }
    }

    /// The shape of a pixel when it has been turned upright.
    pub fn upright_aspect(&self) -> (u32, u32) {
        let (horizontal, vertical) = self.pixel_aspect;
        if self.on_its_side { (vertical, horizontal) } else { (horizontal, vertical) }
    }

    /// Width and height in square pixels as it is shown.
    pub fn shown(&self) -> (u32, u32) {
        let ((width, height), (horizontal, vertical)) = (self.upright(), self.upright_aspect());
        let shown = u64::from(width) * u64::from(horizontal) / u64::from(vertical.max(1));
        (u32::try_from(shown).unwrap_or(u32::MAX).max(1), height)
    }

    /// Frames a second of what is made of it: its own, halved until they are 60 at most.
    pub fn made_rate(&self) -> FrameRate {
        let mut rate = self.frame_rate;
        while u64::from(rate.numerator) > 60 * u64::from(rate.denominator) {
            match (rate.numerator.is_multiple_of(2), rate.denominator.checked_mul(2)) {
                (true, _) => rate.numerator /= 2,
                (false, Some(denominator)) => rate.denominator = denominator,
                (false, None) => return rate,
            }
        }
        rate
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Upright 16:9 pictures of this size at 25 frames a second.
    pub fn video(width: u32, height: u32) -> Video {
        Video {
            stream: "0".into(),
            width,
            height,
            pixel_aspect: (1, 1),
            on_its_side: false,
            frame_rate: FrameRate { numerator: 25, denominator: 1 },
            variable: None,
            may_be_interlaced: false,
            range: Range::Sdr,
            colour: None,
        }
    }

    #[test]
    fn pictures_are_shown_upright_in_square_pixels() {
        let pal = Video { pixel_aspect: (64, 45), ..video(720, 576) };
        assert_eq!((pal.upright(), pal.shown()), ((720, 576), (1024, 576)));
        let turned = Video { on_its_side: true, ..pal };
        assert_eq!((turned.upright(), turned.upright_aspect(), turned.shown()), ((576, 720), (45, 64), (405, 720)));
    }

    #[test]
    fn rates_above_60_are_halved() {
        for (rate, expected) in [
            ((25, 1), (25, 1)),
            ((60_000, 1001), (60_000, 1001)),
            ((60, 1), (60, 1)),
            ((120_000, 1001), (60_000, 1001)),
            ((100, 1), (50, 1)),
            ((240, 1), (60, 1)),
            ((75, 1), (75, 2)),
        ] {
            let frame_rate = FrameRate { numerator: rate.0, denominator: rate.1 };
            let made = Video { frame_rate, ..video(640, 360) }.made_rate();
            assert_eq!((made.numerator, made.denominator), expected);
        }
    }
}
