//! The MPD (ISO/IEC 23009-1 5.3): its elements, what each has to say, and the Representations of a set against each other.

use roxmltree::{Document, Node, ParsingOptions};

use super::{
    Check,
    attributes::micros,
    representation::{Context, Level, Span},
};

/// Nodes of an MPD more than this are refused.
const MOST_NODES: u32 = 1 << 21;
/// Representations more than this, in all MPDs together, are not looked at.
const MOST_REPRESENTATIONS: usize = 1 << 13;
const MPD: &str = "ISO/IEC 23009-1 5.3.1.2";
const PERIOD: &str = "ISO/IEC 23009-1 5.3.2.2";
const SET: &str = "ISO/IEC 23009-1 5.3.3.2";
const REPRESENTATION: &str = "ISO/IEC 23009-1 5.3.5.2";
const COMMON: &str = "ISO/IEC 23009-1 5.3.7.2";
/// Elements nested deeper than this are in no MPD.
const MOST_DEEP: usize = 64;

impl Check<'_> {
    /// Checks the MPD `text` of the file `name`, and the segments that it names.
    pub fn mpd(&mut self, name: &str, text: &str) {
        if depth(text) > MOST_DEEP {
            return self.error(name, format!("elements are nested more than {MOST_DEEP} deep"), "ISO/IEC 23009-1 5.2");
        }
        let options = ParsingOptions { nodes_limit: MOST_NODES, ..ParsingOptions::default() };
        let document = match Document::parse_with_options(text, options) {
            Ok(document) => document,
            Err(error) => return self.error(name, format!("it is no well-formed XML: {error}"), "ISO/IEC 23009-1 5.2"),
        };
        let root = document.root_element();
        if root.tag_name().name() != "MPD" || root.tag_name().namespace() != Some("urn:mpeg:dash:schema:mpd:2011") {
            return self.error(name, "the root element is no MPD of urn:mpeg:dash:schema:mpd:2011", "ISO/IEC 23009-1 5.2");
        }
        for required in ["profiles", "minBufferTime"] {
            if root.attribute(required).is_none() {
                self.error(name, format!("MPD has no {required}"), MPD);
            }
        }
        let total = self.duration(name, root, "mediaPresentationDuration");
        let longest = self.duration(name, root, "maxSegmentDuration");
        let live = root.attribute("type") == Some("dynamic");
        self.verdict.live |= live;
        for required in ["availabilityStartTime", "publishTime"] {
            if live && root.attribute(required).is_none() {
                self.error(name, format!("a dynamic MPD has no {required}"), MPD);
            }
        }
        let periods: Vec<Node<'_, '_>> = elements(root, "Period").collect();
        if periods.is_empty() {
            self.error(name, "MPD has no Period", MPD);
        }
        if !live && total.is_none() && periods.last().is_none_or(|period| period.attribute("duration").is_none()) {
            self.error(name, "a static MPD has neither mediaPresentationDuration nor the duration of its last Period", MPD);
        }
        for period in &periods {
            if elements(*period, "AdaptationSet").next().is_none() {
                self.error(name, "a Period has no AdaptationSet", PERIOD);
            }
            let own = period.attribute("duration").and_then(iso_duration);
            let length = own.or(total.filter(|_| periods.len() == 1));
            self.reached = 0;
            let above = [Level::of(root), Level::of(*period)];
            for set in elements(*period, "AdaptationSet") {
                self.adaptation_set(name, set, &above, Lengths { length, longest, live });
            }
            // Some media may be shorter than others; something has to last as long as is said.
            let segment = longest.unwrap_or(0).max(1_000_000);
            if let Some(length) = length.filter(|length| self.reached > 0 && *length > self.reached.saturating_add(segment)) {
                let what = format!("the Period lasts {length} µs, its segments end at {} µs", self.reached);
                self.error(name, what, MPD);
            }
        }
    }

    fn duration(&mut self, name: &str, node: Node<'_, '_>, attribute: &str) -> Option<u64> {
        let text = node.attribute(attribute)?;
        let duration = iso_duration(text);
        if duration.is_none() {
            self.error(name, format!("{attribute} '{text}' is no duration"), MPD);
        }
        duration
    }

    fn adaptation_set(&mut self, name: &str, set: Node<'_, '_>, above: &[Level<'_>], Lengths { length, longest, live }: Lengths) {
        let levels = [above, &[Level::of(set)]].concat();
        let mut aligned: Option<(String, Vec<Span>)> = None;
        if elements(set, "Representation").next().is_none() {
            self.error(name, "an AdaptationSet has no Representation", SET);
        }
        for representation in elements(set, "Representation") {
            self.representations += 1;
            if self.representations > MOST_REPRESENTATIONS {
                return self.error(name, format!("more than {MOST_REPRESENTATIONS} Representations"), SET);
            }
            let id = representation.attribute("id").unwrap_or_default();
            if id.is_empty() {
                self.error(name, "a Representation has no id", REPRESENTATION);
            }
            let bandwidth = representation.attribute("bandwidth").and_then(|text| text.parse::<u64>().ok());
            if bandwidth.is_none_or(|bandwidth| bandwidth == 0) {
                self.error(name, format!("Representation '{id}' has no bandwidth"), REPRESENTATION);
            }
            for (required, clause) in [("mimeType", COMMON), ("codecs", COMMON)] {
                if representation.attribute(required).or(set.attribute(required)).is_none_or(str::is_empty) {
                    self.error(name, format!("Representation '{id}' has no {required}"), clause);
                }
            }
            let codecs = representation.attribute("codecs").or(set.attribute("codecs")).unwrap_or_default();
            let levels = [levels.as_slice(), &[Level::of(representation)]].concat();
            let context = Context { name, levels: &levels, id, bandwidth: bandwidth.unwrap_or(0), codecs, length, live, longest };
            let Some(spans) = self.representation(&context) else { continue };
            let stated = ["segmentAlignment", "subsegmentAlignment"].map(|name| set.attribute(name).is_some_and(|text| text != "false"));
            if !stated.contains(&true) {
                continue;
            }
            match &aligned {
                None => aligned = Some((id.to_owned(), spans)),
                Some((first, expected)) => {
                    let differs = expected.len() != spans.len() || expected.iter().zip(&spans).any(|(a, b)| !a.begins_with(b));
                    if differs {
                        let what = format!("segmentAlignment is set, but segments of '{id}' do not begin where those of '{first}' do");
                        self.error(name, what, SET);
                    }
                }
            }
        }
    }
}

