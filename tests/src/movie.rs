//! A progressive MP4 of given samples, for tests that must know what is in it. The payload is noise: nothing decodes it.

use reelway_core::coding::Writer;

/// What is written.
#[derive(Clone, Debug)]
pub struct Movie {
    /// Ticks a second of the edit lists.
    pub timescale: u32,
    /// The tracks; their IDs are 1, 2, ...
    pub tracks: Vec<Track>,
    /// Whether `moov` stands before `mdat`.
    pub moov_first: bool,
    /// Makes the payload of one movie differ from that of another.
    pub seed: u64,
}

/// A track.
#[derive(Clone, Debug)]
pub struct Track {
    /// H.264 or AAC.
    pub kind: Kind,
    /// Width and height of pictures.
    pub size: (u16, u16),
    /// Ticks a second.
    pub timescale: u32,
    /// The samples, in decoding order.
    pub samples: Vec<Sample>,
    /// Samples in the chunks, from the first on again when all are used; none of them 0.
    pub chunks: Vec<u32>,
    /// Length in ticks of the movie, first media time (`None`: an empty edit).
    pub edits: Vec<(u32, Option<u32>)>,
}

/// Kind of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// H.264 in `avc1`.
    Video,
    /// AAC-LC in `mp4a`.
    Audio,
}

/// A sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Bytes.
    pub size: u32,
    /// In ticks of the track.
    pub duration: u32,
    /// Composition time less decoding time.
    pub composition_offset: i32,
    /// Whether decoding can begin here.
    pub sync: bool,
}

/// The size that the parameter sets of all pictures tell.
pub const SIZE: (u16, u16) = (320, 180);

impl Movie {
    /// Pictures at 25 a second, a key frame every second, and sound at 48 kHz, for about `seconds`.
    pub fn simple(seconds: u32, seed: u64) -> Self {
        let frame = |n: u32| {
            let sync = n.is_multiple_of(25);
            let composition_offset = if sync { 1024 } else { [1536, 512, 1024][n as usize % 3] };
            Sample { size: 200 + 37 * (n % 11) + if sync { 4000 } else { 0 }, duration: 512, composition_offset, sync }
        };
        let sound = |n: u32| Sample { size: 90 + n % 17, duration: 1024, composition_offset: 0, sync: true };
        let video = Track {
            kind: Kind::Video,
            size: SIZE,
            timescale: 12_800,
            samples: (0..seconds * 25).map(frame).collect(),
            chunks: vec![5],
            edits: vec![(seconds * 1000, Some(1024))],
        };
        let audio = Track {
            kind: Kind::Audio,
            size: SIZE,
            timescale: 48_000,
            samples: (0..seconds * 48_000 / 1024).map(sound).collect(),
            chunks: vec![9, 10],
            edits: vec![(seconds * 1000, Some(1024))],
        };
        Self { timescale: 1000, tracks: vec![video, audio], moov_first: true, seed }
    }

    /// A rung of a ladder: pictures of another size and as many more bytes, with a key frame every `gop` frames, and the same sound.
    pub fn rung(seconds: u32, times: u16, gop: usize) -> Self {
        let mut movie = Self::simple(seconds, times.into());
        if let Some(video) = movie.tracks.first_mut() {
            video.size = (SIZE.0 * times, SIZE.1 * times);
            for (number, sample) in video.samples.iter_mut().enumerate() {
                sample.sync = number.is_multiple_of(gop);
                sample.composition_offset = 1024;
                sample.size *= u32::from(times);
            }
        }
        movie
    }

    /// The bytes of a sample.
    pub fn payload(&self, track: usize, sample: usize) -> Vec<u8> {
        let size = self.tracks.get(track).and_then(|track| track.samples.get(sample)).map_or(0, |sample| sample.size);
        // SplitMix64: any byte of any sample is unlike that of its neighbours.
        let mut state = self.seed ^ ((track as u64) << 48) ^ ((sample as u64) << 16);
        let mut bytes = Vec::new();
        while bytes.len() < size as usize {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = state;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bytes.extend((word ^ (word >> 31)).to_le_bytes());
        }
        bytes.truncate(size as usize);
        bytes
    }

