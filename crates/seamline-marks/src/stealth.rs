//! Generation parameters in the lowest bits of pixels, as NovelAI and the web UI's "stealth" extensions write them.
//!
//! Pixels are read column by column, bits from the most significant: in pictures with transparency one bit of
//! alpha each, or three bits of red, green and blue. A header of 15 bytes names the form, 32 bits give the length
//! in bits, and the text follows, plain or as gzip (RFC 1952).

/// Longest text taken, after inflation.
const MAX_TEXT: usize = 4 << 20;

/// Parameters that were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stealth {
    /// The header, which is the scheme's name.
    pub header: &'static str,
    /// The text, as it stands.
    pub text: String,
}

/// Header, whether it lies in alpha, whether the text is packed.
const FORMS: [(&str, bool, bool); 4] = [
    ("stealth_pnginfo", true, false),
    ("stealth_pngcomp", true, true),
    ("stealth_rgbinfo", false, false),
    ("stealth_rgbcomp", false, true),
];

/// Reads a plane of `channels` values a pixel: 1 for alpha, 3 for colours. Anything else gives nothing.
pub fn read(plane: &[u8], width: usize, height: usize, channels: usize) -> Option<Stealth> {
    if width.checked_mul(height)?.checked_mul(channels)? != plane.len() || plane.is_empty() {
        return None;
    }
    let mut bits = Bits { plane, width, height, channels, next: 0 };
    let head = bits.bytes(15)?;
    let (header, _, packed) =
        FORMS.into_iter().find(|(name, alpha, _)| name.as_bytes() == head && *alpha == (channels == 1))?;
    let length = bits.bytes(4)?;
    let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize / 8;
    // The plane bounds what can be there; the length is only a claim.
    let body = bits.bytes(length.min(plane.len() / 8))?;
    let body = if packed { gunzip(&body)? } else { body.into_iter().take(MAX_TEXT).collect() };
    Some(Stealth { header, text: String::from_utf8_lossy(&body).into_owned() })
}

struct Bits<'a> {
    plane: &'a [u8],
    width: usize,
    height: usize,
    channels: usize,
    next: usize,
}

impl Bits<'_> {
    fn bytes(&mut self, n: usize) -> Option<Vec<u8>> {
        (0..n).map(|_| (0..8).try_fold(0u8, |byte, _| Some(byte << 1 | self.bit()?))).collect()
    }

    fn bit(&mut self) -> Option<u8> {
        let (pixel, channel) = (self.next / self.channels, self.next % self.channels);
        let (x, y) = (pixel / self.height, pixel % self.height);
        if x >= self.width {
            return None;
        }
        self.next += 1;
        self.plane.get((y * self.width + x) * self.channels + channel).map(|v| v & 1)
    }
}

/// One gzip member (RFC 1952, section 2.3), inflated to at most [`MAX_TEXT`] bytes.
fn gunzip(data: &[u8]) -> Option<Vec<u8>> {
    let (head, mut rest) = data.split_first_chunk::<10>()?;
    if head[..3] != [0x1f, 0x8b, 8] {
        return None;
    }
    let flags = head[3];
    if flags & 4 != 0 {
        let (n, more) = rest.split_first_chunk::<2>()?;
        rest = more.get(usize::from(u16::from_le_bytes(*n))..)?;
    }
    // Name and comment end in a zero byte each.
    for flag in [8, 16] {
        if flags & flag != 0 {
            rest = &rest[rest.iter().position(|&b| b == 0)? + 1..];
        }
    }
    if flags & 2 != 0 {
        rest = rest.get(2..)?;
    }
    match miniz_oxide::inflate::decompress_to_vec_with_limit(rest, MAX_TEXT) {
        Ok(text) => Some(text),
        // What was inflated before damage or the limit still names its generator.
        Err(e) if !e.output.is_empty() => Some(e.output),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seamline_testkit::watermark::hide;

    const TEXT: &str = "a cat\nSteps: 20, Sampler: Euler a, Seed: 1";

    fn message(header: &str, body: &[u8]) -> Vec<u8> {
        [header.as_bytes(), &(8 * body.len() as u32).to_be_bytes(), body].concat()
    }

    fn gzip(text: &[u8], name: &str) -> Vec<u8> {
        let flags = if name.is_empty() { 0 } else { 8 };
        let mut out = vec![0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3];
        if !name.is_empty() {
            out.extend(name.bytes().chain([0]));
        }
        out.extend(miniz_oxide::deflate::compress_to_vec(text, 6));
        out
    }

    #[test]
    fn all_four_headers_are_read() {
        for (header, alpha, packed) in FORMS {
            for name in ["", "parameters.txt"] {
                let body = if packed { gzip(TEXT.as_bytes(), name) } else { TEXT.as_bytes().to_vec() };
                let channels = if alpha { 1 } else { 3 };
                let mut plane = vec![200u8; 40 * 64 * channels];
                hide(&mut plane, 40, 64, channels, &message(header, &body));
                let found = read(&plane, 40, 64, channels).unwrap();
                assert_eq!((found.header, found.text.as_str()), (header, TEXT));
            }
        }
    }

    #[test]
    fn a_bomb_is_cut_and_a_false_length_reads_nothing() {
        let bomb = gzip(&vec![b'a'; 64 << 20], "");
        let mut plane = vec![0u8; 1024 * 1024];
        hide(&mut plane, 1024, 1024, 1, &message("stealth_pngcomp", &bomb));
        assert!(read(&plane, 1024, 1024, 1).unwrap().text.len() <= MAX_TEXT);
        let mut plane = vec![0u8; 32 * 32];
        let lie = [&b"stealth_pnginfo"[..], &u32::MAX.to_be_bytes()].concat();
        hide(&mut plane, 32, 32, 1, &lie);
        assert!(read(&plane, 32, 32, 1).is_none());
    }

    #[test]
    fn the_wrong_plane_noise_and_nothing_give_nothing() {
        let mut plane = vec![0u8; 40 * 64 * 3];
        hide(&mut plane, 40, 64, 3, &message("stealth_pnginfo", TEXT.as_bytes()));
        assert!(read(&plane, 40, 64, 3).is_none());
        assert!(read(&plane, 41, 64, 3).is_none());
        assert!(read(&[], 0, 0, 1).is_none());
        let mut random = seamline_testkit::wave::Random::new(5);
        let noise: Vec<u8> = (0..64 * 64).map(|_| random.below(256) as u8).collect();
        assert!(read(&noise, 64, 64, 1).is_none());
    }
}
