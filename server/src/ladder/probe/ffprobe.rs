//! A source that the core does not read, as ffprobe tells of it.

use std::{collections::BTreeMap, ffi::OsString, path::Path};

use reelway_core::{language, time::FrameRate};
use serde::Deserialize;

use super::super::{
    Cancel, LadderError, Tool,
    command::input_arguments,
    process::thousandths,
    source::{Purpose, Range, Sound, Source, Text, TextContent, Told, Video},
};
use crate::storage::Identity;

/// The most that ffprobe may say, in bytes: thousands of streams.
const ANSWER: u64 = 8 << 20;

/// Why Dolby Vision alone is of no use.
pub(super) const NO_DOLBY_BASE: &str =
    "the video is Dolby Vision without a base that other decoders show (profile 5): ffmpeg cannot convert its colours";

/// Subtitles of letters; those of pictures cannot be made WebVTT.
const TEXTS: [&str; 8] = ["subrip", "srt", "webvtt", "mov_text", "ass", "ssa", "text", "eia_608"];

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    streams: Vec<Stream>,
    #[serde(default)]
    format: Format,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Format {
    duration: Option<String>,
    bit_rate: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Stream {
    index: u32,
    codec_type: String,
    codec_name: String,
    codec_tag_string: String,
    profile: String,
    width: u32,
    height: u32,
    sample_aspect_ratio: String,
    field_order: String,
    color_space: String,
    color_transfer: String,
    color_primaries: String,
    r_frame_rate: String,
    avg_frame_rate: String,
    time_base: String,
    duration: Option<String>,
    sample_rate: String,
    channels: u32,
    disposition: BTreeMap<String, u8>,
    tags: BTreeMap<String, String>,
    side_data_list: Vec<SideData>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SideData {
    rotation: Option<i32>,
    dv_profile: Option<u32>,
    dv_bl_signal_compatibility_id: Option<u32>,
}

/// Asks ffprobe of the source that the folder `work` leads to.
pub(super) fn probe(identity: Identity, work: &Path, tool: &Tool, cancel: &Cancel) -> Result<Source, LadderError> {
    let mut arguments: Vec<OsString> = ["-v", "error", "-of", "json", "-show_streams", "-show_format"].map(OsString::from).into();
    arguments.extend(input_arguments());
    let ran = tool.ffprobe.output(&arguments, work, ANSWER, cancel)?;
    let answer = serde_json::from_slice(&ran.out);
    let answer: Answer = answer.map_err(|error| LadderError::Source(format!("what ffprobe says of it cannot be understood: {error}")))?;
    read(identity, &answer)
}

fn read(identity: Identity, answer: &Answer) -> Result<Source, LadderError> {
    let fault = |what: &str| LadderError::Source(what.into());
    let is_video = |stream: &&Stream| stream.codec_type == "video" && !stream.is("attached_pic") && stream.width > 0;
    let lead = answer.streams.iter().filter(|stream| stream.is("default")).find(is_video);
    let lead = lead.or_else(|| answer.streams.iter().find(is_video)).ok_or_else(|| fault("there is no video in it"))?;
    if lead.codec_tag_string == "encv" {
        return Err(fault("the video is encrypted: decrypt it first"));
    }
    if lead.codec_name.is_empty() || lead.codec_name == "unknown" {
        return Err(fault("ffmpeg does not know the codec of the video"));
    }
    if lead
        .side_data_list
        .iter()
        .any(|data| data.dv_profile == Some(5) || (data.dv_profile.is_some() && data.dv_bl_signal_compatibility_id == Some(0)))
    {
        return Err(fault(NO_DOLBY_BASE));
    }
    let millis = |text: &Option<String>| text.as_deref().and_then(thousandths).unwrap_or(0);
    let mut notes = Vec::new();
    let mut texts = Vec::new();
    for stream in answer.streams.iter().filter(|stream| stream.codec_type == "subtitle") {
        if TEXTS.contains(&stream.codec_name.as_str()) {
            texts.push(Text { content: TextContent::Stream(stream.index.to_string()), told: stream.told() });
        } else {
            notes.push(format!("subtitles {} are left out: {} are no letters", stream.index, stream.codec_name));
        }
    }
    let sounds = answer.streams.iter().filter(|stream| stream.codec_type == "audio" && stream.channels > 0);
    Ok(Source {
        identity,
        duration_millis: millis(&answer.format.duration).max(millis(&lead.duration)),
        bitrate: answer.format.bit_rate.as_deref().and_then(|rate| rate.parse().ok()).unwrap_or(0),
        video: lead.video().ok_or_else(|| fault("the frame rate of the video is not known"))?,
        sounds: sounds.map(Stream::sound).collect(),
        texts,
        notes,
    })
}

impl Stream {
    fn is(&self, disposition: &str) -> bool {
        self.disposition.get(disposition).is_some_and(|set| *set != 0)
    }

    fn video(&self) -> Option<Video> {
        let (real, average) = (fraction(&self.r_frame_rate, '/'), fraction(&self.avg_frame_rate, '/'));
        let interlaced = ["tt", "bb", "tb", "bt"].contains(&self.field_order.as_str());
        // Of interlaced pictures the first of the rates may count fields.
        let frame_rate = if interlaced { average.or(real)? } else { real.filter(|rate| is_near(*rate, average)).or(average).or(real)? };
        let constant = interlaced || real.is_some_and(|rate| is_near(rate, average));
        let told = [&self.color_primaries, &self.color_transfer, &self.color_space];
        let turned = self.side_data_list.iter().find_map(|data| data.rotation).or_else(|| self.tags.get("rotate")?.parse().ok());
        Some(Video {
            stream: self.index.to_string(),
            width: self.width,
            height: self.height,
            pixel_aspect: fraction(&self.sample_aspect_ratio, ':').map_or((1, 1), |rate| (rate.numerator, rate.denominator)),
            on_its_side: turned.is_some_and(|degrees| degrees.rem_euclid(180) == 90),
            frame_rate,
            variable: (!constant).then(|| fraction(&self.time_base, '/').map_or(1000, |base| base.denominator / base.numerator.max(1))),
            may_be_interlaced: interlaced,
            range: match self.color_transfer.as_str() {
                "smpte2084" => Range::Pq,
                "arib-std-b67" => Range::Hlg,
                _ => Range::Sdr,
            },
            colour: told.iter().all(|name| !matches!(name.as_str(), "" | "unknown" | "reserved")).then(|| told.map(String::clone)),
        })
    }

    fn sound(&self) -> Sound {
        let lc = self.codec_name != "aac" || self.profile == "LC";
        Sound {
            stream: self.index.to_string(),
            codec: if lc { self.codec_name.clone() } else { format!("aac {}", self.profile) },
            channels: self.channels,
            sample_rate: self.sample_rate.parse().unwrap_or(0),
            told: self.told(),
        }
    }

    fn told(&self) -> Told {
        let tag = |name: &str| self.tags.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone());
        let purposes = [
            ("comment", Purpose::Commentary),
            ("visual_impaired", Purpose::Description),
            ("descriptions", Purpose::Description),
            ("hearing_impaired", Purpose::Caption),
            ("captions", Purpose::Caption),
            ("forced", Purpose::Forced),
            ("dub", Purpose::Dub),
        ];
        let purpose = purposes.into_iter().find(|(name, _)| self.is(name)).map_or(Purpose::Main, |(_, purpose)| purpose);
        Told { language: tag("language").as_deref().and_then(language::tag), label: tag("title"), purpose }
    }
}

/// Two numbers above zero; `None` for anything else, such as `0/0` and `N/A`.
fn fraction(text: &str, between: char) -> Option<FrameRate> {
    let (numerator, denominator) = text.split_once(between)?;
    let rate = FrameRate { numerator: numerator.parse().ok()?, denominator: denominator.parse().ok()? };
    (rate.numerator > 0 && rate.denominator > 0).then_some(rate)
}

/// Whether rates differ by less than a hundredth: what an average that begins or ends within a frame makes of a constant one.
fn is_near(rate: FrameRate, average: Option<FrameRate>) -> bool {
    let Some(average) = average else { return false };
    let cross = |a: FrameRate, b: FrameRate| u64::from(a.numerator) * u64::from(b.denominator);
    let (a, b) = (cross(rate, average), cross(average, rate));
    a.abs_diff(b).saturating_mul(100) < a.max(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(json: &str) -> Stream {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn rates_are_told_apart() {
        for (real, average, order, rate, variable) in [
            ("25/1", "25/1", "progressive", "25", None),
            ("24000/1001", "24000/1001", "", "24000/1001", None),
            ("30/1", "89910/2999", "", "30", None),
            ("50/1", "25/1", "tt", "25", None),
            ("1000/1", "17300/1001", "", "17300/1001", Some(1000)),
            ("90000/1", "0/0", "", "90000", Some(1000)),
        ] {
            let text = format!(
                r#"{{"width":640,"height":360,"r_frame_rate":"{real}","avg_frame_rate":"{average}","field_order":"{order}","time_base":"1/1000"}}"#
            );
            let video = stream(&text).video().unwrap();
            assert_eq!((video.frame_rate.to_string().as_str(), video.variable), (rate, variable), "{real} {average}");
        }
        assert_eq!(stream(r#"{"width":640,"height":360,"r_frame_rate":"0/0","avg_frame_rate":"0/0"}"#).video(), None);
    }

    #[test]
    fn pictures_are_turned_and_shaped() {
        for (json, on_its_side, aspect) in [
            (r#""side_data_list":[{"rotation":-90}]"#, true, (1, 1)),
            (r#""side_data_list":[{"rotation":180}],"sample_aspect_ratio":"64:45""#, false, (64, 45)),
            (r#""tags":{"rotate":"270"},"sample_aspect_ratio":"0:1""#, true, (1, 1)),
            (r#""sample_aspect_ratio":"N/A""#, false, (1, 1)),
        ] {
            let video =
                stream(&format!(r#"{{"width":640,"height":360,"r_frame_rate":"25/1","avg_frame_rate":"25/1",{json}}}"#)).video().unwrap();
            assert_eq!((video.on_its_side, video.pixel_aspect), (on_its_side, aspect), "{json}");
        }
    }

    #[test]
    fn what_is_told_is_read() {
        let told = stream(r#"{"tags":{"LANGUAGE":"ger","title":"Director"},"disposition":{"default":1,"comment":1}}"#).told();
        assert_eq!(told, Told { language: Some("de".into()), label: Some("Director".into()), purpose: Purpose::Commentary });
        assert_eq!(stream("{}").told(), Told::default());
    }
}
