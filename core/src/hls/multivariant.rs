//! The multivariant playlist (RFC 8216bis 4.4.6).

use alloc::{format, string::String, vec::Vec};
use core::fmt::Write;

use super::{
    Quoted, captions,
    groups::{Group, Member, channels, characteristics, groups},
    key::write_keys,
    subtitles,
};
use crate::{
    order,
    presentation::{Bandwidth, Presentation, Rendition},
    protection::{KeyInfo, Scheme},
    time::FrameRate,
};

/// Where media playlists stand, from the multivariant playlist.
pub fn uri(rendition: &Rendition) -> String {
    format!("{}/media.m3u8", rendition.name)
}

/// The multivariant playlist of `presentation`: a variant for each video, each with every group of sound, then the playlists of I-frames;
/// all from the lowest bit rate to the highest. Without video each group of sound is a variant; without sound, each text.
///
/// `i_frames` tells the bit rates of the I-frames of a video, if it has a playlist of them.
pub fn multivariant_playlist(presentation: &Presentation, i_frames: impl Fn(&Rendition) -> Option<Bandwidth>) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:7\n");
    // Here it speaks for all renditions.
    if presentation.renditions.iter().all(|rendition| rendition.timeline.independent()) {
        text.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    write_session_keys(&mut text, presentation);
    let (members, groups) = groups(presentation);
    let video = presentation.videos().next().is_some();
    for group in groups.iter().filter(|group| video || group.sounds.len() > 1) {
        text.push('\n');
        for (member, sound) in &group.sounds {
            if let Some(member) = members.get(*member) {
                write_media(&mut text, group, member, sound);
            }
        }
    }
    let texts: Vec<&Rendition> = presentation.texts().collect();
    let alone = !video && groups.is_empty();
    if !texts.is_empty() && !alone {
        text.push('\n');
        subtitles::write_group(&mut text, presentation);
    }
    text.push('\n');
    let captions = captions::Group::of(presentation);
    captions.write_group(&mut text);
    if alone {
        for rendition in &texts {
            write_variant(&mut text, rendition, None, &[], captions);
        }
    }
    if !video {
        for group in &groups {
            let is_default = |(member, _): &&(usize, &Rendition)| members.get(*member).is_some_and(|member| member.default);
            let Some((_, sound)) = group.sounds.iter().find(is_default).or(group.sounds.first()) else { continue };
            let others = (group.sounds.len() > 1).then_some(group);
            write_variant(&mut text, sound, others, &texts, captions);
        }
    }
    // The ladder from the bottom up: what plays soonest stands first, where players begin.
    let mut videos: Vec<&Rendition> = presentation.videos().collect();
    order::by_key(&mut videos, |video| video.bandwidth.peak);
    for video in &videos {
        if groups.is_empty() {
            write_variant(&mut text, video, None, &texts, captions);
        }
        for group in &groups {
            write_variant(&mut text, video, Some(group), &texts, captions);
        }
    }
    let i_frames: Vec<(&Rendition, Bandwidth)> = videos.into_iter().filter_map(|video| Some((video, i_frames(video)?))).collect();
    if !i_frames.is_empty() {
        text.push('\n');
    }
    for (video, bandwidth) in i_frames {
        let _ = write!(text, "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={}", bandwidth.peak, bandwidth.average);
        let _ = write!(text, ",CODECS={}", Quoted(&video.codec.string));
        write_picture(&mut text, video, false);
        let _ = writeln!(text, ",URI={}", Quoted(&format!("{}/iframes.m3u8", video.name)));
    }
    text
}

/// The keys that a player can ask for before it has a media playlist (4.4.6.5): those of samples, where they do not change.
fn write_session_keys(text: &mut String, presentation: &Presentation) {
    let mut told: Vec<&KeyInfo> = Vec::new();
    let protections = presentation.renditions.iter().filter_map(Rendition::protection);
    for protection in protections.filter(|protection| protection.scheme != Scheme::Aes128) {
        if let [(_, key)] = protection.keys.as_slice()
            && !protection.changes
            && !told.contains(&key)
        {
            write_keys(text, "EXT-X-SESSION-KEY", protection, key);
            told.push(key);
        }
    }
}

