//! `seamline models list|verify|add`.

use crate::cli::ModelsCommand;
use crate::output;
use anyhow::{Context, Result, bail};
use seamline_infer::{CalibrationData, Home, Manifest, Model, ModelError, Role, Runtime};
use seamline_marks::known::KNOWN;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn run(command: &ModelsCommand) -> Result<ExitCode> {
    let home = Home::resolve();
    match command {
        ModelsCommand::List => list(&home),
        ModelsCommand::Verify => verify(&home),
        ModelsCommand::Add { file, manifest, calibration } => {
            add(&home, file, manifest, calibration.as_deref())
        }
    }
}

/// Shipped and added models, sorted by id within each.
pub(crate) fn all(home: &Home) -> Vec<std::result::Result<Manifest, ModelError>> {
    let mut all = Manifest::read_all(&home.models);
    all.extend(Manifest::read_all(&home.user_models));
    all
}

/// `ok`, `missing`, or what is wrong.
pub(crate) fn state(home: &Home, manifest: &Manifest) -> std::result::Result<(), String> {
    let path = manifest.weights(&home.cache);
    if !path.is_file() {
        return Err("missing: run scripts/setup.sh".into());
    }
    let mut file = std::fs::File::open(&path).map_err(|e| e.to_string())?;
    let got = hash(&mut file).map_err(|e| e.to_string())?;
    if got != manifest.sha256() {
        return Err(format!(
            "damaged: sha256 {} is not the pinned {}",
            got.short(),
            manifest.sha256().short()
        ));
    }
    if let Some(path) = manifest.calibration() {
        CalibrationData::read(&path, manifest.sha256()).map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn hash(file: &mut std::fs::File) -> std::io::Result<seamline_core::Sha256Hash> {
    use std::io::Read;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(seamline_core::Sha256Hash::of(&bytes))
}

fn list(home: &Home) -> Result<ExitCode> {
    let manifests = all(home);
    let schemes: Vec<String> =
        manifests.iter().flatten().filter_map(|m| m.mark.as_ref()).map(|m| m.scheme.clone()).collect();
    for manifest in manifests {
        match manifest {
            Ok(m) => {
                let role = match (m.role, m.aspect) {
                    (Role::FaceDetector, _) => "finds faces",
                    (Role::Mark, _) => "reads marks",
                    (Role::Speaker, _) => "voices",
                    (Role::VoiceActivity, _) => "finds speech",
                    (_, Some(aspect)) => aspect.as_str(),
                    _ => "-",
                };
                let calibrated = if m.calibration().is_some() { "calibrated" } else { "-" };
                let state = state(home, &m).err().unwrap_or_else(|| "ok".into());
                output::say(&format!(
                    "{:<18} {:<8} {role:<12} {calibrated:<11} {state}",
                    m.id.as_str(),
                    m.version
                ))?;
                output::say(&format!("{:<18} {}; {}", "", m.title, m.licence))?;
            }
            Err(e) => output::say(&format!("{:<18} {e}", "?"))?,
        }
    }
    // Named, so that nobody takes their silence for the absence of such marks.
    for known in KNOWN.iter().filter(|k| !schemes.iter().any(|s| s == k.scheme)) {
        output::say(&format!(
            "{:<18} {:<8} {:<12} {:<11} not installed",
            known.scheme, "-", "reads marks", "-"
        ))?;
        output::say(&format!("{:<18} watermark in {}: {}", "", known.media, known.how))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn verify(home: &Home) -> Result<ExitCode> {
    let mut bad = 0;
    match Runtime::find(home) {
        Ok(path) => output::say(&format!("ok   {}", path.display()))?,
        Err(e) => {
            bad += 1;
            output::say(&format!("FAIL {e}"))?;
        }
    }
    // Loaded only where a manifest states what comes out.
    let mut runtime = None;
    for manifest in all(home) {
        let line = match manifest {
            Ok(m) => match state(home, &m).and_then(|()| golden(home, &m, &mut runtime)) {
                Ok(()) => format!("ok   {} {}", m.id, m.sha256()),
                Err(e) => {
                    bad += 1;
                    format!("FAIL {} {e}", m.id)
                }
            },
            Err(e) => {
                bad += 1;
                format!("FAIL {e}")
            }
        };
        output::say(&line)?;
    }
    Ok(ExitCode::from(if bad > 0 { 2 } else { 0 }))
}

/// Runs the model on the input whose output its manifest states, if it states one.
fn golden(
    home: &Home,
    manifest: &Manifest,
    runtime: &mut Option<Runtime>,
) -> std::result::Result<(), String> {
    if manifest.golden.is_none() {
        return Ok(());
    }
    let loaded = match runtime {
        Some(loaded) => loaded,
        None => runtime.insert(Runtime::load(home).map_err(|e| e.to_string())?),
    };
    let model = Model::load(loaded, manifest.clone(), &home.cache, 1).map_err(|e| e.to_string())?;
    model.check_golden().map_err(|e| e.to_string())
}

/// Checks everything that a scan would check, then copies. A model that would not run is never installed.
fn add(home: &Home, file: &Path, manifest: &Path, calibration: Option<&Path>) -> Result<ExitCode> {
    let text = std::fs::read_to_string(manifest)
        .with_context(|| format!("{}: cannot be read", manifest.display()))?;
    let parsed = Manifest::parse(&text).map_err(|m| anyhow::anyhow!("{}: {m}", manifest.display()))?;
    let dir = home.user_models.join(parsed.id.as_str());
    if dir.exists() || home.models.join(parsed.id.as_str()).exists() {
        bail!("a model named {} is installed already", parsed.id);
    }
    let staging = home.user_models.join(format!(".adding-{}", parsed.id)).join(parsed.id.as_str());
    let result = stage(home, file, &text, &parsed, calibration, &staging).and_then(|()| {
        std::fs::rename(&staging, &dir).with_context(|| format!("{}: cannot be made", dir.display()))
    });
    if let Some(outer) = staging.parent() {
        let _ = std::fs::remove_dir_all(outer); // it holds nothing but an abandoned copy
    }
    result?;
    output::say(&format!(
        "added {} to {}; run it with `seamline scan --detectors {}`",
        parsed.id,
        dir.display(),
        parsed.id
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn stage(
    home: &Home,
    file: &Path,
    text: &str,
    parsed: &Manifest,
    calibration: Option<&Path>,
    staging: &Path,
) -> Result<()> {
    std::fs::create_dir_all(staging).with_context(|| format!("{}: cannot be made", staging.display()))?;
    std::fs::write(staging.join("manifest.toml"), text)?;
    let named = Manifest::read(staging)?;
    let weights = named.weights(&home.cache);
    if weights.parent() != Some(staging) {
        bail!("file.path of {} must be a plain file name", parsed.id);
    }
    std::fs::copy(file, &weights).with_context(|| format!("{}: cannot be copied", file.display()))?;
    if let (Some(from), Some(to)) = (calibration, named.calibration()) {
        std::fs::copy(from, to).with_context(|| format!("{}: cannot be copied", from.display()))?;
    }
    if let Some(path) = named.calibration() {
        CalibrationData::read(&path, named.sha256())?;
    }
    // Hash and signature, by the same code that a scan uses, and the output that the manifest promises.
    Model::load(&Runtime::load(home)?, named, &home.cache, 1)?.check_golden()?;
    Ok(())
}
