//! The rows that people read first, as text for a terminal and as Markdown.

use crate::measure::Row;
use std::collections::{BTreeMap, BTreeSet};

/// A figure with its interval.
fn shown(row: Option<&&Row>, digits: usize, scale: f64) -> String {
    let Some(row) = row else { return "-".into() };
    let n = |v: f64| format!("{:.digits$}", v * scale);
    match (row.lo, row.hi) {
        (Some(lo), Some(hi)) => format!("{} [{}, {}]", n(row.value), n(lo), n(hi)),
        _ => n(row.value),
    }
}

/// One line of the overview: a slice with its figures by name.
struct Line<'r> {
    key: [&'r str; 6],
    by_metric: BTreeMap<&'r str, &'r Row>,
}

fn lines(rows: &[Row]) -> Vec<Line<'_>> {
    let mut all: BTreeMap<[&str; 6], BTreeMap<&str, &Row>> = BTreeMap::new();
    for r in rows {
        let key = [&*r.modality, &*r.aspect, &*r.detector, &*r.condition, &*r.source, &*r.generator];
        all.entry(key).or_default().insert(&r.metric, r);
    }
    all.into_iter().map(|(key, by_metric)| Line { key, by_metric }).collect()
}

const HEAD: [&str; 11] = [
    "modality",
    "detector",
    "condition",
    "bona fide",
    "spoof",
    "abstained",
    "AUC",
    "EER %",
    "min DCF",
    "false alarms %",
    "detected %",
];

fn pooled_cells(line: &Line<'_>) -> Option<Vec<String>> {
    let [modality, _, detector, condition, "*", "*"] = line.key else { return None };
    let coverage = line.by_metric.get("coverage")?;
    // Nothing was judged: the row in metrics.json says so.
    if coverage.value == 0.0 && line.by_metric.get("detection_rate").is_none_or(|r| r.value == 0.0) {
        return None;
    }
    let get = |m: &str| line.by_metric.get(m);
    Some(vec![
        modality.into(),
        detector.into(),
        condition.into(),
        coverage.n_bonafide.to_string(),
        coverage.n_spoof.to_string(),
        coverage.n_abstained.to_string(),
        shown(get("auc"), 3, 1.0),
        shown(get("eer"), 1, 100.0),
        shown(get("min_dcf"), 3, 1.0),
        shown(get("false_alarm_rate"), 1, 100.0),
        shown(get("detection_rate"), 1, 100.0),
    ])
}

/// Pooled figures, one line a detector, modality and condition.
pub fn terminal(rows: &[Row]) -> String {
    let mut table = vec![HEAD.map(str::to_owned).to_vec()];
    table.extend(lines(rows).iter().filter_map(pooled_cells));
    let width =
        |i: usize| table.iter().filter_map(|r| r.get(i)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let mut out = String::new();
    for row in &table {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(c, w)| format!("{c:<w$}")).collect();
        out += cells.join("  ").trim_end();
        out.push('\n');
    }
    out + "Intervals cover 95 %. False alarms: bona fide clips called spoof, abstentions counted as not called.\n"
}

fn markdown_table(out: &mut String, head: &[&str], body: &[Vec<String>]) {
    let line = |cells: &mut dyn Iterator<Item = String>| {
        format!("| {} |\n", cells.map(|c| c.replace('|', "\\|")).collect::<Vec<_>>().join(" | "))
    };
    *out += &line(&mut head.iter().map(|h| (*h).to_owned()));
    *out += &line(&mut head.iter().map(|_| "---".to_owned()));
    for row in body {
        *out += &line(&mut row.iter().cloned());
    }
}

/// A page of tables: clean clips, the ladder, sources, generators. `notes` stand under the title.
pub fn markdown(title: &str, notes: &[String], rows: &[Row]) -> String {
    let lines = lines(rows);
    let mut out = format!("# {title}\n\n");
    for note in notes {
        out += &format!("{note}\n\n");
    }
    out += "Intervals cover 95 %: bootstrap over clips, stratified by source and class; for rates Clopper-Pearson. \
            AUC, EER and min DCF (costs of ASVspoof 5) are over clips that were scored; false alarms (bona fide \
            called spoof) and detections are over all clips, an abstention counting as \"not called\". A detector \
            without an operating point has no such rates. `seamline` is the verdict over the shipped detectors.\n\n";
    let clean: Vec<Vec<String>> = lines
        .iter()
        .filter(|l| l.key[3] == "clean")
        .filter_map(pooled_cells)
        .map(|mut c| {
            c.remove(2);
            c
        })
        .collect();
    let head: Vec<&str> = HEAD.iter().copied().filter(|h| *h != "condition").collect();
    out += "## Clips as they are\n";
    markdown_table(&mut out, &head, &clean);
    out += "\nUnweighted means over sources, and over generators, that have both classes:\n\n";
    let macros: Vec<Vec<String>> = lines
        .iter()
        .filter(|l| l.key[3] == "clean" && l.key[4..] == ["*", "*"])
        .filter(|l| {
            l.by_metric.contains_key("macro_source_auc") || l.by_metric.contains_key("macro_generator_auc")
        })
        .map(|l| {
            let mut cells = vec![l.key[0].to_owned(), l.key[2].to_owned()];
            for m in ["macro_source_auc", "macro_generator_auc"] {
                cells.push(shown(l.by_metric.get(m), 3, 1.0));
            }
            for m in ["macro_source_eer", "macro_generator_eer"] {
                cells.push(shown(l.by_metric.get(m), 1, 100.0));
            }
            cells
        })
        .collect();
    let head =
        ["modality", "detector", "AUC, sources", "AUC, generators", "EER %, sources", "EER %, generators"];
    markdown_table(&mut out, &head, &macros);
    out += "\n## How good the likelihood ratios are\n";
    let likelihood: Vec<Vec<String>> = lines
        .iter()
        .filter(|l| l.key[4..] == ["*", "*"])
        .filter_map(|l| {
            let cllr = l.by_metric.get("cllr")?;
            let mut cells = vec![l.key[0].to_owned(), l.key[2].to_owned(), l.key[3].to_owned()];
            cells.push(format!("{} + {}", cllr.n_bonafide, cllr.n_spoof));
            for m in ["cllr", "min_cllr", "act_dcf", "ece", "brier", "aurc"] {
                cells.push(shown(l.by_metric.get(m), 3, 1.0));
            }
            Some(cells)
        })
        .collect();
    let head = [
        "modality",
        "detector",
        "condition",
        "bona fide + spoof",
        "Cllr",
        "min Cllr",
        "act DCF",
        "ECE",
        "Brier",
        "AURC",
    ];
    markdown_table(&mut out, &head, &likelihood);
    ladder(&mut out, &lines);
    slices(&mut out, "By source", "source", 4, &lines);
    slices(&mut out, "By generator, against every bona fide clip", "generator", 5, &lines);
    out
}

