//! MPEG transport streams as ffmpeg writes them: the samples are those of the MP4 that they were made from.

use std::fs;

use anyhow::{Context, Result, ensure};
use reelway_core::{
    demux::{stream::Item, ts::TransportDemuxer},
    sample::LiveSample,
    time::{Timescale, rescale_length},
    track::Track,
};
use reelway_tests::{
    ffmpeg, files,
    live::{demux, part},
    synthetic,
};

/// All that a stream tells, read in pieces of this length.
fn read(bytes: &[u8], length: usize) -> Result<(Vec<Track>, Vec<Vec<LiveSample>>)> {
    let mut demuxer = TransportDemuxer::new();
    let (mut tracks, mut samples) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(length) {
        demuxer.push(piece)?;
        take(&mut demuxer, &mut tracks, &mut samples)?;
    }
    demuxer.finish_body()?;
    take(&mut demuxer, &mut tracks, &mut samples)?;
    Ok((tracks, samples))
}

fn take(demuxer: &mut TransportDemuxer, tracks: &mut Vec<Track>, samples: &mut Vec<Vec<LiveSample>>) -> Result<()> {
    while let Some(item) = demuxer.poll() {
        match item {
            Item::Header(told) => {
                samples.resize(told.len(), Vec::new());
                *tracks = told;
            }
            Item::Sample { track, sample } => samples.get_mut(track).context("no such track")?.push(sample),
            other => anyhow::bail!("{other:?}"),
        }
    }
    Ok(())
}

#[test]
fn samples_are_those_of_the_film() -> Result<()> {
    let Some(paths) = synthetic::files()? else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let scale = Timescale::new(90_000).context("no scale")?;
    for name in ["bframes.mp4", "hvc1.mp4", "ac3.mp4", "audio_only.m4a"] {
        let path = paths.iter().find(|path| files::name(path).ends_with(name)).with_context(|| format!("{name} is not made"))?;
        let transport = folder.path().join("stream.ts");
        ffmpeg::run(["-i", path.to_str().context("no name")?, "-c", "copy", "-f", "mpegts"], &transport)?;
        let (film, stream) = (fs::read(path)?, fs::read(&transport)?);
        let movie = demux(&film)?;
        let (tracks, samples) = read(&stream, 1000)?;
        // What the pieces are does not matter.
        ensure!(read(&stream, 1)?.1 == samples && read(&stream, stream.len())?.1 == samples, "{name}");
        // Bytes before the first packet, and a packet that is lost, cost no more than that.
        let hurt = [b"noise".as_slice(), stream.get(..188 * 40).unwrap_or_default(), stream.get(188 * 41..).unwrap_or_default()].concat();
        let whole: usize = samples.iter().map(Vec::len).sum();
        let left: usize = read(&hurt, 1000)?.1.iter().map(Vec::len).sum();
        ensure!(left + 24 >= whole && left <= whole, "{name}: {left} of {whole}");
        ensure!(tracks.len() == movie.tracks.len(), "{name}: {} tracks", tracks.len());
        for ((read, expected), samples) in tracks.iter().zip(&movie.tracks).zip(&samples) {
            ensure!(read.codec == expected.codec, "{name}: {:?} is not {:?}", read.codec, expected.codec);
            ensure!(samples.len() == expected.samples.len() as usize, "{name}: {} samples of {}", samples.len(), expected.samples.len());
            let start = samples.first().map_or(0, |sample| sample.decode_time);
            let first = expected.samples.get(0).map_or(0, |sample| sample.decode_time);
            let ticks = |ticks: u64| rescale_length(ticks, expected.timescale, read.timescale);
            let slack = read.timescale.get() / 1000;
            for (index, (sample, expected)) in samples.iter().zip(&expected.samples).enumerate() {
                // Messages that ffmpeg has in the description of H.265 stand before key frames here.
                let (found, expected_bytes) = (sample.payload.concat(), part(&film, &expected.range()));
                let more = name == "hvc1.mp4" && sample.sync && found.ends_with(expected_bytes);
                ensure!(found == expected_bytes || more, "{name}: the payload of sample {index}");
                let time = ticks(expected.decode_time - first);
                ensure!(
                    (sample.decode_time - start).abs_diff(time) <= slack.into(),
                    "{name}: sample {index} at {} and not {time}",
                    sample.decode_time - start
                );
                ensure!(sample.sync == expected.sync, "{name}: sample {index}");
                let offset = ticks(u64::try_from(expected.composition_offset)?);
                ensure!(u64::try_from(sample.composition_offset)?.abs_diff(offset) <= slack.into(), "{name}: sample {index}");
            }
            let end = samples.windows(2).all(|pair| matches!(pair, [a, b] if a.decode_time + u64::from(a.duration) == b.decode_time));
            ensure!(end, "{name}: a hole");
        }
        ensure!(tracks.iter().any(|track| track.timescale == scale) || name == "audio_only.m4a");
    }
    Ok(())
}

#[test]
fn what_is_no_transport_stream_is_refused() {
    let error = read(&vec![7; 3 << 20], 4096).map(|_| ()).map_err(|error| error.to_string());
    assert!(error.as_ref().is_err_and(|error| error.contains("no packet of 188 bytes")), "{error:?}");
    let mut scrambled = vec![0; 188 * 3];
    for packet in scrambled.chunks_mut(188) {
        packet.iter_mut().zip([0x47, 0x41, 0, 0x90]).for_each(|(byte, value)| *byte = value);
    }
    let error = read(&scrambled, 188).map(|_| ()).map_err(|error| error.to_string());
    assert!(error.as_ref().is_err_and(|error| error.contains("scrambled")), "{error:?}");
}
