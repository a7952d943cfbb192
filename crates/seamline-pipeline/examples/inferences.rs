//! For the bench: analyses one clip in this process, without jail, and prints each inference that was made as a
//! JSON object (`model`, `weights`, `shape`, `micros`), one a line.
//!
//! `inferences CLIP [fast|thorough]`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // a tool of the bench

use seamline_infer::{Home, RUN_TARGET};
use seamline_pipeline::analyse::analyse;
use seamline_pipeline::engine::Plan;
use seamline_pipeline::{Engine, Profile, ScanOptions};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

type Runs = Arc<Mutex<Vec<BTreeMap<&'static str, String>>>>;

/// Keeps the events of inferences and nothing else.
struct Recorder(Runs);

struct Fields<'a>(&'a mut BTreeMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == RUN_TARGET
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut fields = BTreeMap::new();
        event.record(&mut Fields(&mut fields));
        self.0.lock().unwrap().push(fields);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let clip = arguments.first().expect("usage: inferences CLIP [fast|thorough]");
    let mut options = ScanOptions::default();
    if arguments.get(1).is_some_and(|p| p == "thorough") {
        options.profile = Profile::Thorough;
    }
    let runs = Runs::default();
    tracing::subscriber::set_global_default(Recorder(runs.clone())).unwrap();
    let home = Home::resolve();
    let plan = Plan::new(&home, &options).unwrap();
    let cache = home.cache.clone();
    let weights: BTreeMap<String, String> = plan
        .detectors
        .iter()
        .chain(&plan.face_detector)
        .chain(&plan.marks)
        .map(|m| (m.id.to_string(), m.weights(&cache).display().to_string()))
        .collect();
    let engine = Engine::load(&home, &plan, seamline_provenance::Trust::default()).unwrap();
    let file = std::fs::File::open(clip).unwrap();
    analyse(file, &engine, &options, false, None, &mut |_| {});
    for run in runs.lock().unwrap().iter() {
        println!(
            r#"{{"model":"{}","weights":"{}","shape":{},"micros":{}}}"#,
            run["model"], weights[&run["model"]], run["shape"], run["micros"]
        );
    }
}
