//! Pictures in a page. A worker that was taken over may send anything: what is not plainly a picture is left out.

use maud::{Markup, html};
use seamline_core::Exhibit;

/// The `data:` address of an exhibit; `None` unless it is PNG or JPEG in clean base64 whose first bytes agree.
pub(crate) fn data_uri(e: &Exhibit) -> Option<String> {
    let start = match e.media_type.as_str() {
        "image/png" => "iVBORw0KGgo", // \x89PNG\r\n\x1a\n
        "image/jpeg" => "/9j/",       // \xff\xd8\xff
        _ => return None,
    };
    let body = e.base64.trim_end_matches('=');
    let clean = e.base64.len().is_multiple_of(4)
        && e.base64.len() - body.len() <= 2
        && body.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/');
    (clean && body.starts_with(start)).then(|| format!("data:{};base64,{}", e.media_type, e.base64))
}

/// A picture with its caption as text alternative.
pub(super) fn image(e: &Exhibit, class: &str) -> Markup {
    html! {
        @match data_uri(e) {
            Some(uri) => img class=(class) src=(uri) alt=(super::safe(&e.caption));,
            None => p class="aside" { "This picture is not shown: its data is not a clean PNG or JPEG." },
        }
    }
}
