//! Matching one clip against everything seen: search the indexes, group what they find by clip, align, score.
//!
//! [`Matcher`] holds the two indexes beside a store and keeps them up to date. Alignments are worked out from the clip
//! with the smaller SHA-256 to the other, then turned round where needed, so that two clips have the same links
//! whichever came first.

use crate::align::{Alignment, PicturePair, SoundPair, align_pictures, align_sound};
use crate::cluster::{Link, LinkKind};
use crate::index::code::ToCode;
use crate::index::{Hit, IndexError, PictureIndex, SoundIndex};
use crate::observables::{Observables, TraceKind, VoiceEmbedding};
use crate::pdq::{MATCH_DISTANCE, PdqHash};
use crate::store::{Store, StoreError};
use seamline_core::ClipId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Bits in which two items of sound may differ to propose an alignment. Items of one sound after a lossy encoder agree
/// within two bits often enough; three bits would propose tens of thousands of chance pairs.
const SOUND_DISTANCE: u32 = 2;
/// Every second item of known sound is indexed, every item of the sound asked about is looked for.
const SOUND_STRIDE: usize = 2;
/// Low bits of a key that number the hash within its clip; the row of the store is above them.
const ORDINAL_BITS: u32 = 24;
/// Most clips that are aligned, the most promising first; more share one picture only.
const CANDIDATES: usize = 256;
/// Pairs of sound items that make a candidate.
const SOUND_PAIRS: usize = 3;
/// Cosine from which two voices are the same speaker's, as models/speaker-ge2e/card.md measures them.
pub const VOICE_COSINE: f64 = 0.86;
/// Entries collected before a large index is written in one go rather than piece by piece.
const BULK: usize = 1 << 16;

/// Why matching failed.
#[derive(Debug, thiserror::Error)]
pub enum MatchError {
    /// An index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One clip that shares something with the clip asked about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Match {
    /// The known clip.
    pub sha256: ClipId,
    /// Its path, as first submitted.
    pub path: String,
    /// What is shared.
    pub kind: LinkKind,
    /// 0 to 1.
    pub score: f64,
    /// Start of the longest shared stretch, in seconds in the clip asked about; the fields on time are absent where
    /// the kind has no place in time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub start_s: Option<f64>,
    /// Its end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end_s: Option<f64>,
    /// Its start in the known clip.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub other_start_s: Option<f64>,
    /// Its end in the known clip.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub other_end_s: Option<f64>,
    /// Seconds of the known clip in a second of the clip asked about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub speed: Option<f64>,
    /// Whether the pictures are mirrored.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mirrored: Option<bool>,
    /// All shared stretches, best first.
    #[serde(skip)]
    pub shared: Vec<Alignment>,
}

impl Match {
    /// The link that this match makes of `clip` and the known clip.
    pub fn link(&self, clip: ClipId) -> Option<Link> {
        Link::new(clip, self.sha256, self.kind, self.score, self.shared.clone())
    }

    fn new(sha256: ClipId, path: String, kind: LinkKind, score: f64, shared: Vec<Alignment>) -> Self {
        let best = shared.first();
        Self {
            sha256,
            path,
            kind,
            score,
            start_s: best.map(|a| a.here.start.as_secs_f64()),
            end_s: best.map(|a| a.here.end.as_secs_f64()),
            other_start_s: best.map(|a| a.there.start.as_secs_f64()),
            other_end_s: best.map(|a| a.there.end.as_secs_f64()),
            speed: best.map(|a| a.speed),
            mirrored: best.map(|a| a.mirrored),
            shared,
        }
    }
}

/// The indexes beside a store.
pub struct Matcher {
    folder: PathBuf,
    pictures: PictureIndex,
    sound: SoundIndex,
    logos: PictureIndex,
    /// The last row of observables that is in all of them. Held while rows are added, so that they come in order.
    seen: Mutex<u64>,
}

