//! Watermark schemes that this project knows of and does not bring: their decoders are not in any package registry,
//! or have no public weights. `seamline models list` names them, so that their silence is not taken for absence.

/// A scheme, and how an operator may come by its decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownScheme {
    /// What `[mark] scheme` of a manifest is called.
    pub scheme: &'static str,
    /// What carries it.
    pub media: &'static str,
    /// How to get a decoder, or why there is none.
    pub how: &'static str,
}

/// Sorted by scheme.
pub const KNOWN: &[KnownScheme] = &[
    KnownScheme {
        scheme: "audioseal",
        media: "sound",
        how: "export the public detector to ONNX at 16 kHz; `seamline models add` with role \"mark\"",
    },
    KnownScheme {
        scheme: "rivagan",
        media: "pictures",
        how: "the decoder stands in PyPI's invisible-watermark; role \"mark\", payload of kind \"key\" with your key",
    },
    KnownScheme {
        scheme: "silentcipher",
        media: "sound",
        how: "export the public decoder to ONNX; models at another rate than 16 kHz are not loaded yet",
    },
    KnownScheme {
        scheme: "synthid",
        media: "all",
        how: "closed: no local decoder exists; a signed C2PA action may name it",
    },
    KnownScheme {
        scheme: "trustmark",
        media: "pictures",
        how: "export a public decoder to ONNX; role \"mark\", payload of kind \"trustmark\"",
    },
    KnownScheme {
        scheme: "videoseal",
        media: "pictures",
        how: "export the public detector (or PixelSeal's) to ONNX; role \"mark\", output 0 is the confidence",
    },
    KnownScheme {
        scheme: "wavmark",
        media: "sound",
        how: "export the public decoder to ONNX at 16 kHz with one confidence a window; role \"mark\"",
    },
];

#[cfg(test)]
mod tests {
    use super::KNOWN;

    #[test]
    fn schemes_are_sorted_and_named_once() {
        assert!(KNOWN.windows(2).all(|w| w[0].scheme < w[1].scheme));
    }
}
