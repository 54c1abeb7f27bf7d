//! What the worker does for several runs side by side: they make their steps in turn, after a beginning that they share.

use super::break_when::BreakWhen;
use super::command::LanesRequest;
use super::decode::Decode;
use super::event::{Event, Severity};
use super::lane_runs::lane_letter;
use super::lanes::{Lanes, SharedPrompt};
use super::live_run::{LiveRun, Motion};
use super::run_error::RunError;
use super::worker::{WAITS, Worker, takes_the_model};
use super::worker_starting::{NotBegun, started};
use crate::decoding::{Control, DecodingError};
use crate::model::ModelError;
use crate::trace::StopReason;

impl Worker {
    /// Begins several runs on one prompt in place of those before; all of them or none.
    pub(super) fn start_lanes(&mut self, request: &LanesRequest) {
        self.end_scoring();
        self.end_comparison();
        self.finish_all(StopReason::Cancelled);
        self.end_runs();
        let mut decodes = Vec::with_capacity(request.lanes.len());
        for (lane, settings) in request.lanes.iter().enumerate() {
            match self.prepare(&request.prompt, settings) {
                Ok(decode) => decodes.push(decode),
                Err(error) => {
                    return self.tell_not_begun(&error, &format!("Lane {} cannot begin", lane_letter(lane)));
                }
            }
        }
        if let Err(error) = self.set_off(decodes, request) {
            self.tell_not_begun(&error, "The lanes cannot begin");
        }
    }

    /// Lets runs that are prepared begin side by side.
    fn set_off(&mut self, mut decodes: Vec<Decode>, request: &LanesRequest) -> Result<(), NotBegun> {
        let ready = self.ready.as_mut().ok_or(NotBegun::NoModel)?;
        if decodes.len() > 1 {
            decodes.iter_mut().for_each(Decode::take_turns);
        }
        let Some(first) = decodes.first() else { return Ok(()) };
        let shared = SharedPrompt::new(&mut *ready.model, &first.run.prompt_ids(), &request.lanes);
        self.outbox.send(Event::RunStarted(Box::new(started(first))));
        self.outbox.send(Event::LanesStarted(decodes[1..].iter().map(started).collect()));
        let mut runs = decodes.into_iter().map(|decode| LiveRun::new(decode, Motion::at(request.pace)));
        self.live = runs.next();
        self.lanes = Lanes::beside(runs.collect(), shared);
        self.tell_pins();
        self.let_second_read(true);
        Ok(())
    }

    /// Lets another lane's run be the newest one.
    pub(super) fn show_lane(&mut self, lane: usize) {
        self.end_scoring();
        self.end_comparison();
        if self.lanes.show(lane, &mut self.live) {
            self.outbox.send(Event::LaneShown { lane });
        } else {
            let detail = "Its model was closed or another run began: run the lanes again.";
            self.outbox.notify(Severity::Error, "There is no such lane", detail);
        }
    }

    /// Computes the beginning of the prompt that lanes share; once it is there, each of them begins in a fork of it.
    pub(super) fn share_prompt(&mut self) {
        let (Some(shared), Some(ready)) = (&mut self.lanes.shared, &mut self.ready) else { return };
        let outbox = &self.outbox;
        let mut progress = |done, total| outbox.send(Event::InitiationProgress { done, total: total + 1 });
        let mut control = Control { interrupt: &self.interrupt, progress: &mut progress };
        let passed = shared.advance(&mut *ready.model, &mut control);
        let lent = match passed {
            Ok(()) => self.lend_prompt().map_err(DecodingError::from),
            Err(error) => Err(error),
        };
        match lent {
            Ok(()) | Err(DecodingError::Interrupted) => {}
            Err(error) => {
                self.outbox.notify(Severity::Error, "The lanes could not begin", &error.to_string());
                match error {
                    DecodingError::Model(error) if takes_the_model(&error) => self.abandon(),
                    _ => self.finish_all(StopReason::Failed),
                }
            }
        }
    }

