//! Self-contained HTML: a page a clip, a page a campaign, an index; no script, no external request.
//!
//! Everything that comes from a clip is untrusted: text goes through `maud`'s escaping and
//! `words::safe`, pictures through `exhibit`. The content security policy refuses scripts,
//! frames, forms and every request, should something slip through.

mod campaign;
mod clip;
mod evidence;
mod exhibit;
mod index;
mod method;
mod names;
mod scale;
mod timeline;

pub use campaign::campaign_page;
pub use clip::{clip_page, clip_parts};
pub use index::{IndexEntry, index_page};
pub use names::file_name;

use crate::words;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use seamline_core::Conclusion;

/// The style sheet that every page brings along.
pub const STYLE: &str = include_str!("style.css");
const POLICY: &str =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Characters of one value in a list; the evidence table holds it whole.
const VALUE: usize = 600;

/// A whole document around `body`.
fn document(title: &str, version: &str, body: Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="robots" content="noindex";
                meta name="color-scheme" content="light dark";
                meta name="generator" content={ "Seamline " (version) };
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a class="skip" href="#main" { "Skip to the content" }
                (body)
                footer class="page" {
                    p { "Made offline by Seamline " (safe(version)) ". This page loads nothing and runs nothing." }
                }
            }
        }
    };
    page.into_string()
}

/// One line of untrusted text, hidden characters made visible; `maud` escapes it where it is put in.
fn safe(text: &str) -> String {
    words::safe(text, false)
}

/// Untrusted text of several lines.
fn safe_lines(text: &str) -> String {
    words::safe(text, true)
}

/// The class that colours a conclusion; the words stand beside it always.
const fn class_of(c: Conclusion) -> &'static str {
    match c {
        Conclusion::SupportsSpoof(_) => "spoof",
        Conclusion::SupportsBonaFide(_) => "bonafide",
        Conclusion::Inconclusive => "unclear",
        Conclusion::NotAssessable => "none",
    }
}

/// A conclusion's sign: four shapes that differ without colour.
fn sign(c: Conclusion) -> Markup {
    html! {
        svg class="sign" viewBox="0 0 24 24" aria-hidden="true" {
            @match c {
                Conclusion::SupportsSpoof(_) => {
                    path d="M12 2.5 23 21.5H1z" {}
                    path class="in" d="M12 9v6M12 17.6v1.4" {}
                }
                Conclusion::SupportsBonaFide(_) => {
                    circle cx="12" cy="12" r="10.5" {}
                    path class="in" d="M7 12.4l3.4 3.4L17 9" {}
                }
                Conclusion::Inconclusive => {
                    path d="M12 1.2 22.8 12 12 22.8 1.2 12z" {}
                    path class="in" d="M7.5 10.2h9M7.5 13.8h9" {}
                }
                Conclusion::NotAssessable => {
                    circle class="open" cx="12" cy="12" r="9.5" {}
                    path class="open" d="M5.5 18.5l13-13" {}
                }
            }
        }
    }
}

/// A conclusion as a label: sign, words, band.
fn badge(c: Conclusion) -> Markup {
    html! {
        span class={ "badge " (class_of(c)) } { (sign(c)) span { (words::conclusion_with_band(c)) } }
    }
}
