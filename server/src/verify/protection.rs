//! Encrypted segments: what they say of how to decrypt them, against the header and the manifests (ISO/IEC 23001-7).

use reelway_core::{
    boxes::{
        children,
        fragment::{TrackFragment, TrackRun},
        protection::{ProtectionScheme, SampleEncryption},
    },
    coding::Reader,
    error::Result,
};

use super::{Check, Part, representation::Context, segments::Faults};

const SENC: &str = "ISO/IEC 23001-7 7.2.1";
const SAIZ: &str = "ISO/IEC 14496-12 8.7.8";
const SAIO: &str = "ISO/IEC 14496-12 8.7.9";
const SUBSAMPLES: &str = "ISO/IEC 23001-7 9.5.1";

/// The boxes of a `traf` that are about encryption.
#[derive(Default)]
struct Boxes<'a> {
    senc: Option<Reader<'a>>,
    saiz: Option<Reader<'a>>,
    saio: Option<Reader<'a>>,
    group: Option<SampleEncryption>,
}

/// Checks what the `traf` in the content of a `moof` at byte `moof` says of the encryption of its samples.
pub fn check_fragment(
    content: Reader<'_>,
    moof: u64,
    fragment: &TrackFragment<'_>,
    scheme: &ProtectionScheme,
    video: bool,
    faults: &mut Faults,
) {
    let boxes = match boxes(content) {
        Ok(boxes) => boxes,
        Err(error) => return faults.push((error.to_string(), error.clause().unwrap_or(SENC))),
    };
    let Some(how) = boxes.group.or(scheme.default) else {
        return faults.push(("neither the header nor the fragment says how samples are encrypted".into(), "ISO/IEC 23001-7 8.2"));
    };
    match boxes.senc {
        Some(senc) => {
            if let Err(error) = check_samples(senc, &boxes, moof, fragment, &how, faults) {
                faults.push((error.to_string(), error.clause().unwrap_or(SENC)));
            }
        }
        // Whole samples with one vector need nothing more.
        None if how.iv_size == 0 && !video => {}
        None => faults.push(("an encrypted fragment has no 'senc'".into(), SENC)),
    }
}

fn boxes(content: Reader<'_>) -> Result<Boxes<'_>> {
    let mut found = Boxes::default();
    for child in children(content) {
        let (name, traf) = child?;
        if &name.0 != b"traf" {
            continue;
        }
        for child in children(traf) {
            let (name, content) = child?;
            match &name.0 {
                b"senc" => found.senc = Some(content),
                b"saiz" => found.saiz = Some(content),
                b"saio" => found.saio = Some(content),
                b"sgpd" => found.group = found.group.or(SampleEncryption::read_group(content)?),
                _ => {}
            }
        }
    }
    Ok(found)
}

/// `senc` against the samples, `saiz` and `saio` against `senc`.
fn check_samples(
    mut senc: Reader<'_>,
    boxes: &Boxes<'_>,
    moof: u64,
    fragment: &TrackFragment<'_>,
    how: &SampleEncryption,
    faults: &mut Faults,
) -> Result<()> {
    let (_, flags) = senc.full_box()?;
    let count = senc.u32()?;
    let place = senc.position();
    let samples: u64 = fragment.runs.iter().map(|run| u64::from(run.count)).sum();
    if u64::from(count) != samples {
        faults.push((format!("'senc' is of {count} samples, the fragment has {samples}"), SENC));
        return Ok(());
    }
    let mut saiz = boxes.saiz;
    let mut default = 0;
    match &mut saiz {
        Some(saiz) => {
            let (_, flags) = saiz.full_box()?;
            saiz.skip(if flags & 1 == 1 { 8 } else { 0 })?;
            default = saiz.u8()?;
            let told = saiz.u32()?;
            if told != count {
                faults.push((format!("'saiz' is of {told} samples, 'senc' of {count}"), SAIZ));
                return Ok(());
            }
        }
        None => faults.push(("'senc' without 'saiz'".into(), SAIZ)),
    }
    for (number, sample) in fragment.runs.iter().flat_map(TrackRun::samples).enumerate() {
        let size = u64::from(sample?.size);
        let before = senc.position();
        senc.skip(how.iv_size.into())?;
        if flags & 2 != 0 {
            let mut total = 0u64;
            for _ in 0..senc.u16()? {
                total += u64::from(senc.u16()?) + u64::from(senc.u32()?);
            }
            if total != size {
                faults.push((format!("the subsamples of sample {number} have {total} bytes, the sample {size}"), SUBSAMPLES));
                return Ok(());
            }
        }
        if let Some(saiz) = &mut saiz {
            let told = if default > 0 { default } else { saiz.u8()? };
            if u64::from(told) != senc.position() - before {
                let what = format!("'saiz' gives sample {number} {told} bytes, 'senc' {}", senc.position() - before);
                faults.push((what, SAIZ));
                return Ok(());
            }
        }
    }
    let Some(mut saio) = boxes.saio else {
        faults.push(("'senc' without 'saio'".into(), SAIO));
        return Ok(());
    };
    let (version, flags) = saio.full_box()?;
    saio.skip(if flags & 1 == 1 { 8 } else { 0 })?;
    let entries = saio.u32()?;
    let offset = if version == 0 { saio.u32()?.into() } else { saio.u64()? };
    if entries != 1 || moof.saturating_add(offset) != place {
        let what = format!("'saio' names byte {} in {entries} entries, 'senc' has its samples at {place}", moof.saturating_add(offset));
        faults.push((what, SAIO));
    }
    Ok(())
}

impl Check<'_> {
    /// `ContentProtection` of a Representation against its header.
    pub fn content_protection(&mut self, context: &Context<'_>, header: &Part) {
        const CLAUSE: &str = "ISO/IEC 23001-7 11.2";
        let Context { name, id, .. } = *context;
        let Some(header) = self.header(header) else { return };
        let found = context.levels.iter().rev().find_map(|level| level.protection);
        let (scheme, element) = match (&header.protection, found) {
            (None, None) => return,
            (Some(scheme), Some(element)) => (scheme, element),
            (Some(_), None) => {
                return self.error(name, format!("Representation '{id}' is encrypted, no ContentProtection says so"), CLAUSE);
            }
            (None, Some(_)) => {
                return self.error(name, format!("Representation '{id}' has ContentProtection, its header is clear"), CLAUSE);
            }
        };
        let value = element.attribute("value").unwrap_or_default();
        if value != scheme.scheme.to_string() {
            self.error(name, format!("Representation '{id}': ContentProtection says '{value}', the header '{}'", scheme.scheme), CLAUSE);
        }
        let told = element.attribute(("urn:mpeg:cenc:2013", "default_KID")).map(|kid| kid.replace('-', "").to_lowercase());
        let known = scheme.default.map(|default| data_encoding::HEXLOWER.encode(&default.key_id));
        if let (Some(told), Some(known)) = (told, known)
            && told != known
        {
            self.error(name, format!("Representation '{id}': default_KID is {told}, that of the header {known}"), CLAUSE);
        }
    }
}
