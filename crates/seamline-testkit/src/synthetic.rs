//! Pictures by integer formulas, the same as `scripts/train/vision/synthetic.py` draws: golden cases without media.

use seamline_core::RgbFrame;

/// `0..255..0`: `| v mod 2p - p | * 255 / p`, rounded down.
fn triangle(v: i64, period: i64) -> u8 {
    ((v.rem_euclid(2 * period) - period).abs() * 255 / period) as u8
}

/// Three triangle waves.
pub fn waves(width: u32, height: u32) -> RgbFrame {
    let mut data = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..i64::from(height) {
        for x in 0..i64::from(width) {
            data.extend([triangle(x, 64), triangle(y, 48), triangle(x + y, 80)]);
        }
    }
    RgbFrame::new(width, height, data).unwrap_or_else(RgbFrame::empty)
}

/// Centre x and y, half width and half height in thousandths of the face width, colour; painted in this order.
const PARTS: [(i64, i64, i64, i64, [u8; 3]); 13] = [
    (0, -80, 560, 720, [60, 40, 30]),
    (0, 0, 500, 640, [224, 172, 140]),
    (-210, -120, 105, 50, [245, 245, 245]),
    (210, -120, 105, 50, [245, 245, 245]),
    (-210, -120, 48, 48, [50, 35, 25]),
    (210, -120, 48, 48, [50, 35, 25]),
    (-210, -225, 135, 26, [70, 45, 35]),
    (210, -225, 135, 26, [70, 45, 35]),
    (0, 60, 45, 130, [205, 150, 120]),
    (-50, 170, 34, 22, [150, 95, 75]),
    (50, 170, 34, 22, [150, 95, 75]),
    (0, 330, 190, 60, [170, 70, 70]),
    (0, 330, 180, 10, [90, 30, 30]),
];

/// An oval with eyes, brows, nose and mouth on [`waves`]; `face` is its width in pixels.
pub fn cartoon(width: u32, height: u32, cx: i64, cy: i64, face: i64) -> RgbFrame {
    let mut picture = waves(width, height);
    let data = picture.data_mut();
    for y in 0..i64::from(height) {
        for x in 0..i64::from(width) {
            for (px, py, rx, ry, colour) in PARTS {
                let (dx, dy) = (x * 1000 - (cx * 1000 + px * face), y * 1000 - (cy * 1000 + py * face));
                if (dx * ry).pow(2) + (dy * rx).pow(2) <= (rx * ry * face).pow(2) {
                    let at = (y * i64::from(width) + x) as usize * 3;
                    data[at..at + 3].copy_from_slice(&colour);
                }
            }
        }
    }
    picture
}

/// A picture by its recipe's name: `synthetic:waves(W,H)` or `synthetic:cartoon(W,H,CX,CY,FACE)`.
pub fn by_name(name: &str) -> Option<RgbFrame> {
    let (kind, rest) = name.strip_prefix("synthetic:")?.split_once('(')?;
    let n: Vec<i64> =
        rest.strip_suffix(')')?.split(',').map(|v| v.trim().parse().ok()).collect::<Option<_>>()?;
    let side = |v: i64| u32::try_from(v).ok();
    match (kind, n.as_slice()) {
        ("waves", &[w, h]) => Some(waves(side(w)?, side(h)?)),
        ("cartoon", &[w, h, cx, cy, face]) => Some(cartoon(side(w)?, side(h)?, cx, cy, face)),
        _ => None,
    }
}
