//! Tokens that stand outside of a vocabulary's merging, by the small files that lie beside it: their ids and flags
//! as transformers 5 takes them, for a vocabulary of plain pieces ([`added_tokens`]) and for one that has added tokens
//! of its own ([`tokens_beside`]).
//!
//! `tokenizer_config.json` lists them with ids (`added_tokens_decoder`); where it does not, `added_tokens.json`
//! does. Either may also name special tokens by their use (`eos_token`, …), which are then special in any case.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::error::short;

use serde_json::{Value, json};
use tokenizers::AddedToken;

/// The uses that a special token may have in every model.
const NAMED: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// A token and, where a file or the vocabulary says it, its id.
struct Listed {
    id: Option<u32>,
    token: AddedToken,
}

/// Every added token in the form of `tokenizer.json`, by id; `ids` gains those that the vocabulary lacks.
///
/// `config` is `tokenizer_config.json` with `special_tokens_map.json` in it, `added` is `added_tokens.json`, and
/// `usual` are special tokens that count where the configuration is silent about their use and the vocabulary has
/// them.
pub(super) fn added_tokens(
    ids: &mut HashMap<String, u32>,
    config: &Value,
    added: Option<&Value>,
    usual: &[(&str, &str)],
) -> Result<Vec<Value>, String> {
    let mut tokens = Tokens::new(listed(config, added)?);
    for &name in &NAMED {
        match (config.get(name), usual.iter().find(|(usual, _)| *usual == name)) {
            (Some(value), _) => tokens.mark_special(value),
            (None, Some((_, text))) if ids.contains_key(*text) || tokens.at.contains_key(*text) => {
                tokens.mark_special(&json!(text));
            }
            (None, _) => {}
        }
    }
    for value in further_special(config) {
        tokens.set_special(value);
    }
    tokens.with_ids(ids)
}

/// The tokens that the files beside a `tokenizer.json` or `tokenizer.model` give it, in the order in which they get
/// the ids that are free; `own` are the added tokens that it has already.
///
/// The flags of a list go before the vocabulary's own; a token that is known and only named becomes special and
/// keeps its other flags.
pub(super) fn tokens_beside(
    own: &HashMap<u32, AddedToken>,
    config: &Value,
    added: Option<&Value>,
) -> Result<Vec<AddedToken>, String> {
    let mut listed = listed(config, added)?;
    if config["added_tokens_decoder"].is_null() {
        // The vocabulary's own tokens go before those of added_tokens.json, by id.
        listed.retain(|token| token.id.is_none_or(|id| !own.contains_key(&id)));
    }
    listed.sort_by_key(|token| token.id);
    let mut tokens = Tokens::new(listed);
    let own: HashMap<&str, &AddedToken> = own.values().map(|token| (&*token.content, token)).collect();
    let named = NAMED.iter().filter_map(|name| config.get(*name));
    for value in named.chain(further_special(config)) {
        match text_of(value).and_then(|text| own.get(text)) {
            Some(known) if !tokens.at.contains_key(&known.content) => {
                tokens.push(Listed { id: None, token: AddedToken::clone(known).special(true) });
            }
            _ => tokens.mark_special(value),
        }
    }
    Ok(tokens.all.into_iter().map(|listed| listed.token).collect())
}

/// A token that is named as special.
fn special(value: &Value) -> Option<AddedToken> {
    read_token(text_of(value)?, value, Some(true))
}

/// The tokens under construction, and where each text is among them.
struct Tokens {
    all: Vec<Listed>,
    at: HashMap<String, usize>,
}

impl Tokens {
    fn new(listed: Vec<Listed>) -> Self {
        let at =
            listed.iter().enumerate().map(|(index, token)| (token.token.content.clone(), index)).collect();
        Self { all: listed, at }
    }

    fn push(&mut self, token: Listed) {
        self.at.insert(token.token.content.clone(), self.all.len());
        self.all.push(token);
    }

    /// Makes a token special and leaves the other flags as its list has them.
    fn mark_special(&mut self, value: &Value) {
        match text_of(value).and_then(|text| self.at.get(text)) {
            Some(&index) => self.all[index].token.special = true,
            None => self.set_special(value),
        }
    }

    /// Makes a token special, with the flags that `value` has for it.
    fn set_special(&mut self, value: &Value) {
        let Some(token) = special(value) else { return };
        match self.at.get(&token.content) {
            Some(&index) => self.all[index].token = token,
            None => self.push(Listed { id: None, token }),
        }
    }

