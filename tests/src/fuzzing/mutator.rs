//! Changes of seeds that are the same in every run: a small stand-in for libFuzzer, for tests that last seconds.

/// Values of fields that readers get wrong.
const FIELDS: [u32; 8] = [0, 1, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

/// Makes inputs of seeds.
#[derive(Debug)]
pub struct Mutator(u64);

impl Mutator {
    /// One that makes other inputs for every `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap_or(0)
    }

    /// One of the seeds with one to eight changes.
    pub fn input(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let first = self.below(seeds.len());
        let mut input = seeds.get(first).cloned().unwrap_or_default();
        for _ in 0..=self.below(8) {
            self.change(&mut input, seeds);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let place = self.below(input.len());
        let length = self.below(64).min(input.len() - place);
        match self.below(8) {
            0..=2 => {
                let byte = u8::try_from(self.below(256)).unwrap_or(0);
                if let Some(slot) = input.get_mut(place) {
                    *slot = byte;
                }
            }
            3..=4 => {
                let field = FIELDS[self.below(FIELDS.len())];
                if let Some(slot) = input.get_mut(place..place + 4) {
                    slot.copy_from_slice(&field.to_be_bytes());
                }
            }
            5 => drop(input.drain(place..place + length)),
            6 => {
                let other = self.below(seeds.len());
                let other = seeds.get(other).map(Vec::as_slice).unwrap_or_default();
                let from = self.below(other.len());
                let piece = other.get(from..(from + 64).min(other.len())).unwrap_or_default();
                input.splice(place..place, piece.iter().copied());
            }
            _ => input.truncate(place),
        }
    }
}
