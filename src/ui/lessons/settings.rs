//! Settings by their names in trace files and on the command line.

use serde_json::Value;

use crate::decoding::DecodingSettings;

/// Sets what has this name: `temperature`, `top-k`, or with the group that it is in where several have that name, such as
/// `beam.beams`.
pub(super) fn set(settings: &mut DecodingSettings, name: &str, value: &str) -> Result<(), String> {
    let wanted = name.replace('-', "_");
    let mut tree = serde_json::to_value(&*settings).map_err(|error| error.to_string())?;
    let mut paths = Vec::new();
    leaves(&tree, &mut Vec::new(), &mut paths);
    let fits = |path: &&Vec<String>| path.join(".") == wanted || path.last() == Some(&wanted);
    let found: Vec<&Vec<String>> = paths.iter().filter(fits).collect();
    let whole = found.iter().find(|path| path.join(".") == wanted);
    let path = match (whole, &found[..]) {
        (Some(path), _) | (None, [path]) => path,
        (None, []) => {
            return Err(format!(
                "there is no setting “{name}”: settings have the names of the command line, such as temperature, top-k, \
                 max-tokens or seed"
            ));
        }
        (None, several) => {
            let names: Vec<String> = several.iter().map(|path| path.join(".")).collect();
            return Err(format!("“{name}” may be {}: write one of these", names.join(" or ")));
        }
    };
    let place = path.iter().try_fold(&mut tree, |tree, key| tree.get_mut(key.as_str()));
    if let Some(place) = place {
        *place = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    }
    let made: DecodingSettings =
        serde_json::from_value(tree).map_err(|error| format!("{name} cannot be {value}: {error}"))?;
    // Whether ids are in the vocabulary is seen when a model is there.
    made.check(u32::MAX as usize).map_err(|error| error.to_string())?;
    *settings = made;
    Ok(())
}

/// The paths of everything that is no group of settings.
fn leaves(tree: &Value, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    match tree {
        Value::Object(members) if !members.is_empty() || path.is_empty() => {
            for (key, member) in members {
                path.push(key.clone());
                leaves(member, path, found);
                path.pop();
            }
        }
        _ => found.push(path.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoding::{CacheUse, Drafter, StrategyKind};

    #[test]
    fn settings_go_by_the_names_of_files_and_command_line() {
        let mut settings = DecodingSettings::default();
        for (name, value) in [
            ("temperature", "0.5"),
            ("top-k", "7"),
            ("max_tokens", "9"),
            ("strategy", "speculative"),
            ("drafter", "lookup"),
            ("beam.beams", "3"),
            ("returned", "2"),
            ("cache", "recompute"),
            ("mirostat.rate", "0.2"),
            ("grammar.text", "a+"),
        ] {
            let full = format!("stages.{name}");
            let name = if name.starts_with("mirostat") || name.starts_with("grammar") { &full } else { name };
            set(&mut settings, name, value).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        assert_eq!((settings.stages.temperature, settings.stages.top_k), (0.5, 7));
        assert_eq!((settings.stop.max_tokens, settings.beam.beams, settings.beam.returned), (9, 3, 2));
        assert_eq!((settings.strategy, settings.cache), (StrategyKind::Speculative, CacheUse::Recompute));
        assert_eq!(settings.speculative.drafter, Drafter::Lookup);
        assert_eq!((settings.stages.mirostat.rate, settings.stages.grammar.text.as_str()), (0.2, "a+"));
    }

    #[test]
    fn what_cannot_be_set_is_said() {
        let refused = |name, value| {
            let mut settings = DecodingSettings::default();
            let error = set(&mut settings, name, value).expect_err("it is wrong");
            assert_eq!(settings, DecodingSettings::default(), "nothing was changed");
            error
        };
        assert!(refused("temprature", "1").contains("no setting “temprature”"));
        assert!(refused("top_k", "many").contains("top_k cannot be many"));
        assert!(refused("strategy", "guess").contains("guess"));
        assert!(refused("top-p", "3").contains("top-p"));
    }
}
