//! What the window does so that nothing decoded is lost: it keeps what others take the place of, and brings it back.

use super::app::App;
use super::earlier::{Earlier, EarlierRun, EarlierTalk, Replaced};
use crate::session::Command;

impl App {
    /// The run on show, with all that belongs to it; `None` where nothing was decoded.
    fn shown(&self) -> Option<EarlierRun> {
        let run = self.view.run.clone()?;
        let begun = !run.nodes.is_empty() || (0..self.view.lanes.len()).any(|lane| self.has_steps(lane));
        begun.then(|| EarlierRun {
            run,
            lanes: self.view.lanes.clone(),
            ran: self.state.remembered.lanes.iter().map(|lane| lane.ran.clone()).collect(),
            lanes_held: self.state.lanes_held,
            origin: self.state.origin,
            wanted_tokens: self.state.wanted_tokens,
        })
    }

    fn has_steps(&self, lane: usize) -> bool {
        self.view.lane(lane).is_some_and(|run| !run.nodes.is_empty())
    }

    /// Keeps the run on show, as the worker begins another one. What a lesson runs takes the place of nothing for good.
    pub(super) fn keep_before_run(&mut self, now: f64) {
        let Some(mut shown) = self.shown() else { return };
        shown.leave();
        if let Some(following) = &mut self.state.lesson {
            if !following.has_set_aside() {
                following.set_aside(shown);
            }
            return;
        }
        self.state.earlier.run = Some(shown);
        self.state.earlier.newest = Some(Replaced::Run);
        // In a conversation every message begins a run, and what the one before said stands there.
        self.state.earlier.offered = (!self.state.asked_in_chat).then_some((Replaced::Run, now));
    }

    /// Keeps the run on show, as a saved one takes its place.
    pub(super) fn keep_before_trace(&mut self, now: f64) {
        if let Some(shown) = self.shown() {
            let earlier = &mut self.state.earlier;
            earlier.run = Some(shown);
            (earlier.newest, earlier.offered) = (Some(Replaced::Run), Some((Replaced::Run, now)));
        }
    }

    /// Keeps the conversation, as it begins anew or goes back.
    pub(super) fn keep_talk(&mut self, now: f64) {
        if self.state.remembered.talk.all().next().is_none() {
            return;
        }
        self.state.earlier.talk = Some(self.talk_now());
        self.state.earlier.newest = Some(Replaced::Talk);
        self.state.earlier.offered = Some((Replaced::Talk, now));
    }

    fn talk_now(&self) -> EarlierTalk {
        let remembered = &self.state.remembered;
        EarlierTalk {
            talk: remembered.talk.clone(),
            prompt: remembered.prompt.clone(),
            answering_run: self.state.answering_run,
        }
    }

    /// Brings something back; what is there now takes its place, to be brought back in turn.
    pub(super) fn bring_back(&mut self, what: Replaced) {
        self.state.earlier.offered = None;
        match what {
            Replaced::Run => {
                if let Some(run) = self.state.earlier.run.take() {
                    self.show_again(run);
                }
            }
            Replaced::Talk => {
                let Some(earlier) = self.state.earlier.talk.take() else { return };
                self.state.earlier.talk = Some(self.talk_now());
                let EarlierTalk { talk, prompt, answering_run } = earlier;
                (self.state.remembered.talk, self.state.remembered.prompt) = (talk, prompt);
                self.state.answering_run = answering_run;
            }
        }
    }

    /// Shows a run again, after the one that goes on has ended: its steps must not end in another one.
    pub(super) fn show_again(&mut self, run: EarlierRun) {
        self.state.earlier.awaited = Some(run);
        if self.view.has_live_run() {
            self.worker.send(Command::Stop);
        } else {
            self.show_awaited();
        }
    }

    /// Shows the run that waits for the worker's to end, if it has.
    pub(super) fn show_awaited(&mut self) {
        if self.view.has_live_run() {
            return;
        }
        let Some(earlier) = self.state.earlier.awaited.take() else { return };
        self.state.earlier.run = self.shown();
        self.state.earlier.newest = Some(Replaced::Run);
        let EarlierRun { run, lanes, ran, lanes_held, origin, wanted_tokens } = earlier;
        let count = run.line.len();
        self.view.show_again(run, lanes);
        let state = &mut self.state;
        state.remembered.lanes.iter_mut().for_each(|lane| lane.ran = None);
        state.remembered.lanes.iter_mut().zip(ran).for_each(|(lane, ran)| lane.ran = ran);
        (state.lanes_held, state.origin, state.wanted_tokens) = (lanes_held, origin, wanted_tokens);
        state.run_number += 1;
        state.lines_left.clear();
        (state.row_asked, state.candidate, state.awaited_place) = (None, None, None);
        state.cursor.follow_newest(count);
    }

    /// The worker gave up what it held: the runs kept are past ones.
    pub(super) fn leave_earlier(&mut self) {
        let Earlier { run, awaited, .. } = &mut self.state.earlier;
        run.iter_mut().chain(awaited).for_each(EarlierRun::leave);
    }
}
