//! A plane of brightness, reduced from a picture before anything costly looks at it.

use seamline_core::RgbFrame;

/// Brightness, 0 to 255 as floats, rows from the top: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601-7, 2.5.1), as the
/// PDQ specification asks.
#[derive(Clone, Debug, PartialEq)]
pub struct LumaPlane {
    width: usize,
    height: usize,
    data: Vec<f32>,
    /// Pixels of the picture, along each side, in one of ours.
    factor: usize,
}

/// A part of a plane, in its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// Left edge.
    pub x: usize,
    /// Top edge.
    pub y: usize,
    /// Width.
    pub width: usize,
    /// Height.
    pub height: usize,
}

impl Rect {
    /// The part of `self` that is left when `left`, `top`, `right` and `bottom` thousandths are cut off; `None`
    /// where nothing is left.
    pub fn cut(&self, left: usize, top: usize, right: usize, bottom: usize) -> Option<Self> {
        let of = |side: usize, part: usize| (side * part + 500) / 1000;
        let width = self.width.checked_sub(of(self.width, left) + of(self.width, right))?;
        let height = self.height.checked_sub(of(self.height, top) + of(self.height, bottom))?;
        let rect = Self { x: self.x + of(self.width, left), y: self.y + of(self.height, top), width, height };
        (width > 0 && height > 0).then_some(rect)
    }
}

impl LumaPlane {
    /// Wraps `data` of exactly `width * height` values; any other length is `None`.
    pub fn new(width: usize, height: usize, data: Vec<f32>) -> Option<Self> {
        (width.checked_mul(height)? == data.len()).then_some(Self { width, height, data, factor: 1 })
    }

    /// Every pixel of `frame`, not reduced: what the PDQ specification starts from.
    pub fn full(frame: &RgbFrame) -> Self {
        let data = frame.data().chunks_exact(3).map(|p| luma(p[0], p[1], p[2])).collect();
        Self { width: frame.width() as usize, height: frame.height() as usize, data, factor: 1 }
    }

    /// Averages over blocks, by the largest whole factor that leaves the shorter side at least `side` pixels.
    /// Blocks that do not fit evenly grow by one pixel, so nothing is cut off.
    pub fn reduced(frame: &RgbFrame, side: usize) -> Self {
        let (full_w, full_h) = (frame.width() as usize, frame.height() as usize);
        let factor = full_w.min(full_h) / side.max(1);
        if factor < 2 {
            return Self::full(frame);
        }
        let (width, height) = (full_w / factor, full_h / factor);
        let columns: Vec<usize> = (0..=width).map(|i| i * full_w / width).collect();
        let mut data = Vec::with_capacity(width * height);
        // Sums fit: 255 * 65,536 a pixel in u64.
        let mut sums = vec![0u64; width];
        for y in 0..height {
            let (top, bottom) = (y * full_h / height, (y + 1) * full_h / height);
            sums.fill(0);
            for row in frame.data()[top * full_w * 3..bottom * full_w * 3].chunks_exact(full_w * 3) {
                for (sum, edge) in sums.iter_mut().zip(columns.windows(2)) {
                    let mut part = [0u32; 3];
                    for px in row[edge[0] * 3..edge[1] * 3].chunks_exact(3) {
                        part[0] += u32::from(px[0]);
                        part[1] += u32::from(px[1]);
                        part[2] += u32::from(px[2]);
                    }
                    // The weights of `luma` in 16-bit fixed point; they add up to 65,536.
                    *sum += u64::from(part[0]) * 19_595
                        + u64::from(part[1]) * 38_470
                        + u64::from(part[2]) * 7_471;
                }
            }
            for (&sum, edge) in sums.iter().zip(columns.windows(2)) {
                let pixels = (edge[1] - edge[0]) * (bottom - top);
                data.push(sum as f32 / (pixels as f32 * 65_536.0));
            }
        }
        Self { width, height, data, factor }
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// By how much it was reduced along each side; 1 = not at all.
    pub fn factor(&self) -> usize {
        self.factor
    }

    /// The whole plane as a rectangle.
    pub fn bounds(&self) -> Rect {
        Rect { x: 0, y: 0, width: self.width, height: self.height }
    }

    /// The row `y`, which must be inside.
    pub fn row(&self, y: usize) -> &[f32] {
        &self.data[y * self.width..(y + 1) * self.width]
    }

    /// The values, rows from the top.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// A copy of the part `rect`, clipped to the plane.
    #[must_use]
    pub fn part(&self, rect: Rect) -> Self {
        let x = rect.x.min(self.width);
        let width = rect.width.min(self.width - x);
        let rows = rect.y.min(self.height)..rect.y.saturating_add(rect.height).min(self.height);
        let height = rows.len();
        let mut data = Vec::with_capacity(width * height);
        for y in rows {
            data.extend_from_slice(&self.row(y)[x..x + width]);
        }
        Self { width, height, data, factor: self.factor }
    }
}

fn luma(r: u8, g: u8, b: u8) -> f32 {
    // In double precision first, as the reference bindings do.
    (f64::from(r) * 0.299 + f64::from(g) * 0.587 + f64::from(b) * 0.114) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reduction_keeps_the_mean_and_cuts_nothing_off() {
        // A bright last column and row: lost if blocks were cut off at the edge.
        let (w, h) = (331u32, 203u32);
        let mut px = vec![10u8; (w * h * 3) as usize];
        for y in 0..h {
            for x in 0..w {
                if x == w - 1 || y == h - 1 {
                    let at = ((y * w + x) * 3) as usize;
                    px[at..at + 3].fill(250);
                }
            }
        }
        let frame = RgbFrame::new(w, h, px).unwrap();
        let small = LumaPlane::reduced(&frame, 50);
        assert_eq!((small.width(), small.height()), (82, 50));
        assert!(small.row(0)[81] > 50.0 && small.row(49)[0] > 50.0, "the edges are still there");
        assert!((small.row(3)[3] - 10.0).abs() < 1e-3);
    }

    #[test]
    fn a_cut_of_everything_is_none() {
        let r = Rect { x: 0, y: 0, width: 10, height: 10 };
        assert_eq!(r.cut(500, 0, 500, 0), None);
        assert_eq!(r.cut(100, 100, 100, 100), Some(Rect { x: 1, y: 1, width: 8, height: 8 }));
    }
}
