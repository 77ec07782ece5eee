//! The MPD of a live stream (ISO/IEC 23009-1 5.3.1; DASH-IF IOP, low latency), and of one that is over, at the same URLs.

use alloc::{format, string::String, vec::Vec};
use core::fmt::Write;

use super::{Duration, Tell, UtcTiming, representation::write_timeline, sets, start};
use crate::{
    presentation::{Presentation, Rendition},
    time::{Moment, Seconds, Timescale, rescale_length},
    window::{Promise, Segment, Window},
};

/// A live stream to be told of.
#[derive(Debug)]
pub struct LiveMpd<'a> {
    /// What is listed of each of its renditions, in the order of a presentation.
    pub windows: &'a [&'a Window],
    /// What it promises.
    pub promise: &'a Promise,
    /// The periods of which anything is listed.
    pub periods: &'a [LivePeriod],
    /// When its time line begins by the clock.
    pub epoch: Moment,
    /// By how many microseconds segments are there later than their times by the clock.
    pub delay: i64,
    /// When what is told here last changed.
    pub published: Moment,
    /// Milliseconds: how much is listed, how long a segment is to be, and how far behind players are to be.
    pub lengths: (u32, u32, u32),
    /// Where players ask for the time.
    pub utc_timing: Option<&'a str>,
    /// Whether nothing follows.
    pub ended: bool,
}

/// A period (5.3.2): segments between two discontinuities.
#[derive(Clone, Debug)]
pub struct LivePeriod {
    /// Its number, from 1.
    pub number: u32,
    /// The first of its segments.
    pub first: u32,
    /// When that begins, in ticks of the scale beside it.
    pub start: (u64, Timescale),
    /// The same by the clock.
    pub clock: Moment,
    /// Ticks of each of its segments, if all are told by their number alone.
    pub duration: Option<u64>,
    /// Its renditions, as they are described in it; without segments.
    pub presentation: Presentation,
}

/// What is told of a period.
struct Telling<'a> {
    mpd: &'a LiveMpd<'a>,
    period: &'a LivePeriod,
    /// Whether its segments are there before they are whole, and told by their number alone.
    by_number: Option<u64>,
}

