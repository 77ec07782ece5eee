//! Common Encryption undone, block by block as the standard tells it (ISO/IEC 23001-7): nothing here shares a line with what encrypts.

use std::collections::HashMap;

use aes::{
    Aes128,
    cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit},
};
use anyhow::{Context, Result, ensure};

/// Keys by their numbers.
pub type Keys = HashMap<[u8; 16], [u8; 16]>;

/// How samples are encrypted: the fields of `tenc` and of `seig`.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    /// Blocks encrypted, blocks left.
    pub pattern: (usize, usize),
    /// Bytes of the vector of each sample.
    pub iv_size: usize,
    /// The key.
    pub kid: [u8; 16],
    /// The vector of all samples.
    pub constant_iv: Option<[u8; 16]>,
}

/// A rendition whose samples are decrypted.
#[derive(Debug, Default)]
pub struct Decrypted {
    /// `cenc` or `cbcs`.
    pub scheme: String,
    /// The name that the sample entry had.
    pub original: String,
    /// What the header says.
    pub default: Parameters,
    /// The samples, in decoding order.
    pub samples: Vec<Vec<u8>>,
    /// The keys that fragments name, in turn.
    pub kids: Vec<[u8; 16]>,
    /// `pssh` in the header, and in fragments.
    pub systems: (usize, usize),
    /// How many subsamples there are.
    pub subsamples: usize,
    /// Bytes that are not encrypted, and that are.
    pub bytes: (usize, usize),
}

/// A box: name and content.
fn boxes(mut bytes: &[u8]) -> Result<Vec<(&[u8], &[u8])>> {
    let mut found = Vec::new();
    while bytes.len() >= 8 {
        let size = number(bytes.get(..4).context("no size")?);
        let (whole, rest) = bytes.split_at_checked(size).with_context(|| format!("a box of {size} bytes in {}", bytes.len()))?;
        found.push((whole.get(4..8).unwrap_or_default(), whole.get(8..).unwrap_or_default()));
        bytes = rest;
    }
    Ok(found)
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |value, byte| value << 8 | usize::from(*byte))
}

/// The first box at the end of a path of names.
fn find<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> Result<Option<&'a [u8]>> {
    let Some((name, rest)) = path.split_first() else { return Ok(Some(bytes)) };
    match boxes(bytes)?.into_iter().find(|(found, _)| found == name) {
        Some((_, content)) => find(content, rest),
        None => Ok(None),
    }
}

fn all(bytes: &[u8], name: [u8; 4]) -> Result<Vec<&[u8]>> {
    Ok(boxes(bytes)?.into_iter().filter(|(found, _)| *found == name).map(|(_, content)| content).collect())
}

/// Takes bytes from the front.
struct Taker<'a>(&'a [u8]);

impl<'a> Taker<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).context("a box ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self, count: usize) -> Result<usize> {
        self.take(count).map(number)
    }

    fn sixteen(&mut self) -> Result<[u8; 16]> {
        Ok(self.take(16)?.try_into()?)
    }
}

/// The fields that `tenc` and `seig` share.
fn parameters(bytes: &mut Taker<'_>) -> Result<Parameters> {
    bytes.take(1)?;
    let pattern = bytes.number(1)?;
    ensure!(bytes.number(1)? == 1, "not protected");
    let iv_size = bytes.number(1)?;
    let kid = bytes.sixteen()?;
    let constant_iv = if iv_size == 0 {
        ensure!(bytes.number(1)? == 16, "a constant vector of another size");
        Some(bytes.sixteen()?)
    } else {
        None
    };
    Ok(Parameters { pattern: (pattern >> 4, pattern & 15), iv_size, kid, constant_iv })
}

/// Decrypts `file`, a header and segments that follow it.
pub fn decrypt(file: &[u8], keys: &Keys) -> Result<Decrypted> {
    let mut done = Decrypted::default();
    let mut position = 0;
    let mut fragment = None;
    for (name, content) in boxes(file)? {
        let start = position;
        position += content.len() + 8;
        match name {
            b"moov" => read_header(&mut done, content)?,
            b"moof" => fragment = Some((content, start)),
            b"mdat" => {
                let (moof, moof_start) = fragment.take().context("mdat without moof")?;
                read_fragment(&mut done, file, moof, moof_start, start + 8, keys).with_context(|| format!("moof at {moof_start}"))?;
            }
            _ => {}
        }
    }
    Ok(done)
}