/// What the levels above a set say of time, in microseconds.
#[derive(Clone, Copy)]
struct Lengths {
    /// Of the Period.
    length: Option<u64>,
    /// `maxSegmentDuration`.
    longest: Option<u64>,
    /// Whether the MPD is dynamic.
    live: bool,
}

/// The child elements called `name`.
pub fn elements<'a, 'input>(node: Node<'a, 'input>, name: &'static str) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

/// An upper bound of how deep elements nest, without building a tree: parsers recurse.
fn depth(text: &str) -> usize {
    let (mut deep, mut deepest) = (0isize, 0);
    let mut bytes = text.bytes().peekable();
    let mut before = 0;
    while let Some(byte) = bytes.next() {
        match byte {
            b'<' => match bytes.peek() {
                Some(b'/') => deep -= 2, // its own '>' adds one
                Some(b'!' | b'?') => deep -= 1,
                _ => {}
            },
            b'>' if before != b'/' => {
                deep += 1;
                deepest = deepest.max(deep);
            }
            _ => {}
        }
        before = byte;
    }
    deepest.unsigned_abs()
}

/// xs:duration of days and smaller, in microseconds.
fn iso_duration(text: &str) -> Option<u64> {
    let (days, time) = text.strip_prefix('P')?.split_once('T').unwrap_or((text.strip_prefix('P')?, ""));
    let mut total = 0u64;
    for (mut rest, units) in [(days, &[('D', 86_400)][..]), (time, &[('H', 3600), ('M', 60), ('S', 1)][..])] {
        for (unit, seconds) in units {
            if let Some((number, after)) = rest.split_once(*unit) {
                total = total.checked_add(micros(number)?.checked_mul(*seconds)?)?;
                rest = after;
            }
        }
        if !rest.is_empty() {
            return None;
        }
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, expected) in [
            ("PT4.018S", Some(4_018_000)),
            ("PT1H2M3S", Some(3_723_000_000)),
            ("P1DT1S", Some(86_401_000_000)),
            ("4S", None),
            ("PT4", None),
            ("PT-4S", None),
        ] {
            assert_eq!(iso_duration(text), expected, "{text}");
        }
    }

    #[test]
    fn depth_is_an_upper_bound() {
        assert_eq!(depth("<?xml version=\"1.0\"?><a><b/><c><d>x</d></c></a>"), 3);
        assert!(depth(&"<a>".repeat(100_000)) > MOST_DEEP);
        assert!(depth(&"<a></a>".repeat(1000)) < 3);
    }
}
