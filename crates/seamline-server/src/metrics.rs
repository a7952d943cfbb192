//! Figures in Prometheus' text format 0.0.4.

use seamline_core::job::JobCounts;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// Upper ends of the classes of waiting times, in seconds.
const CLASSES: [f64; 8] = [0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0];

/// What the server counts of itself.
#[derive(Default)]
pub(crate) struct Metrics {
    /// Answers by the first digit of their status.
    answers: [AtomicU64; 6],
    classes: [AtomicU64; CLASSES.len()],
    micros: AtomicU64,
    pub(crate) uploads: AtomicU64,
    pub(crate) upload_bytes: AtomicU64,
}

impl Metrics {
    pub(crate) fn answered(&self, status: u16, secs: f64) {
        let class = usize::from(status / 100).min(5);
        self.answers[class].fetch_add(1, Ordering::Relaxed);
        if let Some(n) = CLASSES.iter().position(|c| secs <= *c) {
            self.classes[n].fetch_add(1, Ordering::Relaxed);
        }
        self.micros.fetch_add((secs * 1e6) as u64, Ordering::Relaxed);
    }

    pub(crate) fn text(&self, jobs: &JobCounts, media_bytes: u64) -> String {
        let mut out = String::new();
        let head =
            |name: &str, kind: &str, help: &str| format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
        let get = |n: &AtomicU64| n.load(Ordering::Relaxed);
        out += &head("seamline_jobs", "gauge", "Jobs by state.");
        let states = [
            ("queued", jobs.queued),
            ("running", jobs.running),
            ("done", jobs.done),
            ("failed", jobs.failed),
            ("dead", jobs.dead),
        ];
        for (state, n) in states {
            let _ = writeln!(out, "seamline_jobs{{state=\"{state}\"}} {n}"); // a String takes everything
        }
        out += &head("seamline_media_bytes", "gauge", "Bytes in the media folder.");
        let _ = writeln!(out, "seamline_media_bytes {media_bytes}");
        out += &head("seamline_uploads_total", "counter", "Clips that were uploaded.");
        let _ = writeln!(out, "seamline_uploads_total {}", get(&self.uploads));
        out += &head("seamline_upload_bytes_total", "counter", "Bytes of clips that were uploaded.");
        let _ = writeln!(out, "seamline_upload_bytes_total {}", get(&self.upload_bytes));
        out += &head("seamline_http_responses_total", "counter", "Answers by class of status.");
        let mut all = 0;
        for (n, count) in self.answers.iter().enumerate().skip(1) {
            all += get(count);
            let _ = writeln!(out, "seamline_http_responses_total{{class=\"{n}xx\"}} {}", get(count));
        }
        out += &head("seamline_http_seconds", "histogram", "Time to an answer's headers.");
        let mut below = 0;
        for (class, count) in CLASSES.iter().zip(&self.classes) {
            below += get(count);
            let _ = writeln!(out, "seamline_http_seconds_bucket{{le=\"{class}\"}} {below}");
        }
        let _ = writeln!(out, "seamline_http_seconds_bucket{{le=\"+Inf\"}} {all}");
        let _ = writeln!(out, "seamline_http_seconds_sum {}", get(&self.micros) as f64 / 1e6);
        let _ = writeln!(out, "seamline_http_seconds_count {all}");
        out
    }
}
