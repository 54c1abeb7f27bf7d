//! What the window does to get models: it asks the hub what there is, and downloads one after the other. Never before
//! the person allowed it to go online.

use std::path::PathBuf;
use std::time::Instant;

use egui::Context;

use super::action::Action;
use super::app::App;
use super::downloads::{Download, Phase, Wanted};
use super::fetching::{Fetching, Finding, News};
use super::get_card::{Found, FoundRepository, GetAction};
use crate::hub::{Doing, HubError, Repository, RepositoryName, Settings};
use crate::session::{Notice, Severity};

impl App {
    /// The window, with a hub of its own in place of that which the environment names.
    pub fn getting_from(mut self, settings: Settings) -> Self {
        self.hub = Some(settings);
        self
    }

    fn hub(&self) -> Result<Settings, HubError> {
        self.hub.clone().map_or_else(|| Settings::of(&self.environment), Ok)
    }

    pub(super) fn perform_on_hub(&mut self, action: GetAction, ctx: &Context) {
        let card = &mut self.state.cards.get;
        match action {
            GetAction::Show if card.shows => card.shows = false,
            GetAction::Show => self.show_get(),
            GetAction::Back => {
                card.shows = false;
                self.perform(ctx, Action::ShowOpen);
            }
            GetAction::Allow => {
                card.focus = true;
                self.state.remembered.goes_online = true;
            }
            GetAction::Forbid => {
                self.state.remembered.goes_online = false;
                (self.finding, self.fetching) = (None, None);
                card.found = Found::Nothing;
                for download in &mut self.state.downloads.list {
                    if matches!(download.phase, Phase::Queued | Phase::Coming(_)) {
                        download.phase = Phase::Paused;
                    }
                }
            }
            GetAction::Find(name) => self.find_repository(&name, ctx),
            GetAction::Begin(wanted, bytes) => self.begin_download(wanted, bytes),
            GetAction::Pause(wanted) => self.hold(&wanted),
            GetAction::Resume(wanted) => {
                if let Some(download) = self.state.downloads.of_mut(&wanted) {
                    download.phase = Phase::Queued;
                }
            }
            GetAction::Remove(wanted) => self.remove(&wanted),
        }
    }

    fn show_get(&mut self) {
        let settings = self.hub().ok();
        let host = settings.as_ref().map(|settings| settings.host().to_owned()).unwrap_or_default();
        // An earlier session may have ended before it noted how far it was.
        for download in &mut self.state.downloads.list {
            if let (Phase::Paused, Some(order), Some(settings)) =
                (&download.phase, &download.order, &settings)
            {
                download.done = settings.received(order);
            }
        }
        self.state.cards.open = false;
        let card = &mut self.state.cards.get;
        (card.shows, card.focus, card.host) = (true, true, host);
    }

    fn find_repository(&mut self, name: &str, ctx: &Context) {
        if !self.state.remembered.goes_online {
            return;
        }
        let adapter = self.state.remembered.adapter.clone();
        let started = RepositoryName::parse(name).and_then(|name| {
            let finding = Finding::start(self.hub()?, name.clone(), adapter, ctx)?;
            Ok((finding, name))
        });
        let card = &mut self.state.cards.get;
        match started {
            Ok((finding, name)) => {
                card.found = Found::Asking(name.to_string());
                self.finding = Some(finding);
            }
            Err(error) => card.found = Found::Failed(error.to_string()),
        }
    }

    fn begin_download(&mut self, wanted: Wanted, bytes: u64) {
        let downloads = &mut self.state.downloads;
        match downloads.of_mut(&wanted) {
            Some(download) => download.phase = Phase::Queued,
            None => downloads.list.push(Download::new(wanted, bytes)),
        }
    }

    fn hold(&mut self, wanted: &Wanted) {
        if self.fetching.as_ref().is_some_and(|fetching| fetching.wanted == *wanted) {
            self.fetching = None;
        }
        if let Some(download) = self.state.downloads.of_mut(wanted) {
            download.phase = Phase::Paused;
            download.pace.begin_anew();
        }
    }

