//! Public payloads: constants of reference code that anybody can run.

/// A payload and who embeds it.
#[derive(Debug, PartialEq, Eq)]
pub struct Payload {
    /// As the code that embeds it names or spells it.
    pub name: &'static str,
    /// Who embeds it.
    pub generator: &'static str,
    bits: Bits,
}

#[derive(Debug, PartialEq, Eq)]
enum Bits {
    /// Text, most significant bit first.
    Text(&'static str),
    /// Digits 0 and 1.
    Digits(&'static str),
}

impl Payload {
    const fn text(name: &'static str, generator: &'static str) -> Self {
        Self { name, generator, bits: Bits::Text(name) }
    }

    /// Number of bits.
    #[allow(clippy::len_without_is_empty)] // no payload is empty
    pub const fn len(&self) -> usize {
        match self.bits {
            Bits::Text(t) => t.len() * 8,
            Bits::Digits(d) => d.len(),
        }
    }

    /// The bits in embedding order.
    pub fn bits(&self) -> impl Iterator<Item = bool> + '_ {
        let (bytes, step) = match self.bits {
            Bits::Text(t) => (t.as_bytes(), 8),
            Bits::Digits(d) => (d.as_bytes(), 1),
        };
        bytes.iter().flat_map(move |&b| {
            (0..step).map(move |i| if step == 8 { b >> (7 - i) & 1 == 1 } else { b == b'1' })
        })
    }

    /// +1 for bit 0, -1 for bit 1.
    pub(crate) fn signs(&self) -> impl Iterator<Item = f64> + '_ {
        self.bits().map(|b| if b { -1.0 } else { 1.0 })
    }
}

/// Every public payload known, shortest first.
pub const PAYLOADS: &[Payload] = &[
    // scripts of the Stable Diffusion 2 repository
    Payload::text("SDV2", "Stable Diffusion 2"),
    // FLUX reference code: the literal 0b0010101011... loses its two leading zeros on its way through `bin()`.
    Payload {
        name: "FLUX reference code's constant",
        generator: "FLUX",
        bits: Bits::Digits("1010101111111010000111100111001111010100101110"),
    },
    // diffusers' SDXL watermark and Stability's generative-models
    Payload {
        name: "SDXL reference code's constant",
        generator: "Stable Diffusion XL",
        bits: Bits::Digits("101100111110110010010000011110111011000110011110"),
    },
    Payload::text("HumanSD", "HumanSD"),
    Payload::text("Cremage", "Cremage"),
    Payload::text("InvokeAI", "InvokeAI"),
    // scripts of the first Stable Diffusion repository
    Payload::text("StableDiffusionV1", "Stable Diffusion 1"),
    Payload::text("StableDiffusionV1-Inpainting", "Stable Diffusion inpainting"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_reference_codes() {
        let lengths: Vec<usize> = PAYLOADS.iter().map(Payload::len).collect();
        assert_eq!(lengths, [32, 46, 48, 56, 56, 64, 136, 224]);
        assert!(PAYLOADS.iter().all(|p| p.bits().count() == p.len()));
        let s: String = PAYLOADS[0].bits().take(8).map(|b| if b { '1' } else { '0' }).collect();
        assert_eq!(s, "01010011"); // 'S'
    }
}