    /// The file.
    pub fn write(&self) -> Vec<u8> {
        let (media, chunks) = self.write_media();
        let mut start = Writer::default();
        start.boxed(b"ftyp", |w| {
            w.bytes(b"isom");
            w.u32(512);
            w.bytes(b"isomiso2avc1mp41");
        });
        let mut file = start.into_bytes();
        let mut moov = self.write_moov(&chunks, 0);
        let base = file.len() + 8 + if self.moov_first { moov.len() } else { 0 };
        moov = self.write_moov(&chunks, u32::try_from(base).unwrap_or(u32::MAX));
        let mut mdat = Writer::default();
        mdat.boxed(b"mdat", |w| w.bytes(&media));
        let (first, second) = if self.moov_first { (moov, mdat.into_bytes()) } else { (mdat.into_bytes(), moov) };
        file.extend(first);
        file.extend(second);
        file
    }

    /// The payload, a chunk of each track in turn; for each track the first byte and the number of samples of each chunk.
    fn write_media(&self) -> (Vec<u8>, Vec<Vec<(u32, u32)>>) {
        let mut media = Vec::new();
        let mut chunks: Vec<Vec<(u32, u32)>> = vec![Vec::new(); self.tracks.len()];
        let mut written = vec![0usize; self.tracks.len()];
        loop {
            let mut progress = false;
            for (number, track) in self.tracks.iter().enumerate() {
                let (Some(done), Some(list)) = (written.get_mut(number), chunks.get_mut(number)) else { continue };
                let pattern = track.chunks.iter().cycle().nth(list.len()).map_or(1, |count| *count as usize);
                let count = pattern.min(track.samples.len() - *done);
                if count == 0 {
                    continue;
                }
                list.push((u32::try_from(media.len()).unwrap_or(u32::MAX), u32::try_from(count).unwrap_or(0)));
                for sample in *done..*done + count {
                    media.extend(self.payload(number, sample));
                }
                *done += count;
                progress = true;
            }
            if !progress {
                return (media, chunks);
            }
        }
    }

    pub(crate) fn write_moov(&self, chunks: &[Vec<(u32, u32)>], base: u32) -> Vec<u8> {
        let mut w = Writer::default();
        w.boxed(b"moov", |w| {
            w.full_box(b"mvhd", 0, 0, |w| {
                w.zeros(8);
                w.u32(self.timescale);
                w.u32(0);
                w.u32(0x1_0000);
                w.u16(0x100);
                w.zeros(10);
                write_matrix(w);
                w.zeros(24);
                w.u32(u32::try_from(self.tracks.len()).unwrap_or(0) + 1);
            });
            for ((id, track), chunks) in (1..).zip(&self.tracks).zip(chunks) {
                w.boxed(b"trak", |w| track.write(w, id, chunks, base));
            }
        });
        w.into_bytes()
    }
}

impl Track {
    /// Ticks from the first to the end of the last sample.
    pub fn duration(&self) -> u64 {
        self.samples.iter().map(|sample| u64::from(sample.duration)).sum()
    }

    fn write(&self, w: &mut Writer, id: u32, chunks: &[(u32, u32)], base: u32) {
        let video = self.kind == Kind::Video;
        w.full_box(b"tkhd", 0, 3, |w| {
            w.zeros(8);
            w.u32(id);
            w.zeros(4 + 4 + 8 + 4);
            w.u16(if video { 0 } else { 0x100 });
            w.zeros(2);
            write_matrix(w);
            w.u32(if video { u32::from(self.size.0) << 16 } else { 0 });
            w.u32(if video { u32::from(self.size.1) << 16 } else { 0 });
        });
        if !self.edits.is_empty() {
            w.boxed(b"edts", |w| {
                w.full_box(b"elst", 0, 0, |w| {
                    w.u32(u32::try_from(self.edits.len()).unwrap_or(0));
                    for (duration, media_time) in &self.edits {
                        w.u32(*duration);
                        w.u32(media_time.unwrap_or(u32::MAX));
                        w.u32(0x1_0000);
                    }
                });
            });
        }
        w.boxed(b"mdia", |w| {
            w.full_box(b"mdhd", 0, 0, |w| {
                w.zeros(8);
                w.u32(self.timescale);
                w.u32(u32::try_from(self.duration()).unwrap_or(u32::MAX));
                w.u16(0x55c4); // und
                w.u16(0);
            });
            w.full_box(b"hdlr", 0, 0, |w| {
                w.u32(0);
                w.bytes(if video { b"vide" } else { b"soun" });
                w.zeros(13);
            });
            w.boxed(b"minf", |w| {
                w.boxed(b"stbl", |w| self.write_tables(w, chunks, base));
            });
        });
    }

