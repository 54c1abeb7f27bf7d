//! `get`: a model from the Hugging Face hub, into its cache.

mod list;
mod progress;

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::arguments::Get;
use super::error::CliError;
use super::interrupt;
use super::outcome::Outcome;
use super::output::{print, print_json, status};
use crate::gpu;
use crate::hub::{Client, HubError, Offer, Order, Repository, RepositoryName, Settings, duration, suggested};
use crate::library::Environment;
use crate::units::bytes;

/// The JSON object of a download.
#[derive(Serialize)]
struct GotJson<'a> {
    name: &'a str,
    path: String,
    repository: &'a str,
    commit: &'a str,
    bytes: u64,
    downloaded_bytes: u64,
    seconds: f64,
}

/// Runs the command. Without a name it tells the short list, and does not go online.
pub(super) fn run(arguments: &Get) -> Result<Outcome, CliError> {
    let Some(given) = &arguments.repository else { return list::curated(arguments.json.json) };
    let (name, format) = parsed(given)?;
    let settings = Settings::of(&Environment::of_process())?;
    let client = Client::new(settings.clone())?;
    let asked = progress::watched(&client, &format!("asking {}", settings.host()), |client, _| {
        client.repository(&name, &arguments.revision)
    });
    let repository = match asked {
        Err(HubError::Stopped) => return Ok(Outcome::Interrupted),
        asked => asked?,
    };
    let memory = gpu::find(None).ok().and_then(|adapter| adapter.memory_bytes);
    if arguments.list {
        list::tell(&repository, &settings, memory, arguments.json.json)?;
        return Ok(Outcome::Done);
    }
    let file = arguments.file.as_deref().or(format);
    let Some(offer) = chosen(&repository, &settings, memory, file, arguments.yes)? else {
        return Ok(if interrupt::pressed() { Outcome::Interrupted } else { Outcome::Done });
    };
    if let Some(problem) = &offer.problem {
        return Err(CliError::UselessOffer { file: offer.name.clone(), problem: problem.clone() });
    }
    if let Some(problem) = &repository.problem {
        status(&format!("this program cannot open it: {problem}"));
    }
    download(&client, &settings, &repository.order(offer), arguments.json.json)
}

/// A name, and what follows it after a colon: a format, as other programs take it.
fn parsed(given: &str) -> Result<(RepositoryName, Option<&str>), HubError> {
    match given.rsplit_once(':') {
        Some((name, format)) if !format.contains('/') => Ok((RepositoryName::parse(name)?, Some(format))),
        _ => Ok((RepositoryName::parse(given)?, None)),
    }
}

/// The model to take: that of the file, the only one, or the one that is suggested, if the person agrees. `None` if not.
fn chosen<'a>(
    repository: &'a Repository,
    settings: &Settings,
    memory: Option<u64>,
    file: Option<&str>,
    yes: bool,
) -> Result<Option<&'a Offer>, CliError> {
    let name = repository.name.to_string();
    if let Some(file) = file {
        let offer = repository.named(file);
        return offer
            .map(Some)
            .ok_or_else(|| HubError::NoFile { repository: name, file: file.to_owned() }.into());
    }
    let suggestion = suggested(&repository.offers, memory).map(|index| &repository.offers[index]);
    let Some(suggestion) = suggestion else {
        let problem = repository.problem.clone().unwrap_or_else(|| "its files are not whole".to_owned());
        return Err(CliError::NoOffer { repository: name, problem });
    };
    if yes || repository.offers.len() == 1 {
        return Ok(Some(suggestion));
    }
    status(list::text(repository, settings, memory).trim_end());
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(CliError::WhichOffer { repository: name, suggestion: suggestion.name.clone() });
    }
    ask(repository, suggestion)
}

/// Asks until the answer is a model, or no.
fn ask<'a>(repository: &'a Repository, suggestion: &'a Offer) -> Result<Option<&'a Offer>, CliError> {
    loop {
        let size = bytes(suggestion.bytes());
        status(&format!(
            "Enter downloads {} ({size}); or name another file or format, or n:",
            suggestion.name
        ));
        let Some(answer) = line_of_stdin() else { return Ok(None) };
        match answer.trim() {
            "" | "y" | "yes" => return Ok(Some(suggestion)),
            "n" | "no" | "q" => return Ok(None),
            other => match repository.named(other) {
                Some(offer) => return Ok(Some(offer)),
                None => status(&format!("there is no {other}")),
            },
        }
    }
}

/// A line that a person types; none after the end, or Ctrl-C.
fn line_of_stdin() -> Option<String> {
    let (sender, line) = channel();
    // Reading cannot be ended: after Ctrl-C the program ends without waiting for it.
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = std::io::stdin().lock().read_line(&mut text);
        // After Ctrl-C nobody wants to know.
        let _ = sender.send(read.ok().filter(|count| *count > 0).map(|_| text));
    });
    while !interrupt::pressed() {
        match line.recv_timeout(Duration::from_millis(100)) {
            Ok(text) => return text,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    None
}

fn download(client: &Client, settings: &Settings, order: &Order, json: bool) -> Result<Outcome, CliError> {
    let name = order.name();
    let (before, total, begun) = (settings.received(order), order.bytes(), Instant::now());
    if before < total {
        let went_on =
            if before > 0 { format!(", of which {} are here", bytes(before)) } else { String::new() };
        status(&format!("downloading {name}, {}{went_on}, into {}", bytes(total), settings.cache.display()));
    }
    let path = progress::watched(client, "", |client, heard| client.download(order, heard));
    let path: PathBuf = match path {
        Err(HubError::Stopped) => {
            let kept = bytes(settings.received(order));
            status(&format!("stopped: {kept} of {} are kept; the same command goes on there", bytes(total)));
            return Ok(Outcome::Interrupted);
        }
        path => path?,
    };
    let seconds = begun.elapsed().as_secs_f64();
    if json {
        print_json(&GotJson {
            name: &name,
            path: path.display().to_string(),
            repository: order.repository.as_str(),
            commit: &order.commit,
            bytes: total,
            downloaded_bytes: total - before.min(total),
            seconds,
        })?;
        return Ok(Outcome::Done);
    }
    let took =
        if before < total { format!(", in {}", duration(seconds.ceil() as u64)) } else { String::new() };
    status(&format!(
        "{name} is here{took}: `logitscope generate -m {name} -p …`, or in the window under “Open model…”"
    ));
    print(&format!("{}\n", path.display()))?;
    Ok(Outcome::Done)
}
