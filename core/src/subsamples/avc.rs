//! H.264: where the slice header of a slice ends (ITU-T H.264 7.3.2.1.1, 7.3.2.2, 7.3.3).

use alloc::collections::BTreeMap;

use super::rbsp::{Rbsp, bits_for};
use crate::error::{Error, Result};

/// What slice headers are read by: the parameter sets so far.
#[derive(Clone, Debug, Default)]
pub struct Avc {
    sequences: BTreeMap<u32, Sequence>,
    pictures: BTreeMap<u32, Picture>,
}

/// Of `seq_parameter_set_rbsp`, what slice headers depend on.
#[derive(Clone, Debug)]
struct Sequence {
    /// `ChromaArrayType` is not 0.
    chroma: bool,
    separate_planes: bool,
    frame_num_bits: u32,
    order: Order,
    frames_only: bool,
    /// `PicSizeInMapUnits`.
    map_units: u32,
}

/// `pic_order_cnt_type`.
#[derive(Clone, Copy, Debug)]
enum Order {
    Lsb { bits: u32 },
    Delta { always_zero: bool },
    Decoding,
}

/// Of `pic_parameter_set_rbsp`, what slice headers depend on.
#[expect(clippy::struct_excessive_bools, reason = "flags of the bitstream")]
#[derive(Clone, Debug)]
struct Picture {
    sequence: u32,
    cabac: bool,
    field_order: bool,
    /// `SliceGroupChangeRate`, where slice headers tell how far the change is.
    change_rate: Option<u32>,
    references: [u32; 2],
    weighted: bool,
    weighted_bi: u32,
    deblocking: bool,
    redundant: bool,
}

/// `slice_type` modulo 5 (table 7-6).
mod slice_type {
    pub const B: u32 = 1;
    pub const I: u32 = 2;
    pub const SP: u32 = 3;
    pub const SI: u32 = 4;
}

