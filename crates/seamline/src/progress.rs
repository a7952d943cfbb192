//! A progress bar on a terminal: clips done, the clip and stage in hand, time left. Nothing in a pipe.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use seamline_core::Stage;
use std::collections::BTreeMap;
use std::io::IsTerminal;

pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    /// Clips in hand: name, stage, fraction.
    open: BTreeMap<u64, (String, Stage, f32)>,
    done: u64,
    /// Known once the paths were counted; a pipe's are not.
    total: Option<u64>,
}

/// The bar counts thousandths of clips, so that a single long clip moves it.
const PER_CLIP: f64 = 1000.0;

impl Progress {
    pub(crate) fn new(total: Option<u64>, wanted: bool) -> Self {
        let bar = (wanted && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(
                total.map(|t| t * PER_CLIP as u64),
                ProgressDrawTarget::stderr_with_hz(8),
            );
            let template = if total.is_some() {
                "{bar:24} {prefix} {wide_msg} {eta:>5} left"
            } else {
                "{spinner} {prefix} {wide_msg} {elapsed:>5}"
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, open: BTreeMap::new(), done: 0, total }
    }

    pub(crate) fn begun(&mut self, index: u64, name: String) {
        self.open.insert(index, (name, Stage::Open, 0.0));
        self.draw();
    }

    pub(crate) fn at(&mut self, index: u64, stage: Stage, fraction: f32) {
        if let Some(open) = self.open.get_mut(&index) {
            (open.1, open.2) = (stage, fraction);
            self.draw();
        }
    }

    pub(crate) fn finished(&mut self, index: u64) {
        self.open.remove(&index);
        self.done += 1;
        self.draw();
    }

    /// Prints above the bar.
    pub(crate) fn suspend<T>(&self, f: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(f),
            None => f(),
        }
    }

    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn draw(&self) {
        let Some(bar) = &self.bar else { return };
        let part: f64 = self.open.values().map(|o| f64::from(o.2)).sum();
        bar.set_position(((self.done as f64 + part) * PER_CLIP) as u64);
        bar.set_prefix(match self.total {
            Some(total) => format!("{}/{total}", self.done),
            None => format!("{} done", self.done),
        });
        if let Some((name, stage, fraction)) = self.open.values().next() {
            bar.set_message(format!("{name}: {} {:.0} %", stage.as_str(), fraction * 100.0));
        }
    }
}
