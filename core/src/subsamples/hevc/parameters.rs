//! Parameter sets of H.265: what slice segment headers depend on (ITU-T H.265 7.3.2.2, 7.3.2.3, 7.3.7).

use alloc::vec::Vec;

use super::super::rbsp::Rbsp;
use crate::error::{Error, Result};

/// Of `seq_parameter_set_rbsp`.
#[expect(clippy::struct_excessive_bools, reason = "flags of the bitstream")]
#[derive(Clone, Debug)]
pub struct Sequence {
    /// `ChromaArrayType` is not 0.
    pub chroma: bool,
    pub separate_planes: bool,
    /// `PicSizeInCtbsY`.
    pub blocks: u32,
    /// Bits of `slice_pic_order_cnt_lsb`.
    pub order_bits: u32,
    pub adaptive_offset: bool,
    pub reference_sets: Vec<ReferenceSet>,
    /// Long-term reference pictures, whether each is used, where there may be any.
    pub long_term: Option<Vec<bool>>,
    /// `sps_temporal_mvp_enabled_flag`.
    pub temporal: bool,
    /// A profile of screen content coding, whose slices have more fields.
    pub screen_content: bool,
}

/// Of `pic_parameter_set_rbsp`.
#[expect(clippy::struct_excessive_bools, reason = "flags of the bitstream")]
#[derive(Clone, Debug)]
pub struct Picture {
    pub sequence: u32,
    pub dependent_slices: bool,
    pub output_flag: bool,
    pub extra_bits: u32,
    pub cabac_init: bool,
    pub references: [u32; 2],
    pub chroma_offsets: bool,
    pub weighted: bool,
    pub weighted_bi: bool,
    /// Tiles or rows with entry points.
    pub entry_points: bool,
    pub filter_across_slices: bool,
    pub deblocking_override: bool,
    /// Whether blocks are filtered where the slice says nothing.
    pub deblocking: bool,
    pub lists_modification: bool,
    pub extension: bool,
    pub chroma_offset_list: bool,
    pub screen_content: bool,
}

/// `st_ref_pic_set`: for each picture its distance in output order, the negative ones first, and whether it is used.
#[derive(Clone, Debug, Default)]
pub struct ReferenceSet {
    before: Vec<(i32, bool)>,
    after: Vec<(i32, bool)>,
}

impl ReferenceSet {
    /// How many of the pictures the picture uses.
    pub fn used(&self) -> u32 {
        let used = self.before.iter().chain(&self.after).filter(|(_, used)| *used).count();
        u32::try_from(used).unwrap_or(u32::MAX)
    }

    /// The set that follows `sets`; `in_slice`: it stands in a slice header and may be told by any of them (7.3.7, 7.4.8).
    pub fn read(r: &mut Rbsp<'_>, sets: &[Self], in_slice: bool) -> Result<Self> {
        if !sets.is_empty() && r.flag()? {
            let back = if in_slice { r.ue_to(63)? } else { 0 } + 1;
            let from = usize::try_from(back).ok().and_then(|back| sets.get(sets.len().checked_sub(back)?));
            let from = from.ok_or_else(|| Error::malformed("a set of reference pictures is told by one that there is not"))?;
            return Self::predicted(r, from);
        }
        let (before, after) = (r.ue_to(16)?, r.ue_to(16)?);
        let mut list = |count, sign: i32| {
            let mut distance = 0i32;
            (0..count)
                .map(|_| {
                    distance += sign * (i32::try_from(r.ue_to(0x7fff)?).unwrap_or(0) + 1);
                    Ok((distance, r.flag()?))
                })
                .collect::<Result<Vec<_>>>()
        };
        Ok(Self { before: list(before, -1)?, after: list(after, 1)? })
    }

    /// (7-61) and (7-62): the pictures of `from` and its own, moved; in the order of their distance.
    fn predicted(r: &mut Rbsp<'_>, from: &Self) -> Result<Self> {
        let negative = r.flag()?;
        let distance = i32::try_from(r.ue_to(0x7fff)?).unwrap_or(0) + 1;
        let moved = if negative { -distance } else { distance };
        let mut set = Self::default();
        // In the order of the source: the negative ones, the positive ones, at last the picture of the set itself.
        for (distance, _) in from.before.iter().chain(&from.after).copied().chain([(0, false)]) {
            let used = r.flag()?;
            if !used && !r.flag()? {
                continue;
            }
            let distance = distance.saturating_add(moved);
            match distance {
                0 => {}
                ..0 => set.before.push((distance, used)),
                _ => set.after.push((distance, used)),
            }
        }
        set.before.sort_unstable_by_key(|(distance, _)| -distance);
        set.after.sort_unstable_by_key(|(distance, _)| *distance);
        if set.before.len().max(set.after.len()) > 16 {
            return Err(Error::malformed("more than 16 reference pictures on one side"));
        }
        Ok(set)
    }
}