fn read_header(done: &mut Decrypted, moov: &[u8]) -> Result<()> {
    let stsd = find(moov, &[b"trak", b"mdia", b"minf", b"stbl", b"stsd"])?.context("no stsd")?;
    let [(name, entry)] = boxes(stsd.get(8..).context("no entry")?)?.try_into().ok().context("not one entry")?;
    let fields = match name {
        b"encv" => 78,
        b"enca" => 28,
        _ => anyhow::bail!("the sample entry is {}", String::from_utf8_lossy(name)),
    };
    let sinf = find(entry.get(fields..).context("no boxes")?, &[b"sinf"])?.context("no sinf")?;
    done.original = String::from_utf8_lossy(find(sinf, &[b"frma"])?.context("no frma")?).into_owned();
    let scheme = find(sinf, &[b"schm"])?.context("no schm")?;
    done.scheme = String::from_utf8_lossy(scheme.get(4..8).context("no scheme")?).into_owned();
    ensure!(scheme.get(8..12) == Some(&[0, 1, 0, 0][..]), "the scheme is of another version");
    let tenc = find(sinf, &[b"schi", b"tenc"])?.context("no tenc")?;
    ensure!(tenc.first() == Some(&u8::from(done.scheme == "cbcs")), "tenc of another version");
    done.default = parameters(&mut Taker(tenc.get(4..).context("no tenc")?))?;
    done.systems.0 = all(moov, *b"pssh")?.len();
    Ok(())
}

fn read_fragment(done: &mut Decrypted, file: &[u8], moof: &[u8], moof_start: usize, mdat: usize, keys: &Keys) -> Result<()> {
    let traf = find(moof, &[b"traf"])?.context("no traf")?;
    let sizes = sizes(traf)?;
    let mut how = done.default.clone();
    if let Some(group) = find(traf, &[b"sgpd"])? {
        let mut group = Taker(group);
        ensure!(group.number(4)? == 1 << 24 && group.take(4)? == b"seig", "a group of another kind");
        let length = group.number(4)?;
        ensure!(group.number(4)? == 1 && group.0.len() == length, "not one description");
        how = parameters(&mut group)?;
        let map = find(traf, &[b"sbgp"])?.context("no sbgp")?;
        ensure!(number(map.get(12..16).context("no map")?) == sizes.len(), "not all samples are of the group");
        ensure!(number(map.get(16..20).context("no map")?) == 0x1_0001, "not the group of the fragment");
    }
    done.kids.push(how.kid);
    done.systems.1 += all(moof, *b"pssh")?.len();
    let key = keys.get(&how.kid).context("a key that nobody has")?;
    let cipher = Aes128::new(key.into());
    let information = information(traf, &how, sizes.len())?;
    auxiliary(traf, file, moof_start, &information)?;
    let mut position = mdat;
    for (index, size) in sizes.iter().enumerate() {
        let mut sample = file.get(position..position + size).context("a sample behind the end")?.to_vec();
        position += size;
        let (iv, subsamples) = match information.get(index) {
            Some(told) => (told.iv.or(how.constant_iv).context("no vector")?, told.subsamples.clone()),
            None => (how.constant_iv.context("no vector")?, None),
        };
        done.subsamples += subsamples.as_ref().map_or(0, Vec::len);
        let subsamples = subsamples.unwrap_or_else(|| vec![(0, *size)]);
        ensure!(
            subsamples.iter().map(|(clear, protected)| clear + protected).sum::<usize>() == *size,
            "subsamples do not fill sample {index}"
        );
        let mut at = 0;
        let mut counter = u128::from_be_bytes(iv);
        let mut used = 0;
        for (clear, protected) in subsamples {
            let bytes = sample.get_mut(at + clear..at + clear + protected).context("outside")?;
            done.bytes.0 += clear;
            done.bytes.1 += protected;
            match done.scheme.as_str() {
                "cenc" => count(&cipher, &mut counter, &mut used, bytes),
                _ => unchain(&cipher, iv, how.pattern, bytes),
            }
            at += clear + protected;
        }
        done.samples.push(sample);
    }
    Ok(())
}

/// 10.1: the key stream goes on over the subsamples of a sample; the second half of the vector counts blocks.
fn count(cipher: &Aes128, counter: &mut u128, used: &mut usize, bytes: &mut [u8]) {
    for byte in bytes {
        let mut block = counter.to_be_bytes().into();
        cipher.encrypt_block(&mut block);
        *byte ^= block.get(*used).copied().unwrap_or(0);
        *used += 1;
        if *used == 16 {
            *used = 0;
            let low = u128::from(u64::MAX);
            *counter = (*counter & !low) | (counter.wrapping_add(1) & low);
        }
    }
}

