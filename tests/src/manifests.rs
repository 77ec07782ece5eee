//! Playlists and MPDs, read by the letter of their specifications.

use std::ops::Range;

use anyhow::{Context, Result, bail, ensure};

/// A media playlist (RFC 8216bis 4.4.3).
#[derive(Clone, Debug, Default)]
pub struct MediaPlaylist {
    /// `EXT-X-TARGETDURATION`, in seconds.
    pub target: u64,
    /// `URI` of `EXT-X-MAP`.
    pub map: String,
    /// Duration in microseconds and URI of each segment.
    pub segments: Vec<(u64, String)>,
}

impl MediaPlaylist {
    /// Reads a complete playlist of version 7.
    pub fn read(text: &str) -> Result<Self> {
        let mut playlist = Self::default();
        let mut lines = text.lines();
        ensure!(lines.next() == Some("#EXTM3U"), "4.4.1.1: no #EXTM3U");
        let mut duration = None;
        let mut tags: Vec<&str> = Vec::new();
        for line in lines {
            if let Some(value) = line.strip_prefix("#EXTINF:") {
                duration = Some(micros(value.strip_suffix(',').context("4.4.4.1: no comma")?)?);
            } else if let Some(value) = line.strip_prefix("#EXT-X-TARGETDURATION:") {
                playlist.target = value.parse()?;
            } else if let Some(value) = line.strip_prefix("#EXT-X-MAP:URI=\"") {
                playlist.map = value.strip_suffix('"').context("4.2: no quote")?.into();
            } else if line.starts_with('#') {
                tags.push(line);
            } else if !line.is_empty() {
                playlist.segments.push((duration.take().context("4.4.4.1: no EXTINF")?, line.into()));
            }
        }
        for tag in ["#EXT-X-VERSION:7", "#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-MEDIA-SEQUENCE:1"] {
            ensure!(tags.contains(&tag), "no {tag}");
        }
        ensure!(tags.last() == Some(&"#EXT-X-ENDLIST"), "no #EXT-X-ENDLIST at the end");
        Ok(playlist)
    }
}

/// An entry of an I-frame playlist (RFC 8216bis 4.4.3.6).
#[derive(Clone, Debug)]
pub struct IFrame {
    /// `EXTINF`, in microseconds.
    pub duration: u64,
    /// `EXT-X-BYTERANGE`.
    pub bytes: Range<usize>,
    /// The segment.
    pub uri: String,
}

/// The entries of an I-frame playlist.
pub fn i_frames(text: &str) -> Result<Vec<IFrame>> {
    let (head, list) = text.split_once("#EXTINF:").unwrap_or((text, ""));
    for tag in ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-I-FRAMES-ONLY", "#EXT-X-MAP:URI=\"init.mp4\""] {
        ensure!(head.lines().any(|line| line == tag), "no {tag}");
    }
    ensure!(text.ends_with("#EXT-X-ENDLIST\n"), "no #EXT-X-ENDLIST at the end");
    let target = head.lines().find_map(|line| line.strip_prefix("#EXT-X-TARGETDURATION:")).context("no target duration")?;
    let target = target.parse::<u64>()?;
    let entries = list.trim_end_matches("#EXT-X-ENDLIST\n").split("#EXTINF:").filter(|entry| !entry.is_empty());
    let read = |entry: &str| {
        let lines: Vec<&str> = entry.lines().collect();
        let [duration, range, uri] = lines.as_slice() else { bail!("an entry of {} lines", lines.len()) };
        let (length, start) = range.strip_prefix("#EXT-X-BYTERANGE:").and_then(|range| range.split_once('@')).context("no byte range")?;
        let (length, start) = (length.parse::<usize>()?, start.parse::<usize>()?);
        let duration = micros(duration.strip_suffix(',').context("4.4.4.1: no comma")?)?;
        ensure!((duration + 500_000) / 1_000_000 <= target, "{duration} µs in a target of {target} s");
        Ok(IFrame { duration, bytes: start..start + length, uri: (*uri).to_owned() })
    };
    entries.map(read).collect()
}

