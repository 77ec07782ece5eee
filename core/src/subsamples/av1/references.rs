//! The eight frames that are kept for reference, and the seven names a frame has for them (AV1 7.8, 5.9.22).

use super::frame::Reference;

/// `get_relative_dist` (7.8): how far `a` is behind `b` in output order, in `bits` bits.
fn distance(a: u32, b: u32, bits: u32) -> i32 {
    if bits == 0 {
        return 0;
    }
    let difference = i32::try_from(a).unwrap_or(0) - i32::try_from(b).unwrap_or(0);
    let half = 1 << (bits - 1);
    (difference & (half - 1)) - (difference & half)
}

/// `set_frame_refs`: which slot each name means where a frame tells two of them only.
pub fn set_frame_references(slots: &[Option<Reference>; 8], last: usize, golden: usize, order: u32, bits: u32) -> [usize; 7] {
    let hint = |slot: usize| slots.get(slot).and_then(Option::as_ref).map_or(0, |reference| reference.order);
    // Distances from the frame itself: from 0 on they are behind it.
    let shifted: [i32; 8] = core::array::from_fn(|slot| distance(hint(slot), order, bits));
    let mut used: [bool; 8] = core::array::from_fn(|slot| slot == last || slot == golden);
    // Of equal ones the later slot is the latest, the earlier slot the earliest.
    let mut claim = |backward: bool, latest: bool| {
        let free = shifted.iter().zip(&used).enumerate().filter(|(_, (hint, used))| !**used && (**hint >= 0) == backward);
        let free = free.map(|(slot, (hint, _))| (*hint, slot));
        let found = if latest { free.max() } else { free.min() }.map(|(_, slot)| slot);
        if let Some(used) = found.and_then(|slot| used.get_mut(slot)) {
            *used = true;
        }
        found
    };
    let alternate = claim(true, true);
    let backward = claim(true, false);
    let alternate_2 = claim(true, false);
    let second = claim(false, true);
    let third = claim(false, true);
    let [backward, alternate_2, alternate] = [backward, alternate_2, alternate].map(|name| name.or_else(|| claim(false, true)));
    let earliest = shifted.iter().enumerate().min_by_key(|(slot, hint)| (**hint, *slot)).map_or(0, |(slot, _)| slot);
    let names = [Some(last), second, third, Some(golden), backward, alternate_2, alternate];
    names.map(|name| name.unwrap_or(earliest))
}

/// `skipModeAllowed` (5.9.22), from the order hints of the seven references.
pub fn skip_mode_allowed(hints: &[u32; 7], order: u32, bits: u32) -> bool {
    let before = |limit: u32| hints.iter().copied().filter(move |hint| distance(*hint, limit, bits) < 0);
    let Some(forward) = before(order).max_by(|a, b| distance(*a, *b, bits).cmp(&0)) else { return false };
    let backward = hints.iter().any(|hint| distance(*hint, order, bits) > 0);
    backward || before(forward).next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_wrap() {
        for (a, b, bits, expected) in [(5, 3, 7, 2), (3, 5, 7, -2), (1, 127, 7, 2), (127, 1, 7, -2), (9, 1, 0, 0)] {
            assert_eq!(distance(a, b, bits), expected);
        }
    }

    /// 7.8: two frames are named, the others follow from their order: behind the frame first, then before it.
    #[test]
    fn references_follow_from_two() {
        let slot = |order| Some(Reference { order, ..Reference::default() });
        let slots = [8, 4, 16, 12, 6, 2, 0, 14].map(slot);
        // The frame is at 10. Behind: 16 (slot 2), 12 (3), 14 (7). Before: 8 (0), 4 (1), 6 (4), 2 (5), 0 (6).
        assert_eq!(set_frame_references(&slots, 0, 1, 10, 7), [0, 4, 5, 1, 3, 7, 2]);
        // None is behind the frame at 20: the latest before it take the names, in turn.
        assert_eq!(set_frame_references(&slots, 2, 6, 20, 7), [2, 7, 3, 6, 0, 4, 1]);
    }

    #[test]
    fn skip_mode_needs_two_references() {
        for (hints, expected) in [
            ([8, 8, 8, 8, 12, 12, 12], true),
            ([8, 8, 8, 8, 8, 8, 8], false),
            ([8, 6, 8, 8, 8, 8, 8], true),
            ([12; 7], false),
            ([10; 7], false),
        ] {
            assert_eq!(skip_mode_allowed(&hints, 10, 7), expected, "{hints:?}");
        }
    }
}
