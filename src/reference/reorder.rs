//! Twin of `Op::Reorder`: the columns of each row in another order.

/// output\[t\]\[c\] = input\[t\]\[order\[c\]\], rows of as many elements as the order has.
pub(super) fn reorder(order: &[f32], input: &[f32], output: &mut [f32]) {
    let columns = order.len();
    for (input, output) in input.chunks_exact(columns).zip(output.chunks_exact_mut(columns)) {
        for (value, place) in output.iter_mut().zip(order) {
            *value = input[*place as usize];
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_row_comes_in_the_order() {
        let mut output = [0.0; 6];
        super::reorder(&[2.0, 0.0, 1.0], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &mut output);
        assert_eq!(output, [3.0, 1.0, 2.0, 6.0, 4.0, 5.0]);
    }
}
