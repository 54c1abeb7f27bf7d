//! The way through a folder and those in it, to the models in them. Nothing is opened but folders.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::entries::Entries;
use super::found::{Found, Known, Stamp};
use super::hub::{self, Repository};
use super::manifests::{self, Listed};
use super::naming;
use super::place::{LookedInto, Origin, Place, Seen};
use crate::formats::folder::{ADAPTER_CONFIG, MODEL_INDEX};
use crate::formats::{Other, SENTENCE_MODULES};
use crate::system_errors::words;

/// Most files and folders that a search looks at.
const MOST_ENTRIES: usize = 200_000;
/// How deep below a place models are looked for.
const MOST_DEPTH: usize = 8;

/// A way through the places.
pub(super) struct Walk<'a> {
    /// What was found.
    pub found: Vec<Found>,
    /// The places, and folders in them that cannot be read.
    pub looked_into: Vec<LookedInto>,
    /// Whether there is more than is looked at.
    pub cut: bool,
    /// The place that is looked into.
    place: Place,
    entries: usize,
    visited: HashSet<PathBuf>,
    stop: &'a AtomicBool,
}

/// A folder on the way.
struct Step {
    folder: PathBuf,
    /// Its name for people.
    name: String,
    /// How deep it lies.
    depth: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(stop: &'a AtomicBool) -> Self {
        let place = Place { origin: Origin::Folder, folder: PathBuf::new() };
        Self {
            found: Vec::new(),
            looked_into: Vec::new(),
            cut: false,
            place,
            entries: 0,
            visited: HashSet::new(),
            stop,
        }
    }

    /// Looks into a place.
    pub(super) fn look_into(&mut self, place: Place) {
        let before = self.found.len();
        self.place = place.clone();
        let seen = match fs::metadata(&place.folder) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Seen::Absent
            }
            Err(error) => Seen::Unreadable(words(&error)),
            Ok(metadata) if !metadata.is_dir() => Seen::Unreadable("it is no folder".to_owned()),
            Ok(_) => match self.look_into_roots(&place.folder) {
                Err(error) => Seen::Unreadable(words(&error)),
                Ok(()) => Seen::Found(self.found.len() - before),
            },
        };
        self.looked_into.push(LookedInto { place, seen });
    }

    /// Of the folder of text-generation-webui only that with models: the program brings a whole Python along.
    fn look_into_roots(&mut self, folder: &Path) -> io::Result<()> {
        let models = ["user_data/models", "models"].map(|below| folder.join(below));
        if models[0].is_dir() {
            let there = models.iter().filter(|folder| folder.is_dir());
            return there.map(PathBuf::as_path).try_for_each(|folder| self.step(&Step::first(folder)));
        }
        self.step(&Step::first(folder))
    }

    /// Looks into a folder and those in it.
    fn step(&mut self, step: &Step) -> io::Result<()> {
        if self.cut_short() || !self.visited.insert(fs::canonicalize(&step.folder)?) {
            return Ok(());
        }
        let entries = Entries::read(&step.folder, MOST_ENTRIES + 1 - self.entries)?;
        self.entries += entries.files.len() + entries.folders.len();
        if self.entries > MOST_ENTRIES {
            self.cut = true;
            return Ok(());
        }
        if let (Some(list), Some(blobs)) = (entries.folders.get("manifests"), entries.folders.get("blobs")) {
            manifests::models(list, blobs).into_iter().for_each(|listed| self.take_listed(listed));
            return Ok(());
        }
        self.take_gguf(step, &entries);
        if self.take_folder(step, &entries) == Below::Nothing {
            return Ok(());
        }
        for (name, folder) in &entries.folders {
            if let Some(repository) = hub::repository(name, folder) {
                self.look_into_repository(&repository, step.depth);
            } else if !hub::is_other(name) && !name.starts_with('.') {
                self.descend(&Step {
                    folder: folder.clone(),
                    name: step.below(self.place.origin, name),
                    depth: step.depth + 1,
                });
            }
        }
        Ok(())
    }

    /// Whether there is nothing more to be looked at.
    fn cut_short(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.entries > MOST_ENTRIES
    }

    /// Looks into a folder that is not the place itself: that it cannot be read is no reason to stop.
    fn descend(&mut self, step: &Step) {
        if step.depth > MOST_DEPTH {
            self.cut = true;
        } else if let Err(error) = self.step(step) {
            let place = Place { folder: step.folder.clone(), ..self.place };
            self.looked_into.push(LookedInto { place, seen: Seen::Unreadable(words(&error)) });
        }
    }

    /// Looks into the newest snapshot with a model.
    fn look_into_repository(&mut self, repository: &Repository, depth: usize) {
        let before = self.found.len();
        for folder in repository.snapshots() {
            self.descend(&Step { folder, name: repository.name.clone(), depth: depth + 1 });
            if self.found.len() > before {
                break;
            }
        }
    }

    /// Takes in a model of a list of manifests.
    fn take_listed(&mut self, Listed { name, manifest, model }: Listed) {
        let (path, known) = match model {
            Ok(path) => (path, Known::Nothing),
            Err(problem) => (manifest, Known::Problem(problem)),
        };
        let mut stamp = Stamp::default();
        if let Ok(metadata) = fs::metadata(&path) {
            stamp.add(&metadata);
        }
        let bytes = if known == Known::Nothing { stamp.bytes } else { 0 };
        self.found.push(Found { name, origin: self.place.origin, path, bytes, stamp, known });
    }

    /// Takes in the GGUF files of a folder, those of one model as one.
    fn take_gguf(&mut self, step: &Step, entries: &Entries) {
        let mut models: BTreeMap<(&str, u32), Vec<(&str, u32)>> = BTreeMap::new();
        for file in entries.files.keys().filter(|file| naming::is_gguf(file)) {
            let (stem, number, count) = naming::part(file).unwrap_or((file, 1, 1));
            models.entry((stem, count)).or_default().push((file, number));
        }
        for ((_, count), parts) in models {
            let (mut stamp, mut problem) = (Stamp::default(), None);
            for (file, _) in &parts {
                match &entries.files[*file].1 {
                    Some(metadata) => stamp.add(metadata),
                    None => problem = Some(led_nowhere(file)),
                }
            }
            if parts.len() < count as usize {
                problem = Some(format!(
                    "only {} of its {count} parts are here; download the others into the same folder",
                    parts.len()
                ));
            }
            // The parts come by name, and so by number.
            let Some((first, _)) = parts.first() else { continue };
            let name = naming::of_gguf(self.place.origin, first, &step.last_name());
            let known = problem.map_or(Known::Nothing, Known::Problem);
            let path = entries.files[*first].0.clone();
            self.found.push(Found {
                name,
                origin: self.place.origin,
                path,
                bytes: stamp.bytes,
                stamp,
                known,
            });
        }
    }

    /// Takes in the folder itself, where it is a model's. What is in it may be looked into or not.
    fn take_folder(&mut self, step: &Step, entries: &Entries) -> Below {
        let mut stamp = Stamp::default();
        let (mut bytes, mut problem, mut weights) = (0, None, Weights::None);
        for (file, (_, metadata)) in &entries.files {
            let kind = Weights::of(file);
            weights = weights.max(kind);
            match metadata {
                Some(metadata) => {
                    stamp.add(metadata);
                    bytes += if kind == Weights::None { 0 } else { metadata.len() };
                }
                None if kind != Weights::None || file == "config.json" => problem = Some(led_nowhere(file)),
                None => {}
            }
        }
        let other = if entries.has(ADAPTER_CONFIG) {
            Some(Other::Adapter)
        } else if entries.has(MODEL_INDEX) {
            Some(Other::ImageMaker)
        } else {
            entries.has(SENTENCE_MODULES).then_some(Other::Embedding)
        };
        // Folders for images have parts that lie in folders of their own.
        let is_whole = other.is_some_and(|other| other != Other::Adapter);
        let is_model = match weights {
            Weights::Usual => true,
            Weights::Safetensors | Weights::Pickle => entries.has("config.json"),
            Weights::None => false,
        };
        if is_model || other == Some(Other::ImageMaker) || other.is_some() && weights != Weights::None {
            let known = match (other, problem) {
                (Some(other), _) => Known::Other(other),
                (None, Some(problem)) => Known::Problem(problem),
                (None, None) => Known::Nothing,
            };
            let (name, path) = (step.name.clone(), step.folder.clone());
            self.found.push(Found { name, origin: self.place.origin, path, bytes, stamp, known });
        }
        if is_whole { Below::Nothing } else { Below::Perhaps }
    }
}

