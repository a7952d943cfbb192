//! Builds an index over a file of 32-byte hashes and measures it; prints one JSON object.
//!
//! `index_bench HASHES QUERIES RADIUS FOLDER [SAMPLE]`: both files are plain concatenations of 32-byte hashes;
//! FOLDER is made anew. SAMPLE queries (200 by default) are compared with comparing everything.
//! Rates are of whole calls with all results; `RAYON_NUM_THREADS` sets the threads of `lookups_per_s`.
#![allow(clippy::print_stdout)]

use seamline_campaign::index::code::{Code, ToCode, distance};
use seamline_campaign::index::{Hit, PictureIndex};
use seamline_campaign::pdq::PdqHash;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [hashes, queries, radius, folder, rest @ ..] = arguments.as_slice() else {
        return Err("usage: index_bench HASHES QUERIES RADIUS FOLDER [SAMPLE]".into());
    };
    let radius: u32 = radius.parse()?;
    let sample: usize = rest.first().map_or(Ok(200), |s| s.parse())?;
    let hashes = read(Path::new(hashes))?;
    let queries = read(Path::new(queries))?;

    let clock = Instant::now();
    let index = PictureIndex::begin_anew(Path::new(folder))?;
    let codes: Vec<Code<16>> = hashes.iter().map(ToCode::to_code).collect();
    let keys: Vec<u64> = (0..codes.len() as u64).collect();
    index.build(&codes, &keys, 1)?;
    let build_s = clock.elapsed().as_secs_f64();
    let built_peak = peak_bytes();
    drop((keys, hashes));

    // Once through to fault the mapped file in, as a process that serves would have it.
    let warm = queries.len().min(2_000);
    index.search_all(&queries[..warm], radius)?;
    let rate = |n: usize, clock: Instant| n as f64 / clock.elapsed().as_secs_f64();
    let clock = Instant::now();
    let found = index.search_all(&queries, radius)?;
    let all_threads = rate(queries.len(), clock);
    let one = queries.len().min(5_000);
    let before = cpu_seconds();
    let clock = Instant::now();
    for q in &queries[..one] {
        index.search(q, radius)?;
    }
    let one_thread = rate(one, clock);
    let on_cpu = cpu_seconds().zip(before).map(|(after, before)| one as f64 / (after - before));

    let (mut right, mut wanted) = (0, 0);
    for (q, hits) in queries.iter().zip(&found).take(sample) {
        let code = q.to_code();
        let mut brute: Vec<Hit> = Vec::new();
        for (key, other) in codes.iter().enumerate() {
            let d = distance(other, &code);
            if d <= radius {
                brute.push(Hit { key: key as u64, distance: d });
            }
        }
        brute.sort_unstable_by_key(|h| (h.distance, h.key));
        wanted += brute.len();
        right += brute.iter().filter(|h| hits.contains(h)).count();
        if hits.len() != brute.len() {
            return Err(
                format!("{} hits where comparing everything gives {}", hits.len(), brute.len()).into()
            );
        }
    }
    drop(codes);

    // Inserting while two searches go on: what it does to both.
    let stop = AtomicBool::new(false);
    let (looked, inserted) = (AtomicU64::new(0), 200_000u64);
    let clock = Instant::now();
    let mut insert_s = 0.0;
    std::thread::scope(|scope| -> Result<(), Failure> {
        let searcher = scope.spawn(|| -> Result<(), String> {
            for q in queries.iter().cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                index.search(q, radius).map_err(|e| e.to_string())?;
                looked.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        for n in 0..inserted {
            let words = std::array::from_fn(|w| {
                (n * 4 + w as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
            });
            if index.insert(&PdqHash(words), 1 << 40 | n) {
                index.seal(n + 2)?;
            }
        }
        insert_s = clock.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        Ok(searcher.join().map_err(|_| "the searching thread stopped")??)
    })?;
    let bytes: u64 =
        std::fs::read_dir(folder)?.flatten().filter_map(|e| e.metadata().ok()).map(|m| m.len()).sum();
    let report = serde_json::json!({
        "entries": index.len() as u64 - inserted,
        "radius": radius,
        "build_s": build_s,
        "file_bytes": bytes,
        "peak_rss_while_building_bytes": built_peak,
        "threads": rayon::current_num_threads(),
        "lookups_per_s": all_threads,
        "lookups_per_s_one_thread": one_thread,
        "lookups_per_cpu_s": on_cpu,
        "hits_per_query": found.iter().map(Vec::len).sum::<usize>() as f64 / queries.len() as f64,
        "recall": if wanted == 0 { None } else { Some(right as f64 / wanted as f64) },
        "recall_sample_queries": sample.min(queries.len()),
        "recall_sample_hits": wanted,
        "inserts_per_s_while_searching": inserted as f64 / insert_s,
        "lookups_per_s_while_inserting": looked.load(Ordering::Relaxed) as f64 / insert_s,
    });
    println!("{report}");
    Ok(())
}

fn read(path: &Path) -> Result<Vec<PdqHash>, Failure> {
    let bytes = std::fs::read(path)?;
    let (hashes, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(format!("{}: not a whole number of 32-byte hashes", path.display()).into());
    }
    Ok(hashes.iter().map(|h| PdqHash::from_bytes(*h)).collect())
}

/// Time this thread has spent on a processor: unlike time on the clock, hardly longer on a busy machine.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(stat.split_whitespace().next()?.parse::<u64>().ok()? as f64 / 1e9)
}

/// VmHWM of this process.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}
