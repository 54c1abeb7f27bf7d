//! `adapters`: the GPUs found.

use std::collections::BTreeMap;

use serde::Serialize;

use super::arguments::Adapters;
use super::error::CliError;
use super::outcome::Outcome;
use super::output::{print, print_json};
use crate::gpu::{self, AdapterInfo, Device, GpuError};

/// The JSON object of `adapters --json`.
#[derive(Serialize)]
struct AdaptersJson {
    adapters: Vec<AdapterJson>,
}

#[derive(Serialize)]
struct AdapterJson {
    index: usize,
    name: String,
    backend: String,
    kind: String,
    driver: String,
    details: serde_json::Map<String, serde_json::Value>,
    /// Which kernels a model gets; only with `-v`, which opens each adapter to ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    variants: Option<Vec<String>>,
    /// Likewise, all limits by wgpu's names.
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<BTreeMap<String, u64>>,
    /// Likewise, all features.
    #[serde(skip_serializing_if = "Option::is_none")]
    features: Option<Vec<String>>,
    /// Why the adapter cannot be used, where opening it told.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// Runs the command.
pub(super) fn run(arguments: &Adapters, verbosity: u8) -> Result<Outcome, CliError> {
    let adapters = gpu::adapters();
    if adapters.is_empty() {
        return Err(GpuError::NoAdapter.into());
    }
    let answer = |info: AdapterInfo| {
        let variants = (verbosity > 0).then(|| variants(info.index)).transpose();
        AdapterJson::new(info, variants)
    };
    let adapters: Vec<AdapterJson> = adapters.into_iter().map(answer).collect();
    if arguments.json.json {
        print_json(&AdaptersJson { adapters })?;
    } else {
        print(&adapters.iter().map(AdapterJson::text).collect::<String>())?;
    }
    Ok(Outcome::Done)
}

/// The kernels that a model gets on an adapter, or why it gets none.
fn variants(index: usize) -> Result<Vec<String>, String> {
    let device = Device::open(Some(&index.to_string()));
    device.map(|device| gpu::variants_of(&device)).map_err(|error| error.problem())
}

impl AdapterJson {
    fn new(info: AdapterInfo, variants: Result<Option<Vec<String>>, String>) -> Self {
        let all = !matches!(variants, Ok(None));
        let (variants, problem) = match variants {
            Ok(variants) => (variants, None),
            Err(problem) => (None, Some(problem)),
        };
        let AdapterInfo { index, name, backend, kind, driver, details, limits, features, .. } = info;
        let details = details.into_iter().map(|(what, much)| (what, much.into())).collect();
        let (limits, features) = (all.then_some(limits), all.then_some(features));
        Self { index, name, backend, kind, driver, details, variants, limits, features, problem }
    }

    /// The same for a person.
    fn text(&self) -> String {
        let Self { index, name, backend, kind, driver, details, variants, problem, .. } = self;
        let detail = |(what, much): (&String, &serde_json::Value)| {
            format!("   {what:<26} {}\n", much.as_str().unwrap_or_default())
        };
        let details: String = details.iter().map(detail).collect();
        let variants: String =
            variants.iter().flatten().map(|variant| format!("   kernels: {variant}\n")).collect();
        let problem: String =
            problem.iter().map(|problem| format!("   cannot be used: {problem}\n")).collect();
        format!("{index}: {name}\n   {backend}, {kind}, driver {driver}\n{details}{variants}{problem}")
    }
}
