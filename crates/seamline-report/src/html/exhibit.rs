//! Pictures in a page. A worker that was taken over may send anything: what is not plainly a picture is left out.

use maud::{Markup, html};
use seamline_core::{Exhibit, HeatMap};
use std::fmt::Write as _;

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

/// A cell counts as telling from this part of the strongest on.
const TELLING: u8 = 128;

/// The picture once more, the parts that its score does not rest on in the dark and those that tell most framed: brightness
/// and a frame read alike on any skin, in grey and without colour vision.
pub(super) fn heated(e: &Exhibit, map: &HeatMap, class: &str) -> Markup {
    let (columns, rows) = map.size();
    let dark = |v: u8| f64::from(255 - v) / 255.0 * 0.6;
    html! {
        div class="heated" {
            (image(e, class))
            @if data_uri(e).is_some() {
                svg viewBox={ "0 0 " (columns) " " (rows) } preserveAspectRatio="none" role="img"
                    aria-label="The parts of the picture that the score rests on most are framed; parts that it does not rest on are dark." {
                    @for (i, &v) in map.cells().iter().enumerate() {
                        @if v < 250 { rect x=(i % usize::from(columns)) y=(i / usize::from(columns)) width="1" height="1" fill-opacity=(format!("{:.2}", dark(v))) {} }
                    }
                    path class="under" d=(frame(map)) {}
                    path class="over" d=(frame(map)) {}
                }
            }
        }
    }
}

/// The border of the telling cells, as a path in units of cells.
fn frame(map: &HeatMap) -> String {
    let (columns, rows) = (usize::from(map.size().0), usize::from(map.size().1));
    let telling = |x: usize, y: usize| {
        x < columns && y < rows && map.cells().get(y * columns + x).is_some_and(|&v| v >= TELLING)
    };
    let mut path = String::new();
    for (x, y) in (0..rows).flat_map(|y| (0..columns).map(move |x| (x, y))).filter(|&(x, y)| telling(x, y)) {
        // Of a neighbour left of the first column or above the first row, `wrapping_sub` makes one that is not there.
        let sides = [
            (telling(x, y.wrapping_sub(1)), (x, y, 'h')),
            (telling(x, y + 1), (x, y + 1, 'h')),
            (telling(x.wrapping_sub(1), y), (x, y, 'v')),
            (telling(x + 1, y), (x + 1, y, 'v')),
        ];
        for (_, (x, y, way)) in sides.into_iter().filter(|s| !s.0) {
            let _ = write!(path, "M{x} {y}{way}1"); // a String takes all that is written
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_goes_round_the_telling_cells() {
        let map = HeatMap::new(3, 2, vec![0, 255, 128, 0, 127, 0], 1.0).unwrap();
        // Two cells side by side have six sides, the one between them not among these.
        assert_eq!(frame(&map), "M1 0h1M1 1h1M1 0v1M2 0h1M2 1h1M3 0v1");
    }
}
