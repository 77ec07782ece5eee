//! What a plan is about: its tracks, and what whoever publishes the file should know before a byte of it is sent.

use alloc::string::{String, ToString};

use reelway_core::{
    Vod,
    codec::Media,
    presentation::Rendition,
    time::{Timescale, rescale_length},
    track::Track,
};

use crate::{
    error,
    json::{self, Object},
};

/// Segments longer than this, in milliseconds, make players start late and switch late.
const LONG_MILLIS: u64 = 20_000;

/// `{"duration","tracks":[...],"problems":[...]}`; milliseconds.
pub fn plan(vod: &Vod) -> String {
    let mut text = String::new();
    let mut object = Object::new(&mut text);
    object.number("duration", vod.presentation().duration_millis());
    object.list("tracks", vod.renditions(), |text, (rendition, of)| track(text, rendition, of));
    let movies = || vod.inputs().iter();
    let faults = movies().flat_map(|movie| &movie.faults).map(Problem::Fault);
    let left_out = movies().flat_map(|movie| &movie.left_out).map(|left_out| Problem::LeftOut(left_out.id, &left_out.reason));
    let not_taken = vod.left_out().iter().filter_map(|left_out| {
        let track = vod.inputs().get(left_out.source.input)?.tracks.get(left_out.source.track)?;
        Some(Problem::LeftOut(track.id, &left_out.reason))
    });
    let long = vod.renditions().filter_map(|(rendition, _)| {
        let longest = rendition.timeline.segments.iter().map(|segment| segment.duration).max()?;
        let millis = rescale_length(longest, rendition.timeline.timescale, Timescale::MILLIS);
        (rendition.is_video() && millis > LONG_MILLIS).then_some(Problem::Sparse(rendition, millis))
    });
    let remarks = vod.remarks().iter().map(|remark| Problem::Remark(remark));
    object.list("problems", faults.chain(left_out).chain(not_taken).chain(long).chain(remarks), |text, item| item.write(text));
    drop(object);
    text
}

enum Problem<'a> {
    /// Something is wrong with the file and is lived with.
    Fault(&'a reelway_core::Error),
    /// The track with this number in the file is not published.
    LeftOut(u32, &'a reelway_core::Error),
    /// A video has key frames so rarely that a segment lasts this many milliseconds.
    Sparse(&'a Rendition, u64),
    Remark(&'a str),
}

impl Problem<'_> {
    fn write(&self, text: &mut String) {
        match self {
            Self::Fault(fault) => error::write(text, fault, |_| ()),
            Self::LeftOut(id, reason) => error::write(text, reason, |object| object.number("leftOut", (*id).into())),
            Self::Sparse(rendition, millis) => {
                let mut object = Object::new(text);
                object.text("kind", "sparse-key-frames");
                object.text(
                    "message",
                    "key frames are so far apart that players start and seek slowly; encode it with one every two seconds",
                );
                object.text("rendition", &rendition.name);
                object.number("longest", *millis);
            }
            Self::Remark(remark) => {
                let mut object = Object::new(text);
                object.text("kind", "remark");
                object.text("message", remark);
            }
        }
    }
}

fn track(text: &mut String, rendition: &Rendition, track: &Track) {
    let mut object = Object::new(text);
    object.text("id", &rendition.name);
    object.text("kind", rendition.kind().name());
    object.text("codec", &track.codec.string);
    object.text("language", rendition.language.as_deref().unwrap_or_default());
    object.text("label", rendition.label.as_deref().unwrap_or_default());
    object.list("roles", rendition.roles.iter(), |text, role| json::quote(text, role.name()));
    match &track.codec.media {
        Media::Video(video) => {
            object.number("width", video.width.into());
            object.number("height", video.height.into());
        }
        Media::Audio(audio) => {
            object.number("channels", audio.channels.into());
            object.number("sampleRate", audio.sample_rate.into());
        }
        Media::Text => object.flag("webvtt", rendition.webvtt),
        Media::Metadata => {}
    }
    object.text("frameRate", &rendition.frame_rate.map(|rate| rate.to_string()).unwrap_or_default());
    object.number("bitrate", rendition.bandwidth.average);
    object.number("timescale", track.timescale.get().into());
    object.number("samples", track.samples.len().into());
    object.number("segments", rendition.timeline.segments.len() as u64);
}
