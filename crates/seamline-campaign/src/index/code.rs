//! Codes: bit strings cut into chunks of 16 bits, and the rule by which near codes are found without looking at all.
//!
//! Cut two codes of distance `d <= r` into `M` chunks that differ in `b_1 .. b_M` bits. With `t = floor(r / M)` the
//! numbers `b_j - (t + 1)` add up to at most `r - M (t + 1) <= -1`. By the cycle lemma (Dvoretzky and Motzkin, "A
//! problem of arrangements", 1947; Raney 1960) some rotation of a sequence of integers with a negative sum has only
//! negative prefix sums, hence there is a chunk `i` with
//!
//! - `b_i <= t`, and
//! - `b_i + b_{i+1} <= 2 (t + 1) - 1`.
//!
//! So a search probes every chunk for values within `t` bits of the query's, and of what it finds there it keeps
//! only entries whose **next** chunk fits the second bound. For 256 bits, `r = 31`, `M = 16` that is 272 buckets a
//! query, and one entry in 480 survives to the full comparison. Nothing within the distance is ever missed. The same
//! bounds under the name "pigeonring": Qin and Xiao, PVLDB 12(1), 2018.

use crate::pdq::PdqHash;

/// A bit string as `M` chunks of 16 bits.
pub type Code<const M: usize> = [u16; M];

/// Number of bits in which two codes differ.
#[inline]
pub fn distance<const M: usize>(a: &Code<M>, b: &Code<M>) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
}

/// What can be searched for: something that becomes a code of the same distances.
pub trait ToCode<const M: usize> {
    /// The code; the distance of two codes is the distance of what they were made from.
    fn to_code(&self) -> Code<M>;
}

impl<const M: usize> ToCode<M> for Code<M> {
    fn to_code(&self) -> Code<M> {
        *self
    }
}

impl ToCode<16> for PdqHash {
    /// Chunk `c` takes one bit of every vertical frequency, along a diagonal: neighbouring cosines of one picture
    /// depend on one another more than those of a diagonal do, and even buckets are what keeps a search fast.
    fn to_code(&self) -> Code<16> {
        let mut chunks = [0u16; 16];
        for row in 0..16u32 {
            let bits = ((self.0[(row / 4) as usize] >> (16 * (row % 4))) as u16).rotate_right(row);
            for (c, chunk) in chunks.iter_mut().enumerate() {
                *chunk |= (bits >> c & 1) << row;
            }
        }
        chunks
    }
}

impl ToCode<2> for u32 {
    /// Even and odd bits: each of the fingerprint's sixteen filters gives two bits, so both chunks see all filters.
    fn to_code(&self) -> Code<2> {
        let mut chunks = [0u16; 2];
        for bit in 0..32 {
            chunks[bit % 2] |= ((*self >> bit & 1) as u16) << (bit / 2);
        }
        chunks
    }
}

/// How many bits the probed chunk may differ in, for a search within `radius`.
pub(super) fn allowance<const M: usize>(radius: u32) -> u32 {
    radius / M as u32
}

/// The largest radius that a search of `M` chunks serves: one bit a probed chunk at most.
pub const fn max_radius<const M: usize>() -> u32 {
    2 * M as u32 - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn distances_survive_the_cutting(a: [u64; 4], b: [u64; 4], x: u32, y: u32) {
            let (a, b) = (PdqHash(a), PdqHash(b));
            prop_assert_eq!(a.distance(&b), distance(&a.to_code(), &b.to_code()));
            prop_assert_eq!((x ^ y).count_ones(), distance(&x.to_code(), &y.to_code()));
        }
    }
}
