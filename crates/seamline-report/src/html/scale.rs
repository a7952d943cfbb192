//! The LLR scale: where the value and its interval lie among the bands of support.

use crate::words::{self, BANDS};
use maud::{Markup, html};
use seamline_core::{Llr, LlrInterval};

/// Half the scale in nats, unless a value lies further out.
const REACH: f64 = 6.0;

/// Draws the scale; `spoof_at` is the operating point from which spoof may be said.
pub(super) fn scale(l: LlrInterval, spoof_at: Option<Llr>) -> Markup {
    let far = [l.value, l.lo, l.hi].iter().map(|v| v.nats().abs()).fold(REACH, f64::max);
    // Beyond 12 nats the ends are clipped: the number stands in the text.
    let reach = far.ceil().min(12.0);
    let x = |nats: f64| ((nats.clamp(-reach, reach) + reach) / (2.0 * reach) * 100.0 * 100.0).round() / 100.0;
    let label = format!(
        "Scale of the log likelihood ratio from {reach:.0} toward bona fide to {reach:.0} toward spoof: value {}, 95 percent interval {} to {}.",
        l.value, l.lo, l.hi
    );
    let bands = [
        (-reach, -BANDS[2], "b3", "strong"),
        (-BANDS[2], -BANDS[1], "b2", "moderate"),
        (-BANDS[1], -BANDS[0], "b1", "limited"),
        (-BANDS[0], BANDS[0], "zero", "neither"),
        (BANDS[0], BANDS[1], "s1", "limited"),
        (BANDS[1], BANDS[2], "s2", "moderate"),
        (BANDS[2], reach, "s3", "strong"),
    ];
    html! {
        figure class="scale" {
            div class="ends" aria-hidden="true" {
                span { "◀ supports bona fide" }
                span { "supports spoof ▶" }
            }
            svg width="100%" height="92" role="img" aria-label=(label) {
                @for (from, to, class, name) in bands {
                    rect class=(class) x={ (x(from)) "%" } y="30" width={ (((x(to) - x(from)) * 100.0).round() / 100.0) "%" } height="22" {}
                    text class={ "band" (if class == "zero" { " zero-label" } else { "" }) } x={ (((x(from) + x(to)) * 50.0).round() / 100.0) "%" } y="66" { (name) }
                }
                @for mark in [-BANDS[2], -BANDS[1], -BANDS[0], BANDS[0], BANDS[1], BANDS[2]] {
                    line class="tick" x1={ (x(mark)) "%" } x2={ (x(mark)) "%" } y1="30" y2="56" {}
                }
                line class="mid" x1="50%" x2="50%" y1="26" y2="56" {}
                text class="num" x="50%" y="84" { "LLR 0" }
                @for (nats, name) in [(-BANDS[2], "LR 1/100"), (-BANDS[1], "1/10"), (BANDS[1], "10"), (BANDS[2], "LR 100")] {
                    text class="num" x={ (x(nats)) "%" } y="84" { (name) }
                }
                @if let Some(at) = spoof_at {
                    line class="point" x1={ (x(at.nats())) "%" } x2={ (x(at.nats())) "%" } y1="22" y2="56" {}
                }
                line class="interval" x1={ (x(l.lo.nats())) "%" } x2={ (x(l.hi.nats())) "%" } y1="41" y2="41" {}
                line class="whisker" x1={ (x(l.lo.nats())) "%" } x2={ (x(l.lo.nats())) "%" } y1="34" y2="48" {}
                line class="whisker" x1={ (x(l.hi.nats())) "%" } x2={ (x(l.hi.nats())) "%" } y1="34" y2="48" {}
                circle class="value" cx={ (x(l.value.nats())) "%" } cy="41" r="7" {}
                text class={ "lead" (side(x(l.value.nats()))) } x={ (x(l.value.nats())) "%" } y="16" { (l.value.to_string()) }
            }
            figcaption {
                "Log likelihood ratio " strong { (words::llr(l)) } " (natural logarithm, 95 % interval). Positive supports spoof."
                @if let Some(at) = spoof_at {
                    " The dashed line at " (at.to_string()) " is the operating point: only from there on a detector may say “supports spoof”."
                }
            }
        }
    }
}

/// Keeps a number near an edge inside the drawing.
fn side(x: f64) -> &'static str {
    if x < 6.0 {
        " start"
    } else if x > 94.0 {
        " end"
    } else {
        ""
    }
}
