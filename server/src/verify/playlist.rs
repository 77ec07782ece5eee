//! Media playlists (RFC 8216bis 4.4.2 to 4.4.4) and the segments they list.

use std::rc::Rc;

use super::{
    Check, Part, Place,
    attributes::{attributes, byte_range, micros, value},
    publication::extension,
    segments::Segment,
};

/// Lines of a playlist more than this are not read.
pub const MOST_LINES: usize = 1 << 20;
/// How far a duration may be from what the samples say, in microseconds: the rounding of writers that give three decimals.
const TOLERANCE: u64 = 2000;

/// What a media playlist lists, for those that judge several of them together.
#[derive(Debug, Default)]
pub struct MediaPlaylist {
    /// Whether each segment is said to be decodable alone.
    pub independent: bool,
    /// Whether it lists I-frames and no segments.
    pub i_frames_only: bool,
    /// Whether more segments may come.
    pub live: bool,
    /// `EXT-X-TARGETDURATION` in seconds.
    pub target: u64,
    /// The segments, with bytes of the file where they could be found.
    pub segments: Vec<Listed>,
    /// The largest bit rate, and that of the whole; `None`: not all of it is there to be measured.
    pub rates: Option<(u64, u64)>,
}

/// A segment as a playlist lists it.
#[derive(Debug)]
pub struct Listed {
    /// `EXTINF` in microseconds.
    pub micros: u64,
    /// Bytes that a player loads; 0 where the file is missing.
    pub bytes: u64,
    /// Where it is and the header before it, where both are there.
    pub place: Option<Place>,
    /// A discontinuity stands before it.
    discontinuity: bool,
}

/// What a playlist said so far.
#[derive(Default)]
struct State {
    playlist: MediaPlaylist,
    version: Option<u64>,
    targets: usize,
    ended: bool,
    vod: bool,
    /// The lowest version that has what is used, and what that is.
    needed: (u64, &'static str),
    header: Option<Part>,
    micros: Option<u64>,
    range: Option<(u64, Option<u64>)>,
    /// Where the last range ended, and in which file: ranges without an offset begin there.
    last: Option<(String, u64)>,
    next: Next,
    /// How the next segments are encrypted.
    key: Option<String>,
}

/// What was said of the segment that is named next.
#[derive(Default)]
struct Next {
    discontinuity: bool,
    gap: bool,
}

impl MediaPlaylist {
    /// The sum of its durations in microseconds.
    pub fn duration(&self) -> u64 {
        self.segments.iter().fold(0, |sum, segment| sum.saturating_add(segment.micros))
    }

    /// The largest bit rate of segments that follow each other and last from half to one and a half target durations (4.4.6.2), and the
    /// rate of the whole; `None` where more is to come, or what is listed is not there.
    fn measured(&self) -> Option<(u64, u64)> {
        if self.live || self.segments.iter().any(|segment| segment.bytes == 0) {
            return None;
        }
        let rate = |bytes: u64, micros: u64| u64::try_from(u128::from(bytes) * 8_000_000 / u128::from(micros.max(1))).unwrap_or(u64::MAX);
        let target = self.target.max(1).saturating_mul(1_000_000);
        let mut peak = 0;
        for first in 0..self.segments.len() {
            let (mut bytes, mut micros) = (0u64, 0u64);
            for segment in self.segments.iter().skip(first).take(1024) {
                bytes = bytes.saturating_add(segment.bytes);
                micros = micros.saturating_add(segment.micros);
                if micros > target.saturating_add(target / 2) {
                    break;
                }
                if micros >= target / 2 {
                    peak = peak.max(rate(bytes, micros));
                }
            }
        }
        let average = rate(self.segments.iter().fold(0, |sum, segment| sum.saturating_add(segment.bytes)), self.duration());
        Some((peak.max(average), average))
    }
}

impl Check<'_> {
    /// Checks the media playlist `text` of the file `name`, and the segments that it lists.
    pub fn media_playlist(&mut self, name: &str, text: &str) -> MediaPlaylist {
        let mut state = State { needed: (1, ""), ..State::default() };
        let named = text.lines().take(MOST_LINES).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let paths: Vec<String> = named.filter_map(|uri| self.publication.resolve(name, uri).ok()).collect();
        self.publication.expect(&paths);
        for (number, line) in text.lines().enumerate() {
            if number == 0 && line != "#EXTM3U" {
                self.error(name, "the first line is not #EXTM3U", "RFC 8216bis 4.4.1.1");
            }
            if number >= MOST_LINES {
                self.error(name, format!("more than {MOST_LINES} lines"), "RFC 8216bis 4.1");
                break;
            }
            match line.strip_prefix('#') {
                Some(tag) => self.tag(name, tag, &mut state),
                None if line.is_empty() => {}
                None => self.listed(name, line, &mut state),
            }
        }
        self.whole(name, &state);
        let mut playlist = MediaPlaylist { live: !state.ended, ..state.playlist };
        playlist.rates = playlist.measured();
        self.verdict.live |= playlist.live;
        if playlist.i_frames_only {
            self.listed_frames(&playlist);
        } else {
            self.listed_segments(name, &playlist);
        }
        playlist
    }

