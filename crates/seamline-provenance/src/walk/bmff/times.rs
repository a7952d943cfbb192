//! Times that boxes state: creation, durations, edit lists (ISO/IEC 14496-12, sections 8.2.2, 8.3.2, 8.4.2, 8.6.6).

use crate::walk::Field;

/// Seconds between 1904-01-01 (QuickTime) and 1970-01-01.
const EPOCH: u64 = 2_082_844_800;
/// Entries of an edit list that are shown.
const MAX_EDITS: usize = 64;

/// Reads one header box as facts; a box that is too short gives none.
pub(super) fn read(kind: [u8; 4], track: u32, body: &[u8], out: &mut Vec<Field>) {
    let mut fact = |name: String, value: String| out.push(Field::Fact { name, value });
    let wide = body.first() == Some(&1);
    let number = |at: usize, bytes: usize| {
        body.get(at..at + bytes).map(|b| b.iter().fold(0u64, |n, &x| n << 8 | u64::from(x)))
    };
    match &kind {
        b"mvhd" | b"mdhd" => {
            let (created, scale, duration) = if wide {
                (number(4, 8), number(20, 4), number(24, 8))
            } else {
                (number(4, 4), number(12, 4), number(16, 4))
            };
            let owner = if &kind == b"mvhd" { "movie".to_owned() } else { format!("track {track}") };
            if let Some(t) = created.filter(|&t| t >= EPOCH) {
                fact(format!("{owner} created"), (t - EPOCH).to_string());
            }
            if let (Some(scale @ 1..), Some(d)) = (scale, duration) {
                let us = u128::from(d) * 1_000_000 / u128::from(scale);
                fact(format!("{owner} duration_us"), us.to_string());
            }
        }
        b"elst" => {
            let count = number(4, 4).unwrap_or(0) as usize;
            let step = if wide { 20 } else { 12 };
            let half = (step - 4) / 2;
            let starts: Vec<String> = (0..count.min(MAX_EDITS))
                .map_while(|i| {
                    let start = number(8 + i * step + half, half)?;
                    // An edit that starts at -1 is empty: a pause.
                    let empty = start == u64::MAX >> (64 - 8 * half as u32);
                    Some(if empty { "pause".to_owned() } else { start.to_string() })
                })
                .collect();
            fact(format!("track {track} edits"), starts.join(" "));
        }
        _ => {}
    }
}
