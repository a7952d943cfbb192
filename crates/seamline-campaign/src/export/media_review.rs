//! schema.org MediaReview as JSON-LD: an analyst's word on media, so only confirmed campaigns have one.

use super::Dossier;
use serde_json::{Value, json};

/// What an analyst says became of the media (schema.org, `MediaManipulationRatingEnumeration`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthenticityCategory {
    /// Genuine, in a false context.
    DecontextualizedContent,
    /// Cut, cropped or joined.
    EditedOrCroppedContent,
    /// Genuine.
    OriginalMediaContent,
    /// Satire or parody.
    SatireOrParodyContent,
    /// Acted.
    StagedContent,
    /// Changed or generated.
    TransformedContent,
}

impl AuthenticityCategory {
    const fn as_str(self) -> &'static str {
        match self {
            Self::DecontextualizedContent => "DecontextualizedContent",
            Self::EditedOrCroppedContent => "EditedOrCroppedContent",
            Self::OriginalMediaContent => "OriginalMediaContent",
            Self::SatireOrParodyContent => "SatireOrParodyContent",
            Self::StagedContent => "StagedContent",
            Self::TransformedContent => "TransformedContent",
        }
    }
}

/// The review of a confirmed campaign; `None` for what only a machine proposed. Category and publisher are the
/// analyst's: nothing here derives them.
pub fn media_review(d: &Dossier, category: AuthenticityCategory, publisher: &str) -> Option<Value> {
    let (author, at) = d.confirmed_by()?;
    let appearances: Vec<Value> = d
        .detail
        .sightings
        .iter()
        .filter(|(_, s)| !s.url.is_empty())
        .map(|(clip, s)| {
            json!({
                "@type": "MediaObject",
                "contentUrl": s.url,
                "sha256": clip,
                "uploadDate": s.seen_at,
                "creator": if s.channel.is_empty() { Value::Null } else { json!({"@type": "Organization", "name": s.channel}) },
            })
        })
        .map(|mut v| {
            if v["creator"].is_null() {
                v.as_object_mut().map(|m| m.shift_remove("creator"));
            }
            v
        })
        .collect();
    Some(json!({
        "@context": "https://schema.org",
        "@type": "MediaReview",
        "datePublished": &at.to_string()[..10],
        "author": {"@type": "Person", "name": author},
        "publisher": {"@type": "Organization", "name": publisher},
        "mediaAuthenticityCategory": format!("https://schema.org/{}", category.as_str()),
        "itemReviewed": {
            "@type": "MediaReviewItem",
            "name": d.title(),
            "mediaItemAppearance": appearances,
        },
    }))
}