    /// Gives each token its id: the vocabulary's, the list's, or the next free one.
    fn with_ids(self, ids: &mut HashMap<String, u32>) -> Result<Vec<Value>, String> {
        let mut used: HashMap<u32, String> = ids.iter().map(|(text, &id)| (id, text.clone())).collect();
        let highest = used.keys().copied().max();
        let highest = self.all.iter().filter_map(|token| token.id).max().max(highest);
        let mut next = highest.map_or(Some(0), |id| id.checked_add(1));
        let mut made = Vec::with_capacity(self.all.len());
        for Listed { id, token } in self.all {
            let text = token.content.clone();
            let id = match (ids.get(&text).copied(), id) {
                (Some(known), Some(id)) if known != id => {
                    return Err(format!(
                        "`{}` is token {id} among the added tokens, but {known} in the vocabulary",
                        short(&text)
                    ));
                }
                (Some(known), _) => known,
                (None, Some(id)) => id,
                (None, None) => {
                    let free = next.ok_or("there is no id left for its added tokens")?;
                    next = free.checked_add(1);
                    free
                }
            };
            match used.entry(id) {
                Entry::Occupied(other) if *other.get() != text => {
                    let [text, other] = [&text, other.get()].map(|text| short(text));
                    return Err(format!("`{text}` and `{other}` are both token {id}"));
                }
                Entry::Occupied(_) => {}
                Entry::Vacant(place) => {
                    place.insert(text.clone());
                }
            }
            ids.insert(text, id);
            made.push((id, token));
        }
        made.sort_by_key(|(id, _)| *id);
        Ok(made.into_iter().map(|(id, token)| as_json(id, &token)).collect())
    }
}

/// The tokens that a file lists with their ids.
fn listed(config: &Value, added: Option<&Value>) -> Result<Vec<Listed>, String> {
    if let Some(decoder) = config["added_tokens_decoder"].as_object() {
        let token = |(id, value): (&String, &Value)| {
            let token = text_of(value).and_then(|text| read_token(text, value, None));
            let id = id.parse().ok();
            id.zip(token)
                .map(|(id, token)| Listed { id: Some(id), token })
                .ok_or_else(|| "its added_tokens_decoder has an entry without id or content".to_owned())
        };
        return decoder.iter().map(token).collect();
    }
    let Some(added) = added else { return Ok(Vec::new()) };
    let added = added.as_object().ok_or("added_tokens.json is not an object of tokens with ids")?;
    let special: HashSet<&str> = special_texts(config).collect();
    let token = |(text, id): (&String, &Value)| {
        let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
        let id = id.ok_or_else(|| format!("added_tokens.json has no id for `{}`", short(text)))?;
        // Plain text until a use is found for it; a special token is taken as it stands, before normalising.
        Ok(Listed { id: Some(id), token: AddedToken::from(text, special.contains(text.as_str())) })
    };
    added.iter().map(token).collect()
}

/// The texts that the configuration names as special.
fn special_texts(config: &Value) -> impl Iterator<Item = &str> {
    let named = NAMED.iter().filter_map(|name| config.get(*name));
    named.chain(listed_special(config)).filter_map(text_of)
}

/// Special tokens without a use of their own. The older name counts where the newer one lists none.
fn listed_special(config: &Value) -> impl Iterator<Item = &Value> {
    let list = |name: &str| config.get(name).and_then(Value::as_array).filter(|list| !list.is_empty());
    list("extra_special_tokens").or_else(|| list("additional_special_tokens")).into_iter().flatten()
}

/// Special tokens by uses that only this model has (`image_token`, …).
fn own_uses(config: &Value) -> impl Iterator<Item = &Value> {
    let own = config.as_object().into_iter().flatten();
    let own = own.filter(|(name, _)| name.ends_with("_token") && !NAMED.contains(&name.as_str()));
    let named = config.get("extra_special_tokens").and_then(Value::as_object).into_iter().flatten();
    own.chain(named).map(|(_, value)| value)
}

/// Special tokens other than those of [`NAMED`].
fn further_special(config: &Value) -> impl Iterator<Item = &Value> {
    own_uses(config).chain(listed_special(config))
}

/// A token's text; `None` for what is not a token, such as a switch or null.
fn text_of(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("content")?.as_str())
}

/// A token with the flags of `value`; `None` for an empty one. `special` goes before what `value` says.
fn read_token(text: &str, value: &Value, special: Option<bool>) -> Option<AddedToken> {
    let flag = |name: &str| value.get(name).and_then(Value::as_bool);
    let special = special.or_else(|| flag("special")).unwrap_or(false);
    let token = AddedToken::from(text, special)
        .single_word(flag("single_word").unwrap_or(false))
        .lstrip(flag("lstrip").unwrap_or(false))
        .rstrip(flag("rstrip").unwrap_or(false))
        .normalized(flag("normalized").unwrap_or(!special));
    Some(token).filter(|token| !token.content.is_empty())
}

fn as_json(id: u32, token: &AddedToken) -> Value {
    json!({
        "id": id, "content": token.content, "special": token.special, "single_word": token.single_word,
        "lstrip": token.lstrip, "rstrip": token.rstrip, "normalized": token.normalized,
    })
}
