//! How loud a sound is, and is to be (ITU-R BS.1770, EBU R 128): measured first, then changed by one and the same amount from start to end
//! wherever its peaks allow that.

use std::{ffi::OsString, path::Path};

use serde::Deserialize;

use super::{Cancel, LadderError, Tool, command::input_arguments};

/// Peaks stay below this, in tenths of dBTP below zero.
const PEAK: &str = "-1.5";
/// How much the loudness may vary where it must be made to, in LU.
const RANGE: &str = "11";

/// How loud a sound is to be, and what was measured of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loudness {
    /// LUFS below zero.
    target: u8,
    measured: Measured,
}

/// What the filter `loudnorm` tells, as it takes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Measured {
    input_i: String,
    input_tp: String,
    input_lra: String,
    input_thresh: String,
    target_offset: String,
}

impl Loudness {
    /// Measures a sound of the source that the folder `work` leads to, which is decoded for that; `None`: it is silent.
    pub fn measure(stream: &str, target: u8, work: &Path, tool: &Tool, cancel: &Cancel) -> Result<Option<Self>, LadderError> {
        if !tool.has_filters(&["loudnorm"]) {
            return Err(LadderError::Tool("this ffmpeg has no filter loudnorm: leave --loudness away, or install one that has".into()));
        }
        let mut words: Vec<OsString> = ["-hide_banner", "-nostdin", "-v", "info", "-nostats"].map(OsString::from).into();
        words.extend(input_arguments());
        let filter =
            format!("[0:{stream}]aformat=channel_layouts=stereo|mono,loudnorm=I=-{target}:TP={PEAK}:LRA={RANGE}:print_format=json[a]");
        words.extend(["-filter_complex", &filter, "-map", "[a]", "-f", "null", "-"].map(OsString::from));
        let ran = tool.ffmpeg.output(&words, work, 1 << 16, cancel)?;
        let json = ran.log.rfind('{').zip(ran.log.rfind('}')).and_then(|(start, end)| ran.log.get(start..=end));
        let measured: Measured = serde_json::from_str(json.unwrap_or_default())
            .map_err(|error| LadderError::Wrong(format!("the loudness of stream {stream} was not told: {error}")))?;
        let is_number = |text: &String| text.bytes().all(|byte| byte.is_ascii_digit() || b".-+".contains(&byte));
        let Measured { input_i, input_tp, input_lra, input_thresh, target_offset } = &measured;
        let told = [input_i, input_tp, input_lra, input_thresh, target_offset].into_iter().all(is_number);
        Ok(told.then_some(Self { target, measured }))
    }

    /// The filter that makes the sound as loud as it is to be.
    pub fn filter(&self) -> String {
        let Self { target, measured: Measured { input_i, input_tp, input_lra, input_thresh, target_offset } } = self;
        format!(
            "loudnorm=I=-{target}:TP={PEAK}:LRA={RANGE}:measured_I={input_i}:measured_TP={input_tp}:measured_LRA={input_lra}:\
             measured_thresh={input_thresh}:offset={target_offset}:linear=true"
        )
    }
}
