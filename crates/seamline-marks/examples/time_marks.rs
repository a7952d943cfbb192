//! Times the decoders on one picture of 1,024 x 1,024 pixels, for `benches/marks.py`: milliseconds of this thread on
//! a core (Linux, `/proc/thread-self/schedstat`), best of several.

use seamline_marks::dwt::{Accumulator, crop};
use seamline_testkit::watermark::scene;
use std::io::Write;

fn main() -> std::io::Result<()> {
    let picture = scene(1024, 1024, 1);
    let best = |times: usize, work: &dyn Fn()| {
        let once = |_| {
            let start = on_core_ms();
            work();
            on_core_ms() - start
        };
        (0..times).map(once).fold(f64::INFINITY, f64::min)
    };
    let whole = best(5, &|| {
        let mut all = Accumulator::default();
        all.push(&picture);
        std::hint::black_box(all.decide());
    });
    let parts = best(2, &|| {
        std::hint::black_box(crop::search(&picture));
    });
    writeln!(std::io::stdout(), "whole_ms {whole:.1}\nparts_ms {parts:.1}")
}

fn on_core_ms() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1e6
}
