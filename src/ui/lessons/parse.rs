//! Reading a lesson: titles behind `#`, text, and lines that begin with `@`.

use super::lesson::{Answer, Lesson, Question, RunKind, Select, SetUp, Step};
use super::settings;
use crate::decoding::DecodingSettings;
use crate::ui::measuring::PhasesView;
use crate::ui::pane::CompactPane;
use crate::ui::remembered::Colouring;

/// What is wrong with a lesson, and where.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: {reason}")]
pub struct LessonError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub reason: String,
}

/// The views of the pane of the two phases.
const VIEWS: [(&str, PhasesView); 3] =
    [("pass", PhasesView::Pass), ("both-ways", PhasesView::BothWays), ("limits", PhasesView::Limits)];

/// What colours the chips.
const COLOURS: [(&str, Colouring); 6] = [
    ("probability", Colouring::Probability),
    ("surprisal", Colouring::Surprisal),
    ("entropy", Colouring::Entropy),
    ("rank", Colouring::Rank),
    ("milliseconds", Colouring::Milliseconds),
    ("none", Colouring::None),
];

/// Reads a lesson.
pub fn parse(text: &str) -> Result<Lesson, LessonError> {
    let mut reader = Reader::default();
    for (index, line) in text.lines().enumerate() {
        reader.line = index + 1;
        reader.take(line.trim_end())?;
    }
    reader.finish()
}

/// A lesson that is being read.
#[derive(Default)]
struct Reader {
    /// The line being read, from 1.
    line: usize,
    title: Option<String>,
    about: Vec<String>,
    model: Option<String>,
    steps: Vec<Step>,
    /// Where the last step, and its question, began.
    step_line: usize,
    ask_line: usize,
    /// What was set so far.
    prompt: Option<String>,
    settings: DecodingSettings,
    /// Whether the next line of text begins a paragraph.
    begins: bool,
}

impl Reader {
    fn take(&mut self, line: &str) -> Result<(), LessonError> {
        if line.trim().is_empty() {
            self.begins = true;
            return Ok(());
        }
        if let (true, Some(title)) = (self.title.is_some(), line.strip_prefix("## ")) {
            self.check_step()?;
            self.begin_step(title.trim());
            return Ok(());
        }
        self.take_line(line).map_err(|reason| LessonError { line: self.line, reason })
    }

    /// A line that begins no step.
    fn take_line(&mut self, line: &str) -> Result<(), String> {
        if self.title.is_none() {
            let title = line.trim_start_matches('\u{feff}').strip_prefix("# ");
            let title = title.ok_or("a lesson begins with its title: # and a space before it")?;
            self.title = Some(title.trim().to_owned());
            return Ok(());
        }
        if line.starts_with('#') {
            return Err("a lesson has one title, behind #, and the titles of its steps behind ##".to_owned());
        }
        if let Some(directive) = line.strip_prefix('@') {
            let (name, rest) = directive.split_once(char::is_whitespace).unwrap_or((directive, ""));
            return self.directive(name, rest.trim());
        }
        let asks = self.steps.last().is_some_and(|step| step.question.is_some());
        match (asks, line.strip_prefix("- "), line.strip_prefix("+ ")) {
            (true, Some(answer), _) => self.answer(answer, false)?,
            (true, _, Some(answer)) => self.answer(answer, true)?,
            _ => self.text(line.trim()),
        }
        Ok(())
    }

    fn begin_step(&mut self, title: &str) {
        let set_up = SetUp {
            prompt: self.prompt.clone(),
            settings: self.settings.clone(),
            pane: None,
            view: None,
            select: None,
            colour: None,
        };
        self.steps.push(Step {
            title: title.to_owned(),
            paragraphs: Vec::new(),
            set_up,
            question: None,
            run: None,
        });
        (self.step_line, self.begins) = (self.line, true);
    }

    /// A line of text: it goes on with the paragraph, or begins one.
    fn text(&mut self, line: &str) {
        let begins = std::mem::replace(&mut self.begins, false);
        let paragraphs = match self.steps.last_mut() {
            Some(step) => &mut step.paragraphs,
            None => &mut self.about,
        };
        match paragraphs.last_mut().filter(|_| !begins) {
            Some(paragraph) => *paragraph = format!("{paragraph} {line}"),
            None => paragraphs.push(line.to_owned()),
        }
    }

