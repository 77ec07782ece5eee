//! What players ask for, read from a stream as it is. Nothing here changes it.

use alloc::{string::String, vec::Vec};

use super::{
    Epoch, Live, LiveEncryption, RenditionId, Source,
    cipher::PartCipher,
    cuts::{Period, Time},
    rendition::Rendition,
};
use crate::{
    codec::{Kind, Media},
    dash::{LiveMpd, LivePeriod},
    hls::{self, Decision, Directives, Edge, LivePlaylist, Report},
    presentation::{self, Bandwidth, Presentation},
    time::{FrameRate, Timescale, rescale, rescale_length},
    timeline::Timeline,
    track::Track,
    window::{Promise, Segment, Window},
};

/// What to do with a request for a segment or a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// It is there; a segment may be one that grows.
    Ready,
    /// It is what comes next: hold the request.
    Soon,
    /// It was not had, though there is a number for it: what is given has no media.
    Gap,
    /// It is not there any more: 410.
    Gone,
    /// Nothing says that it will be: 404.
    Missing,
}

impl Live {
    /// Whether nothing follows.
    pub fn is_ended(&self) -> bool {
        self.source == Source::Ended
    }

    /// Whether every rendition has something that can be played, so that manifests can be written. What joins a stream, text or what is made
    /// of its pictures, is not waited for.
    pub fn is_ready(&self) -> bool {
        let joins = |rendition: &Rendition| rendition.place.is_derived() || (rendition.is_text() && rendition.window.open.is_none());
        let ready = |rendition: &Rendition| joins(rendition) || !rendition.window.is_empty();
        self.cuts.last().is_some() && self.renditions.iter().all(ready)
    }

