use super::*;
use proptest::prelude::*;
use seamline_core::{Sha256Hash, Span};

fn id(n: u32) -> ClipId {
    Sha256Hash::of(&n.to_le_bytes())
}

fn set(ns: &[u32]) -> BTreeSet<ClipId> {
    ns.iter().map(|n| id(*n)).collect()
}

fn link(x: u32, y: u32, kind: LinkKind, score: f64) -> Link {
    Link::new(id(x), id(y), kind, score, Vec::new()).unwrap()
}

fn decided(ruling: Ruling) -> Decision {
    Decision { author: "k.m.".into(), at: Moment::parse("2026-11-27").unwrap(), ruling }
}

fn together(clusters: &[Vec<ClipId>], x: u32, y: u32) -> bool {
    clusters.iter().any(|c| c.contains(&id(x)) && c.contains(&id(y)))
}

fn stretch(here: (i64, i64), there: (i64, i64)) -> Alignment {
    let span = |(a, b)| Span::new(MediaTime::from_millis(a), MediaTime::from_millis(b));
    Alignment {
        here: span(here),
        there: span(there),
        speed: 1.0,
        mirrored: true,
        score: 0.9,
        matched: 28,
        held: false,
    }
}

#[test]
fn strong_links_join_and_weak_ones_need_company() {
    let clips = set(&[1, 2, 3, 4, 5, 6]);
    let links = [
        link(1, 2, LinkKind::SamePictures, 0.9),
        link(3, 4, LinkKind::SameAudio, 0.8),
        // One voice and one logo in common between two pairs: half of a pair suffices, so this joins.
        link(2, 3, LinkKind::SameVoice, 0.9),
        link(1, 3, LinkKind::SameLogo, 0.9),
        link(5, 6, LinkKind::SamePictures, 0.4),
    ];
    let c = propose(&clips, &links, &[]);
    assert!(together(&c, 1, 2) && together(&c, 3, 4) && together(&c, 1, 4));
    assert!(!together(&c, 5, 6), "half a score is a held picture");
    // One newsreader in two clips makes no campaign; the same voice under the same logo does.
    let voice = link(5, 6, LinkKind::SameVoice, 0.95);
    assert!(!together(&propose(&clips, std::slice::from_ref(&voice), &[]), 5, 6));
    assert!(together(&propose(&clips, &[voice, link(5, 6, LinkKind::SameLogo, 0.9)], &[]), 5, 6));
    // Nor do two stories that one voice reads, however often each was cut.
    let read = [
        link(1, 2, LinkKind::SamePictures, 0.9),
        link(3, 4, LinkKind::SamePictures, 0.9),
        link(1, 3, LinkKind::SameVoice, 0.95),
        link(2, 4, LinkKind::SameVoice, 0.95),
    ];
    assert!(!together(&propose(&clips, &read, &[]), 1, 3));
    // A big cluster does not swallow another through one clip's voice.
    let many = set(&(0..20).collect::<Vec<_>>());
    let mut links: Vec<Link> = (0..9).map(|i| link(i, i + 1, LinkKind::SamePictures, 0.9)).collect();
    links.extend((10..19).map(|i| link(i, i + 1, LinkKind::SamePictures, 0.9)));
    links.push(link(0, 10, LinkKind::SameVoice, 0.99));
    assert_eq!(propose(&many, &links, &[]).len(), 2);
}

#[test]
fn a_split_holds_against_every_link_and_a_later_merge_takes_it_back() {
    let clips = set(&[1, 2, 3, 4]);
    let links: Vec<Link> = [(1, 2), (2, 3), (3, 4), (1, 3), (1, 4)]
        .map(|(x, y)| link(x, y, LinkKind::SamePictures, 0.95))
        .to_vec();
    let split = decided(Ruling::Split { apart: set(&[3, 4]), from: set(&[1, 2]) });
    let c = propose(&clips, &links, std::slice::from_ref(&split));
    assert!(together(&c, 1, 2) && together(&c, 3, 4) && !together(&c, 2, 3) && !together(&c, 1, 4));
    let merge = decided(Ruling::Merge { clips: set(&[2, 3]) });
    let c = propose(&clips, &links, &[split.clone(), merge.clone()]);
    assert!(together(&c, 2, 3), "the later decision holds");
    assert!(!together(&c, 1, 4) || together(&c, 2, 3));
    let c = propose(&clips, &links, &[merge, split]);
    assert!(!together(&c, 2, 3));
}

