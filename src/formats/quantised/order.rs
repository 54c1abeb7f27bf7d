//! Columns in an order of their own (GPTQ's `desc_act`, compressed-tensors' `actorder`): a tensor says each column's group, and those of
//! a group are no neighbours. Here they are brought together; the input of the matrix has to be too.

use std::sync::Arc;

use super::parts::{Part, Parts};
use crate::formats::error::FormatError;

/// The order in which the columns of a group are neighbours, by the groups of all; none where they already are. Groups have so
/// many columns, but for the last.
pub(super) fn order(
    of_columns: &Part,
    [columns, of_group]: [usize; 2],
    parts: &Parts,
) -> Result<Option<Arc<[u32]>>, FormatError> {
    parts.check(of_columns, &["I32"], &[&[columns]])?;
    let groups: Vec<i32> =
        parts.bytes(of_columns).as_chunks().0.iter().map(|bytes| i32::from_le_bytes(*bytes)).collect();
    let is_in =
        |group: i32, place: usize| usize::try_from(group).is_ok_and(|group| group == place / of_group);
    if groups.iter().zip(0..).all(|(&group, place)| is_in(group, place)) {
        return Ok(None);
    }
    let mut order: Vec<u32> = (0..columns as u32).collect();
    order.sort_by_key(|&column| groups[column as usize]);
    match order.iter().zip(0..).all(|(&column, place)| is_in(groups[column as usize], place)) {
        true => Ok(Some(order.into())),
        false => {
            let reason = format!("it has to put {of_group} columns into each group, from group 0 on");
            Err(parts.error(of_columns, reason))
        }
    }
}

/// A row's codes of so many bits, in another order.
pub(super) fn in_order(codes: &[u8], bits: usize, order: &[u32]) -> Vec<u8> {
    let code = |column: u32| {
        let (byte, shift) = (bits * column as usize / 8, bits * column as usize % 8);
        let next = codes.get(byte + 1).copied().unwrap_or(0);
        u32::from(u16::from_le_bytes([codes[byte], next])) >> shift & ((1 << bits) - 1)
    };
    let mut ordered = Vec::with_capacity(codes.len());
    let (mut pending, mut filled) = (0, 0);
    for &column in order {
        pending |= code(column) << filled;
        filled += bits;
        while filled >= 8 {
            ordered.push(pending as u8);
            pending >>= 8;
            filled -= 8;
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::in_order;

    #[test]
    fn codes_that_run_over_bytes_are_reordered() {
        // Eight codes of three bits, 0 to 7, the first in the lowest bits; and backwards.
        let bytes = |codes: &[u32; 8]| {
            let word = codes.iter().rev().fold(0, |word: u32, code| word << 3 | code);
            word.to_le_bytes()[..3].to_vec()
        };
        let ordered = in_order(&bytes(&[0, 1, 2, 3, 4, 5, 6, 7]), 3, &[7, 6, 5, 4, 3, 2, 1, 0]);
        assert_eq!(ordered, bytes(&[7, 6, 5, 4, 3, 2, 1, 0]));
    }
}
