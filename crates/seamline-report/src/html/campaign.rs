//! One campaign or cluster: when and where its clips were seen, which they are, what they share, what was decided.
//!
//! Channels, addresses, paths and names come from whoever posts and types; thumbnails come from a worker. All of it is
//! escaped or checked as in a clip's page.

use super::{document, safe, sign};
use crate::words;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};
use seamline_campaign::align::Alignment;
use seamline_campaign::cluster::{Decision, Link, LinkKind, Ruling};
use seamline_campaign::export::Dossier;
use seamline_campaign::moment::Moment;
use seamline_campaign::store::{Sighting, StoredClip};
use seamline_core::{ClipId, Conclusion, MediaTime, Support};
use std::collections::{BTreeMap, HashMap};

/// Channels with a lane of their own; further ones share the last.
const LANES: usize = 24;
/// Clips, clips with what they share, and sightings that are shown; how many are not is said.
const MEMBERS: usize = 200;
const LINKS: usize = 100;
const SIGHTINGS: usize = 500;
/// Shared stretches drawn for one link.
const STRETCHES: usize = 12;

/// The page of one campaign, by the Seamline of this version.
pub fn campaign_page(dossier: &Dossier, version: &str) -> String {
    let page = Page::new(dossier);
    let summary = &dossier.detail.summary;
    let standing = if summary.confirmed { "Campaign, confirmed" } else { "Proposed by the machine" };
    let body = html! {
        header class="page" {
            p class="brand" { "Seamline campaign" }
            h1 { (safe(&dossier.title())) }
            p class="path" {
                (standing) " · " (words::count(summary.members, "clip", "clips")) " · "
                (words::count(summary.sightings, "sighting", "sightings"))
                @if let (Some(first), Some(last)) = (summary.first_seen, summary.last_seen) {
                    " · seen from " (day(first)) " to " (day(last))
                }
            }
            nav aria-label="Sections" {
                a href="#seen" { "When and where" } a href="#members" { "Clips" }
                a href="#shared" { "What they share" } a href="#decisions" { "Decisions" }
            }
        }
        main id="main" {
            @if !summary.confirmed {
                p class="notice" { "A proposal: these clips share pictures, sound or traces. Whether they are one campaign is for a person to say." }
            }
            (page.seen())
            (page.members())
            (page.shared())
            (page.decisions())
        }
    };
    document(&format!("{} | Seamline", safe(&dossier.title())), version, body)
}

struct Page<'d> {
    dossier: &'d Dossier,
    /// Clips in the order in which they were seen first, or recorded; a clip's number is its place here.
    order: Vec<&'d StoredClip>,
    number: HashMap<ClipId, usize>,
    sightings: BTreeMap<ClipId, Vec<&'d Sighting>>,
}

impl<'d> Page<'d> {
    fn new(dossier: &'d Dossier) -> Self {
        let mut sightings: BTreeMap<ClipId, Vec<&Sighting>> = BTreeMap::new();
        for (clip, sighting) in &dossier.detail.sightings {
            sightings.entry(*clip).or_default().push(sighting);
        }
        let first = |c: &StoredClip| {
            let seen = sightings.get(&c.sha256).and_then(|all| all.iter().map(|s| s.seen_at).min());
            (seen.unwrap_or(c.recorded_at), c.sha256)
        };
        let mut order: Vec<&StoredClip> = dossier.detail.clips.iter().collect();
        order.sort_by_key(|c| first(c));
        let number = order.iter().enumerate().map(|(i, c)| (c.sha256, i + 1)).collect();
        Self { dossier, order, number, sightings }
    }

    fn number(&self, clip: ClipId) -> usize {
        self.number.get(&clip).copied().unwrap_or(0)
    }

    fn conclusion(&self, clip: ClipId) -> Conclusion {
        self.order
            .iter()
            .find(|c| c.sha256 == clip)
            .map_or(Conclusion::NotAssessable, |c| side(&c.conclusion))
    }

