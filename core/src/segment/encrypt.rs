//! Encryption of segments: payload in place, and heads that tell how it was done (ISO/IEC 23001-7; RFC 8216bis 4.4.4.4).

use alloc::{format, vec::Vec};
use core::ops::Range;

use aes::{
    Aes128Enc,
    cipher::{Block, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, InnerIvInit, KeyInit, StreamCipher},
};
use ctr::{Ctr64BE, CtrCore};

use super::{
    chunk::{self, Additions},
    header::{cmaf_header, protected_cmaf_header},
};
use crate::{
    boxes::{
        protection::{CBCS, CENC, SampleEncryption, write_protected_entry, write_sample_group},
        sample_entry::read_entry,
    },
    codec::Kind,
    coding::{Reader, Writer},
    encryption::{ContentKey, Encryption},
    error::{Error, Result},
    protection::{KeyInfo, Scheme},
    subsamples::Finder,
    track::Track,
};

/// A piece of an encrypted segment: bytes that were made, then a stretch of the payload that the caller read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptedFragment {
    /// `moof` and the header of `mdat`, `styp` before them at the start of a segment; with AES-128 all of the segment.
    pub head: Vec<u8>,
    /// What of the payload follows.
    pub payload: Range<usize>,
}

/// Which segment is encrypted, of which rendition.
#[derive(Clone, Copy, Debug)]
pub struct SegmentId {
    /// Its number, from 1.
    pub number: u32,
    /// A number that no other rendition of the presentation has: samples of two renditions with one key must not have one vector.
    pub rendition: u32,
}

/// Encrypts the segment `id` with the samples `numbers` of `track`. `payload`: the bytes of these samples, one after the other as
/// the extents of the segment name them; it is encrypted in place, but for AES-128, where the heads are.
pub fn segment(
    track: &Track,
    numbers: Range<u32>,
    id: SegmentId,
    encryption: &Encryption,
    payload: &mut [u8],
) -> Result<Vec<EncryptedFragment>> {
    let expected = track.samples.bytes_of(numbers.clone());
    if payload.len() as u64 != expected {
        return Err(Error::misuse(format!("the segment has {expected} bytes of payload, {} were given", payload.len())));
    }
    let key = encryption.key(track.kind(), id.number);
    if encryption.scheme() == Scheme::Aes128 {
        let head = whole(track, numbers, id.number, key, payload);
        return Ok(Vec::from([EncryptedFragment { head, payload: 0..0 }]));
    }
    let mut samples =
        SampleCipher::new(track.kind(), id.rendition, (encryption.scheme(), encryption.rotates(track.kind())), key, finders(track)?);
    let mut end = 0usize;
    let mut fragments = Vec::new();
    for chunk in chunk::chunks(track, numbers.clone()) {
        samples.begin();
        let start = end;
        let description = track.samples.description(chunk.start);
        for (number, sample) in (chunk.start..).zip(track.samples.range(chunk.clone())) {
            let begin = end;
            end = end.saturating_add(usize::try_from(sample.size).unwrap_or(usize::MAX));
            // It is there: the length of all of them was checked.
            samples.encrypt(number, description, payload.get_mut(begin..end).unwrap_or_default(), sample.offset)?;
        }
        let first = chunk.start == numbers.start;
        let additions = Additions { before: chunk::events(track, &chunk), ..samples.additions(&chunk, first) };
        let head = chunk::head(track, &chunk, first, &additions);
        fragments.push(EncryptedFragment { head, payload: start..end });
    }
    Ok(fragments)
}

/// Whether `track` can be encrypted: an error that says why not.
pub fn check(track: &Track, encryption: &Encryption) -> Result<()> {
    finders_for(track, encryption).map(drop)
}

/// What finds what of its samples stays clear: nothing where whole segments are encrypted.
pub(crate) fn finders_for(track: &Track, encryption: &Encryption) -> Result<Vec<Finder>> {
    if encryption.scheme() == Scheme::Aes128 { Ok(Vec::new()) } else { finders(track) }
}

/// A finder for each description of the track.
fn finders(track: &Track) -> Result<Vec<Finder>> {
    let finder = |entry: &Vec<u8>| Finder::new(&read_entry(&mut Reader::new(entry, 0))?, &track.codec.media);
    track.sample_entries.iter().map(finder).collect()
}

/// A whole segment by AES-128 of HLS.
fn whole(track: &Track, numbers: Range<u32>, number: u32, key: &ContentKey, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + payload.len() / 64 + 1024);
    let mut rest = payload;
    for fragment in chunk::segment(track, numbers) {
        bytes.extend_from_slice(&fragment.head);
        let length = fragment.extents.iter().map(|extent| extent.end - extent.start).sum::<u64>();
        let (part, after) = rest.split_at_checked(usize::try_from(length).unwrap_or(usize::MAX)).unwrap_or((rest, &[]));
        bytes.extend_from_slice(part);
        rest = after;
    }
    seal(bytes, number, key)
}

