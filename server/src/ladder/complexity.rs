//! How much the pictures of a film take: a few stretches of it are encoded quickly and small, at several qualities, and the caps of all
//! rungs follow from the rate at which they come out as like the source as they are to be (SSIM). A lecture then costs less than is usual
//! for its size, and a match may have more. Where the encoder does not tell the likeness, the rate at the usual quality counts.

use std::{ffi::OsString, fmt::Write, fs};

use super::{Cancel, Codec, LadderError, Tool, command::input_arguments, error::at, rungs::Rung, source::Source, work::Work};

/// Stretches that are encoded, and how long each is, in milliseconds.
const STRETCHES: u64 = 5;
const LENGTH: u64 = 3000;

/// How far the qualities (CRF) that are tried are from the usual one: the best first.
const QUALITIES: [i16; 4] = [-4, 0, 4, 8];

/// Differences from the source are to be this rare, in hundredths of a decibel of SSIM: 19 dB are an SSIM of 0.9874, which the usual
/// quality gives to pictures of the usual kind.
const LIKENESS: u64 = 1900;

/// The likeness of pictures that are the same.
const SAME: u64 = 10_000;

/// Peaks take so many hundredths of the average.
const PEAK: u64 = 160;

/// Caps are never less and never more than so many hundredths of the usual ones.
const LEAST: u64 = 35;
const MOST: u64 = 180;

/// What was found of the pictures of a film.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Complexity {
    /// What they take, in hundredths of what is usual.
    pub hundredths: u64,
    /// Whether that is the rate of a measured likeness.
    pub measured: bool,
}

/// How the stretches came out at one quality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Trial {
    /// Bits a second.
    rate: u64,
    /// Hundredths of a decibel of SSIM.
    likeness: Option<u64>,
}

/// What the pictures of `source` take, measured in the size of `rung`.
pub fn measure(source: &Source, rung: &Rung, work: &Work, tool: &Tool, cancel: &Cancel) -> Result<Complexity, LadderError> {
    tool.require_encoder(Codec::H264)?;
    let stretches = (source.duration_millis / LENGTH).clamp(1, STRETCHES);
    let length = LENGTH.min(source.duration_millis);
    let seconds = |millis: u64| format!("{}.{:03}", millis / 1000, millis % 1000);
    let mut words: Vec<OsString> = ["-hide_banner", "-nostdin", "-nostats", "-y", "-v", "info"].map(OsString::from).into();
    let mut graph = String::new();
    for number in 0..stretches {
        // Each in the middle of its part of the film.
        let middle = source.duration_millis * (2 * number + 1) / (2 * stretches);
        words.extend(["-ss", &seconds(middle.saturating_sub(length / 2)), "-t", &seconds(length)].map(OsString::from));
        words.extend(input_arguments());
        let _ = write!(graph, "[{number}:{}]", source.video.stream);
    }
    let (width, height, ways) = (rung.width, rung.height, QUALITIES.len());
    let _ = write!(graph, "concat=n={stretches}:v=1:a=0,scale={width}:{height},setsar=1,format=yuv420p,split={ways}");
    graph.extend((0..QUALITIES.len()).map(|number| format!("[v{number}]")));
    words.extend(["-filter_complex", &graph].map(OsString::from));
    let file = |number: usize| format!("complexity-{number}.h264");
    for (number, quality) in QUALITIES.iter().enumerate() {
        let crf = (i16::from(Codec::H264.usual_crf()) + quality).to_string();
        // Likeness is measured of what is made to be like, and not to look sharp.
        let encode = ["-map", &format!("[v{number}]"), "-c:v", "libx264", "-preset", "veryfast", "-crf", &crf, "-g", "250"];
        words.extend(encode.map(OsString::from));
        words.extend(["-x264-params", "psy=0:ssim=1", "-f", "h264", &file(number)].map(OsString::from));
    }
    let ran = tool.ffmpeg.output(&words, &work.making(), 1 << 10, cancel)?;
    let mut trials = Vec::new();
    let mut told = likenesses(&ran.log);
    // Encoders end in any order: what is more like the source took more bits.
    told.sort_unstable_by(|one, other| other.cmp(one));
    for number in 0..QUALITIES.len() {
        let path = work.making().join(file(number));
        let bytes = fs::metadata(&path).map_err(at(&path))?.len();
        fs::remove_file(&path).map_err(at(&path))?;
        let rate = bytes.saturating_mul(8000) / (stretches * length).max(1);
        let likeness = told.get(number).copied().filter(|_| told.len() == QUALITIES.len());
        trials.push(Trial { rate, likeness });
    }
    let usual = Codec::H264.usual_bitrate(rung.width, rung.height, source.video.made_rate());
    let measured = trials.iter().all(|trial| trial.likeness.is_some());
    let hundredths = (rate(&trials).saturating_mul(PEAK) / usual.max(1)).clamp(LEAST, MOST);
    Ok(Complexity { hundredths, measured })
}

