//! The figures of live streams.

use std::sync::atomic::Ordering::Relaxed;

use super::exposition::Exposition;
use crate::live::{Stream, Streams};

pub(super) fn render(text: &mut Exposition, streams: &Streams) {
    let all = streams.all();
    text.begin("reelway_live_streams", "gauge", "Live streams, by whether somebody publishes them.");
    let count = |state: &dyn Fn(&Stream) -> bool| all.iter().filter(|stream| state(stream)).count() as u64;
    text.sample(&[("state", "live")], count(&|stream| !stream.is_ended() && stream.is_published()));
    text.sample(&[("state", "waiting")], count(&|stream| !stream.is_ended() && !stream.is_published()));
    text.sample(&[("state", "ended")], count(&|stream| stream.is_ended()));
    text.begin("reelway_live_readers", "gauge", "Requests that wait for a live stream or read it as it grows.");
    text.sample(&[], all.iter().map(|stream| stream.readers() as u64).sum::<u64>());
    let figures = streams.figures();
    for (name, kind, help, value) in [
        ("reelway_ingest_bytes_total", "counter", "Bytes that publishers sent.", &figures.ingest_bytes),
        ("reelway_ingest_faults_total", "counter", "Requests of publishers that were refused or failed.", &figures.ingest_faults),
        ("reelway_live_parts_total", "counter", "Parts published, of all renditions.", &figures.parts),
        ("reelway_live_requests_held", "gauge", "Requests that wait for something to be published.", &figures.held),
        ("reelway_live_endless_viewers", "gauge", "Viewers of stream.mp4.", &figures.endless),
        (
            "reelway_live_viewers_too_slow_total",
            "counter",
            "Viewers that were reset because they fell out of the window.",
            &figures.too_slow,
        ),
        ("reelway_recording_bytes_total", "counter", "Bytes of recordings written.", &figures.recorded_bytes),
        ("reelway_recording_faults_total", "counter", "Recordings that could not go on.", &figures.recording_faults),
    ] {
        text.begin(name, kind, help);
        text.sample(&[], value.load(Relaxed));
    }
}
