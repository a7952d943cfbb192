use super::*;
use proptest::prelude::*;
use seamline_core::code::{
    C2PA_AI_TRUSTED, C2PA_CAPTURE_TRUSTED, CONTAINER_ENCODER, FindingCode, GEN_A1111, XMP_DST_CAPTURE,
};
use seamline_core::{
    Abstain, AbstainReason, DetectorId, Orientation, Quality, Score, ScoreSemantics, ScoreUnit, Stage,
    Subject,
};

fn evidence(name: &str, aspect: Aspect, outcome: Outcome) -> Evidence {
    Evidence {
        detector: DetectorId::new(name).unwrap(),
        version: "1".into(),
        model_sha256: None,
        aspect,
        families: vec![AttackFamily::FS],
        subject: Subject::Clip,
        rollup: true,
        outcome,
        quality: Quality::default(),
    }
}

fn scored(name: &str, aspect: Aspect, nats: f64) -> Evidence {
    let semantics = ScoreSemantics { orientation: Orientation::HigherIsSpoof, unit: ScoreUnit::Logit };
    let outcome = Outcome::Scored {
        score: Score::new(nats, semantics).unwrap(),
        llr: LlrInterval::symmetric(Llr::new(nats).unwrap(), 0.5).ok(),
        supports_spoof_at: Llr::new(1.5).ok(),
        supports_bonafide_at: None,
    };
    evidence(name, aspect, outcome)
}

fn finding(code: FindingCode) -> Evidence {
    evidence("provenance", Aspect::Provenance, Outcome::Finding { code, detail: vec![] })
}

fn abstained(aspect: Aspect, reason: AbstainReason) -> Evidence {
    evidence("d", aspect, Outcome::Abstained(Abstain { reason, detail: String::new() }))
}

fn fuse(e: &[Evidence]) -> Verdict {
    MaxAspectFuser::new(FusionData::current().unwrap()).fuse(None, e)
}

#[test]
fn nothing_to_judge_is_not_assessable_and_never_a_number() {
    for e in [
        vec![],
        vec![
            abstained(Aspect::Face, AbstainReason::NoFace),
            abstained(Aspect::Voice, AbstainReason::NoSpeech),
        ],
        vec![finding(CONTAINER_ENCODER)],
        vec![evidence("d", Aspect::Face, Outcome::Failed { stage: Stage::Decode, message: "x".into() })],
    ] {
        let v = fuse(&e);
        assert_eq!(v.conclusion, Conclusion::NotAssessable, "{e:?}");
        assert_eq!(v.llr, None);
        assert!(!v.reasons.is_empty());
        assert_eq!(v.aspects.len(), 8);
    }
}

#[test]
fn below_the_operating_point_is_inconclusive_not_bona_fide() {
    let v = fuse(&[scored("a", Aspect::Face, -2.5)]);
    assert_eq!(v.conclusion, Conclusion::Inconclusive);
    assert!(v.reasons[0].contains("not proof of a genuine clip"), "{:?}", v.reasons);
    assert_eq!(fuse(&[scored("a", Aspect::Face, 1.4)]).conclusion, Conclusion::Inconclusive);
}

#[test]
fn a_detector_without_an_operating_point_neither_decides_nor_keeps_another_from_it() {
    let mut weak = scored("weak", Aspect::Face, -1.0);
    if let Outcome::Scored { supports_spoof_at, .. } = &mut weak.outcome {
        *supports_spoof_at = None;
    }
    let both = fuse(&[scored("a", Aspect::Face, 2.5), weak.clone()]);
    assert_eq!(both.conclusion, Conclusion::SupportsSpoof(Support::Moderate));
    assert_eq!(both.llr.unwrap().value.nats(), 2.5);
    // Alone it is shown.
    let alone = fuse(&[weak]);
    assert_eq!(alone.conclusion, Conclusion::Inconclusive);
    assert_eq!(alone.llr.unwrap().value.nats(), -1.0);
}

#[test]
fn a_hint_takes_no_suspicion_back() {
    let hint = |code| evidence("b", Aspect::Face, Outcome::Finding { code, detail: vec![] });
    for code in [seamline_core::code::SYNC_LIPS_DISAGREE, XMP_DST_CAPTURE] {
        let v = fuse(&[scored("a", Aspect::Face, 2.5), hint(code)]);
        assert_eq!(v.conclusion, Conclusion::SupportsSpoof(Support::Moderate));
        assert_eq!(fuse(&[scored("a", Aspect::Face, 0.5), hint(code)]).conclusion, Conclusion::Inconclusive);
    }
}

#[test]
fn one_suspect_aspect_decides_and_names_its_families() {
    let v = fuse(&[scored("a", Aspect::Face, -1.0), scored("b", Aspect::Voice, 2.5)]);
    assert_eq!(v.conclusion, Conclusion::SupportsSpoof(Support::Moderate));
    assert_eq!(v.llr.unwrap().value.nats(), 2.5);
    assert_eq!(v.aspects[1].families, [AttackFamily::FS]);
    assert_eq!(v.aspects[1].carried_by, [1]);
    assert_eq!(v.aspects[0].against, [0]);
}

