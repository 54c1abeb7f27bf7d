// Chooses a token from a row's summary, so that the next pass can begin before the CPU has seen this one.
//
//   w(i) = exp((l(i) − l(0)) / temperature) over the candidates, cut by top-k, top-p and min-p in this order;
//   the token is the first whose Σ w(0..=i) exceeds point · Σ w
//
// Where nothing is cut, Σ w is the whole row's. It is a forecast in f32, which the CPU checks: a point beyond
// the candidates gives the last of them.
// Shapes: summaries (output rows) × SUMMARY_WORDS words.
// Split: one lane a row. The loops mostly end after a few turns.
// Twin: src/reference/selection.rs

@group(0) @binding(1) var<storage, read_write> summaries: array<u32>;

@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>) {
    let summary = workgroup.x * SUMMARY_WORDS;
    let inverse_temperature = sampling_number(workgroup.x, SAMPLING_INVERSE_TEMPERATURE);
    let top_k = sampling_word(workgroup.x, SAMPLING_TOP_K);
    let top_p = sampling_number(workgroup.x, SAMPLING_TOP_P);
    let min_p = sampling_number(workgroup.x, SAMPLING_MIN_P);
    let point = sampling_number(workgroup.x, SAMPLING_POINT);

    var kept = min(MOST_CANDIDATES, VOCABULARY);
    let first = bitcast<f32>(summaries[summary + LOGITS]);
    var sum = bitcast<f32>(summaries[summary + TEMPERED_SUM]);
    if top_k > 0u && top_k < kept {
        let last = summaries[summary + LOGITS + top_k - 1u];
        sum = 0.0;
        for (var index = summary + LOGITS; index < summary + LOGITS + kept; index++) {
            if index >= summary + LOGITS + top_k && summaries[index] != last {
                kept = index - summary - LOGITS;
                break;
            }
            sum += weight((bitcast<f32>(summaries[index]) - first) * inverse_temperature);
        }
    }
    if top_p < 1.0 {
        let enough = top_p * sum;
        sum = 0.0;
        for (var index = summary + LOGITS; index < summary + LOGITS + kept; index++) {
            if sum >= enough {
                kept = index - summary - LOGITS;
                break;
            }
            sum += weight((bitcast<f32>(summaries[index]) - first) * inverse_temperature);
        }
    }
    if min_p > 0.0 {
        var inside = 0.0;
        for (var index = summary + LOGITS; index < summary + LOGITS + kept; index++) {
            let share = weight((bitcast<f32>(summaries[index]) - first) * inverse_temperature);
            if share < min_p {
                kept = index - summary - LOGITS;
                sum = inside;
                break;
            }
            inside += share;
        }
    }
    let wanted = point * sum;
    var chosen = kept - 1u;
    var reached = 0.0;
    for (var index = summary + LOGITS; index < summary + LOGITS + kept; index++) {
        reached += weight((bitcast<f32>(summaries[index]) - first) * inverse_temperature);
        if wanted < reached {
            chosen = index - summary - LOGITS;
            break;
        }
    }
    summaries[summary + CHOSEN] = summaries[summary + IDS + chosen];
}
