//! A job: what is to be made of what, and how far it is.

use serde::{Deserialize, Serialize};

use crate::ladder::{Codec, Settings, Wanted};

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Order {
    /// The path of a file below the media folder, or the name of an upload.
    pub asset: String,
    /// Which rungs, as `reelway ladder --rungs` takes them.
    #[serde(default = "auto")]
    pub rungs: String,
    /// The codec of the rungs.
    #[serde(default)]
    pub codec: Codec,
    /// The preset of the encoder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// What segments last, in milliseconds.
    #[serde(default = "segment")]
    pub segment_ms: u64,
    /// How loud the sound is to be, in LUFS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loudness: Option<i8>,
    /// Whether bit rates follow from how complex the pictures are.
    #[serde(default)]
    pub per_title: bool,
    /// Jobs with a higher one are done first.
    #[serde(default)]
    pub priority: i8,
    /// An http or https URL to which the job is posted when it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
}

fn auto() -> String {
    "auto".into()
}

fn segment() -> u64 {
    reelway_core::vod::SEGMENT_MILLIS
}

impl Order {
    /// A ladder as it is made of `asset` where nothing else is said.
    pub fn new(asset: String) -> Self {
        let (rungs, segment_ms) = (auto(), segment());
        let (codec, preset, loudness, per_title, priority, webhook) = (Codec::default(), None, None, false, 0, None);
        Self { asset, rungs, codec, preset, segment_ms, loudness, per_title, priority, webhook }
    }

    /// How the ladder is made; an error names what is wrong with the order.
    pub fn settings(&self) -> Result<Settings, String> {
        let preset_fits = |name: &String| (1..=16).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if let Some(name) = self.preset.as_ref().filter(|name| !preset_fits(name)) {
            return Err(format!("preset: '{name}' is none"));
        }
        if !(100..=3_600_000).contains(&self.segment_ms) {
            return Err("segmentMs: a segment lasts between 100 and 3600000 ms".into());
        }
        let loudness = self.loudness.map(|lufs| u8::try_from(-i16::from(lufs)).ok().filter(|below| (5..=70).contains(below)));
        if loudness == Some(None) {
            return Err("loudness: name LUFS between -5 and -70".into());
        }
        Ok(Settings {
            wanted: Wanted::parse(&self.rungs).map_err(|what| format!("rungs: {what}"))?,
            codec: self.codec,
            preset: self.preset.clone(),
            segment_millis: self.segment_ms,
            loudness: loudness.flatten(),
            images: true,
            one_by_one: true,
            per_title: self.per_title,
        })
    }
}

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It waits for its turn, or for another try.
    Queued,
    /// It is worked on.
    Running,
    /// All is made.
    Done,
    /// It cannot be made.
    Failed,
    /// Somebody wanted it to end.
    Cancelled,
}

impl State {
    /// Whether nothing more happens.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// A job as it is kept and told. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Its name.
    pub id: String,
    /// What was asked for.
    #[serde(flatten)]
    pub order: Order,
    /// The asset that it becomes: a folder below the media folder, or the upload.
    pub output: String,
    /// Where it is in its life.
    pub state: State,
    /// How often it was begun.
    pub attempts: u32,
    /// When it came.
    pub created: u64,
    /// It is not begun before.
    pub not_before: u64,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<u64>,
    /// Why it failed, the last time that it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What is worth knowing: a sentence each.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The products that are whole, by name.
    #[serde(default)]
    pub products: Vec<String>,
    /// How far it is, while it runs; it is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// In tenths of a thousandth of all.
    pub done: u32,
    /// How many times faster than it plays, in thousandths.
    pub speed: u64,
    /// Seconds that are left at this speed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_checked() {
        let order = |json: &str| serde_json::from_str::<Order>(json).map_err(|error| error.to_string()).and_then(|order| order.settings());
        assert!(order(r#"{"asset":"a.mkv"}"#).is_ok_and(|settings| settings.wanted == Wanted::Auto && settings.one_by_one));
        let all = r#"{"asset":"a.mkv","rungs":"720p@3M","codec":"av1","preset":"8","segmentMs":6000,"loudness":-16,"priority":-5,"webhook":"http://a/"}"#;
        assert!(order(all).is_ok_and(|settings| settings.codec == Codec::Av1 && settings.loudness == Some(16)));
        for (json, told) in [
            ("{}", "asset"),
            (r#"{"asset":"a","rungs":"big"}"#, "rungs: "),
            (r#"{"asset":"a","codec":"vp8"}"#, "vp8"),
            (r#"{"asset":"a","preset":"-x"}"#, "preset: "),
            (r#"{"asset":"a","segmentMs":1}"#, "segmentMs: "),
            (r#"{"asset":"a","loudness":16}"#, "loudness: "),
            (r#"{"asset":"a","priority":1000}"#, "1000"),
            (r#"{"asset":"a","output":"/etc"}"#, "output"),
        ] {
            let fault = order(json).unwrap_err();
            assert!(fault.contains(told), "{json}: {fault}");
        }
    }
}
