// Chooses the experts of each row by the router's scores: the highest ones, the lower index among equals.
//
//   routes[t][k] = e(t, k), the expert with the k-th highest score
//   routes[t][K + k] = exp(scores[t][e(t, k)] − m) / Σ_e exp(scores[t][e] − m),   m = max(scores[t]),
// where the sum is over all experts, or over the chosen ones (OF_CHOSEN).
//
// Shapes: scores T × E, rows STRIDE apart; routes T × 2K, rows ROUTES_STRIDE apart.
// Split: one workgroup a row (y). For each choice the lanes share out the scores, and the best of what they found
// is found in workgroup memory.
// Twin: src/reference/route.rs

override WORKGROUP: u32;
override EXPERTS: u32;
override ACTIVE: u32;
override STRIDE: u32;
override ROUTES_STRIDE: u32;
override OF_CHOSEN: bool;

@group(0) @binding(0) var<storage, read> scores: array<f32>;
@group(0) @binding(1) var<storage, read_write> routes: array<f32>;

struct Candidate {
    score: f32,
    // EXPERTS where there is none.
    expert: u32,
}

var<workgroup> best: array<Candidate, WORKGROUP>;
var<workgroup> sums: array<f32, WORKGROUP>;

/// Whether the first candidate is chosen before the second.
fn precedes(first: Candidate, second: Candidate) -> bool {
    if first.expert == EXPERTS || second.expert == EXPERTS {
        return first.expert != EXPERTS;
    }
    return first.score > second.score || (first.score == second.score && first.expert < second.expert);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let base = workgroup.y * STRIDE;
    let first_place = workgroup.y * ROUTES_STRIDE;
    var highest = 0.0;
    var chosen_sum = 0.0;
    var last = Candidate(0.0, EXPERTS);
    for (var place = first_place; place < first_place + ACTIVE; place++) {
        var mine = Candidate(0.0, EXPERTS);
        for (var expert = lane; expert < EXPERTS; expert += WORKGROUP) {
            let candidate = Candidate(scores[base + expert], expert);
            if (place == first_place || precedes(last, candidate)) && precedes(candidate, mine) {
                mine = candidate;
            }
        }
        best[lane] = mine;
        workgroupBarrier();
        for (var half = WORKGROUP / 2u; half > 0u; half = half / 2u) {
            if lane < half && precedes(best[lane + half], best[lane]) {
                best[lane] = best[lane + half];
            }
            workgroupBarrier();
        }
        last = best[0];
        // The next choice may overwrite the best only when every lane has read it.
        workgroupBarrier();
        if place == first_place {
            highest = last.score;
        }
        let exponential = exp(last.score - highest);
        chosen_sum += exponential;
        if lane == 0u {
            // Scores that are no numbers precede nothing: any expert will do.
            routes[place] = f32(min(last.expert, EXPERTS - 1u));
            routes[place + ACTIVE] = exponential;
        }
    }

    var sum = chosen_sum;
    if !OF_CHOSEN {
        var mine = 0.0;
        for (var expert = lane; expert < EXPERTS; expert += WORKGROUP) {
            mine += exp(scores[base + expert] - highest);
        }
        sums[lane] = mine;
        workgroupBarrier();
        for (var half = WORKGROUP / 2u; half > 0u; half = half / 2u) {
            if lane < half {
                sums[lane] += sums[lane + half];
            }
            workgroupBarrier();
        }
        sum = sums[0];
    }
    if lane == 0u {
        for (var place = first_place + ACTIVE; place < first_place + 2u * ACTIVE; place++) {
            routes[place] /= sum;
        }
    }
}
