//! Finding codes: a finding is a documented constant, not a string made up on the spot.
//! `docs/codes.md` describes each code of [`ALL`]; a test keeps the two the same.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// How much a finding can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// Explains the file; says nothing about being fake.
    Context,
    /// Worth a look.
    Hint,
    /// The file, or whoever wrote it, says so; plain text can be forged.
    Declares,
    /// Cryptography or statistics say so (a trusted signature, a mark at p < 1e-9).
    Proves,
}

/// What a finding speaks for, apart from how strongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Made or altered by a generator.
    Spoof,
    /// Captured by a device.
    Bonafide,
    /// Neither.
    Neutral,
}

/// One documented kind of finding.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FindingCode {
    /// Stable name, `area.what`.
    pub name: &'static str,
    /// How much it can carry at most.
    pub strength: Strength,
    /// What it speaks for.
    pub direction: Direction,
    /// One sentence for people.
    pub summary: &'static str,
}

impl FindingCode {
    /// Looks a code up by its stable name.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|c| c.name == name)
    }
}

impl fmt::Debug for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Serialize for FindingCode {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.name)
    }
}

impl<'de> Deserialize<'de> for FindingCode {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let name = String::deserialize(d)?;
        Self::by_name(&name)
            .copied()
            .ok_or_else(|| serde::de::Error::custom(format!("unknown finding code {name}")))
    }
}

macro_rules! codes {
    ($($ident:ident = $name:literal, $strength:ident, $direction:ident, $summary:literal;)*) => {
        $(
            #[doc = $summary]
            pub const $ident: FindingCode = FindingCode {
                name: $name, strength: Strength::$strength, direction: Direction::$direction, summary: $summary,
            };
        )*
        /// Every code there is, sorted by area.
        pub const ALL: &[FindingCode] = &[$($ident),*];
    };
}

