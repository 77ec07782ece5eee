//! Groups of sound (RFC 8216bis 4.4.6.1.1, 4.4.6.2.1): which renditions are the same sound in another encoding, and which are other sounds.

use alloc::{format, string::String, vec::Vec};

use crate::{
    boxes::user_data::Role,
    codec::Media,
    order,
    presentation::{Presentation, Rendition},
};

/// Sounds of one encoding among which a listener chooses.
pub struct Group<'a> {
    /// `GROUP-ID`.
    pub id: String,
    /// Its members, each with its place in the list of all members.
    pub sounds: Vec<(usize, &'a Rendition)>,
}

/// What a listener chooses: the same in every group that has it, but for the encoding.
pub struct Member<'a> {
    /// The first of its renditions, which tells language and roles.
    pub first: &'a Rendition,
    /// How many of this language and these roles are before it in its encoding: two are two works, nothing in a file says otherwise.
    ordinal: usize,
    /// `NAME`, which no other member has.
    pub name: String,
    /// `DEFAULT`.
    pub default: bool,
    /// `AUTOSELECT`.
    pub autoselect: bool,
}

/// The members of all groups, and the groups.
///
/// Renditions of one codec that differ in language or role are one group; the same sound in another codec or with other channels is in
/// another. Every group is to have the same members, so those that a group lacks are taken from the first that has all; where none has
/// all in its own codec, groups stay as they are, so that a player that knows one codec alone has something to play.
pub fn groups(presentation: &Presentation) -> (Vec<Member<'_>>, Vec<Group<'_>>) {
    let (mut members, mut groups): (Vec<Member<'_>>, Vec<Group<'_>>) = (Vec::new(), Vec::new());
    for sound in presentation.sounds() {
        let alike = |other: &&Rendition| same_encoding(other, sound) && same_meaning(other, sound) && other.name != sound.name;
        let ordinal = presentation.sounds().take_while(|other| other.name != sound.name).filter(alike).count();
        let found = members.iter().position(|member| same_meaning(member.first, sound) && member.ordinal == ordinal);
        let member = found.unwrap_or_else(|| {
            members.push(Member { first: sound, ordinal, name: String::new(), default: false, autoselect: false });
            members.len() - 1
        });
        let room = |group: &&mut Group<'_>| {
            let first = group.sounds.first();
            first.is_some_and(|(_, first)| family(first) == family(sound)) && group.sounds.iter().all(|(other, _)| *other != member)
        };
        match groups.iter_mut().find(room) {
            Some(group) => group.sounds.push((member, sound)),
            None => groups.push(Group { id: format!("audio{}", groups.len() + 1), sounds: Vec::from([(member, sound)]) }),
        }
    }
    if let Some(whole) = groups.iter().find(|group| group.sounds.len() == members.len()).map(|group| group.sounds.clone()) {
        for group in &mut groups {
            let missing = whole.iter().filter(|(member, _)| group.sounds.iter().all(|(other, _)| other != member));
            let missing: Vec<_> = missing.copied().collect();
            group.sounds.extend(missing);
        }
    }
    for group in &mut groups {
        order::by_key(&mut group.sounds, |(member, _)| *member as u64);
    }
    describe(presentation, &mut members);
    (members, groups)
}

