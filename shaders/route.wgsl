// Chooses the experts of each row by what the router made of it: the preferred ones, the lower index among equals.
//
//   s(t, e) = exp(results[t][e] − m) / Σ_i exp(results[t][i] − m),   m = max(results[t]),
//             or 1 / (1 + exp(−results[t][e]))  (SCORES is SIGMOID)
//   routes[t][k] = e(t, k), the expert with the k-th highest s(t, e) (+ bias[e])
//   routes[t][K + k] = FACTOR · s(t, e(t, k))  (/ (Σ_k s(t, e(t, k)) + EPSILON), if RENORMALISED) (· factors[e(t, k)])
//
// With SPARSE_MIXER the highest results r are chosen, and the score of one is 1 / Σ_i exp(r(i) − r(chosen)) over those that
// are not chosen before it and have r(chosen) − r(i) ≤ SPREAD · max(|r(i)|, r(chosen)).
//
// Only experts of some groups of neighbours may be chosen, if there are several: those groups with the highest s
// (+ bias), or the highest sums of the two highest (RANKED_BY_TWO).
//
// Shapes: results T × E, rows STRIDE apart; routes T × 2K, rows ROUTES_STRIDE apart; bias, factors E.
// Split: one workgroup a row (y). For each choice the lanes share out the experts, and the best of what they found
// is found in workgroup memory. A group's rank is one lane's.
// Twin: src/reference/route.rs

override WORKGROUP: u32;
override EXPERTS: u32;
override ACTIVE: u32;
override STRIDE: u32;
override ROUTES_STRIDE: u32;
override SCORES: u32;
override SPREAD: f32;
override HAS_BIAS: bool;
override HAS_FACTORS: bool;
override GROUPS: u32;
override KEPT_GROUPS: u32;
override RANKED_BY_TWO: bool;
override RENORMALISED: bool;
override EPSILON: f32;
override FACTOR: f32;

// Values of SCORES; src/gpu/kernels/overrides.rs has the same, and a test compares them.
const SOFTMAX: u32 = 0u;
const SIGMOID: u32 = 1u;
const SPARSE_MIXER: u32 = 2u;

@group(0) @binding(0) var<storage, read> results: array<f32>;
@group(0) @binding(1) var<storage, read_write> routes: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> factors: array<f32>;

struct Candidate {
    preference: f32,
    // EXPERTS where there is none.
    expert: u32,
}

/// What scores of a softmax need beside a result.
struct Softmax {
    highest: f32,
    sum: f32,
}

var<workgroup> best: array<Candidate, WORKGROUP>;
var<workgroup> partial: array<f32, WORKGROUP>;
var<workgroup> group_ranks: array<f32, GROUPS>;
var<workgroup> is_kept: array<u32, GROUPS>;

/// Whether the first candidate is chosen before the second.
fn precedes(first: Candidate, second: Candidate) -> bool {
    if first.expert == EXPERTS || second.expert == EXPERTS {
        return first.expert != EXPERTS;
    }
    return first.preference > second.preference
        || (first.preference == second.preference && first.expert < second.expert);
}

/// An expert's score; of a softmax before the division by the sum.
fn strength(result: f32, highest: f32) -> f32 {
    if SCORES == SIGMOID {
        return 1.0 / (1.0 + exp(clamp(-result, -80.0, 80.0)));
    }
    return exp(result - highest);
}

/// Whether experts are chosen by their scores. Otherwise the results do, which scores rise with.
fn chooses_by_score() -> bool {
    return HAS_BIAS || GROUPS > 1u;
}

/// What an expert is chosen by.
fn preference(base: u32, expert: u32, softmax: Softmax) -> f32 {
    let result = results[base + expert];
    if !chooses_by_score() {
        return result;
    }
    var score = strength(result, softmax.highest) / softmax.sum;
    if HAS_BIAS {
        score += bias[expert];
    }
    return score;
}

fn highest_result(base: u32, lane: u32) -> f32 {
    var mine = results[base];
    for (var expert = lane; expert < EXPERTS; expert += WORKGROUP) {
        mine = max(mine, results[base + expert]);
    }
    partial[lane] = mine;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half = half / 2u) {
        if lane < half {
            partial[lane] = max(partial[lane], partial[lane + half]);
        }
        workgroupBarrier();
    }
    let highest = partial[0];
    // Others may overwrite it only when every lane has read it.
    workgroupBarrier();
    return highest;
}

fn sum_of_all(base: u32, highest: f32, lane: u32) -> f32 {
    var mine = 0.0;
    for (var expert = lane; expert < EXPERTS; expert += WORKGROUP) {
        mine += exp(results[base + expert] - highest);
    }
    return total(mine, lane);
}

