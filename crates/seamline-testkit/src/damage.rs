//! Seeded damage to files.

use crate::wave::Random;

/// Flips `flips` random bits.
pub fn flip_bits(data: &mut [u8], flips: usize, seed: u64) {
    let mut random = Random::new(seed);
    if data.is_empty() {
        return;
    }
    for _ in 0..flips {
        let at = random.below(data.len() as u64) as usize;
        data[at] ^= 1 << random.below(8);
    }
}

/// One of several kinds of damage, chosen by the seed: flipped bits, a cut, a zeroed, repeated or removed run.
pub fn mutate(data: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut out = data.to_vec();
    let n = out.len() as u64;
    if n < 8 {
        return out;
    }
    let start = random.below(n) as usize;
    let run = (1 + random.below(n / 4 + 1)) as usize;
    let end = (start + run).min(out.len());
    match random.below(6) {
        0 => flip_bits(&mut out, 1 + random.below(64) as usize, seed ^ 1),
        1 => out.truncate(start),
        2 => out[start..end].fill(0),
        3 => {
            let copy = out[start..end].to_vec();
            out.splice(start..start, copy);
        }
        4 => {
            out.drain(start..end);
        }
        // Damage to the head, where sizes and counts stand.
        _ => flip_bits(&mut out[..512.min(data.len())], 8, seed ^ 2),
    }
    out
}
