//! What there is: the short list, and the models of a repository.

use std::fmt::Write;

use serde::Serialize;

use crate::cli::error::CliError;
use crate::cli::outcome::Outcome;
use crate::cli::output::{Listener, print, print_json};
use crate::hub::{Curated, Offer, Repository, Settings, curated as list, fits, suggested};
use crate::units::{bytes, parameters};

/// The JSON object of the short list.
#[derive(Serialize)]
struct ShortListJson<'a> {
    models: Vec<CuratedJson<'a>>,
}

#[derive(Serialize)]
struct CuratedJson<'a> {
    name: &'a str,
    repository: &'a str,
    file: &'a str,
    about: &'a str,
    licence: &'a str,
    about_bytes: u64,
}

/// The JSON object of a repository.
#[derive(Serialize)]
struct RepositoryJson<'a> {
    repository: &'a str,
    revision: &'a str,
    commit: &'a str,
    licence: Option<&'a str>,
    gated: bool,
    family: Option<&'a str>,
    family_name: Option<&'a str>,
    parameters: Option<u64>,
    opens: bool,
    problem: Option<&'a str>,
    models: Vec<OfferJson<'a>>,
}

#[derive(Serialize)]
struct OfferJson<'a> {
    file: &'a str,
    files: Vec<&'a str>,
    bytes: u64,
    quantisation: Option<&'a str>,
    suggested: bool,
    fits: Option<bool>,
    path: Option<String>,
    problem: Option<&'a str>,
}

/// Tells the short list, which is inside the program.
pub(super) fn curated(json: bool) -> Result<Outcome, CliError> {
    if json {
        let models = list().iter().map(|model| CuratedJson {
            name: &model.name,
            repository: model.repository.as_str(),
            file: &model.file,
            about: &model.about,
            licence: &model.licence,
            about_bytes: model.about_bytes,
        });
        print_json(&ShortListJson { models: models.collect() })?;
        return Ok(Outcome::Done);
    }
    let line = |model: &Curated| {
        let Curated { name, repository, file, about, licence, about_bytes } = model;
        let size = bytes(*about_bytes);
        format!("{name}, about {size}, {licence}\n  {about}\n  logitscope get {repository} {file}\n")
    };
    let lines: Vec<String> = list().iter().map(line).collect();
    print(&format!(
        "{}\n`logitscope get OWNER/NAME` gets any other from the Hugging Face hub, as its page names it.\n",
        lines.join("\n")
    ))?;
    Ok(Outcome::Done)
}

/// Tells what a repository has.
pub(super) fn tell(
    repository: &Repository,
    settings: &Settings,
    memory: Option<u64>,
    json: bool,
) -> Result<Listener, CliError> {
    if !json {
        return print(&text(repository, settings, memory));
    }
    let suggestion = suggested(&repository.offers, memory);
    let models = repository.offers.iter().enumerate().map(|(index, offer)| OfferJson {
        file: &offer.name,
        files: offer.files.iter().map(|file| file.path.as_str()).collect(),
        bytes: offer.bytes(),
        quantisation: offer.quantisation.as_deref(),
        suggested: suggestion == Some(index),
        fits: fits(offer, memory),
        path: settings.here(&repository.order(offer)).map(|path| path.display().to_string()),
        problem: offer.problem.as_deref(),
    });
    print_json(&RepositoryJson {
        repository: repository.name.as_str(),
        revision: &repository.revision,
        commit: &repository.commit,
        licence: repository.licence.as_deref(),
        gated: repository.gated,
        family: repository.family.as_deref(),
        family_name: repository.family_name.as_deref(),
        parameters: repository.parameters,
        opens: repository.problem.is_none(),
        problem: repository.problem.as_deref(),
        models: models.collect(),
    })
}

/// The same for a person: what it is, then a table.
pub(super) fn text(repository: &Repository, settings: &Settings, memory: Option<u64>) -> String {
    let Repository { name, licence, family_name, family, parameters: count, .. } = repository;
    let facts = [
        family_name.clone().or_else(|| family.clone()),
        count.map(|count| format!("{} parameters", parameters(count))),
        licence.as_ref().map(|licence| format!("licence {licence}")),
    ];
    let facts: Vec<String> = facts.into_iter().flatten().collect();
    let mut text = format!("{name}: {}\n", facts.join(", "));
    // Writing to a string cannot fail.
    if let Some(problem) = &repository.problem {
        let _ = writeln!(text, "this program cannot open it: {problem}");
    }
    if repository.gated {
        let _ = writeln!(text, "its terms have to be accepted first, on {}", settings.page(name));
    }
    let suggestion = suggested(&repository.offers, memory);
    let wide = |column: fn(&Offer) -> String| {
        repository.offers.iter().map(|offer| column(offer).chars().count()).max()
    };
    let (names, formats) = (wide(|offer| offer.name.clone()), wide(format));
    for (index, offer) in repository.offers.iter().enumerate() {
        let (names, formats) = (names.unwrap_or_default(), formats.unwrap_or_default());
        let mut notes = Vec::new();
        if suggestion == Some(index) {
            notes.push("suggested".to_owned());
        }
        if settings.here(&repository.order(offer)).is_some() {
            notes.push("is here".to_owned());
        }
        if fits(offer, memory) == Some(false) {
            notes.push("too large for the GPU".to_owned());
        }
        notes.extend(offer.problem.clone());
        let line = format!(
            "  {:<names$}  {:<formats$}  {:>8}  {}",
            offer.name,
            format(offer),
            bytes(offer.bytes()),
            notes.join(", ")
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn format(offer: &Offer) -> String {
    offer.quantisation.clone().unwrap_or_else(|| "–".to_owned())
}
