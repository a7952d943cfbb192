//! Small plots as SVG: a frame, axes, lines, points, bars. No script, no font, no file.

use maud::{Markup, PreEscaped, html};

const LEFT: f64 = 52.0;
const TOP: f64 = 10.0;
const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 260.0;

/// An axis: what it shows, its range, and where its ticks stand with what they say.
pub(super) struct Axis {
    pub(super) title: &'static str,
    pub(super) range: (f64, f64),
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// 0 to 1 in fifths.
    pub(super) fn share(title: &'static str) -> Self {
        let ticks = (0..=5).map(|i| (f64::from(i) / 5.0, format!("{:.1}", f64::from(i) / 5.0))).collect();
        Self { title, range: (0.0, 1.0), ticks }
    }

    /// Rates on the normal deviate scale of DET curves (Martin et al. 1997), 0.1 % to 99.9 %.
    pub(super) fn deviate(title: &'static str) -> Self {
        let ticks =
            [0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99].map(|p: f64| (probit(p), format!("{:.0}", p * 100.0)));
        Self { title, range: (probit(0.001), probit(0.999)), ticks: ticks.to_vec() }
    }

    fn at(&self, value: f64) -> f64 {
        ((value - self.range.0) / (self.range.1 - self.range.0)).clamp(0.0, 1.0)
    }
}

/// The inverse of the normal distribution function, by bisection on `erfc`: a plot needs no more.
pub(super) fn probit(p: f64) -> f64 {
    let p = p.clamp(1e-4, 1.0 - 1e-4);
    let (mut lo, mut hi) = (-5.0, 5.0);
    for _ in 0..60 {
        let mid = f64::midpoint(lo, hi);
        if 0.5 * libm::erfc(-mid / std::f64::consts::SQRT_2) < p { lo = mid } else { hi = mid }
    }
    f64::midpoint(lo, hi)
}

/// A series: its class gives its colour and dash, its name stands in the legend.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
    /// Radius of a mark at each point; 0 = a line only.
    pub(super) mark: f64,
}

/// Lines in one frame. `diagonal` draws what chance, or perfect calibration, would give.
pub(super) fn lines(label: &str, x: &Axis, y: &Axis, series: &[Series], diagonal: Option<bool>) -> Markup {
    let px = |v: f64| LEFT + x.at(v) * WIDTH;
    let py = |v: f64| TOP + (1.0 - y.at(v)) * HEIGHT;
    let path = |points: &[(f64, f64)]| {
        let mut d = String::new();
        for (i, p) in points.iter().enumerate() {
            d += &format!("{}{:.1} {:.1}", if i == 0 { "M" } else { "L" }, px(p.0), py(p.1));
        }
        d
    };
    html! {
        svg class="plot" viewBox={ "0 0 " (LEFT + WIDTH + 12.0) " " (TOP + HEIGHT + 46.0) } role="img" aria-label=(label) {
            rect class="frame" x=(LEFT) y=(TOP) width=(WIDTH) height=(HEIGHT) {}
            @for (v, text) in &x.ticks {
                line class="grid" x1=(r(px(*v))) x2=(r(px(*v))) y1=(TOP) y2=(TOP + HEIGHT) {}
                text class="tick" x=(r(px(*v))) y=(TOP + HEIGHT + 15.0) text-anchor="middle" { (text) }
            }
            @for (v, text) in &y.ticks {
                line class="grid" x1=(LEFT) x2=(LEFT + WIDTH) y1=(r(py(*v))) y2=(r(py(*v))) {}
                text class="tick" x=(LEFT - 6.0) y=(r(py(*v) + 4.0)) text-anchor="end" { (text) }
            }
            text class="title" x=(LEFT + WIDTH / 2.0) y=(TOP + HEIGHT + 36.0) text-anchor="middle" { (x.title) }
            text class="title" transform={ "translate(13 " (TOP + HEIGHT / 2.0) ") rotate(-90)" } text-anchor="middle" { (y.title) }
            @if let Some(rising) = diagonal {
                line class="chance" x1=(LEFT) x2=(LEFT + WIDTH)
                    y1=(if rising { TOP + HEIGHT } else { TOP }) y2=(if rising { TOP } else { TOP + HEIGHT }) {}
            }
            @for (i, s) in series.iter().enumerate() {
                path class={ "line s" (i % 10) } d=(path(&s.points)) {}
                @if s.mark > 0.0 {
                    @for p in &s.points {
                        circle class={ "mark s" (i % 10) } cx=(r(px(p.0))) cy=(r(py(p.1))) r=(s.mark) {}
                    }
                }
            }
        }
        ul class="legend" {
            @for (i, s) in series.iter().enumerate() {
                li { svg viewBox="0 0 24 10" aria-hidden="true" { path class={ "line s" (i % 10) } d="M1 5H23" {} } (s.name) }
            }
        }
    }
}

/// A bar with its interval.
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) note: String,
    pub(super) value: f64,
    pub(super) interval: Option<(f64, f64)>,
}

/// Horizontal bars from 0 to 1 with a line at `reference`.
pub(super) fn bars(label: &str, bars: &[Bar], reference: f64) -> Markup {
    const NAME: f64 = 190.0;
    const LINE: f64 = 22.0;
    let px = |v: f64| NAME + v.clamp(0.0, 1.0) * WIDTH;
    let height = LINE * bars.len() as f64;
    html! {
        svg class="plot wide" viewBox={ "0 0 " (NAME + WIDTH + 150.0) " " (height + 24.0) } role="img" aria-label=(label) {
            line class="chance" x1=(px(reference)) x2=(px(reference)) y1="0" y2=(height) {}
            @for (i, bar) in bars.iter().enumerate() {
                @let y = LINE * i as f64;
                text class="tick" x=(NAME - 6.0) y=(y + 15.0) text-anchor="end" { (short(&bar.name)) }
                rect class="bar" x=(NAME) y=(y + 4.0) width=(r(px(bar.value) - NAME)) height=(LINE - 8.0) {}
                @if let Some((lo, hi)) = bar.interval {
                    path class="whisker" d={ "M" (r(px(lo))) " " (y + 11.0) "H" (r(px(hi))) "M" (r(px(lo))) " " (y + 7.0) "v8M" (r(px(hi))) " " (y + 7.0) "v8" } {}
                }
                text class="tick" x=(NAME + WIDTH + 8.0) y=(y + 15.0) { (bar.note) }
            }
            @for i in 0..=5 {
                text class="tick" x=(px(f64::from(i) / 5.0)) y=(height + 16.0) text-anchor="middle" { (PreEscaped(format!("{:.1}", f64::from(i) / 5.0))) }
            }
        }
    }
}

fn short(name: &str) -> String {
    if name.chars().count() <= 30 { name.into() } else { name.chars().take(29).chain(['…']).collect() }
}

/// A coordinate to a tenth of a unit, to keep pages small.
fn r(v: f64) -> f64 {
    (v * 10.0).round() / 10.0
}
