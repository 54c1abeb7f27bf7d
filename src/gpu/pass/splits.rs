//! Into how many splits attention divides the positions of a row: enough to keep a GPU at work, none without positions for
//! all lanes of a workgroup. Split key/value attention is Dao et al. 2023 (flash-decoding).

/// Workgroups that are enough for every GPU: four of 128 lanes for each of an H200's 132 multiprocessors are 528.
const ENOUGH_WORKGROUPS: usize = 512;
/// Bounds of how many partial results there are: many take memory, and time to be combined.
const PARTIALS: [usize; 2] = [64, 128];

/// Most partial results of attention, splits of all rows together, where so many workgroups take a row's positions together.
pub(crate) fn most_partials(groups: usize) -> usize {
    let [least, most] = PARTIALS;
    (ENOUGH_WORKGROUPS / groups.max(1)).clamp(least, most)
}

/// How attention divides the positions of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SplitRule {
    /// Fewest positions of a row for which they are split.
    pub least: usize,
    /// Splits have a multiple of so many positions.
    pub step: usize,
    /// Most splits of all rows together.
    pub most: usize,
}

impl SplitRule {
    /// Splits of the longest of so many rows, which sees so many positions. Their positions are `split_positions` of
    /// `shaders/lib/pass.wgsl`.
    pub(super) fn of(self, rows: usize, longest: usize) -> usize {
        if longest < self.least {
            return 1;
        }
        let most = (self.most / rows.max(1)).max(1);
        let steps = longest.div_ceil(self.step);
        steps.div_ceil(steps.div_ceil(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::kernels::AttentionChoice;

    fn rule(choice: AttentionChoice, groups: usize) -> SplitRule {
        let AttentionChoice { least_split: least, split_step: step, .. } = choice;
        SplitRule { least, step, most: most_partials(groups) }
    }

    /// As the shader has it.
    fn split_positions(rule: SplitRule, splits: usize, seen: usize) -> usize {
        seen.div_ceil(rule.step * splits) * rule.step
    }

    #[test]
    fn splits_fill_a_gpu_and_have_positions_for_every_lane() {
        // Contexts; then by workgroups a split the splits, and the positions of each but the last.
        let contexts = [128, 255, 256, 300, 1024, 1100, 8192, 9000, 32_768, 131_072];
        let few = [1, 1, 2, 3, 8, 9, 64, 71, 128, 128];
        let many = [1, 1, 2, 3, 8, 9, 64, 36, 64, 64];
        for (groups, expected) in [(1, few), (2, few), (3, few), (4, few), (8, many), (10, many), (32, many)]
        {
            let rule = rule(AttentionChoice::GPU, groups);
            assert_eq!(contexts.map(|context| rule.of(1, context)), expected, "{groups} workgroups");
        }
        let positions = |groups, context: usize| {
            let rule = rule(AttentionChoice::GPU, groups);
            split_positions(rule, rule.of(1, context), context)
        };
        assert_eq!(
            [256, 300, 1100, 9000, 131_072].map(|context| positions(2, context)),
            [128, 128, 128, 128, 1024]
        );
        assert_eq!(
            [256, 300, 1100, 9000, 131_072].map(|context| positions(8, context)),
            [128, 128, 128, 256, 2048]
        );
    }

    #[test]
    fn rows_share_what_splits_there_may_be() {
        let rule = rule(AttentionChoice::GPU, 8);
        let splits = [1, 2, 3, 5, 8, 64, 100].map(|rows| rule.of(rows, 4096));
        assert_eq!(splits, [32, 32, 16, 11, 8, 1, 1]);
    }

    #[test]
    fn every_position_is_in_a_split_and_no_row_has_more_splits_than_the_longest() {
        for choice in [AttentionChoice::GPU, AttentionChoice::CPU] {
            for (groups, rows) in [(1, 1), (2, 3), (8, 1), (8, 8), (32, 5)] {
                let rule = rule(choice, groups);
                for longest in (1..3000).step_by(7).chain([8191, 8192, 8193, 40_000, 131_071]) {
                    let splits = rule.of(rows, longest);
                    assert!(splits * rows <= rule.most.max(rows), "{rule:?}: {splits} of {rows} rows");
                    let own = split_positions(rule, splits, longest);
                    assert_eq!(longest.div_ceil(own), splits, "{rule:?}: {longest} in {own}");
                    for seen in [1, rule.step, longest / 2, longest].map(|seen| seen.clamp(1, longest)) {
                        let own = split_positions(rule, splits, seen);
                        assert!(own > 0 && seen.div_ceil(own) <= splits, "{rule:?}: {seen} of {longest}");
                    }
                }
            }
        }
    }
}
