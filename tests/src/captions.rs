//! Messages that carry closed captions.

/// What keeps the place of the first field of CTA-608.
pub const PADDING: [u8; 3] = [0xfc, 0x80, 0x80];
/// A control code of CC1: resume caption loading.
pub const CC1: [u8; 3] = [0xfc, 0x94, 0x20];
/// The same of CC3.
pub const CC3: [u8; 3] = [0xfd, 0x94, 0x20];

/// A message with these triplets (ATSC A/53 part 4 6.2.3), as supplemental enhancement information behind the header of its NAL unit.
pub fn message(triplets: &[[u8; 3]]) -> Vec<u8> {
    let length = u8::try_from(10 + 3 * triplets.len() + 1).unwrap_or(0);
    let count = u8::try_from(triplets.len()).unwrap_or(0);
    let head = [4, length, 0xb5, 0, 0x31, b'G', b'A', b'9', b'4', 3, 0x40 | count, 0xff];
    [&head, triplets.as_flattened(), &[0xff, 0x80]].concat()
}