    /// The renditions.
    pub fn renditions(&self) -> impl Iterator<Item = RenditionId> + '_ {
        self.renditions.iter().map(|rendition| rendition.id)
    }

    /// The rendition of this name: `v1`, `a1`, ...
    pub fn find(&self, name: &str) -> Option<RenditionId> {
        self.renditions.iter().find(|rendition| rendition.name == name).map(|rendition| rendition.id)
    }

    /// The name of a rendition, which is its place in URLs.
    pub fn name(&self, id: RenditionId) -> Option<&str> {
        self.renditions.get(id.0).map(|rendition| rendition.name.as_str())
    }

    /// Of which kind its media is.
    pub fn kind(&self, id: RenditionId) -> Option<Kind> {
        self.renditions.get(id.0).map(|rendition| rendition.track.kind())
    }

    /// What is listed of a rendition.
    pub fn window(&self, id: RenditionId) -> Option<&Window> {
        self.renditions.get(id.0).map(|rendition| &rendition.window)
    }

    /// What the stream promises to players. Constant once something is listed.
    pub fn promise(&self) -> &Promise {
        &self.promise
    }

    /// Another number whenever anything happened: what was written before may be old.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Another number whenever the MPD is another.
    pub fn mpd_version(&self) -> u64 {
        self.changed.1
    }

    /// The newest of what the playlist of a rendition lists; `None`: there is nothing to list.
    pub fn edge(&self, id: RenditionId) -> Option<Edge> {
        let window = &self.renditions.get(id.0)?.window;
        let count = |segment: &Segment| u32::try_from(segment.parts.len()).unwrap_or(u32::MAX);
        let whole = window.segments.back();
        let open = window.open.as_ref();
        let before = open.map(|open| open.number.saturating_sub(1));
        let part = self.promise.part_micros().max(1);
        (!window.is_empty()).then(|| Edge {
            whole: whole.map(|whole| whole.number).or(before).unwrap_or(0),
            whole_parts: whole.map_or(0, count),
            parts: open.map_or(0, count),
            // Three seconds of parts; of long parts three (6.2.5.2).
            part_limit: if part < 1_000_000 { u32::try_from(3_000_000u64.div_ceil(part)).unwrap_or(u32::MAX) } else { 3 },
            ended: self.is_ended(),
        })
    }

    /// What to do with a request for the playlist of a rendition. Where there is no whole segment yet it is to wait too: players take a
    /// playlist without one for broken.
    pub fn reload(&self, id: RenditionId, directives: &Directives) -> Decision {
        let Some(edge) = self.edge(id) else { return if self.is_ended() { Decision::Refuse } else { Decision::Wait } };
        let begun = self.window(id).is_some_and(|window| !window.segments.is_empty());
        match edge.decide(directives) {
            Decision::Ready if !begun && !edge.ended => Decision::Wait,
            decision => decision,
        }
    }

    /// What to do with a request for a segment or, by its number, a part of it.
    pub fn piece(&self, id: RenditionId, segment: u32, part: Option<u32>) -> Piece {
        let Some(rendition) = self.renditions.get(id.0) else { return Piece::Missing };
        let (window, next) = (&rendition.window, self.next_part(rendition));
        let first = window.segments.front().or(window.open.as_ref()).map_or(next.0, |first| first.number);
        if segment < first {
            return if segment >= self.config.first_number { Piece::Gone } else { Piece::Missing };
        }
        let found = window.segment(segment).or(window.open.as_ref().filter(|open| open.number == segment));
        let parts = found.map_or(0, |found| found.parts.len());
        let there = match (found, part) {
            (Some(found), None) if found.gap => return Piece::Gap,
            (Some(found), Some(_)) if found.gap => return Piece::Missing,
            (Some(_), None) => parts > 0 || window.segment(segment).is_some(),
            (Some(_), Some(part)) => usize::try_from(part).is_ok_and(|part| part < parts),
            (None, _) => false,
        };
        let soon = match part {
            None => segment <= next.0.saturating_add(1),
            Some(part) => (segment, part) == next || (segment == next.0.saturating_add(1) && part == 0),
        };
        match (there, soon && !self.is_ended() && window.segment(segment).is_none()) {
            (true, _) => Piece::Ready,
            (false, true) => Piece::Soon,
            (false, false) => Piece::Missing,
        }
    }

    /// The part that comes next, by its segment and number: where a key frame is due, the first of the segment that it begins.
    fn next_part(&self, rendition: &Rendition) -> (u32, u32) {
        let Some(open) = &rendition.window.open else { return (rendition.next, 0) };
        let target = rescale(i64::from(self.config.segment_target), Timescale::MILLIS, rendition.window.timescale);
        let leads = self.cuts.last().filter(|last| last.number == open.number).map(|last| last.start.scale);
        let due = leads.and_then(|scale| self.cuts.expected(rescale(target, rendition.window.timescale, scale), scale));
        let shown = Time { ticks: rendition.shown().saturating_add(rendition.step() / 2), scale: rendition.window.timescale };
        let over = self.cuts.end_of(open.number).map(|(end, _)| end).or(due).is_some_and(|end| shown.micros() >= end.micros());
        if over && !rendition.has_part() && !open.parts.is_empty() {
            return (open.number.saturating_add(1), 0);
        }
        (open.number, u32::try_from(open.parts.len()).unwrap_or(u32::MAX))
    }

    /// The playlist of a rendition; `skip`: a player that asks for it has most of it. `None`: there is nothing to list yet.
    pub fn media_playlist(&self, id: RenditionId, skip: bool) -> Option<String> {
        let rendition = self.renditions.get(id.0)?;
        let window = &rendition.window;
        if window.is_empty() {
            return None;
        }
        let others = self.renditions.iter().filter(|other| other.id != id && !other.window.is_empty());
        let reports: Vec<Report> = others.filter_map(report).collect();
        let listed = window.open.as_ref().filter(|open| !open.parts.is_empty()).or(window.segments.back())?;
        let next_header = (listed.header != rendition.header.0).then_some(rendition.header.0);
        let (promise, lines, next_part) = (&self.promise, &rendition.lines, self.next_part(rendition));
        let ended = self.is_ended();
        let first = window.segments.front().or(window.open.as_ref())?;
        let protection = rendition.cipher.as_ref().map(|cipher| cipher.protection_of(first.number..=listed.number.max(next_part.0)));
        let protection = protection.as_ref();
        let date_ranges = &self.cues.lines();
        Some(
            LivePlaylist {
                promise,
                window,
                form: rendition.form(),
                lines,
                reports: &reports,
                next_header,
                next_part,
                ended,
                date_ranges,
                protection,
            }
            .write(skip),
        )
    }

    /// The HLS multivariant playlist; `None` while not [ready](Self::is_ready).
    pub fn multivariant_playlist(&self) -> Option<String> {
        self.is_ready().then(|| hls::multivariant_playlist(&self.presentation(None), |_| None))
    }

    /// The MPD; `None` while not [ready](Self::is_ready), until it is known how long segments are, and where AES-128 encrypts them, which
    /// DASH does not know.
    pub fn mpd(&self) -> Option<String> {
        if self.config.encryption.as_ref().is_some_and(LiveEncryption::is_whole) {
            return None;
        }
        let Epoch { zero: epoch, delay } = self.epoch.filter(|_| self.is_ready())?;
        let windows: Vec<&Window> = self.sorted().into_iter().map(|rendition| &rendition.window).collect();
        let periods = self.cuts.periods().filter(|period| period.number <= self.told.0).map(|period| LivePeriod {
            number: period.number,
            first: period.first,
            start: (u64::try_from(period.start.ticks).unwrap_or(0), period.start.scale),
            clock: period.clock,
            duration: period.duration.filter(|_| !period.listed).and_then(|duration| u64::try_from(duration).ok()),
            presentation: self.presentation(Some(period.number)),
        });
        let periods: Vec<LivePeriod> = periods.collect();
        if windows.iter().all(|window| window.segments.is_empty()) {
            return None;
        }
        let mpd = LiveMpd {
            windows: &windows,
            promise: &self.promise,
            periods: &periods,
            epoch,
            delay,
            published: self.changed.0,
            lengths: (self.config.window, self.config.segment_target, self.latency()),
            utc_timing: self.config.utc_timing.as_deref(),
            ended: self.is_ended(),
        };
        Some(mpd.write())
    }

    /// The newest period that MPDs tell, and how many renditions have something of it. Players take a period for what they first read of it,
    /// so it waits for all renditions that are sent; one of which nothing comes is given up, which begins it too.
    pub(super) fn newest(&self) -> (u32, usize) {
        let sent =
            || self.renditions.iter().filter(|rendition| !rendition.free && !rendition.place.is_derived() && !rendition.window.is_empty());
        let begun = |period: &&Period| sent().all(|rendition| rendition.has_begun(period));
        let newest = self.cuts.periods().filter(begun).last();
        let there = |newest: &Period| self.renditions.iter().filter(|rendition| rendition.has_begun(newest)).count();
        newest.map_or((0, 0), |newest| (newest.number, there(newest)))
    }

    /// The latency that players are to aim at, in milliseconds.
    fn latency(&self) -> u32 {
        let (part, scale) = self.pace;
        let parts = || rescale_length(part.saturating_mul(5), scale, Timescale::MILLIS);
        self.config.latency.unwrap_or_else(|| u32::try_from(parts()).unwrap_or(u32::MAX))
    }

    /// When the stream began; `None` before.
    pub fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }

    /// The renditions in the order in which manifests list them.
    fn sorted(&self) -> Vec<&Rendition> {
        let mut sorted: Vec<&Rendition> = self.renditions.iter().filter(|rendition| !rendition.window.is_empty()).collect();
        sorted.sort_by_key(|rendition| rendition.track.kind());
        sorted
    }

    /// The renditions as manifests list them: as they are now, or as they were in a period.
    fn presentation(&self, period: Option<u32>) -> Presentation {
        Presentation {
            renditions: self.sorted().into_iter().map(|rendition| describe(rendition, period)).collect(),
            start: (0, Timescale::MILLIS),
            date: None,
            layout: presentation::Layout::default(),
            addressing: presentation::Addressing::default(),
        }
    }
}

