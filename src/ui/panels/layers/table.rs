//! What was found inside a step, layer by layer, as a table.

use crate::export::table::{Cell, Table};
use crate::session::Found;
use crate::session::probe::{Addition, Lens};
use crate::trace::{Token, spelling};

/// A row for the embedding, for each layer, and for the biases.
pub(crate) fn table(found: &Found) -> Option<Table> {
    let probe = &found.probe;
    let spelled = |id: u32| {
        let piece = found.pieces.get(&id).cloned().unwrap_or_default();
        spelling::of_token(&Token { id, piece })
    };
    let mut table = Table::new(
        "Layers",
        &[
            ("Layer", ""),
            ("Most likely token", ""),
            ("Its id", ""),
            ("Its logit", ""),
            ("Followed token's id", ""),
            ("Logit", ""),
            ("Log-probability", "nats"),
            ("Rank", "from 1"),
            ("Length of the stream", ""),
            ("Length of attention's addition", ""),
            ("Length of feed-forward's addition", ""),
            ("Attention's part of the logit", ""),
            ("Feed-forward's part of the logit", ""),
        ],
    );
    let lens = |lens: &Lens| -> [Cell; 7] {
        let top = lens.top.first();
        [
            top.map(|(id, _)| spelled(*id)).into(),
            top.map(|(id, _)| *id).into(),
            top.map(|(_, logit)| *logit).into(),
            probe.token.into(),
            lens.logit.into(),
            lens.log_probability.into(),
            lens.rank.into(),
        ]
    };
    let norm = |addition: Option<Addition>| addition.map(|addition| addition.norm).into();
    let part = |addition: Option<Addition>| addition.map(|addition| addition.logit).into();
    let bare = |name: &str, length: Option<f64>, share: f64| {
        let mut row = vec![Cell::Empty; table.columns.len()];
        (row[0], row[8], row[11]) = (name.into(), length.into(), share.into());
        row
    };
    let embedding = bare("embedding", Some(probe.embedding.norm), probe.embedding.logit);
    let biases = bare("biases", None, probe.bias_logit);
    table.rows.push(embedding);
    table.rows.extend(probe.layers.iter().map(|layer| {
        let mut row = vec![Cell::from(layer.layer)];
        row.extend(lens(&layer.lens));
        row.push(layer.residual_norm.into());
        row.extend([
            norm(layer.mixer),
            norm(layer.feed_forward),
            part(layer.mixer),
            part(layer.feed_forward),
        ]);
        row
    }));
    table.rows.push(biases);
    Some(table)
}
