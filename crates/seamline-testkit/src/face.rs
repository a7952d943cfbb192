//! A drawn face: shaded ellipses that face finders take for one, and nobody for a photograph.

use seamline_core::RgbFrame;

type Colour = [f32; 3];

struct Shape {
    centre: (f32, f32),
    radius: (f32, f32),
    colour: Colour,
}

const fn shape(x: f32, y: f32, rx: f32, ry: f32, colour: Colour) -> Shape {
    Shape { centre: (x, y), radius: (rx, ry), colour }
}

const SKIN: Colour = [215.0, 165.0, 140.0];
const SHADE: Colour = [195.0, 143.0, 119.0];
const DARK: Colour = [62.0, 42.0, 30.0];

/// Ellipses from back to front, in units of pixels at scale 1, about the middle of the face.
const SHAPES: &[Shape] = &[
    shape(0.0, 270.0, 150.0, 145.0, [60.0, 60.0, 90.0]),
    shape(0.0, 130.0, 36.0, 60.0, [188.0, 138.0, 114.0]),
    shape(0.0, -45.0, 100.0, 105.0, [50.0, 35.0, 25.0]),
    shape(0.0, 2.0, 88.0, 123.0, SKIN),
    shape(-36.0, -15.0, 21.0, 11.0, DARK),
    shape(36.0, -15.0, 21.0, 11.0, DARK),
    shape(-36.0, -14.0, 19.0, 9.0, [245.0, 240.0, 238.0]),
    shape(36.0, -14.0, 19.0, 9.0, [245.0, 240.0, 238.0]),
    shape(-36.0, -14.0, 9.0, 9.0, DARK),
    shape(36.0, -14.0, 9.0, 9.0, DARK),
    shape(-36.0, -14.0, 4.0, 4.0, [5.0, 5.0, 5.0]),
    shape(36.0, -14.0, 4.0, 4.0, [5.0, 5.0, 5.0]),
    shape(-36.0, -36.0, 25.0, 5.0, DARK),
    shape(36.0, -36.0, 25.0, 5.0, DARK),
    shape(0.0, 14.0, 11.0, 26.0, SHADE),
    shape(0.0, 33.0, 18.0, 9.0, SHADE),
    shape(-9.0, 35.0, 5.0, 4.0, [120.0, 75.0, 62.0]),
    shape(9.0, 35.0, 5.0, 4.0, [120.0, 75.0, 62.0]),
    shape(0.0, 72.0, 34.0, 12.0, [175.0, 85.0, 85.0]),
    shape(0.0, 72.0, 31.0, 2.0, [90.0, 35.0, 38.0]),
];

/// A picture of `width x height` with one face about `centre`, 246 pixels high at `scale` 1.
pub fn draw(width: u32, height: u32, centre: (f32, f32), scale: f32) -> RgbFrame {
    let mut picture = blank(width, height);
    add(&mut picture, centre, scale);
    picture
}

/// A background without a face: a soft gradient.
pub fn blank(width: u32, height: u32) -> RgbFrame {
    let mut data = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height {
        for x in 0..width {
            let v = 90.0 + 40.0 * (x as f32 / width.max(1) as f32) + 20.0 * (y as f32 / height.max(1) as f32);
            data.extend([v as u8, (v + 12.0) as u8, (v + 26.0) as u8]);
        }
    }
    RgbFrame::new(width, height, data).unwrap_or_else(RgbFrame::empty)
}

/// Draws one face into a picture, edges softened over two pixels, lit from the left.
pub fn add(picture: &mut RgbFrame, centre: (f32, f32), scale: f32) {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let data = picture.data_mut();
    for y in 0..height {
        for x in 0..width {
            let (u, v) = ((x as f32 - centre.0) / scale, (y as f32 - centre.1) / scale);
            let at = (y * width + x) * 3;
            for s in SHAPES {
                let (dx, dy) = ((u - s.centre.0) / s.radius.0, (v - s.centre.1) / s.radius.1);
                let r = (dx * dx + dy * dy).sqrt();
                let inside = (1.0 - r) * s.radius.0.min(s.radius.1) * scale;
                let cover = (inside / 2.0 + 0.5).clamp(0.0, 1.0);
                if cover > 0.0 {
                    let light = 1.0 - 0.12 * (u / 90.0).clamp(-1.0, 1.0);
                    for c in 0..3 {
                        let old = f32::from(data[at + c]);
                        data[at + c] = (old + (s.colour[c] * light - old) * cover).clamp(0.0, 255.0) as u8;
                    }
                }
            }
        }
    }
}

/// Frame `i` of a moving face: it sways, so that a tracker has something to do.
pub fn frame(width: u32, height: u32, i: u32) -> RgbFrame {
    let t = i as f32 * 0.08;
    let scale = height as f32 / 480.0;
    let centre =
        (width as f32 / 2.0 + 30.0 * scale * t.sin(), height as f32 * 0.48 + 10.0 * scale * (1.7 * t).sin());
    draw(width, height, centre, scale)
}
