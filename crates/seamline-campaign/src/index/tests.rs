use super::*;
use crate::pdq::PdqHash;
use proptest::prelude::*;

fn random(seed: &mut u64) -> u64 {
    // SplitMix64 (Steele, Lea, Flood 2014).
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn hashes(n: usize, seed: u64) -> Vec<PdqHash> {
    let mut s = seed;
    (0..n).map(|_| PdqHash(std::array::from_fn(|_| random(&mut s)))).collect()
}

/// `hash` with exactly `bits` distinct bits turned over.
fn near(hash: PdqHash, bits: u32, seed: &mut u64) -> PdqHash {
    let mut out = hash;
    while out.distance(&hash) < bits {
        let k = (random(seed) % 256) as usize;
        if (out.0[k / 64] ^ hash.0[k / 64]) >> (k % 64) & 1 == 0 {
            out.0[k / 64] ^= 1 << (k % 64);
        }
    }
    out
}

fn brute(all: &[PdqHash], query: &PdqHash, radius: u32) -> Vec<Hit> {
    let mut hits: Vec<Hit> = all
        .iter()
        .enumerate()
        .map(|(i, h)| Hit { key: i as u64, distance: h.distance(query) })
        .filter(|h| h.distance <= radius)
        .collect();
    hits.sort_unstable_by_key(|h| (h.distance, h.key));
    hits
}

#[test]
fn every_distance_up_to_the_radius_is_found_and_none_beyond() {
    let dir = tempfile::tempdir().unwrap();
    let index = PictureIndex::open(dir.path()).unwrap();
    let mut seed = 7;
    let centre = hashes(1, 3)[0];
    let mut all = Vec::new();
    for bits in 0..=40 {
        for _ in 0..50 {
            all.push(near(centre, bits, &mut seed));
        }
    }
    let codes: Vec<_> = all.iter().map(ToCode::to_code).collect();
    let keys: Vec<u64> = (0..all.len() as u64).collect();
    index.build(&codes, &keys, 1).unwrap();
    for radius in [0, 1, 7, 15, 16, 24, 31] {
        assert_eq!(index.search(&centre, radius).unwrap(), brute(&all, &centre, radius), "radius {radius}");
    }
    assert!(matches!(index.search(&centre, 32), Err(IndexError::Radius { asked: 32, most: 31 })));
}

#[test]
fn tail_segments_and_merges_give_the_same_answers_as_comparing_all() {
    let dir = tempfile::tempdir().unwrap();
    let index = PictureIndex::open(dir.path()).unwrap();
    let mut seed = 99;
    let mut all = hashes(3_000, 5);
    for i in 0..3_000 {
        let bits = (random(&mut seed) % 45) as u32;
        all.push(near(all[i], bits, &mut seed));
    }
    for (i, h) in all.iter().enumerate() {
        index.insert(h, i as u64);
        if i % 300 == 299 {
            index.seal(i as u64).unwrap();
        }
    }
    assert!(index.segments() < 10, "merged: {}", index.segments());
    for (q, h) in all.iter().enumerate().step_by(97) {
        assert_eq!(index.search(h, 31).unwrap(), brute(&all, h, 31), "query {q}");
    }
    drop(index);
    let again = PictureIndex::open(dir.path()).unwrap();
    assert_eq!(again.covered(), 5_999);
    assert_eq!(again.search(&all[0], 31).unwrap(), brute(&all, &all[0], 31));
    again.verify().unwrap();
}

#[test]
fn searches_go_on_while_others_insert_and_seal() {
    let dir = tempfile::tempdir().unwrap();
    let index = PictureIndex::open(dir.path()).unwrap();
    let all = hashes(9_000, 11);
    let seen = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for (i, h) in all.iter().enumerate() {
                let full = index.insert(h, i as u64);
                seen.store(i + 1, std::sync::atomic::Ordering::Release);
                if full {
                    index.seal(i as u64).unwrap();
                }
            }
        });
        let mut looked = 0;
        while !writer.is_finished() {
            let n = seen.load(std::sync::atomic::Ordering::Acquire);
            if n > 0 {
                // What was inserted before the search began is found exactly once, wherever it lies by now.
                let hits = index.search(&all[looked % n], 0).unwrap();
                assert_eq!(hits.len(), 1, "entry {} of {n}", looked % n);
                looked += 131;
            }
        }
        writer.join().unwrap();
    });
    assert_eq!(index.len(), 9_000);
}

#[test]
fn damage_is_an_error_and_never_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let index = PictureIndex::open(dir.path()).unwrap();
    let all = hashes(500, 1);
    for (i, h) in all.iter().enumerate() {
        index.insert(h, i as u64);
    }
    index.seal(500).unwrap();
    let name = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| p.extension().is_some_and(|x| x == "seg"))
        .unwrap();
    drop(index);
    let whole = std::fs::read(&name).unwrap();
    let mut seed = 4;
    for round in 0..60 {
        let mut bytes = whole.clone();
        if round % 3 == 0 {
            bytes.truncate((random(&mut seed) % whole.len() as u64) as usize);
        } else {
            for _ in 0..40 {
                let at = (random(&mut seed) % bytes.len() as u64) as usize;
                bytes[at] ^= 1 << (random(&mut seed) % 8);
            }
        }
        std::fs::write(&name, &bytes).unwrap();
        match PictureIndex::open(dir.path()) {
            Err(IndexError::Corrupt { .. }) => {}
            Err(e) => panic!("{e}"),
            Ok(index) => {
                let _ = index.search(&all[0], 31).unwrap();
                assert!(matches!(index.verify(), Err(IndexError::Corrupt { .. })));
            }
        }
    }
    std::fs::write(&name, &whole).unwrap();
    PictureIndex::open(dir.path()).unwrap().verify().unwrap();
    std::fs::remove_file(&name).unwrap();
    assert!(matches!(PictureIndex::open(dir.path()), Err(IndexError::Corrupt { .. })));
    let anew = PictureIndex::begin_anew(dir.path()).unwrap();
    assert!(anew.is_empty() && anew.covered() == 0);
}

#[test]
fn two_writers_do_not_write_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (PictureIndex::open(dir.path()).unwrap(), PictureIndex::open(dir.path()).unwrap());
    let held = a.lock_folder().unwrap();
    assert!(matches!(b.seal(1), Err(IndexError::Locked { .. })));
    drop(held);
    b.insert(&hashes(1, 1)[0], 7);
    b.seal(1).unwrap();
    // `a` does not know of that segment, and must not publish a list without it.
    assert!(matches!(a.seal(1), Err(IndexError::Stale { .. })));
    assert_eq!(PictureIndex::open(dir.path()).unwrap().len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn sound_items_are_found_exactly(items in prop::collection::vec(any::<u32>(), 1..400), flips in prop::collection::vec(0u32..32, 0..5)) {
        let dir = tempfile::tempdir().unwrap();
        let index = SoundIndex::open(dir.path()).unwrap();
        for (i, item) in items.iter().enumerate() {
            index.insert(item, i as u64);
        }
        index.seal(1).unwrap();
        let query = flips.iter().fold(items[0], |q, b| q ^ 1 << b);
        for radius in 0..=3 {
            let mut want: Vec<Hit> = items.iter().enumerate()
                .map(|(i, x)| Hit { key: i as u64, distance: (x ^ query).count_ones() })
                .filter(|h| h.distance <= radius).collect();
            want.sort_unstable_by_key(|h| (h.distance, h.key));
            prop_assert_eq!(index.search(&query, radius).unwrap(), want);
        }
    }
}
