//! From what was typed to values, for arguments that clap cannot read by itself.

use crate::model::WeightFormat;
use crate::synthetic::shapes;
use crate::tokenizer::chat::MESSAGES;

pub(super) fn shape_names() -> Vec<&'static str> {
    shapes::names().collect()
}

pub(super) fn stored_format(text: &str) -> Result<WeightFormat, String> {
    let names = || WeightFormat::ALL.map(WeightFormat::name).join(", ");
    let known = WeightFormat::ALL.into_iter().find(|format| format.name() == text);
    known.ok_or_else(|| format!("`{text}` is not one of {}", names()))
}

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    let expected = || format!("`{text}` is not a number from 1 on");
    text.trim().parse().ok().filter(|number| *number > 0).ok_or_else(expected)
}

pub(super) fn logit_bias(text: &str) -> Result<(u32, f32), String> {
    let expected = || format!("`{text}` is not of the form ID=X, such as 42=-1.5");
    let (id, bias) = text.split_once('=').ok_or_else(expected)?;
    Ok((id.trim().parse().map_err(|_| expected())?, bias.trim().parse().map_err(|_| expected())?))
}

/// A name and a value for a chat template.
pub(super) fn template_argument(text: &str) -> Result<(String, serde_json::Value), String> {
    let expected = || format!("`{text}` is not of the form NAME=JSON, such as enable_thinking=false");
    let (name, value) = text.split_once('=').ok_or_else(expected)?;
    let name = name.trim();
    if name.is_empty() || name == MESSAGES {
        return Err(if name.is_empty() {
            expected()
        } else {
            format!("{MESSAGES} are given by --system, --turns and the prompt")
        });
    }
    let value = serde_json::from_str(value)
        .map_err(|_| format!("`{value}` is not JSON: a text needs quotes, as in {name}='\"{value}\"'"))?;
    Ok((name.to_owned(), value))
}

/// A token's id, also within a list with blanks.
pub(super) fn token_id(text: &str) -> Result<u32, String> {
    text.trim().parse().map_err(|_| format!("`{text}` is not a token id, such as 42"))
}

/// Ids in a row; a type of its own, so that clap takes each as one value.
#[derive(Clone, Debug)]
pub(super) struct TokenSequence(pub Vec<u32>);

pub(super) fn sequence(text: &str) -> Result<TokenSequence, String> {
    let ids: Result<Vec<u32>, _> = text.split(',').map(|id| id.trim().parse()).collect();
    ids.map(TokenSequence).map_err(|_| format!("`{text}` is not of the form ID,ID, such as 42,7"))
}

pub(super) fn forced_token(text: &str) -> Result<(usize, u32), String> {
    let expected = || format!("`{text}` is not of the form STEP=ID, such as 1=42");
    let (step, id) = text.split_once('=').ok_or_else(expected)?;
    Ok((step.trim().parse().map_err(|_| expected())?, id.trim().parse().map_err(|_| expected())?))
}