    fn directive(&mut self, name: &str, rest: &str) -> Result<(), String> {
        if name == "model" {
            return self.model(rest);
        }
        let Some(step) = self.steps.last_mut() else {
            return Err(format!("@{name} stands before the first step: its title, behind ##, comes first"));
        };
        match name {
            "prompt" if rest.is_empty() => return Err("@prompt needs a text behind it".to_owned()),
            "prompt" => {
                self.prompt = Some(rest.replace("\\n", "\n"));
                step.set_up.prompt.clone_from(&self.prompt);
            }
            "strategy" => settings::set(&mut self.settings, "strategy", rest)?,
            "set" => {
                let (name, value) =
                    rest.split_once('=').ok_or("@set needs a name and a value: @set top_k = 5")?;
                settings::set(&mut self.settings, name.trim(), value.trim())?;
            }
            "pane" => step.set_up.pane = Some(one_of("pane", rest, &CompactPane::NAMED)?),
            "view" => step.set_up.view = Some(one_of("view", rest, &VIEWS)?),
            "colour" => step.set_up.colour = Some(one_of("colour", rest, &COLOURS)?),
            "select" => step.set_up.select = Some(selected(rest)?),
            "run" => {
                let kinds =
                    [("", RunKind::ToTheEnd), ("step", RunKind::OneStep), ("both-ways", RunKind::BothWays)];
                step.run = Some(one_of("run", rest, &kinds)?);
            }
            "ask" if rest.is_empty() => return Err("@ask needs a question behind it".to_owned()),
            "ask" if step.question.is_some() => return Err("a step has one question".to_owned()),
            "ask" => {
                step.question = Some(Question { text: rest.to_owned(), answers: Vec::new() });
                self.ask_line = self.line;
            }
            _ => {
                return Err(format!(
                    "there is no @{name}: write @prompt, @strategy, @set, @pane, @view, @select, @colour, @ask or @run"
                ));
            }
        }
        step.set_up.settings.clone_from(&self.settings);
        Ok(())
    }

    /// The model of which the lesson speaks.
    fn model(&mut self, name: &str) -> Result<(), String> {
        if !self.steps.is_empty() || self.model.is_some() {
            return Err(
                "@model stands once, before the first step: it is that of the whole lesson".to_owned()
            );
        }
        if name.is_empty() {
            return Err(
                "@model needs a name behind it: built-in, or the model's name as the window shows it"
                    .to_owned(),
            );
        }
        self.model = Some(name.to_owned());
        Ok(())
    }

    fn answer(&mut self, line: &str, right: bool) -> Result<(), String> {
        let (text, explanation) = line.split_once("::").ok_or(
            "an answer needs an explanation behind it: - the answer :: what to tell whoever chooses it",
        )?;
        if let Some(question) = self.steps.last_mut().and_then(|step| step.question.as_mut()) {
            question.answers.push(Answer {
                text: text.trim().to_owned(),
                right,
                explanation: explanation.trim().to_owned(),
            });
        }
        Ok(())
    }

    /// Whether the last step says something, and has a question that can be answered, if any.
    fn check_step(&self) -> Result<(), LessonError> {
        let Some(step) = self.steps.last() else { return Ok(()) };
        if step.paragraphs.is_empty() {
            let reason = "this step says nothing: write some text below its title".to_owned();
            return Err(LessonError { line: self.step_line, reason });
        }
        let Some(question) = &step.question else { return Ok(()) };
        let right = question.answers.iter().filter(|answer| answer.right).count();
        if right == 1 && question.answers.len() > 1 {
            return Ok(());
        }
        let reason =
            "a question needs two answers or more below it, one of them right: + before that one, - before \
                      the others"
                .to_owned();
        Err(LessonError { line: self.ask_line, reason })
    }

    fn finish(self) -> Result<Lesson, LessonError> {
        self.check_step()?;
        let Some(title) = self.title else {
            return Err(LessonError { line: 1, reason: "the file is empty".to_owned() });
        };
        if self.steps.is_empty() {
            let reason = "a lesson needs a step: a title behind ##, and text below it".to_owned();
            return Err(LessonError { line: self.line, reason });
        }
        Ok(Lesson { title, about: self.about.join(" "), model: self.model, steps: self.steps })
    }
}

/// What has this name.
fn one_of<T: Copy>(what: &str, name: &str, named: &[(&str, T)]) -> Result<T, String> {
    let found = named.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = named.iter().map(|(name, _)| *name).filter(|name| !name.is_empty()).collect();
        format!("there is no {what} “{name}”: write one of {}", names.join(", "))
    })
}

