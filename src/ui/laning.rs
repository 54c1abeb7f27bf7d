//! What the window does for lanes: sets them up, runs them, and shows one of them in all panes.

use super::app::App;
use super::dialog::Wanted;
use super::lanes::{Lane, LaneAction, MOST_LANES, Ran, SecondAction};
use super::running::as_run;
use super::state::{Awaited, Origin, State};
use crate::session::{Command, LanesRequest, LoadRequest, ModelSource, Pace, SecondCommand, SecondView};

impl App {
    pub(super) fn perform_on_lanes(&mut self, action: LaneAction) {
        match action {
            LaneAction::Begin => {
                self.add_lane();
                self.add_lane();
            }
            LaneAction::Add => self.add_lane(),
            LaneAction::Remove(lane) => self.remove_lane(lane),
            LaneAction::Edit(lane) => self.edit_lane(lane),
            LaneAction::Run => self.run_lanes(),
            LaneAction::Show { lane, place } => self.show_lane(lane, place),
        }
    }

    /// Adds a lane of the present settings, which are its own from now on.
    fn add_lane(&mut self) {
        let remembered = &mut self.state.remembered;
        if remembered.lanes.len() < MOST_LANES {
            remembered.lanes.push(Lane::of(remembered.decoding.clone()));
            self.state.edited_lane = Some(remembered.lanes.len() - 1);
        }
    }

    fn remove_lane(&mut self, lane: usize) {
        if lane < self.state.remembered.lanes.len() && !self.view.has_live_run() {
            self.state.remembered.lanes.remove(lane);
            self.state.edited_lane = None;
            // Another model would have nothing to read, and no place where it shows.
            if self.state.remembered.lanes.is_empty() && self.view.second != SecondView::default() {
                self.worker.send(Command::Second(SecondCommand::Drop));
            }
        }
    }

    /// Lets the settings be those of a lane; a second time leaves that.
    fn edit_lane(&mut self, lane: usize) {
        let State { remembered, edited_lane, .. } = &mut self.state;
        let Some(settings) = remembered.lanes.get(lane).map(|lane| lane.settings.clone()) else { return };
        if *edited_lane == Some(lane) {
            *edited_lane = None;
        } else {
            remembered.decoding = settings;
            *edited_lane = Some(lane);
        }
    }

    /// Takes what a person changed in the settings over to the lane that they are of; whether that was anything.
    pub(super) fn keep_edited_lane(&mut self) -> bool {
        let State { remembered, edited_lane, .. } = &mut self.state;
        let lane = edited_lane.and_then(|lane| remembered.lanes.get_mut(lane));
        let Some(lane) = lane.filter(|lane| lane.settings != remembered.decoding) else { return false };
        lane.settings.clone_from(&remembered.decoding);
        true
    }

    fn run_lanes(&mut self) {
        let lanes = &self.state.remembered.lanes;
        if lanes.is_empty() || self.view.has_live_run() || matches!(self.state.awaited, Awaited::Start(_)) {
            return;
        }
        let lanes: Vec<_> = lanes.iter().map(|lane| as_run(&lane.settings)).collect();
        let Some(prompt) = self.ask_prompt() else { return };
        self.state.wanted_tokens = lanes[0].stop.max_tokens;
        self.state.awaited = Awaited::Start(Pace::Continuous);
        self.begun_with = Some((prompt.clone(), as_run(&self.state.remembered.decoding)));
        self.worker.send(Command::StartLanes(LanesRequest { prompt, lanes, pace: Pace::Continuous }));
    }

    pub(super) fn perform_on_second(&mut self, action: SecondAction, ctx: &egui::Context) {
        match action {
            SecondAction::Choose => {
                let cards = &mut self.state.cards;
                cards.second = !cards.second;
                cards.focus_path = cards.second;
            }
            SecondAction::PickFolder => self.ask(Wanted::SecondFolder, ctx),
            SecondAction::PickFile => self.ask(Wanted::SecondFile, ctx),
            SecondAction::Load(source) => self.load_second(source),
            SecondAction::LoadSame(weights) => {
                let request = self.request(self.asked_for.clone(), self.asked_context);
                self.send_second(LoadRequest { weights, ..request });
            }
            SecondAction::Drop => self.worker.send(Command::Second(SecondCommand::Drop)),
            SecondAction::Read(true) => self.worker.send(Command::Second(SecondCommand::Read)),
            SecondAction::Read(false) => self.worker.send(Command::Second(SecondCommand::EndReading)),
        }
    }

    /// Has another model loaded, as its files have it.
    pub(super) fn load_second(&mut self, source: ModelSource) {
        let cache = self.state.remembered.cache;
        self.send_second(LoadRequest { cache, ..LoadRequest::of(source) });
    }

    /// What it reads is the first lane's text: there has to be one.
    fn send_second(&mut self, request: LoadRequest) {
        self.state.cards.second = false;
        if self.state.remembered.lanes.is_empty() {
            self.add_lane();
        }
        self.worker.send(Command::Second(SecondCommand::Load(request)));
    }

    /// The runs of the lanes have begun.
    pub(super) fn take_lanes(&mut self) {
        self.state.lanes_held = true;
        let runs = self.view.lanes.len();
        for (run, lane) in self.state.remembered.lanes.iter_mut().enumerate() {
            lane.ran = (run < runs).then(|| Ran { run, settings: lane.settings.clone() });
        }
    }

    /// The runs of the lanes are gone, as another run begins.
    pub(super) fn leave_lanes(&mut self) {
        self.state.remembered.lanes.iter_mut().for_each(|lane| lane.ran = None);
    }

    /// Lets all panes show a lane's run.
    fn show_lane(&mut self, lane: usize, place: Option<usize>) {
        let Some(ran) = self.state.remembered.lanes.get(lane).and_then(|lane| lane.ran.as_ref()) else {
            return;
        };
        let run = ran.run;
        self.state.awaited_place = place;
        if self.view.lanes.shown() == Some(run) {
            return self.take_awaited_place();
        }
        if self.state.lanes_held {
            self.worker.send(Command::ShowLane(run));
        } else {
            // Nobody but the window holds it.
            self.view.show_lane(run);
            self.turn_to_lane(Origin::Past);
            self.take_awaited_place();
        }
    }

    /// The run on show is another lane's.
    pub(super) fn turn_to_lane(&mut self, origin: Origin) {
        let state = &mut self.state;
        // The answer in a conversation is that of the lane on show.
        let answers = state.answering_run == Some(state.run_number);
        state.run_number += 1;
        state.answering_run = answers.then_some(state.run_number).or(state.answering_run);
        state.origin = origin;
        state.lines_left.clear();
        state.row_asked = None;
        let shown = self.view.lanes.shown();
        let lanes = state.remembered.lanes.iter().filter_map(|lane| lane.ran.as_ref());
        if let Some(ran) = lanes.into_iter().find(|ran| Some(ran.run) == shown) {
            state.wanted_tokens = ran.settings.stop.max_tokens;
        }
    }
}
