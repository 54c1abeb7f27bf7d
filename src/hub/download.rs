//! All files of a model, one after the other.

use std::fs;
use std::path::PathBuf;

use super::blob::{Doing, Wanted};
use super::error::HubError;
use super::http::Client;
use super::layout::Layout;
use super::names::{is_commit, is_path, is_revision, is_tag};
use super::order::Order;
use super::settings::Settings;

/// Bytes that stay free.
const SPARE: u64 = 64 << 20;
/// The largest file that the hub gives without a protocol of its own.
const LARGEST: u64 = 50_000_000_000;

/// How far a download is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The file that it is at.
    pub file: String,
    /// Bytes that are here, of all files.
    pub done: u64,
    /// Of how many.
    pub total: u64,
    /// What it does.
    pub doing: Doing,
}

impl Client {
    /// Downloads what is not here yet; where the model is then. `heard` hears how far it is, often.
    pub fn download(&self, order: &Order, heard: &mut dyn FnMut(Progress)) -> Result<PathBuf, HubError> {
        let are_paths = order.files.iter().all(|file| is_path(&file.path));
        if !are_paths || !is_commit(&order.commit) || !is_revision(&order.revision) {
            return Err(self.strange("it names files that cannot be"));
        }
        if let Some(file) = order.files.iter().find(|file| file.bytes > LARGEST) {
            return Err(HubError::TooLarge { file: file.path.clone(), size: file.bytes });
        }
        let layout = Layout::new(&self.settings, &order.repository);
        layout.prepare(&order.revision, &order.commit)?;
        self.check_space(order)?;
        let (mut before, total) = (0, order.bytes());
        for file in &order.files {
            let mut heard_of_file = |done, doing| {
                heard(Progress { file: file.path.clone(), done: before + done, total, doing });
            };
            Wanted { client: self, layout: &layout, order, file }.get(&mut heard_of_file)?;
            before += file.bytes;
        }
        Ok(layout.opened(order))
    }

    /// Whether there is room for what is missing. Where the system does not tell, the download itself finds out.
    fn check_space(&self, order: &Order) -> Result<(), HubError> {
        let needed = order.bytes() - self.settings.received(order) + SPARE;
        let folder = self.settings.cache.clone();
        match (self.settings.free_space)(&folder) {
            Ok(free) if free < needed => Err(HubError::DiskFull { folder, needed, free }),
            Ok(_) => Ok(()),
            Err(error) => {
                log::debug!("{}: {error}", folder.display());
                Ok(())
            }
        }
    }
}

impl Settings {
    /// Where the model of an order is, if all of its files are here.
    pub fn here(&self, order: &Order) -> Option<PathBuf> {
        let layout = Layout::new(self, &order.repository);
        let is_here = order.files.iter().all(|file| layout.pointer(&order.commit, &file.path).exists());
        is_here.then(|| layout.opened(order))
    }

    /// Bytes of an order that are here already.
    pub fn received(&self, order: &Order) -> u64 {
        let layout = Layout::new(self, &order.repository);
        let of_file = |file: &super::order::RemoteFile| {
            if layout.pointer(&order.commit, &file.path).exists() {
                return file.bytes;
            }
            let tag = file.tag.as_ref().filter(|tag| is_tag(tag));
            let length = |path: PathBuf| fs::metadata(path).ok().map(|metadata| metadata.len());
            let came =
                tag.and_then(|tag| length(layout.blob(tag)).or_else(|| length(layout.incomplete(tag))));
            came.unwrap_or_default().min(file.bytes)
        };
        order.files.iter().map(of_file).sum()
    }

    /// Deletes what came of an order's files that are not whole.
    pub fn discard(&self, order: &Order) {
        let layout = Layout::new(self, &order.repository);
        for tag in order.files.iter().filter_map(|file| file.tag.as_ref()).filter(|tag| is_tag(tag)) {
            // Most are not there.
            let _ = fs::remove_file(layout.incomplete(tag));
        }
    }
}