/// Names members, and says which a player may choose by itself.
fn describe(presentation: &Presentation, members: &mut [Member<'_>]) {
    let default = presentation.default_sound().map(|sound| &sound.name);
    let mut names: Vec<String> = Vec::new();
    let mut chosen: Vec<&Rendition> = Vec::new();
    let mut has_default = false;
    for (number, member) in (1..).zip(members) {
        member.name = unique(&mut names, &base_name(member.first, || format!("Audio {number}")));
        member.default = !has_default && Some(&member.first.name) == default;
        has_default |= member.default;
        // What cannot be told apart by language and kind is not for a player to choose (4.4.6.1.1); nor is what talks over the programme.
        let apart =
            chosen.iter().all(|other| other.language != member.first.language || characteristics(other) != characteristics(member.first));
        member.autoselect = member.default || (apart && !member.first.is(Role::Commentary));
        if member.autoselect {
            chosen.push(member.first);
        }
    }
}

/// A name that is not among `names`, to which it is added.
pub fn unique(names: &mut Vec<String>, name: &str) -> String {
    let mut found = String::from(name);
    let mut copy = 1;
    while names.contains(&found) {
        copy += 1;
        found = format!("{name} {copy}");
    }
    names.push(found.clone());
    found
}

/// What people call it; else its language and what it is for; `other` where that is not known.
pub fn base_name(sound: &Rendition, other: impl Fn() -> String) -> String {
    if let Some(label) = &sound.label {
        return label.clone();
    }
    let mut name = sound.language.clone().unwrap_or_else(other);
    for role in sound.roles.iter().filter(|role| !matches!(role, Role::Main | Role::Subtitle)) {
        name.push_str(", ");
        name.push_str(role.name());
    }
    name
}

fn same_meaning(a: &Rendition, b: &Rendition) -> bool {
    a.language == b.language && a.roles == b.roles
}

fn same_encoding(a: &Rendition, b: &Rendition) -> bool {
    a.codec.string == b.codec.string && channels(a) == channels(b)
}

/// Codecs that every player has or has not together: for MPEG-4 sound its object types.
fn family(sound: &Rendition) -> &str {
    let string = sound.codec.string.as_str();
    if string.starts_with("mp4a.40.") { "mp4a.40" } else { string }
}

/// `CHANNELS` (4.4.6.1): how many, and for Dolby Atmos how many objects (Apple's authoring specification 2.16).
pub fn channels(sound: &Rendition) -> Option<String> {
    let Media::Audio(audio) = &sound.codec.media else { return None };
    match audio.dolby.and_then(|speakers| speakers.joint_objects) {
        Some(objects) => Some(format!("{objects}/JOC")),
        None => (audio.channels > 0).then(|| format!("{}", audio.channels)),
    }
}

/// `CHARACTERISTICS` (4.4.6.1) of a rendition; empty where nothing is to be said.
pub fn characteristics(rendition: &Rendition) -> String {
    let told = [
        (Role::Description, "public.accessibility.describes-video"),
        (Role::Caption, "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound"),
        (Role::EasyReader, "public.easy-to-read"),
        (Role::EnhancedIntelligibility, "public.accessibility.enhances-speech-intelligibility"),
    ];
    let told: Vec<&str> = told.iter().filter(|(role, _)| rendition.is(*role)).map(|(_, uti)| *uti).collect();
    told.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{codec::ac3::Speakers, presentation::test_presentation};

    /// Sounds with these languages, codecs, numbers of channels and roles: `NAME` of each member, `DEFAULT` as `*` and `AUTOSELECT` as `+`
    /// behind it; then the renditions of each group.
    fn grouped(sounds: &[(Option<&str>, &str, u32, &[Role])]) -> (String, String) {
        let mut presentation = test_presentation();
        let first = presentation.sounds().next().unwrap().clone();
        presentation.renditions.retain(Rendition::is_video);
        for (number, (language, codec, channels, roles)) in (1..).zip(sounds) {
            let mut sound = first.clone();
            sound.name = format!("a{number}");
            sound.language = language.map(String::from);
            sound.roles = roles.to_vec();
            sound.codec.string = String::from(*codec);
            let Media::Audio(audio) = &mut sound.codec.media else { unreachable!("of the other kind") };
            audio.channels = *channels;
            presentation.renditions.push(sound);
        }
        let (members, groups) = groups(&presentation);
        let mark = |is, mark| if is { mark } else { "" };
        let members: Vec<String> =
            members.iter().map(|member| format!("{}{}{}", member.name, mark(member.default, "*"), mark(member.autoselect, "+"))).collect();
        let groups: Vec<String> =
            groups.iter().map(|group| group.sounds.iter().map(|(_, sound)| sound.name.as_str()).collect::<Vec<_>>().join(" ")).collect();
        (members.join(" | "), groups.join(" | "))
    }

    /// RFC 8216bis 4.4.6.1.1: groups of a kind have the same members; 4.4.6.2.1.
    #[test]
    fn members_and_groups() {
        const AAC: &str = "mp4a.40.2";
        let (en, de) = (Some("en"), Some("de"));
        for (sounds, members, groups) in [
            (&[(en, AAC, 2, &[][..])][..], "en*+", "a1"),
            (&[(en, AAC, 2, &[]), (de, AAC, 6, &[])], "en*+ | de+", "a1 a2"),
            (&[(en, AAC, 2, &[]), (en, AAC, 6, &[])], "en*+", "a1 | a2"),
            (&[(en, AAC, 2, &[]), (en, "ec-3", 6, &[])], "en*+", "a1 | a2"),
            // What a group lacks it takes from the one that has all.
            (&[(en, AAC, 2, &[]), (en, "ac-3", 6, &[]), (de, AAC, 2, &[])], "en*+ | de+", "a1 a3 | a2 a3"),
            // None has all in a codec of its own.
            (&[(en, AAC, 2, &[]), (de, "ac-3", 6, &[])], "en*+ | de+", "a1 | a2"),
            // Two of one language, encoding and role are two works; a player does not choose the second by itself.
            (&[(en, AAC, 2, &[]), (en, AAC, 2, &[])], "en*+ | en 2", "a1 a2"),
            (&[(en, AAC, 2, &[]), (en, AAC, 2, &[Role::Commentary])], "en*+ | en, commentary", "a1 a2"),
            (&[(en, AAC, 2, &[]), (en, AAC, 2, &[Role::Description])], "en*+ | en, description+", "a1 a2"),
            (&[(de, AAC, 2, &[Role::Dub]), (en, AAC, 2, &[Role::Main])], "de, dub+ | en*+", "a1 a2"),
            (&[(None, AAC, 2, &[]), (None, AAC, 2, &[])], "Audio 1*+ | Audio 2", "a1 a2"),
            (&[], "", ""),
        ] {
            assert_eq!(grouped(sounds), (members.into(), groups.into()));
        }
    }

    #[test]
    fn the_first_that_is_enabled_is_the_default() {
        let mut presentation = test_presentation();
        presentation.renditions.iter_mut().find(|sound| sound.name == "a1").unwrap().enabled = false;
        let (members, _) = groups(&presentation);
        assert_eq!(members.iter().map(|member| member.default).collect::<Vec<_>>(), [false, true, false]);
    }

    #[test]
    fn channels_and_characteristics() {
        let mut sound = test_presentation().sounds().next().unwrap().clone();
        sound.roles = Vec::from([Role::Description]);
        assert_eq!(characteristics(&sound), "public.accessibility.describes-video");
        assert_eq!(channels(&sound).as_deref(), Some("2"));
        let Media::Audio(audio) = &mut sound.codec.media else { unreachable!("of the other kind") };
        audio.dolby = Some(Speakers { places: 0xf801, joint_objects: Some(16) });
        assert_eq!(channels(&sound).as_deref(), Some("16/JOC"));
    }
}
