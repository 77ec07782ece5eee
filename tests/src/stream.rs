//! A movie of given samples as an endless fragmented MP4: the forms in which encoders write it.

use std::ops::Range;

use reelway_core::coding::Writer;

use crate::movie::{Kind, Movie, Sample};

/// How fragments are written.
#[derive(Clone, Debug)]
pub struct Form {
    /// Samples of the first track in each fragment, from the first number on again when all are used; none of them 0.
    pub lengths: Vec<usize>,
    /// Whether all tracks share a `moof`, as ffmpeg's `-f mp4` has them; else each has its own.
    pub shared: bool,
    /// How decoding times are told.
    pub times: Times,
    /// Whether data offsets count from the `moof` by flag; else by the old rule, from the end of the data before.
    pub base_is_moof: bool,
    /// Whether durations stand in each sample even where a default would do, and boxes that tell nothing of samples between the fragments.
    pub verbose: bool,
    /// Decoding time of the first sample of each track.
    pub starts: Vec<u64>,
}

/// `tfdt` (ISO/IEC 14496-12 8.8.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// 64 bits.
    Long,
    /// 32 bits, which begin anew.
    Short,
    /// None, so that each fragment follows the one before; all tracks begin at zero.
    Missing,
}

impl Default for Form {
    fn default() -> Self {
        let (lengths, starts) = (vec![5], Vec::new());
        Self { lengths, shared: true, times: Times::Long, base_is_moof: true, verbose: false, starts }
    }
}

impl Form {
    /// Decoding time of the first sample of a track.
    pub fn start(&self, track: usize) -> u64 {
        if self.times == Times::Missing { 0 } else { self.starts.get(track).copied().unwrap_or(0) }
    }
}

/// The header: `ftyp` and a `moov` without samples.
pub fn header(movie: &Movie) -> Vec<u8> {
    let mut empty = movie.clone();
    empty.tracks.iter_mut().for_each(|track| track.samples.clear());
    let mut w = Writer::default();
    w.boxed(b"ftyp", |w| {
        w.bytes(b"iso5");
        w.u32(512);
        w.bytes(b"iso5iso6mp41");
    });
    let moov = empty.write_moov(&vec![Vec::new(); empty.tracks.len()], 0);
    w.boxed(b"moov", |w| {
        w.bytes(moov.get(8..).unwrap_or_default());
        w.boxed(b"mvex", |w| {
            for id in (1..).take(movie.tracks.len()) {
                w.full_box(b"trex", 0, 0, |w| {
                    w.u32(id);
                    w.u32(1);
                    w.zeros(12);
                });
            }
        });
    });
    w.into_bytes()
}

/// All fragments, in the order of time.
pub fn fragments(movie: &Movie, form: &Form) -> Vec<Vec<u8>> {
    let mut next = vec![0; movie.tracks.len()];
    let mut written = Vec::new();
    for length in form.lengths.iter().cycle() {
        let lead = movie.tracks.first().zip(next.first());
        let Some((lead, from)) = lead else { break };
        let until = lead.samples.iter().take(from + length).map(|sample| u64::from(sample.duration)).sum::<u64>();
        let last = from + length >= lead.samples.len();
        let mut parts: Vec<(usize, Range<usize>)> = Vec::new();
        for (number, (track, next)) in movie.tracks.iter().zip(&mut next).enumerate() {
            let begin = *next;
            let mut time: u64 = track.samples.iter().take(begin).map(|sample| u64::from(sample.duration)).sum();
            while let Some(sample) = track.samples.get(*next) {
                let own = number == 0 && *next >= begin + length;
                let other = number > 0 && !last && time * u64::from(lead.timescale) >= until * u64::from(track.timescale);
                if own || other {
                    break;
                }
                time += u64::from(sample.duration);
                *next += 1;
            }
            if *next > begin {
                parts.push((number, begin..*next));
            }
        }
        let groups: Vec<&[(usize, Range<usize>)]> = if form.shared { vec![&parts] } else { parts.chunks(1).collect() };
        for group in groups {
            written.push(fragment(movie, form, group, u32::try_from(written.len() + 1).unwrap_or(0)));
        }
        if last {
            break;
        }
    }
    written
}

