//! Adaptation sets (ISO/IEC 23009-1 5.3.3): which renditions a player switches between, and what the sets are.

use alloc::{format, string::String, vec::Vec};
use core::fmt::Write;

use super::{
    Escaped, Tell,
    protection::write_content_protection,
    representation::{self, picture_aspect},
};
use crate::{
    boxes::user_data::Role,
    codec::{Kind, Media, captions::Captions},
    presentation::{Layout, Presentation, Rendition},
    time::FrameRate,
};

/// Renditions that a player may switch between without a seam.
pub struct Set<'a> {
    /// `id`.
    pub id: u32,
    pub renditions: Vec<&'a Rendition>,
}

/// Pictures of one codec, one language, one purpose and one range of brightness are a set (5.3.3.1), unless their source says that they are
/// not. Every sound is one of its own, unless its source says what it is in a set with: two in one language are two works, nothing in a
/// file says otherwise.
pub fn adaptation_sets(presentation: &Presentation) -> Vec<Set<'_>> {
    let mut sets: Vec<Set<'_>> = Vec::new();
    for rendition in &presentation.renditions {
        let fits = |set: &&mut Set<'_>| {
            set.renditions.first().is_some_and(|first| {
                let told = first.switching_set.is_some();
                (first.is_video() || told)
                    && first.kind() == rendition.kind()
                    && first.switching_set == rendition.switching_set
                    && first.trick_mode.is_some() == rendition.trick_mode.is_some()
                    && same_purpose(first, rendition)
                    && first.video_range() == rendition.video_range()
                    && family(first) == family(rendition)
            })
        };
        match sets.iter_mut().find(fits) {
            Some(set) => set.renditions.push(rendition),
            None => sets.push(Set { id: u32::try_from(sets.len() + 1).unwrap_or(u32::MAX), renditions: Vec::from([rendition]) }),
        }
    }
    sets
}

fn same_purpose(a: &Rendition, b: &Rendition) -> bool {
    a.kind() == b.kind() && a.language == b.language && a.roles == b.roles
}

fn family(rendition: &Rendition) -> Option<&str> {
    rendition.codec.string.split('.').next()
}

/// Whether all begin their segments together.
fn aligned<'a>(mut renditions: impl Iterator<Item = &'a Rendition>) -> bool {
    let Some(first) = renditions.next() else { return true };
    let of = |rendition: &Rendition| u128::from(rendition.timeline.timescale.get());
    renditions.all(|other| {
        let same = first.timeline.segments.iter().zip(&other.timeline.segments).all(|(a, b)| {
            // To a tick of the coarser scale.
            let (a, b) = (u128::from(a.start) * of(other), u128::from(b.start) * of(first));
            a.abs_diff(b) <= of(first).max(of(other))
        });
        same && first.timeline.segments.len() == other.timeline.segments.len()
    })
}

