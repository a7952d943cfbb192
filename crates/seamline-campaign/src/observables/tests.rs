use super::*;
use seamline_core::RgbFrame;

fn frame(w: u32, h: u32, n: u32) -> RgbFrame {
    let mut data = Vec::with_capacity((w * h * 3) as usize);
    for y in 0..h {
        for x in 0..w {
            let (u, v) = (x as f32 / w as f32, y as f32 / h as f32);
            let t = n as f32 * 0.9;
            let s = 0.5 + 0.5 * ((9.0 * u + t).sin() * (7.0 * v - t).cos() + (23.0 * u * v + t).sin()) / 2.0;
            data.extend_from_slice(&[(255.0 * s) as u8, (230.0 * s) as u8, (200.0 * (1.0 - s)) as u8]);
        }
    }
    RgbFrame::new(w, h, data).unwrap()
}

fn record() -> Observables {
    let mut b = ObservablesBuilder::new();
    for n in 0..6 {
        b.push_frame(i64::from(n) * FRAME_STEP_US, &frame(640, 360, n));
    }
    let tone: Vec<f32> =
        (0..16_000 * 5).map(|n| (n as f32 * 0.05 * (1.0 + n as f32 * 1e-5)).sin() * 0.4).collect();
    b.push_sound(&tone);
    b.sound_starts(20_000);
    b.push_voice(VoiceEmbedding {
        start_us: 0,
        end_us: 9,
        vector: vec![0.6, 0.8],
        model_sha256: Sha256Hash::of(b"m"),
    });
    b.push_trace(Trace { kind: TraceKind::Encoder, value: "x264".into() });
    b.push_trace(Trace { kind: TraceKind::Encoder, value: "x264".into() });
    b.finish(Sha256Hash::of(b"clip"))
}

#[test]
fn a_record_survives_the_store_and_the_wire() {
    let o = record();
    assert_eq!(o.traces.len(), 1);
    assert!(o.sound.is_some() && o.duration_us == 5_020_000);
    // Four views: these pictures have no border.
    assert_eq!(o.frames.len(), 24);
    assert_eq!(o.frame_times().len(), 6);
    let packed = codec::pack(&o).unwrap();
    assert_eq!(codec::unpack(&packed.frames, &packed.sound, &packed.rest).unwrap(), o);
    assert_eq!(serde_json::from_str::<Observables>(&serde_json::to_string(&o).unwrap()).unwrap(), o);
    assert!(codec::unpack_frames(&packed.frames[1..]).is_err());
    assert!(codec::unpack_sound(&packed.sound[1..]).is_err());
    let mut odd = packed.frames.clone();
    odd[9] = 77;
    assert!(codec::unpack_frames(&odd).is_err());
}

#[test]
fn frames_are_wanted_on_a_grid_that_is_finer_where_pictures_move() {
    let mut b = ObservablesBuilder::new();
    let mut taken = Vec::new();
    for n in 0..90 {
        let t = n * 40_000;
        // Still, then another picture each time from 1.0 to 1.6 s, then still again.
        let shown = if (25..=40).contains(&n) { n as u32 - 20 } else { 1 };
        if b.wants(t) {
            b.push_frame(t, &frame(64, 48, shown));
            taken.push(t / 1000);
        }
    }
    let moving = [1_000, 1_160, 1_280, 1_400, 1_520, 1_640, 1_760];
    assert_eq!(taken, [&[0, 520][..], &moving, &[2_000, 2_520, 3_000, 3_520]].concat());
}

#[test]
fn crops_and_borders_leave_one_pair_of_views_alike() {
    let full = frame(1280, 720, 3);
    let alike = |other: &RgbFrame| {
        let of = |f: &RgbFrame| {
            let mut b = ObservablesBuilder::new();
            b.push_frame(0, f);
            b.finish(Sha256Hash::of(b"x")).frames
        };
        let (a, b) = (of(&full), of(other));
        a.iter().flat_map(|x| b.iter().map(move |y| x.hash.distance(&y.hash))).min().unwrap()
    };
    use seamline_core::pixels::crop;
    let limit = crate::pdq::MATCH_DISTANCE;
    assert!(alike(&crop(&full, 64, 36, 1152, 648)) <= limit, "nine tenths of each side");
    assert!(alike(&crop(&full, 128, 72, 1024, 576)) <= limit, "eight tenths of each side");
    let mut boxed = vec![0u8; 1280 * 960 * 3];
    boxed[1280 * 120 * 3..1280 * 840 * 3].copy_from_slice(full.data());
    assert!(alike(&RgbFrame::new(1280, 960, boxed).unwrap()) <= limit, "letterbox");
    let mut band = full.clone();
    for (i, px) in band.data_mut().chunks_exact_mut(3).enumerate() {
        if i / 1280 >= 600 {
            px.fill(if (i / 16) % 5 == 0 { 255 } else { 20 });
        }
    }
    assert!(alike(&band) <= limit, "caption band");
    assert!(alike(&frame(1280, 720, 4)) > limit, "another picture");
}
