//! bitsandbytes' matrices. Of four bits: `NAME.weight` has the whole matrix' codes one row after the other, two in a byte and the first
//! in its high half; `NAME.weight.absmax` a factor for each block of them, whatever rows it lies in, in f32 or (nested) in
//! codes of eight bits with factors of their own; `NAME.weight.quant_state.…` says the rest, as JSON. Of eight: `NAME.weight` in
//! I8, `NAME.SCB` for each row what 127 stands for.

use serde_json::Value;

use super::joined::{Blocks, Codes, Factors, Joined, Nested};
use super::matrices::{JoinedMatrices, dividing, group, matrix};
use super::parts::{Part, Parts};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::group_format::{GroupCodes, GroupFactors, GroupFormat};
use crate::model::groups::{FP4, NF4};

/// The most bytes that are read of what a matrix says of itself.
const LONGEST_STATE: usize = 4096;

/// The kinds of codes, with the ending of the tensor that tells of them, and what they mean.
const KINDS: [(&str, GroupCodes, &[f32; 16]); 2] = [
    (".weight.quant_state.bitsandbytes__nf4", GroupCodes::Nf4, &NF4),
    (".weight.quant_state.bitsandbytes__fp4", GroupCodes::Fp4, &FP4),
];

pub(super) fn join(parts: &mut Parts) -> Result<JoinedMatrices, FormatError> {
    let mut joined = Vec::new();
    for (ending, codes, table) in KINDS {
        for module in parts.modules(ending, "U8") {
            let Some(state) = parts.take(&format!("{module}{ending}")) else { continue };
            let map = parts.need(&format!("{module}.weight.quant_map"), &state)?;
            check_table(&map, table, parts)?;
            joined.push(four_bits(&module, &state, codes, parts)?);
        }
    }
    for module in parts.modules(".weight", "I8") {
        let Some(weight) = parts.take(&format!("{module}.weight")) else { continue };
        joined.push(eight_bits(&module, weight, parts)?);
    }
    Ok(joined)
}

/// Refuses codes that mean something else. Their meanings are fractions that versions round otherwise.
fn check_table(map: &Part, table: &[f32; 16], parts: &Parts) -> Result<(), FormatError> {
    parts.check(map, &["F32"], &[&[16]])?;
    let stored = parts.bytes(map).as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
    match stored.zip(table).all(|(stored, known)| (stored - known).abs() < 1e-6) {
        true => Ok(()),
        false => Err(parts.error(map, "its codes mean other numbers than nf4's and fp4's".to_owned())),
    }
}

fn four_bits(
    module: &str,
    state: &Part,
    codes: GroupCodes,
    parts: &mut Parts,
) -> Result<(Part, Joined), FormatError> {
    let weight = parts.need(&format!("{module}.weight"), state)?;
    let absmax = parts.need(&format!("{module}.weight.absmax"), state)?;
    let said = read_state(state, parts)?;
    let fields = Fields::new(&said.place, &said.value)?;
    let Some(&[rows, columns]) = fields.optional_indices("shape")?.as_deref() else {
        return Err(fields.error("shape", "a matrix is expected"));
    };
    let block = fields.size("blocksize")?;
    let elements = rows.saturating_mul(columns);
    if weight.stored.bytes.len() != elements.div_ceil(2) {
        let reason =
            format!("it has {} bytes, but {rows} · {columns} codes are said", weight.stored.bytes.len());
        return Err(parts.error(&weight, reason));
    }
    let count = elements.div_ceil(block.max(1));
    let mut stored = vec![weight, absmax];
    let nested = match fields.get("nested_offset").is_some() {
        false => {
            parts.check(&stored[1], &["F32"], &[&[count]])?;
            None
        }
        true => {
            parts.check(&stored[1], &["U8"], &[&[count]])?;
            let nested = Nested {
                block: fields.size("nested_blocksize")?.max(1),
                offset: fields.number("nested_offset")? as f32,
            };
            let factors = parts.need(&format!("{module}.weight.nested_absmax"), state)?;
            parts.check(&factors, &["F32"], &[&[count.div_ceil(nested.block)]])?;
            let map = parts.need(&format!("{module}.weight.nested_quant_map"), state)?;
            parts.check(&map, &["F32"], &[&[256]])?;
            stored.extend([factors, map]);
            Some(nested)
        }
    };
    // Blocks go on from row to row.
    let format = GroupFormat::new(codes, dividing(columns, block), GroupFactors::F32);
    let blocks = Blocks::Groups(format, Factors::Flat { block, nested });
    let whole = Joined::new(blocks, columns, Codes::HighFirst, stored);
    Ok(matrix(module, vec![rows, columns], whole))
}

/// What a matrix says of itself.
struct State {
    place: String,
    value: Value,
}

fn read_state(state: &Part, parts: &Parts) -> Result<State, FormatError> {
    let bytes = parts.bytes(state);
    let value = match bytes.len() {
        0..=LONGEST_STATE => serde_json::from_slice(bytes).map_err(|error| error.to_string()),
        length => Err(format!("it has {length} bytes")),
    };
    let value = value.map_err(|error| parts.error(state, format!("it has to be JSON: {error}")))?;
    Ok(State { place: format!("{}, {}", parts.place(state), state.stored.name), value })
}

fn eight_bits(module: &str, weight: Part, parts: &mut Parts) -> Result<(Part, Joined), FormatError> {
    let largest = parts.need(&format!("{module}.SCB"), &weight)?;
    if let Some(order) = parts.take(&format!("{module}.weight_format"))
        && parts.bytes(&order).iter().any(|byte| *byte != 0)
    {
        return Err(parts.error(&order, "only matrices stored row by row can be read".to_owned()));
    }
    let &[rows, columns] = parts.sizes(&weight)?;
    parts.check(&largest, &["F32"], &[&[rows]])?;
    let size = group(columns, columns);
    let blocks =
        Blocks::Groups(GroupFormat::new(GroupCodes::Int8, size, GroupFactors::F32), Factors::OfLargest);
    let stored = vec![weight, largest];
    let whole = Joined::new(blocks, columns, Codes::SignedRows, stored);
    Ok(matrix(module, vec![rows, columns], whole))
}