impl Matcher {
    /// Opens the indexes in `folder` and brings them up to date with `store`. A damaged index is thrown away and built
    /// from the store; the message, for people, says so.
    pub fn open(folder: &Path, store: &dyn Store) -> Result<(Self, Option<String>), MatchError> {
        let mut said = None;
        let (pictures, a) = open_or_rebuild(&folder.join("pictures"), store, &mut said, picture_entries)?;
        let (sound, b) = open_or_rebuild(&folder.join("sound"), store, &mut said, sound_entries)?;
        let (logos, c) = open_or_rebuild(&folder.join("logos"), store, &mut said, logo_entries)?;
        let seen = Mutex::new(a.min(b).min(c));
        Ok((Self { folder: folder.to_owned(), pictures, sound, logos, seen }, said))
    }

    /// Reads all of the indexes and compares checksums.
    pub fn verify(&self) -> Result<(), IndexError> {
        self.pictures.verify()?;
        self.sound.verify()?;
        self.logos.verify()
    }

    /// Throws the indexes away and builds them from the store.
    pub fn rebuild(&mut self, store: &dyn Store) -> Result<(), MatchError> {
        let (pictures, a) = begin_anew(&self.folder.join("pictures"), store, picture_entries)?;
        let (sound, b) = begin_anew(&self.folder.join("sound"), store, sound_entries)?;
        let (logos, c) = begin_anew(&self.folder.join("logos"), store, logo_entries)?;
        let seen = Mutex::new(a.min(b).min(c));
        *self = Self { folder: std::mem::take(&mut self.folder), pictures, sound, logos, seen };
        Ok(())
    }

    /// Number of frame hashes and of sound items that are searched.
    pub fn len(&self) -> (usize, usize) {
        (self.pictures.len(), self.sound.len())
    }

    /// Whether nothing has been added.
    pub fn is_empty(&self) -> bool {
        self.len() == (0, 0)
    }