/// Writes set `set`, one of `sets`, whose segments are told by `tell`.
pub fn write(text: &mut String, presentation: &Presentation, sets: &[Set<'_>], set: &Set<'_>, tell: &dyn Tell) {
    let Some(first) = set.renditions.first() else { return };
    let (kind, media_type) = (first.kind().name(), first.kind().media_type());
    let _ = write!(text, "    <AdaptationSet id=\"{}\" contentType=\"{kind}\" mimeType=\"{media_type}\"", set.id);
    if let Some(language) = &first.language {
        let _ = write!(text, " lang=\"{}\"", Escaped(language));
    }
    if first.is_video() {
        write_largest(text, set);
    }
    let closed = set.renditions.iter().all(|rendition| rendition.timeline.segments.iter().all(|segment| segment.closed));
    let aligned_within = aligned(set.renditions.iter().copied());
    let names = match presentation.layout {
        Layout::Segments => ("segmentAlignment", "startWithSAP"),
        Layout::SingleFile => ("subsegmentAlignment", "subsegmentStartsWithSAP"),
    };
    for (name, value) in [(names.0, aligned_within.then_some("true")), (names.1, closed.then_some("1"))] {
        if let Some(value) = value {
            let _ = write!(text, " {name}=\"{value}\"");
        }
    }
    text.push_str(">\n");
    if let Some(protection) = first.protection() {
        write_content_protection(text, protection);
    }
    if let Some(trick_mode) = &first.trick_mode {
        // Who does not know it must not take it for the video (DASH-IF Interoperability Points 3.2.9).
        let of = sets.iter().find(|other| other.renditions.iter().any(|video| video.name == trick_mode.of)).map_or(0, |other| other.id);
        descriptor(text, "EssentialProperty", "http://dashif.org/guidelines/trickmode", &format!("{of}"));
    }
    if let Media::Video(video) = &first.codec.media {
        write_colour(text, sets, video.colour);
    }
    let mut others = String::new();
    for other in sets.iter().filter(|other| other.id != set.id && switches(set, other)) {
        let _ = write!(others, "{}{}", if others.is_empty() { "" } else { "," }, other.id);
    }
    if !others.is_empty() {
        descriptor(text, "SupplementalProperty", "urn:mpeg:dash:adaptation-set-switching:2016", &others);
    }
    if let Some(label) = &first.label {
        let _ = writeln!(text, "      <Label>{}</Label>", Escaped(label));
    }
    tell.tell_times(text, &set.renditions);
    if first.trick_mode.is_none() {
        write_captions(text, set);
        write_roles(text, presentation, first);
    }
    tell.tell_set(text, &set.renditions);
    for rendition in &set.renditions {
        representation::write(text, rendition, tell);
    }
    text.push_str("    </AdaptationSet>\n");
}

/// Whether a player may go from a set of pictures to another, in another codec (5.3.3.5).
fn switches(a: &Set<'_>, b: &Set<'_>) -> bool {
    let (Some(first), Some(other)) = (a.renditions.first(), b.renditions.first()) else { return false };
    first.is_video()
        && first.switching_set == other.switching_set
        && [first, other].iter().all(|rendition| rendition.trick_mode.is_none())
        && same_purpose(first, other)
        && first.video_range() == other.video_range()
        && aligned(a.renditions.iter().chain(&b.renditions).copied())
}

/// The largest picture and the highest rate of a set, and the shape that all have, if it is one.
fn write_largest(text: &mut String, set: &Set<'_>) {
    let pictures = || {
        set.renditions.iter().filter_map(|rendition| match &rendition.codec.media {
            Media::Video(video) => Some(video),
            Media::Audio(_) | Media::Text | Media::Metadata => None,
        })
    };
    let width = pictures().map(|video| video.width).max();
    let height = pictures().map(|video| video.height).max();
    if let (Some(width), Some(height)) = (width, height) {
        let _ = write!(text, " maxWidth=\"{width}\" maxHeight=\"{height}\"");
    }
    let faster = |a: &FrameRate, b: &FrameRate| {
        let of = |rate: &FrameRate, other: &FrameRate| u64::from(rate.numerator) * u64::from(other.denominator);
        of(a, b).cmp(&of(b, a))
    };
    if let Some(rate) = set.renditions.iter().filter_map(|rendition| rendition.frame_rate).max_by(faster) {
        let _ = write!(text, " maxFrameRate=\"{rate}\"");
    }
    let mut shapes = pictures().map(picture_aspect);
    if let Some(shape) = shapes.next().filter(|shape| shapes.all(|other| other == *shape)) {
        let _ = write!(text, " par=\"{}:{}\"", shape.0, shape.1);
    }
}

/// Colour by its code points (ISO/IEC 23091-2). A player that does not know those of more than the standard range must not show the
/// pictures, so they are essential, but only where pictures of the standard range are there for it: it has to show something.
fn write_colour(text: &mut String, sets: &[Set<'_>], colour: Option<crate::boxes::sample_entry::Colour>) {
    let Some(colour) = colour else { return };
    let standard = |set: &Set<'_>| set.renditions.iter().any(|rendition| rendition.video_range() == Some("SDR"));
    let essential = matches!(colour.transfer, 16 | 18) && sets.iter().any(standard);
    let element = if essential { "EssentialProperty" } else { "SupplementalProperty" };
    for (name, value) in
        [("ColourPrimaries", colour.primaries), ("TransferCharacteristics", colour.transfer), ("MatrixCoefficients", colour.matrix)]
    {
        descriptor(text, element, &format!("urn:mpeg:mpegB:cicp:{name}"), &format!("{value}"));
    }
}

/// Closed captions in the pictures (DASH-IF Interoperability Points 6.4.3, SCTE 214-1 6.7.1): channels and services, each of a language that is
/// not told.
fn write_captions(text: &mut String, set: &Set<'_>) {
    let captions = set.renditions.iter().fold(Captions::default(), |all, rendition| all.and(rendition.captions()));
    write_numbers(text, "608", "CC", captions.channels(), "=und");
    write_numbers(text, "708", "", captions.services(), "=lang:und");
}

fn write_numbers(text: &mut String, standard: &str, before: &str, numbers: impl Iterator<Item = u32>, behind: &str) {
    let mut list = String::new();
    for number in numbers {
        let separator = if list.is_empty() { "" } else { ";" };
        let _ = write!(list, "{separator}{before}{number}{behind}");
    }
    if !list.is_empty() {
        descriptor(text, "Accessibility", &format!("urn:scte:dash:cc:cea-{standard}:2015"), &list);
    }
}

/// What a set is for (5.8.5.5, 5.8.4.3): what its source tells; else the sound that plays unless another is chosen and all pictures are
/// the main programme, other sounds alternatives to it, text subtitles, and metadata that.
fn write_roles(text: &mut String, presentation: &Presentation, first: &Rendition) {
    for (role, purpose) in [(Role::Description, "1"), (Role::EnhancedIntelligibility, "2")] {
        if first.is(role) {
            descriptor(text, "Accessibility", "urn:tva:metadata:cs:AudioPurposeCS:2007", purpose);
        }
    }
    let told = first.roles.iter().map(|role| role.name());
    let guessed = match first.kind() {
        Kind::Text => Role::Subtitle.name(),
        Kind::Audio if !presentation.is_main(first) => Role::Alternate.name(),
        Kind::Metadata => "metadata",
        _ => Role::Main.name(),
    };
    let guessed = first.roles.is_empty().then_some(guessed);
    for name in told.chain(guessed) {
        descriptor(text, "Role", "urn:mpeg:dash:role:2011", name);
    }
}

/// A descriptor (5.8.2) of a set.
fn descriptor(text: &mut String, element: &str, scheme: &str, value: &str) {
    let _ = writeln!(text, "      <{element} schemeIdUri=\"{scheme}\" value=\"{value}\"/>");
}