codes! {
    C2PA_AI_TRUSTED = "c2pa.ai_generated_trusted", Proves, Spoof, "A valid signature by a trusted signer states that the content was made by generative AI.";
    C2PA_AI_UNTRUSTED = "c2pa.ai_generated_untrusted", Declares, Spoof, "A manifest whose integrity holds, by a signer not on the trust list, states that the content was made by generative AI.";
    C2PA_AI_PART = "c2pa.ai_part", Declares, Spoof, "A manifest states that a part of the content was made or changed by generative AI.";
    C2PA_CAPTURE_TRUSTED = "c2pa.captured_trusted", Proves, Bonafide, "A valid signature by a trusted signer states that the content was captured by a device.";
    C2PA_CAPTURE_UNTRUSTED = "c2pa.captured_untrusted", Declares, Bonafide, "A manifest whose integrity holds, by a signer not on the trust list, states that the content was captured by a device.";
    C2PA_PRESENT = "c2pa.present", Context, Neutral, "The file carries a C2PA manifest store; its issuer, claim generator and actions are listed.";
    C2PA_INTEGRITY_FAILED = "c2pa.integrity_failed", Hint, Neutral, "The file was changed after signing, or its manifest is damaged: hashes or signature do not match.";
    C2PA_EXPIRED = "c2pa.credential_expired", Context, Neutral, "The signing certificate's validity has ended; this says nothing about the content's integrity.";
    C2PA_UNREADABLE = "c2pa.unreadable", Context, Neutral, "A C2PA manifest store is present but could not be parsed.";
    C2PA_REMOTE = "c2pa.remote_manifest", Context, Neutral, "The file points to a manifest on a server; it was not requested, since nothing is fetched.";
    C2PA_REVOKED = "c2pa.credential_revoked", Hint, Neutral, "The signing certificate was revoked, as a response inside the manifest says; a key that was stolen may have signed it.";
    C2PA_DISALLOWED = "c2pa.signer_disallowed", Hint, Neutral, "The signer asserts what the list of conforming products bars its product from asserting.";
    C2PA_WATERMARKED = "c2pa.synthid_action", Declares, Spoof, "A signed action says that SynthID, the imperceptible watermark of Google's generators, was applied.";
    C2PA_SOFT_BINDING = "c2pa.soft_binding", Context, Neutral, "The manifest names a watermark or fingerprint by which the asset can be found again.";
    C2PA_SIGNALS = "c2pa.signals", Context, Neutral, "Signals of the official asset rubric that hold for this manifest.";
    C2PA_INGREDIENTS = "c2pa.ingredients", Context, Neutral, "What the asset was made from, as a tree.";
    XMP_DST_AI = "xmp.digital_source_ai", Declares, Spoof, "The IPTC DigitalSourceType says that the content was made or composed with generative AI.";
    XMP_DST_CAPTURE = "xmp.digital_source_capture", Declares, Bonafide, "The IPTC DigitalSourceType says that the content was captured by a device.";
    XMP_AI_FIELDS = "xmp.ai_fields", Declares, Spoof, "IPTC 2025.1 fields name an AI system or prompt.";
    XMP_CREDIT_AI = "xmp.credit_ai", Declares, Spoof, "The credit line says that the content was made with AI.";
    TC260_AIGC = "tc260.aigc_label", Declares, Spoof, "The file carries the AIGC label that Chinese rules (GB 45438-2025) demand of generated content.";
    TC260_AIGC_SUSPECTED = "tc260.aigc_suspected", Hint, Spoof, "The file carries an AIGC label that says possibly or suspectedly generated.";
    GEN_A1111 = "generator.a1111", Declares, Spoof, "Generation parameters in the form that Stable Diffusion web UI writes.";
    GEN_COMFYUI = "generator.comfyui", Declares, Spoof, "A ComfyUI prompt or workflow graph.";
    GEN_OTHER = "generator.other", Declares, Spoof, "Generation parameters of another image generator.";
    GEN_GROK = "generator.grok", Declares, Spoof, "The pair of EXIF fields that Grok writes: a signature and a UUID.";
    GEN_SAMSUNG = "generator.samsung", Declares, Spoof, "Samsung's photo editor says that a part was changed by generative AI.";
    GEN_CLAIMED = "generator.claimed", Hint, Spoof, "A field that a generator is reported to write; no real file was at hand to confirm it.";
    MARK_INVISIBLE = "marks.invisible_watermark", Proves, Spoof, "The pixels carry the public watermark of a reference generation pipeline, at p < 1e-9.";
    MARK_PERTH = "marks.perth", Declares, Spoof, "Three quarters and more of the speech that was looked at score as if they carried the Perth watermark of the Chatterbox speech generators.";
    MARK_PERTH_WEAK = "marks.perth_weak", Hint, Spoof, "A stretch of the sound scores as if it carried the Perth watermark; so do some stretches of music, noise and unmarked speech.";
    MARK_STEALTH = "marks.stealth_parameters", Declares, Spoof, "Generation parameters stand in the lowest bits of the pixels.";
    MARK_SPARKLE = "marks.sparkle", Hint, Spoof, "A corner shows the sparkle that Gemini and Veo draw on what they generate.";
    MARK_OPERATOR = "marks.operator_payload", Declares, Spoof, "A watermark decoder that the operator supplied reads a payload whose checks hold.";
    SYNC_LIPS_DISAGREE = "sync.lips_disagree", Hint, Spoof, "Over this span the mouth does not open with the sound: dubbed, exchanged or generated speech, or a voice-over.";
    SYNC_LIPS_FOLLOW = "sync.lips_follow", Context, Neutral, "Where the mouth could be compared with the sound, nothing speaks against their belonging together; heads that the sound drives are in step too.";
    SOUND_DIGITAL_SILENCE = "sound.digital_silence", Context, Neutral, "Inside the sound, samples are exactly zero for a while: a gate, a pause inserted by an editor or a generator, or lost packets.";
    SOUND_FLOOR_JUMP = "sound.floor_jump", Hint, Neutral, "The background under the speech changes at once and stays changed: a join of two recordings, a switched microphone, or a filter switched on.";
    SOUND_BAND_JUMP = "sound.band_jump", Hint, Neutral, "The highest frequency that the speech reaches changes at once and stays changed: a join of two recordings, or a call whose codec changed.";
    FORENSIC_QUANTISATION = "forensics.quantisation", Context, Neutral, "Whose quantisation tables the picture has.";
    FORENSIC_ENCODER = "forensics.encoder_settings", Context, Neutral, "The video encoder and the settings that it wrote into the stream.";
    FORENSIC_EDIT_LIST = "forensics.edit_list", Hint, Neutral, "The timeline was edited: a track's edit list has pauses or several pieces.";
    FORENSIC_DURATION = "forensics.duration_mismatch", Hint, Neutral, "Tracks differ in length by more than a codec's delay explains.";
    FORENSIC_JUMP = "forensics.timestamp_jump", Context, Neutral, "A stream's timestamps jump where nothing is damaged: a cut without re-encoding, a join, or lost packets.";
    FORENSIC_DATE = "forensics.date_mismatch", Hint, Neutral, "Dates inside the file contradict each other.";
    FORENSIC_THUMBNAIL = "forensics.thumbnail_mismatch", Hint, Neutral, "The embedded thumbnail has another shape than the picture.";
    FORENSIC_CAMERA = "forensics.camera_rewritten", Context, Neutral, "A camera is named, and so is software that is not a camera's.";
    CONTAINER_ENCODER = "container.encoder", Context, Neutral, "The container or its metadata names the software that wrote it.";
    CONTAINER_PLATFORM = "container.platform", Context, Neutral, "Traces of a platform's re-encoding; says nothing about AI.";
    CONTAINER_TRUNCATED = "container.truncated", Context, Neutral, "The file ends before its declared length; the verdict covers what was there.";
    CONTAINER_DAMAGED = "container.damaged", Context, Neutral, "Spans of the file could not be decoded.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_round_trip() {
        for (i, code) in ALL.iter().enumerate() {
            assert!(ALL[i + 1..].iter().all(|c| c.name != code.name), "{code:?} twice");
            let json = serde_json::to_string(code).unwrap();
            assert_eq!(serde_json::from_str::<FindingCode>(&json).unwrap(), *code);
        }
        assert!(serde_json::from_str::<FindingCode>("\"no.such\"").is_err());
    }
}