    /// A lane a channel over calendar time, and the table under it.
    fn seen(&self) -> Markup {
        let all = &self.dossier.detail.sightings;
        let mut channels: Vec<(&str, Vec<(ClipId, Moment)>)> = Vec::new();
        let mut place: HashMap<&str, usize> = HashMap::new();
        for (clip, s) in all {
            let n = *place.entry(&s.channel).or_insert_with(|| {
                channels.push((&s.channel, Vec::new()));
                channels.len() - 1
            });
            channels[n].1.push((*clip, s.seen_at));
        }
        let further: Vec<_> = channels.split_off(channels.len().min(LANES));
        let first = all.iter().map(|s| s.1.seen_at.as_millis()).min().unwrap_or(0);
        let length = all.iter().map(|s| s.1.seen_at.as_millis()).max().unwrap_or(0) - first;
        // One moment alone stands in the middle.
        let x = |at: Moment| {
            let part = if length > 0 { (at.as_millis() - first) as f64 / length as f64 } else { 0.5 };
            format!("{:.2}%", 2.0 + 96.0 * part)
        };
        let lane = |name: &str, what: String, dots: &[(ClipId, Moment)]| {
            html! {
                div class="lane" {
                    div class="name" { (name) span class="sub" { (what) } }
                    div class="strip" {
                        svg width="100%" height="28" role="img" aria-label={ (name) ": " (what) } {
                            line class="grid" x1="0" x2="100%" y1="14" y2="14" {}
                            @for (clip, at) in dots {
                                circle class={ "dot " (super::class_of(self.conclusion(*clip))) } cx=(x(*at)) cy="14" r="6" {
                                    title { "clip " (self.number(*clip)) ", " (at.to_string()) }
                                }
                            }
                        }
                    }
                }
            }
        };
        html! {
            section id="seen" aria-labelledby="seen-h" {
                h2 id="seen-h" { "When and where" }
                @if all.is_empty() { p { "Nobody has said where these clips were seen." } }
                @else {
                    p class="intro" { (words::count(all.len() as u64, "sighting", "sightings")) " on " (words::count(place.len() as u64, "channel", "channels")) ". A dot is a sighting; its colour is the clip's verdict." }
                    div class="timeline" {
                        @for (channel, dots) in &channels {
                            (lane(&named(channel), words::count(dots.len() as u64, "sighting", "sightings"), dots))
                        }
                        @if !further.is_empty() {
                            @let dots: Vec<_> = further.iter().flat_map(|c| c.1.iter().copied()).collect();
                            (lane(&format!("{} more channels", further.len()), words::count(dots.len() as u64, "sighting", "sightings"), &dots))
                        }
                        div class="lane axis" {
                            div {}
                            div class="ends" { span { (all.iter().map(|s| s.1.seen_at).min().map(stamp).unwrap_or_default()) } span { (all.iter().map(|s| s.1.seen_at).max().map(stamp).unwrap_or_default()) } }
                        }
                    }
                    details {
                        summary { "All sightings" }
                        table class="dense stack" {
                            thead { tr { th scope="col" { "When" } th scope="col" { "Clip" } th scope="col" { "Channel" } th scope="col" { "Address" } } }
                            tbody {
                                @for (clip, s) in all.iter().take(SIGHTINGS) {
                                    tr {
                                        td data-label="When" class="num" { (stamp(s.seen_at)) }
                                        td data-label="Clip" { (self.reference(*clip)) }
                                        td data-label="Channel" { (named(&s.channel)) }
                                        td data-label="Address" { (safe(&s.url)) }
                                    }
                                }
                            }
                        }
                        (more(all.len(), SIGHTINGS, "sightings"))
                    }
                }
            }
        }
    }

    fn members(&self) -> Markup {
        html! {
            section id="members" aria-labelledby="members-h" {
                h2 id="members-h" { "Clips" }
                p class="intro" { "Numbered in the order in which they were seen first." }
                div class="cards" { @for clip in self.order.iter().take(MEMBERS) { (self.card(clip)) } }
                (more(self.order.len(), MEMBERS, "clips"))
            }
        }
    }

