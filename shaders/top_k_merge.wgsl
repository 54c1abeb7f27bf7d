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
/// One for each count of the search, which takes 32 bits of the blocks' keys, 32 of the entries' and 32 of ids; and those below.
const COUNTERS: u32 = 104u;
/// Counters of what has been gathered, at first and after the search over entries.
const GATHERED: u32 = 96u;
const GATHERED_AGAIN: u32 = 97u;
/// The highest key of the row, and the zeros, extremes and broken logits, as a summary has them.
const TOP_KEY: u32 = 98u;
const ODD_ONES: u32 = 99u;

@group(0) @binding(1) var<storage, read> logits: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> highest: array<u32>;
@group(0) @binding(3) var<storage, read> sums: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read_write> summaries: array<u32>;

var<workgroup> counters: array<atomic<u32>, COUNTERS>;
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
            // Keys of padding are 0, and the least key asked for may be 0 as well. Not from 0 to a constant: see gemv_subgroup.wgsl.
            for (var id = 4u * column; id < min(4u * column + 4u, VOCABULARY); id++) {
                let id_key = keys[id % 4u];
                if id_key > key || (id_key == key && id <= last_id) {
                    let place = atomicAdd(&counters[counter], 1u);
                    if place < ROOM {
                        gathered_ids[place] = id;
                        gathered_keys[place] = id_key;
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
    workgroupBarrier();

    // The sums, relative to the row's highest logit.
    var top = 0u;
    for (var block = lane; block < BLOCKS; block += WORKGROUP) {
        top = max(top, highest[blocks + block]);
    }
    atomicMax(&counters[TOP_KEY], top);
    workgroupBarrier();
    top = atomicLoad(&counters[TOP_KEY]);
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
    atomicAdd(&counters[ODD_ONES], odd.x);
    atomicAdd(&counters[ODD_ONES + 1u], odd.y);
    atomicAdd(&counters[ODD_ONES + 2u], odd.z);
    contribute(0u, vec4(sum, weighted, tempered, 0.0), invocation);
    join(invocation);
    // The summary's first words in their order: three sums, three counts.
    let whole = bitcast<vec4<u32>>(joined(0u, invocation));
    for (var word = lane; word <= BROKEN; word += WORKGROUP) {
        let counted = atomicLoad(&counters[ODD_ONES + max(word, ZEROS) - ZEROS]);
        summaries[summary + word] = select(counted, whole[min(word, TEMPERED_SUM)], word < ZEROS);
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
    var key = least;
    var last_id = VOCABULARY;
    var count = 0u;
    // Once, and where there is no room for all once more.
    for (var counter = GATHERED; counter <= GATHERED_AGAIN; counter++) {
        count = gather(row, key, last_id, counter, lane);
        if count <= ROOM {
            break;
        }
        // The M-th highest key, and then the id up to which entries of that key are among the M: the highest that
        // still lets fewer than M through, and one more.
        key = 0u;
        last_id = 0u;
        var is_of_ids = false;
        for (var bit = first_bit; bit > 0u; ) {
            let last = select(VOCABULARY, (last_id | bit) - 1u, is_of_ids);
            let are_enough = count_row(row, select(key | bit, key, is_of_ids), last, round, lane) >= wanted;
            round += 1u;
            key |= select(0u, bit, are_enough && !is_of_ids);
            last_id |= select(0u, bit, !are_enough && is_of_ids);
            bit = bit >> 1u;
            if bit == 0u && !is_of_ids {
                is_of_ids = true;
                bit = 0x80000000u >> countLeadingZeros(VOCABULARY);
            }
        }
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
