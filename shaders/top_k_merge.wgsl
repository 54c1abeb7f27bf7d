// Second half of selection: the highest M logits of a row in order, and the sums over the whole row.
//
//   summary = Σ exp(l − max), Σ (l − max) · exp(l − max), Σ exp((l − max) / temperature), counts,
//             and the M highest (id, logit), by descending logit and then ascending id
//
// By counting instead of sorting: at least M blocks reach the M-th highest of the blocks' highest logits, so at
// least M entries do, and mostly few more. Those are gathered, and each takes the place that the number of
// entries before it names. Should more reach it than there is room for (ties, or high logits that lie close
// together), counting goes on over the entries until the threshold lets exactly M through.
// Shapes: logits (output rows) × V; highest, sums (output rows) × BLOCKS; summaries (output rows) × 256 words.
// M = min(120, V).
// Split: one workgroup a row; each lane takes every WORKGROUP-th block.
// Twin: src/reference/selection.rs

override WORKGROUP: u32;

const SLOTS: u32 = 1u;
/// Entries that can be gathered.
const ROOM: u32 = 1024u;
/// One for each count of the search, which takes 32 bits of the blocks' keys, 32 of the entries' and 32 of ids.
const COUNTERS: u32 = 100u;
/// Counters of what has been gathered, at first and after the search over entries.
const GATHERED: u32 = 96u;
const GATHERED_AGAIN: u32 = 97u;

@group(0) @binding(1) var<storage, read> logits: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> highest: array<u32>;
@group(0) @binding(3) var<storage, read> sums: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read_write> summaries: array<u32>;

var<workgroup> counters: array<atomic<u32>, COUNTERS>;
var<workgroup> top_key: atomic<u32>;
var<workgroup> odd_ones: array<atomic<u32>, 3>;
var<workgroup> gathered_ids: array<u32, ROOM>;
var<workgroup> gathered_keys: array<u32, ROOM>;

/// The logit that a key stands for.
fn logit_of(key: u32) -> f32 {
    return bitcast<f32>(select(~key, key & 0x7fffffffu, key >> 31u == 1u));
}

/// The sum of `count` over the workgroup. Every round of counting has a counter of its own, so that one barrier
/// is enough.
fn total(count: u32, round: u32) -> u32 {
    if count > 0u {
        atomicAdd(&counters[round], count);
    }
    workgroupBarrier();
    return atomicLoad(&counters[round]);
}

/// How many of a block's entries come no later than the one with this key and id.
fn count_block(row: u32, block: u32, key: u32, last_id: u32) -> u32 {
    let first = block_start(block);
    let end = min(first + BLOCK4 * STRIDE, COLUMNS4);
    var count = 0u;
    for (var column = first; column < end; column += STRIDE) {
        let keys = keys4(logits[row * COLUMNS4 + column], column);
        let ids = 4u * column + vec4(0u, 1u, 2u, 3u);
        let found = (keys > vec4(key)) | ((keys == vec4(key)) & (ids <= vec4(last_id)));
        count += dot(select(vec4(0u), vec4(1u), found), vec4(1u));
    }
    return count;
}

/// As [`count_block`], for all blocks of the row.
fn count_row(row: u32, key: u32, last_id: u32, round: u32, lane: u32) -> u32 {
    var count = 0u;
    for (var block = lane; block < BLOCKS; block += WORKGROUP) {
        if highest[row * BLOCKS + block] >= key {
            count += count_block(row, block, key, last_id);
        }
    }
    return total(count, round);
}

/// Gathers the entries that come no later than the one with this key and id, as far as there is room, and
/// returns how many there are.
fn gather(row: u32, key: u32, last_id: u32, counter: u32, lane: u32) -> u32 {
    for (var block = lane; block < BLOCKS; block += WORKGROUP) {
        if highest[row * BLOCKS + block] < key {
            continue;
        }
        let first = block_start(block);
        let end = min(first + BLOCK4 * STRIDE, COLUMNS4);
        for (var column = first; column < end; column += STRIDE) {
            let keys = keys4(logits[row * COLUMNS4 + column], column);
            for (var part = 0u; part < 4u; part++) {
                let id = 4u * column + part;
                // Keys of padding are 0, and the least key asked for may be 0 as well.
                if id < VOCABULARY && (keys[part] > key || (keys[part] == key && id <= last_id)) {
                    let place = atomicAdd(&counters[counter], 1u);
                    if place < ROOM {
                        gathered_ids[place] = id;
                        gathered_keys[place] = keys[part];
                    }
                }
            }
        }
    }
    workgroupBarrier();
    return atomicLoad(&counters[counter]);
}