    fn lend_prompt(&mut self) -> Result<(), ModelError> {
        let (Some(shared), Some(ready)) = (self.lanes.shared.take(), &mut self.ready) else { return Ok(()) };
        let mut lent = Ok(());
        for &lane in &shared.takers {
            let run = match self.lanes.other(lane) {
                Some(run) => Some(run),
                None => self.live.as_mut(),
            };
            if let (Some(run), Ok(())) = (run, &lent) {
                lent = shared.lend(&mut run.decode, ready);
            }
        }
        let (positions, figures, lanes) = (shared.len(), shared.figures, shared.takers.clone());
        shared.release(&mut *ready.model);
        lent?;
        self.outbox.send(Event::PromptShared { lanes, positions, figures });
        Ok(())
    }

    /// Makes one step of a lane that is not the newest run's. Only that one pauses by itself.
    pub(super) fn advance_lane(&mut self, lane: usize) {
        let (Some(run), Some(ready)) = (self.lanes.other(lane), &mut self.ready) else { return };
        let mut control = Control { interrupt: &self.interrupt, progress: &mut |_, _| {} };
        match run.decode.advance_until(ready, &mut control, &BreakWhen::default()) {
            Ok(_) => {
                self.outbox.send(Event::LaneStepped { lane, update: Box::new(run.update()) });
                if let Some(stop) = run.decode.run.stop {
                    self.finish_lane(lane, stop);
                } else if run.motion == Motion::OneStep {
                    run.motion = Motion::Held;
                    self.settle();
                }
            }
            Err(RunError::Decoding(DecodingError::Interrupted)) => {}
            // All lanes ask the same server.
            Err(error) if error.may_pass() => {
                self.hold();
                self.outbox.notify(Severity::Error, WAITS, &error.to_string());
                self.outbox.send(Event::Paused);
            }
            Err(error) => {
                let title = format!("Lane {} could not go on", lane_letter(lane));
                self.outbox.notify(Severity::Error, &title, &error.to_string());
                if matches!(&error, RunError::Decoding(DecodingError::Model(error)) if takes_the_model(error))
                {
                    self.abandon();
                } else {
                    self.finish_lane(lane, StopReason::Failed);
                }
            }
        }
    }

    /// Ends a lane that is not the newest run's, if it goes on.
    fn finish_lane(&mut self, lane: usize, stop: StopReason) {
        let Some(run) = self.lanes.other(lane).filter(|run| run.motion != Motion::Ended) else { return };
        run.motion = Motion::Ended;
        let phases = run.decode.run.phases;
        self.outbox.send(Event::LaneFinished { lane, stop, phases });
        self.settle();
    }

    /// Ends all runs that go on, in good order.
    pub(super) fn finish_all(&mut self, stop: StopReason) {
        if let (Some(shared), Some(ready)) = (self.lanes.shared.take(), &mut self.ready) {
            shared.release(&mut *ready.model);
        }
        let others_ended = self.end_others(stop);
        let goes_on = self.live.as_ref().is_some_and(|live| live.motion != Motion::Ended);
        self.finish(stop);
        if others_ended && !goes_on {
            self.settle();
        }
    }

    /// Ends the lanes that go on beside the newest run; whether there were any.
    fn end_others(&mut self, stop: StopReason) -> bool {
        let mut any = false;
        for (lane, run) in self.lanes.others_mut().filter(|(_, run)| run.motion != Motion::Ended) {
            run.motion = Motion::Ended;
            let phases = run.decode.run.phases;
            self.outbox.send(Event::LaneFinished { lane, stop, phases });
            any = true;
        }
        any
    }

    /// The model is lost, and the lanes with it.
    pub(super) fn fail_lanes(&mut self) {
        self.end_others(StopReason::Failed);
        self.lanes = Lanes::default();
    }
}
