//! What ops are called, and the layers that they belong to.

use super::{Op, Plan};

impl Plan {
    /// The name of an op by its index, with what its weights are called in every layer: `linear attention.query + key +
    /// value`.
    pub fn kind(&self, op: usize) -> String {
        let op = &self.ops[op];
        match op {
            Op::Linear { weight, .. }
            | Op::ExpertLinear { weight, .. }
            | Op::HeadLinear { weight, .. }
            | Op::Norm { weight, .. } => {
                format!("{} {}", op.name(), role(&self.tensor(*weight).name))
            }
            _ => op.name().to_owned(),
        }
    }

    /// For each op its layer; `None` before the first and after the last one. An op without weights belongs to the layer
    /// of the op before it.
    pub fn layers(&self) -> Vec<Option<usize>> {
        let named = |op: &Op| {
            op.tensors().find_map(|tensor| {
                let rest = self.tensor(tensor).name.strip_prefix("layers.")?;
                rest.split('.').next()?.parse().ok()
            })
        };
        let mut layer = None;
        let mut of = |op: &Op| {
            let found = named(op);
            // What reads weights of no layer is the embedding, or comes after the last.
            let outside = matches!(op, Op::Pick { .. }) || op.tensors().next().is_some();
            layer = if outside { found } else { layer };
            layer
        };
        self.ops.iter().map(&mut of).collect()
    }
}

/// A tensor's name without its layer: `layers.3.attention.query.weight + layers.3.attention.key.weight` is
/// `attention.query + key`.
fn role(name: &str) -> String {
    let mut group = "";
    let roles = name.split(" + ").map(|part| {
        let part = part.strip_suffix(".weight").unwrap_or(part);
        let in_layer = part.strip_prefix("layers.").and_then(|rest| rest.split_once('.'));
        let part = in_layer.map_or(part, |(_, part)| part);
        match part.rsplit_once('.') {
            Some((same, last)) if same == group => last,
            Some((other, _)) => {
                group = other;
                part
            }
            None => part,
        }
    });
    roles.collect::<Vec<_>>().join(" + ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ops_of_all_layers_are_of_one_kind() {
        assert_eq!(role("layers.3.feed_forward.down.weight"), "feed_forward.down");
        let stacked = "layers.11.attention.query.weight + layers.11.attention.key.weight";
        assert_eq!(role(stacked), "attention.query + key");
        assert_eq!(role("head.weight"), "head");
        assert_eq!(role("embedding"), "embedding");
    }
}