/// A rendition as manifests list it, without its segments.
fn describe(rendition: &Rendition, period: Option<u32>) -> presentation::Rendition {
    let (track, scale) = (rendition.track_in(period), rendition.window.timescale);
    let timeline = Timeline { timescale: scale, segments: Vec::new() };
    let source = presentation::Source { input: 0, track: rendition.id.0 };
    let mut described = presentation::Rendition::new(rendition.name.clone(), source, track, timeline, (0, Timescale::MILLIS));
    described.protection = rendition.cipher.as_ref().map(PartCipher::protection);
    described.header_length = rendition.header.1.len() as u64;
    let step = u32::try_from(rendition.step()).ok().filter(|_| track.kind() == Kind::Video);
    described.frame_rate = step.and_then(|step| FrameRate::new(scale, step));
    described.bandwidth = rendition.bandwidth();
    described.webvtt = rendition.is_text();
    described.switching_set.clone_from(&rendition.switching_set);
    described.event_streams.clone_from(&rendition.messages.kinds);
    if let Media::Video(video) = &mut described.codec.media {
        video.captions = rendition.captions.found();
    }
    described
}

/// The end of a rendition for the playlists of others.
fn report(rendition: &Rendition) -> Option<Report> {
    let window = &rendition.window;
    let last = window.open.as_ref().filter(|open| !open.parts.is_empty()).or(window.segments.back())?;
    let part = last.parts.len().checked_sub(1).and_then(|last| u32::try_from(last).ok());
    Some(Report { name: rendition.name.clone(), segment: last.number, part })
}

impl Rendition {
    /// How its source described it in a period.
    fn track_in(&self, period: Option<u32>) -> &Track {
        let open = self.window.open.iter().filter(|open| !open.parts.is_empty());
        let mut segments = self.window.segments.iter().chain(open);
        let header = segments.find(|segment| Some(segment.period) == period && !segment.gap).map(|segment| segment.header);
        let past = header.and_then(|header| self.past.iter().find(|(number, _)| *number == header));
        past.map_or(&self.track, |(_, track)| track)
    }

    /// Whether there is anything of it in a period, as far as MPDs tell that: those whose segments are listed tell whole ones.
    fn has_begun(&self, period: &Period) -> bool {
        let begun = |segment: &Segment| segment.period >= period.number;
        let open = self.window.open.as_ref().filter(|open| !period.listed && period.duration.is_some() && !open.parts.is_empty());
        self.window.segments.back().is_some_and(begun) || open.is_some_and(begun)
    }

    /// Bit rates so far, rounded up so that they seldom change.
    fn bandwidth(&self) -> Bandwidth {
        let scale = self.window.timescale;
        let open = self.window.open.as_ref().map_or(0, |open| super::rendition::bits(open.bytes, open.duration, scale));
        let average = if self.rate.ticks > 0 { self.rate.average(scale) } else { open };
        let peak = if self.rate.peak > 0 { self.rate.peak } else { open }.max(average);
        let rounded = |rate: u64| {
            let step = 1 << rate.max(8).ilog2().saturating_sub(3);
            rate.div_ceil(step).saturating_mul(step)
        };
        Bandwidth { peak: rounded(peak), average: rounded(average) }
    }
}
