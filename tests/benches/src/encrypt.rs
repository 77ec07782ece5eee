//! Encryption of the segments of a film on one core, beside what the crate `aes` reaches alone in counter mode on the same bytes.

use std::{
    fs::File,
    hint::black_box,
    os::unix::fs::FileExt,
    time::{Duration, Instant},
};

use aes::{
    Aes128Enc, Block,
    cipher::{BlockCipherEncrypt, KeyInit, KeyIvInit, StreamCipher},
};
use anyhow::{Context, bail};
use reelway_core::{
    Demuxer, Vod,
    encryption::{ContentKey, Encryption, Key},
    protection::{KeyInfo, Scheme},
};

use crate::{Options, input::film, measure::median};

/// Payload that is encrypted in a round, in bytes.
const ENOUGH: usize = 192 << 20;

/// A way to encrypt the payload of a segment in place.
type Way = Box<dyn Fn(&Segment, &mut [u8]) -> anyhow::Result<()>>;

/// A segment: its number and its payload, clear.
struct Segment {
    rendition: String,
    number: u32,
    payload: Vec<u8>,
}

pub fn run(options: &Options) -> anyhow::Result<()> {
    let file = File::open(film(options.input.as_deref())?)?;
    let mut demuxer = Demuxer::new(file.metadata()?.len());
    while let Some(range) = demuxer.required() {
        let mut bytes = vec![0; usize::try_from(range.end - range.start)?];
        file.read_exact_at(&mut bytes, range.start)?;
        demuxer.handle(range.start, &bytes)?;
    }
    let movie = demuxer.finish()?;
    let vod = |scheme| -> anyhow::Result<Vod> {
        let info = KeyInfo { id: [1; 16], iv: Some([2; 16]), uri: Some("key".into()), systems: Vec::new() };
        let key = ContentKey { key: Key::new([3; 16]), info };
        let encryption = Encryption::new(scheme, vec![key.clone()], vec![key], None)?;
        Ok(Vod::new(vec![movie.clone()], &reelway_core::Options { encryption: Some(encryption), ..reelway_core::Options::default() })?)
    };
    let cenc = vod(Scheme::Cenc)?;
    let segments = read(&file, &cenc)?;
    let total: usize = segments.iter().map(|segment| segment.payload.len()).sum();
    println!("{} segments of {total} bytes in all, {} rounds; MB/s, and times that of counter mode alone", segments.len(), options.rounds);

    let cipher = Aes128Enc::new(&[3; 16].into());
    let ways: Vec<(&str, Way)> = vec![
        (
            "counter mode alone",
            Box::new(|_, bytes| {
                ctr::Ctr64BE::<Aes128Enc>::new(&[3; 16].into(), &[2; 16].into()).apply_keystream(bytes);
                Ok(())
            }),
        ),
        (
            "chained blocks alone",
            Box::new(move |_, bytes| {
                let mut before = Block::default();
                for chunk in bytes.as_chunks_mut::<16>().0 {
                    for (byte, mask) in before.iter_mut().zip(&*chunk) {
                        *byte ^= mask;
                    }
                    cipher.encrypt_block(&mut before);
                    chunk.copy_from_slice(&before);
                }
                Ok(())
            }),
        ),
        ("cenc", encrypted(cenc)),
        ("cbcs", encrypted(vod(Scheme::Cbcs)?)),
        ("aes-128", encrypted(vod(Scheme::Aes128)?)),
    ];
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); ways.len()];
    let mut payload = Vec::new();
    for _ in 0..options.rounds {
        // In turn, so that whatever else the machine does is the same to all.
        for ((_, way), times) in ways.iter().zip(&mut times) {
            let mut spent = Duration::ZERO;
            for segment in &segments {
                payload.clone_from(&segment.payload);
                let start = Instant::now();
                way(segment, &mut payload)?;
                spent += start.elapsed();
                black_box(&payload);
            }
            times.push(spent.as_secs_f64());
        }
    }
    let alone = times.first().cloned().context("no way")?;
    for ((name, _), times) in ways.iter().zip(&mut times) {
        let mut ratios: Vec<f64> = alone.iter().zip(times.iter()).map(|(alone, time)| alone / time).collect();
        #[expect(clippy::cast_precision_loss, reason = "megabytes for people to read")]
        let rate = total as f64 / 1e6 / median(times);
        println!("{name:<22}{rate:>8.0} MB/s{:>8.2}", median(&mut ratios));
    }
    Ok(())
}

fn encrypted(vod: Vod) -> Way {
    Box::new(move |segment, payload| {
        black_box(vod.encrypt(&segment.rendition, segment.number, payload)?);
        Ok(())
    })
}

/// The payload of segments from the first on, as much as is enough.
fn read(file: &File, vod: &Vod) -> anyhow::Result<Vec<Segment>> {
    let (mut segments, mut total) = (Vec::new(), 0);
    let last = vod.presentation().renditions.iter().map(|rendition| rendition.timeline.segments.len()).max().unwrap_or(0);
    for number in 1..=u32::try_from(last)? {
        for rendition in vod.presentation().renditions.iter().filter(|rendition| rendition.timeline.segment(number).is_some()) {
            let mut payload = Vec::new();
            for extent in vod.segment(&rendition.name, number)?.iter().flat_map(|fragment| &fragment.extents) {
                let start = payload.len();
                payload.resize(start + usize::try_from(extent.end - extent.start)?, 0);
                file.read_exact_at(payload.get_mut(start..).unwrap_or_default(), extent.start)?;
            }
            total += payload.len();
            segments.push(Segment { rendition: rendition.name.clone(), number, payload });
        }
        if total >= ENOUGH {
            break;
        }
    }
    if segments.is_empty() {
        bail!("the film has no segments");
    }
    Ok(segments)
}
