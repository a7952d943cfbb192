//! The picture inside a border: letterbox, pillarbox, a coloured frame, a band with a caption.

use super::luma::{LumaPlane, Rect};

/// How far from the border's level a pixel may lie, in 8-bit levels: bars of broadcast black come back from a lossy
/// encoder within about 6, measured on x264 at CRF 33.
const TOLERANCE: f32 = 10.0;
/// Fraction of the outermost line that must have one level for the side to count as a border.
const OUTER: f32 = 0.97;
/// Fraction of every further line: lower, so that a caption written into the bar does not end it. A wrong crop costs
/// nothing but a hash that matches nobody, since the whole picture is hashed too.
const INNER: f32 = 0.60;
/// A border thinner than this part of the side is an encoder's edge, not a layout.
const LEAST: f32 = 0.03;
/// At least this part of each side must remain as picture.
const REMAINS: f32 = 0.25;

/// The picture inside uniform borders; `None` where there is no border, or hardly anything inside.
pub fn inside(plane: &LumaPlane) -> Option<Rect> {
    let (w, h) = (plane.width(), plane.height());
    if w < 16 || h < 16 {
        return None;
    }
    let level = |mut values: Vec<f32>| {
        let middle = values.len() / 2;
        *values.select_nth_unstable_by(middle, f32::total_cmp).1
    };
    let share = |values: &mut dyn Iterator<Item = f32>, level: f32, count: usize| {
        values.filter(|v| (v - level).abs() <= TOLERANCE).count() as f32 / count as f32
    };
    // Rows first; the columns are then judged inside the remaining rows only, so that a pillarbox inside a letterbox
    // of another colour is found too.
    let run = |count: usize, length: usize, line: &dyn Fn(usize) -> Vec<f32>| {
        let outer = level(line(0));
        let mut n = 0;
        while n < count {
            let wanted = if n == 0 { OUTER } else { INNER };
            if share(&mut line(n).into_iter(), outer, length) < wanted {
                break;
            }
            n += 1;
        }
        n
    };
    let top = run(h, w, &|i| plane.row(i).to_vec());
    let bottom = run(h - top.min(h), w, &|i| plane.row(h - 1 - i).to_vec());
    let rows = top..h.saturating_sub(bottom).max(top);
    if (rows.len() as f32) < REMAINS * h as f32 {
        return None;
    }
    let column = |x: usize| -> Vec<f32> { rows.clone().map(|y| plane.row(y)[x]).collect() };
    let left = run(w, rows.len(), &column);
    let right = run(w - left.min(w), rows.len(), &|i| column(w - 1 - i));
    let columns = left..w.saturating_sub(right).max(left);
    if (columns.len() as f32) < REMAINS * w as f32 {
        return None;
    }
    // One more line where there is a border at all: the edge is blended by the reduction.
    let keep = |n: usize, side: usize| if n as f32 >= LEAST * side as f32 { n + 1 } else { 0 };
    let (top, bottom, left, right) = (keep(top, h), keep(bottom, h), keep(left, w), keep(right, w));
    if top + bottom + left + right == 0 || top + bottom >= h || left + right >= w {
        return None;
    }
    Some(Rect { x: left, y: top, width: w - left - right, height: h - top - bottom })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn textured(w: usize, h: usize) -> Vec<f32> {
        (0..w * h).map(|i| ((i % w) * 7 % 256) as f32 * 0.5 + ((i / w) * 13 % 256) as f32 * 0.5).collect()
    }

    fn framed(w: usize, h: usize, inner: Rect, level: f32) -> LumaPlane {
        let mut data = vec![level; w * h];
        let picture = textured(inner.width, inner.height);
        for y in 0..inner.height {
            data[(inner.y + y) * w + inner.x..][..inner.width]
                .copy_from_slice(&picture[y * inner.width..][..inner.width]);
        }
        LumaPlane::new(w, h, data).unwrap()
    }

    #[test]
    fn letterbox_pillarbox_and_frame_are_found_within_a_line() {
        for (x, y, width, height) in [(0, 20, 160, 60), (30, 0, 100, 100), (12, 9, 136, 82)] {
            let plane = framed(160, 100, Rect { x, y, width, height }, 16.0);
            let found = inside(&plane).unwrap();
            assert!(found.x.abs_diff(x) <= 1 && found.y.abs_diff(y) <= 1, "{found:?}");
            assert!(found.width.abs_diff(width) <= 2 && found.height.abs_diff(height) <= 2, "{found:?}");
        }
    }

    #[test]
    fn a_full_picture_and_an_empty_one_have_no_inside() {
        assert_eq!(inside(&LumaPlane::new(160, 100, textured(160, 100)).unwrap()), None);
        assert_eq!(inside(&LumaPlane::new(160, 100, vec![16.0; 16_000]).unwrap()), None);
        assert_eq!(inside(&LumaPlane::new(4, 4, vec![16.0; 16]).unwrap()), None);
    }

    #[test]
    fn a_caption_in_the_bar_does_not_end_it() {
        let mut plane = framed(160, 120, Rect { x: 0, y: 0, width: 160, height: 96 }, 0.0);
        let mut data = plane.data().to_vec();
        for y in 104..112 {
            for x in (50..110).step_by(2) {
                data[y * 160 + x] = 255.0;
            }
        }
        plane = LumaPlane::new(160, 120, data).unwrap();
        let found = inside(&plane).unwrap();
        assert!(found.y == 0 && found.height.abs_diff(96) <= 2, "{found:?}");
    }
}