    /// Adds what has been recorded since, by whomever: rows come in their order, and none is passed over.
    pub fn update(&self, store: &dyn Store) -> Result<(), MatchError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut full = false;
        store.observables_after(*seen, &mut |row, o| {
            full |= insert(&self.pictures, &picture_entries(row, o));
            full |= insert(&self.sound, &sound_entries(row, o));
            full |= insert(&self.logos, &logo_entries(row, o));
            *seen = row;
            Ok(())
        })?;
        if full { self.seal_all(*seen) } else { Ok(()) }
    }

    /// Makes everything that was added durable, so that the next start need not add it again.
    pub fn flush(&self) -> Result<(), MatchError> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        self.seal_all(*seen)
    }

    fn seal_all(&self, row: u64) -> Result<(), MatchError> {
        seal(&self.pictures, row)?;
        seal(&self.sound, row)?;
        seal(&self.logos, row)?;
        Ok(())
    }

    /// Everything recorded so far that shares something with `o`, best first; `o`'s own clip is left out.
    pub fn matches(&self, o: &Observables, store: &dyn Store) -> Result<Vec<Match>, MatchError> {
        self.update(store)?;
        let mut known = Known { store, rows: HashMap::new() };
        let mut found = Vec::new();
        self.by_pictures(o, &mut known, &mut found)?;
        self.by_sound(o, &mut known, &mut found)?;
        self.by_logos(o, &mut known, &mut found)?;
        by_voices(o, store, &mut found)?;
        by_traces(o, store, &mut found)?;
        found.sort_by(|a, b| {
            b.score.total_cmp(&a.score).then_with(|| (a.sha256, a.kind).cmp(&(b.sha256, b.kind)))
        });
        Ok(found)
    }

    fn by_pictures(
        &self,
        o: &Observables,
        known: &mut Known<'_>,
        found: &mut Vec<Match>,
    ) -> Result<(), MatchError> {
        let telling: Vec<usize> = (0..o.frames.len()).filter(|i| o.frames[*i].telling()).collect();
        let hashes: Vec<PdqHash> =
            telling.iter().flat_map(|i| [o.frames[*i].hash, o.frames[*i].mirrored]).collect();
        let hits = self.pictures.search_all(&hashes, MATCH_DISTANCE)?;
        // By row: our frame, their frame, distance, mirrored.
        let mut by_row: BTreeMap<u64, Vec<(usize, usize, u32, bool)>> = BTreeMap::new();
        for (n, hits) in hits.iter().enumerate() {
            for Hit { key, distance } in hits {
                let (row, ordinal) = split(*key);
                by_row.entry(row).or_default().push((telling[n / 2], ordinal, *distance, n % 2 == 1));
            }
        }
        let moments = |pairs: &Vec<(usize, usize, u32, bool)>| {
            let mut times: Vec<i64> = pairs.iter().map(|p| o.frames[p.0].time_us).collect();
            times.dedup();
            times.len()
        };
        for (row, pairs) in most_promising(by_row, moments) {
            let Some(other) = known.get(row)?.filter(|k| k.clip != o.clip && k.version == o.version) else {
                continue;
            };
            let mut timed: Vec<PicturePair> = pairs
                .iter()
                .filter_map(|&(here, there, distance, mirrored)| {
                    let (here_us, there_us) = (o.frames[here].time_us, other.frames.get(there)?.time_us);
                    Some(PicturePair { here_us, there_us, distance, mirrored })
                })
                .collect();
            let (mine, theirs) = (o.frame_times(), other.frame_times());
            let shared = if o.clip < other.clip {
                align_pictures(&mine, &theirs, &timed)
            } else {
                timed.iter_mut().for_each(|p| std::mem::swap(&mut p.here_us, &mut p.there_us));
                align_pictures(&theirs, &mine, &timed).iter().map(Alignment::turned_round).collect()
            };
            if let Some(best) = shared.first() {
                let (clip, score) = (other.clip, best.score);
                found.push(Match::new(clip, known.path(clip)?, LinkKind::SamePictures, score, shared));
            }
        }
        Ok(())
    }

    fn by_logos(
        &self,
        o: &Observables,
        known: &mut Known<'_>,
        found: &mut Vec<Match>,
    ) -> Result<(), MatchError> {
        let hashes: Vec<PdqHash> = o.patches.iter().map(|p| p.hash).collect();
        let mut best: BTreeMap<u64, u32> = BTreeMap::new();
        for Hit { key, distance } in self.logos.search_all(&hashes, MATCH_DISTANCE)?.into_iter().flatten() {
            let nearest = best.entry(split(key).0).or_insert(distance);
            *nearest = distance.min(*nearest);
        }
        for (row, distance) in best {
            let Some(clip) = known.get(row)?.map(|k| k.clip).filter(|c| *c != o.clip) else { continue };
            let score = 1.0 - f64::from(distance) / f64::from(2 * MATCH_DISTANCE);
            found.push(Match::new(clip, known.path(clip)?, LinkKind::SameLogo, score, Vec::new()));
        }
        Ok(())
    }

    fn by_sound(
        &self,
        o: &Observables,
        known: &mut Known<'_>,
        found: &mut Vec<Match>,
    ) -> Result<(), MatchError> {
        let Some(print) = &o.sound else { return Ok(()) };
        let items: Vec<(usize, u32)> = print.telling().collect();
        let wanted: Vec<u32> = items.iter().map(|(_, item)| *item).collect();
        let hits = self.sound.search_all(&wanted, SOUND_DISTANCE)?;
        let mut by_row: BTreeMap<u64, Vec<SoundPair>> = BTreeMap::new();
        for ((n, _), hits) in items.iter().zip(&hits) {
            for Hit { key, distance } in hits {
                let (row, there) = split(*key);
                let pair = SoundPair { here: *n as u32, there: there as u32, distance: *distance };
                by_row.entry(row).or_default().push(pair);
            }
        }
        by_row.retain(|_, pairs| pairs.len() >= SOUND_PAIRS);
        for (row, mut pairs) in most_promising(by_row, agreeing) {
            let Some(other) = known.get(row)?.filter(|k| k.clip != o.clip && k.version == o.version) else {
                continue;
            };
            let Some(theirs) = &other.sound else { continue };
            let shared = if o.clip < other.clip {
                align_sound(print, theirs, &pairs)
            } else {
                pairs.iter_mut().for_each(|p| std::mem::swap(&mut p.here, &mut p.there));
                align_sound(theirs, print, &pairs).iter().map(Alignment::turned_round).collect()
            };
            if let Some(best) = shared.first() {
                let (clip, score) = (other.clip, best.score);
                found.push(Match::new(clip, known.path(clip)?, LinkKind::SameAudio, score, shared));
            }
        }
        Ok(())
    }
}