impl Avc {
    /// How many bytes of the NAL unit `nal`, at byte `position` of the input, are header and slice header; `None`: it is no slice.
    /// Parameter sets are kept for the slices that follow.
    pub fn clear(&mut self, nal: &[u8], position: u64) -> Result<Option<usize>> {
        let mut rbsp = Rbsp::new(nal, position);
        rbsp.skip(1)?;
        let reference = rbsp.bits(2)? != 0;
        match rbsp.bits(5)? {
            kind @ (1 | 5 | 19) => self.slice(&mut rbsp, reference, kind == 5).map(|()| Some(rbsp.consumed())),
            2..=4 => Err(Error::unsupported("data partitioning of H.264 has no rule for its encryption").at(position)),
            20 | 21 => Err(Error::unsupported("a slice of a second view or layer of H.264: its encryption is not supported").at(position)),
            // A set that cannot be read is missed by the slices that need it, if there are any.
            7 => {
                if let Ok((id, set)) = sequence(&mut rbsp) {
                    self.sequences.insert(id, set);
                }
                Ok(None)
            }
            8 => {
                if let Ok((id, set)) = picture(&mut rbsp) {
                    self.pictures.insert(id, set);
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    fn slice(&self, r: &mut Rbsp<'_>, reference: bool, idr: bool) -> Result<()> {
        r.ue()?; // first_mb_in_slice
        let kind = r.ue_to(9)? % 5;
        let picture = self.pictures.get(&r.ue()?);
        let sets = picture.and_then(|picture| Some((picture, self.sequences.get(&picture.sequence)?)));
        let (picture, sequence) = sets.ok_or_else(super::missing_set)?;
        if sequence.separate_planes {
            r.skip(2)?;
        }
        r.skip(sequence.frame_num_bits)?;
        let field = !sequence.frames_only && r.flag()?;
        if field {
            r.skip(1)?;
        }
        if idr {
            r.ue()?;
        }
        let bottom = picture.field_order && !field;
        match sequence.order {
            Order::Lsb { bits } => {
                r.skip(bits)?;
                r.skip_ue(bottom.into())?;
            }
            Order::Delta { always_zero: false } => r.skip_ue(1 + u32::from(bottom))?,
            Order::Delta { .. } | Order::Decoding => {}
        }
        if picture.redundant {
            r.ue()?;
        }
        let bi = kind == slice_type::B;
        if bi {
            r.skip(1)?; // direct_spatial_mv_pred_flag
        }
        let inter = !matches!(kind, slice_type::I | slice_type::SI);
        let mut references = picture.references;
        if inter && r.flag()? {
            let [first, second] = &mut references;
            *first = r.ue_to(31)? + 1;
            if bi {
                *second = r.ue_to(31)? + 1;
            }
        }
        let lists = if bi { 2 } else { usize::from(inter) };
        for _ in 0..lists {
            list_modification(r)?;
        }
        let weighted = if bi { picture.weighted_bi == 1 } else { inter && picture.weighted };
        if weighted {
            weights(r, references.iter().take(lists), sequence.chroma)?;
        }
        if reference {
            marking(r, idr)?;
        }
        if picture.cabac && inter {
            r.ue()?; // cabac_init_idc
        }
        r.ue()?; // slice_qp_delta
        if matches!(kind, slice_type::SP | slice_type::SI) {
            r.skip((kind == slice_type::SP).into())?;
            r.ue()?;
        }
        if picture.deblocking && r.ue()? != 1 {
            r.skip_ue(2)?;
        }
        if let Some(rate) = picture.change_rate {
            r.skip(bits_for(sequence.map_units.div_ceil(rate).saturating_add(1)))?;
        }
        Ok(())
    }
}

/// `ref_pic_list_modification` of one list (7.3.3.1).
fn list_modification(r: &mut Rbsp<'_>) -> Result<()> {
    if r.flag()? {
        while r.ue_to(3)? != 3 {
            r.ue()?;
        }
    }
    Ok(())
}

/// `pred_weight_table` (7.3.3.2).
fn weights<'a>(r: &mut Rbsp<'_>, references: impl Iterator<Item = &'a u32>, chroma: bool) -> Result<()> {
    r.skip_ue(1 + u32::from(chroma))?;
    for count in references {
        for _ in 0..*count {
            if r.flag()? {
                r.skip_ue(2)?;
            }
            if chroma && r.flag()? {
                r.skip_ue(4)?;
            }
        }
    }
    Ok(())
}

/// `dec_ref_pic_marking` (7.3.3.3).
fn marking(r: &mut Rbsp<'_>, idr: bool) -> Result<()> {
    if idr {
        return r.skip(2);
    }
    if r.flag()? {
        loop {
            match r.ue_to(6)? {
                0 => break,
                3 => r.skip_ue(2)?,
                5 => {}
                _ => r.skip_ue(1)?,
            }
        }
    }
    Ok(())
}

fn sequence(r: &mut Rbsp<'_>) -> Result<(u32, Sequence)> {
    let profile = r.bits(8)?;
    r.skip(16)?;
    let id = r.ue_to(31)?;
    let (mut format, mut separate_planes) = (1, false);
    if matches!(profile, 44 | 83 | 86 | 100 | 110 | 118 | 122 | 128 | 134 | 135 | 138 | 139 | 244) {
        format = r.ue_to(3)?;
        separate_planes = format == 3 && r.flag()?;
        r.skip_ue(2)?;
        r.skip(1)?;
        if r.flag()? {
            for list in 0..if format == 3 { 12 } else { 8 } {
                if r.flag()? {
                    scaling_list(r, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    let frame_num_bits = r.ue_to(12)? + 4;
    let order = match r.ue_to(2)? {
        0 => Order::Lsb { bits: r.ue_to(12)? + 4 },
        1 => {
            let always_zero = r.flag()?;
            r.skip_ue(2)?;
            let cycle = r.ue_to(255)?;
            r.skip_ue(cycle)?;
            Order::Delta { always_zero }
        }
        _ => Order::Decoding,
    };
    r.ue()?; // max_num_ref_frames
    r.skip(1)?;
    let (width, height) = (r.ue()?, r.ue()?);
    let map_units = width.saturating_add(1).saturating_mul(height.saturating_add(1));
    let frames_only = r.flag()?;
    Ok((id, Sequence { chroma: format != 0 && !separate_planes, separate_planes, frame_num_bits, order, frames_only, map_units }))
}

/// `scaling_list` (7.3.2.1.1.1).
fn scaling_list(r: &mut Rbsp<'_>, size: u32) -> Result<()> {
    let mut last = 8;
    for _ in 0..size {
        let next = (last + r.se()?.rem_euclid(256)) % 256;
        if next == 0 {
            break; // the rest is as the last
        }
        last = next;
    }
    Ok(())
}

fn picture(r: &mut Rbsp<'_>) -> Result<(u32, Picture)> {
    let (id, sequence) = (r.ue_to(255)?, r.ue_to(31)?);
    let (cabac, field_order) = (r.flag()?, r.flag()?);
    let groups = r.ue_to(7)? + 1;
    let mut change_rate = None;
    if groups > 1 {
        match r.ue_to(6)? {
            0 => r.skip_ue(groups)?,
            2 => r.skip_ue(2 * (groups - 1))?,
            3..=5 => {
                r.skip(1)?;
                change_rate = Some(r.ue()?.saturating_add(1));
            }
            6 => {
                for _ in 0..=r.ue()? {
                    r.skip(bits_for(groups))?;
                }
            }
            _ => {}
        }
    }
    let references = [r.ue_to(31)? + 1, r.ue_to(31)? + 1];
    let (weighted, weighted_bi) = (r.flag()?, r.bits(2)?);
    r.skip_ue(3)?;
    let deblocking = r.flag()?;
    r.skip(1)?;
    let redundant = r.flag()?;
    Ok((id, Picture { sequence, cabac, field_order, change_rate, references, weighted, weighted_bi, deblocking, redundant }))
}
