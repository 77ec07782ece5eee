//! Any bytes as a sample entry with its decoder configuration: what manifests say of it is fit to stand there, and what is rewritten reads
//! as before.

use reelway_core::{
    boxes::{
        FourCc,
        protection::ProtectionScheme,
        sample_entry::{SampleEntry, read_entry},
    },
    codec::{self, Media},
    coding::{Reader, Writer},
    subsamples::Finder,
};

/// Handler, sample entry, configuration box.
type Form = (&'static [u8; 4], &'static [u8; 4], &'static [u8; 4]);

/// All sample entries that are read, and those that are known to be protected.
pub const FORMS: [Form; 35] = [
    (b"vide", b"avc1", b"avcC"),
    (b"vide", b"avc3", b"avcC"),
    (b"vide", b"hvc1", b"hvcC"),
    (b"vide", b"hev1", b"hvcC"),
    (b"vide", b"av01", b"av1C"),
    (b"vide", b"vp08", b"vpcC"),
    (b"vide", b"vp09", b"vpcC"),
    (b"vide", b"dvh1", b"dvcC"),
    (b"vide", b"dvhe", b"dvvC"),
    (b"vide", b"dav1", b"dvvC"),
    (b"vide", b"dva1", b"dvcC"),
    (b"vide", b"hvc1", b"dvvC"),
    (b"vide", b"encv", b"sinf"),
    (b"vide", b"vvc1", b"vvcC"),
    (b"vide", b"mp4v", b"esds"),
    (b"vide", b"s263", b"d263"),
    (b"soun", b"mp4a", b"esds"),
    (b"soun", b"mp4a", b"wave"),
    (b"soun", b".mp3", b"wave"),
    (b"soun", b"Opus", b"dOps"),
    (b"soun", b"fLaC", b"dfLa"),
    (b"soun", b"alac", b"alac"),
    (b"soun", b"ac-3", b"dac3"),
    (b"soun", b"ec-3", b"dec3"),
    (b"soun", b"ac-4", b"dac4"),
    (b"soun", b"mha1", b"mhaC"),
    (b"soun", b"iamf", b"iacb"),
    (b"soun", b"mlpa", b"dmlp"),
    (b"soun", b"ipcm", b"pcmC"),
    (b"soun", b"lpcm", b"wave"),
    (b"soun", b"enca", b"sinf"),
    (b"subt", b"stpp", b"mime"),
    (b"text", b"wvtt", b"vttC"),
    (b"sbtl", b"tx3g", b"ftab"),
    (b"meta", b"urim", b"uri "),
];

/// Set in the first byte: the rest is all of the entry, not its configuration.
pub const WHOLE: u8 = 0x80;

/// Describes a sample entry. The first byte chooses its form; then the content of the configuration box follows, behind it as many bytes of
/// other boxes as the second byte says.
pub fn configuration(bytes: &[u8]) {
    let Some(([form, others], rest)) = bytes.split_first_chunk() else { return };
    let (handler, name, config) = FORMS[usize::from(form & !WHOLE) % FORMS.len()];
    let (others, rest) = rest.split_at(usize::from(*others).min(rest.len()));
    let mut w = Writer::default();
    w.boxed(name, |w| {
        if form & WHOLE == 0 {
            match handler {
                b"vide" => w.bytes(&VISUAL),
                b"soun" => w.bytes(&SOUND),
                _ => w.zeros(8),
            }
            w.boxed(config, |w| w.bytes(rest));
            w.bytes(others);
        } else {
            w.bytes(rest);
        }
    });
    let bytes = w.into_bytes();
    let entry = read_entry(&mut Reader::new(&bytes, 0)).expect("the frame is whole");
    if let Ok(scheme) = ProtectionScheme::of(&entry) {
        described(&SampleEntry { name: scheme.original, ..entry }, *handler);
    }
    described(&entry, *handler);
}

fn described(entry: &SampleEntry<'_>, handler: [u8; 4]) {
    let Ok(codec) = codec::describe(entry, FourCc(handler)) else { return };
    // It stands in quotes in a playlist, among others behind commas, and in an attribute of the MPD.
    assert!(codec.string.chars().all(|c| c.is_ascii_alphanumeric() || ".+-_|".contains(c)), "{:?}", codec.string);
    match &codec.media {
        Media::Video(video) => assert!(video.pixel_aspect.0 > 0 && video.pixel_aspect.1 > 0),
        Media::Audio(audio) => {
            if let Ok(Some(iso)) = entry.iso_audio(audio.channels, audio.sample_rate) {
                let iso = read_entry(&mut Reader::new(&iso, 0)).expect("what we write can be read");
                let again = codec::describe(&iso, FourCc(handler)).expect("what we write can be described");
                assert_eq!(again.string, codec.string);
            }
        }
        Media::Text | Media::Metadata => {}
    }
    let _ = Finder::new(entry, &codec.media);
}

/// The fields of a visual sample entry of 16 by 16 pixels.
const VISUAL: [u8; 78] = {
    let mut fields = [0; 78];
    fields[25] = 16;
    fields[27] = 16;
    fields
};

/// The fields of a sound sample entry of two channels at 48 kHz.
const SOUND: [u8; 28] = {
    let mut fields = [0; 28];
    fields[17] = 2;
    fields[24] = 0xbb;
    fields[25] = 0x80;
    fields
};
