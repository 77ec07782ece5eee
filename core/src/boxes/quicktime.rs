//! QuickTime's forms of sound, and how they look in ISO files (QuickTime File Format, Sound Sample Descriptions).

use alloc::vec::Vec;

use super::{
    children,
    sample_entry::{SampleEntry, find},
};
use crate::{coding::Writer, error::Result};

/// How PCM is coded (ISO/IEC 23003-5 5.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pcm {
    /// Whether values are floats, else signed integers.
    pub float: bool,
    /// Whether the lowest byte of a value is the first.
    pub little_endian: bool,
    /// Bits of a value.
    pub bits: u8,
}

impl Pcm {
    /// The coding name that it has in ISO files.
    pub fn name(self) -> &'static [u8; 4] {
        if self.float { b"fpcm" } else { b"ipcm" }
    }
}

impl SampleEntry<'_> {
    /// The entry as ISO files have it, where the source is QuickTime's version 1 or 2: the same fields without the extension, and the
    /// boxes that describe the codec out of their `wave`; `mp4a` for [QuickTime's MP3](Self::is_quicktime_mp3), and `ipcm` or `fpcm` for
    /// [its PCM](Self::quicktime_pcm). Browsers refuse the QuickTime form. `None`: it is in the ISO form already.
    pub fn iso_audio(&self, channels: u32, sample_rate: u32) -> Result<Option<Vec<u8>>> {
        let audio = self.audio()?;
        let (mp3, pcm) = (self.is_quicktime_mp3(), self.quicktime_pcm());
        if audio.version == 0 && find(audio.boxes, *b"wave").is_none() && !mp3 && pcm.is_none() {
            return Ok(None);
        }
        let mut w = Writer::with_capacity(self.bytes.len());
        let name = if mp3 { b"mp4a" } else { pcm.map_or(&self.name.0, |pcm| pcm.name()) };
        w.boxed(name, |w| {
            w.zeros(6);
            w.u16(1); // data_reference_index
            w.zeros(8);
            w.u16(u16::try_from(channels).unwrap_or(u16::MAX));
            w.u16(pcm.map_or(16, |pcm| pcm.bits.into())); // samplesize, a template field of all others
            w.zeros(4);
            w.u32(u16::try_from(sample_rate).map_or(0, |rate| u32::from(rate) << 16));
            // What is there twice counts as it stands in the entry itself, for who reads the QuickTime form too.
            let own = |name: &[u8; 4]| find(audio.boxes, *name).is_some();
            let inner = find(audio.boxes, *b"wave").into_iter().flat_map(children).filter_map(Result::ok).filter(|(name, _)| !own(&name.0));
            for (name, content) in inner.chain(children(audio.boxes).filter_map(Result::ok)) {
                // QuickTime's own: the nested container, a repetition of the coding name, its terminator, channel layout, a nested dummy.
                let quicktime = matches!(&name.0, b"wave" | b"frma" | b"\0\0\0\0" | b"chan" | b"mp4a" | b"enda");
                // What is written below is not there twice.
                let again = (mp3 && &name.0 == b"esds") || (pcm.is_some() && &name.0 == b"pcmC");
                if !quicktime && !again {
                    w.boxed(&name.0, |w| w.bytes(content.rest()));
                }
            }
            if let Some(pcm) = pcm {
                w.full_box(b"pcmC", 0, 0, |w| w.bytes(&[u8::from(pcm.little_endian), pcm.bits]));
            }
            if mp3 {
                // Elementary stream, its decoder (a sound stream of unknown rate), its synchronization layer (ISO/IEC 14496-1 7.2.6).
                w.full_box(b"esds", 0, 0, |w| {
                    w.bytes(&[3, 21, 0, 0, 0, 4, 13, mp3_object_type(sample_rate), 0x15, 0, 0, 0]);
                    w.zeros(8);
                    w.bytes(&[6, 1, 2]);
                });
            }
        });
        Ok(Some(w.into_bytes()))
    }

    /// Whether it is MP3, or layer 2, under a name of QuickTime: `.mp3`, or `ms` and the number that it has in WAVE files.
    pub fn is_quicktime_mp3(&self) -> bool {
        matches!(&self.name.0, b".mp3" | b".mp2" | b"ms\0\x55" | b"ms\0\x50")
    }

    /// PCM under a name of QuickTime, if it is that and ISO files have a form for it: not for unsigned values.
    pub fn quicktime_pcm(&self) -> Option<Pcm> {
        let audio = self.audio().ok()?;
        let enda = || audio.find(*b"enda").and_then(|mut enda| enda.u16().ok()) == Some(1);
        let pcm = |float, little_endian, bits| Pcm { float, little_endian, bits };
        let bits = u8::try_from(audio.sample_size).ok().filter(|bits| matches!(bits, 8 | 16 | 24 | 32 | 64));
        match (&self.name.0, bits) {
            (b"twos", Some(bits @ (8 | 16))) => Some(pcm(false, false, bits)),
            (b"sowt", Some(bits @ (8 | 16))) => Some(pcm(false, true, bits)),
            (b"in24", _) => Some(pcm(false, enda(), 24)),
            (b"in32", _) => Some(pcm(false, enda(), 32)),
            (b"fl32", _) => Some(pcm(true, enda(), 32)),
            (b"fl64", _) => Some(pcm(true, enda(), 64)),
            // Flags: float, big endian, signed.
            (b"lpcm", Some(bits)) if audio.format & 0b101 != 0 => Some(pcm(audio.format & 1 != 0, audio.format & 2 == 0, bits)),
            _ => None,
        }
    }
}

