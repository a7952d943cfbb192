//! The list of conforming products (C2PA conformance programme): which product a signing certificate belongs to,
//! and what that product may not assert. Operator data; without it no product is named.

use serde_json::Value;

/// Records read from one list.
const MAX_PRODUCTS: usize = 10_000;

/// A product that the conformance programme lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    common_name: String,
    organisation: String,
    unit: String,
    status: String,
    barred: Vec<String>,
}

impl Product {
    /// Name and status for people.
    pub(super) fn describe(&self) -> String {
        format!("{}, {} ({})", self.common_name, self.organisation, self.status)
    }

    /// Signals that it may not assert.
    pub(super) fn barred(&self) -> &[String] {
        &self.barred
    }
}

/// Reads the list's JSON; anything else gives an empty list.
pub fn parse(text: &str) -> Vec<Product> {
    let Ok(Value::Array(records)) = serde_json::from_str(text) else { return Vec::new() };
    records
        .iter()
        .take(MAX_PRODUCTS)
        .filter_map(|r| {
            let product = &r["product"];
            let name = |key: &str| product["DN"][key].as_str().unwrap_or_default().to_owned();
            let barred = ["inception", "transformation"]
                .iter()
                .flat_map(|k| product["disallowedSignals"][k].as_array().cloned().unwrap_or_default())
                .filter_map(|v| v.as_str().map(str::to_owned))
                .collect();
            let common_name = name("CN");
            (!common_name.is_empty()).then(|| Product {
                common_name,
                organisation: name("O"),
                unit: name("OU"),
                status: r["status"].as_str().unwrap_or("unknown").to_owned(),
                barred,
            })
        })
        .collect()
}

/// Products whose certificate carries this name. Several systems of one product differ by unit only, which the
/// reader does not give: what every one of them is barred from is barred.
pub(super) fn named<'p>(products: &'p [Product], common_name: &str, organisation: &str) -> Option<Product> {
    let mut found = products
        .iter()
        .filter(|p: &&'p Product| p.common_name == common_name && p.organisation == organisation);
    let mut product = found.next()?.clone();
    for other in found {
        product.barred.retain(|b| other.barred.contains(b));
    }
    Some(product)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signer_is_mapped_by_name_and_bars_are_common_ground() {
        let list = r#"[
            {"status":"conformant","product":{"DN":{"CN":"Cam","O":"Maker"},"disallowedSignals":{"inception":[],"transformation":[]}}},
            {"status":"conformant","product":{"DN":{"CN":"Edit","O":"Maker","OU":"iOS"},"disallowedSignals":{"inception":["capturedMedia","x"]}}},
            {"status":"conformant","product":{"DN":{"CN":"Edit","O":"Maker","OU":"Android"},"disallowedSignals":{"inception":["capturedMedia"]}}}]"#;
        let products = parse(list);
        assert_eq!(products.len(), 3);
        assert_eq!(named(&products, "Edit", "Maker").unwrap().barred(), ["capturedMedia"]);
        assert!(named(&products, "Cam", "Maker").unwrap().barred().is_empty());
        assert_eq!(named(&products, "Cam", "Another"), None);
        assert!(parse("{}").is_empty() && parse("not json").is_empty());
    }
}
