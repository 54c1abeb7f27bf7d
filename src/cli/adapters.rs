//! `adapters`: the GPUs found.

use serde::Serialize;

use super::arguments::Adapters;
use super::output::{print, print_json};
use super::{CliError, Outcome};
use crate::gpu::{self, AdapterInfo, GpuError};

/// The JSON object of `adapters --json`.
#[derive(Serialize)]
struct Answer {
    adapters: Vec<AdapterAnswer>,
}

#[derive(Serialize)]
struct AdapterAnswer {
    index: usize,
    name: String,
    backend: String,
    kind: String,
    driver: String,
    details: serde_json::Map<String, serde_json::Value>,
}

/// Runs the command.
pub fn run(arguments: &Adapters) -> Result<Outcome, CliError> {
    let adapters = gpu::adapters();
    if adapters.is_empty() {
        return Err(GpuError::NoAdapter.into());
    }
    if arguments.json.json {
        print_json(&Answer { adapters: adapters.into_iter().map(AdapterAnswer::from).collect() })?;
    } else {
        print(&adapters.iter().map(text).collect::<String>())?;
    }
    Ok(Outcome::Done)
}

fn text(adapter: &AdapterInfo) -> String {
    let AdapterInfo { index, name, backend, kind, driver, details } = adapter;
    let details: String = details.iter().map(|(what, much)| format!("   {what:<26} {much}\n")).collect();
    format!("{index}: {name}\n   {backend}, {kind}, driver {driver}\n{details}")
}

impl From<AdapterInfo> for AdapterAnswer {
    fn from(info: AdapterInfo) -> Self {
        let AdapterInfo { index, name, backend, kind, driver, details } = info;
        let details = details.into_iter().map(|(what, much)| (what, much.into())).collect();
        Self { index, name, backend, kind, driver, details }
    }
}