/// 10.4: chained blocks in a pattern, from the vector on in each subsample; the part of a block at the end is clear.
fn unchain(cipher: &Aes128, iv: [u8; 16], pattern: (usize, usize), bytes: &mut [u8]) {
    let mut before = iv;
    for (index, block) in bytes.chunks_exact_mut(16).enumerate() {
        if pattern.1 > 0 && index % (pattern.0 + pattern.1) >= pattern.0 {
            continue;
        }
        let mut plain = aes::Block::try_from(&*block).unwrap_or_default();
        let now: [u8; 16] = plain.into();
        cipher.decrypt_block(&mut plain);
        for ((target, plain), mask) in block.iter_mut().zip(plain).zip(before) {
            *target = plain ^ mask;
        }
        before = now;
    }
}

/// The sizes of the samples of a fragment.
fn sizes(traf: &[u8]) -> Result<Vec<usize>> {
    let mut header = Taker(find(traf, &[b"tfhd"])?.context("no tfhd")?);
    let flags = header.number(4)?;
    header.take(4)?;
    let mut default = 0;
    for (flag, size) in [(1, 8), (2, 4), (8, 4), (16, 4), (32, 4)] {
        if flags & flag != 0 {
            let value = header.number(size)?;
            if flag == 16 {
                default = value;
            }
        }
    }
    let mut run = Taker(find(traf, &[b"trun"])?.context("no trun")?);
    let flags = run.number(4)?;
    let count = run.number(4)?;
    run.take(4 * usize::from(flags & 1 != 0) + 4 * usize::from(flags & 4 != 0))?;
    (0..count)
        .map(|_| {
            let mut size = default;
            for flag in [0x100, 0x200, 0x400, 0x800] {
                if flags & flag != 0 {
                    let value = run.number(4)?;
                    if flag == 0x200 {
                        size = value;
                    }
                }
            }
            Ok(size)
        })
        .collect()
}

/// What `senc` tells of a sample.
struct Information {
    iv: Option<[u8; 16]>,
    subsamples: Option<Vec<(usize, usize)>>,
    size: usize,
}

fn information(traf: &[u8], how: &Parameters, count: usize) -> Result<Vec<Information>> {
    let Some(senc) = find(traf, &[b"senc"])? else { return Ok(Vec::new()) };
    let mut senc = Taker(senc);
    let flags = senc.number(4)?;
    ensure!(senc.number(4)? == count, "senc has another number of samples");
    let mut all = Vec::new();
    for _ in 0..count {
        let before = senc.0.len();
        let mut iv = [0; 16];
        iv.get_mut(..how.iv_size).context("a long vector")?.copy_from_slice(senc.take(how.iv_size)?);
        let mut subsamples = None;
        if flags & 2 != 0 {
            let count = senc.number(2)?;
            subsamples = Some((0..count).map(|_| Ok((senc.number(2)?, senc.number(4)?))).collect::<Result<Vec<_>>>()?);
        }
        all.push(Information { iv: (how.iv_size > 0).then_some(iv), subsamples, size: before - senc.0.len() });
    }
    ensure!(senc.0.is_empty(), "senc has more bytes than samples");
    Ok(all)
}

/// `saiz` and `saio` name the same bytes.
fn auxiliary(traf: &[u8], file: &[u8], moof: usize, information: &[Information]) -> Result<()> {
    let (saiz, saio) = (find(traf, &[b"saiz"])?, find(traf, &[b"saio"])?);
    if information.is_empty() {
        ensure!(saiz.is_none() && saio.is_none(), "saiz or saio without senc");
        return Ok(());
    }
    let (mut saiz, saio) = (Taker(saiz.context("no saiz")?), saio.context("no saio")?);
    saiz.take(4)?;
    let (default, count) = (saiz.number(1)?, saiz.number(4)?);
    ensure!(count == information.len(), "saiz has another number of samples");
    for told in information {
        ensure!(if default > 0 { default } else { saiz.number(1)? } == told.size, "saiz has another size");
    }
    let offset = moof + number(saio.get(8..12).context("no offset")?);
    let senc = file.get(offset - 12..offset).context("saio points outside")?;
    ensure!(senc.get(..4) == Some(b"senc"), "saio does not point into senc");
    Ok(())
}