/// Links by voices, compared with every voice of the same model: 100,000 of 256 numbers take a fraction of a second.
fn by_voices(o: &Observables, store: &dyn Store, found: &mut Vec<Match>) -> Result<(), StoreError> {
    let models: std::collections::BTreeSet<_> = o.voices.iter().map(|v| v.model_sha256).collect();
    let mut best: BTreeMap<ClipId, f64> = BTreeMap::new();
    for model in models {
        store.voices(&model, &mut |clip, voice| {
            let nearest = o.voices.iter().filter_map(|v| cosine(v, voice)).max_by(f64::total_cmp);
            if let Some(c) = nearest.filter(|c| clip != o.clip && *c >= VOICE_COSINE) {
                let entry = best.entry(clip).or_insert(c);
                *entry = entry.max(c);
            }
        })?;
    }
    for (clip, score) in best {
        let path = store.clip(&clip)?.map(|c| c.path).unwrap_or_default();
        found.push(Match::new(clip, path, LinkKind::SameVoice, score, Vec::new()));
    }
    Ok(())
}

/// Links by traces of one run of a generator.
fn by_traces(o: &Observables, store: &dyn Store, found: &mut Vec<Match>) -> Result<(), StoreError> {
    for trace in o.traces.iter().filter(|t| t.kind == TraceKind::GeneratorRun) {
        for clip in store.clips_with_trace(trace)? {
            let seen = found.iter().any(|m| m.sha256 == clip && m.kind == LinkKind::SameGeneratorRun);
            if clip != o.clip && !seen {
                let path = store.clip(&clip)?.map(|c| c.path).unwrap_or_default();
                found.push(Match::new(clip, path, LinkKind::SameGeneratorRun, 1.0, Vec::new()));
            }
        }
    }
    Ok(())
}

/// Cosine of two voices by the same model; `None` for different models, lengths, or a vector of nothing.
pub fn cosine(a: &VoiceEmbedding, b: &VoiceEmbedding) -> Option<f64> {
    let dot =
        |u: &[f32], v: &[f32]| -> f64 { u.iter().zip(v).map(|(p, q)| f64::from(*p) * f64::from(*q)).sum() };
    let norm = (dot(&a.vector, &a.vector) * dot(&b.vector, &b.vector)).sqrt();
    let comparable = a.model_sha256 == b.model_sha256 && a.vector.len() == b.vector.len() && norm > 0.0;
    comparable.then(|| dot(&a.vector, &b.vector) / norm)
}

/// Most pairs on one diagonal, in cells of 16 items: what tells a candidate from chance.
fn agreeing(pairs: &Vec<SoundPair>) -> usize {
    let mut cells: HashMap<i64, usize> = HashMap::new();
    for p in pairs {
        *cells.entry((i64::from(p.there) - i64::from(p.here)).div_euclid(16)).or_default() += 1;
    }
    cells.values().copied().max().unwrap_or(0)
}

fn most_promising<T>(by_row: BTreeMap<u64, T>, worth: impl Fn(&T) -> usize) -> Vec<(u64, T)> {
    let mut all: Vec<(usize, u64, T)> = by_row.into_iter().map(|(row, t)| (worth(&t), row, t)).collect();
    all.sort_by(|a, b| (b.0, a.1).cmp(&(a.0, b.1)));
    all.into_iter().take(CANDIDATES).map(|(_, row, t)| (row, t)).collect()
}

/// Observables of the store, each read once.
struct Known<'a> {
    store: &'a dyn Store,
    rows: HashMap<u64, Option<Observables>>,
}

