//! The multivariant playlist (RFC 8216bis 4.4.6), judged by the media playlists that it names.

use std::collections::{HashMap, HashSet};

use super::{
    Check, Part,
    attributes::{attributes, value},
    playlist::{MOST_LINES, MediaPlaylist},
};

const STREAM: &str = "RFC 8216bis 4.4.6.2";
const MEDIA: &str = "RFC 8216bis 4.4.6.1";
const GROUPS: &str = "RFC 8216bis 4.4.6.1.1";
const FRAMES: &str = "RFC 8216bis 4.4.6.3";

/// Renditions and variants more than this are not looked at: each is judged by others.
const MOST_LISTED: usize = 1 << 12;

/// Whether a playlist names other playlists.
pub fn is_multivariant(text: &str) -> bool {
    text.lines().take(MOST_LINES).any(|line| line.starts_with("#EXT-X-STREAM-INF:") || line.starts_with("#EXT-X-I-FRAME-STREAM-INF:"))
}

/// The references of a playlist to other playlists; none in a media playlist.
pub fn playlists(text: &str) -> impl Iterator<Item = &str> {
    let lines = if is_multivariant(text) { MOST_LINES } else { 0 };
    text.lines().take(lines).filter_map(|line| match line.split_once(':') {
        Some(("#EXT-X-MEDIA" | "#EXT-X-I-FRAME-STREAM-INF", rest)) => value(&attributes(rest)?, "URI"),
        _ => (!line.starts_with('#') && !line.is_empty()).then_some(line),
    })
}

type List<'a> = Vec<(&'a str, &'a str)>;

/// A rendition of a group.
struct Member<'a> {
    kind: &'a str,
    group: &'a str,
    name: &'a str,
    path: Option<String>,
}

/// A variant: its attributes and where its playlist is.
struct Variant<'a> {
    list: List<'a>,
    path: Option<String>,
    i_frames: bool,
}

