//! The lessons inside the program.

use std::sync::{Arc, LazyLock};

use super::lesson::Lesson;
use super::parse::{LessonError, parse};

/// Their files, in their order.
const FILES: [(&str, &str); 8] = [
    ("1-five-steps.md", include_str!("../../../assets/lessons/1-five-steps.md")),
    ("2-tokens-and-bytes.md", include_str!("../../../assets/lessons/2-tokens-and-bytes.md")),
    ("3-initiation.md", include_str!("../../../assets/lessons/3-initiation.md")),
    ("4-kv-cache.md", include_str!("../../../assets/lessons/4-kv-cache.md")),
    ("5-temperature-top-k-top-p.md", include_str!("../../../assets/lessons/5-temperature-top-k-top-p.md")),
    ("6-loops-and-penalties.md", include_str!("../../../assets/lessons/6-loops-and-penalties.md")),
    ("7-beams-and-contrastive.md", include_str!("../../../assets/lessons/7-beams-and-contrastive.md")),
    (
        "8-speculative-and-lookahead.md",
        include_str!("../../../assets/lessons/8-speculative-and-lookahead.md"),
    ),
];

/// The lessons inside the program, in their order. A test holds that all of them can be read.
pub fn built_in() -> &'static [Arc<Lesson>] {
    static LESSONS: LazyLock<Vec<Arc<Lesson>>> =
        LazyLock::new(|| read().filter_map(|(_, lesson)| lesson.ok().map(Arc::new)).collect());
    &LESSONS
}

fn read() -> impl Iterator<Item = (&'static str, Result<Lesson, LessonError>)> {
    FILES.into_iter().map(|(name, text)| (name, parse(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lesson_can_be_read_and_each_of_them_asks_and_runs() {
        for (name, lesson) in read() {
            let lesson = lesson.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(lesson.steps.len() >= 3, "{name}");
            assert!(lesson.steps.iter().any(|step| step.question.is_some()), "{name} asks");
            assert!(lesson.steps.iter().any(|step| step.run.is_some()), "{name} runs");
            assert!(lesson.steps[0].set_up.prompt.is_some(), "{name} begins with a prompt");
        }
        assert_eq!(built_in().len(), FILES.len());
    }
}
