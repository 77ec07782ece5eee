//! Text beside pictures and sound: the group of subtitles (RFC 8216bis 4.4.6.1).

use alloc::{format, string::String, vec::Vec};
use core::fmt::Write;

use super::{
    Quoted,
    groups::{base_name, characteristics, unique},
    multivariant::uri,
};
use crate::{
    boxes::user_data::Role,
    presentation::{Presentation, Rendition},
};

/// `GROUP-ID` of the only group: every variant has the same text.
pub const GROUP: &str = "subtitles";

/// Writes the members of the group.
///
/// None is shown before somebody asks for it, but for those that are forced, which a player chooses by language itself.
pub fn write_group(text: &mut String, presentation: &Presentation) {
    let mut names: Vec<String> = Vec::new();
    let mut chosen: Vec<&Rendition> = Vec::new();
    for (number, rendition) in (1..).zip(presentation.texts()) {
        let name = unique(&mut names, &base_name(rendition, || format!("Subtitles {number}")));
        let _ = write!(text, "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID={},NAME={}", Quoted(GROUP), Quoted(&name));
        if let Some(language) = &rendition.language {
            let _ = write!(text, ",LANGUAGE={}", Quoted(language));
        }
        // What cannot be told apart is not for a player to choose (4.4.6.1.1).
        let meaning = |text: &Rendition| (text.language.clone(), characteristics(text), text.is(Role::ForcedSubtitle));
        let autoselect = chosen.iter().all(|other| meaning(other) != meaning(rendition));
        if autoselect {
            chosen.push(rendition);
        }
        let _ = write!(text, ",DEFAULT=NO,AUTOSELECT={}", if autoselect { "YES" } else { "NO" });
        let _ = write!(text, ",FORCED={}", if rendition.is(Role::ForcedSubtitle) { "YES" } else { "NO" });
        let characteristics = characteristics(rendition);
        if !characteristics.is_empty() {
            let _ = write!(text, ",CHARACTERISTICS={}", Quoted(&characteristics));
        }
        let _ = writeln!(text, ",URI={}", Quoted(&uri(rendition)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        codec::{Codec, Media},
        presentation::test_presentation,
    };

    #[test]
    fn members() {
        let mut presentation = test_presentation();
        let mut text = presentation.renditions.pop().unwrap();
        text.codec = Codec { string: "wvtt".into(), media: Media::Text };
        for (number, (language, role)) in (1..).zip([
            (Some("en"), Role::Subtitle),
            (Some("en"), Role::ForcedSubtitle),
            (Some("en"), Role::Caption),
            (Some("en"), Role::Subtitle),
            (None, Role::Subtitle),
        ]) {
            let language = language.map(String::from);
            presentation.renditions.push(Rendition { name: format!("t{number}"), language, roles: Vec::from([role]), ..text.clone() });
        }
        let expected = "\
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subtitles\",NAME=\"en\",LANGUAGE=\"en\",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,URI=\"t1/media.m3u8\"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subtitles\",NAME=\"en, forced-subtitle\",LANGUAGE=\"en\",DEFAULT=NO,AUTOSELECT=YES,FORCED=YES,URI=\"t2/media.m3u8\"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subtitles\",NAME=\"en, caption\",LANGUAGE=\"en\",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,CHARACTERISTICS=\"public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound\",URI=\"t3/media.m3u8\"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subtitles\",NAME=\"en 2\",LANGUAGE=\"en\",DEFAULT=NO,AUTOSELECT=NO,FORCED=NO,URI=\"t4/media.m3u8\"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subtitles\",NAME=\"Subtitles 5\",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,URI=\"t5/media.m3u8\"
";
        let mut found = String::new();
        write_group(&mut found, &presentation);
        assert_eq!(found, expected);
    }
}