impl LiveMpd<'_> {
    /// The MPD.
    pub fn write(&self) -> String {
        let (window, target, latency) = self.lengths;
        let mut text = self.periods.last().map_or_else(String::new, |last| start(&last.presentation));
        let buffer = self.promise.part_micros().div_ceil(1000).saturating_mul(3);
        // A stream that is over begins with what is listed of it.
        let periods: Vec<(LivePeriod, i64)> = self.periods.iter().filter_map(|period| self.listed(period)).collect();
        let first = periods.first().map_or(self.epoch, |(period, _)| period.clock);
        let longest = self.longest(periods.iter().map(|(period, _)| period));
        let millis = |from: Moment, to: Moment| u64::try_from(to.since(from)).unwrap_or(0).div_ceil(1000);
        let begin = if self.ended { first } else { self.epoch };
        let kind = if self.ended { "static" } else { "dynamic" };
        let _ = write!(
            text,
            " type=\"{kind}\" profiles=\"urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019\" maxSegmentDuration=\"{}\" \
             minBufferTime=\"{}\"",
            Duration(longest),
            Duration(buffer)
        );
        if self.ended {
            let end = periods.iter().map(|(period, length)| period.clock.after(*length)).max().unwrap_or(first);
            let _ = writeln!(text, " mediaPresentationDuration=\"{}\">", Duration(millis(begin, end)));
        } else {
            let _ = writeln!(
                text,
                " availabilityStartTime=\"{}\" publishTime=\"{}\" minimumUpdatePeriod=\"{}\" timeShiftBufferDepth=\"{}\" \
                 suggestedPresentationDelay=\"{}\">",
                self.epoch.after(self.delay).date(),
                self.published.date(),
                // Also where numbers tell all: the source may be lost.
                Duration(target.into()),
                Duration(window.into()),
                Duration(latency.into()),
            );
            let latency = u64::from(latency);
            let _ = writeln!(
                text,
                "  <ServiceDescription id=\"0\">\n    <Latency target=\"{latency}\" min=\"{}\" max=\"{}\" referenceId=\"0\"/>\n    \
                 <PlaybackRate min=\"0.96\" max=\"1.04\"/>\n  </ServiceDescription>",
                latency * 3 / 4,
                latency * 2
            );
        }
        for (period, length) in &periods {
            // While the stream lasts, a period ends where the next begins (5.3.2.1): dash.js takes what lies apart for the end of all.
            let _ = write!(text, "  <Period id=\"{}\" start=\"{}\"", period.number, Duration(millis(begin, period.clock)));
            if self.ended {
                let _ = write!(text, " duration=\"{}\"", Duration(u64::try_from(*length).unwrap_or(0).div_ceil(1000)));
            }
            text.push_str(">\n");
            let by_number = period.duration.filter(|_| !self.ended);
            let telling = Telling { mpd: self, period, by_number };
            let sets = sets::adaptation_sets(&period.presentation);
            for set in &sets {
                let renditions = set.renditions.iter().copied().filter(|rendition| telling.has(rendition)).collect();
                let there = sets::Set { id: set.id, renditions };
                sets::write(&mut text, &period.presentation, &sets, &there, &telling);
            }
            text.push_str("  </Period>\n");
        }
        if let Some(url) = self.utc_timing.filter(|_| !self.ended) {
            let _ = writeln!(text, "  {}", UtcTiming(url));
        }
        text.push_str("</MPD>\n");
        text
    }

    /// The longest segment, in milliseconds: as long as all are told by their number, no other is expected than those that have come, and
    /// Shaka Player, which lies back by that much more, lies back no further than it must. Else what is promised: what rounds to it is no
    /// longer than half a second more.
    fn longest<'a>(&'a self, mut periods: impl Iterator<Item = &'a LivePeriod>) -> u64 {
        let millis = |ticks: u64, scale: Timescale| rescale_length(ticks, scale, Timescale::MICROS).div_ceil(1000);
        let promised = u64::from(self.promise.target_duration).saturating_mul(1000).saturating_add(500);
        let told = periods.try_fold(0, |longest, period| Some(millis(period.duration?, period.start.1).max(longest)));
        let media = |window: &'a Window| window.segments.iter().filter(|segment| !segment.gap);
        let all = self.windows.iter().flat_map(|window| media(window).map(|segment| millis(segment.duration, window.timescale)));
        told.filter(|told| *told > 0).map_or(promised, |told| all.fold(told, u64::max).min(promised))
    }

    /// A period as far as it is listed, with how many microseconds that lasts; `None`: nothing is.
    fn listed(&self, period: &LivePeriod) -> Option<(LivePeriod, i64)> {
        let in_micros =
            |ticks: u64, window: &Window| i64::try_from(rescale_length(ticks, window.timescale, Timescale::MICROS)).unwrap_or(0);
        let all = || self.windows.iter().flat_map(|window| segments(window, period.number).map(move |segment| (*window, segment)));
        let grows = || self.windows.iter().any(|window| growing(window, period.number).is_some());
        let growing = !self.ended && period.duration.is_some() && grows();
        if all().next().is_none() && !growing {
            return None;
        }
        if !self.ended {
            return Some((period.clone(), 0));
        }
        let (window, first) = all().min_by_key(|(window, segment)| in_micros(segment.start, window))?;
        let start = in_micros(first.start, window);
        let end = all().map(|(window, segment)| in_micros(segment.end(), window)).max()?;
        let listed = LivePeriod { first: first.number, start: (first.start, window.timescale), clock: first.clock, ..period.clone() };
        Some((listed, end.saturating_sub(start)))
    }
}

/// The segments of a period that are there, whole.
fn segments(window: &Window, period: u32) -> impl Iterator<Item = &Segment> {
    window
        .segments
        .iter()
        .skip_while(move |segment| segment.period < period || segment.gap)
        .take_while(move |segment| segment.period == period)
}

/// The segment of a period that grows, if there is anything of it: which header it needs is not known before.
fn growing(window: &Window, period: u32) -> Option<&Segment> {
    window.open.as_ref().filter(|open| open.period == period && !open.parts.is_empty())
}