#[test]
fn an_uncalibrated_detector_is_shown_and_never_pooled() {
    let mut raw = scored("b", Aspect::Face, 9.0);
    if let Outcome::Scored { llr, .. } = &mut raw.outcome {
        *llr = None;
    }
    let v = fuse(&[scored("a", Aspect::Face, 0.1), raw.clone()]);
    assert_eq!(v.aspects[0].llr.unwrap().value.nats(), 0.1);
    let alone = fuse(&[raw]);
    assert_eq!(alone.aspects[0].conclusion, Conclusion::Inconclusive);
    assert_eq!(alone.aspects[0].score, Some(9.0));
    assert_eq!(alone.llr, None);
}

#[test]
fn findings_decide_by_their_strength_and_declared_capture_does_not() {
    assert_eq!(fuse(&[finding(C2PA_AI_TRUSTED)]).conclusion, Conclusion::SupportsSpoof(Support::Strong));
    assert_eq!(fuse(&[finding(GEN_A1111)]).conclusion, Conclusion::SupportsSpoof(Support::Moderate));
    assert_eq!(fuse(&[finding(XMP_DST_CAPTURE)]).conclusion, Conclusion::Inconclusive);
    assert_eq!(
        fuse(&[finding(C2PA_CAPTURE_TRUSTED)]).conclusion,
        Conclusion::SupportsBonaFide(Support::Strong)
    );
    let both = fuse(&[finding(C2PA_CAPTURE_TRUSTED), scored("a", Aspect::Face, 2.0)]);
    assert_eq!(both.conclusion, Conclusion::Inconclusive);
}

#[test]
fn a_wide_interval_keeps_a_high_value_from_deciding() {
    let mut e = scored("a", Aspect::Voice, 2.0);
    if let Outcome::Scored { llr, .. } = &mut e.outcome {
        *llr = LlrInterval::symmetric(Llr::new(2.0).unwrap(), 2.5).ok();
    }
    assert_eq!(fuse(&[e]).conclusion, Conclusion::Inconclusive);
}

proptest! {
    #[test]
    fn the_order_of_evidence_changes_nothing_that_is_published(
        nats in proptest::collection::vec((-4.0..4.0f64, 0usize..3, 0usize..3), 1..12),
        seed in any::<u64>(),
    ) {
        let aspects = [Aspect::Face, Aspect::Voice, Aspect::Imagery];
        let names = ["a", "b", "c"];
        let list: Vec<Evidence> = nats.iter().map(|&(n, a, d)| scored(names[d], aspects[a], n)).collect();
        let mut turned = list.clone();
        let mid = (seed as usize) % turned.len();
        turned.rotate_left(mid);
        let (x, y) = (fuse(&list), fuse(&turned));
        prop_assert_eq!(x.conclusion, y.conclusion);
        prop_assert_eq!(x.llr.map(|l| l.value.nats()), y.llr.map(|l| l.value.nats()));
    }

    #[test]
    fn a_pool_is_never_more_certain_than_its_most_certain_member(a in -4.0..4.0f64, b in -4.0..4.0f64) {
        let v = fuse(&[scored("a", Aspect::Face, a), scored("b", Aspect::Face, b)]);
        let pooled = v.aspects[0].llr.unwrap().value.nats();
        prop_assert!(pooled >= a.min(b) - 1e-12 && pooled <= a.max(b) + 1e-12);
    }
}

#[test]
fn a_mark_or_a_declaration_of_entire_synthesis_decides_that_question_and_comes_first() {
    use seamline_core::code::{C2PA_AI_UNTRUSTED, MARK_INVISIBLE, MARK_SPARKLE};
    let of = |code, aspect, families: &[AttackFamily]| {
        let mut e = evidence("marks", aspect, Outcome::Finding { code, detail: vec![] });
        e.families = families.to_vec();
        e
    };
    let mark = of(MARK_INVISIBLE, Aspect::Marks, &[AttackFamily::EFS]);
    let v = fuse(&[scored("a", Aspect::Face, 2.0), mark.clone()]);
    let imagery = |v: &Verdict| v.aspects.iter().find(|a| a.aspect == Aspect::Imagery).cloned().unwrap();
    assert_eq!(imagery(&v).conclusion, Conclusion::SupportsSpoof(Support::Strong));
    assert_eq!(imagery(&v).carried_by, [1]);
    assert_eq!(v.conclusion, Conclusion::SupportsSpoof(Support::Strong));
    assert!(v.reasons[0].starts_with("marks: "), "{:?}", v.reasons);

    let declared = of(C2PA_AI_UNTRUSTED, Aspect::Provenance, &[AttackFamily::EFS]);
    assert_eq!(imagery(&fuse(&[declared])).conclusion, Conclusion::SupportsSpoof(Support::Moderate));
    // A hint decides nothing; a declaration of a part, and speech, are other questions.
    for quiet in [
        of(MARK_SPARKLE, Aspect::Marks, &[AttackFamily::EFS]),
        of(C2PA_AI_UNTRUSTED, Aspect::Provenance, &[]),
        of(MARK_INVISIBLE, Aspect::Marks, &[AttackFamily::TTS]),
    ] {
        assert_eq!(imagery(&fuse(&[quiet])).conclusion, Conclusion::NotAssessable);
    }
    // And without a finding nothing changes.
    assert_eq!(imagery(&fuse(&[scored("a", Aspect::Face, 2.0)])).conclusion, Conclusion::NotAssessable);
}