/// AUC of every detector under every condition: conditions down, detectors across.
fn ladder(out: &mut String, lines: &[Line<'_>]) {
    let modalities: BTreeSet<&str> = lines.iter().map(|l| l.key[0]).collect();
    for modality in modalities {
        // Where nearly everything abstains there is no AUC, and still a rate of false alarms.
        let told = |l: &Line<'_>| ["auc", "false_alarm_rate"].iter().any(|&m| l.by_metric.contains_key(m));
        let here: Vec<&Line<'_>> =
            lines.iter().filter(|l| l.key[0] == modality && l.key[4..] == ["*", "*"] && told(l)).collect();
        let ranked = here.iter().filter(|l| l.by_metric.contains_key("auc"));
        let detectors: BTreeSet<&str> = ranked.map(|l| l.key[2]).collect();
        let mut conditions: Vec<&str> = vec!["clean"];
        conditions.extend(crate::ladder::LADDER.iter().map(|c| c.id));
        conditions.retain(|c| here.iter().any(|l| l.key[3] == *c));
        if conditions.len() < 2 {
            continue;
        }
        for (what, metric, digits, scale) in
            [("AUC", "auc", 3, 1.0), ("False alarms in per cent", "false_alarm_rate", 1, 100.0)]
        {
            let with: Vec<&str> = detectors
                .iter()
                .copied()
                .filter(|d| here.iter().any(|l| l.key[2] == *d && l.by_metric.contains_key(metric)))
                .collect();
            if with.is_empty() {
                continue;
            }
            *out += &format!("\n## {what} under the ladder: {modality}\n");
            let mut of_a_share = false;
            let body: Vec<Vec<String>> = conditions
                .iter()
                .map(|condition| {
                    let mut cells = vec![(*condition).to_owned()];
                    for detector in &with {
                        let line = |condition: &str| {
                            here.iter().find(|l| l.key[2] == *detector && l.key[3] == condition).copied()
                        };
                        let (line, clean) = (line(condition), line("clean"));
                        let mut cell = shown(line.and_then(|l| l.by_metric.get(metric)), digits, scale);
                        if let (Some(n), Some(all)) = (line.and_then(trials), clean.and_then(trials))
                            && n < all
                        {
                            cell += &format!(" ({n})");
                            of_a_share = true;
                        }
                        cells.push(cell);
                    }
                    cells
                })
                .collect();
            let head: Vec<&str> = std::iter::once("condition").chain(with.iter().copied()).collect();
            markdown_table(out, &head, &body);
            if of_a_share {
                *out += "\n(n): over n trials, a share of each source and class.\n";
            }
        }
    }
}

/// Trials behind a line, scored or not.
fn trials(line: &Line<'_>) -> Option<u64> {
    line.by_metric.get("coverage").map(|c| c.n_bonafide + c.n_spoof)
}

fn slices(out: &mut String, title: &str, column: &str, at: usize, lines: &[Line<'_>]) {
    let body: Vec<Vec<String>> = lines
        .iter()
        .filter(|l| l.key[3] == "clean" && l.key.get(at).is_some_and(|s| *s != "*"))
        .filter_map(|l| {
            let coverage = l.by_metric.get("coverage").filter(|c| c.value > 0.0)?;
            let get = |m: &str| l.by_metric.get(m);
            Some(vec![
                l.key[0].into(),
                l.key[2].into(),
                l.key.get(at).copied().unwrap_or_default().into(),
                coverage.n_bonafide.to_string(),
                coverage.n_spoof.to_string(),
                coverage.n_abstained.to_string(),
                shown(get("auc"), 3, 1.0),
                shown(get("eer"), 1, 100.0),
                shown(get("false_alarm_rate"), 1, 100.0),
                shown(get("detection_rate"), 1, 100.0),
            ])
        })
        .collect();
    *out += &format!("\n## {title}\n");
    let head = [
        "modality",
        "detector",
        column,
        "bona fide",
        "spoof",
        "abstained",
        "AUC",
        "EER %",
        "false alarms %",
        "detected %",
    ];
    markdown_table(out, &head, &body);
}
