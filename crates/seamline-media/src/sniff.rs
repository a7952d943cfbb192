//! What a file is, by its first bytes. Names and extensions lie; bytes lie less.

use std::fs::File;
use std::io::Read;

/// Enough for every signature below, an ID3 header aside.
const HEAD: usize = 4096;

/// Which decoder a file goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One picture.
    Still(image::ImageFormat),
    /// WebP with an animation chunk, which FFmpeg 5 cannot read.
    AnimatedWebp,
    /// An audio file for symphonia.
    Audio,
    /// Everything else: FFmpeg decides.
    Container,
}

/// The first bytes of a file, from its current position.
pub(crate) fn read_head(file: &mut File) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD);
    file.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Recognises a file by its signature.
pub fn sniff(head: &[u8]) -> Kind {
    use image::ImageFormat;
    let riff = |tag: &[u8]| head.starts_with(b"RIFF") && head.get(8..12) == Some(tag);
    if head.starts_with(&[0xff, 0xd8, 0xff]) {
        Kind::Still(ImageFormat::Jpeg)
    } else if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        // An acTL chunk before IDAT makes it an APNG, which FFmpeg plays.
        let animated = head
            .windows(4)
            .position(|w| w == b"acTL")
            .is_some_and(|a| head.windows(4).position(|w| w == b"IDAT").is_none_or(|d| a < d));
        if animated { Kind::Container } else { Kind::Still(ImageFormat::Png) }
    } else if riff(b"WEBP") {
        // VP8X flags, bit 1 (WebP container specification, "Extended File Format").
        let animated = head.get(12..16) == Some(b"VP8X") && head.get(20).is_some_and(|f| f & 2 != 0);
        if animated { Kind::AnimatedWebp } else { Kind::Still(ImageFormat::WebP) }
    } else if head.starts_with(b"BM") && head.len() >= 26 && head[6..10] == [0; 4] {
        Kind::Still(ImageFormat::Bmp)
    } else if head.starts_with(b"II*\0") || head.starts_with(b"MM\0*") {
        Kind::Still(ImageFormat::Tiff)
    } else if riff(b"WAVE")
        || head.starts_with(b"fLaC")
        || head.starts_with(b"ID3")
        || head.starts_with(b"OggS")
    {
        // Ogg may hold video (Theora) or Opus, which symphonia lacks: only Vorbis goes there.
        let vorbis = head.windows(7).take(128).any(|w| w == b"\x01vorbis");
        if head.starts_with(b"OggS") && !vorbis { Kind::Container } else { Kind::Audio }
    } else if matches!(head, [0xff, b, ..] if b & 0xe6 == 0xe2) {
        // MPEG audio layer III frame sync (ISO/IEC 11172-3, 2.4.2.3).
        Kind::Audio
    } else {
        Kind::Container
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_decide() {
        assert_eq!(sniff(b"\xff\xd8\xff\xe0"), Kind::Still(image::ImageFormat::Jpeg));
        assert_eq!(sniff(b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0\x02"), Kind::AnimatedWebp);
        assert_eq!(sniff(b"RIFF\0\0\0\0WEBPVP8 "), Kind::Still(image::ImageFormat::WebP));
        assert_eq!(sniff(b"RIFF\0\0\0\0WAVEfmt "), Kind::Audio);
        assert_eq!(sniff(b"RIFF\0\0\0\0AVI "), Kind::Container);
        assert_eq!(sniff(b"GIF89a"), Kind::Container);
        assert_eq!(sniff(b"OggS........OpusHead"), Kind::Container);
        assert_eq!(sniff(b"\xff\xfb\x90"), Kind::Audio);
        assert_eq!(sniff(b"hello"), Kind::Container);
        assert_eq!(sniff(b""), Kind::Container);
    }
}
