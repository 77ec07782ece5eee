//! The multivariant playlist (RFC 8216bis 4.4.6).

use alloc::{format, string::String, vec::Vec};
use core::fmt::Write;

use super::Quoted;
use crate::{
    codec::Media,
    presentation::{Bandwidth, Presentation, Rendition},
};

/// Where media playlists stand, from the multivariant playlist.
fn uri(rendition: &Rendition) -> String {
    format!("{}/media.m3u8", rendition.name)
}

/// The multivariant playlist of `presentation`: a variant for each video, each with every group of sound, then the playlists of I-frames.
///
/// `i_frames` tells the bit rates of the I-frames of a video, if it has a playlist of them.
pub fn multivariant_playlist(presentation: &Presentation, i_frames: impl Fn(&Rendition) -> Option<Bandwidth>) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    if presentation.videos().next().is_none() {
        for sound in presentation.sounds() {
            write_variant(&mut text, sound, None);
        }
        return text;
    }
    let groups = groups(presentation);
    for group in &groups {
        text.push('\n');
        for (index, sound) in group.sounds.iter().enumerate() {
            write_media(&mut text, group, sound, index == 0);
        }
    }
    text.push('\n');
    for video in presentation.videos() {
        if groups.is_empty() {
            write_variant(&mut text, video, None);
        }
        for group in &groups {
            write_variant(&mut text, video, Some(group));
        }
    }
    let i_frames: Vec<(&Rendition, Bandwidth)> = presentation.videos().filter_map(|video| Some((video, i_frames(video)?))).collect();
    if !i_frames.is_empty() {
        text.push('\n');
    }
    for (video, bandwidth) in i_frames {
        write_i_frames(&mut text, video, bandwidth);
    }
    text
}

/// A playlist of I-frames (4.4.6.3): the attributes of a variant, but those of sound and rate.
fn write_i_frames(text: &mut String, rendition: &Rendition, bandwidth: Bandwidth) {
    let Bandwidth { peak, average } = bandwidth;
    let codecs = Quoted(&rendition.codec.string);
    let _ = write!(text, "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS={codecs}");
    if let Media::Video(video) = &rendition.codec.media {
        let _ = write!(text, ",RESOLUTION={}x{}", video.width, video.height);
    }
    if let Some(range) = rendition.video_range() {
        let _ = write!(text, ",VIDEO-RANGE={range}");
    }
    let _ = writeln!(text, ",URI={}", Quoted(&format!("{}/iframes.m3u8", rendition.name)));
}

/// Sounds that a player may switch between: those of one codec (4.4.6.2.1: a group has one CODECS of every format in it).
struct Group<'a> {
    id: String,
    sounds: Vec<&'a Rendition>,
}

fn groups(presentation: &Presentation) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for sound in presentation.sounds() {
        let same = |group: &&mut Group<'_>| group.sounds.iter().all(|other| other.codec.string == sound.codec.string);
        match groups.iter_mut().find(same) {
            Some(group) => group.sounds.push(sound),
            None => groups.push(Group { id: format!("audio{}", groups.len() + 1), sounds: Vec::from([sound]) }),
        }
    }
    groups
}

fn write_media(text: &mut String, group: &Group<'_>, sound: &Rendition, default: bool) {
    let language = sound.language.as_deref();
    // NAME must tell the renditions of a group apart (4.4.6.1.1).
    let same_language = group.sounds.iter().filter(|other| other.language.as_deref() == language).count() > 1;
    let name = match language {
        Some(language) if !same_language => String::from(language),
        Some(language) => format!("{language} {}", sound.name),
        None => format!("Audio {}", sound.name.trim_start_matches('a')),
    };
    let _ = write!(text, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID={},NAME={}", Quoted(&group.id), Quoted(&name));
    if let Some(language) = language {
        let _ = write!(text, ",LANGUAGE={}", Quoted(language));
    }
    let _ = write!(text, ",DEFAULT={},AUTOSELECT=YES", if default { "YES" } else { "NO" });
    if let Media::Audio(audio) = &sound.codec.media {
        let _ = write!(text, ",CHANNELS=\"{}\"", audio.channels);
    }
    let _ = writeln!(text, ",URI={}", Quoted(&uri(sound)));
}

fn write_variant(text: &mut String, rendition: &Rendition, group: Option<&Group<'_>>) {
    let sounds = group.map_or(&[][..], |group| &group.sounds);
    let peak: u64 = rendition.bandwidth.peak.saturating_add(sounds.iter().map(|sound| sound.bandwidth.peak).max().unwrap_or(0));
    let average: u64 = rendition.bandwidth.average.saturating_add(sounds.iter().map(|sound| sound.bandwidth.average).max().unwrap_or(0));
    let mut codecs = rendition.codec.string.clone();
    if let Some(sound) = sounds.first() {
        let _ = write!(codecs, ",{}", sound.codec.string);
    }
    let _ = write!(text, "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS={}", Quoted(&codecs));
    if let Media::Video(video) = &rendition.codec.media {
        let _ = write!(text, ",RESOLUTION={}x{}", video.width, video.height);
        if let Some(rate) = rendition.frame_rate {
            let thousandths = rate.thousandths();
            let _ = write!(text, ",FRAME-RATE={}.{:03}", thousandths / 1000, thousandths % 1000);
        }
        if let Some(range) = rendition.video_range() {
            let _ = write!(text, ",VIDEO-RANGE={range}");
        }
        text.push_str(",CLOSED-CAPTIONS=NONE");
    }
    if let Some(group) = group {
        let _ = write!(text, ",AUDIO={}", Quoted(&group.id));
    }
    let _ = writeln!(text, "\n{}", uri(rendition));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presentation::test_presentation;

    #[test]
    fn groups_and_variants() {
        let expected = r#"#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS

#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio1",NAME="eng",LANGUAGE="eng",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="a1/media.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio1",NAME="deu",LANGUAGE="deu",DEFAULT=NO,AUTOSELECT=YES,CHANNELS="2",URI="a2/media.m3u8"

#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio2",NAME="Audio 3",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="a3/media.m3u8"

#EXT-X-STREAM-INF:BANDWIDTH=2016,AVERAGE-BANDWIDTH=1854,CODECS="avc1.64001F,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=25.000,VIDEO-RANGE=SDR,CLOSED-CAPTIONS=NONE,AUDIO="audio1"
v1/media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2126,AVERAGE-BANDWIDTH=1852,CODECS="avc1.64001F,mp4a.40.5",RESOLUTION=1280x720,FRAME-RATE=25.000,VIDEO-RANGE=SDR,CLOSED-CAPTIONS=NONE,AUDIO="audio2"
v1/media.m3u8
"#;
        assert_eq!(multivariant_playlist(&test_presentation(), |_| None), expected);
        let i_frames = "\n#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=99,AVERAGE-BANDWIDTH=88,CODECS=\"avc1.64001F\",RESOLUTION=1280x720,\
                        VIDEO-RANGE=SDR,URI=\"v1/iframes.m3u8\"\n";
        let with = multivariant_playlist(&test_presentation(), |_| Some(Bandwidth { peak: 99, average: 88 }));
        assert_eq!(with, format!("{expected}{i_frames}"));
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