/// Whether more can lie below a folder.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    Perhaps,
    /// What lies there is a part of the folder's model.
    Nothing,
}

/// Files that may hold a folder's weights, by their names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weights {
    None,
    /// Python's own format, which cannot be read.
    Pickle,
    /// Of any name.
    Safetensors,
    /// By the name that a model's have.
    Usual,
}

impl Weights {
    fn of(file: &str) -> Self {
        match file {
            "model.safetensors" | "model.safetensors.index.json" => Self::Usual,
            _ if file.ends_with(".safetensors") => Self::Safetensors,
            _ if file.starts_with("pytorch_model") && file.ends_with(".bin") => Self::Pickle,
            _ => Self::None,
        }
    }
}

impl Step {
    /// The place itself.
    fn first(folder: &Path) -> Self {
        let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
        Self { folder: folder.to_owned(), name, depth: 0 }
    }

    /// The name of a folder in this one: with its owner's where programs keep models by owner.
    fn below(&self, origin: Origin, name: &str) -> String {
        match origin {
            Origin::LmStudio | Origin::Jan if self.depth > 0 => format!("{}/{name}", self.name),
            Origin::HuggingFace if self.name.contains('/') => format!("{}/{name}", self.name),
            _ => name.to_owned(),
        }
    }

    /// The name without its owner.
    fn last_name(&self) -> String {
        self.name.rsplit('/').next().unwrap_or_default().to_owned()
    }
}

fn led_nowhere(file: &str) -> String {
    format!(
        "{file} is a link that leads nowhere: its download was not finished, or the file was deleted; download it again"
    )
}
