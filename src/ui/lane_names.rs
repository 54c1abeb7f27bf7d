//! Names for lanes: what their settings are, and what differs from the first one's.

use serde_json::Value;

use crate::decoding::{DecodingSettings, Picking, StrategyKind};

/// Settings in words, by name, in the order in which they are told.
type Words = Vec<(String, String)>;

/// What the first lane is called: its strategy, and what is not as it is by default.
pub(super) fn of_first(settings: &DecodingSettings) -> String {
    let neutral = DecodingSettings { strategy: settings.strategy, ..DecodingSettings::default() };
    let mut told = differing(&words(&neutral), &words(settings));
    // Every lane has its end, and it has its own place on screen.
    told.retain(|(name, _)| !name.starts_with("stop"));
    joined(strategy(settings).to_owned(), &told)
}

/// What another lane is called: how it differs from the first one.
pub(super) fn of_other(first: &DecodingSettings, settings: &DecodingSettings) -> String {
    let told = differing(&words(first), &words(settings));
    if first.strategy != settings.strategy {
        return joined(strategy(settings).to_owned(), &told);
    }
    let dropped =
        words(first).into_iter().filter(|(name, _)| !words(settings).iter().any(|(n, _)| n == name));
    let mut told: Vec<String> = told.iter().map(said).collect();
    told.extend(dropped.map(|(name, _)| format!("no {name}")));
    if told.is_empty() { "as lane A".to_owned() } else { told.join(" · ") }
}

fn strategy(settings: &DecodingSettings) -> &'static str {
    match settings.strategy {
        StrategyKind::Greedy => "Greedy",
        StrategyKind::Sample => "Sample",
        StrategyKind::Beam => "Beam",
        StrategyKind::Contrastive => "Contrastive",
        StrategyKind::Speculative => "Speculative",
        StrategyKind::Lookahead => "Lookahead",
        StrategyKind::Server => "Server",
    }
}

fn joined(first: String, told: &Words) -> String {
    std::iter::once(first).chain(told.iter().map(said)).collect::<Vec<_>>().join(" · ")
}

fn said((name, value): &(String, String)) -> String {
    match &**value {
        "" => name.clone(),
        value => format!("{name} {value}"),
    }
}

/// Those of the second that the first has otherwise or not at all.
fn differing(first: &Words, second: &Words) -> Words {
    second.iter().filter(|word| !first.contains(word)).cloned().collect()
}

/// What settings say, without what has no effect on their strategy.
fn words(settings: &DecodingSettings) -> Words {
    let settings = settings.clone().as_used();
    let draws = settings.picks() == Picking::Sample;
    let mut words = Words::new();
    // Settings become JSON whatever their values are: their keys are texts or numbers.
    let whole = serde_json::to_value(&settings).unwrap_or_default();
    match settings.strategy {
        StrategyKind::Greedy | StrategyKind::Sample => {}
        strategy => collect(&mut words, "", &whole[strategy.name()]),
    }
    collect(&mut words, "", &whole["stages"]);
    if !draws {
        words.retain(|(name, _)| !ONLY_DRAWN.contains(&&**name));
    }
    if settings.strategy == StrategyKind::Beam || settings.strategy == StrategyKind::Speculative {
        collect(&mut words, "picking", &whole["picking"]);
    }
    if draws {
        collect(&mut words, "seed", &whole["seed"]);
    }
    collect(&mut words, "stop", &whole["stop"]);
    collect(&mut words, "KV cache", &whole["cache"]);
    words
}

/// Stages that act only where tokens are drawn.
const ONLY_DRAWN: [&str; 10] = [
    "temperature",
    "top-k",
    "top-p",
    "min-p",
    "top-a",
    "typical-p",
    "epsilon cutoff",
    "eta cutoff",
    "mirostat target",
    "mirostat rate",
];

/// The leaves of a value, by name.
fn collect(words: &mut Words, name: &str, value: &Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let key = spelled(key);
                let name = match name {
                    "" => key,
                    name => format!("{name} {key}"),
                };
                collect(words, &name, value);
            }
        }
        Value::Number(number) => {
            // Settings are single precision: the digits that a person typed.
            let text = match number.as_f64().filter(|_| !number.is_u64()) {
                Some(number) => (number as f32).to_string().replace('-', "−"),
                None => number.to_string(),
            };
            words.push((name.to_owned(), text));
        }
        Value::String(text) => words.push((name.to_owned(), text.replace('_', " "))),
        Value::Array(items) if items.is_empty() => {}
        Value::Array(_) => words.push((name.to_owned(), value.to_string())),
        Value::Bool(on) => words.push((name.to_owned(), on.to_string())),
        Value::Null => {}
    }
}

/// A setting's name as the window has it.
fn spelled(key: &str) -> String {
    match key {
        "top_k" | "top_p" | "min_p" | "top_a" | "typical_p" => key.replace('_', "-"),
        "no_repeat_ngram" => "no-repeat n-gram".to_owned(),
        "penalty_alpha" => "α".to_owned(),
        "max_tokens" => "after".to_owned(),
        key => key.replace('_', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoding::{CacheUse, StageSettings};

    fn sample() -> DecodingSettings {
        let stages = StageSettings { temperature: 0.8, top_k: 40, top_p: 0.95, ..StageSettings::default() };
        DecodingSettings { strategy: StrategyKind::Sample, stages, seed: 22, ..DecodingSettings::default() }
    }

    #[test]
    fn the_first_lane_is_called_by_what_it_is_and_the_others_by_what_differs() {
        let first = sample();
        assert_eq!(of_first(&first), "Sample · temperature 0.8 · top-k 40 · top-p 0.95 · seed 22");
        assert_eq!(of_other(&first, &first), "as lane A");
        let mut other = sample();
        other.stages.temperature = 1.2;
        assert_eq!(of_other(&first, &other), "temperature 1.2");
        other.seed = 7;
        assert_eq!(of_other(&first, &other), "temperature 1.2 · seed 7");
        // What has no effect is not told.
        let greedy = DecodingSettings { strategy: StrategyKind::Greedy, ..sample() };
        assert_eq!(of_first(&greedy), "Greedy");
        assert_eq!(of_other(&first, &greedy), "Greedy");
        let uncached = DecodingSettings { cache: CacheUse::Recompute, ..sample() };
        assert_eq!(of_other(&first, &uncached), "KV cache recompute");
        let mut beams = DecodingSettings { strategy: StrategyKind::Beam, ..sample() };
        beams.beam.beams = 2;
        let name = of_other(&first, &beams);
        assert!(name.starts_with("Beam · beams 2 · "), "{name}");
        let mut short = sample();
        short.stop.max_tokens = 9;
        assert_eq!(of_other(&first, &short), "stop after 9");
        let mut penalised = sample();
        penalised.stages.presence_penalty = -0.5;
        assert_eq!(of_other(&first, &penalised), "presence penalty −0.5");
        let mut biased = sample();
        biased.stages.logit_bias.insert(5, 2.0);
        assert_eq!(of_other(&first, &biased), "logit bias 5 2");
        assert_eq!(of_other(&biased, &first), "no logit bias 5");
    }
}
