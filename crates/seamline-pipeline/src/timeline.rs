//! Jumps in a stream's timestamps: what a cut without re-encoding, a lost packet or a joined stream leaves behind.

use crate::analyse::statement;
use seamline_core::code::FORENSIC_JUMP;
use seamline_core::{
    Aspect, AudioBlock, Evidence, MediaTime, Outcome, Span, StreamIndex, StreamInfo, StreamKind, Subject,
};
use std::collections::BTreeMap;

/// Sound is continuous by nature: more than this, and something was left out. Containers round timestamps, and
/// encoders pad, by far less.
const SOUND: MediaTime = MediaTime::from_millis(500);
/// Pictures may stand still for long where nothing moves; beyond this even screen recordings repeat one.
const PICTURES: MediaTime = MediaTime::from_millis(10_000);
/// Jumps told of one clip.
const MAX_TOLD: usize = 16;

/// Watches the units of one clip in decoding order.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    /// Until when each stream is covered.
    covered: BTreeMap<StreamIndex, MediaTime>,
    found: Vec<(StreamIndex, Span)>,
}

impl Timeline {
    /// Sound.
    pub(crate) fn sound(&mut self, block: &AudioBlock) {
        let length = MediaTime::from_samples(block.samples.len() as u64, AudioBlock::RATE_HZ);
        self.cover(block.stream, block.time, length.unwrap_or(MediaTime::ZERO), SOUND);
    }

    /// A picture.
    pub(crate) fn picture(&mut self, stream: StreamIndex, time: MediaTime) {
        self.cover(stream, time, MediaTime::ZERO, PICTURES);
    }

    /// A span that could not be decoded, which explains what is missing.
    pub(crate) fn gap(&mut self, stream: Option<StreamIndex>) {
        match stream {
            Some(stream) => drop(self.covered.remove(&stream)),
            None => self.covered.clear(),
        }
    }

    fn cover(&mut self, stream: StreamIndex, time: MediaTime, length: MediaTime, allowed: MediaTime) {
        let before = self.covered.insert(stream, time.plus(length));
        if let Some(before) = before
            && (time.minus(before) > allowed || before.minus(time) > allowed)
            && self.found.len() < MAX_TOLD
        {
            self.found.push((stream, Span::new(before.min(time), before.max(time))));
        }
    }

    /// What was seen. Slide shows and animations, whose pictures last as long as they like, say nothing.
    pub(crate) fn finish(self, streams: &[StreamInfo]) -> Vec<Evidence> {
        let told = |stream: StreamIndex| {
            streams.iter().any(|s| {
                s.index == stream
                    && matches!(s.kind, StreamKind::Video | StreamKind::Audio)
                    && !matches!(s.codec.as_str(), "gif" | "webp" | "apng" | "mjpeg" | "png")
            })
        };
        let found = self.found.into_iter().filter(|(stream, _)| told(*stream));
        found
            .map(|(stream, span)| {
                let detail = vec![("seconds".to_owned(), format!("{:.2}", span.duration().as_secs_f64()))];
                let subject = Subject::Stream { stream, span: Some(span) };
                let outcome = Outcome::Finding { code: FORENSIC_JUMP, detail };
                statement("media", Aspect::Integrity, subject, outcome)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: i64) -> MediaTime {
        MediaTime::from_millis(n)
    }

    fn block(at: i64) -> AudioBlock {
        AudioBlock { stream: StreamIndex(1), time: ms(at), samples: vec![0.0; 1600], native_peak: 0.0 }
    }

    #[test]
    fn sound_that_leaves_time_out_or_goes_back_is_a_jump_and_rounding_is_not() {
        let mut t = Timeline::default();
        // Blocks of 100 ms.
        for at in [0, 100, 203, 300, 1_300, 1_400, 200] {
            t.sound(&block(at));
        }
        let spans: Vec<_> = t.found.iter().map(|f| (f.1.start.as_micros(), f.1.end.as_micros())).collect();
        assert_eq!(spans, [(400_000, 1_300_000), (200_000, 1_500_000)]);
    }

    #[test]
    fn a_damaged_span_explains_what_is_missing() {
        let mut t = Timeline::default();
        t.sound(&block(0));
        t.gap(Some(StreamIndex(1)));
        t.sound(&block(9_000));
        t.picture(StreamIndex(0), ms(0));
        t.picture(StreamIndex(0), ms(9_000));
        assert!(t.found.is_empty());
        t.picture(StreamIndex(0), ms(20_000));
        assert_eq!(t.found.len(), 1);
    }
}