    fn tag(&mut self, name: &str, tag: &str, state: &mut State) {
        let (tag, text) = tag.split_once(':').unwrap_or((tag, ""));
        let mut need = |version, what| {
            if version > state.needed.0 {
                state.needed = (version, what);
            }
        };
        match tag {
            "EXT-X-VERSION" => {
                if state.version.is_some() {
                    self.error(name, "more than one EXT-X-VERSION", "RFC 8216bis 4.4.1.2");
                }
                state.version = text.parse().ok();
                if state.version.is_none() {
                    self.error(name, format!("EXT-X-VERSION '{text}' is no number"), "RFC 8216bis 4.4.1.2");
                }
            }
            "EXT-X-TARGETDURATION" => {
                state.targets += 1;
                match text.parse() {
                    Ok(target) => state.playlist.target = target,
                    Err(_) => self.error(name, format!("EXT-X-TARGETDURATION '{text}' is no whole number"), "RFC 8216bis 4.4.3.1"),
                }
            }
            "EXT-X-MEDIA-SEQUENCE" if text.parse::<u64>().is_err() || !state.playlist.segments.is_empty() => {
                self.error(name, "EXT-X-MEDIA-SEQUENCE is no number, or stands behind a segment", "RFC 8216bis 4.4.3.2");
            }
            "EXT-X-PLAYLIST-TYPE" => {
                state.vod = text == "VOD";
                if !matches!(text, "VOD" | "EVENT") {
                    self.error(name, format!("EXT-X-PLAYLIST-TYPE '{text}'"), "RFC 8216bis 4.4.3.5");
                }
            }
            "EXT-X-I-FRAMES-ONLY" => {
                need(4, "EXT-X-I-FRAMES-ONLY");
                state.playlist.i_frames_only = true;
            }
            "EXT-X-INDEPENDENT-SEGMENTS" => state.playlist.independent = true,
            "EXT-X-ENDLIST" => state.ended = true,
            "EXT-X-DISCONTINUITY" => state.next.discontinuity = true,
            "EXT-X-GAP" => {
                need(8, "EXT-X-GAP");
                state.next.gap = true;
            }
            "EXT-X-MAP" => self.map(name, text, state),
            "EXT-X-KEY" => {
                let list = attributes(text).unwrap_or_default();
                state.key = value(&list, "METHOD").filter(|method| *method != "NONE").map(str::to_owned);
                if state.key.is_some() && value(&list, "URI").is_none() {
                    self.error(name, "EXT-X-KEY has no URI", "RFC 8216bis 4.4.4.4");
                }
                if value(&list, "KEYFORMAT").is_some() {
                    need(5, "KEYFORMAT");
                }
            }
            "EXT-X-BYTERANGE" => {
                need(4, "EXT-X-BYTERANGE");
                state.range = byte_range(text);
                if state.range.is_none() {
                    self.error(name, format!("EXT-X-BYTERANGE '{text}' is no range"), "RFC 8216bis 4.4.4.2");
                }
            }
            "EXTINF" => {
                let duration = text.split(',').next().unwrap_or_default();
                if duration.contains('.') {
                    need(3, "a decimal EXTINF");
                }
                state.micros = micros(duration);
                if state.micros.is_none() || !text.contains(',') {
                    self.error(name, format!("EXTINF '{text}' is no duration with a comma behind it"), "RFC 8216bis 4.4.4.1");
                }
            }
            "EXT-X-STREAM-INF" | "EXT-X-MEDIA" | "EXT-X-I-FRAME-STREAM-INF" => {
                self.error(name, format!("#{tag} stands in a media playlist"), "RFC 8216bis 4.1");
            }
            _ => {}
        }
    }