/// The media playlists that a multivariant playlist names: variants (4.4.6.2) and renditions (4.4.6.1).
pub fn playlists(multivariant: &str) -> Vec<String> {
    let attribute = |line: &str| Some(line.strip_prefix("#EXT-X-MEDIA:")?.split_once("URI=\"")?.1.split_once('"')?.0.to_owned());
    let lines = multivariant.lines().filter(|line| !line.is_empty());
    lines.filter_map(|line| if line.starts_with('#') { attribute(line) } else { Some(line.to_owned()) }).collect()
}

/// A decimal number of seconds with six places, in microseconds.
fn micros(text: &str) -> Result<u64> {
    let (whole, part) = text.split_once('.').context("no decimal point")?;
    ensure!(part.len() == 6, "{} places", part.len());
    Ok(whole.parse::<u64>()? * 1_000_000 + part.parse::<u64>()?)
}

/// A static MPD (ISO/IEC 23009-1).
#[derive(Clone, Debug, Default)]
pub struct Mpd {
    /// `mediaPresentationDuration`, in milliseconds.
    pub duration: u64,
    /// `maxSegmentDuration`, in milliseconds.
    pub longest: u64,
    /// The representations of all adaptation sets.
    pub representations: Vec<Representation>,
}

/// `Representation` with its `SegmentTemplate`.
#[derive(Clone, Debug, Default)]
pub struct Representation {
    /// `id`.
    pub id: String,
    /// `codecs`.
    pub codecs: String,
    /// `timescale`.
    pub timescale: u64,
    /// `presentationTimeOffset`.
    pub offset: u64,
    /// `t` and `d` of each segment, repetitions written out.
    pub segments: Vec<(u64, u64)>,
}

impl Mpd {
    /// Reads the text of one.
    pub fn read(text: &str) -> Result<Self> {
        let document = roxmltree::Document::parse(text)?;
        let root = document.root_element();
        ensure!(root.tag_name().name() == "MPD", "root {}", root.tag_name().name());
        let mut mpd = Self {
            duration: millis(root.attribute("mediaPresentationDuration"))?,
            longest: millis(root.attribute("maxSegmentDuration"))?,
            representations: Vec::new(),
        };
        for node in root.descendants().filter(|node| node.tag_name().name() == "Representation") {
            let template = node.descendants().find(|node| node.tag_name().name() == "SegmentTemplate").context("no SegmentTemplate")?;
            let number = |node: &roxmltree::Node<'_, '_>, name| node.attribute(name).map(str::parse::<u64>).transpose();
            let mut representation = Representation {
                id: node.attribute("id").context("no id")?.into(),
                codecs: node.attribute("codecs").context("no codecs")?.into(),
                timescale: number(&template, "timescale")?.context("no timescale")?,
                offset: number(&template, "presentationTimeOffset")?.unwrap_or(0),
                segments: Vec::new(),
            };
            let mut time = 0;
            for s in template.descendants().filter(|node| node.tag_name().name() == "S") {
                time = number(&s, "t")?.unwrap_or(time);
                let duration = number(&s, "d")?.context("no d")?;
                for _ in 0..=number(&s, "r")?.unwrap_or(0) {
                    representation.segments.push((time, duration));
                    time += duration;
                }
            }
            mpd.representations.push(representation);
        }
        Ok(mpd)
    }
}

/// `PT1.234S` in milliseconds.
fn millis(duration: Option<&str>) -> Result<u64> {
    let seconds = duration.and_then(|text| text.strip_prefix("PT")?.strip_suffix('S')).context("no duration of seconds")?;
    let (whole, part) = seconds.split_once('.').context("no decimal point")?;
    ensure!(part.len() == 3, "{} places", part.len());
    Ok(whole.parse::<u64>()? * 1000 + part.parse::<u64>()?)
}
