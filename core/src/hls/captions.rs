//! Closed captions in pictures (RFC 8216bis 4.4.6.1, 4.4.6.2): the group of all that there are, and what variants say of it.

use alloc::string::String;
use core::fmt::Write;

use crate::{
    codec::captions::Captions,
    presentation::{Presentation, Rendition},
};

/// `GROUP-ID` of the only group.
const GROUP: &str = "cc";

/// The captions of all pictures.
#[derive(Clone, Copy, Debug)]
pub struct Group(Captions);

impl Group {
    /// Of the pictures of `presentation`. Those that nobody looked at are taken to have none, as most have.
    pub fn of(presentation: &Presentation) -> Self {
        Self(presentation.videos().fold(Captions::default(), |all, video| all.and(video.captions())))
    }

    /// Writes the members of the group. No language is told in the pictures. None is shown before somebody asks for it.
    pub fn write_group(self, text: &mut String) {
        write_members(text, "CC", self.0.channels());
        write_members(text, "SERVICE", self.0.services());
    }

    /// Writes what the variant with these pictures says. `NONE` has to be said by all variants or by none.
    pub fn write_variant(self, text: &mut String, video: &Rendition) {
        if self.0.is_empty() {
            text.push_str(",CLOSED-CAPTIONS=NONE");
        } else if !video.captions().is_empty() {
            let _ = write!(text, ",CLOSED-CAPTIONS=\"{GROUP}\"");
        }
    }
}

fn write_members(text: &mut String, kind: &str, numbers: impl Iterator<Item = u32>) {
    for number in numbers {
        let _ = writeln!(
            text,
            "#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"{GROUP}\",NAME=\"{kind}{number}\",DEFAULT=NO,AUTOSELECT=NO,\
             INSTREAM-ID=\"{kind}{number}\""
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{codec::Media, hls::multivariant_playlist, presentation::test_presentation};

    #[test]
    fn captions_are_told_as_far_as_they_are_known() {
        let none = Captions::default();
        let some = Captions { channels: 0b0101, services: 1 << 1 | 1 << 63 };
        for (of_both, group, said) in [
            ([some, some], 4, [",CLOSED-CAPTIONS=\"cc\""; 2]),
            ([some, none], 4, [",CLOSED-CAPTIONS=\"cc\"", ""]),
            ([none, none], 0, [",CLOSED-CAPTIONS=NONE"; 2]),
        ] {
            let mut presentation = test_presentation();
            let second = Rendition { name: "v2".into(), ..presentation.renditions.first().unwrap().clone() };
            presentation.renditions.insert(1, second);
            for (rendition, told) in presentation.renditions.iter_mut().zip(of_both) {
                let Media::Video(video) = &mut rendition.codec.media else { unreachable!("of the other kind") };
                video.captions = told;
            }
            let text = multivariant_playlist(&presentation, |_| None);
            assert_eq!(text.matches("TYPE=CLOSED-CAPTIONS").count(), group, "{text}");
            let variants = text.lines().filter(|line| line.starts_with("#EXT-X-STREAM-INF"));
            for (variant, said) in variants.zip(said) {
                let end = if said.is_empty() { ",VIDEO-RANGE=SDR,AUDIO" } else { said };
                assert!(variant.contains(end) && variant.contains("CLOSED") != said.is_empty(), "{variant}, {said}");
            }
        }
        let mut group = String::new();
        Group(some).write_group(&mut group);
        let member =
            "#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"cc\",NAME=\"SERVICE63\",DEFAULT=NO,AUTOSELECT=NO,INSTREAM-ID=\"SERVICE63\"\n";
        assert!(group.ends_with(member) && group.contains("INSTREAM-ID=\"CC3\""), "{group}");
    }
}
