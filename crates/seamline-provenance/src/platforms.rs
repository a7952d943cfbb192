//! Traces that platforms leave when they write their own copy: context, never a sign of AI.

use crate::Found;
use seamline_core::code::CONTAINER_PLATFORM;

/// Reads one text field.
pub(crate) fn read(key: &str, value: &str) -> Option<Found> {
    let value = value.trim();
    let platform = match key {
        "handler" if value.starts_with("Twitter-vork") => "X",
        "handler" if value.starts_with("ISO Media file produced by Google Inc.") => "YouTube",
        "comment" | "\u{a9}cmt" if is_tiktok(value) => "TikTok or Douyin",
        "iptc.instructions" if value.starts_with("FBMD") => "Facebook or Instagram",
        _ => return None,
    };
    Some(Found::new(&CONTAINER_PLATFORM, &[("platform", platform), ("field", key), ("value", value)]))
}

/// `vid:v` and the digits and letters of a video's number.
fn is_tiktok(value: &str) -> bool {
    value
        .strip_prefix("vid:v")
        .is_some_and(|rest| rest.len() >= 8 && rest.bytes().take(8).all(|b| b.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn platforms_are_told_from_ordinary_text() {
        let name = |key, value| read(key, value).map(|f| f.detail[1].1.clone());
        assert_eq!(name("handler", "Twitter-vork muxer").as_deref(), Some("X"));
        assert_eq!(
            name("handler", "ISO Media file produced by Google Inc. Created on: 1").as_deref(),
            Some("YouTube")
        );
        assert_eq!(name("comment", "vid:v0f044gc0000abc").as_deref(), Some("TikTok or Douyin"));
        assert_eq!(name("comment", "vid:vacation"), None);
        assert_eq!(name("iptc.instructions", "FBMD01000a9c").as_deref(), Some("Facebook or Instagram"));
        assert_eq!(name("handler", "VideoHandler"), None);
    }
}
