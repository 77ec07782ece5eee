//! A stream that was recorded when the server ended, put together again from what is kept of it.

use std::{io, sync::Arc};

use reelway_core::{
    live::{Config, Epoch, Live, Past},
    time::{Moment, Timescale, rescale},
    window::{self, Segment},
};

use super::{Log, Part, stream::other};
use crate::storage::{Kept, KeptRendition, KeptSegment};

/// The driver and the logs of a stream that was kept; its publisher is lost. `None`: it had not begun.
pub(super) fn restore(config: Config, kept: &Kept, now: Moment) -> io::Result<Option<(Live, Vec<Arc<Log>>)>> {
    let Some((zero, delay)) = kept.began.filter(|_| !kept.renditions.is_empty()) else { return Ok(None) };
    let epoch = Epoch { zero: Moment(zero), delay };
    let past = kept.renditions.iter().filter_map(past).collect();
    let live = Live::restore(config, epoch, past, now).map_err(other)?;
    let logs = live.renditions().zip(&kept.renditions).map(|(id, rendition)| {
        let scale = live.window(id).map_or(Timescale::MICROS, |window| window.timescale);
        Arc::new(log(rendition, scale))
    });
    let logs = logs.collect();
    Ok(Some((live, logs)))
}

fn past(rendition: &KeptRendition) -> Option<Past> {
    let mut segments: Vec<Segment> = rendition.segments.iter().map(segment).collect();
    let open = rendition.segments.last().filter(|last| last.duration.is_none()).and_then(|_| segments.pop());
    Some(Past { name: rendition.name.clone(), header: rendition.headers.last()?.clone(), segments, open })
}

fn segment(kept: &KeptSegment) -> Segment {
    let part = |part: &crate::storage::KeptPart| window::Part {
        duration: part.duration,
        bytes: part.extent.range.end - part.extent.range.start,
        independent: part.independent,
    };
    let parts: Vec<window::Part> = kept.parts.iter().filter(|_| !kept.gap).map(part).collect();
    Segment {
        number: kept.opening.segment,
        start: kept.opening.start,
        duration: kept.duration.unwrap_or_else(|| parts.iter().map(|part| part.duration).sum()),
        bytes: if kept.gap { 0 } else { kept.length },
        header: kept.opening.header,
        clock: Moment(kept.opening.clock),
        discontinuity: kept.opening.discontinuity,
        discontinuities: kept.opening.discontinuities,
        period: kept.opening.period,
        gap: kept.gap,
        parts,
    }
}

/// The log of what is in files; `scale`: of the rendition.
fn log(rendition: &KeptRendition, scale: Timescale) -> Log {
    let log = Log::new(rendition.name.clone());
    for (number, bytes) in &rendition.headers {
        log.add_header(*number, bytes.clone());
    }
    for segment in rendition.segments.iter().filter(|segment| !segment.gap) {
        for part in &segment.parts {
            let start = rescale(i64::try_from(part.start).unwrap_or(i64::MAX), scale, Timescale::MICROS);
            let extent = Some(part.extent.clone());
            log.add_part(segment.opening.segment, Part { bytes: None, extent, start, independent: part.independent });
        }
        log.close(segment.opening.segment, None);
    }
    log
}