/// A chosen expert's score in a sparse mixer.
fn mixed_strength(base: u32, chosen: Candidate, lane: u32) -> f32 {
    var mine = 0.0;
    for (var expert = lane; expert < EXPERTS; expert += WORKGROUP) {
        let result = results[base + expert];
        let is_free = !precedes(Candidate(result, expert), chosen);
        if is_free && chosen.preference - result <= SPREAD * max(abs(result), chosen.preference) {
            mine += exp(result - chosen.preference);
        }
    }
    // The chosen one's own summand is 1.
    return 1.0 / max(total(mine, lane), 1.0);
}

/// The sum over the lanes.
fn total(mine: f32, lane: u32) -> f32 {
    partial[lane] = mine;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half = half / 2u) {
        if lane < half {
            partial[lane] += partial[lane + half];
        }
        workgroupBarrier();
    }
    let sum = partial[0];
    // Others may overwrite it only when every lane has read it.
    workgroupBarrier();
    return sum;
}

/// Finds the groups whose experts may be chosen.
fn keep_groups(base: u32, softmax: Softmax, lane: u32) {
    for (var group = lane; group < GROUPS; group += WORKGROUP) {
        let first = group * (EXPERTS / GROUPS);
        var highest = preference(base, first, softmax);
        // Where groups are ranked by two numbers there are two or more.
        var second = -1e30;
        for (var expert = first + 1u; expert < first + EXPERTS / GROUPS; expert++) {
            let found = preference(base, expert, softmax);
            second = max(second, min(found, highest));
            highest = max(highest, found);
        }
        group_ranks[group] = highest + select(0.0, second, RANKED_BY_TWO);
    }
    workgroupBarrier();
    for (var group = lane; group < GROUPS; group += WORKGROUP) {
        let own = group_ranks[group];
        var before = 0u;
        for (var other = 0u; other < GROUPS; other++) {
            let rank = group_ranks[other];
            before += u32(rank > own || (rank == own && other < group));
        }
        is_kept[group] = u32(before < KEPT_GROUPS);
    }
    workgroupBarrier();
}

fn may_be_chosen(expert: u32) -> bool {
    if GROUPS == 1u {
        return true;
    }
    return is_kept[expert / (EXPERTS / GROUPS)] == 1u;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let base = workgroup.y * STRIDE;
    let first_place = workgroup.y * ROUTES_STRIDE;
    var softmax = Softmax(0.0, 1.0);
    if chooses_by_score() && SCORES == SOFTMAX {
        softmax.highest = highest_result(base, lane);
        softmax.sum = sum_of_all(base, softmax.highest, lane);
    }
    if GROUPS > 1u {
        keep_groups(base, softmax, lane);
    }
    var chosen_sum = 0.0;
    var last = Candidate(0.0, EXPERTS);
    for (var place = first_place; place < first_place + ACTIVE; place++) {
        var mine = Candidate(0.0, EXPERTS);
        for (var expert = lane; expert < EXPERTS; expert += WORKGROUP) {
            if may_be_chosen(expert) {
                let candidate = Candidate(preference(base, expert, softmax), expert);
                if (place == first_place || precedes(last, candidate)) && precedes(candidate, mine) {
                    mine = candidate;
                }
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
        // Scores that are no numbers precede nothing: any expert will do.
        let expert = min(last.expert, EXPERTS - 1u);
        let result = results[base + expert];
        if !chooses_by_score() && place == first_place {
            softmax.highest = result;
        }
        var chosen = 0.0;
        if SCORES == SPARSE_MIXER {
            chosen = mixed_strength(base, last, lane);
        } else {
            chosen = strength(result, softmax.highest);
        }
        chosen_sum += chosen;
        if lane == 0u {
            routes[place] = f32(expert);
            routes[place + ACTIVE] = chosen;
        }
    }

    if !chooses_by_score() && SCORES == SOFTMAX && (!RENORMALISED || EPSILON > 0.0) {
        softmax.sum = sum_of_all(base, softmax.highest, lane);
    }
    // The sum of the softmax stands in each summand.
    let divisor = select(softmax.sum, chosen_sum + EPSILON * softmax.sum, RENORMALISED);
    if lane == 0u {
        for (var place = first_place + ACTIVE; place < first_place + 2u * ACTIVE; place++) {
            var share = FACTOR * (routes[place] / divisor);
            if HAS_FACTORS {
                share *= factors[u32(routes[place - ACTIVE])];
            }
            routes[place] = share;
        }
    }
}
