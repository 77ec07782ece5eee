//! Media that ffmpeg makes to order: small files, each with one thing in it that readers get wrong. Made once and kept.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context, Result};

use crate::{ffmpeg, files, layout, parallel};

/// A file and how it is made.
struct Recipe {
    name: &'static str,
    made: Made,
}

/// `@WORD` stands for the text of that name in [`WORDS`], `@FILE.mp4` for a file that was made before.
enum Made {
    /// By these arguments of ffmpeg.
    By(&'static str),
    /// From another file, in another box layout.
    From(&'static str, layout::Form),
}

const WORDS: [(&str, &str); 6] = [
    ("@V", "-f lavfi -i testsrc2=size=320x180:rate=25"),
    ("@A", "-f lavfi -i sine=frequency=440:sample_rate=48000:beep_factor=4"),
    ("@B", "-f lavfi -i sine=frequency=660:sample_rate=44100"),
    ("@X264", "-c:v libx264 -preset veryfast -pix_fmt yuv420p -b:v 300k -sc_threshold 0"),
    ("@X265", "-c:v libx265 -preset ultrafast -b:v 200k"),
    ("@AAC", "-c:a aac -b:a 64k"),
];

const fn ffmpeg(name: &'static str, arguments: &'static str) -> Recipe {
    Recipe { name, made: Made::By(arguments) }
}

const fn relaid(name: &'static str, source: &'static str, form: layout::Form) -> Recipe {
    Recipe { name, made: Made::From(source, form) }
}

const PLAIN: layout::Form = layout::Form { long_offsets: false, long_mdat: false };

/// All files; each needs only what stands before it.
const RECIPES: &[Recipe] = &[
    ffmpeg("bframes.mp4", "@V @A -t 10 @X264 -bf 3 -g 48 -x264-params b-pyramid=normal:open-gop=0 @AAC"),
    ffmpeg("open_gop.mp4", "@V @A -t 8 @X264 -bf 3 -g 48 -x264-params open-gop=1 @AAC"),
    ffmpeg("irregular_gop.mp4", "@V @A -t 12 @X264 -g 97 -keyint_min 13 -force_key_frames expr:eq(mod(n,61),0)+eq(mod(n,89),0) @AAC"),
    ffmpeg("one_key_frame.mp4", "@V @A -t 8 @X264 -g 9999 -keyint_min 9999 @AAC"),
    ffmpeg("negative_ctts.mp4", "@V @A -t 8 @X264 -bf 3 -g 50 @AAC -movflags +negative_cts_offsets -use_editlist 0"),
    ffmpeg("late_audio.mp4", "@V -itsoffset 1.3 @A -t 8 @X264 -g 50 @AAC"),
    ffmpeg("late_and_short.mp4", "@V -itsoffset 1.3 @A -t 3 @X264 -g 50 @AAC"),
    ffmpeg("late_video.mp4", "-itsoffset 0.7 @V @A -t 8 @X264 -g 50 @AAC"),
    ffmpeg("ntsc.mp4", "-f lavfi -i testsrc2=size=320x180:rate=30000/1001 @A -t 8 @X264 -g 60 @AAC"),
    ffmpeg("fast.mp4", "-f lavfi -i testsrc2=size=320x180:rate=60000/1001 @A -t 5 @X264 -g 120 @AAC"),
    ffmpeg("film.mp4", "-f lavfi -i testsrc2=size=320x180:rate=24000/1001 @A -t 8 @X264 -g 48 @AAC"),
    ffmpeg("variable_rate.mp4", "@V @A -t 12 -vf select=not(eq(mod(n\\,7)\\,3))*not(between(n\\,100\\,160)) -vsync vfr @X264 -g 50 @AAC"),
    ffmpeg("anamorphic.mp4", "-f lavfi -i testsrc2=size=360x288:rate=25,setsar=64/45 @A -t 5 @X264 -g 50 @AAC"),
    ffmpeg("hvc1.mp4", "@V @A -t 6 @X265 -x265-params log-level=none:keyint=50:min-keyint=50:scenecut=0 -tag:v hvc1 -pix_fmt yuv420p @AAC"),
    ffmpeg(
        "hdr10.mp4",
        "@V -t 5 -vf format=yuv420p10le @X265 -x265-params log-level=none:keyint=50:hdr10=1:colorprim=bt2020:transfer=smpte2084:\
         colormatrix=bt2020nc:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400 \
         -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc -tag:v hvc1",
    ),
    ffmpeg("surround.mp4", "@A -t 6 -ac 6 -c:a aac -b:a 256k"),
    ffmpeg(
        "two_languages.mp4",
        "@V @A @B -t 8 -map 0 -map 1 -map 2 @X264 -g 50 @AAC -metadata:s:a:0 language=eng -metadata:s:a:1 language=fra",
    ),
    ffmpeg("av1.mp4", "@V @A -t 6 -c:v libsvtav1 -preset 12 -g 50 -b:v 200k -svtav1-params scd=0 @AAC"),
    ffmpeg(
        "av1_hdr10.mp4",
        "@V -t 3 -pix_fmt yuv420p10le -c:v libsvtav1 -preset 12 -g 25 -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc",
    ),
    ffmpeg("vp9_opus.mp4", "@V @A -t 6 -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 50 -b:v 200k -c:a libopus -b:a 64k"),
    ffmpeg("vp9_444.mp4", "@V -t 3 -pix_fmt yuv444p -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 25 -b:v 200k"),
    ffmpeg("opus_surround.mp4", "@A -t 4 -ac 6 -c:a libopus -b:a 192k"),
    ffmpeg("flac.mp4", "@V @B -t 5 @X264 -g 50 -c:a flac -strict -2"),
    ffmpeg("flac_96k.mp4", "@A -t 3 -ar 96000 -ac 6 -c:a flac -strict -2"),
    ffmpeg("ac3.mp4", "@V @A -t 5 @X264 -g 50 -ac 6 -c:a ac3 -b:a 384k"),
    ffmpeg("eac3.mp4", "@V @A -t 5 @X264 -g 50 -ac 6 -c:a eac3 -b:a 256k"),
    ffmpeg("mp3.mp4", "@V @B -t 5 @X264 -g 50 -c:a libmp3lame -b:a 128k"),
    ffmpeg("mp3_24k.mp4", "@A -t 4 -ar 24000 -c:a libmp3lame -b:a 64k"),
    ffmpeg("alac.m4a", "@B -t 5 -ac 2 -c:a alac"),
    ffmpeg("alac.mov", "-i @alac.m4a -c copy"),
    ffmpeg("several_codecs.mp4", "@V @A @B -t 5 -map 0 -map 1 -map 2 -map 1 @X264 -g 50 -c:a:0 aac -c:a:1 libmp3lame -c:a:2 eac3"),
    ffmpeg("pcm.mov", "@V @A -t 3 @X264 -g 25 -c:a pcm_s24be"),
    ffmpeg("pcm_96k.mov", "@A -t 2 -ar 96000 -ac 6 -c:a pcm_f32le"),
    ffmpeg("mpeg4_vorbis.mp4", "@V @B -t 3 -c:v mpeg4 -g 25 -b:v 200k -c:a libvorbis -ac 2 -strict -2"),
    ffmpeg("timecode.mov", "@V @A -t 3 @X264 -g 25 @AAC -timecode 01:00:00:00"),
    ffmpeg("moov_in_front.mp4", "-i @bframes.mp4 -c copy -movflags +faststart"),
    ffmpeg("rotated.mp4", "-i @bframes.mp4 -c copy -metadata:s:v rotate=90"),
    ffmpeg("hev1.mp4", "-i @hvc1.mp4 -c copy -tag:v hev1"),
    ffmpeg("quicktime.mov", "-i @bframes.mp4 -c copy"),
    ffmpeg("frag_keyframe.mp4", "-i @bframes.mp4 -c copy -movflags +frag_keyframe+empty_moov+default_base_moof"),
    ffmpeg("frag_sidx.mp4", "-i @bframes.mp4 -c copy -movflags +dash+global_sidx -frag_duration 2000000"),
    ffmpeg("frag_every_frame.mp4", "-i @bframes.mp4 -c copy -movflags +frag_every_frame+empty_moov+default_base_moof"),
    ffmpeg("frag_first_in_moov.mp4", "-i @bframes.mp4 -c copy -movflags +frag_keyframe"),
    ffmpeg("frag_omit_tfhd_offset.mp4", "-i @bframes.mp4 -c copy -movflags +frag_keyframe+empty_moov+omit_tfhd_offset"),
    ffmpeg("frag_negative_ctts.mp4", "-i @bframes.mp4 -c copy -movflags +frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets"),
    ffmpeg("frag_late_audio.mp4", "-i @late_audio.mp4 -c copy -movflags +frag_keyframe+empty_moov+default_base_moof"),
    ffmpeg("frag_late_audio_delayed.mp4", "-i @late_audio.mp4 -c copy -movflags +frag_keyframe+delay_moov+default_base_moof"),
    ffmpeg("frag_joined_late.mp4", "-i @bframes.mp4 -c copy -output_ts_offset 3600 -movflags +frag_keyframe+empty_moov+default_base_moof"),
    ffmpeg("video_only.mp4", "-i @bframes.mp4 -map 0:v -c copy"),
    ffmpeg("audio_only.m4a", "-i @bframes.mp4 -map 0:a -c copy"),
    ffmpeg("shorter.m4a", "-i @bframes.mp4 -map 0:a -t 5.5 -c copy"),
    ffmpeg("audio_shorter.mp4", "-i @video_only.mp4 -i @shorter.m4a -c copy"),
    relaid("relaid.mp4", "bframes.mp4", PLAIN),
    relaid("long_offsets.mp4", "bframes.mp4", layout::Form { long_offsets: true, ..PLAIN }),
    relaid("long_offsets_moov_in_front.mp4", "moov_in_front.mp4", layout::Form { long_offsets: true, ..PLAIN }),
    relaid("long_mdat.mp4", "moov_in_front.mp4", layout::Form { long_mdat: true, ..PLAIN }),
    relaid("all_long.mp4", "bframes.mp4", layout::Form { long_offsets: true, long_mdat: true }),
];

/// Changes whenever [`RECIPES`] make other files under the same names.
const EDITION: &str = "synthetic-2";

/// All synthetic files, made now where they are missing; `None`, said in a line, without ffmpeg.
pub fn files() -> Result<Option<Vec<PathBuf>>> {
    if !ffmpeg::is_there("ffmpeg") || !ffmpeg::is_there("ffprobe") {
        return Ok(None);
    }
    let folder = files::kept(EDITION)?;
    let mut done: HashSet<&str> = HashSet::new();
    let mut left: Vec<&Recipe> = RECIPES.iter().collect();
    while !left.is_empty() {
        // All that needs nothing but what is there can be made at once.
        let (ready, later): (Vec<&Recipe>, Vec<&Recipe>) =
            left.into_iter().partition(|recipe| recipe.needs().all(|name| done.contains(name)));
        parallel::map(&ready, |recipe| recipe.make(&folder)).into_iter().collect::<Result<()>>()?;
        done.extend(ready.iter().map(|recipe| recipe.name));
        left = later;
    }
    Ok(Some(RECIPES.iter().map(|recipe| folder.join(recipe.name)).collect()))
}

impl Recipe {
    fn needs(&self) -> impl Iterator<Item = &'static str> {
        let (arguments, source) = match self.made {
            Made::By(arguments) => (arguments, None),
            Made::From(source, _) => ("", Some(source)),
        };
        arguments.split(' ').filter_map(|word| word.strip_prefix('@').filter(|word| word.contains('.'))).chain(source)
    }

    fn make(&self, folder: &Path) -> Result<()> {
        let path = folder.join(self.name);
        if path.exists() {
            return Ok(());
        }
        // Two test programs may come here at once: each makes its own, the last one stays.
        let partial = folder.join(format!("{}.{}", process::id(), self.name));
        match &self.made {
            Made::By(arguments) => {
                let mut expanded = String::from(*arguments);
                for (word, text) in WORDS {
                    expanded = expanded.split(' ').map(|found| if found == word { text } else { found }).collect::<Vec<_>>().join(" ");
                }
                let sources: Vec<String> = expanded
                    .split(' ')
                    .map(|word| match word.strip_prefix('@') {
                        Some(source) => folder.join(source).display().to_string(),
                        None => word.to_owned(),
                    })
                    .collect();
                ffmpeg::run(sources.iter().map(String::as_str), &partial).with_context(|| self.name)?;
            }
            Made::From(source, form) => fs::write(&partial, layout::relay(&fs::read(folder.join(source))?, *form)?)?,
        }
        fs::rename(&partial, &path)?;
        Ok(())
    }
}
