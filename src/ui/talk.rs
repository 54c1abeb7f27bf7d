//! A conversation under way: what was said, what is asked now, and what the model answers.

use serde::{Deserialize, Serialize};

use crate::session::{Conversation, Message};
use crate::trace::Run;

/// A conversation under way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Talk {
    /// What the system says before all others; empty is nothing.
    pub system: String,
    /// What was asked and answered before.
    pub turns: Vec<Turn>,
    /// What is being answered, or was last.
    pub newest: Option<Turn>,
    /// Switches that the template reads, by name; what is not here is left to the template.
    pub switches: serde_json::Map<String, serde_json::Value>,
}

/// A question and its answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Turn {
    /// What the user said.
    pub asked: String,
    /// What the assistant said, so far.
    pub answer: String,
}

impl Talk {
    /// All turns, the newest last.
    pub fn all(&self) -> impl Iterator<Item = &Turn> {
        self.turns.iter().chain(&self.newest)
    }

    /// What would be run: everything said so far and, last, `text`; the newest question once more where that is blank.
    /// `None` where there is nothing to answer.
    pub fn with(&self, text: &str) -> Option<Conversation> {
        let again = text.trim().is_empty();
        let before = self.turns.iter().chain(self.newest.as_ref().filter(|turn| !again && turn.is_whole()));
        let system = Some(&self.system).filter(|system| !system.trim().is_empty());
        let mut messages: Vec<Message> =
            system.map(|text| Message::new("system", text)).into_iter().collect();
        for turn in before {
            messages.push(Message::new("user", &turn.asked));
            messages.push(Message::new("assistant", &turn.answer));
        }
        let asked = if again { self.newest.as_ref()?.asked.as_str() } else { text };
        messages.push(Message::new("user", asked));
        Some(Conversation { messages, arguments: self.switches.clone() })
    }

    /// Asks a text next, or the newest question once more where that is blank.
    pub fn ask(&mut self, text: &str) {
        if text.trim().is_empty() {
            self.newest.iter_mut().for_each(|turn| turn.answer.clear());
            return;
        }
        self.turns.extend(self.newest.take().filter(Turn::is_whole));
        self.newest = Some(Turn { asked: text.to_owned(), answer: String::new() });
    }

    /// Takes the answer so far from its run.
    pub fn answered_by(&mut self, run: &Run) {
        if let Some(turn) = &mut self.newest {
            turn.answer = run.text();
        }
    }

    /// Takes the newest question back, unless it was answered.
    pub fn take_back(&mut self) -> Option<String> {
        Some(self.newest.take_if(|turn| !turn.is_whole())?.asked)
    }

    /// Goes back to before a turn, by its place in [`Self::all`]; gives what was asked there.
    pub fn back_to(&mut self, place: usize) -> Option<String> {
        self.turns.extend(self.newest.take());
        let turn = self.turns.get(place)?.asked.clone();
        self.turns.truncate(place);
        Some(turn)
    }

    /// Forgets what was said; the system's words and the switches stay.
    pub fn begin_anew(&mut self) {
        self.turns.clear();
        self.newest = None;
    }
}

impl Turn {
    /// Whether it was answered at all.
    fn is_whole(&self) -> bool {
        !self.answer.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(talk: &Talk, text: &str) -> Vec<String> {
        let conversation = talk.with(text).expect("there is something to ask");
        let text =
            |message: Message| format!("{}: {}", message.0["role"], message.0["content"]).replace('"', "");
        conversation.messages.into_iter().map(text).collect()
    }

    #[test]
    fn turns_follow_each_other_and_are_gone_back_on() {
        let mut talk = Talk { system: "Be kind.".to_owned(), ..Talk::default() };
        assert_eq!(talk.with(" "), None, "nothing is asked");
        assert_eq!(said(&talk, "One?"), ["system: Be kind.", "user: One?"]);
        talk.ask("One?");
        // A question without an answer is replaced, one with an answer stays.
        assert_eq!(said(&talk, "Two?"), ["system: Be kind.", "user: Two?"]);
        talk.newest.as_mut().unwrap().answer = "1.".to_owned();
        assert_eq!(said(&talk, "Two?"), ["system: Be kind.", "user: One?", "assistant: 1.", "user: Two?"]);
        assert_eq!(said(&talk, ""), ["system: Be kind.", "user: One?"], "once more");
        talk.ask("Two?");
        talk.newest.as_mut().unwrap().answer = "2.".to_owned();
        talk.ask("");
        assert_eq!((talk.turns.len(), talk.newest.as_ref().unwrap().answer.as_str()), (1, ""));
        assert_eq!(talk.all().count(), 2);
        assert_eq!(talk.back_to(1).as_deref(), Some("Two?"));
        assert_eq!(said(&talk, "2?"), ["system: Be kind.", "user: One?", "assistant: 1.", "user: 2?"]);
        assert_eq!(talk.back_to(0).as_deref(), Some("One?"));
        assert_eq!(talk.back_to(5), None);
        talk.ask("Refused");
        assert_eq!((talk.take_back().as_deref(), talk.take_back()), (Some("Refused"), None));
        assert_eq!(talk.turns, []);
    }
}
