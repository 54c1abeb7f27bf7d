//! `models`: the models that are on this computer already.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::arguments::Models;
use super::error::CliError;
use super::interrupt::{self, INTERRUPTED};
use super::outcome::Outcome;
use super::output::{StatusLine, print, print_json};
use crate::formats::Other;
use crate::gpu;
use crate::library::{
    DeviceMemory, Environment, Facts, Fits, Library, LookedInto, Model, Need, Origin, Search, Seen,
};
use crate::session::{device_memory, read_headers};
use crate::units::{bytes, parameters};

/// Widest column of names, in characters.
const WIDEST_NAME: usize = 48;

/// The JSON object of `models --json`.
#[derive(Serialize)]
struct ModelsJson<'a> {
    models: Vec<ModelJson<'a>>,
    others: Vec<OtherJson<'a>>,
    looked_into: Vec<PlaceJson>,
    complete: bool,
    adapter: Option<AdapterJson<'a>>,
}

#[derive(Serialize)]
struct ModelJson<'a> {
    name: &'a str,
    path: String,
    origin: Origin,
    bytes: u64,
    modified: u64,
    opens: bool,
    problem: Option<&'a str>,
    family: Option<&'a str>,
    family_name: Option<&'a str>,
    parameters: Option<u64>,
    quantisation: Option<&'a str>,
    context: Option<u64>,
    memory: Option<Need>,
    fits: Option<bool>,
    runs_streamed: Option<bool>,
}

#[derive(Serialize)]
struct OtherJson<'a> {
    name: &'a str,
    path: String,
    origin: Origin,
    bytes: u64,
    other: Option<Other>,
}

#[derive(Serialize)]
struct PlaceJson {
    folder: String,
    origin: Origin,
    found: Option<usize>,
    problem: Option<String>,
}

#[derive(Serialize)]
struct AdapterJson<'a> {
    name: &'a str,
    backend: &'a str,
    memory_bytes: Option<u64>,
}

/// Runs the command. A machine without an adapter is no failure.
pub(super) fn run(arguments: &Models) -> Result<Outcome, CliError> {
    let environment = Environment::of_process();
    let library = search(&environment, &arguments.folder);
    if interrupt::pressed() {
        return Ok(Outcome::Interrupted);
    }
    let adapter = gpu::find(None).ok();
    let room = adapter.as_ref().and_then(device_memory);
    if arguments.json.json {
        print_json(&ModelsJson {
            models: library.models.iter().map(|model| ModelJson::new(model, room)).collect(),
            others: library.others.iter().map(OtherJson::new).collect(),
            looked_into: library.looked_into.iter().map(PlaceJson::new).collect(),
            complete: !library.cut,
            adapter: adapter.as_ref().map(|adapter| AdapterJson {
                name: &adapter.name,
                backend: &adapter.backend,
                memory_bytes: adapter.memory_bytes,
            }),
        })?;
    } else {
        print(&text(&library, &environment, room))?;
    }
    Ok(Outcome::Done)
}

/// Searches with progress on stderr, until Ctrl-C.
fn search(environment: &Environment, added: &[PathBuf]) -> Library {
    let mut line = StatusLine::new();
    let search = Search { environment, added, read: &read_headers, stop: &INTERRUPTED };
    let library = search
        .run(&mut |progress| line.show(&format!("reading headers: {} of {}", progress.done, progress.total)));
    line.clear();
    library
}

impl<'a> ModelJson<'a> {
    fn new(model: &'a Model, room: Option<DeviceMemory>) -> Self {
        let Model { found, facts } = model;
        let Facts { family, family_name, parameters, quantisation, context, problem, memory, .. } = facts;
        Self {
            name: &found.name,
            path: found.path.display().to_string(),
            origin: found.origin,
            bytes: found.bytes,
            modified: found.modified(),
            opens: model.opens(),
            problem: problem.as_deref(),
            family: family.as_deref(),
            family_name: family_name.as_deref(),
            parameters: *parameters,
            quantisation: quantisation.as_deref(),
            context: *context,
            memory: *memory,
            fits: facts.fits(room).map(|fits| fits == Fits::Whole),
            runs_streamed: facts.fits(room).map(|fits| fits == Fits::Streamed),
        }
    }
}

