//! The rows of the pane: weights of single heads, or means of several.

use std::sync::Arc;

use crate::session::probe::{AttentionProbe, LayerProbe, Probe};
use crate::ui::inside::{AttentionRow, AttentionRows, Inside, MadeRows};

/// The rows to show, made once for each probe, layer and kind.
pub(super) fn shown(inside: &mut Inside, probe: &Arc<Probe>) -> Arc<[AttentionRow]> {
    let (layer, kind) = (inside.layer, inside.rows);
    let fits = |made: &MadeRows| Arc::ptr_eq(&made.probe, probe) && (made.layer, made.kind) == (layer, kind);
    match &inside.made {
        Some(made) if fits(made) => Arc::clone(&made.rows),
        _ => {
            let rows: Arc<[AttentionRow]> = of(&probe.layers, layer, kind).into();
            let (probe, made) = (Arc::clone(probe), Arc::clone(&rows));
            inside.made = Some(MadeRows { probe, layer, kind, rows: made });
            rows
        }
    }
}

/// The rows of a layer, its mean first; or the means of all layers.
fn of(layers: &[LayerProbe], layer: usize, kind: AttentionRows) -> Vec<AttentionRow> {
    let attention = |index: usize| layers.get(index)?.inside.attention.as_ref();
    if kind == AttentionRows::Layers {
        let row = |index: usize| {
            let attention = attention(index)?;
            Some(mean(attention, 0..attention.heads.len(), format!("Layer {}", layers[index].layer), index))
        };
        return (0..layers.len()).filter_map(row).collect();
    }
    let Some(attention) = attention(layer) else { return Vec::new() };
    let count = attention.heads.len();
    let mut found = vec![mean(attention, 0..count, "Mean".to_owned(), layer)];
    if kind == AttentionRows::Groups {
        let each = count / attention.groups.max(1);
        let group =
            |index: usize| mean(attention, index * each..(index + 1) * each, format!("Group {index}"), layer);
        found.extend((0..attention.groups).map(group));
    } else {
        found.extend(attention.heads.iter().enumerate().map(|(head, weights)| AttentionRow {
            name: format!("Head {head}"),
            weights: Arc::from(&weights[..]),
            sink: attention.sinks.get(head).copied(),
            first: first(attention),
            layer,
        }));
    }
    found
}

/// The mean of some heads.
fn mean(
    attention: &AttentionProbe,
    heads: std::ops::Range<usize>,
    name: String,
    layer: usize,
) -> AttentionRow {
    let share = 1.0 / heads.len().max(1) as f32;
    let mut weights = vec![0.0; attention.heads.first().map_or(0, Vec::len)];
    for head in &attention.heads[heads.clone()] {
        weights.iter_mut().zip(head).for_each(|(sum, weight)| *sum += share * weight);
    }
    let sinks = attention.sinks.get(heads);
    let sink = sinks.filter(|sinks| !sinks.is_empty()).map(|sinks| sinks.iter().sum::<f32>() * share);
    AttentionRow { name, weights: weights.into(), sink, first: first(attention), layer }
}

fn first(attention: &AttentionProbe) -> usize {
    let positions = attention.heads.first().map_or(0, Vec::len);
    attention.window.map_or(0, |window| positions.saturating_sub(window))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::probe::{self, Lens};

    fn layer(attention: Option<AttentionProbe>) -> LayerProbe {
        let inside = probe::Inside { attention, ..probe::Inside::default() };
        let lens = Lens::default();
        LayerProbe { layer: 7, lens, residual_norm: 1.0, mixer: None, feed_forward: None, inside }
    }

    #[test]
    fn groups_and_layers_are_means_of_their_heads() {
        let heads = vec![vec![0.0, 1.0], vec![0.0, 0.5], vec![0.0, 0.2], vec![0.0, 0.4]];
        let attention = AttentionProbe { heads, groups: 2, window: Some(1), sinks: vec![0.0, 0.5, 0.8, 0.6] };
        let layers = [layer(None), layer(Some(attention))];
        let of = |rows| {
            let row = |row: &AttentionRow| (row.name.clone(), row.weights[1], row.sink.unwrap_or(9.0));
            of(&layers, 1, rows).iter().map(row).collect::<Vec<_>>()
        };
        let close = |found: &(String, f32, f32), name: &str, weight: f32, sink: f32| {
            assert_eq!(found.0, name);
            assert!((found.1 - weight).abs() < 1e-6 && (found.2 - sink).abs() < 1e-6, "{found:?}");
        };
        let heads = of(AttentionRows::Heads);
        assert_eq!(heads.len(), 5);
        close(&heads[0], "Mean", 0.525, 0.475);
        close(&heads[3], "Head 2", 0.2, 0.8);
        let groups = of(AttentionRows::Groups);
        assert_eq!(groups.len(), 3);
        close(&groups[2], "Group 1", 0.3, 0.7);
        let all = of(AttentionRows::Layers);
        assert_eq!(all.len(), 1, "the other layer has no attention");
        close(&all[0], "Layer 7", 0.525, 0.475);
        assert_eq!(super::of(&layers, 1, AttentionRows::Heads)[0].first, 1, "the window hides a position");
    }
}
