//! A small folder of videos for whoever has none at hand: made by ffmpeg, each only when missing.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::place;
use crate::run::Step;

/// One clip: the file's name and ffmpeg's arguments for it.
struct Clip {
    name: &'static str,
    inputs: &'static [&'static str],
    output: &'static [&'static str],
}

/// Between them: both video codecs, B-frames, an index at the end and at the front, several audio tracks.
const CLIPS: [Clip; 3] = [
    Clip {
        name: "counter-1080p-h264.mp4",
        inputs: &["testsrc2=size=1920x1080:rate=30:duration=60", "sine=frequency=330:beep_factor=4:sample_rate=48000:duration=60"],
        output: &["-c:v", "libx264", "-preset", "superfast", "-bf", "2", "-g", "60", "-b:v", "4M", "-pix_fmt", "yuv420p", "-c:a", "aac"],
    },
    Clip {
        name: "waves-720p-hevc.mp4",
        inputs: &["gradients=size=1280x720:rate=25:duration=30:speed=0.02:nb_colors=6", "sine=frequency=220:sample_rate=48000:duration=30"],
        output: &[
            "-c:v",
            "libx265",
            "-preset",
            "ultrafast",
            "-x265-params",
            "log-level=error:keyint=50:min-keyint=50:scenecut=0:bframes=3",
            "-tag:v",
            "hvc1",
            "-pix_fmt",
            "yuv420p",
            "-c:a",
            "aac",
            "-movflags",
            "+faststart",
        ],
    },
    Clip {
        name: "two-languages-720p.mp4",
        inputs: &[
            "smptehdbars=size=1280x720:rate=25:duration=30",
            "sine=frequency=440:beep_factor=2:sample_rate=48000:duration=30",
            "sine=frequency=660:beep_factor=3:sample_rate=48000:duration=30",
        ],
        output: &[
            "-map",
            "0:v",
            "-map",
            "1:a",
            "-map",
            "2:a",
            "-c:v",
            "libx264",
            "-preset",
            "superfast",
            "-g",
            "50",
            "-pix_fmt",
            "yuv420p",
            "-c:a",
            "aac",
            "-metadata:s:a:0",
            "language=eng",
            "-metadata:s:a:1",
            "language=deu",
            "-movflags",
            "+faststart",
        ],
    },
];

/// The folder the sample lives in.
pub fn folder() -> PathBuf {
    place::target().join("sample-media")
}

/// Whether a clip has still to be made, so that ffmpeg is needed.
pub fn is_missing() -> bool {
    CLIPS.iter().any(|clip| !folder().join(clip.name).is_file())
}

/// Makes the clips that are missing.
pub fn make() -> Result<()> {
    let folder = folder();
    fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for clip in &CLIPS {
        let file = folder.join(clip.name);
        if file.is_file() {
            continue;
        }
        // Made under a hidden name, which is not served, and renamed when whole.
        let part = folder.join(format!(".part-{}", clip.name));
        let mut step = Step::new(format!("sample {}", clip.name), "ffmpeg").args(["-hide_banner", "-loglevel", "warning", "-y"]);
        for input in clip.inputs {
            step = step.args(["-f", "lavfi", "-i", input]);
        }
        step.args(clip.output).arg(&part).hidden()?;
        fs::rename(&part, &file).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}