impl Check<'_> {
    /// Checks the multivariant playlist `text` of the file `name`; `playlists` are those of the folder.
    pub fn multivariant(&mut self, name: &str, text: &str, playlists: &HashMap<String, MediaPlaylist>) {
        let (mut members, mut variants) = (Vec::new(), Vec::new());
        let (mut awaited, mut independent): (Option<List<'_>>, bool) = (None, false);
        if text.lines().next() != Some("#EXTM3U") {
            self.error(name, "the first line is not #EXTM3U", "RFC 8216bis 4.4.1.1");
        }
        for line in text.lines().take(MOST_LINES) {
            let (tag, rest) = line.split_once(':').unwrap_or((line, ""));
            match tag {
                "#EXT-X-MEDIA" => members.extend(self.member(name, rest)),
                "#EXT-X-STREAM-INF" => {
                    awaited = attributes(rest);
                    if awaited.is_none() {
                        self.error(name, "EXT-X-STREAM-INF has no attribute list", STREAM);
                    }
                }
                "#EXT-X-I-FRAME-STREAM-INF" => match attributes(rest) {
                    Some(list) => {
                        let uri = value(&list, "URI");
                        if uri.is_none() {
                            self.error(name, "EXT-X-I-FRAME-STREAM-INF has no URI", FRAMES);
                        }
                        let path = uri.and_then(|uri| self.locate(name, uri, FRAMES));
                        variants.push(Variant { list, path, i_frames: true });
                    }
                    None => self.error(name, "EXT-X-I-FRAME-STREAM-INF has no attribute list", FRAMES),
                },
                "#EXT-X-INDEPENDENT-SEGMENTS" => independent = true,
                "#EXTINF" | "#EXT-X-TARGETDURATION" => {
                    self.error(name, format!("{tag} stands in a multivariant playlist"), "RFC 8216bis 4.1");
                }
                _ if line.is_empty() || line.starts_with('#') => {}
                _ => match awaited.take() {
                    Some(list) => {
                        let path = self.locate(name, line, STREAM);
                        variants.push(Variant { list, path, i_frames: false });
                    }
                    None => self.error(name, format!("'{line}' has no EXT-X-STREAM-INF"), STREAM),
                },
            }
        }
        if awaited.is_some() {
            self.error(name, "an EXT-X-STREAM-INF has no URI behind it", STREAM);
        }
        if members.len() + variants.len() > MOST_LISTED {
            let what = format!("more than {MOST_LISTED} renditions and variants: none of them is looked at");
            return self.error(name, what, "RFC 8216bis 4.4.6");
        }
        self.groups(name, &members);
        for variant in &variants {
            self.variant(name, variant, &members, playlists);
        }
        let named: HashSet<&String> = members
            .iter()
            .filter_map(|member| member.path.as_ref())
            .chain(variants.iter().filter_map(|variant| variant.path.as_ref()))
            .collect();
        for path in &named {
            if !playlists.contains_key(*path) {
                self.error(name, format!("'{path}' is no media playlist that can be read"), STREAM);
            }
        }
        let mut listed: Vec<(&String, &MediaPlaylist)> = named.into_iter().filter_map(|path| Some((path, playlists.get(path)?))).collect();
        listed.sort_by_key(|(path, _)| *path);
        self.durations(name, &listed);
        if independent {
            self.independent(&listed);
        }
    }

    fn member<'a>(&mut self, name: &str, text: &'a str) -> Option<Member<'a>> {
        let Some(list) = attributes(text) else {
            self.error(name, "EXT-X-MEDIA has no attribute list", MEDIA);
            return None;
        };
        for required in ["TYPE", "GROUP-ID", "NAME"] {
            if value(&list, required).is_none() {
                self.error(name, format!("EXT-X-MEDIA has no {required}"), MEDIA);
            }
        }
        let path = value(&list, "URI").and_then(|uri| self.locate(name, uri, MEDIA));
        let of = |attribute| value(&list, attribute).unwrap_or_default();
        if of("DEFAULT") == "YES" && of("AUTOSELECT") == "NO" {
            self.error(name, format!("'{}' is DEFAULT, but AUTOSELECT is NO", of("NAME")), MEDIA);
        }
        Some(Member { kind: of("TYPE"), group: of("GROUP-ID"), name: of("NAME"), path })
    }

    fn groups(&mut self, name: &str, members: &[Member<'_>]) {
        let mut names = HashSet::new();
        for member in members {
            if !names.insert((member.kind, member.group, member.name)) {
                self.error(name, format!("two renditions of group '{}' have the NAME '{}'", member.group, member.name), GROUPS);
            }
        }
    }

    fn variant(&mut self, name: &str, variant: &Variant<'_>, members: &[Member<'_>], playlists: &HashMap<String, MediaPlaylist>) {
        let Variant { list, path, i_frames } = variant;
        let clause = if *i_frames { FRAMES } else { STREAM };
        let what = path.as_deref().unwrap_or("a variant");
        let bandwidth = value(list, "BANDWIDTH").and_then(|text| text.parse::<u64>().ok());
        if bandwidth.is_none() {
            self.error(name, format!("{what}: no BANDWIDTH"), clause);
        }
        let codecs: Option<Vec<&str>> = value(list, "CODECS").map(|codecs| codecs.split(',').map(str::trim).collect());
        if codecs.is_none() {
            self.error(name, format!("{what}: no CODECS"), clause);
        }
        let mut sounds = Vec::new();
        for kind in ["AUDIO", "VIDEO", "SUBTITLES"] {
            let Some(group) = value(list, kind) else { continue };
            let before = sounds.len();
            sounds.extend(members.iter().filter(|member| member.kind == kind && member.group == group).map(|member| (kind, member)));
            if sounds.len() == before {
                self.error(name, format!("{what}: no rendition is in the {kind} group '{group}'"), clause);
            }
        }
        let own = path.as_ref().and_then(|path| playlists.get(path));
        if *i_frames && own.is_some_and(|playlist| !playlist.i_frames_only) {
            self.error(name, format!("{what}: its playlist has no EXT-X-I-FRAMES-ONLY"), FRAMES);
        }
        let Some(own) = own else { return };
        let others: Vec<&MediaPlaylist> =
            sounds.iter().filter(|(kind, _)| *kind == "AUDIO").filter_map(|(_, member)| playlists.get(member.path.as_ref()?)).collect();
        let texts: Vec<&MediaPlaylist> =
            sounds.iter().filter(|(kind, _)| *kind == "SUBTITLES").filter_map(|(_, member)| playlists.get(member.path.as_ref()?)).collect();
        // Segments of WebVTT need no codec.
        let coded = texts.iter().copied().filter(|text| header_of(text).is_some());
        self.codecs(name, what, codecs.as_deref(), std::iter::once(own).chain(others.iter().copied()).chain(coded), clause);
        let video = header_of(own).and_then(|part| self.header(part)).map(|header| header.is_video());
        if video == Some(true) && value(list, "RESOLUTION").is_none() {
            self.warning(name, format!("{what}: no RESOLUTION"), clause);
        }
        let rates = |playlists: &[&MediaPlaylist]| playlists.iter().map(|playlist| playlist.rates).collect::<Option<Vec<_>>>();
        let (Some(own), Some(others), Some(texts)) = (own.rates, rates(&others), rates(&texts)) else {
            return; // what is not there cannot be measured; where it has to be, that is a fault of its own
        };
        let sum = |of: fn((u64, u64)) -> u64| {
            let most = |rates: &[(u64, u64)]| rates.iter().copied().map(of).max().unwrap_or(0);
            let (most, text) = (most(&others), most(&texts));
            // Without video the playlist of the variant is one of its group, and one of them is played.
            let played = if video == Some(false) { of(own).max(most) } else { of(own).saturating_add(most) };
            played.saturating_add(text)
        };
        self.rate(name, what, ("BANDWIDTH", bandwidth), sum(|rates| rates.0), clause);
        let average = value(list, "AVERAGE-BANDWIDTH").and_then(|text| text.parse().ok());
        self.rate(name, what, ("AVERAGE-BANDWIDTH", average), sum(|rates| rates.1), clause);
    }

    /// A bit rate against what was measured; a tenth is allowed to either side.
    fn rate(&mut self, name: &str, what: &str, (attribute, stated): (&str, Option<u64>), measured: u64, clause: &'static str) {
        let Some(stated) = stated else { return };
        let tenth = measured / 10;
        if stated < measured - tenth || stated > measured.saturating_add(tenth).max(1) {
            self.error(name, format!("{what}: {attribute} is {stated}, measured are {measured}"), clause);
        }
    }

    /// `CODECS` names each format that the playlists of a variant hold, and no other.
    fn codecs<'a>(
        &mut self,
        name: &str,
        what: &str,
        stated: Option<&[&str]>,
        playlists: impl Iterator<Item = &'a MediaPlaylist>,
        clause: &'static str,
    ) {
        let Some(stated) = stated else { return };
        let mut all_known = true;
        let mut held = HashSet::new();
        for playlist in playlists {
            match header_of(playlist).and_then(|path| self.codec_of(path)) {
                Some(codec) => {
                    if !stated.contains(&codec.as_str()) {
                        self.error(name, format!("{what}: CODECS does not name {codec}"), clause);
                    }
                    held.insert(codec);
                }
                None => all_known = false,
            }
        }
        for codec in stated.iter().filter(|codec| all_known && !held.contains(**codec)) {
            self.error(name, format!("{what}: CODECS names {codec}, which no segment holds"), clause);
        }
    }

    /// Renditions of one presentation end together: within the longest of their segments (6.2.4).
    fn durations(&mut self, name: &str, listed: &[(&String, &MediaPlaylist)]) {
        let Some((longest_path, longest)) = listed.iter().max_by_key(|(_, playlist)| playlist.duration()) else { return };
        let segment = listed.iter().map(|(_, playlist)| playlist.target).max().unwrap_or(0).max(1).saturating_mul(1_000_000);
        for (path, playlist) in listed {
            let missing = longest.duration() - playlist.duration();
            if missing > segment {
                let what = format!("'{path}' is {missing} µs shorter than '{longest_path}'");
                self.warning(name, what, "RFC 8216bis 6.2.4");
            }
        }
    }

    /// `EXT-X-INDEPENDENT-SEGMENTS` here speaks for every segment of every playlist.
    fn independent(&mut self, listed: &[(&String, &MediaPlaylist)]) {
        for place in listed.iter().flat_map(|(_, playlist)| &playlist.segments).filter_map(|segment| segment.place.clone()) {
            let video = self.header(&place.header).is_some_and(|header| header.is_video());
            let path = place.part.path.clone();
            let segment = self.segment(place);
            if video && segment.is_some_and(|segment| !segment.begins_with_sync) {
                self.error(&path, "it does not begin with a sync sample, though EXT-X-INDEPENDENT-SEGMENTS is set", "RFC 8216bis 4.4.2.1");
            }
        }
    }
}

/// The header of the first segment whose header is there.
fn header_of(playlist: &MediaPlaylist) -> Option<&Part> {
    playlist.segments.iter().find_map(|segment| segment.place.as_ref()).map(|place| &place.header)
}
