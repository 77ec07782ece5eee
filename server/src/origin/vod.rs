//! `/vod/ASSET/...`: a file, or a folder of files, as a presentation, packaged when it is asked for.

use std::sync::Arc;

use reelway_core::{
    Fragment, Presentation, Vod,
    demux::chapters::{Chapter, cues},
    protection::Scheme,
    text::webvtt,
    time::{Timescale, rescale_length},
    timeline::Timeline,
};

use super::{
    Fault,
    assets::{Assets, Known, Sources},
};
use crate::{
    http::{AssetPath, Coding, Content, Representation, VodPart},
    storage::{SourceFile, read_payload},
};

const HLS: &str = "application/vnd.apple.mpegurl";
const DASH: &str = "application/dash+xml";
const WEBVTT: &str = "text/vtt";

/// Manifests are asked for again each time: the answer is mostly that nothing changed.
const MANIFEST: &str = "public, no-cache";
/// A file may be replaced under its name, so segments are not kept for ever.
const SEGMENT: &str = "public, max-age=3600";
/// The most payload of a segment that is encrypted, in bytes.
const MOST_PAYLOAD: usize = 256 << 20;

pub(super) fn represent(assets: &Assets, path: &AssetPath, part: &VodPart, preferred: Coding) -> Result<Representation, Fault> {
    let (sources, known) = assets.asset(path)?;
    of(path, part, preferred, sources, &known)
}

/// The same of what players ask for most, without waiting for a disk or computing for long, if that can be.
pub(super) fn represent_at_hand(assets: &Assets, path: &AssetPath, part: &VodPart) -> Option<Result<Representation, Fault>> {
    if !matches!(part, VodPart::Segment(..) | VodPart::Header(_)) {
        return None;
    }
    let (sources, known) = assets.asset_at_hand(path)?;
    Some(of(path, part, Coding::Identity, sources, &known))
}

fn of(path: &AssetPath, part: &VodPart, preferred: Coding, sources: Sources, known: &Known) -> Result<Representation, Fault> {
    let asset = known.as_ref().map_err(|error| Fault::Media(format!("{}: {error}", path.id())))?;
    let vod = asset.vod();
    let media_type =
        |name: &str| vod.renditions().find(|(found, _)| found.name == name).map_or(WEBVTT, |(found, _)| found.kind().media_type());
    // The names are plain and the numbers counted: what the core does not know does not exist.
    let missing = |_| Fault::NotFound;
    let (etag, modified) = (sources.etag(), sources.modified());
    let manifest = |media_type| {
        let (coding, bytes) = asset.manifest(part).ok_or(Fault::NotFound)?.coded(preferred);
        Ok::<_, Fault>((Content::from_bytes(bytes), coding, media_type, MANIFEST))
    };
    let (content, coding, media_type, cache_control) = match part {
        VodPart::Mpd => manifest(DASH)?,
        VodPart::MultivariantPlaylist | VodPart::MediaPlaylist(_) | VodPart::IFramePlaylist(_) => manifest(HLS)?,
        VodPart::Header(name) => (Content::from_bytes(vod.header(name).map_err(missing)?), None, media_type(name), SEGMENT),
        VodPart::Segment(name, number) => {
            let fragments = vod.segment(name, *number).map_err(missing)?;
            let input = vod.source(name).map_err(missing)?.input;
            let source = sources.take(input).ok_or(Fault::NotFound)?;
            let content = if vod.renditions().any(|(found, _)| found.name == *name && found.protection.is_some()) {
                Content::from_bytes(encrypted(vod, name, *number, &fragments, &source)?)
            } else {
                Content::from_fragments(fragments, Arc::new(source))
            };
            (content, None, media_type(name), SEGMENT)
        }
        VodPart::Key(name) => {
            let key = asset.key().filter(|key| key.scheme == Scheme::Aes128).and_then(|key| key.bytes(name));
            (Content::from_bytes(key.ok_or(Fault::NotFound)?), None, "application/octet-stream", "no-store")
        }
        VodPart::Chapters => {
            let text = write_chapters(asset.chapters(&sources), vod.presentation()).ok_or(Fault::NotFound)?;
            (Content::from_bytes(text), None, WEBVTT, MANIFEST)
        }
        VodPart::ClearKey => return Err(Fault::NotFound),
        VodPart::WebVttSegment(name, number) => {
            (Content::from_bytes(vod.webvtt_segment(name, *number).map_err(missing)?), None, WEBVTT, SEGMENT)
        }
    };
    // The same files give the same bytes as long as the same code makes them, with the same key.
    let key = asset.key().map_or_else(String::new, |key| format!("-{:?}-{}", key.scheme, key.name()));
    let etag = format!("{etag}-{}-{}{key}", env!("CARGO_PKG_VERSION"), place(part));
    Ok(Representation {
        content,
        coding,
        media_type,
        cache_control: cache_control.into(),
        etag,
        modified,
        urgency: Some(urgency(part)),
        cmsd: Some(cmsd(vod, part)),
    })
}

