//! What pages say, in the reader's language: one catalogue a language under `locales/`, in Fluent's format.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use std::convert::Infallible;
use std::sync::OnceLock;
use unic_langid::LanguageIdentifier;

/// Languages by code, with their own names, in the order in which they are offered; the first is the one that is whole.
pub(crate) const LANGUAGES: &[(&str, &str)] = &[
    ("en", "English"),
    ("uk", "Українська"),
    ("pl", "Polski"),
    ("ru", "Русский"),
    ("de", "Deutsch"),
    ("fr", "Français"),
    ("es", "Español"),
];

const TEXTS: &[&str] = &[
    include_str!("../../locales/en.ftl"),
    include_str!("../../locales/uk.ftl"),
    include_str!("../../locales/pl.ftl"),
    include_str!("../../locales/ru.ftl"),
    include_str!("../../locales/de.ftl"),
    include_str!("../../locales/fr.ftl"),
    include_str!("../../locales/es.ftl"),
];

/// The cookie that remembers a choice.
const COOKIE: &str = "seamline_lang";

type Bundle = FluentBundle<FluentResource>;

fn bundles() -> &'static [Bundle] {
    static BUNDLES: OnceLock<Vec<Bundle>> = OnceLock::new();
    BUNDLES.get_or_init(|| {
        LANGUAGES
            .iter()
            .zip(TEXTS)
            .map(|((code, _), text)| {
                let language: LanguageIdentifier = code.parse().unwrap_or_default();
                let mut bundle = Bundle::new_concurrent(vec![language]);
                // Marks around inserted text are for mixed directions; all of these languages run one way.
                bundle.set_use_isolating(false);
                // Entries that cannot be read are left out; a test reads them all.
                let resource = FluentResource::try_new((*text).to_owned()).unwrap_or_else(|(whole, _)| whole);
                bundle.add_resource_overriding(resource);
                bundle
            })
            .collect()
    })
}

/// Texts in one language.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words {
    /// Index into [`LANGUAGES`].
    language: usize,
    /// Whether it was just chosen.
    chosen: bool,
}

impl Words {
    /// Its code.
    pub(crate) fn language(self) -> &'static str {
        LANGUAGES.get(self.language).map_or("en", |l| l.0)
    }

    /// A text; English where it is missing, its name where that is missing too.
    pub(crate) fn t(self, id: &str) -> String {
        self.with(id, &[])
    }

    /// A text with values in it.
    pub(crate) fn with(self, id: &str, values: &[(&str, FluentValue<'_>)]) -> String {
        let mut args = FluentArgs::new();
        for (name, value) in values {
            args.set((*name).to_owned(), value.clone());
        }
        let own = bundles().get(self.language).into_iter().chain(bundles().first());
        for bundle in own {
            if let Some(pattern) = bundle.get_message(id).and_then(|m| m.value()) {
                let mut errors = Vec::new(); // what cannot be put in shows as its name
                return bundle.format_pattern(pattern, Some(&args), &mut errors).into_owned();
            }
        }
        id.to_owned()
    }

    /// A cookie for a language that was just chosen.
    pub(crate) fn to_remember(self) -> Option<HeaderValue> {
        let value =
            format!("{COOKIE}={}; Path=/; Max-Age=31536000; SameSite=Strict; HttpOnly", self.language());
        self.chosen.then(|| HeaderValue::from_str(&value).ok()).flatten()
    }
}

fn find(code: &str) -> Option<usize> {
    let main = code.split('-').next().unwrap_or_default();
    LANGUAGES.iter().position(|(c, _)| c.eq_ignore_ascii_case(main))
}

/// The most wanted language that there is (RFC 9110, section 12.5.4).
fn accepted(header: &str) -> Option<usize> {
    let mut wanted: Vec<(f32, usize)> = header
        .split(',')
        .take(20)
        .filter_map(|part| {
            let (code, weight) = part.trim().split_once(';').unwrap_or((part.trim(), ""));
            let weight = weight.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.parse().ok())?;
            find(code).map(|n| (weight, n))
        })
        .filter(|(weight, _)| *weight > 0.0)
        .collect();
    wanted.sort_by(|a, b| b.0.total_cmp(&a.0));
    wanted.first().map(|w| w.1)
}

impl<S: Sync> FromRequestParts<S> for Words {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let asked =
            parts.uri.query().and_then(|q| q.split('&').find_map(|p| p.strip_prefix("lang="))).and_then(find);
        let header = |name| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let remembered = || {
            let mut pairs = header(header::COOKIE).split(';').filter_map(|p| p.trim().split_once('='));
            pairs.find(|(name, _)| *name == COOKIE).and_then(|(_, code)| find(code))
        };
        let language =
            asked.or_else(remembered).or_else(|| accepted(header(header::ACCEPT_LANGUAGE))).unwrap_or(0);
        Ok(Self { language, chosen: asked.is_some() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn ids(text: &str) -> BTreeSet<&str> {
        let entries = text.lines().filter(|l| l.starts_with(|c: char| c.is_ascii_lowercase()));
        entries.filter_map(|l| l.split_once(" =").map(|(id, _)| id)).collect()
    }

    #[test]
    fn every_language_says_everything_and_nothing_else() {
        assert_eq!(LANGUAGES.len(), TEXTS.len());
        for ((code, _), text) in LANGUAGES.iter().zip(TEXTS) {
            assert!(FluentResource::try_new((*text).to_owned()).is_ok(), "{code} can be read");
            assert_eq!(ids(text), ids(TEXTS[0]), "{code}");
        }
    }

    #[test]
    fn every_text_that_a_page_asks_for_is_there() {
        let known = ids(TEXTS[0]);
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pages");
        for file in std::fs::read_dir(folder).unwrap() {
            let source = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for call in [".t(\"", ".with(\"", "link(\"/\", \""] {
                for rest in source.split(call).skip(1) {
                    let id = rest.split('"').next().unwrap();
                    if id.len() > 2
                        && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                    {
                        assert!(known.contains(id), "{id}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_reader_chooses_then_the_browser() {
        assert_eq!(accepted("xx, en;q=0.5"), Some(0));
        assert_eq!(accepted("en;q=0.5, uk-UA"), Some(1));
        let words = Words { language: 4, chosen: false };
        assert_eq!(words.t("login-button"), "Anmelden");
        assert_eq!(words.with("campaign-unnamed", &[("clip", "abc".into())]), "Gruppe von abc");
        assert_eq!(accepted("en;q=0, zz"), None);
        assert_eq!(accepted(""), None);
    }
}
