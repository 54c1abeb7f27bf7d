//! Reading a compiler's assembly: its loops, and what one turn of the busiest of them issues.

/// What one turn of a loop issues, for one wave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Vector instructions that compute.
    pub(crate) vector: usize,
    /// Those of them that multiply and add at once, of matrices too.
    pub(crate) multiply_adds: usize,
    /// Loads from buffers, by lanes or for a whole wave.
    pub(crate) loads: usize,
    /// Loads from and stores to workgroup memory.
    pub(crate) workgroup: usize,
    /// Loads from and stores to scratch memory, which is where registers are spilled to.
    pub(crate) scratch: usize,
}

impl Turn {
    fn add(&mut self, instruction: &str) {
        let begins = |any: &[&str]| any.iter().any(|begin| instruction.starts_with(begin));
        if begins(&["v_"]) && !begins(&["v_nop"]) {
            self.vector += 1;
            // Two in one instruction are told as `v_dual_fmac_f32 … :: v_dual_mul_f32 …`.
            let halves = instruction.split("::").map(str::trim).filter(|half| multiplies_and_adds(half));
            self.multiply_adds += halves.count();
        }
        self.loads +=
            usize::from(begins(&["buffer_load", "global_load", "flat_load", "s_load", "s_buffer_load"]));
        self.workgroup += usize::from(begins(&["ds_"]));
        self.scratch += usize::from(begins(&["scratch_"]));
    }
}

fn multiplies_and_adds(instruction: &str) -> bool {
    let name = instruction.trim_start_matches("v_").trim_start_matches("dual_").trim_start_matches("pk_");
    ["fma", "mac", "mad", "dot", "wmma"].iter().any(|begin| name.starts_with(begin))
}

/// One turn of the busiest of the loops that have no loop within: the one with the most multiplications and additions,
/// else the most vector instructions. `None` where nothing is repeated.
pub(crate) fn busiest_loop(assembly: &str) -> Option<Turn> {
    let blocks = blocks(assembly);
    let place = |label: &str| blocks.iter().position(|block| block.label == label);
    // A loop is what lies between a label and a later jump back to it.
    let mut loops: Vec<(usize, usize)> = Vec::new();
    for (end, block) in blocks.iter().enumerate() {
        let targets = block.instructions.iter().filter_map(|instruction| jump(instruction));
        loops.extend(targets.filter_map(place).filter(|begin| *begin <= end).map(|begin| (begin, end)));
    }
    let within = |inner: &(usize, usize), outer: &(usize, usize)| {
        inner != outer && outer.0 <= inner.0 && inner.1 <= outer.1
    };
    let innermost = loops.iter().filter(|outer| {
        // Two jumps back to one label are one loop, whose end is the later one.
        !loops.iter().any(|inner| within(inner, outer) && inner.0 != outer.0)
            && !loops.iter().any(|other| other.0 == outer.0 && other.1 > outer.1)
    });
    let turns = innermost.map(|(begin, end)| {
        let mut turn = Turn::default();
        let instructions = blocks[*begin..=*end].iter().flat_map(|block| &block.instructions);
        instructions.for_each(|instruction| turn.add(instruction));
        turn
    });
    turns.max_by_key(|turn| (turn.multiply_adds, turn.vector))
}

struct Block<'a> {
    label: &'a str,
    instructions: Vec<&'a str>,
}

fn blocks(assembly: &str) -> Vec<Block<'_>> {
    let mut blocks = vec![Block { label: "", instructions: Vec::new() }];
    for line in assembly.lines() {
        let code = line.split(';').next().unwrap_or_default().trim();
        match code.strip_suffix(':') {
            Some(label) => blocks.push(Block { label, instructions: Vec::new() }),
            None if code.is_empty() => {}
            None => blocks.last_mut().expect("one from the start").instructions.push(code),
        }
    }
    blocks
}

/// Where an instruction jumps to.
fn jump(instruction: &str) -> Option<&str> {
    let (name, label) = instruction.split_once(' ')?;
    (name.starts_with("s_cbranch") || name == "s_branch").then(|| label.trim())
}