impl Telling<'_> {
    fn window(&self, rendition: &Rendition) -> Option<&Window> {
        let index = self.period.presentation.renditions.iter().position(|found| found.name == rendition.name)?;
        self.mpd.windows.get(index).copied()
    }

    /// Whether anything of it is in the period.
    fn has(&self, rendition: &Rendition) -> bool {
        let Some(window) = self.window(rendition) else { return false };
        segments(window, self.period.number).next().is_some() || (self.by_number.is_some() && growing(window, self.period.number).is_some())
    }

    fn header(&self, window: &Window) -> u32 {
        segments(window, self.period.number).next().or(growing(window, self.period.number)).map_or(1, |segment| segment.header)
    }

    /// `SegmentTemplate` (5.3.9.4).
    fn template(&self, rendition: &Rendition) -> String {
        let Some(window) = self.window(rendition) else { return String::new() };
        let (start, scale) = self.period.start;
        let names =
            format!("initialization=\"$RepresentationID$/init-{}.mp4\" media=\"$RepresentationID$/$Number$.m4s\"", self.header(window));
        let Some(duration) = self.by_number else {
            let first = segments(window, self.period.number).next().map_or(self.period.first, |segment| segment.number);
            let offset = rescale_length(start, scale, window.timescale);
            let mut text = format!(
                "<SegmentTemplate timescale=\"{}\" presentationTimeOffset=\"{offset}\" {names} startNumber=\"{first}\">\n          \
                 <SegmentTimeline>\n",
                window.timescale.get()
            );
            write_timeline(&mut text, segments(window, self.period.number).map(|segment| (segment.start, segment.duration)));
            text.push_str("          </SegmentTimeline>\n        </SegmentTemplate>\n");
            return text;
        };
        // All count in the ticks of the pictures that lead, in which segments are exactly as long as each other. A segment is there from
        // its first chunk on.
        let whole = rescale_length(duration, scale, Timescale::MICROS);
        let early = Seconds { ticks: whole.saturating_sub(self.mpd.promise.part_micros()) / 1000, timescale: Timescale::MILLIS, places: 3 };
        format!(
            "<SegmentTemplate timescale=\"{}\" presentationTimeOffset=\"{start}\" duration=\"{duration}\" startNumber=\"{}\" \
             availabilityTimeOffset=\"{early}\" availabilityTimeComplete=\"false\" {names}/>\n",
            scale.get(),
            self.period.first
        )
    }

    /// The template that all of a set have, if it is one.
    fn common(&self, renditions: &[&Rendition]) -> Option<String> {
        let mut templates = renditions.iter().map(|rendition| self.template(rendition));
        let first = templates.next()?;
        templates.all(|other| other == first).then_some(first)
    }
}

impl Tell for Telling<'_> {
    /// `ProducerReferenceTime` (5.12): a time of the media and the same by the clock.
    fn tell_times(&self, text: &mut String, renditions: &[&Rendition]) {
        let Some(first) = renditions.first().filter(|_| !self.mpd.ended) else { return };
        let (start, scale) = self.period.start;
        let Some(window) = self.window(first) else { return };
        // It counts in ticks of the template.
        let ticks = if self.by_number.is_some() { start } else { rescale_length(start, scale, window.timescale) };
        let _ = write!(
            text,
            "      <ProducerReferenceTime id=\"0\" inband=\"true\" type=\"encoder\" wallClockTime=\"{}\" presentationTime=\"{ticks}\"",
            self.period.clock.date()
        );
        // Shaka Player takes a time whose format is not told for a count of NTP.
        let _ = match self.mpd.utc_timing {
            Some(url) => writeln!(text, ">{}</ProducerReferenceTime>", UtcTiming(url)),
            None => writeln!(text, "/>"),
        };
    }

    fn tell_set(&self, text: &mut String, renditions: &[&Rendition]) {
        if let Some(template) = self.common(renditions) {
            let _ = write!(text, "      {template}");
        }
    }

    fn tell_rendition(&self, text: &mut String, rendition: &Rendition) {
        let set = sets::adaptation_sets(&self.period.presentation);
        let set = set.iter().find(|set| set.renditions.iter().any(|found| found.name == rendition.name));
        let renditions: Vec<&Rendition> =
            set.map_or(Vec::new(), |set| set.renditions.iter().copied().filter(|found| self.has(found)).collect());
        if self.common(&renditions).is_none() {
            let _ = write!(text, "        {}", self.template(rendition));
        }
    }
}