    fn remove(&mut self, wanted: &Wanted) {
        let downloads = &mut self.state.downloads;
        let Some(place) = downloads.list.iter().position(|download| download.wanted == *wanted) else {
            return;
        };
        let download = downloads.list.remove(place);
        if let Some(fetching) = self.fetching.take_if(|fetching| fetching.wanted == *wanted) {
            fetching.discard();
        } else if let (Some(order), false) = (&download.order, matches!(download.phase, Phase::Here(_)))
            && let Ok(settings) = self.hub()
        {
            settings.discard(order);
        }
    }

    /// Takes in what the hub said, and begins the next download.
    pub(super) fn look_after_downloads(&mut self, ctx: &Context) {
        self.take_found();
        self.take_news();
        if self.fetching.is_none()
            && self.state.remembered.goes_online
            && let Some(wanted) = self.state.downloads.next().map(|download| download.wanted.clone())
        {
            let started = self.hub().and_then(|settings| Fetching::start(settings, wanted.clone(), ctx));
            let phase = match started {
                Ok(fetching) => {
                    self.fetching = Some(fetching);
                    Phase::Coming(Doing::Asking)
                }
                Err(error) => Phase::Failed(error.to_string()),
            };
            if let Some(download) = self.state.downloads.of_mut(&wanted) {
                download.phase = phase;
            }
        }
    }

    fn take_found(&mut self) {
        let Some(finding) = &self.finding else { return };
        let Some(answer) = finding.answer() else { return };
        let memory = finding.memory();
        self.finding = None;
        self.state.cards.get.found = match answer {
            Ok(repository) => {
                let here = self.here(&repository);
                let page = self.hub().map(|settings| settings.page(&repository.name)).unwrap_or_default();
                Found::There(Box::new(FoundRepository { repository: *repository, page, memory, here }))
            }
            Err(problem) => Found::Failed(problem),
        };
    }

    fn here(&self, repository: &Repository) -> Vec<Option<PathBuf>> {
        let Ok(settings) = self.hub() else { return Vec::new() };
        repository.offers.iter().map(|offer| settings.here(&repository.order(offer))).collect()
    }

    fn take_news(&mut self) {
        let Some(fetching) = &self.fetching else { return };
        let Some(download) = self.state.downloads.of_mut(&fetching.wanted) else { return };
        let mut end = None;
        for news in fetching.news() {
            match news {
                News::Order(order) => {
                    download.total = order.bytes();
                    download.order = Some(*order);
                }
                News::Progress(progress) => {
                    download.done = progress.done;
                    if progress.doing == Doing::Receiving {
                        download.pace.see(Instant::now(), progress.done);
                    }
                    download.phase = Phase::Coming(progress.doing);
                }
                News::End(result) => end = Some(result),
            }
        }
        let Some(end) = end else { return };
        download.pace.begin_anew();
        let name = download.name();
        let notice = match end {
            Ok(path) => {
                download.done = download.total;
                download.phase = Phase::Here(path);
                let detail = "It is among the models on this computer: “Open model…”.".to_owned();
                Notice { severity: Severity::Information, title: format!("{name} is here"), detail }
            }
            Err(problem) => {
                download.phase = Phase::Failed(problem.clone());
                Notice { severity: Severity::Error, title: format!("{name} did not come"), detail: problem }
            }
        };
        self.fetching = None;
        self.look_again_at_found();
        self.look_again();
        // The card tells it itself.
        if !self.state.cards.get.shows {
            self.view.tell(notice);
        }
    }

    fn look_again_at_found(&mut self) {
        let Found::There(found) = &self.state.cards.get.found else { return };
        let here = self.here(&found.repository);
        if let Found::There(found) = &mut self.state.cards.get.found {
            found.here = here;
        }
    }
}
