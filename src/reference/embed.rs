//! Twin of `Op::Embed`: a row of the token table, plus a row of the position table if there is one.

use crate::model::Row;

/// output\[t\] = table\[token(t)\] (+ positions\[position(t)\]); all tables have C columns.
pub(super) fn embed(
    rows: &[Row],
    table: &[f32],
    positions: Option<&[f32]>,
    columns: usize,
    output: &mut [f32],
) {
    for (row, output) in rows.iter().zip(output.chunks_exact_mut(columns)) {
        let token = &table[row.token as usize * columns..][..columns];
        match positions {
            None => output.copy_from_slice(token),
            Some(positions) => {
                let position = &positions[row.position * columns..][..columns];
                for ((output, token), position) in output.iter_mut().zip(token).zip(position) {
                    *output = (f64::from(*token) + f64::from(*position)) as f32;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SequenceId;
    use crate::model::batch::RowOutput;

    fn row(token: u32, position: usize) -> Row {
        Row { token, position, sequence: SequenceId(0), parent: None, output: RowOutput::Nothing }
    }

    #[test]
    fn each_row_takes_the_tokens_vector() {
        let table = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut output = [0.0; 4];
        embed(&[row(2, 0), row(0, 1)], &table, None, 2, &mut output);
        assert_eq!(output, [5.0, 6.0, 1.0, 2.0]);
    }

    #[test]
    fn learned_positions_are_added_by_position_and_token_by_id() {
        let table = [1.0, 2.0, 3.0, 4.0];
        let positions = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0];
        let mut output = [0.0; 2];
        embed(&[row(1, 2)], &table, Some(&positions), 2, &mut output);
        assert_eq!(output, [53.0, 64.0]);
    }
}
