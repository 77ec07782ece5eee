//! Cues of SCTE 35 as date ranges (RFC 8216bis 4.4.5.1.1). Other events are in the segments alone: players read them there.

use alloc::{string::String, vec::Vec};
use core::fmt::Write;

use crate::{
    boxes::event::{EventMessage, EventTime, UNKNOWN_DURATION},
    presentation::Presentation,
    time::{Date, Seconds, Timescale, rescale_length},
    track::Event,
};

/// What the data of is a `splice_info_section` (SCTE 214-3 7.3.2).
pub const SPLICE_INFO: &str = "urn:scte:scte35:2013:bin";

/// The most cues that are told: more than a day of programme has.
const MOST: usize = 4096;

/// A date range for each cue among `events`, where `presentation` has a date; messages that repeat a cue count once.
pub fn write_date_ranges(text: &mut String, presentation: &Presentation, events: &[Event]) {
    let Some(Date(date)) = presentation.date else { return };
    let begin = rescale_length(presentation.start.0, presentation.start.1, Timescale::MILLIS);
    let mut told: Vec<(&str, u32)> = Vec::new();
    for message in events.iter().filter_map(Event::message).filter(|message| message.scheme == SPLICE_INFO) {
        let EventTime::Absolute(time) = message.time else { continue };
        if told.len() == MOST || told.contains(&(message.value, message.id)) {
            continue;
        }
        told.push((message.value, message.id));
        let millis = rescale_length(time, message.timescale, Timescale::MILLIS);
        let after = i64::try_from(i128::from(millis) - i128::from(begin)).unwrap_or(i64::MAX);
        write_date_range(text, &message, told.len(), Date(date.saturating_add(after)));
    }
}

/// The date range of a cue that begins at `start`; `number`: it is the one with this number.
pub fn write_date_range(text: &mut String, cue: &EventMessage<'_>, number: usize, start: Date) {
    let _ = write!(text, "#EXT-X-DATERANGE:ID=\"scte35-{}-{number}\",START-DATE=\"{start}\"", cue.id);
    if cue.duration != UNKNOWN_DURATION {
        let duration = Seconds { ticks: cue.duration.into(), timescale: cue.timescale, places: 3 };
        let _ = write!(text, ",DURATION={duration}");
    }
    text.push_str(",SCTE35-CMD=0x");
    for byte in cue.data {
        let _ = write!(text, "{byte:02X}");
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presentation::test_presentation;

    #[test]
    fn cues_are_told_once_by_the_clock() {
        let message = |scheme, id, time, duration| {
            let timescale = Timescale::new(90_000).unwrap();
            let message =
                EventMessage { scheme, value: "", timescale, time: EventTime::Absolute(time), duration, id, data: &[0xfc, 0x30, 0x0a] };
            Event { sample: 0, bytes: message.to_bytes().into() }
        };
        let events = [
            message(SPLICE_INFO, 4, 270_000, 2_700_000),
            message(SPLICE_INFO, 4, 270_000, 2_700_000),
            message("https://aomedia.org/emsg/ID3", 5, 270_000, 0),
            message(SPLICE_INFO, 6, 90, UNKNOWN_DURATION),
        ];
        let mut presentation = test_presentation();
        let told = |presentation: &Presentation| {
            let mut text = String::new();
            write_date_ranges(&mut text, presentation, &events);
            text
        };
        assert_eq!(told(&presentation), "", "without a date there is none to be told");
        presentation.date = Some(Date(1000));
        presentation.start = (1000, Timescale::MILLIS);
        assert_eq!(
            told(&presentation),
            "#EXT-X-DATERANGE:ID=\"scte35-4-1\",START-DATE=\"1970-01-01T00:00:03.000Z\",DURATION=30.000,SCTE35-CMD=0xFC300A\n\
             #EXT-X-DATERANGE:ID=\"scte35-6-2\",START-DATE=\"1970-01-01T00:00:00.001Z\",SCTE35-CMD=0xFC300A\n"
        );
    }
}