    fn card(&self, clip: &StoredClip) -> Markup {
        let n = self.number(clip.sha256);
        let seen = self.sightings.get(&clip.sha256).map_or(&[][..], Vec::as_slice);
        let history = self.dossier.history.get(&clip.sha256).map_or(&[][..], Vec::as_slice);
        html! {
            article class="card face" id={ "c" (n) } {
                div { (self.picture(clip.sha256)) }
                div {
                    h3 { "Clip " (n) }
                    p class="sub" { (safe(&clip.path)) }
                    p { (verdict(&clip.conclusion, clip.llr)) }
                    p class="sub hash" { (clip.sha256.to_string()) }
                    p class="sub" {
                        @match seen.iter().map(|s| s.seen_at).min() {
                            Some(first) => { (words::count(seen.len() as u64, "sighting", "sightings")) ", first " (stamp(first)) },
                            None => { "recorded " (stamp(clip.recorded_at)) },
                        }
                    }
                    @if history.len() > 1 {
                        details {
                            summary { "Verdicts so far" }
                            ul class="reasons" {
                                @for j in history { li { (stamp(j.at)) " " (verdict(&j.conclusion, j.llr)) } }
                            }
                        }
                    }
                }
            }
        }
    }

    fn picture(&self, clip: ClipId) -> Markup {
        let jpeg = self.dossier.appearances.get(&clip).map_or(&[][..], |a| a.thumbnail.as_slice());
        html! {
            @if jpeg.starts_with(b"\xff\xd8\xff") {
                img class="thumb" alt={ "A picture of clip " (self.number(clip)) } src={ "data:image/jpeg;base64," (STANDARD.encode(jpeg)) };
            } @else { p class="sub nothumb" { "no picture" } }
        }
    }

    fn reference(&self, clip: ClipId) -> Markup {
        let n = self.number(clip);
        html! { @if n <= MEMBERS { a href={ "#c" (n) } { "clip " (n) } } @else { "clip " (n) } }
    }

    /// For each clip the earlier one that it shares most with, their stretches one under the other: what a reader needs
    /// to see why a clip is here, where all pairs of fifty clips would be a thousand.
    fn shared(&self) -> Markup {
        let mut pairs: BTreeMap<(usize, usize), Vec<&Link>> = BTreeMap::new();
        for link in &self.dossier.detail.links {
            let (a, b) = (self.number(link.a), self.number(link.b));
            pairs.entry((a.max(b), a.min(b))).or_default().push(link);
        }
        let all = pairs.len() as u64;
        let worth = |links: &[&Link]| links.iter().map(|l| l.score * weight(l.kind)).sum::<f64>();
        let mut best: BTreeMap<usize, Vec<&Link>> = BTreeMap::new();
        for ((clip, _), links) in pairs {
            if best.get(&clip).is_none_or(|known| worth(&links) > worth(known)) {
                best.insert(clip, links);
            }
        }
        html! {
            section id="shared" aria-labelledby="shared-h" {
                h2 id="shared-h" { "What they share" }
                @if best.is_empty() { p { "Nothing links these clips but a person's word." } }
                @else { p class="intro" { "For each clip, the earlier one that it shares most with; " (words::count(all, "pair", "pairs")) " of clips share something." } }
                @for links in best.values().take(LINKS) { (self.pair(links)) }
                (more(best.len(), LINKS, "clips"))
            }
        }
    }

    fn pair(&self, links: &[&Link]) -> Markup {
        let Some(first) = links.first() else { return html! {} };
        // The later clip first: it is the one to be explained.
        let (later, earlier) =
            if self.number(first.a) > self.number(first.b) { (first.a, first.b) } else { (first.b, first.a) };
        let kinds: Vec<&str> = links.iter().map(|l| in_words(l.kind)).collect();
        html! {
            article class="pair" {
                h3 { (self.reference(later)) " and " (self.reference(earlier)) ": " (kinds.join(", ")) }
                div class="side" { (self.picture(later)) (self.picture(earlier)) }
                @for link in links {
                    p class="sub" { (safe(&link.explain())) "; score " (format!("{:.2}", link.score)) ", which is no probability" }
                    @if !link.shared.is_empty() {
                        @for clip in [later, earlier] {
                            (self.strip(clip, link, |s| if clip == link.a { (s.here.start, s.here.end) } else { (s.there.start, s.there.end) }))
                        }
                    }
                }
            }
        }
    }

