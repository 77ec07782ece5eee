//! Text of a live stream as HLS has it.

use alloc::string::String;

use bytes::Bytes;

use crate::{
    boxes::sample_entry::read_entry,
    coding::Reader,
    demux::stream::{Item, StreamDemuxer},
    error::{Error, Result},
    text::{webvtt as text, wvtt},
    time::{Timescale, rescale_length},
    track::Track,
};

/// WebVTT (RFC 8216bis 3.1.4) with what is shown in `media`, which are parts that follow each other of a rendition with this header. Its times
/// count from where `media` begins, which `X-TIMESTAMP-MAP` tells. Samples that cannot be read show nothing.
///
/// # Errors
///
/// The header or the media cannot be read.
pub fn webvtt(header: Bytes, media: Bytes) -> Result<String> {
    let mut demuxer = StreamDemuxer::new();
    demuxer.push(header)?;
    demuxer.push(media)?;
    let (mut track, mut joiner) = (None::<Track>, wvtt::Joiner::default());
    let mut span = None;
    while let Some(item) = demuxer.poll() {
        match item {
            Item::Header(tracks) => track = tracks.into_iter().next(),
            Item::Sample { sample, .. } => {
                let Some(track) = &track else { continue };
                let millis = |ticks| rescale_length(ticks, track.timescale, Timescale::MILLIS);
                let times = millis(sample.decode_time)..millis(sample.decode_time.saturating_add(sample.duration.into()));
                let (start, _) = span.unwrap_or((times.start, times.end));
                span = Some((start, times.end));
                let _ = joiner.add(&times, &sample.payload.concat());
            }
            _ => {}
        }
    }
    let track = track.ok_or_else(|| Error::malformed("there is no header of text"))?;
    let entry = track.sample_entries.first().map(|entry| read_entry(&mut Reader::new(entry, 0))).transpose()?;
    let cues = joiner.finish(entry.as_ref().map_or_else(String::new, wvtt::blocks));
    let (start, end) = span.unwrap_or_default();
    Ok(text::segment(&cues, start..end, (start, Timescale::MILLIS)))
}
