//! The words that ffmpeg is run with: one decoding, a graph that splits it, and an output for each product.
//!
//! ffmpeg runs in a folder of our own, in which a link leads to the source and outputs have names of our own: whatever a path holds, such
//! as `%d`, a protocol or a dash in front, never stands where ffmpeg looks for a meaning in it.

use std::{ffi::OsString, fmt::Write};

use reelway_core::language::terminology_code;

use super::{
    Codec,
    images::{Images, PATTERN, POSTER},
    plan::{Keys, Pictures, Plan, ProductKind, SoundPlan, Way},
    rungs::Rung,
    source::{Purpose, Range, Source, TextContent, Told},
};

/// The name of the link to the source.
pub const LINK: &str = "source";

/// What is read: containers, and nothing that leads to other files, such as playlists and lists of files.
pub const FORMATS: &str =
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,mpegvideo,avi,flv,asf,ogg,mxf,gxf,dv,nut,rm,wtv,ivf,h264,hevc,obu";

/// Reads the source that the link in the folder leads to, and nothing else.
pub fn input_arguments() -> Vec<OsString> {
    ["-protocol_whitelist", "file", "-format_whitelist", FORMATS, "-i"]
        .map(OsString::from)
        .into_iter()
        .chain([format!("file:{LINK}").into()])
        .collect()
}

/// What the rung with this index is called while it is made.
pub fn rung_making_name(index: usize) -> String {
    format!("{index}.mp4")
}

/// What the text with this index is called while it is made.
pub fn text_making_name(index: usize) -> String {
    format!("text{index}.vtt")
}

/// The words that make these products of `source`.
pub fn arguments(source: &Source, plan: &Plan, products: &[ProductKind], images: &Images) -> Vec<OsString> {
    let mut words = Words::default();
    words.add(&["-hide_banner", "-nostdin", "-y", "-v", "error", "-nostats", "-progress", "pipe:1"]);
    words.0.extend(input_arguments());
    let graph = Graph { source, plan, products, images }.text();
    if !graph.is_empty() {
        words.add(&["-filter_complex", &graph]);
    }
    for (output, product) in products.iter().enumerate() {
        match product {
            ProductKind::Rung(index) => {
                if let Some(rung) = plan.rungs.get(*index) {
                    words.rung(source, plan, output, *index, rung);
                }
            }
            ProductKind::Images => words.images(),
            ProductKind::Texts => {
                for (index, text) in source.texts.iter().enumerate() {
                    if let TextContent::Stream(stream) = &text.content {
                        let (map, name) = (format!("0:{stream}"), format!("file:{}", text_making_name(index)));
                        words.add(&["-map", &map, "-c:s", "webvtt", "-f", "webvtt", &name]);
                    }
                }
            }
        }
    }
    words.0
}

/// The filters: `[0:1]fps=25,split=2[o0][o1];[o0]scale=1280:720,...[v0];...`.
struct Graph<'a> {
    source: &'a Source,
    plan: &'a Plan,
    products: &'a [ProductKind],
    images: &'a Images,
}

impl Graph<'_> {
    fn text(&self) -> String {
        let pictures: Vec<(usize, ProductKind)> =
            self.products.iter().copied().enumerate().filter(|(_, kind)| *kind != ProductKind::Texts).collect();
        if pictures.is_empty() {
            return String::new();
        }
        let mut graph = format!("[0:{}]{}split={}", self.source.video.stream, self.before(), pictures.len());
        for (output, _) in &pictures {
            let _ = write!(graph, "[o{output}]");
        }
        for (output, kind) in &pictures {
            let chain = match kind {
                ProductKind::Rung(index) => self.plan.rungs.get(*index).map(|rung| format!("{}[v{output}]", self.scaled(rung))),
                _ => Some(self.images.filters(&if self.plan.pictures.range == Range::Sdr { String::new() } else { tone_map(self.source) })),
            };
            let _ = write!(graph, ";[o{output}]{}", chain.unwrap_or_default());
        }
        for (number, sound) in self.plan.sounds.iter().enumerate() {
            self.sound(number, sound, &mut graph);
        }
        graph
    }

    /// What all pictures go through.
    fn before(&self) -> String {
        let (pictures, video) = (&self.plan.pictures, &self.source.video);
        let mut filters = String::new();
        if video.may_be_interlaced {
            filters.push_str("bwdif=mode=send_frame:deint=interlaced,");
        }
        if pictures.variable.is_none() {
            let _ = write!(filters, "fps={},", pictures.rate);
        }
        if pictures.tone_mapped {
            filters.push_str(&tone_map(self.source));
        }
        filters
    }

    fn scaled(&self, rung: &Rung) -> String {
        let (horizontal, vertical) = self.source.video.upright_aspect();
        let format = if self.plan.pictures.range == Range::Sdr { "yuv420p" } else { "yuv420p10le" };
        format!("scale={}:{}:flags=bicubic,setsar={horizontal}/{vertical},format={format}", rung.width, rung.height)
    }

    /// A sound that is encoded, once for each output that has it.
    fn sound(&self, number: usize, plan: &SoundPlan, graph: &mut String) {
        let Way::Aac { channels, loudness } = &plan.way else { return };
        let outputs: Vec<usize> =
            self.products.iter().enumerate().filter(|(_, kind)| matches!(kind, ProductKind::Rung(_))).map(|(output, _)| output).collect();
        if outputs.is_empty() {
            return;
        }
        let layout = if *channels == 1 { "mono" } else { "stereo" };
        let rate = if plan.sound.sample_rate == 44_100 { 44_100 } else { 48_000 };
        let loudness = loudness.as_ref().map(|loudness| format!("{},", loudness.filter())).unwrap_or_default();
        let _ = write!(graph, ";[0:{}]aresample=async=1,", plan.sound.stream);
        let _ = write!(graph, "{loudness}aresample={rate},aformat=sample_rates={rate}:channel_layouts={layout},asplit={}", outputs.len());
        for output in outputs {
            let _ = write!(graph, "[a{output}_{number}]");
        }
    }
}