fn selected(words: &str) -> Result<Select, String> {
    let number = |word: &str| word.parse().ok().filter(|number| *number > 0);
    let found = match words.split_once(' ') {
        Some(("prompt", word)) => number(word.trim()).map(Select::Prompt),
        None if words == "last" => Some(Select::Last),
        _ => number(words).map(Select::Step),
    };
    found.ok_or_else(|| {
        "@select needs the number of a step, last, or prompt and the number of one of its tokens".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoding::StrategyKind;
    use crate::ui::pane::Pane;

    const LESSON: &str = "# A title\nWhat it is\nabout.\n@model fables\n\n## First\nSome text\nthat goes on.\n\nAnother paragraph.\n\
        @prompt Once\\nupon\n@strategy sample\n@set top-k = 5\n@pane kv-cache\n@select prompt 2\n\n## Second\nText.\n\
        @set temperature = 0.5\n@view limits\n@colour rank\n@ask Which?\n- One :: No.\n+ Two :: Yes: two.\n@run both-ways\n";

    #[test]
    fn a_lesson_is_read_and_its_settings_add_up() {
        let lesson = parse(LESSON).expect("it is right");
        assert_eq!((lesson.title.as_str(), lesson.about.as_str()), ("A title", "What it is about."));
        assert_eq!(lesson.model.as_deref(), Some("fables"));
        let [first, second] = &lesson.steps[..] else { panic!("two steps") };
        assert_eq!(first.paragraphs, ["Some text that goes on.", "Another paragraph."]);
        assert_eq!(first.set_up.prompt.as_deref(), Some("Once\nupon"));
        assert_eq!((first.set_up.pane, first.run), (Some(CompactPane::Pane(Pane::Cache)), None));
        assert_eq!(first.set_up.select, Some(Select::Prompt(2)));
        let settings = &second.set_up.settings;
        assert_eq!((settings.strategy, settings.stages.top_k), (StrategyKind::Sample, 5));
        assert_eq!(settings.stages.temperature, 0.5);
        assert_eq!(first.set_up.settings.stages.temperature, 1.0, "it comes later");
        assert_eq!(second.set_up.prompt, first.set_up.prompt);
        assert_eq!((second.set_up.view, second.run), (Some(PhasesView::Limits), Some(RunKind::BothWays)));
        let question = second.question.as_ref().expect("it asks");
        assert_eq!(question.answers[1].explanation, "Yes: two.");
        assert!(question.answers[1].right && !question.answers[0].right);
        assert_eq!(parse(&LESSON.replace('\n', "\r\n")), Ok(lesson), "as some editors end lines");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (wrong, line, part) in [
            ("", 1, "empty"),
            ("A title\n", 1, "begins with its title"),
            ("# T\nabout\n", 2, "needs a step"),
            ("# T\n@pane text\n", 2, "before the first step"),
            ("# T\n## S\ntext\n@paint red\n", 4, "no @paint"),
            ("# T\n## S\ntext\n@pane windows\n", 4, "no pane “windows”: write one of prompt, text"),
            ("# T\n## S\ntext\n@set top_k 5\n", 4, "a name and a value"),
            ("# T\n## S\ntext\n@set tpo_k = 5\n", 4, "no setting “tpo_k”"),
            ("# T\n## S\ntext\n\n@set temperature = warm\n", 5, "cannot be warm"),
            ("# T\n## S\ntext\n@select third\n", 4, "number of a step"),
            ("# T\n## S\ntext\n@run twice\n", 4, "no run “twice”"),
            ("# T\n## S\ntext\n@ask Why?\n- Because\n", 5, "needs an explanation"),
            ("# T\n## S\ntext\n@ask Why?\n- A :: a\n- B :: b\n", 4, "one of them right"),
            ("# T\n## S\ntext\n@ask Why?\n## Next\ntext\n", 4, "two answers or more"),
            ("# T\n## S\n@pane text\n", 2, "says nothing"),
            ("# T\n### S\n", 2, "titles of its steps behind ##"),
            ("# T\n@model\n", 2, "needs a name"),
            ("# T\n## S\n@model x\n", 3, "before the first step"),
        ] {
            let error = parse(wrong).expect_err(wrong);
            assert_eq!(error.line, line, "{wrong}: {error}");
            assert!(error.reason.contains(part), "{wrong}: {error}");
        }
    }
}
