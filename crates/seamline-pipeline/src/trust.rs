//! The operator's trust list: certificates (PEM), its date and next update, and the list of conforming products.
//!
//! A folder is read with its direct subfolders, sorted by name, so that a copy of the conformance programme's
//! repository serves as it is. Nothing is fetched: a list is as fresh as the operator keeps it.

use crate::engine::EngineError;
use seamline_core::{Sha256Hash, TrustListInfo};
use seamline_provenance::{Trust, products};
use std::path::{Path, PathBuf};

/// Lists are a few hundred kilobytes; a larger file is not one.
const MAX_BYTES: u64 = 16 << 20;

/// What was read.
#[derive(Clone, Debug)]
pub struct TrustList {
    /// For the reader of manifests.
    pub trust: Trust,
    /// For the report.
    pub info: TrustListInfo,
    /// When a newer list is due (ISO 8601), as the list says.
    pub next_update: Option<String>,
}

/// Reads a PEM file or a folder. Files that are not there are an error: a trust list that silently vanished would
/// turn "proves" into "declares".
pub fn read(path: &Path) -> Result<TrustList, EngineError> {
    let fail = |message: String| EngineError::Trust { path: path.to_owned(), message };
    let mut files = Vec::new();
    if path.is_dir() {
        for file in entries(path).map_err(|e| fail(e.to_string()))? {
            if file.is_dir() {
                files.extend(entries(&file).map_err(|e| fail(e.to_string()))?);
            } else {
                files.push(file);
            }
        }
    } else {
        files.push(path.to_owned());
    }
    let single = files.len() == 1;
    let (mut anchors, mut all) = (String::new(), Vec::new());
    let mut list = Trust::default();
    let (mut issued, mut next_update) = (None, None);
    for file in files {
        let kind = file.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if !single && !matches!(kind, "pem" | "json") {
            continue;
        }
        let size = std::fs::metadata(&file).map_err(|e| fail(e.to_string()))?.len();
        if size > MAX_BYTES {
            return Err(fail(format!("{} has {size} bytes", file.display())));
        }
        let text = std::fs::read_to_string(&file).map_err(|e| fail(e.to_string()))?;
        all.extend_from_slice(text.as_bytes());
        if kind == "json" {
            list.products.extend(products::parse(&text));
            if let Ok(json) = serde_json::from_str::<serde_json::Value>(&text) {
                // A list of trusted entities (ETSI TS 119 602).
                let about = &json["LoTE"]["ListAndSchemeInformation"];
                issued = about["ListIssueDateTime"].as_str().map(str::to_owned).or(issued);
                next_update = about["NextUpdate"].as_str().map(str::to_owned).or(next_update);
            }
        } else {
            anchors.push_str(&text);
            anchors.push('\n');
        }
    }
    if !anchors.contains("BEGIN CERTIFICATE") {
        return Err(fail("holds no PEM certificate".into()));
    }
    let certificates = anchors.matches("BEGIN CERTIFICATE").count() as u64;
    list.anchors_pem = Some(anchors);
    let info = TrustListInfo {
        sha256: Sha256Hash::of(&all),
        certificates,
        products: list.products.len() as u64,
        issued,
    };
    Ok(TrustList { trust: list, info, next_update })
}

fn entries(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(dir)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    all.sort();
    Ok(all)
}

/// Today's day in UTC, ISO 8601. For warnings only: no report depends on it.
pub fn today() -> String {
    let secs = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    // Civil date of a day number; years begin in March, so that leap days come last.
    let z = (secs / 86_400) as i64 + 719_468;
    let (era, of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let (day, month) =
        (of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Whether a list is past its own next update, or (where it names none) was issued over a year before `today`;
/// dates are compared as ISO 8601 text, of which the first ten characters are the day.
pub fn is_old(list: &TrustList, today: &str) -> bool {
    let day = |text: &str| text.get(..10).map(str::to_owned);
    match (&list.next_update, &list.info.issued) {
        (Some(next), _) => day(next).is_some_and(|d| d.as_str() < today),
        (None, Some(issued)) => {
            let year = |t: &str| t.get(..4).and_then(|y| y.parse::<u32>().ok());
            match (day(issued), year(issued), year(today)) {
                (Some(d), Some(a), Some(b)) => b > a + 1 || (b == a + 1 && today[4..] > d[4..]),
                _ => false,
            }
        }
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(next: Option<&str>, issued: Option<&str>) -> TrustList {
        let info = TrustListInfo {
            sha256: Sha256Hash::of(b""),
            certificates: 1,
            products: 0,
            issued: issued.map(str::to_owned),
        };
        TrustList { trust: Trust::default(), info, next_update: next.map(str::to_owned) }
    }

    #[test]
    fn a_list_is_old_after_its_next_update_or_a_year() {
        let next = list(Some("2027-08-05T00:11:39Z"), None);
        assert!(!is_old(&next, "2027-08-05") && is_old(&next, "2027-08-06"));
        let issued = list(None, Some("2026-03-01T00:00:00Z"));
        assert!(
            !is_old(&issued, "2027-02-28") && is_old(&issued, "2027-03-02") && is_old(&issued, "2028-01-01")
        );
        assert!(!is_old(&list(None, None), "2099-01-01"), "a list without a date is not called old");
    }

    #[test]
    fn a_folder_is_read_with_its_subfolders_and_an_empty_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(dir.path()).is_err());
        let sub = dir.path().join("trust-list");
        std::fs::create_dir(&sub).unwrap();
        std::fs::write(sub.join("a.pem"), "-----BEGIN CERTIFICATE-----\n").unwrap();
        std::fs::write(
            sub.join("a.json"),
            r#"{"LoTE":{"ListAndSchemeInformation":{"ListIssueDateTime":"2026-08-05T00:11:39Z"}}}"#,
        )
        .unwrap();
        std::fs::write(dir.path().join("p.json"), r#"[{"product":{"DN":{"CN":"x"}}}]"#).unwrap();
        let list = read(dir.path()).unwrap();
        assert_eq!((list.info.certificates, list.info.products), (1, 1));
        assert_eq!(list.info.issued.as_deref(), Some("2026-08-05T00:11:39Z"));
        let one = read(&sub.join("a.pem")).unwrap();
        assert_eq!((one.info.certificates, one.info.issued), (1, None));
    }
}