    fn write_tables(&self, w: &mut Writer, chunks: &[(u32, u32)], base: u32) {
        let count = u32::try_from(self.samples.len()).unwrap_or(u32::MAX);
        w.full_box(b"stsd", 0, 0, |w| {
            w.u32(1);
            if self.kind == Kind::Video { write_avc1(w, self.size) } else { write_mp4a(w, self.timescale) }
        });
        // Runs of equal values, as encoders write them.
        let durations: Vec<u32> = self.samples.iter().map(|sample| sample.duration).collect();
        let offsets: Vec<u32> = self.samples.iter().map(|sample| sample.composition_offset.cast_unsigned()).collect();
        for (name, values) in [(b"stts", durations), (b"ctts", offsets)] {
            if name == b"ctts" && values.iter().all(|value| *value == 0) {
                continue;
            }
            let runs: Vec<&[u32]> = values.chunk_by(|a, b| a == b).collect();
            let version = u8::from(name == b"ctts");
            w.full_box(name, version, 0, |w| {
                w.u32(u32::try_from(runs.len()).unwrap_or(0));
                for run in runs {
                    w.u32(u32::try_from(run.len()).unwrap_or(0));
                    w.u32(run.first().copied().unwrap_or(0));
                }
            });
        }
        if self.samples.iter().any(|sample| !sample.sync) {
            let sync: Vec<u32> = (1..).zip(&self.samples).filter(|(_, sample)| sample.sync).map(|(number, _)| number).collect();
            w.full_box(b"stss", 0, 0, |w| {
                w.u32(u32::try_from(sync.len()).unwrap_or(0));
                for number in sync {
                    w.u32(number);
                }
            });
        }
        w.full_box(b"stsc", 0, 0, |w| {
            let mut runs: Vec<(u32, u32)> = Vec::new();
            for (number, (_, samples)) in (1..).zip(chunks) {
                if runs.last().is_none_or(|(_, last)| last != samples) {
                    runs.push((number, *samples));
                }
            }
            w.u32(u32::try_from(runs.len()).unwrap_or(0));
            for (first, samples) in runs {
                w.u32(first);
                w.u32(samples);
                w.u32(1);
            }
        });
        let first_size = self.samples.first().map_or(0, |sample| sample.size);
        let constant = first_size > 0 && self.samples.iter().all(|sample| sample.size == first_size);
        w.full_box(b"stsz", 0, 0, |w| {
            w.u32(if constant { first_size } else { 0 });
            w.u32(count);
            if !constant {
                for sample in &self.samples {
                    w.u32(sample.size);
                }
            }
        });
        w.full_box(b"stco", 0, 0, |w| {
            w.u32(u32::try_from(chunks.len()).unwrap_or(0));
            for (offset, _) in chunks {
                w.u32(base + offset);
            }
        });
    }
}

fn write_matrix(w: &mut Writer) {
    for value in [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000] {
        w.u32(value);
    }
}

fn write_avc1(w: &mut Writer, (width, height): (u16, u16)) {
    /// Main profile, level 1.3, 320 x 180, as x264 writes them.
    const SPS: [u8; 22] = [
        0x67, 0x4d, 0x40, 0x0d, 0xec, 0xa0, 0xa0, 0xbf, 0x2e, 0x02, 0xd4, 0x04, 0x04, 0x05, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00, 0x03,
    ];
    const PPS: [u8; 4] = [0x68, 0xef, 0x8f, 0x2c];
    w.boxed(b"avc1", |w| {
        w.zeros(6);
        w.u16(1);
        w.zeros(16);
        w.u16(width);
        w.u16(height);
        w.u32(0x48_0000);
        w.u32(0x48_0000);
        w.zeros(4);
        w.u16(1);
        w.zeros(32);
        w.u16(24);
        w.u16(0xffff);
        w.boxed(b"avcC", |w| {
            w.bytes(&[1, 0x4d, 0x40, 0x0d, 0xff, 0xe1]);
            w.u16(22);
            w.bytes(&SPS);
            w.u8(1);
            w.u16(4);
            w.bytes(&PPS);
        });
    });
}

fn write_mp4a(w: &mut Writer, sample_rate: u32) {
    w.boxed(b"mp4a", |w| {
        w.zeros(6);
        w.u16(1);
        w.zeros(8);
        w.u16(2);
        w.u16(16);
        w.zeros(4);
        w.u32(sample_rate << 16);
        w.full_box(b"esds", 0, 0, |w| {
            w.bytes(&[3, 25, 0, 1, 0]); // ES_Descriptor
            w.bytes(&[4, 17, 0x40, 0x15, 0, 0, 0]); // DecoderConfigDescriptor: AAC
            w.zeros(8);
            w.bytes(&[5, 2, 0x11, 0x90]); // AudioSpecificConfig: LC, 48 kHz, stereo
            w.bytes(&[6, 1, 2]);
        });
    });
}