/// Filters that bring HDR to SDR, with a comma behind.
fn tone_map(source: &Source) -> String {
    let transfer = if source.video.range == Range::Hlg { "arib-std-b67" } else { "smpte2084" };
    format!(
        "zscale=tin={transfer}:pin=bt2020:min=bt2020nc:t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=hable:desat=0,\
         zscale=t=bt709:m=bt709:r=tv,format=yuv420p,"
    )
}

#[derive(Default)]
struct Words(Vec<OsString>);

impl Words {
    fn add(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(OsString::from));
    }

    fn rung(&mut self, source: &Source, plan: &Plan, output: usize, index: usize, rung: &Rung) {
        self.add(&["-map", &format!("[v{output}]")]);
        let sounds: Vec<(usize, &SoundPlan)> =
            plan.sounds.iter().enumerate().filter(|(_, sound)| index == 0 || !sound.largest_alone).collect();
        for (number, sound) in &sounds {
            let map = match sound.way {
                Way::Copy => format!("0:{}", sound.sound.stream),
                Way::Aac { .. } => format!("[a{output}_{number}]"),
            };
            self.add(&["-map", &map]);
        }
        self.add(&[
            "-map_metadata:g",
            "-1",
            "-map_metadata:s",
            "-1",
            "-map_chapters",
            "0",
            "-fps_mode",
            "vfr",
            "-max_muxing_queue_size",
            "4096",
        ]);
        self.pictures(&plan.pictures, rung);
        if let Some([primaries, transfer, matrix]) = source.video.colour.as_ref().filter(|_| !plan.pictures.tone_mapped) {
            self.add(&["-color_primaries", primaries, "-color_trc", transfer, "-colorspace", matrix]);
        }
        for (place, (_, sound)) in sounds.iter().enumerate() {
            self.sound(place, sound);
        }
        self.add(&["-movflags", "+faststart", "-f", "mp4", &format!("file:{}", rung_making_name(index))]);
    }

    fn pictures(&mut self, pictures: &Pictures, rung: &Rung) {
        let Pictures { codec, preset, keys, .. } = pictures;
        // Where the encoder does not count them, a group may be as long as it likes.
        let group = if let Keys::Frames(frames) = keys { frames.to_string() } else { "1000000".into() };
        let (crf, cap, room) = (rung.crf.to_string(), rung.max_bitrate.to_string(), (rung.max_bitrate * 2).to_string());
        self.add(&["-c:v", codec.encoder(), "-preset", preset, "-crf", &crf, "-g", &group]);
        match codec {
            Codec::H264 => {
                self.add(&["-profile:v", "high", "-keyint_min", &group, "-sc_threshold", "0", "-flags", "+cgop", "-forced-idr", "1"]);
                self.add(&["-maxrate", &cap, "-bufsize", &room]);
            }
            Codec::Hevc => {
                let own = format!("log-level=error:scenecut=0:open-gop=0:min-keyint={group}:keyint={group}");
                self.add(&["-x265-params", &own, "-forced-idr", "1", "-maxrate", &cap, "-bufsize", &room, "-tag:v", "hvc1"]);
            }
            Codec::Av1 => {
                let own = format!("scd=0:mbr={}", rung.max_bitrate / 1000);
                self.add(&["-svtav1-params", &own]);
            }
        }
        if let Keys::Millis(millis) = keys {
            let when = format!("expr:gte(t,n_forced*{}.{:03})", millis / 1000, millis % 1000);
            self.add(&["-force_key_frames", &when]);
        }
        if let Some(ticks) = pictures.variable {
            self.add(&["-enc_time_base", &format!("1/{ticks}")]);
        }
    }

    fn sound(&mut self, place: usize, plan: &SoundPlan) {
        let option = |name: &str| format!("-{name}:a:{place}");
        match &plan.way {
            Way::Copy => self.add(&[&option("c"), "copy"]),
            Way::Aac { channels, .. } => {
                self.add(&[&option("c"), "aac", &option("b"), if *channels == 1 { "72k" } else { "128k" }]);
            }
        }
        let Told { language, label, purpose } = &plan.sound.told;
        let mut tell = |key: &str, value: &str| self.add(&[&format!("-metadata:s:a:{place}"), &format!("{key}={value}")]);
        if let Some(code) = language.as_deref().and_then(terminology_code) {
            tell("language", &code);
        }
        if let Some(label) = label {
            tell("title", label);
        }
        let disposition = match purpose {
            Purpose::Commentary => "comment",
            Purpose::Description => "visual_impaired",
            Purpose::Dub => "dub",
            _ if place == 0 => "default",
            _ => "0",
        };
        self.add(&[&option("disposition"), disposition]);
    }

    fn images(&mut self) {
        let picture = ["-fps_mode", "passthrough", "-c:v", "mjpeg", "-q:v", "4", "-f", "image2"];
        self.add(&["-map", "[poster]"]);
        self.add(&picture);
        self.add(&["-frames:v", "1", "-update", "1", POSTER, "-map", "[board]"]);
        self.add(&picture);
        self.add(&["-start_number", "1", PATTERN]);
    }
}