impl<'a> OtherJson<'a> {
    fn new(model: &'a Model) -> Self {
        let Model { found, facts } = model;
        let path = found.path.display().to_string();
        Self { name: &found.name, path, origin: found.origin, bytes: found.bytes, other: facts.other }
    }
}

impl PlaceJson {
    fn new(looked: &LookedInto) -> Self {
        let (found, problem) = match &looked.seen {
            Seen::Absent => (None, None),
            Seen::Unreadable(reason) => (None, Some(reason.clone())),
            Seen::Found(count) => (Some(*count), None),
        };
        let folder = looked.place.folder.display().to_string();
        Self { folder, origin: looked.place.origin, found, problem }
    }
}

/// The same for a person: a table, then what cannot be opened and why, then the rest in few words.
fn text(library: &Library, environment: &Environment, room: Option<DeviceMemory>) -> String {
    let (open, closed): (Vec<&Model>, Vec<&Model>) = library.models.iter().partition(|model| model.opens());
    let mut parts = Vec::new();
    if !open.is_empty() {
        parts.push(table(&open, room));
    }
    if !closed.is_empty() {
        let line = |model: &&Model| {
            let problem = model.facts.problem.as_deref().unwrap_or_default();
            format!("  {} ({}): {problem}\n", model.found.name, model.found.origin.name())
        };
        parts.push(format!("cannot be opened:\n{}", closed.iter().map(line).collect::<String>()));
    }
    if library.models.is_empty() {
        parts.push("no models were found; --folder DIR looks into another folder\n".to_owned());
    }
    if !library.others.is_empty() {
        parts.push(format!("left out, since they are no language models: {}\n", counted(&library.others)));
    }
    if library.cut {
        parts.push(
            "there are more files than are looked at: name a folder with fewer by --folder\n".to_owned(),
        );
    }
    let looked: String = library.looked_into.iter().map(|looked| place(looked, environment)).collect();
    parts.push(format!("looked into:\n{looked}"));
    parts.join("\n")
}

/// A place, and what was seen there.
fn place(looked: &LookedInto, environment: &Environment) -> String {
    let seen = match &looked.seen {
        Seen::Absent => "is not there".to_owned(),
        Seen::Unreadable(reason) => format!("cannot be read: {reason}"),
        Seen::Found(count) => count.to_string(),
    };
    format!("  {}, {}: {seen}\n", environment.short(&looked.place.folder), looked.place.origin.name())
}

/// How many there are of each kind.
fn counted(others: &[Model]) -> String {
    let mut counts: BTreeMap<Other, usize> = BTreeMap::new();
    for other in others.iter().filter_map(|model| model.facts.other) {
        *counts.entry(other).or_default() += 1;
    }
    let words = counts.iter().map(|(other, count)| other.counted(*count));
    words.collect::<Vec<_>>().join(", ")
}

fn table(models: &[&Model], room: Option<DeviceMemory>) -> String {
    let titles = ["name", "family", "parameters", "size", "stored as", "context", "from"].map(str::to_owned);
    let rows = models.iter().map(|model| cells(model, room));
    let rows: Vec<[String; 7]> = std::iter::once(titles).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 7] = std::array::from_fn(|column| match column {
        0 => width(0).min(WIDEST_NAME),
        column => width(column),
    });
    let line = |row: &[String; 7]| {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
            // Numbers stand on the right.
            2 | 3 | 5 => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn cells(model: &Model, room: Option<DeviceMemory>) -> [String; 7] {
    let Model { found, facts } = model;
    let unknown = || "–".to_owned();
    let too_large = match facts.fits(room) {
        Some(Fits::Not) => ", too large for the GPU",
        Some(Fits::Streamed) => ", runs streamed",
        _ => "",
    };
    [
        found.name.clone(),
        facts.named_family().map_or_else(unknown, str::to_owned),
        facts.parameters.map_or_else(unknown, parameters),
        bytes(found.bytes),
        facts.quantisation.clone().unwrap_or_else(unknown),
        facts.context.map_or_else(unknown, |context| context.to_string()),
        format!("{}{too_large}", found.origin.name()),
    ]
}
