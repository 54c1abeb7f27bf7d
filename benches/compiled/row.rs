//! What is told of a kernel, for each generation of GPUs.

use std::error::Error;
use std::fmt::{Display, Formatter};

use serde_json::{Value, json};

use super::driver::CompilingDevice;
use super::listing::{Turn, busiest_loop};
use super::subjects::{Subject, work_of_turn};
use super::translate::spirv;

/// A kernel by one compiler.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// Lanes of a wave.
    pub(crate) lanes: u64,
    /// Vector registers of a lane.
    pub(crate) registers: u64,
    /// Vector registers that did not fit and are kept in memory.
    pub(crate) spilled: u64,
    /// Waves that a SIMD can hold at once.
    pub(crate) waves: u64,
    /// Bytes of workgroup memory.
    workgroup_bytes: u64,
    /// Bytes of code.
    code_bytes: u64,
    /// Of a turn of the busiest loop: vector instructions, how often those multiply and add, loads. Nothing where no loop is,
    /// or where the driver has no assembly for the generation.
    turn: Option<[u64; 3]>,
    /// Vector instructions a weight and row of the batch, where that can be told.
    pub(crate) vector_per_weight: Option<f64>,
}

/// What the numbers of a row in JSON are, in their order; the last is null where it cannot be told, and the three before it
/// are 0.
pub(crate) const COLUMNS: [&str; 10] = [
    "lanes of a wave",
    "vector registers of a lane",
    "vector registers spilled",
    "waves a SIMD holds",
    "bytes of workgroup memory",
    "bytes of code",
    "vector instructions of a turn of the busiest loop",
    "multiply-adds of it",
    "loads of it",
    "vector instructions a weight and row",
];

impl Row {
    /// The kernel by this compiler; with its assembly.
    pub(crate) fn of(device: &CompilingDevice, subject: &Subject) -> Result<(Self, String), Box<dyn Error>> {
        let compiled = device.compile(&spirv(&subject.used)?)?;
        let count =
            |name: &str| compiled.counts.get(name).copied().ok_or(format!("the driver tells no {name}"));
        let turn = busiest_loop(&compiled.assembly);
        // A loop with far fewer of them is not the one over the weights.
        let is_over_weights = |turn: &Turn, work: usize| 2 * turn.multiply_adds >= work;
        let vector_per_weight = turn.zip(work_of_turn(&subject.used)).and_then(|(turn, work)| {
            is_over_weights(&turn, work).then(|| (100 * turn.vector).div_ceil(work) as f64 / 100.0)
        });
        let row = Self {
            lanes: compiled.lanes.into(),
            registers: count("VGPRs")?,
            spilled: count("Spilled VGPRs")?,
            waves: count("Subgroups per SIMD")?,
            workgroup_bytes: count("LDS size")?,
            code_bytes: count("Code size")?,
            turn: turn.map(|turn| [turn.vector, turn.multiply_adds, turn.loads].map(|count| count as u64)),
            vector_per_weight,
        };
        Ok((row, compiled.assembly))
    }

    /// In the order of [`COLUMNS`].
    pub(crate) fn to_json(&self) -> Value {
        let [vector, multiply_adds, loads] = self.turn.unwrap_or_default();
        json!([
            self.lanes,
            self.registers,
            self.spilled,
            self.waves,
            self.workgroup_bytes,
            self.code_bytes,
            vector,
            multiply_adds,
            loads,
            self.vector_per_weight,
        ])
    }

    pub(crate) fn from_json(row: &Value) -> Option<Self> {
        let count = |index: usize| row.get(index)?.as_u64();
        let turn = [count(6)?, count(7)?, count(8)?];
        Some(Self {
            lanes: count(0)?,
            registers: count(1)?,
            spilled: count(2)?,
            waves: count(3)?,
            workgroup_bytes: count(4)?,
            code_bytes: count(5)?,
            turn: (turn[0] > 0).then_some(turn),
            vector_per_weight: row.get(9).and_then(Value::as_f64),
        })
    }
}

impl Display for Row {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let spilled = if self.spilled > 0 { format!("+{}", self.spilled) } else { String::new() };
        write!(f, "{:>3}{spilled:<5} · {:>2} of {}", self.registers, self.waves, self.lanes)?;
        if let Some([vector, multiply_adds, loads]) = self.turn {
            write!(f, " · {vector:>4} ({multiply_adds}), {loads}")?;
        }
        self.vector_per_weight.map_or(Ok(()), |share| write!(f, " · {share:.2}"))
    }
}