#[test]
fn a_merge_needs_no_link() {
    let c = propose(&set(&[1, 2, 3]), &[], &[decided(Ruling::Confirm { clips: set(&[1, 3]) })]);
    assert!(together(&c, 1, 3) && !together(&c, 1, 2));
}

#[test]
fn two_confirmed_campaigns_are_joined_by_an_analyst_only() {
    let clips = set(&[1, 2, 3, 4]);
    let links = [link(1, 2, LinkKind::SamePictures, 0.9), link(2, 3, LinkKind::SamePictures, 0.99)];
    let mut decisions = vec![
        decided(Ruling::Confirm { clips: set(&[1, 2]) }),
        decided(Ruling::Confirm { clips: set(&[3, 4]) }),
    ];
    let c = propose(&clips, &links, &decisions);
    assert!(together(&c, 1, 2) && together(&c, 3, 4) && !together(&c, 2, 3));
    decisions.push(decided(Ruling::Merge { clips: set(&[1, 4]) }));
    let c = propose(&clips, &links, &decisions);
    assert!(together(&c, 2, 3));
}

#[test]
fn links_are_turned_round_and_explained() {
    let (x, y) = if id(1) < id(2) { (1, 2) } else { (2, 1) };
    let there = stretch((3_000, 17_000), (41_000, 55_000));
    let l = Link::new(id(y), id(x), LinkKind::SamePictures, 0.9, vec![there.turned_round()]).unwrap();
    assert_eq!(l.shared[0], there);
    let said = l.explain();
    assert_eq!(
        said,
        format!("{} and {} share 14 s of pictures, mirrored, at 00:03 / 00:41", id(x).short(), id(y).short())
    );
    assert!(Link::new(id(1), id(1), LinkKind::SameVoice, 1.0, vec![]).is_none());
    assert!(Link::new(id(1), id(2), LinkKind::SameVoice, f64::NAN, vec![]).is_none());
}

prop_compose! {
    fn links()(raw in prop::collection::vec((0u32..14, 0u32..14, 0usize..6, 0u32..=20), 0..60)) -> Vec<Link> {
        raw.into_iter()
            .filter_map(|(x, y, k, s)| {
                Link::new(id(x), id(y), LinkKind::ALL[k], f64::from(s) / 20.0, Vec::new())
            })
            .collect()
    }
}

proptest! {
    /// The same links in another order, from either end: the same clusters.
    #[test]
    fn arrival_order_does_not_matter(links in links(), seed: u64, apart in 0u32..14, from in 0u32..14) {
        let clips = set(&(0..14).collect::<Vec<_>>());
        let decisions = [decided(Ruling::Split { apart: set(&[apart]), from: set(&[from]) })];
        let mut other = links.clone();
        let mut s = seed;
        for i in (1..other.len()).rev() {
            s = s.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            other.swap(i, (s >> 33) as usize % (i + 1));
        }
        let a = propose(&clips, &links, &decisions);
        prop_assert_eq!(&a, &propose(&clips, &other, &decisions));
        prop_assert!(apart == from || !together(&a, apart, from));
        prop_assert_eq!(a.iter().map(Vec::len).sum::<usize>(), 14);
    }

    /// A component worked out by itself comes to the same as among all.
    #[test]
    fn components_are_independent(links in links()) {
        let all = propose(&set(&(0..14).collect::<Vec<_>>()), &links, &[]);
        let far: Vec<Link> = links.iter().cloned()
            .chain([link(100, 101, LinkKind::SamePictures, 0.9)]).collect();
        let mut more = set(&(0..14).collect::<Vec<_>>());
        more.extend([id(100), id(101)]);
        let wide = propose(&more, &far, &[]);
        prop_assert!(all.iter().all(|c| wide.contains(c)));
    }
}