    fn map(&mut self, name: &str, text: &str, state: &mut State) {
        const CLAUSE: &str = "RFC 8216bis 4.4.4.5";
        let needed = if state.playlist.i_frames_only { 5 } else { 6 };
        if needed > state.needed.0 {
            state.needed = (needed, "EXT-X-MAP");
        }
        state.header = None;
        let Some(list) = attributes(text) else { return self.error(name, "EXT-X-MAP has no attribute list", CLAUSE) };
        let Some(uri) = value(&list, "URI") else { return self.error(name, "EXT-X-MAP has no URI", CLAUSE) };
        let Some(path) = self.locate(name, uri, CLAUSE) else { return };
        if let Some((length, offset)) = value(&list, "BYTERANGE").and_then(byte_range) {
            let start = offset.unwrap_or(0);
            if self.range_inside(name, &path, start, length, CLAUSE) {
                state.header = Some(Part { path, range: Some(start..start.saturating_add(length)) });
            }
            return;
        }
        state.header = Some(Part::whole(path));
    }

    /// A line that names a segment.
    fn listed(&mut self, name: &str, uri: &str, state: &mut State) {
        let Some(micros) = state.micros.take() else {
            return self.error(name, format!("'{uri}' has no EXTINF"), "RFC 8216bis 4.4.4.1");
        };
        let webvtt = extension(uri) == "vtt";
        if state.header.is_none() && !webvtt {
            self.error(name, format!("no EXT-X-MAP that can be read stands before '{uri}'"), "RFC 8216bis 4.4.4.5");
        }
        let Next { discontinuity, gap } = std::mem::take(&mut state.next);
        let mut listed = Listed { micros, bytes: 0, place: None, discontinuity };
        let named = state.range.take();
        if gap {
            state.playlist.segments.push(listed); // nothing is there, nor has to be (4.4.4.7)
            return;
        }
        if let Some(path) = self.locate(name, uri, "RFC 8216bis 4.1") {
            let size = self.publication.size(&path).unwrap_or(0);
            let range = named.map(|(length, offset)| {
                let next = state.last.as_ref().filter(|(file, _)| *file == path).map(|(_, end)| *end);
                if offset.is_none() && next.is_none() {
                    self.error(name, format!("the range of '{uri}' has no offset, and follows no other"), "RFC 8216bis 4.4.4.2");
                }
                let start = offset.or(next).unwrap_or(0);
                start..start.saturating_add(length)
            });
            let whole = range.clone().unwrap_or(0..size);
            let length = whole.end - whole.start;
            if range.is_none() || self.range_inside(name, &path, whole.start, length, "RFC 8216bis 4.4.4.2") {
                listed.bytes = length;
                match state.key.as_deref() {
                    // Nothing inside can be read, but its length tells.
                    Some("AES-128") if !length.is_multiple_of(16) || length == 0 => {
                        self.error(&path, format!("{length} bytes are no whole blocks, as AES-128 makes them"), "RFC 8216bis 4.4.4.4");
                    }
                    Some("AES-128") => {}
                    _ if webvtt => self.webvtt(&path),
                    method => {
                        if let Some(header) = state.header.clone() {
                            self.keys(name, &header, uri, method);
                            listed.place = Some(Place { header, part: Part { path: path.clone(), range } });
                        }
                    }
                }
            }
            state.last = Some((path, whole.end));
        }
        state.playlist.segments.push(listed);
    }