    fn strip(
        &self,
        clip: ClipId,
        link: &Link,
        ends: impl Fn(&Alignment) -> (MediaTime, MediaTime),
    ) -> Markup {
        let spans: Vec<_> = link.shared.iter().take(STRETCHES).map(ends).collect();
        let known = self.dossier.appearances.get(&clip).map(|a| a.duration);
        let length = spans.iter().map(|s| s.1).chain(known).max().unwrap_or_default().as_secs_f64().max(1e-3);
        let part = |t: MediaTime| (t.as_secs_f64() / length * 100.0).clamp(0.0, 100.0);
        let said: Vec<String> = spans.iter().map(|s| format!("{} to {}", clock(s.0), clock(s.1))).collect();
        let said = said.join(", ");
        html! {
            div class="lane" {
                div class="name" { "clip " (self.number(clip)) span class="sub" { (said) } }
                div class="strip" {
                    svg width="100%" height="20" role="img" aria-label={ "clip " (self.number(clip)) ", shared: " (said) } {
                        rect class="quiet" x="0" y="4" width="100%" height="12" {}
                        @for (start, end) in &spans {
                            rect class="bar away" x={ (format!("{:.2}", part(*start))) "%" } y="4" width={ (format!("{:.2}", (part(*end) - part(*start)).max(0.4))) "%" } height="12" {
                                title { (clock(*start)) " to " (clock(*end)) }
                            }
                        }
                    }
                }
            }
        }
    }

    fn decisions(&self) -> Markup {
        let all = &self.dossier.detail.decisions;
        html! {
            section id="decisions" aria-labelledby="decisions-h" {
                h2 id="decisions-h" { "Decisions" }
                @if all.is_empty() { p { "None so far: everything here is the machine's proposal." } }
                @else {
                    ul class="reasons" { @for d in all { li { (stamp(d.at)) " · " (safe(&d.author)) " " (ruling(d)) } } }
                }
            }
        }
    }
}

const fn in_words(kind: LinkKind) -> &'static str {
    match kind {
        LinkKind::SameFile => "the same file",
        LinkKind::SamePictures => "the same pictures",
        LinkKind::SameAudio => "the same sound",
        LinkKind::SameVoice => "the same voice",
        LinkKind::SameLogo => "the same logo",
        LinkKind::SameGeneratorRun => "the same run of a generator",
    }
}

/// A kind that joins clips by itself says more than any number of those that do not.
const fn weight(kind: LinkKind) -> f64 {
    if kind.joins_from().is_some() { 1.0 } else { 0.01 }
}

fn ruling(d: &Decision) -> Markup {
    html! {
        @match &d.ruling {
            Ruling::Merge { clips } => { "said that " (words::count(clips.len() as u64, "clip", "clips")) " belong together" },
            Ruling::Split { apart, .. } => { "took " (words::count(apart.len() as u64, "clip", "clips")) " out" },
            Ruling::Confirm { .. } => { "confirmed it as a campaign" },
            Ruling::Name { name, .. } => { "named it “" (safe(name)) "”" },
        }
    }
}

/// The side of a conclusion that the store keeps by name; its band is in the verdict line, not here.
fn side(name: &str) -> Conclusion {
    match name {
        "supports_spoof" => Conclusion::SupportsSpoof(Support::Limited),
        "supports_bonafide" => Conclusion::SupportsBonaFide(Support::Limited),
        "inconclusive" => Conclusion::Inconclusive,
        _ => Conclusion::NotAssessable,
    }
}

fn verdict(name: &str, llr: Option<f64>) -> Markup {
    let c = side(name);
    html! {
        span class={ "badge " (super::class_of(c)) } { (sign(c)) span { (words::conclusion(c)) } }
        @if let Some(llr) = llr { span class="sub" { "LLR " (format!("{llr:+.2}")) } }
    }
}

fn named(channel: &str) -> String {
    if channel.is_empty() { "channel not said".into() } else { safe(channel) }
}

fn more(all: usize, shown: usize, what: &str) -> Markup {
    html! { @if all > shown { p class="aside" { (words::thousands((all - shown) as u64)) " more " (what) " are not shown here; the exports hold all of them." } } }
}

/// `2026-05-01`.
fn day(at: Moment) -> String {
    at.to_string().chars().take(10).collect()
}

/// `2026-05-01 10:00`, in UTC.
fn stamp(at: Moment) -> String {
    at.to_string().chars().take(16).map(|c| if c == 'T' { ' ' } else { c }).collect()
}

/// `00:03.2`.
fn clock(t: MediaTime) -> String {
    let tenths = t.as_micros().max(0) / 100_000;
    format!("{:02}:{:02}.{}", tenths / 600, tenths / 10 % 60, tenths % 10)
}
