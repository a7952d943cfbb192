//! Following faces within a shot: greedy matching by overlap, then by distance.

use super::Face;
use seamline_core::{MediaTime, PixelBox, TrackId};

/// A track not seen for this long is over.
const MAX_ABSENCE: MediaTime = MediaTime::from_millis(1_500);
/// Faces overlapping this much are the same face.
const MIN_IOU: f32 = 0.2;
/// Or whose centres are this near, in longer sides, at a similar size: at two pictures a second a head moves.
const MAX_SHIFT: f32 = 0.6;
const MAX_SIZE_RATIO: f32 = 1.6;

struct Live {
    track: TrackId,
    last: PixelBox,
    seen: MediaTime,
}

/// Gives faces their track numbers.
#[derive(Default)]
pub struct Tracker {
    live: Vec<Live>,
    count: u32,
}

impl Tracker {
    /// A cut: every track is over.
    pub fn cut(&mut self) {
        self.live.clear();
    }

    /// How many tracks there were so far.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The track of each face of one picture, in the order of the faces.
    pub fn update(&mut self, time: MediaTime, faces: &[Face]) -> Vec<TrackId> {
        self.live.retain(|l| time.minus(l.seen) <= MAX_ABSENCE);
        // All acceptable pairs, best first; ties by track number, then by face order.
        let mut pairs: Vec<(f32, usize, usize)> = Vec::new();
        for (l, live) in self.live.iter().enumerate() {
            for (f, face) in faces.iter().enumerate() {
                if let Some(affinity) = affinity(&live.last, &face.face) {
                    pairs.push((affinity, l, f));
                }
            }
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
        let mut track_of = vec![None; faces.len()];
        let mut taken = vec![false; self.live.len()];
        for (_, l, f) in pairs {
            if !taken[l] && track_of[f].is_none() {
                taken[l] = true;
                track_of[f] = Some(self.live[l].track);
                self.live[l].last = faces[f].face;
                self.live[l].seen = time;
            }
        }
        faces
            .iter()
            .zip(track_of)
            .map(|(face, known)| {
                known.unwrap_or_else(|| {
                    self.count += 1;
                    let track = TrackId(self.count);
                    self.live.push(Live { track, last: face.face, seen: time });
                    track
                })
            })
            .collect()
    }
}

fn affinity(a: &PixelBox, b: &PixelBox) -> Option<f32> {
    let iou = a.iou(b);
    if iou >= MIN_IOU {
        return Some(1.0 + iou);
    }
    let (sa, sb) = (a.long_side(), b.long_side());
    let ratio = sa.max(sb) / sa.min(sb).max(1e-3);
    let shift =
        (a.x + a.w / 2.0 - b.x - b.w / 2.0).hypot(a.y + a.h / 2.0 - b.y - b.h / 2.0) / sa.max(sb).max(1e-3);
    (ratio <= MAX_SIZE_RATIO && shift <= MAX_SHIFT).then_some(1.0 - shift)
}

#[cfg(test)]
mod tests {
    use super::super::Landmarks;
    use super::*;

    fn face(x: f32, size: f32) -> Face {
        let p = (x, 0.0);
        Face {
            face: PixelBox { x, y: 0.0, w: size, h: size },
            confidence: 1.0,
            landmarks: Landmarks { right_eye: p, left_eye: p, nose: p, mouth: p },
        }
    }

    #[test]
    fn two_faces_keep_their_numbers_while_they_move_and_a_cut_ends_both() {
        let mut t = Tracker::default();
        let at = MediaTime::from_millis;
        assert_eq!(t.update(at(0), &[face(0.0, 100.0), face(300.0, 100.0)]), [TrackId(1), TrackId(2)]);
        assert_eq!(t.update(at(500), &[face(320.0, 95.0), face(50.0, 100.0)]), [TrackId(2), TrackId(1)]);
        t.cut();
        assert_eq!(t.update(at(1000), &[face(50.0, 100.0)]), [TrackId(3)]);
        assert_eq!(t.update(at(9000), &[face(50.0, 100.0)]), [TrackId(4)], "too long away");
    }

    #[test]
    fn a_face_far_off_or_of_another_size_is_another() {
        let mut t = Tracker::default();
        t.update(MediaTime::ZERO, &[face(0.0, 100.0)]);
        assert_eq!(t.update(MediaTime::from_millis(500), &[face(500.0, 100.0)]), [TrackId(2)]);
        assert_eq!(t.update(MediaTime::from_millis(600), &[face(20.0, 30.0)]), [TrackId(3)]);
    }
}