    /// What the playlist says of the encryption of a segment, against its header.
    fn keys(&mut self, name: &str, header: &Part, uri: &str, method: Option<&str>) {
        let Some(header) = self.header(header) else { return };
        let expected = header.protection.as_ref().map(|protection| match &protection.scheme.0 {
            b"cbcs" => "SAMPLE-AES",
            _ => "SAMPLE-AES-CTR",
        });
        if method != expected {
            let what = format!("'{uri}' has the method {}, its header says {}", method.unwrap_or("NONE"), expected.unwrap_or("NONE"));
            self.error(name, what, "RFC 8216bis 4.4.4.4");
        }
    }

    /// Rules on the playlist as a whole.
    fn whole(&mut self, name: &str, state: &State) {
        let (version, (needed, what)) = (state.version.unwrap_or(1), state.needed);
        if version < needed {
            self.error(name, format!("EXT-X-VERSION is {version}, {what} needs {needed}"), "RFC 8216bis 8");
        }
        if state.targets != 1 {
            self.error(name, format!("{} EXT-X-TARGETDURATION, one is required", state.targets), "RFC 8216bis 4.4.3.1");
        }
        if state.vod && !state.ended {
            self.error(name, "a VOD playlist without EXT-X-ENDLIST", "RFC 8216bis 4.4.3.5");
        }
        let longest = state.playlist.segments.iter().map(|segment| segment.micros).max().unwrap_or(0);
        let rounded = longest.saturating_add(500_000) / 1_000_000;
        if state.targets > 0 && rounded > state.playlist.target {
            let what = format!("a segment lasts {rounded} s, the target duration is {} s", state.playlist.target);
            self.error(name, what, "RFC 8216bis 4.4.3.1");
        }
        if state.playlist.segments.is_empty() && state.ended {
            self.error(name, "it lists no segment", "RFC 8216bis 4.1");
        }
    }

    fn read_listed(&mut self, listed: &Listed) -> Option<(Part, String, Rc<Segment>)> {
        let place = listed.place.clone()?;
        let segment = self.segment(place.clone())?;
        Some((place.header, place.part.path, segment))
    }

    /// The segments against the playlist and against each other.
    fn listed_segments(&mut self, name: &str, playlist: &MediaPlaylist) {
        let mut before: Option<(u64, Rc<Segment>)> = None;
        for (index, listed) in playlist.segments.iter().enumerate() {
            let Some((header_path, path, segment)) = self.read_listed(listed) else {
                before = None;
                continue;
            };
            let Some(header) = self.header(&header_path) else { continue };
            if playlist.independent && header.is_video() && !segment.begins_with_sync {
                self.error(&path, "it does not begin with a sync sample, though EXT-X-INDEPENDENT-SEGMENTS is set", "RFC 8216bis 4.4.2.1");
            }
            if let Some((micros, last)) = before.take().filter(|_| !listed.discontinuity) {
                self.continues(&last, &segment, &path);
                // The first lasts from the start of the presentation, which this playlist alone does not tell.
                let ticks = u64::try_from(segment.earliest.saturating_sub(last.earliest)).unwrap_or(0);
                let real = u64::try_from(u128::from(ticks) * 1_000_000 / u128::from(header.timescale.get())).unwrap_or(u64::MAX);
                if index > 1 && real.abs_diff(micros) > TOLERANCE {
                    let what = format!("segment {index} is said to last {micros} µs, its samples last {real} µs");
                    self.error(name, what, "RFC 8216bis 4.4.4.1");
                }
            }
            before = Some((listed.micros, segment));
        }
    }

    /// Each entry of an I-frame playlist is one frame with nothing before it that is needed.
    fn listed_frames(&mut self, playlist: &MediaPlaylist) {
        for listed in &playlist.segments {
            let Some((_, path, frame)) = self.read_listed(listed) else { continue };
            if !frame.begins_with_sync || frame.samples != 1 {
                let what = format!("an entry of the I-frame playlist holds {} samples, or one that is no sync sample", frame.samples);
                self.error(&path, what, "RFC 8216bis 4.4.3.6");
            }
        }
    }
}
