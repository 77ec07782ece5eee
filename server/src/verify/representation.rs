//! A Representation and its segments (ISO/IEC 23009-1 5.3.9): by `SegmentTemplate` and `SegmentTimeline`, or as one file.

use roxmltree::Node;

use super::{Check, Part, Place, mpd::elements};

/// Segments more than this, in all MPDs together, are not looked at: a line of text can name as many as it likes.
const MOST_SEGMENTS: usize = 1 << 20;
const TEMPLATE: &str = "ISO/IEC 23009-1 5.3.9.4.2";
const TIMELINE: &str = "ISO/IEC 23009-1 5.3.9.6.2";
const BASE: &str = "ISO/IEC 23009-1 5.3.9.2.2";

/// What `MPD`, `Period`, `AdaptationSet` or `Representation` say of segments, found once: whoever is inside inherits it.
#[derive(Clone, Copy, Default)]
pub struct Level<'a> {
    template: Option<Node<'a, 'a>>,
    timeline: Option<Node<'a, 'a>>,
    base: Option<Node<'a, 'a>>,
    base_url: Option<&'a str>,
    /// The `ContentProtection` that names the scheme of Common Encryption.
    pub protection: Option<Node<'a, 'a>>,
}

impl<'a> Level<'a> {
    pub fn of(node: Node<'a, 'a>) -> Self {
        let mut level = Self::default();
        for child in node.children().filter(Node::is_element) {
            match child.tag_name().name() {
                "SegmentTemplate" => {
                    level.template.get_or_insert(child);
                }
                "SegmentBase" => {
                    level.base.get_or_insert(child);
                }
                "BaseURL" => level.base_url = level.base_url.or(child.text()),
                "ContentProtection" if child.attribute("schemeIdUri") == Some("urn:mpeg:dash:mp4protection:2011") => {
                    level.protection.get_or_insert(child);
                }
                _ => {}
            }
        }
        level.timeline = level.template.and_then(|template| elements(template, "SegmentTimeline").next());
        level
    }
}

/// What surrounds a Representation.
pub struct Context<'a> {
    /// The file of the MPD.
    pub name: &'a str,
    /// `MPD`, `Period`, `AdaptationSet`, `Representation`.
    pub levels: &'a [Level<'a>],
    pub id: &'a str,
    pub bandwidth: u64,
    pub codecs: &'a str,
    /// How long its Period lasts, in microseconds.
    pub length: Option<u64>,
    /// Whether the MPD is dynamic: segments may come and go.
    pub live: bool,
    /// `maxSegmentDuration`, in microseconds.
    pub longest: Option<u64>,
}

/// A segment as the MPD places it, in ticks of its scale.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub time: u64,
    pub duration: u64,
    pub scale: u32,
}

impl Span {
    /// Whether two begin at the same time, to a tick of the coarser scale.
    pub fn begins_with(&self, other: &Self) -> bool {
        let (a, b) = (u128::from(self.time) * u128::from(other.scale), u128::from(other.time) * u128::from(self.scale));
        a.abs_diff(b) <= u128::from(self.scale.max(other.scale))
    }

    fn micros(&self, ticks: u64) -> u64 {
        u64::try_from(u128::from(ticks) * 1_000_000 / u128::from(self.scale)).unwrap_or(u64::MAX)
    }
}

impl Context<'_> {
    /// An attribute of `SegmentTemplate`, from the innermost level that has it.
    fn template(&self, attribute: &str) -> Option<&str> {
        self.levels.iter().rev().find_map(|level| level.template?.attribute(attribute))
    }

    /// An attribute of `SegmentBase`, from the innermost level that has it.
    fn base(&self, attribute: &str) -> Option<&str> {
        self.levels.iter().rev().find_map(|level| level.base?.attribute(attribute))
    }

    fn number(&self, attribute: &str) -> Option<u64> {
        self.template(attribute)?.parse().ok()
    }

    /// `BaseURL` of each level before `uri` (5.6).
    fn with_base(&self, uri: &str) -> String {
        let mut base = String::new();
        for level in self.levels {
            let Some(text) = level.base_url else { continue };
            let text = text.trim();
            if text.contains(':') || text.starts_with('/') {
                base.clear();
            }
            base.truncate(base.rfind('/').map_or(0, |slash| slash + 1));
            base.push_str(text);
        }
        if uri.is_empty() {
            return base;
        }
        base.truncate(base.rfind('/').map_or(0, |slash| slash + 1));
        base + uri
    }

    /// A template with its identifiers replaced (5.3.9.4.4); `None`: one that does not exist.
    fn expand(&self, template: &str, number: u64, time: u64) -> Option<String> {
        let mut text = String::new();
        let mut parts = template.split('$');
        text.push_str(parts.next()?);
        while let Some(identifier) = parts.next() {
            let (kind, width) = match identifier.split_once("%0") {
                Some((kind, width)) => (kind, width.strip_suffix('d')?.parse::<usize>().ok().filter(|width| *width <= 32)?),
                None => (identifier, 1),
            };
            let value = match kind {
                "" => String::from("$"),
                "RepresentationID" => self.id.to_owned(),
                "Number" => format!("{number:0width$}"),
                "Time" => format!("{time:0width$}"),
                "Bandwidth" => format!("{:0width$}", self.bandwidth),
                _ => return None,
            };
            text.push_str(&value);
            text.push_str(parts.next()?);
        }
        Some(text)
    }
}