impl Known<'_> {
    fn get(&mut self, row: u64) -> Result<Option<&Observables>, StoreError> {
        if !self.rows.contains_key(&row) {
            let read = self.store.observables_in(row)?;
            self.rows.insert(row, read);
        }
        Ok(self.rows.get(&row).and_then(Option::as_ref))
    }

    fn path(&self, clip: ClipId) -> Result<String, StoreError> {
        Ok(self.store.clip(&clip)?.map(|c| c.path).unwrap_or_default())
    }
}

fn split(key: u64) -> (u64, usize) {
    (key >> ORDINAL_BITS, (key & ((1 << ORDINAL_BITS) - 1)) as usize)
}

fn key(row: u64, ordinal: usize) -> Option<u64> {
    (ordinal < 1 << ORDINAL_BITS).then_some(row << ORDINAL_BITS | ordinal as u64)
}

fn picture_entries(row: u64, o: &Observables) -> Vec<(PdqHash, u64)> {
    let telling = o.frames.iter().enumerate().filter(|(_, f)| f.telling());
    telling.filter_map(|(i, f)| Some((f.hash, key(row, i)?))).collect()
}

fn sound_entries(row: u64, o: &Observables) -> Vec<(u32, u64)> {
    let items = o.sound.iter().flat_map(|s| s.telling());
    items.filter(|(n, _)| n % SOUND_STRIDE == 0).filter_map(|(n, item)| Some((item, key(row, n)?))).collect()
}

fn logo_entries(row: u64, o: &Observables) -> Vec<(PdqHash, u64)> {
    o.patches.iter().enumerate().filter_map(|(i, p)| Some((p.hash, key(row, i)?))).collect()
}

type Index<const M: usize> = crate::index::HammingIndex<M>;

/// True when the tail is full.
fn insert<const M: usize, T: ToCode<M>>(index: &Index<M>, entries: &[(T, u64)]) -> bool {
    entries.iter().fold(false, |full, (hash, key)| index.insert(hash, *key) | full)
}

/// Seals unless another process is at it, or was: then what is in the tail stays there, and is found there.
fn seal<const M: usize>(index: &Index<M>, row: u64) -> Result<(), IndexError> {
    match index.seal(row) {
        Err(IndexError::Locked { .. } | IndexError::Stale { .. }) => Ok(()),
        other => other,
    }
}

fn open_or_rebuild<const M: usize, T: ToCode<M>>(
    folder: &Path,
    store: &dyn Store,
    said: &mut Option<String>,
    entries: fn(u64, &Observables) -> Vec<(T, u64)>,
) -> Result<(Index<M>, u64), MatchError> {
    match Index::open(folder) {
        Ok(index) => {
            let last = catch_up(&index, store, entries)?;
            Ok((index, last))
        }
        Err(e @ IndexError::Corrupt { .. }) => {
            *said = Some(format!("{e}: done"));
            begin_anew(folder, store, entries)
        }
        Err(e) => Err(e.into()),
    }
}

fn begin_anew<const M: usize, T: ToCode<M>>(
    folder: &Path,
    store: &dyn Store,
    entries: fn(u64, &Observables) -> Vec<(T, u64)>,
) -> Result<(Index<M>, u64), MatchError> {
    let index = Index::begin_anew(folder)?;
    let last = catch_up(&index, store, entries)?;
    Ok((index, last))
}

/// Adds what the store has and the index has not; returns the last row.
fn catch_up<const M: usize, T: ToCode<M>>(
    index: &Index<M>,
    store: &dyn Store,
    entries: fn(u64, &Observables) -> Vec<(T, u64)>,
) -> Result<u64, MatchError> {
    let (mut codes, mut keys, mut last) = (Vec::new(), Vec::new(), index.covered());
    store.observables_after(last, &mut |row, o| {
        for (hash, key) in entries(row, o) {
            codes.push(hash.to_code());
            keys.push(key);
        }
        last = row;
        Ok(())
    })?;
    if index.is_empty() && codes.len() >= BULK {
        index.build(&codes, &keys, last)?;
    } else {
        let mut full = false;
        for (code, key) in codes.iter().zip(&keys) {
            full |= index.insert(code, *key);
        }
        if full {
            seal(index, last)?;
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests;
