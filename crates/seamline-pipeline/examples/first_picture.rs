//! For the bench: seconds from this program's start to the first decoded picture or sound of a clip, through a jailed
//! worker of the real program.
//!
//! `first_picture SEAMLINE CLIP`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a tool of the bench

use seamline_core::Stage;
use seamline_infer::Home;
use seamline_pipeline::ScanOptions;
use seamline_pipeline::scan::{Event, Scan};
use seamline_pipeline::supervise::WorkerSetup;
use std::path::PathBuf;
use std::time::Instant;

fn main() {
    let begun = Instant::now();
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(program), Some(clip)) = (arguments.next(), arguments.next()) else {
        panic!("usage: first_picture SEAMLINE CLIP");
    };
    let setup = WorkerSetup { program, options: ScanOptions::default(), allow_unjailed: false };
    let scan = Scan::prepare(&Home::resolve(), setup, 1, false).unwrap();
    let ready = begun.elapsed();
    let mut first = None;
    scan.run(Box::new(std::iter::once(clip)), &Default::default(), &mut |event| {
        if let Event::Progress { stage: Stage::Decode, .. } = event {
            first.get_or_insert_with(|| begun.elapsed());
        }
    });
    // The worker tells of the first unit that it decoded, whatever follows.
    let first = first.expect("nothing was decoded");
    println!(r#"{{"ready_s":{:.3},"first_s":{:.3}}}"#, ready.as_secs_f64(), first.as_secs_f64());
}
