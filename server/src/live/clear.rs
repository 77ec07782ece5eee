//! The pictures of an encrypted stream as they came, for who makes smaller ones of them, and for as long as that may be behind.

use reelway_core::live::Event;

use super::{Log, Part};

/// How many segments are kept.
const KEPT: u32 = 4;

/// An empty log, called like the first rendition of pictures, whose events are to be put into it.
pub(super) fn log() -> Log {
    Log::new("v1".into())
}

/// Puts what happened into the log, as it was before it was encrypted.
pub(super) fn keep(log: &Log, event: &Event) {
    match event {
        Event::Header { number, clear: Some(header), .. } => log.add_header(*number, header.clone()),
        Event::Part { segment, clear: Some((whole, _)), independent, .. } => {
            // Nobody goes by its time.
            log.add_part(*segment, Part { bytes: Some(whole.clone()), extent: None, start: 0, independent: *independent });
        }
        Event::Segment { segment, .. } => {
            log.close(segment.number, None);
            log.forget(segment.number.saturating_sub(KEPT));
        }
        Event::Ended => log.end(),
        _ => {}
    }
}