/// A rendition of a group (4.4.6.1).
fn write_media(text: &mut String, group: &Group<'_>, member: &Member<'_>, sound: &Rendition) {
    let yes = |value: bool| if value { "YES" } else { "NO" };
    let _ = write!(text, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID={},NAME={}", Quoted(&group.id), Quoted(&member.name));
    if let Some(language) = &member.first.language {
        let _ = write!(text, ",LANGUAGE={}", Quoted(language));
    }
    let _ = write!(text, ",DEFAULT={},AUTOSELECT={}", yes(member.default), yes(member.autoselect));
    let characteristics = characteristics(member.first);
    if !characteristics.is_empty() {
        let _ = write!(text, ",CHARACTERISTICS={}", Quoted(&characteristics));
    }
    if let Some(channels) = channels(sound) {
        let _ = write!(text, ",CHANNELS={}", Quoted(&channels));
    }
    let _ = writeln!(text, ",URI={}", Quoted(&uri(sound)));
}

/// A variant (4.4.6.2): a rendition, a group of sound that is played with it or, where it is sound itself, instead of it, and texts.
fn write_variant(text: &mut String, rendition: &Rendition, group: Option<&Group<'_>>, texts: &[&Rendition], captions: captions::Group) {
    let sounds = || group.into_iter().flat_map(|group| &group.sounds).map(|(_, sound)| *sound);
    // The largest sum that any combination comes to.
    let own = if rendition.is_video() { rendition.bandwidth } else { Bandwidth::default() };
    let most = |of: fn(&Bandwidth) -> u64| of(&own).saturating_add(sounds().map(|sound| of(&sound.bandwidth)).max().unwrap_or(0));
    let most = |of: fn(&Bandwidth) -> u64| most(of).max(of(&rendition.bandwidth));
    let text_rate = |of: fn(&Bandwidth) -> u64| texts.iter().map(|text| of(&text.bandwidth)).max().unwrap_or(0);
    let rate = |of: fn(&Bandwidth) -> u64| most(of).saturating_add(text_rate(of));
    let (peak, average) = (rate(|rate| rate.peak), rate(|rate| rate.average));
    let mut codecs: Vec<&str> = Vec::from([rendition.codec.string.as_str()]);
    // Segments of WebVTT need no codec.
    for other in sounds().chain(texts.iter().copied().filter(|text| !text.webvtt)) {
        if !codecs.contains(&other.codec.string.as_str()) {
            codecs.push(&other.codec.string);
        }
    }
    let _ = write!(text, "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS={}", Quoted(&codecs.join(",")));
    if rendition.is_video() {
        write_picture(text, rendition, true);
        captions.write_variant(text, rendition);
    }
    if let Some(group) = group {
        let _ = write!(text, ",AUDIO={}", Quoted(&group.id));
    }
    if !texts.is_empty() {
        let _ = write!(text, ",SUBTITLES={}", Quoted(subtitles::GROUP));
    }
    let _ = writeln!(text, "\n{}", uri(rendition));
}

/// What is said of pictures; of those of an I-frame playlist without their rate (4.4.6.3).
fn write_picture(text: &mut String, video: &Rendition, rate: bool) {
    if let Some((codec, brand)) = video.supplemental_codec() {
        let _ = write!(text, ",SUPPLEMENTAL-CODECS={}", Quoted(&format!("{codec}/{brand}")));
    }
    if let Some((width, height)) = video.resolution {
        let _ = write!(text, ",RESOLUTION={width}x{height}");
    }
    if let Some(thousandths) = video.frame_rate.filter(|_| rate).map(FrameRate::thousandths) {
        let _ = write!(text, ",FRAME-RATE={}.{:03}", thousandths / 1000, thousandths % 1000);
    }
    if let Some(range) = video.video_range() {
        let _ = write!(text, ",VIDEO-RANGE={range}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        boxes::sample_entry::Colour,
        codec::{Media, dolby_vision::Record},
        presentation::test_presentation,
    };

    #[test]
    fn groups_and_variants() {
        let expected = r#"#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS

#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio1",NAME="en",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="a1/media.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio1",NAME="de",LANGUAGE="de",DEFAULT=NO,AUTOSELECT=YES,CHANNELS="2",URI="a2/media.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio1",NAME="Audio 3",DEFAULT=NO,AUTOSELECT=YES,CHANNELS="2",URI="a3/media.m3u8"

#EXT-X-STREAM-INF:BANDWIDTH=2062,AVERAGE-BANDWIDTH=1816,CODECS="avc1.64001F,mp4a.40.2,mp4a.40.5",RESOLUTION=2560x720,FRAME-RATE=25.000,VIDEO-RANGE=SDR,CLOSED-CAPTIONS=NONE,AUDIO="audio1"
v1/media.m3u8
"#;
        assert_eq!(multivariant_playlist(&test_presentation(), |_| None), expected);
        let i_frames = "\n#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=99,AVERAGE-BANDWIDTH=88,CODECS=\"avc1.64001F\",RESOLUTION=2560x720,\
                        VIDEO-RANGE=SDR,URI=\"v1/iframes.m3u8\"\n";
        let with = multivariant_playlist(&test_presentation(), |_| Some(Bandwidth { peak: 99, average: 88 }));
        assert_eq!(with, format!("{expected}{i_frames}"));
    }

    /// RFC 8216bis 4.4.6.2.
    #[test]
    fn pictures() {
        let colour = |transfer| Some(Colour { primaries: 9, transfer, matrix: 9, full_range: false });
        let record = |profile, compatibility| Some(Record { profile, level: 6, base_layer: true, compatibility });
        for (codec, colour, dolby_vision, expected) in [
            ("hvc1.2.4.L120.B0", colour(16), None, ",RESOLUTION=2560x720,VIDEO-RANGE=PQ"),
            ("hvc1.2.4.L120.B0", colour(18), None, ",RESOLUTION=2560x720,VIDEO-RANGE=HLG"),
            ("hvc1.2.4.L120.B0", None, record(8, 4), ",SUPPLEMENTAL-CODECS=\"dvh1.08.06/db4h\",RESOLUTION=2560x720,VIDEO-RANGE=HLG"),
            ("hvc1.2.4.L120.B0", colour(16), record(8, 1), ",SUPPLEMENTAL-CODECS=\"dvh1.08.06/db1p\",RESOLUTION=2560x720,VIDEO-RANGE=PQ"),
            ("dvh1.05.06", None, record(5, 0), ",RESOLUTION=2560x720,VIDEO-RANGE=PQ"),
            ("dvh1.05.06", colour(2), record(5, 0), ",RESOLUTION=2560x720,VIDEO-RANGE=PQ"),
            ("avc1.64001F", colour(1), None, ",RESOLUTION=2560x720,VIDEO-RANGE=SDR"),
        ] {
            let mut presentation = test_presentation();
            let video = presentation.renditions.first_mut().unwrap();
            video.codec.string = codec.into();
            let Media::Video(media) = &mut video.codec.media else { unreachable!("of the other kind") };
            (media.colour, media.dolby_vision) = (colour, dolby_vision);
            let mut text = String::new();
            write_picture(&mut text, video, false);
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn sound_alone() {
        let mut presentation = test_presentation();
        presentation.renditions.remove(0);
        let text = multivariant_playlist(&presentation, |_| None);
        let variant =
            "#EXT-X-STREAM-INF:BANDWIDTH=902,AVERAGE-BANDWIDTH=694,CODECS=\"mp4a.40.2,mp4a.40.5\",AUDIO=\"audio1\"\na1/media.m3u8\n";
        assert!(text.ends_with(variant) && text.matches("#EXT-X-MEDIA:").count() == 3, "{text}");
        presentation.renditions.truncate(1);
        let text = multivariant_playlist(&presentation, |_| None);
        let variant = "\n#EXT-X-STREAM-INF:BANDWIDTH=728,AVERAGE-BANDWIDTH=694,CODECS=\"mp4a.40.2\"\na1/media.m3u8\n";
        assert!(text.ends_with(variant) && !text.contains("AUDIO"), "{text}");
    }

    #[test]
    fn variants_rise() {
        let mut presentation = test_presentation();
        let video = presentation.renditions.first().unwrap().clone();
        for (name, peak) in [("v2", 200_000), ("v3", 100_000), ("v4", 100)] {
            let bandwidth = Bandwidth { peak, average: peak };
            presentation.renditions.insert(1, Rendition { name: name.into(), bandwidth, ..video.clone() });
        }
        let text = multivariant_playlist(&presentation, |video| Some(video.bandwidth));
        let variants: Vec<&str> = text.lines().filter(|line| line.ends_with("media.m3u8")).collect();
        assert_eq!(variants, ["v4/media.m3u8", "v1/media.m3u8", "v3/media.m3u8", "v2/media.m3u8"]);
        let place = |name: &str| text.find(&format!("URI=\"{name}/iframes.m3u8\"")).unwrap();
        assert!(place("v4") < place("v1") && place("v1") < place("v3") && place("v3") < place("v2"));
    }

    #[test]
    fn absurd_bit_rates_of_a_file_that_lies_are_as_large_as_can_be() {
        let mut presentation = test_presentation();
        for rendition in &mut presentation.renditions {
            rendition.bandwidth = Bandwidth { peak: u64::MAX, average: u64::MAX };
        }
        let text = multivariant_playlist(&presentation, |_| None);
        assert!(text.contains("BANDWIDTH=18446744073709551615,AVERAGE-BANDWIDTH=18446744073709551615,"));
    }
}