/// Bytes of segment `number`, encrypted by AES-128 of HLS: chained blocks, padded (PKCS #7).
pub(crate) fn seal(mut bytes: Vec<u8>, number: u32, key: &ContentKey) -> Vec<u8> {
    // Without a vector of its own a segment has its number (RFC 8216bis 5.2).
    let iv = key.info.iv.unwrap_or(u128::from(number).to_be_bytes());
    let padding = 16 - bytes.len() % 16;
    bytes.resize(bytes.len() + padding, u8::try_from(padding).unwrap_or(16));
    Aes128Enc::new(key.key.bytes().into()).encrypt_with_backend(Chain { iv: iv.into(), bytes: &mut bytes, step: 1 });
    bytes
}

/// Encrypts samples one after the other, and notes how for the head of their chunk.
pub(crate) struct SampleCipher<'a> {
    scheme: Scheme,
    key: &'a ContentKey,
    samples: SampleEncryption,
    cipher: Aes128Enc,
    /// One for each description.
    pub finders: Vec<Finder>,
    /// Samples are encrypted whole, without subsamples.
    whole: bool,
    /// The key is another in other segments, so that each says which it has.
    rotates: bool,
    /// What the vectors of the rendition begin with (`cenc`), or the constant one.
    iv: [u8; 16],
    rendition: u32,
    /// The content of `senc` after the count of samples.
    information: Vec<u8>,
    /// For each sample, how many bytes of it.
    sizes: Vec<u8>,
}

impl<'a> SampleCipher<'a> {
    /// For samples of a `rendition` of this kind; `rotates`: the key is another in other segments.
    pub fn new(kind: Kind, rendition: u32, (scheme, rotates): (Scheme, bool), key: &'a ContentKey, finders: Vec<Finder>) -> Self {
        let whole = kind != Kind::Video;
        Self {
            scheme,
            key,
            samples: key.samples(scheme, !whole),
            cipher: Aes128Enc::new(key.key.bytes().into()),
            finders,
            whole,
            rotates,
            iv: key.info.iv.unwrap_or_default(),
            rendition,
            information: Vec::new(),
            sizes: Vec::new(),
        }
    }

    /// Begins another chunk.
    fn begin(&mut self) {
        self.information.clear();
        self.sizes.clear();
    }

    /// Encrypts sample `number`, which has this `description` and stands at byte `position` of the input.
    pub fn encrypt(&mut self, number: u32, description: u8, sample: &mut [u8], position: u64) -> Result<()> {
        let iv = self.vector(number);
        let finder = self.finders.get_mut(usize::from(description)).ok_or_else(|| Error::misuse("a sample has no description"))?;
        let scheme = self.scheme;
        let start = self.information.len();
        self.information.extend(iv.iter().take(self.samples.iv_size.into()));
        let whole = self.whole;
        let mut counter = (scheme != Scheme::Cbcs).then(|| Ctr64BE::from_core(CtrCore::inner_iv_init(&self.cipher, &iv.into())));
        let mut apply = |bytes: &mut [u8]| match &mut counter {
            Some(counter) => counter.apply_keystream(bytes),
            None => self.cipher.encrypt_with_backend(Chain { iv: iv.into(), bytes, step: if whole { 1 } else { 10 } }),
        };
        if whole {
            apply(sample);
        } else {
            // Whole blocks end where the stretch ends; only `cbcs` lets a rest of one, which stays clear, stand there.
            let blocks = scheme != Scheme::Cbcs || finder.is_aligned();
            let count_at = self.information.len();
            self.information.extend([0; 2]);
            let (mut count, mut clear_from) = (0u16, 0);
            for stretch in finder.find(sample, position)? {
                let length = if blocks { stretch.len() & !15 } else { stretch.len() };
                let start = stretch.end.saturating_sub(length);
                if let Some(bytes) = sample.get_mut(start..stretch.end).filter(|bytes| bytes.len() >= 16) {
                    apply(bytes);
                    count = count.saturating_add(note(&mut self.information, start.saturating_sub(clear_from), length));
                    clear_from = stretch.end;
                }
            }
            if clear_from < sample.len() {
                count = count.saturating_add(note(&mut self.information, sample.len() - clear_from, 0));
            }
            if let Some(slot) = self.information.get_mut(count_at..count_at + 2) {
                slot.copy_from_slice(&count.to_be_bytes());
            }
        }
        let size = self.information.len() - start;
        self.sizes.push(u8::try_from(size).map_err(|_| {
            let message = format!("a sample has so many slices or tiles that it takes {size} bytes to tell them, 255 are possible");
            Error::unsupported(message).at(position).by("ISO/IEC 14496-12 8.7.8")
        })?);
        Ok(())
    }