fn run(workgroup: vec3<u32>, invocation: Lane) {
    let lane = invocation.index;
    let row = workgroup.x;
    let blocks = row * BLOCKS;
    let summary = row * SUMMARY_WORDS;
    for (var index = lane; index < COUNTERS; index += WORKGROUP) {
        atomicStore(&counters[index], 0u);
    }
    if lane == 0u {
        atomicStore(&top_key, 0u);
        atomicStore(&odd_ones[0], 0u);
        atomicStore(&odd_ones[1], 0u);
        atomicStore(&odd_ones[2], 0u);
    }
    workgroupBarrier();

    // The sums, relative to the row's highest logit.
    var top = 0u;
    for (var block = lane; block < BLOCKS; block += WORKGROUP) {
        top = max(top, highest[blocks + block]);
    }
    atomicMax(&top_key, top);
    workgroupBarrier();
    top = atomicLoad(&top_key);
    let top_logit = logit_of(top);
    let inverse_temperature = sampling_number(row, SAMPLING_INVERSE_TEMPERATURE);
    var sum = 0.0;
    var weighted = 0.0;
    var tempered = 0.0;
    var odd = vec3(0u);
    for (var block = lane; block < BLOCKS; block += WORKGROUP) {
        let key = highest[blocks + block];
        if key == 0u {
            continue;
        }
        let part = sums[blocks + block];
        let below = max(logit_of(key), top_logit - 1e30) - top_logit;
        let share = weight(below);
        sum += share * bitcast<f32>(part.x);
        weighted += share * (bitcast<f32>(part.y) + max(below, -87.0) * bitcast<f32>(part.x));
        tempered += weight(below * inverse_temperature) * bitcast<f32>(part.z);
        odd += vec3(part.w & 255u, (part.w >> 8u) & 255u, part.w >> 16u);
    }
    atomicAdd(&odd_ones[0], odd.x);
    atomicAdd(&odd_ones[1], odd.y);
    atomicAdd(&odd_ones[2], odd.z);
    contribute(0u, vec4(sum, weighted, tempered, 0.0), invocation);
    join(invocation);
    if lane == 0u {
        let whole = bitcast<vec4<u32>>(joined(0u, invocation));
        summaries[summary + SUM] = whole.x;
        summaries[summary + WEIGHTED_SUM] = whole.y;
        summaries[summary + TEMPERED_SUM] = whole.z;
        summaries[summary + ZEROS] = atomicLoad(&odd_ones[0]);
        summaries[summary + EXTREMES] = atomicLoad(&odd_ones[1]);
        summaries[summary + BROKEN] = atomicLoad(&odd_ones[2]);
    }

    // A key that at least M blocks reach, from its highest bit down; exact only as far as it pays.
    let wanted = min(MOST_CANDIDATES, VOCABULARY);
    let first_bit = 0x80000000u >> countLeadingZeros(top);
    var least = 0u;
    var round = 0u;
    for (var bit = first_bit; bit > 0u; bit = bit >> 1u) {
        let trial = least | bit;
        var reaching = 0u;
        for (var block = lane; block < BLOCKS; block += WORKGROUP) {
            reaching += select(0u, 1u, highest[blocks + block] >= trial);
        }
        let count = total(reaching, round);
        round += 1u;
        if count >= wanted {
            least = trial;
            if count <= wanted + wanted / 2u {
                break;
            }
        }
    }
    var count = gather(row, least, VOCABULARY, GATHERED, lane);

    if count > ROOM {
        // The M-th highest key, and then the id up to which entries of that key are among the M.
        var key = 0u;
        for (var bit = first_bit; bit > 0u; bit = bit >> 1u) {
            if count_row(row, key | bit, VOCABULARY, round, lane) >= wanted {
                key |= bit;
            }
            round += 1u;
        }
        // The highest id that still lets fewer than M through, and one more.
        var too_low = 0u;
        for (var bit = 0x80000000u >> countLeadingZeros(VOCABULARY); bit > 0u; bit = bit >> 1u) {
            if count_row(row, key, (too_low | bit) - 1u, round, lane) < wanted {
                too_low |= bit;
            }
            round += 1u;
        }
        count = gather(row, key, too_low, GATHERED_AGAIN, lane);
    }

    for (var index = lane; index < count; index += WORKGROUP) {
        let id = gathered_ids[index];
        let key = gathered_keys[index];
        var place = 0u;
        for (var other = 0u; other < count; other++) {
            let other_key = gathered_keys[other];
            place += select(0u, 1u, other_key > key || (other_key == key && gathered_ids[other] < id));
        }
        if place < wanted {
            summaries[summary + IDS + place] = id;
            summaries[summary + LOGITS + place] = bitcast<u32>(logits[row * COLUMNS4 + id / 4u][id % 4u]);
        }
    }
}
