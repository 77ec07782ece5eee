//! Sorting by a heap, and by one routine for lists of all types: the standard library's sort brings kilobytes to the browser for each type,
//! as it is quick for orders of all kinds. What is sorted here is short, or hardly ever out of order.

use alloc::{collections::BinaryHeap, vec::Vec};

/// `list` in order, in its own memory.
pub fn sorted<T: Ord>(list: Vec<T>) -> Vec<T> {
    BinaryHeap::from(list).into_sorted_vec()
}

/// Sorts `list` by what `key` says of each; those of equal keys stay in order.
pub fn by_key<T>(list: &mut [T], key: impl Fn(&T) -> u64) {
    let places: Vec<(u64, usize)> = list.iter().map(key).zip(0..).collect();
    if places.is_sorted() {
        return;
    }
    let mut places = sorted(places);
    // Each place is given what belongs there, along the cycle that it is in; a place that has it names itself.
    for first in 0..places.len() {
        let mut here = first;
        while let Some((_, place)) = places.get_mut(here) {
            let from = core::mem::replace(place, here);
            if from == first || from == here {
                break;
            }
            list.swap(here, from);
            here = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    #[test]
    fn lists_are_sorted_and_equals_stay_in_order() {
        for (list, sorted) in [
            (vec![], vec![]),
            (vec![(1, 'a')], vec![(1, 'a')]),
            (vec![(1, 'a'), (1, 'b'), (2, 'c')], vec![(1, 'a'), (1, 'b'), (2, 'c')]),
            (vec![(3, 'a'), (1, 'b'), (3, 'c'), (1, 'd'), (2, 'e')], vec![(1, 'b'), (1, 'd'), (2, 'e'), (3, 'a'), (3, 'c')]),
        ] {
            let mut list: Vec<(u64, char)> = list;
            super::by_key(&mut list, |(key, _)| *key);
            assert_eq!(list, sorted);
        }
    }
}
