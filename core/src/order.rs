//! Sorting by one routine for lists of all types: each type that is sorted by the standard library's brings kilobytes to the browser.

use alloc::vec::Vec;

/// Sorts `list` by what `key` says of each; those of equal keys stay in order.
pub fn by_key<T>(list: &mut Vec<T>, key: impl Fn(&T) -> u64) {
    let mut places: Vec<(u64, usize)> = list.iter().map(key).zip(0..).collect();
    if places.is_sorted() {
        return;
    }
    places.sort_unstable();
    let mut items: Vec<Option<T>> = core::mem::take(list).into_iter().map(Some).collect();
    list.extend(places.iter().filter_map(|(_, place)| items.get_mut(*place)?.take()));
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
