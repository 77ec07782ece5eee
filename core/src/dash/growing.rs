//! The MPD of a presentation that is known as a whole and whose segments are still coming (ISO/IEC 23009-1 5.3.1, 5.4.1).

use alloc::string::String;
use core::fmt::Write;

use super::{Duration, Tell, UtcTiming, lengths, representation::write_listed, start, write_sets};
use crate::{
    presentation::{Presentation, Rendition},
    time::Date,
};

/// How often players look for more.
const UPDATE: Duration = Duration(2000);

/// The MPD of `presentation` as far as it has come: `arrived` tells how many segments of a rendition follow each other from the first on, 1
/// at least. What is listed was last changed at `published`; players ask for the time at `utc_timing`. Once all is there, [`mpd`](super::mpd) stands at the same
/// URL.
pub fn growing_mpd(presentation: &Presentation, arrived: &dyn Fn(&Rendition) -> u32, published: Date, utc_timing: &str) -> String {
    let mut text = start(presentation);
    let (longest, buffer) = lengths(presentation);
    let duration = presentation.duration_millis();
    // By the clock all segments are there since long, whatever the clock of the player says: the timeline alone tells what is.
    let begin = Date(published.0.saturating_sub(i64::try_from(duration).unwrap_or(i64::MAX)).saturating_sub(DAY));
    let _ = writeln!(
        text,
        " type=\"dynamic\" profiles=\"urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019\" \
         availabilityStartTime=\"{begin}\" publishTime=\"{published}\" minimumUpdatePeriod=\"{UPDATE}\" \
         suggestedPresentationDelay=\"{}\" maxSegmentDuration=\"{longest}\" minBufferTime=\"{buffer}\">\n  <Period id=\"1\" start=\"PT0S\">",
        // So that players begin with the first segment and not with the last.
        Duration(duration),
    );
    write_sets(&mut text, presentation, &Growing { presentation, arrived });
    let _ = writeln!(text, "  {}\n</MPD>", UtcTiming(utc_timing));
    text
}

const DAY: i64 = 86_400_000;

struct Growing<'a> {
    presentation: &'a Presentation,
    arrived: &'a dyn Fn(&Rendition) -> u32,
}

impl Tell for Growing<'_> {
    fn tell_rendition(&self, text: &mut String, rendition: &Rendition) {
        let count = usize::try_from((self.arrived)(rendition)).unwrap_or(usize::MAX);
        write_listed(text, self.presentation, &rendition.timeline, count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dash::mpd, presentation::test_presentation};

    fn sets(text: &str) -> &str {
        text.split_once("<Period ").unwrap().1.split_once("</Period>").unwrap().0
    }

    #[test]
    fn it_lists_what_has_arrived_and_ends_as_it_was_planned() {
        let presentation = test_presentation();
        let written = |arrived: u32| growing_mpd(&presentation, &|_| arrived, Date(86_400_000 + 10_505), "/time");
        let first = written(1);
        for expected in [
            "type=\"dynamic\" profiles=\"urn:mpeg:dash:profile:isoff-live:2011,",
            "availabilityStartTime=\"1970-01-01T00:00:00.000Z\" publishTime=\"1970-01-02T00:00:10.505Z\" minimumUpdatePeriod=\"PT2.000S\" \
             suggestedPresentationDelay=\"PT10.505S\" maxSegmentDuration=\"PT4.012S\" minBufferTime=\"PT3.228S\">",
            "<S t=\"0\" d=\"100\"/>\n          </SegmentTimeline>",
        ] {
            assert!(first.contains(expected), "{expected} is not in\n{first}");
        }
        assert!(written(2).contains("<S t=\"0\" d=\"100\" r=\"1\"/>\n          </SegmentTimeline>"));
        let whole = mpd(&presentation);
        let all = written(9);
        assert!(all.ends_with("</Period>\n  <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"/time\"/>\n</MPD>\n"));
        assert_eq!(sets(&all), sets(&whole), "all that is planned, told as it is in the end");
    }
}