/// `chapters.vtt`: a cue for each chapter (WebVTT 1.5); `None`: there are none.
pub fn write_chapters(chapters: &[Chapter], presentation: &Presentation) -> Option<String> {
    let cues = cues(chapters, presentation.duration_millis());
    (!chapters.is_empty()).then(|| webvtt::file(&cues, (0, Timescale::MILLIS)))
}

/// An encrypted segment: its payload is read whole, and encrypted in memory.
fn encrypted(vod: &Vod, name: &str, number: u32, fragments: &[Fragment], source: &SourceFile) -> Result<Vec<u8>, Fault> {
    let mut payload = Vec::new();
    read_payload(source.file(), fragments, MOST_PAYLOAD, &mut payload)?;
    source.check()?;
    let fault = |error: reelway_core::Error| Fault::Media(error.to_string());
    let fragments = vod.encrypt(name, number, &mut payload).map_err(fault)?;
    let length = fragments.iter().map(|fragment| fragment.head.len() + fragment.payload.len()).sum();
    let mut bytes = Vec::with_capacity(length);
    for fragment in fragments {
        bytes.extend_from_slice(&fragment.head);
        bytes.extend_from_slice(payload.get(fragment.payload).unwrap_or_default());
    }
    Ok(bytes)
}

/// What a player waits for most goes first (RFC 9218 4.1): a manifest before headers, those before sound, and sound, which is small,
/// before pictures.
fn urgency(part: &VodPart) -> u8 {
    match part {
        VodPart::MultivariantPlaylist | VodPart::Mpd | VodPart::MediaPlaylist(_) | VodPart::IFramePlaylist(_) | VodPart::Chapters => 1,
        VodPart::Header(_) | VodPart::Key(_) | VodPart::ClearKey => 2,
        VodPart::Segment(name, _) if name.starts_with(['v', 'k']) => 4,
        VodPart::Segment(..) | VodPart::WebVttSegment(..) => 3,
    }
}

/// Object type, streaming format, stream type, duration in milliseconds and bit rate in kbit/s (CTA-5006), as far as they are known:
/// the same segment serves HLS and DASH.
fn cmsd(vod: &Vod, part: &VodPart) -> String {
    match part {
        VodPart::Mpd => "ot=m,sf=d,st=v".into(),
        VodPart::MultivariantPlaylist | VodPart::MediaPlaylist(_) | VodPart::IFramePlaylist(_) => "ot=m,sf=h,st=v".into(),
        VodPart::Header(_) => "ot=i,st=v".into(),
        VodPart::Key(_) | VodPart::ClearKey => "ot=k,st=v".into(),
        VodPart::Chapters => "ot=c,st=v".into(),
        VodPart::Segment(name, number) | VodPart::WebVttSegment(name, number) => {
            let object_type = match (part, name.as_bytes().first()) {
                (VodPart::WebVttSegment(..), _) => "c",
                (_, Some(b'v' | b'k')) => "v",
                (_, Some(b'a')) => "a",
                _ => "tt",
            };
            let rendition = vod.presentation().renditions.iter().find(|rendition| rendition.name == *name);
            let facts = rendition.and_then(|rendition| {
                let Timeline { timescale, .. } = rendition.timeline;
                let duration = rescale_length(rendition.timeline.segment(*number)?.duration, timescale, Timescale::MILLIS);
                Some(format!(",d={duration},br={}", rendition.bandwidth.average.div_ceil(1000)))
            });
            format!("ot={object_type},st=v{}", facts.unwrap_or_default())
        }
    }
}

/// A part, in an entity tag.
fn place(part: &VodPart) -> String {
    match part {
        VodPart::MultivariantPlaylist => "m".into(),
        VodPart::Mpd => "d".into(),
        VodPart::MediaPlaylist(name) => format!("{name}-l"),
        VodPart::IFramePlaylist(name) => format!("{name}-f"),
        VodPart::Header(name) => format!("{name}-i"),
        VodPart::Key(_) | VodPart::ClearKey => "k".into(),
        VodPart::Chapters => "c".into(),
        VodPart::Segment(name, number) => format!("{name}-{number}"),
        VodPart::WebVttSegment(name, number) => format!("{name}-{number}-w"),
    }
}
