//! The CMAF header (ISO/IEC 23000-19 7.2.1), known to HLS as the Media Initialization Section and to DASH as the initialization segment.
//!
//! ```text
//! ftyp
//! moov  mvhd, trak, mvex (trex)
//! trak  tkhd, edts (elst), mdia
//! mdia  mdhd, hdlr, minf (vmhd | smhd | nmhd | sthd, dinf (dref), stbl (stsd and empty tables))
//! ```

use alloc::vec::Vec;

use crate::{
    boxes::movie::pack_language,
    codec::{Kind, stpp},
    coding::Writer,
    track::Track,
};

/// `track_ID` of the only track of every rendition.
pub const TRACK_ID: u32 = 1;

/// The header of a rendition that holds the samples of `track` alone.
///
/// The sample entries are the source's, byte for byte. An edit list is written only where presentation begins inside the media: a late
/// start is in the decode times instead, because players of Media Source Extensions pass over empty edits.
pub fn cmaf_header(track: &Track) -> Vec<u8> {
    protected_cmaf_header(track, &track.sample_entries, &[])
}

/// The same with other sample entries, and with `systems`, which are boxes `pssh`.
pub fn protected_cmaf_header(track: &Track, sample_entries: &[Vec<u8>], systems: &[u8]) -> Vec<u8> {
    let mut w = Writer::with_capacity(768 + sample_entries.iter().map(Vec::len).sum::<usize>() + systems.len());
    w.boxed(b"ftyp", |w| {
        let second = is_second_edition(track);
        w.bytes(if second { b"cmf2" } else { b"cmfc" });
        w.u32(0);
        if second {
            w.bytes(b"cmf2");
        }
        w.bytes(b"cmfciso6dash");
    });
    w.boxed(b"moov", |w| {
        w.full_box(b"mvhd", 0, 0, |w| {
            w.zeros(8);
            w.u32(track.timescale.get());
            w.u32(0); // duration: in the fragments
            w.u32(0x1_0000);
            w.u16(0x100);
            w.zeros(10);
            unity_matrix(w);
            w.zeros(24);
            w.u32(TRACK_ID + 1);
        });
        w.boxed(b"trak", |w| write_track(w, track, sample_entries));
        w.boxed(b"mvex", |w| {
            w.full_box(b"trex", 0, 0, |w| {
                w.u32(TRACK_ID);
                w.u32(1);
                w.zeros(12);
            });
        });
        w.bytes(systems);
    });
    w.into_bytes()
}

/// Whether the rendition is what the brand `cmf2` promises (ISO/IEC 23000-19 7.2): no edit list, and each chunk is presented from its
/// decode time on. Pictures that are reordered as their source has them are not: their order costs time before the first.
fn is_second_edition(track: &Track) -> bool {
    media_time(track).is_none() && !track.samples.is_reordered(0..track.samples.len())
}

/// The media time at which presentation begins, if that is not the start of the media.
fn media_time(track: &Track) -> Option<u64> {
    u64::try_from(track.shift.checked_neg()?).ok().filter(|time| *time > 0)
}

fn unity_matrix(w: &mut Writer) {
    for value in [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000] {
        w.u32(value);
    }
}

/// The handler of a track (ISO/IEC 14496-12 8.4.3, 12.1 to 12.6): WebVTT is text, TTML is subtitles (ISO/IEC 14496-30 6.2, 7.2).
fn handler(track: &Track) -> &'static [u8; 4] {
    match track.kind() {
        Kind::Video => b"vide",
        Kind::Audio => b"soun",
        Kind::Text if stpp::is_stpp(&track.codec.string) => b"subt",
        Kind::Text => b"text",
        Kind::Metadata => b"meta",
    }
}

fn write_track(w: &mut Writer, track: &Track, sample_entries: &[Vec<u8>]) {
    let kind = track.kind();
    // Enabled and in the movie, whatever the source says: who publishes a rendition of its own means it to be played.
    w.full_box(b"tkhd", 0, 3, |w| {
        w.zeros(8);
        w.u32(TRACK_ID);
        w.zeros(8 + 8);
        w.zeros(4);
        w.u16(if kind == Kind::Audio { 0x100 } else { 0 });
        w.zeros(2);
        w.bytes(&track.matrix);
        w.u32(track.dimensions.0);
        w.u32(track.dimensions.1);
    });
    if let Some(time) = media_time(track) {
        w.boxed(b"edts", |w| {
            w.full_box(b"elst", 1, 0, |w| {
                w.u32(1);
                w.u64(0); // to the end of the media (ISO/IEC 23000-19 7.5.13)
                w.u64(time);
                w.u32(0x1_0000);
            });
        });
    }
    w.boxed(b"mdia", |w| {
        w.full_box(b"mdhd", 0, 0, |w| {
            w.zeros(8);
            w.u32(track.timescale.get());
            w.u32(0);
            w.u16(pack_language(track.language.as_deref()));
            w.u16(0);
        });
        w.full_box(b"hdlr", 0, 0, |w| {
            w.u32(0);
            w.bytes(handler(track));
            w.zeros(12);
            w.bytes(b"Reelway\0");
        });
        if let Some(tag) = track.language.as_deref().filter(|tag| tag.len() != 3) {
            w.full_box(b"elng", 0, 0, |w| {
                w.bytes(tag.as_bytes());
                w.u8(0);
            });
        }
        w.boxed(b"minf", |w| {
            match handler(track) {
                b"vide" => w.full_box(b"vmhd", 0, 1, |w| w.zeros(8)),
                b"soun" => w.full_box(b"smhd", 0, 0, |w| w.zeros(4)),
                b"subt" => w.full_box(b"sthd", 0, 0, |_| {}),
                _ => w.full_box(b"nmhd", 0, 0, |_| {}),
            }
            w.boxed(b"dinf", |w| {
                w.full_box(b"dref", 0, 0, |w| {
                    w.u32(1);
                    w.full_box(b"url ", 0, 1, |_| {});
                });
            });
            w.boxed(b"stbl", |w| {
                w.full_box(b"stsd", 0, 0, |w| {
                    w.u32(u32::try_from(sample_entries.len()).unwrap_or(u32::MAX));
                    for entry in sample_entries {
                        w.bytes(entry);
                    }
                });
                w.full_box(b"stts", 0, 0, |w| w.u32(0));
                w.full_box(b"stsc", 0, 0, |w| w.u32(0));
                w.full_box(b"stsz", 0, 0, |w| w.zeros(8));
                w.full_box(b"stco", 0, 0, |w| w.u32(0));
            });
        });
    });
}