/// Header and fragments as one.
pub fn write(movie: &Movie, form: &Form) -> Vec<u8> {
    let mut stream = header(movie);
    stream.extend(fragments(movie, form).concat());
    stream
}

fn fragment(movie: &Movie, form: &Form, group: &[(usize, Range<usize>)], sequence: u32) -> Vec<u8> {
    let mut w = Writer::default();
    if form.verbose {
        w.boxed(b"styp", |w| w.bytes(b"msdh\0\0\0\0msdhmsix"));
        w.boxed(b"sidx", |w| w.zeros(32));
        w.boxed(b"free", |w| w.zeros(usize::try_from(sequence % 13).unwrap_or(0)));
    }
    let start = w.len();
    let mut offsets = Vec::new();
    w.boxed(b"moof", |w| {
        w.full_box(b"mfhd", 0, 0, |w| w.u32(sequence));
        for (number, range) in group {
            w.boxed(b"traf", |w| offsets.push(write_traf(w, movie, form, *number, range.clone())));
        }
    });
    let mut place = w.len() - start + 8;
    let mut data = Vec::new();
    for ((number, range), offset) in group.iter().zip(offsets) {
        // By the old rule the second track counts from the end of the data of the first.
        let told = if form.base_is_moof || offset.first { place } else { 0 };
        w.patch_u32(offset.field, u32::try_from(told).unwrap_or(0));
        for sample in range.clone() {
            let payload = movie.payload(*number, sample);
            place += payload.len();
            data.extend(payload);
        }
    }
    w.boxed(b"mdat", |w| w.bytes(&data));
    w.into_bytes()
}

/// Where a data offset stands.
struct Offset {
    field: usize,
    first: bool,
}

fn write_traf(w: &mut Writer, movie: &Movie, form: &Form, number: usize, range: Range<usize>) -> Offset {
    let samples: &[Sample] = movie.tracks.get(number).and_then(|track| track.samples.get(range.clone())).unwrap_or_default();
    let before: u64 =
        movie.tracks.get(number).into_iter().flat_map(|track| track.samples.iter().take(range.start)).map(|s| u64::from(s.duration)).sum();
    let video = movie.tracks.get(number).is_some_and(|track| track.kind == Kind::Video);
    let duration = samples.first().map_or(0, |sample| sample.duration);
    let constant = !form.verbose && samples.iter().all(|sample| sample.duration == duration);
    w.full_box(b"tfhd", 0, if form.base_is_moof { 0x2_0000 } else { 0 } | if constant { 0x28 } else { 0x20 }, |w| {
        w.u32(u32::try_from(number + 1).unwrap_or(0));
        if constant {
            w.u32(duration);
        }
        w.u32(if video { 0x0101_0000 } else { 0x0200_0000 });
    });
    let time = form.start(number) + before;
    match form.times {
        Times::Long => w.full_box(b"tfdt", 1, 0, |w| w.u64(time)),
        Times::Short => w.full_box(b"tfdt", 0, 0, |w| w.u32(u32::try_from(time % (1 << 32)).unwrap_or(0))),
        Times::Missing => {}
    }
    let flags = 0x1 | 0x200 | 0x400 | 0x800 | if constant { 0 } else { 0x100 };
    let mut field = 0;
    w.full_box(b"trun", 1, flags, |w| {
        w.u32(u32::try_from(samples.len()).unwrap_or(0));
        field = w.len();
        w.u32(0);
        for sample in samples {
            if !constant {
                w.u32(sample.duration);
            }
            w.u32(sample.size);
            w.u32(if sample.sync { 0x0200_0000 } else { 0x0101_0000 });
            w.i32(sample.composition_offset);
        }
    });
    Offset { field, first: number == 0 || !form.shared }
}