    /// The vector of a sample. In counter mode no other sample of the presentation has the same: its first half tells the rendition and
    /// the sample apart, the second counts blocks.
    fn vector(&self, number: u32) -> [u8; 16] {
        let apart = (u128::from(self.rendition) << 40) | u128::from(number);
        match self.scheme {
            Scheme::Cbcs | Scheme::Aes128 => self.iv,
            Scheme::Cenc => (u128::from_be_bytes(self.iv) >> 64).wrapping_add(apart).wrapping_shl(64).to_be_bytes(),
            Scheme::Cenc16 => u128::from_be_bytes(self.iv).wrapping_add(apart << 64).to_be_bytes(),
        }
    }

    /// What the head of the chunk with the samples `numbers` has to say; `first`: of its segment.
    pub fn additions(&self, numbers: &Range<u32>, first: bool) -> Additions {
        let mut track = Writer::with_capacity(self.information.len() + self.sizes.len() + 160);
        let mut fragment = Writer::default();
        let count = numbers.end.saturating_sub(numbers.start);
        if self.rotates {
            write_sample_group(&mut track, count, &self.samples);
            if first {
                write_systems(&mut fragment, &self.key.info);
            }
        }
        let mut offset = None;
        // A constant vector and whole samples leave nothing to be told (ISO/IEC 23001-7 7.1).
        if self.sizes.iter().any(|size| *size > 0) {
            let size = self.sizes.first().copied().filter(|first| self.sizes.iter().all(|size| size == first));
            track.full_box(b"saiz", 0, 0, |w| {
                w.u8(size.unwrap_or(0));
                w.u32(count);
                w.bytes(if size.is_some() { &[] } else { &self.sizes });
            });
            let mut field = 0;
            track.full_box(b"saio", 0, 0, |w| {
                w.u32(1);
                field = w.len();
                w.u32(0);
            });
            let mut target = 0;
            track.full_box(b"senc", 0, if self.whole { 0 } else { 2 }, |w| {
                w.u32(count);
                target = w.len();
                w.bytes(&self.information);
            });
            offset = Some((field, target));
        }
        Additions { before: Vec::new(), fragment: fragment.into_bytes(), track: track.into_bytes(), offset }
    }
}

/// Notes so many clear bytes and so many protected ones as subsamples; how many these are, since one tells 65 535 clear bytes at most.
fn note(information: &mut Vec<u8>, mut clear: usize, protected: usize) -> u16 {
    let mut count = 1;
    while clear > usize::from(u16::MAX) {
        information.extend(u16::MAX.to_be_bytes());
        information.extend([0; 4]);
        clear -= usize::from(u16::MAX);
        count += 1;
    }
    information.extend(u16::try_from(clear).unwrap_or(u16::MAX).to_be_bytes());
    information.extend(u32::try_from(protected).unwrap_or(u32::MAX).to_be_bytes());
    count
}

/// Encrypts every `step`-th block of `bytes`, chained; a part of a block at the end stays clear.
struct Chain<'a> {
    iv: Block<Aes128Enc>,
    bytes: &'a mut [u8],
    step: usize,
}

impl BlockSizeUser for Chain<'_> {
    type BlockSize = <Aes128Enc as BlockSizeUser>::BlockSize;
}

impl BlockCipherEncClosure for Chain<'_> {
    #[expect(clippy::inline_always, reason = "only inside the backend does the compiler have the processor's AES instructions")]
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = Self::BlockSize>>(self, backend: &B) {
        let mut chained = self.iv;
        for bytes in self.bytes.chunks_mut(16 * self.step) {
            let Some(block) = bytes.first_chunk_mut::<16>() else { break };
            for (byte, mask) in chained.iter_mut().zip(&*block) {
                *byte ^= mask;
            }
            backend.encrypt_block((&mut chained).into());
            block.copy_from_slice(&chained);
        }
    }
}

/// The header of a rendition whose segments are encrypted: its sample entries are protected, and key systems are told the first key.
pub fn header(track: &Track, encryption: &Encryption) -> Vec<u8> {
    let video = track.kind() == Kind::Video;
    let scheme = match encryption.scheme() {
        // What is encrypted whole says nothing of it inside.
        Scheme::Aes128 => return cmaf_header(track),
        Scheme::Cenc | Scheme::Cenc16 => CENC,
        Scheme::Cbcs => CBCS,
    };
    let key = encryption.key(track.kind(), 1);
    let protected = |entry: &Vec<u8>| {
        let mut w = Writer::with_capacity(entry.len() + 120);
        write_protected_entry(&mut w, entry, video, scheme, &key.samples(encryption.scheme(), video));
        w.into_bytes()
    };
    let mut systems = Writer::default();
    let entries: Vec<Vec<u8>> = track.sample_entries.iter().map(protected).collect();
    write_systems(&mut systems, &key.info);
    protected_cmaf_header(track, &entries, &systems.into_bytes())
}

fn write_systems(w: &mut Writer, key: &KeyInfo) {
    for system in key.systems() {
        system.write(w);
    }
}
