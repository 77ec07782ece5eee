//! H.265: where the slice segment header of a slice ends (ITU-T H.265 7.3.6).

mod parameters;

use alloc::collections::BTreeMap;

use super::rbsp::{Rbsp, bits_for};
use crate::error::{Error, Result};
use parameters::{Picture, ReferenceSet, Sequence};

/// What slice segment headers are read by: the parameter sets so far.
#[derive(Clone, Debug, Default)]
pub struct Hevc {
    sequences: BTreeMap<u32, Sequence>,
    pictures: BTreeMap<u32, Picture>,
}

/// `slice_type` (table 7-7).
mod slice_type {
    pub const B: u32 = 0;
    pub const I: u32 = 2;
}

impl Hevc {
    /// How many bytes of the NAL unit `nal`, at byte `position` of the input, are header and slice segment header; `None`: it is no
    /// slice. Parameter sets are kept for the slices that follow.
    pub fn clear(&mut self, nal: &[u8], position: u64) -> Result<Option<usize>> {
        let mut rbsp = Rbsp::new(nal, position);
        rbsp.skip(1)?;
        let kind = rbsp.bits(6)?;
        let layer = rbsp.bits(6)?;
        rbsp.skip(3)?;
        match kind {
            0..=31 if layer > 0 => {
                Err(Error::unsupported("a slice of a second layer of H.265: its encryption is not supported").at(position))
            }
            0..=9 | 16..=21 => self.slice(&mut rbsp, kind).map(|()| Some(rbsp.consumed())),
            10..=15 | 22..=31 => Err(Error::unsupported("a slice of a kind that H.265 reserves cannot be encrypted").at(position)),
            // A set that cannot be read is missed by the slices that need it, if there are any.
            33 if layer == 0 => {
                if let Ok((id, set)) = Sequence::read(&mut rbsp) {
                    self.sequences.insert(id, set);
                }
                Ok(None)
            }
            34 if layer == 0 => {
                if let Ok((id, set)) = Picture::read(&mut rbsp) {
                    self.pictures.insert(id, set);
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    fn slice(&self, r: &mut Rbsp<'_>, kind: u32) -> Result<()> {
        let first = r.flag()?;
        if (16..=23).contains(&kind) {
            r.skip(1)?;
        }
        let picture = self.pictures.get(&r.ue()?);
        let sets = picture.and_then(|picture| Some((picture, self.sequences.get(&picture.sequence)?)));
        let (picture, sequence) = sets.ok_or_else(super::missing_set)?;
        if sequence.screen_content || picture.screen_content {
            return Err(Error::unsupported("the screen content coding of H.265: its encryption is not supported"));
        }
        let mut dependent = false;
        if !first {
            dependent = picture.dependent_slices && r.flag()?;
            r.skip(bits_for(sequence.blocks))?;
        }
        if !dependent {
            independent(r, kind, picture, sequence)?;
        }
        if picture.entry_points {
            let count = r.ue_to(440 * 1024)?; // more than the rows and columns of tiles of any level
            if count > 0 {
                let bits = r.ue_to(31)? + 1;
                for _ in 0..count {
                    r.skip(bits)?;
                }
            }
        }
        if picture.extension {
            for _ in 0..r.ue_to(256)? {
                r.skip(8)?;
            }
        }
        // byte_alignment: a one, then zeros.
        r.skip(1)
    }
}

/// What a slice segment that depends on another has not.
fn independent(r: &mut Rbsp<'_>, kind: u32, picture: &Picture, sequence: &Sequence) -> Result<()> {
    r.skip(picture.extra_bits)?;
    let slice_type = r.ue_to(2)?;
    if picture.output_flag {
        r.skip(1)?;
    }
    if sequence.separate_planes {
        r.skip(2)?;
    }
    let (mut temporal, mut used) = (false, 0);
    // An IDR picture refers to none.
    if !matches!(kind, 19 | 20) {
        r.skip(sequence.order_bits)?;
        used = short_term(r, sequence)?;
        if let Some(known) = &sequence.long_term {
            used += long_term(r, known, sequence.order_bits)?;
        }
        temporal = sequence.temporal && r.flag()?;
    }
    let mut offset = false;
    if sequence.adaptive_offset {
        offset = r.flag()?;
        if sequence.chroma {
            offset |= r.flag()?;
        }
    }
    if slice_type != slice_type::I {
        inter(r, slice_type == slice_type::B, temporal, used, picture, sequence)?;
    }
    r.ue()?; // slice_qp_delta
    r.skip_ue(2 * u32::from(picture.chroma_offsets))?;
    r.skip(picture.chroma_offset_list.into())?;
    let mut deblocking = picture.deblocking;
    if picture.deblocking_override && r.flag()? {
        deblocking = !r.flag()?;
        r.skip_ue(2 * u32::from(deblocking))?;
    }
    if picture.filter_across_slices && (offset || deblocking) {
        r.skip(1)?;
    }
    Ok(())
}

/// The short-term reference pictures; returns how many of them the picture uses.
fn short_term(r: &mut Rbsp<'_>, sequence: &Sequence) -> Result<u32> {
    let sets = &sequence.reference_sets;
    if !r.flag()? {
        return ReferenceSet::read(r, sets, true).map(|set| set.used());
    }
    let count = u32::try_from(sets.len()).unwrap_or(u32::MAX);
    let index = r.bits(bits_for(count))?;
    let set = usize::try_from(index).ok().and_then(|index| sets.get(index));
    set.map(ReferenceSet::used).ok_or_else(|| Error::malformed("a slice names a set of reference pictures that there is not"))
}

/// The long-term reference pictures, `known` from the sequence or told here; returns how many of them the picture uses.
fn long_term(r: &mut Rbsp<'_>, known: &[bool], order_bits: u32) -> Result<u32> {
    let count = u32::try_from(known.len()).unwrap_or(u32::MAX);
    let named = if count > 0 { r.ue_to(32)? } else { 0 };
    let told = r.ue_to(32)?;
    let mut used = 0;
    for number in 0..named + told {
        let is_used = if number < named {
            let index = r.bits(bits_for(count))?;
            usize::try_from(index).ok().and_then(|index| known.get(index).copied()).unwrap_or(false)
        } else {
            r.skip(order_bits)?;
            r.flag()?
        };
        used += u32::from(is_used);
        if r.flag()? {
            r.ue()?;
        }
    }
    Ok(used)
}

/// What slices of type P and B have more; `used`: `NumPicTotalCurr`.
fn inter(r: &mut Rbsp<'_>, bi: bool, temporal: bool, used: u32, picture: &Picture, sequence: &Sequence) -> Result<()> {
    let mut references = picture.references;
    if r.flag()? {
        let [first, second] = &mut references;
        *first = r.ue_to(14)? + 1;
        if bi {
            *second = r.ue_to(14)? + 1;
        }
    }
    let lists = if bi { 2 } else { 1 };
    if picture.lists_modification && used > 1 {
        for count in references.iter().take(lists) {
            if r.flag()? {
                r.skip(count * bits_for(used))?;
            }
        }
    }
    r.skip(bi.into())?; // mvd_l1_zero_flag
    r.skip(picture.cabac_init.into())?;
    if temporal {
        let [first, second] = references;
        let from = if bi && !r.flag()? { second } else { first };
        r.skip_ue((from > 1).into())?;
    }
    if if bi { picture.weighted_bi } else { picture.weighted } {
        weights(r, references.iter().take(lists), sequence.chroma)?;
    }
    r.skip_ue(1) // five_minus_max_num_merge_cand
}

/// `pred_weight_table` (7.3.6.3): in one layer no reference picture has the time of the picture itself.
fn weights<'a>(r: &mut Rbsp<'_>, references: impl Iterator<Item = &'a u32>, chroma: bool) -> Result<()> {
    r.skip_ue(1 + u32::from(chroma))?;
    for count in references {
        let luma = r.bits(*count)?.count_ones();
        let chroma = if chroma { r.bits(*count)? } else { 0 }.count_ones();
        // The codes of all pictures follow each other: two for luma, four for chroma.
        r.skip_ue(2 * luma + 4 * chroma)?;
    }
    Ok(())
}