impl Sequence {
    /// Reads what follows the NAL unit header; returns the number of the set too.
    pub fn read(r: &mut Rbsp<'_>) -> Result<(u32, Self)> {
        r.skip(4)?;
        let sub_layers = r.bits(3)?;
        r.skip(1)?;
        let screen_content = profile(r, sub_layers)?;
        let id = r.ue_to(15)?;
        let format = r.ue_to(3)?;
        let separate_planes = format == 3 && r.flag()?;
        let size = (r.ue_to(1 << 16)?, r.ue_to(1 << 16)?);
        if r.flag()? {
            r.skip_ue(4)?;
        }
        r.skip_ue(2)?;
        let order_bits = r.ue_to(12)? + 4;
        let levels = if r.flag()? { sub_layers + 1 } else { 1 };
        r.skip_ue(3 * levels)?;
        let log_block = r.ue_to(3)? + 3 + r.ue_to(3)?;
        let blocks = |length: u32| length.div_ceil(1 << log_block);
        let blocks = blocks(size.0) * blocks(size.1);
        r.skip_ue(4)?;
        if r.flag()? && r.flag()? {
            scaling_lists(r)?;
        }
        r.skip(1)?;
        let adaptive_offset = r.flag()?;
        if r.flag()? {
            r.skip(8)?;
            r.skip_ue(2)?;
            r.skip(1)?;
        }
        let mut reference_sets = Vec::new();
        for _ in 0..r.ue_to(64)? {
            let set = ReferenceSet::read(r, &reference_sets, false)?;
            reference_sets.push(set);
        }
        let mut long_term = None;
        if r.flag()? {
            let mut known = Vec::new();
            for _ in 0..r.ue_to(32)? {
                r.skip(order_bits)?;
                known.push(r.flag()?);
            }
            long_term = Some(known);
        }
        let temporal = r.flag()?;
        let chroma = format != 0 && !separate_planes;
        Ok((id, Self { chroma, separate_planes, blocks, order_bits, adaptive_offset, reference_sets, long_term, temporal, screen_content }))
    }
}

/// `profile_tier_level` (7.3.3); returns whether the profile is one of screen content coding (A.3.7, A.3.8).
fn profile(r: &mut Rbsp<'_>, sub_layers: u32) -> Result<bool> {
    r.skip(3)?;
    let profile = r.bits(5)?;
    let compatible = r.bits(32)?;
    r.skip(4 + 43 + 1 + 8)?;
    let mut present = Vec::new();
    for _ in 0..sub_layers {
        present.push((r.flag()?, r.flag()?));
    }
    if sub_layers > 0 {
        r.skip(2 * 8u32.saturating_sub(sub_layers))?;
    }
    for (profile, level) in present {
        r.skip(88 * u32::from(profile) + 8 * u32::from(level))?;
    }
    let screen_content = [9, 11].iter().any(|number| profile == *number || (compatible >> (31 - number)) & 1 == 1);
    Ok(screen_content)
}

/// `scaling_list_data` (7.3.4).
fn scaling_lists(r: &mut Rbsp<'_>) -> Result<()> {
    for size in 0..4 {
        for _ in 0..if size == 3 { 2 } else { 6 } {
            if r.flag()? {
                r.skip_ue(u32::from(size > 1) + if size == 0 { 16 } else { 64 })?;
            } else {
                r.ue()?;
            }
        }
    }
    Ok(())
}

impl Picture {
    /// Reads what follows the NAL unit header; returns the number of the set too.
    pub fn read(r: &mut Rbsp<'_>) -> Result<(u32, Self)> {
        let (id, sequence) = (r.ue_to(63)?, r.ue_to(15)?);
        let (dependent_slices, output_flag) = (r.flag()?, r.flag()?);
        let extra_bits = r.bits(3)?;
        r.skip(1)?;
        let cabac_init = r.flag()?;
        let references = [r.ue_to(14)? + 1, r.ue_to(14)? + 1];
        r.ue()?;
        r.skip(1)?;
        let transform_skip = r.flag()?;
        if r.flag()? {
            r.ue()?;
        }
        r.skip_ue(2)?;
        let chroma_offsets = r.flag()?;
        let (weighted, weighted_bi) = (r.flag()?, r.flag()?);
        r.skip(1)?;
        let (tiles, rows) = (r.flag()?, r.flag()?);
        if tiles {
            let others = r.ue_to(1 << 12)? + r.ue_to(1 << 12)?;
            if !r.flag()? {
                r.skip_ue(others)?;
            }
            r.skip(1)?;
        }
        let filter_across_slices = r.flag()?;
        let (mut deblocking_override, mut deblocking) = (false, true);
        if r.flag()? {
            deblocking_override = r.flag()?;
            deblocking = !r.flag()?;
            r.skip_ue(2 * u32::from(deblocking))?;
        }
        if r.flag()? {
            scaling_lists(r)?;
        }
        let lists_modification = r.flag()?;
        r.ue()?;
        let extension = r.flag()?;
        let (mut chroma_offset_list, mut screen_content) = (false, false);
        if r.flag()? {
            let range = r.flag()?;
            r.skip(2)?;
            screen_content = r.flag()?;
            r.skip(4)?;
            if range {
                r.skip_ue(transform_skip.into())?;
                r.skip(1)?;
                chroma_offset_list = r.flag()?;
            }
        }
        let set = Self {
            sequence,
            dependent_slices,
            output_flag,
            extra_bits,
            cabac_init,
            references,
            chroma_offsets,
            weighted,
            weighted_bi,
            entry_points: tiles || rows,
            filter_across_slices,
            deblocking_override,
            deblocking,
            lists_modification,
            extension,
            chroma_offset_list,
            screen_content,
        };
        Ok((id, set))
    }
}