/// What libx264 tells of each encoding, in hundredths of a decibel: `SSIM Mean Y:0.9930502 (21.580db)`; pictures that are the same have
/// `inf`.
fn likenesses(log: &str) -> Vec<u64> {
    let told = log.lines().filter_map(|line| line.split_once("SSIM Mean Y:")?.1.split_once('(')?.1.split_once("db)"));
    let hundredths = |text: &str| {
        let (whole, fraction) = text.split_once('.')?;
        let fraction = fraction.get(..2)?.parse::<u64>().ok()?;
        whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(fraction)
    };
    told.map(|(text, _)| hundredths(text.trim()).unwrap_or(SAME).min(SAME)).collect()
}

/// The rate at which the stretches are as like the source as they are to be, between the two trials beside it: the likeness goes with the
/// rate as long as they are near each other. Beyond the trials, that of the last; without a measure, that of the usual quality.
fn rate(trials: &[Trial]) -> u64 {
    let best = trials.first().map_or(0, |trial| trial.rate);
    if trials.iter().any(|trial| trial.likeness.is_none()) {
        let usual = QUALITIES.iter().position(|quality| *quality == 0).unwrap_or(0);
        return trials.get(usual).map_or(best, |trial| trial.rate);
    }
    let reached = |trial: &&Trial| trial.likeness.is_some_and(|likeness| likeness >= LIKENESS);
    let Some(over) = trials.iter().rev().find(reached) else { return best };
    let Some(under) = trials.iter().find(|trial| !reached(trial)) else { return over.rate };
    let (Some(high), Some(low)) = (over.likeness, under.likeness) else { return best };
    let (rise, step) = (over.rate.saturating_sub(under.rate), high.saturating_sub(low).max(1));
    under.rate + rise.saturating_mul(LIKENESS.saturating_sub(low)) / step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likenesses_are_read() {
        let log =
            "[libx264 @ 0x5] SSIM Mean Y:0.9930502 (21.580db)\n[libx264 @ 0x6] kb/s:104\n[libx264 @ 0x6] SSIM Mean Y:1.0000000 (infdb)\n";
        assert_eq!(likenesses(log), [2158, SAME]);
        assert_eq!(likenesses("SSIM Mean Y:0.9 (x\n"), [0; 0]);
    }

    #[test]
    fn the_rate_is_that_of_the_likeness() {
        let trials = |likenesses: [Option<u64>; 4]| {
            let rates = [8000, 4000, 2000, 1000];
            rates.into_iter().zip(likenesses).map(|(rate, likeness)| Trial { rate, likeness }).collect::<Vec<_>>()
        };
        for (likenesses, expected, why) in [
            ([Some(2200), Some(2000), Some(1800), Some(1600)], 3000, "between two"),
            ([Some(1900), Some(1700), Some(1500), Some(1300)], 8000, "the best is just enough"),
            ([Some(1800), Some(1700), Some(1500), Some(1300)], 8000, "no trial is good enough"),
            ([Some(3000), Some(2800), Some(2500), Some(2300)], 1000, "all are"),
            ([Some(SAME); 4], 1000, "the same pictures"),
            ([Some(2200), None, Some(1800), Some(1600)], 4000, "it is not told"),
        ] {
            assert_eq!(rate(&trials(likenesses)), expected, "{why}");
        }
    }
}