/// `objectTypeIndication` of MP3: MPEG-1 audio, or the lower rates that MPEG-2 added.
pub fn mp3_object_type(sample_rate: u32) -> u8 {
    if sample_rate < 32_000 { 0x69 } else { 0x6b }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{boxes::sample_entry::read_descriptions, coding::Reader};

    fn fields(w: &mut Writer, version: u16, rate: u32) {
        w.zeros(6);
        w.u16(1);
        w.u16(version);
        w.zeros(6);
        w.u16(2);
        w.u16(16);
        w.zeros(4);
        w.u32(rate << 16);
    }

    fn iso_form(bytes: &[u8]) -> Option<Vec<u8>> {
        let mut descriptions = Writer::default();
        descriptions.u32(0);
        descriptions.u32(1);
        descriptions.bytes(bytes);
        let descriptions = descriptions.into_bytes();
        let entries = read_descriptions(Reader::new(&descriptions, 0)).unwrap();
        entries[0].iso_audio(2, 48_000).unwrap()
    }

    #[test]
    fn quicktime_sound_is_brought_into_the_iso_form() {
        let mut expected = Writer::default();
        expected.boxed(b"mp4a", |w| {
            fields(w, 0, 48_000);
            w.boxed(b"esds", |w| w.bytes(&[1, 2, 3]));
            w.boxed(b"btrt", |w| w.zeros(12));
        });
        let expected = expected.into_bytes();
        assert_eq!(iso_form(&expected), None, "nothing to be done");
        let mut version_1 = Writer::default();
        version_1.boxed(b"mp4a", |w| {
            fields(w, 1, 48_000);
            w.zeros(16);
            w.boxed(b"wave", |w| {
                w.boxed(b"frma", |w| w.bytes(b"mp4a"));
                w.boxed(b"mp4a", |w| w.zeros(4));
                w.boxed(b"esds", |w| w.bytes(&[1, 2, 3]));
                w.boxed(&[0; 4], |_| {});
            });
            w.boxed(b"chan", |w| w.zeros(16));
            w.boxed(b"btrt", |w| w.zeros(12));
        });
        assert_eq!(iso_form(&version_1.into_bytes()), Some(expected.clone()));
        let mut twice = Writer::default();
        twice.boxed(b"mp4a", |w| {
            fields(w, 1, 48_000);
            w.zeros(16);
            w.boxed(b"wave", |w| w.boxed(b"esds", |w| w.bytes(&[9, 9])));
            w.boxed(b"esds", |w| w.bytes(&[1, 2, 3]));
            w.boxed(b"btrt", |w| w.zeros(12));
        });
        assert_eq!(iso_form(&twice.into_bytes()), Some(expected.clone()), "the one that describes the codec");
        let mut version_2 = Writer::default();
        version_2.boxed(b"mp4a", |w| {
            fields(w, 2, 1);
            w.zeros(4 + 8);
            w.u32(2);
            w.zeros(20);
            w.boxed(b"esds", |w| w.bytes(&[1, 2, 3]));
            w.boxed(b"btrt", |w| w.zeros(12));
        });
        assert_eq!(iso_form(&version_2.into_bytes()), Some(expected));
        let mut mp3 = Writer::default();
        mp3.boxed(b".mp3", |w| {
            fields(w, 1, 48_000);
            w.zeros(16);
            w.boxed(b"wave", |w| w.boxed(b"esds", |w| w.bytes(&[1, 2, 3])));
        });
        let mut expected = Writer::default();
        expected.boxed(b"mp4a", |w| {
            fields(w, 0, 48_000);
            w.full_box(b"esds", 0, 0, |w| w.bytes(&[3, 21, 0, 0, 0, 4, 13, 0x6b, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 1, 2]));
        });
        let expected = expected.into_bytes();
        assert_eq!(iso_form(&mp3.into_bytes()).as_ref(), Some(&expected));
        assert_eq!(iso_form(&expected), None);
    }
}
