//! How long parts are: those of what leads are whole frames, and there are as many of sound, which end where these do.
//!
//! Frames of sound fit into no part of pictures. If parts of sound were never longer than those of pictures, each segment would end with one
//! more, of a frame or two, that comes right behind another: a request for next to nothing, and more than players expect. hls.js 1.7 does not
//! ask for a part that is listed while it parses the one before, and stands still.

use crate::{
    codec::Media,
    time::{Timescale, compare, rescale_length},
    track::Track,
};

/// A length: ticks, and how many of them are a second.
pub type Length = (u64, Timescale);

/// The longer of two.
pub fn longer(a: Length, b: Length) -> Length {
    if compare(b, a).is_gt() { b } else { a }
}

/// Whether `part` is long enough where parts last `target`: 85 % of it (RFC 8216bis 4.4.4.9).
pub fn is_enough(part: Length, target: Length) -> bool {
    compare((part.0.saturating_mul(20), part.1), (target.0.saturating_mul(17), target.1)).is_ge()
}

/// The fewest whole frames that last at least `pace`; `pace` itself, where parts that last that would then be too short.
pub fn whole_frames(frame: Length, pace: Length) -> Length {
    let (ticks, scale) = frame;
    let least = rescale_length(pace.0, pace.1, scale);
    let whole = (least.div_ceil(ticks.max(1)).saturating_mul(ticks), scale);
    if is_enough(pace, whole) { whole } else { pace }
}

/// How long a frame of sound lasts in streams of this kind, of which none has come yet.
pub fn usual_frame(track: &Track) -> Option<Length> {
    let Media::Audio(audio) = &track.codec.media else { return None };
    let rate = Timescale::new(audio.sample_rate)?;
    let length = match track.codec.string.as_str() {
        string if string.starts_with("mp4a.40.") => 1024,
        "ac-3" | "ec-3" => 1536,
        "opus" => u64::from(rate.get() / 50),
        _ => return None,
    };
    Some((length, rate))
}

/// Where the part that begins with what is in the middle of `middle` ends in a segment that began at `start`, in ticks of `scale`: with the
/// part of what leads that it is beside.
pub fn end_of_part(start: i64, middle: i64, pace: Length, scale: Timescale) -> i64 {
    let pace = i64::try_from(rescale_length(pace.0, pace.1, scale)).unwrap_or(i64::MAX).max(1);
    let before = middle.saturating_sub(start).max(0) / pace;
    start.saturating_add(before.saturating_add(1).saturating_mul(pace))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(ticks: u32) -> Timescale {
        Timescale::new(ticks).unwrap()
    }

    #[test]
    fn sound_has_room_for_as_many_parts() {
        let (aac, milli) = (scale(48_000), scale(1000));
        let cases = [
            ("200 ms: ten frames", (1024, aac), 200, (10_240, aac)),
            ("a second", (1024, aac), 1000, (48_128, aac)),
            ("of whole frames already", (960, aac), 200, (9600, aac)),
            ("at 44.1 kHz", (1024, scale(44_100)), 200, (9216, scale(44_100))),
            ("100 ms: five", (1024, aac), 100, (5120, aac)),
            ("40 ms: two would be 42.7", (1024, aac), 40, (2048, aac)),
            ("33 ms: parts of that would be too short", (1024, aac), 33, (33, milli)),
            ("frames that are longer than parts", (48_000, aac), 200, (200, milli)),
        ];
        for (case, frame, pace, whole) in cases {
            assert_eq!(whole_frames(frame, (pace, milli)), whole, "{case}");
        }
    }

    #[test]
    fn parts_end_together() {
        let (milli, pace) = (scale(1000), (200, scale(1000)));
        for (middle, end) in [(1000, 1200), (1190, 1200), (1200, 1400), (995, 1200), (1900, 2000)] {
            assert_eq!(end_of_part(1000, middle, pace, milli), end, "{middle}");
        }
    }
}
