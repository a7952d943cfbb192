//! TrustMark's data layer: 100 bits as a decoder prints them to a checked payload.
//!
//! A packet is a payload, its BCH parity and four bits of which the last two name the code (PyPI `trustmark` 0.9.2,
//! `datalayer.py`: 40, 61, 68 or 75 bits of payload, 8, 5, 4 or 3 errors corrected). The code is binary BCH of length
//! 127 over x^7 + x^3 + 1, shortened; its parity is that of the payload filled up to whole bytes with zeros.
//! Decoding: Berlekamp (1968), Massey (1969), Chien (1964).

use crate::stats::ln_choose_up_to;

/// Primitive polynomial x^7 + x^3 + 1.
const PRIMITIVE: usize = 0b1000_1001;
/// Non-zero elements of the field.
const ORDER: usize = 127;
/// Bits of payload and parity.
const CODED: usize = 96;
/// Payload bits and errors corrected, by the number in the last two bits.
const SCHEMAS: [(usize, usize); 4] = [(40, 8), (61, 5), (68, 4), (75, 3)];

/// A packet whose check holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The payload.
    pub payload: Vec<bool>,
    /// Number of the code, as C2PA soft bindings give it before the `*`.
    pub schema: usize,
    /// Errors corrected, in payload and parity.
    pub corrected: usize,
}

impl Packet {
    /// ln of the probability that random bits pass the check with as few errors.
    pub fn ln_chance(&self) -> f64 {
        let parity = CODED - self.payload.len();
        (ln_choose_up_to(CODED, self.corrected) - parity as f64 * std::f64::consts::LN_2).min(0.0)
    }
}

/// Powers and logarithms of the field's generator.
struct Field {
    power: [u8; ORDER],
    log: [u8; ORDER + 1],
}

impl Field {
    fn new() -> Self {
        let mut field = Self { power: [0; ORDER], log: [0; ORDER + 1] };
        let mut x = 1usize;
        for (i, power) in field.power.iter_mut().enumerate() {
            *power = x as u8;
            if let Some(log) = field.log.get_mut(x) {
                *log = i as u8;
            }
            x <<= 1;
            if x > ORDER {
                x ^= PRIMITIVE;
            }
        }
        field
    }

    fn power(&self, exponent: usize) -> u8 {
        self.power[exponent % ORDER]
    }

    fn log(&self, x: u8) -> usize {
        usize::from(self.log[usize::from(x) & ORDER])
    }

    fn times(&self, a: u8, b: u8) -> u8 {
        if a == 0 || b == 0 { 0 } else { self.power(self.log(a) + self.log(b)) }
    }

    /// `b` is not 0.
    fn over(&self, a: u8, b: u8) -> u8 {
        if a == 0 { 0 } else { self.power(self.log(a) + ORDER - self.log(b)) }
    }
}

/// Checks and corrects a packet; `None` where it holds none, or is not of 100 bits.
pub fn decode(bits: &[bool]) -> Option<Packet> {
    let (coded, version) = bits.split_at_checked(CODED)?;
    let &[_, _, high, low] = version else { return None };
    let schema = usize::from(high) * 2 + usize::from(low);
    let &(capacity, most) = SCHEMAS.get(schema)?;
    let (payload, parity) = coded.split_at_checked(capacity)?;
    let filled = capacity.next_multiple_of(8);
    let mut word = payload.to_vec();
    word.resize(filled, false);
    word.extend_from_slice(parity);

    let field = Field::new();
    let syndromes = syndromes(&field, &word, most);
    let errors = match syndromes.iter().all(|&s| s == 0) {
        true => Vec::new(),
        false => locate(&field, &syndromes, most, word.len())?,
    };
    for &at in &errors {
        // The filling is no part of the packet: an error there means that there is no packet.
        if (capacity..filled).contains(&at) {
            return None;
        }
        let bit = word.get_mut(at)?;
        *bit = !*bit;
    }
    word.truncate(capacity);
    Some(Packet { payload: word, schema, corrected: errors.len() })
}

/// Values of the word's polynomial, first bit highest, at the powers 1 to `2 most` of the generator.
fn syndromes(field: &Field, word: &[bool], most: usize) -> Vec<u8> {
    (1..=2 * most)
        .map(|j| {
            let set = word.iter().rev().enumerate().filter(|(_, bit)| **bit);
            set.fold(0, |sum, (degree, _)| sum ^ field.power(j * degree))
        })
        .collect()
}

/// Positions of the errors, or `None` where they are more than the code corrects.
fn locate(field: &Field, syndromes: &[u8], most: usize, length: usize) -> Option<Vec<usize>> {
    let size = syndromes.len() + 2;
    let (mut locator, mut last) = (vec![0u8; size], vec![0u8; size]);
    (locator[0], last[0]) = (1, 1);
    let (mut count, mut shift, mut last_gap) = (0usize, 1usize, 1u8);
    for n in 0..syndromes.len() {
        let gap =
            (1..=count.min(n)).fold(syndromes[n], |sum, i| sum ^ field.times(locator[i], syndromes[n - i]));
        if gap == 0 {
            shift += 1;
            continue;
        }
        let before = locator.clone();
        let factor = field.over(gap, last_gap);
        for i in 0..size.saturating_sub(shift) {
            locator[i + shift] ^= field.times(factor, last[i]);
        }
        if 2 * count <= n {
            count = n + 1 - count;
            (last, last_gap, shift) = (before, gap, 1);
        } else {
            shift += 1;
        }
    }
    if count > most {
        return None;
    }
    // Its roots are the inverses of the generator's powers at the errors' degrees.
    let is_root = |degree: usize| {
        let inverse = ORDER - degree % ORDER;
        (0..=count).fold(0, |sum, i| sum ^ field.times(locator[i], field.power(inverse * i))) == 0
    };
    let found: Vec<usize> = (0..length).filter(|&degree| is_root(degree)).map(|d| length - 1 - d).collect();
    (found.len() == count).then_some(found)
}
