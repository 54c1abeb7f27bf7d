//! `adapters`: the GPUs found.

use std::collections::BTreeMap;

use serde::Serialize;

use super::arguments::Adapters;
use super::error::CliError;
use super::outcome::Outcome;
use super::output::{print, print_json};
use crate::gpu::{self, AdapterInfo, GpuError};

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
    let with_kernels = |info: AdapterInfo| {
        let kernels = (verbosity > 0).then(|| gpu::variants_on(info.index)).transpose();
        (info, kernels)
    };
    let adapters = adapters.into_iter().map(with_kernels);
    if arguments.json.json {
        let adapters = adapters.map(|(info, kernels)| AdapterJson::new(info, kernels)).collect();
        print_json(&AdaptersJson { adapters })?;
    } else {
        let text = |(info, kernels): (AdapterInfo, Result<Option<Vec<String>>, String>)| {
            info.text(
                kernels
                    .as_ref()
                    .map(|kernels| kernels.as_deref().unwrap_or_default())
                    .map_err(String::as_str),
            )
        };
        print(&adapters.map(text).collect::<String>())?;
    }
    Ok(Outcome::Done)
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
}