impl Check<'_> {
    /// Checks the segments of a Representation; returns where the MPD places them.
    pub fn representation(&mut self, context: &Context<'_>) -> Option<Vec<Span>> {
        if context.levels.iter().any(|level| level.template.is_some()) {
            return self.template(context);
        }
        if context.levels.iter().any(|level| level.base.is_some()) {
            return self.single_file(context);
        }
        let what = format!("Representation '{}' has neither SegmentTemplate nor SegmentBase", context.id);
        self.error(context.name, what, "ISO/IEC 23009-1 5.3.9.1");
        None
    }

    /// One file that holds header, index and segments.
    fn single_file(&mut self, context: &Context<'_>) -> Option<Vec<Span>> {
        let Context { name, id, .. } = *context;
        let path = self.locate(name, &context.with_base(""), BASE)?;
        let bases = context.levels.iter().rev().filter_map(|level| level.base);
        let initialization = bases.filter_map(|base| elements(base, "Initialization").next()).find_map(|part| part.attribute("range"));
        let mut part = |what: &str, range: Option<&str>| {
            let Some(range) = range else {
                self.error(name, format!("Representation '{id}' has no {what}"), BASE);
                return None;
            };
            let ends = range.split_once('-').and_then(|(first, last)| Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?)));
            let Some((first, last)) = ends.filter(|(first, last)| first <= last) else {
                self.error(name, format!("{what} '{range}' is no range"), BASE);
                return None;
            };
            let range = Some(first..last.saturating_add(1));
            self.range_inside(name, &path, first, (last - first).saturating_add(1), BASE).then(|| Part { path: path.clone(), range })
        };
        let header = part("Initialization@range", initialization);
        let index = part("indexRange", context.base("indexRange"));
        let (header, index) = (header?, index?);
        self.codec_stated(context, &header);
        let (places, spans) = self.index(&index)?;
        let offset = context.base("presentationTimeOffset").and_then(|text| text.parse().ok()).unwrap_or(0);
        self.lengths(context, &spans, offset, true);
        self.placed(context, &header, &places, &spans, true);
        Some(spans)
    }

    /// `codecs` against the header.
    fn codec_stated(&mut self, context: &Context<'_>, header: &Part) {
        let Context { name, id, codecs, .. } = *context;
        if let Some(codec) = self.codec_of(header).filter(|codec| codec != codecs && !codecs.is_empty()) {
            let what = format!("Representation '{id}': codecs is {codecs}, its header says {codec}");
            self.error(name, what, "ISO/IEC 23009-1 5.3.7.2");
        }
    }

    fn template(&mut self, context: &Context<'_>) -> Option<Vec<Span>> {
        let Context { name, id, .. } = *context;
        let scale = context.number("timescale").unwrap_or(1);
        let Some(scale) = u32::try_from(scale).ok().filter(|scale| *scale > 0) else {
            self.error(name, format!("Representation '{id}': timescale {scale}"), BASE);
            return None;
        };
        let header = match context.template("initialization").map(|template| context.expand(template, 0, 0)) {
            Some(Some(uri)) => self.locate(name, &context.with_base(&uri), TEMPLATE),
            _ => {
                self.error(name, format!("Representation '{id}' has no initialization that can be read"), TEMPLATE);
                None
            }
        };
        let header = header.map(Part::whole);
        if let Some(header) = &header {
            self.codec_stated(context, header);
            self.content_protection(context, header);
        }
        let Some(media) = context.template("media") else {
            self.error(name, format!("Representation '{id}' has no media template"), TEMPLATE);
            return None;
        };
        let offset = context.number("presentationTimeOffset").unwrap_or(0);
        let timeline = context.levels.iter().rev().find_map(|level| level.timeline);
        let spans = match timeline {
            Some(timeline) => self.timeline(context, timeline, scale, offset),
            None => self.constant(context, scale),
        };
        self.lengths(context, &spans, offset, timeline.is_some());
        let first = context.number("startNumber").unwrap_or(1);
        let uris = (first..).zip(&spans).map(|(number, span)| Some(context.with_base(&context.expand(media, number, span.time)?)));
        let Some(uris) = uris.collect::<Option<Vec<String>>>() else {
            self.error(name, format!("Representation '{id}': media '{media}' has an identifier that does not exist"), TEMPLATE);
            return None;
        };
        let paths: Vec<String> = uris.iter().filter_map(|uri| self.publication.resolve(name, uri).ok()).collect();
        self.publication.expect(&paths);
        let places: Vec<Option<Part>> = uris.iter().map(|uri| self.locate(name, uri, TEMPLATE).map(Part::whole)).collect();
        let behind = first.saturating_add(spans.len() as u64);
        if media.contains("$Number")
            && !context.live
            && let Some(path) =
                context.expand(media, behind, 0).and_then(|uri| self.publication.resolve(name, &context.with_base(&uri)).ok())
            && self.publication.size(&path).is_ok()
        {
            self.warning(name, format!("'{path}' is there, but the timeline of '{id}' ends before it"), TIMELINE);
        }
        if let Some(header) = header {
            self.placed(context, &header, &places, &spans, timeline.is_some());
        }
        Some(spans)
    }

    /// `SegmentTimeline`, spelled out.
    fn timeline(&mut self, context: &Context<'_>, timeline: Node<'_, '_>, scale: u32, offset: u64) -> Vec<Span> {
        let Context { name, id, .. } = *context;
        let mut spans: Vec<Span> = Vec::new();
        let mut next = 0u64;
        let entries: Vec<Node<'_, '_>> = elements(timeline, "S").collect();
        for (index, entry) in entries.iter().enumerate() {
            let number = |node: &Node<'_, '_>, attribute| node.attribute(attribute).and_then(|text: &str| text.parse::<u64>().ok());
            let Some(duration) = number(entry, "d") else {
                self.error(name, format!("Representation '{id}': an S has no d"), TIMELINE);
                continue;
            };
            if duration == 0 {
                self.error(name, format!("Representation '{id}': an S lasts no time"), TIMELINE);
            }
            if let Some(time) = number(entry, "t") {
                if time < next && !spans.is_empty() {
                    self.error(name, format!("Representation '{id}': S@t {time} is before the end of the S before it, {next}"), TIMELINE);
                }
                next = time;
            }
            let repeats = match entry.attribute("r") {
                Some(text) if text.starts_with('-') => {
                    // To the next S that says its time, else to the end of the Period.
                    let length = context.length.map(|micros| u128::from(micros) * u128::from(scale) / 1_000_000);
                    let end = entries.get(index + 1).and_then(|next| number(next, "t"));
                    let end = end.or_else(|| u64::try_from(length?).ok()?.checked_add(offset)).unwrap_or(next);
                    end.saturating_sub(next).div_ceil(duration.max(1)).saturating_sub(1)
                }
                Some(text) => text.parse().unwrap_or(0),
                None => 0,
            };
            for _ in 0..=repeats {
                if self.spans >= MOST_SEGMENTS {
                    self.error(name, format!("more than {MOST_SEGMENTS} segments"), TIMELINE);
                    return spans;
                }
                self.spans += 1;
                spans.push(Span { time: next, duration, scale });
                next = next.saturating_add(duration);
            }
        }
        if spans.is_empty() {
            self.error(name, format!("Representation '{id}': the SegmentTimeline is empty"), TIMELINE);
        }
        spans
    }

    /// Segments of one nominal duration.
    fn constant(&mut self, context: &Context<'_>, scale: u32) -> Vec<Span> {
        let duration = context.number("duration").filter(|duration| *duration > 0);
        if context.live && duration.is_some() {
            return Vec::new(); // which of them are there is told by the clock
        }
        let (Some(duration), Some(length)) = (duration, context.length) else {
            let what = format!("Representation '{}' has no SegmentTimeline, and no duration from which to count segments", context.id);
            self.error(context.name, what, BASE);
            return Vec::new();
        };
        let ticks = u128::from(length) * u128::from(scale) / 1_000_000;
        let count = usize::try_from(ticks.div_ceil(u128::from(duration))).unwrap_or(usize::MAX).min(MOST_SEGMENTS - self.spans);
        self.spans += count;
        (0..count as u64).map(|index| Span { time: index.saturating_mul(duration), duration, scale }).collect()
    }

    /// The lengths that the MPD states, against each other.
    fn lengths(&mut self, context: &Context<'_>, spans: &[Span], offset: u64, exact: bool) {
        let Context { name, id, .. } = *context;
        let longest = spans.iter().max_by_key(|span| span.duration);
        if let (Some(limit), Some(span)) = (context.longest, longest)
            && span.micros(span.duration) > limit
        {
            let what = format!("a segment of '{id}' lasts {} µs, maxSegmentDuration is {limit} µs", span.micros(span.duration));
            self.error(name, what, "ISO/IEC 23009-1 5.3.1.2");
        }
        if let (Some(length), Some(last), Some(longest)) = (context.length, spans.last(), longest) {
            let offset = if exact { offset } else { 0 }; // what is counted is counted from the start of the Period
            let end = last.micros(last.time.saturating_add(last.duration).saturating_sub(offset));
            self.reached = self.reached.max(end);
            if exact && end > length.saturating_add(longest.micros(longest.duration).max(1_000_000)) {
                let what = format!("the timeline of '{id}' ends at {end} µs, the Period at {length} µs");
                self.error(name, what, "ISO/IEC 23009-1 5.3.1.2");
            }
        }
    }

    /// The segments themselves against the timeline and against each other.
    fn placed(&mut self, context: &Context<'_>, header: &Part, places: &[Option<Part>], spans: &[Span], exact: bool) {
        let Context { name, id, .. } = *context;
        let Some(known) = self.header(header) else { return };
        let (media_scale, mut bytes, mut micros) = (u128::from(known.timescale.get()), 0u128, 0u128);
        let mut before = None;
        let mut starts_late = None;
        for (index, (part, span)) in places.iter().zip(spans).enumerate() {
            let found = part.clone().and_then(|part| self.segment(Place { header: header.clone(), part }));
            let (Some(part), Some(segment)) = (part, found) else {
                before = None;
                continue;
            };
            bytes += u128::from(segment.bytes);
            micros += u128::from(span.micros(span.duration));
            if let Some(last) = before.replace(segment.clone()) {
                self.continues(&last, &segment, &part.path);
            }
            // What is presented before zero is decoded and not shown: the first segment then begins at zero.
            let scale = u128::from(span.scale);
            let ticks = |time: i64| u128::from(u64::try_from(time).unwrap_or(0)) * scale / media_scale;
            let tolerance = scale.div_ceil(media_scale).max(1);
            let start = ticks(segment.earliest);
            if !exact {
                // Segments that are counted begin where they are counted to be, to half a segment.
                let told = u128::from(span.time) + u128::from(context.number("presentationTimeOffset").unwrap_or(0));
                if start.abs_diff(told) > u128::from(span.duration / 2) + tolerance {
                    let what = format!("segment {} of '{id}' is counted to begin at {told}, it begins at {start}", index + 1);
                    self.error(name, what, "ISO/IEC 23009-1 5.3.9.5.3");
                }
                continue;
            }
            if start.abs_diff(u128::from(span.time)) > tolerance {
                starts_late.get_or_insert(index);
                let what = format!("segment {} of '{id}' is placed at {}, its earliest presentation time is {start}", index + 1, span.time);
                self.error(name, what, TIMELINE);
            }
            if index + 1 == spans.len() && starts_late.is_none() {
                let end = ticks(segment.end);
                let stated = u128::from(span.time) + u128::from(span.duration);
                if end.abs_diff(stated) > tolerance.max(scale / 10) {
                    let what = format!("the last segment of '{id}' ends at {stated} in the timeline, its samples at {end}");
                    self.error(name, what, TIMELINE);
                }
            }
        }
        let rate = bytes * 8_000_000 / micros.max(1);
        if micros > 0 && !context.live && u128::from(context.bandwidth) < rate - rate / 10 {
            let what = format!("Representation '{id}': bandwidth is {}, its segments take {rate} on average", context.bandwidth);
            self.error(name, what, "ISO/IEC 23009-1 5.3.5.2");
        }
    }
}
