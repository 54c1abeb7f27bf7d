//! How a model's own files would decode with it, as settings of this program.

use crate::decoding::{DecodingSettings, Picking, StageSettings, StrategyKind};
use crate::formats::GenerationDefaults;

/// What transformers' `generate` takes where nothing is said about top-k.
const TOP_K: usize = 50;

/// The settings with which transformers' `generate` would decode, for a model whose files say so; `None` where they say
/// nothing about it. Of `present` stay the fields that files have nothing to say about, such as the seed. Not taken over
/// are `begin_suppress_tokens` and lengths that count the prompt.
///
/// GGUF files have single stages and nothing about the strategy: where they name a temperature above 0, tokens are drawn.
pub fn own_settings(defaults: &GenerationDefaults, present: &DecodingSettings) -> Option<DecodingSettings> {
    if defaults.is_empty() {
        return None;
    }
    let mut settings = present.clone();
    let cold = defaults.temperature == Some(0.0);
    let from_gguf = defaults.do_sample.is_none() && defaults.temperature.is_some();
    let draws = (defaults.do_sample == Some(true) || from_gguf) && !cold;
    let beams = size(defaults.num_beams).filter(|beams| *beams > 1);
    let alpha = defaults.penalty_alpha.filter(|alpha| *alpha > 0.0).map(|alpha| alpha as f32);
    let top_k = size(defaults.top_k);
    settings.strategy = match (beams, draws, alpha) {
        (Some(beams), ..) => {
            settings.beam.beams = beams;
            settings.beam.returned = settings.beam.returned.min(beams);
            settings.picking = if draws { Picking::Sample } else { Picking::Argmax };
            if let Some(penalty) = defaults.length_penalty {
                settings.beam.length_penalty = penalty as f32;
            }
            StrategyKind::Beam
        }
        (None, true, _) => StrategyKind::Sample,
        (None, false, Some(alpha)) if top_k.unwrap_or(TOP_K) > 1 => {
            settings.contrastive.candidates = top_k.unwrap_or(TOP_K);
            settings.contrastive.penalty_alpha = alpha;
            StrategyKind::Contrastive
        }
        (None, false, _) => StrategyKind::Greedy,
    };
    settings.stages = stages(defaults, draws.then(|| top_k.unwrap_or(if from_gguf { 0 } else { TOP_K })));
    settings.stages.grammar = present.stages.grammar.clone();
    if let Some(most) = size(defaults.max_new_tokens) {
        settings.stop.max_tokens = most.max(1);
    }
    Some(settings)
}

/// The stages that the files name. Those that only act on draws are left neutral where `top_k` is `None`.
fn stages(defaults: &GenerationDefaults, top_k: Option<usize>) -> StageSettings {
    let neutral = StageSettings::default();
    let or = |value: Option<f64>, neutral: f32| value.map_or(neutral, |value| value as f32);
    let mut stages = StageSettings {
        repetition_penalty: or(defaults.repetition_penalty, neutral.repetition_penalty),
        no_repeat_ngram: size(defaults.no_repeat_ngram_size).unwrap_or(neutral.no_repeat_ngram),
        bad_words: defaults.bad_words_ids.clone(),
        suppress_tokens: defaults.suppress_tokens.iter().copied().collect(),
        min_new_tokens: size(defaults.min_new_tokens).unwrap_or(neutral.min_new_tokens),
        ..neutral
    };
    if let Some(top_k) = top_k {
        stages.top_k = top_k;
        stages.temperature = or(defaults.temperature, stages.temperature);
        stages.top_p = or(defaults.top_p, stages.top_p);
        stages.min_p = or(defaults.min_p, stages.min_p);
        stages.typical_p = or(defaults.typical_p, stages.typical_p);
        stages.epsilon_cutoff = or(defaults.epsilon_cutoff, stages.epsilon_cutoff);
        stages.eta_cutoff = or(defaults.eta_cutoff, stages.eta_cutoff);
    }
    stages
}

fn size(value: Option<u64>) -> Option<usize> {
    value.and_then(|value| usize::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(defaults: GenerationDefaults) -> DecodingSettings {
        let present = DecodingSettings { seed: 7, ..DecodingSettings::default() };
        own_settings(&defaults, &present).expect("the files say something")
    }

    /// The strategies are those of transformers' `GenerationConfig.get_generation_mode`.
    #[test]
    fn a_models_own_settings_are_those_of_transformers() {
        assert_eq!(own_settings(&GenerationDefaults::default(), &DecodingSettings::default()), None);

        // Qwen3's generation_config.json.
        let defaults = GenerationDefaults {
            do_sample: Some(true),
            temperature: Some(0.6),
            top_k: Some(20),
            top_p: Some(0.95),
            ..GenerationDefaults::default()
        };
        let settings = own(defaults.clone());
        assert_eq!((settings.strategy, settings.seed), (StrategyKind::Sample, 7));
        let stages = &settings.stages;
        assert_eq!((stages.temperature, stages.top_k, stages.top_p, stages.min_p), (0.6, 20, 0.95, 0.0));

        // Without a word about top-k it is 50; the stages of draws do nothing where none is made.
        let settings = own(GenerationDefaults { top_k: None, ..defaults.clone() });
        assert_eq!(settings.stages.top_k, 50);
        let settings = own(GenerationDefaults { do_sample: Some(false), ..defaults.clone() });
        assert_eq!((settings.strategy, settings.stages.top_k), (StrategyKind::Greedy, 0));
        assert_eq!(settings.stages.temperature, 1.0);
        let settings = own(GenerationDefaults { temperature: Some(0.0), ..defaults.clone() });
        assert_eq!(settings.strategy, StrategyKind::Greedy);

        let beams = GenerationDefaults { num_beams: Some(4), length_penalty: Some(0.5), ..defaults.clone() };
        let settings = own(beams.clone());
        assert_eq!((settings.strategy, settings.picking), (StrategyKind::Beam, Picking::Sample));
        assert_eq!((settings.beam.beams, settings.beam.length_penalty), (4, 0.5));
        let settings = own(GenerationDefaults { do_sample: None, temperature: None, ..beams });
        assert_eq!((settings.strategy, settings.picking), (StrategyKind::Beam, Picking::Argmax));

        let contrastive =
            GenerationDefaults { penalty_alpha: Some(0.6), top_k: Some(4), ..GenerationDefaults::default() };
        let settings = own(contrastive.clone());
        assert_eq!((settings.strategy, settings.contrastive.candidates), (StrategyKind::Contrastive, 4));
        assert_eq!(settings.contrastive.penalty_alpha, 0.6);
        let settings = own(GenerationDefaults { top_k: Some(1), ..contrastive });
        assert_eq!(settings.strategy, StrategyKind::Greedy);

        // Of a GGUF file: a temperature, and no word about do_sample.
        let gguf = GenerationDefaults {
            temperature: Some(0.7),
            repetition_penalty: Some(1.05),
            max_new_tokens: Some(300),
            ..GenerationDefaults::default()
        };
        let settings = own(gguf);
        assert_eq!((settings.strategy, settings.stages.top_k), (StrategyKind::Sample, 0));
        assert_eq!((settings.stages.repetition_penalty, settings.stop.max_tokens), (1.05, 300));
    }
}
