//! A probe as a table for the terminal.

use std::fmt::Write;

use crate::model::Probe;
use crate::model::probe::Addition;
use crate::units::signed;

/// Characters of a token's text.
const NAME_WIDTH: usize = 18;

/// What a person reads; `spell` gives a token's text.
pub(super) fn text(probe: &Probe, spell: &dyn Fn(u32) -> Option<String>) -> String {
    let name = |id: u32| spell(id).map_or_else(|| format!("token {id}"), |text| format!("{text:?}"));
    let mut text = format!(
        "position {}: {} ({})\nfollowed: {} ({}), rank {}, logit {}, log-probability {} nats\n\n",
        probe.position,
        name(probe.input),
        probe.input,
        name(probe.token),
        probe.token,
        probe.last.rank,
        number(probe.last.logit.into()),
        number(probe.last.log_probability),
    );
    let headings =
        ["rank", "log p", "stream", "+ attention", "+ feed-fwd", "attn. logit", "ffwd logit"].map(right);
    let _ = writeln!(text, "{:>9}  {:<NAME_WIDTH$}{}", "layer", "most likely", headings.concat());
    row(&mut text, "embedding", "", [String::new(), String::new()], probe.embedding.norm, [None, None]);
    for layer in &probe.layers {
        let likely = layer.lens.top.first().map(|&(id, _)| name(id)).unwrap_or_default();
        let lens = [layer.lens.rank.to_string(), short(layer.lens.log_probability)];
        let blocks = [layer.mixer, layer.feed_forward];
        row(&mut text, &layer.layer.to_string(), &likely, lens, layer.residual_norm, blocks);
    }
    let _ = write!(
        text,
        "\nThe logit {} is the sum of its parts, {}: embedding {}, layers {}, biases {}.\n",
        number(probe.uncapped_logit.into()),
        number(probe.sum_of_parts()),
        number(probe.embedding.logit),
        number(probe.sum_of_parts() - probe.embedding.logit - probe.bias_logit),
        number(probe.bias_logit),
    );
    if probe.uncapped_logit != probe.last.logit {
        let _ = writeln!(text, "The model's cap on logits makes {} of it.", number(probe.last.logit.into()));
    }
    text
}

fn row(
    text: &mut String,
    layer: &str,
    likely: &str,
    lens: [String; 2],
    stream: f64,
    blocks: [Option<Addition>; 2],
) {
    let shown = |value: Option<f64>| value.map_or_else(String::new, short);
    let numbers = [
        Some(stream),
        blocks[0].map(|block| block.norm),
        blocks[1].map(|block| block.norm),
        blocks[0].map(|block| block.logit),
        blocks[1].map(|block| block.logit),
    ];
    let cells: String = lens.into_iter().chain(numbers.map(shown)).map(|cell| right(&cell)).collect();
    let line = format!("{layer:>9}  {:<NAME_WIDTH$}{cells}", cut(likely));
    let _ = writeln!(text, "{}", line.trim_end());
}

/// Four digits behind the point.
fn number(value: f64) -> String {
    signed(&format!("{value:.4}"))
}

/// Three.
fn short(value: f64) -> String {
    signed(&format!("{value:.3}"))
}

fn right(cell: impl AsRef<str>) -> String {
    format!("{:>13}", cell.as_ref())
}

fn cut(name: &str) -> String {
    if name.chars().count() < NAME_WIDTH {
        return name.to_owned();
    }
    name.chars().take(NAME_WIDTH - 2).chain(['…']).collect()
}
