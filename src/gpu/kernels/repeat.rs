//! Lines of a kernel that stand several times, each time with other numbers: WGSL has no macros, and what is kept in
//! variables stays in registers, where a compiler may move an array to memory.

/// The text with each line that has a `$` and one of these letters once for each number below its count, in place of
/// both. Lines that follow one another and have the same letters stand together; of several letters the first counts
/// slowest. Comments stay as they are.
pub(super) fn repeated(text: &str, counts: &[(char, u32)]) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut result = String::new();
    for group in lines.chunk_by(|line, next| letters(line, counts) == letters(next, counts)) {
        let mut copies = vec![group.join("\n")];
        for (letter, count) in letters(group[0], counts) {
            let numbered = |copy: &String| {
                (0..count)
                    .map(|number| copy.replace(&format!("${letter}"), &number.to_string()))
                    .collect::<Vec<_>>()
            };
            copies = copies.iter().flat_map(numbered).collect();
        }
        result.extend(copies.iter().flat_map(|copy| [copy.as_str(), "\n"]));
    }
    result
}

/// What a line repeats for.
fn letters(line: &str, counts: &[(char, u32)]) -> Vec<(char, u32)> {
    let is_comment = line.trim_start().starts_with("//");
    let named = |letter: char| !is_comment && line.contains(&format!("${letter}"));
    counts.iter().copied().filter(|&(letter, _)| named(letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stand_once_for_each_number() {
        let text = "// $i\nlet a_$i = $iu;\nb($j);\nc($i, $j);\nd($j_$i);\nend";
        let expected = "// $i\nlet a_0 = 0u;\nlet a_1 = 1u;\nb(0);\nb(1);\nb(2);\n\
             c(0, 0);\nd(0_0);\nc(0, 1);\nd(1_0);\nc(0, 2);\nd(2_0);\n\
             c(1, 0);\nd(0_1);\nc(1, 1);\nd(1_1);\nc(1, 2);\nd(2_1);\nend\n";
        assert_eq!(repeated(text, &[('i', 2), ('j', 3)]), expected);
        assert_eq!(repeated("plain\n", &[('i', 2)]), "plain\n");
        assert_eq!(
            repeated("  // of $i\n  e($i);\n  f();", &[('i', 2)]),
            "  // of $i\n  e(0);\n  e(1);\n  f();\n"
        );
    }
}
