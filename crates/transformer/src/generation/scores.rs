//! Arithmetic on rows of scores over the vocabulary.

/// The `k` highest of `values` with their places, highest first, the earlier of two equals first.
pub(super) fn top_k(values: impl IntoIterator<Item = f32>, k: usize) -> Vec<(usize, f32)> {
    let mut best: Vec<(usize, f32)> = Vec::with_capacity(k + 1);
    for (place, value) in values.into_iter().enumerate() {
        if best.len() == k && best.last().is_none_or(|&(_, least)| value <= least) {
            continue;
        }
        let at = best.partition_point(|&(_, better)| better >= value);
        best.insert(at, (place, value));
        best.truncate(k);
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn top_k_is_sorted_and_prefers_the_earlier_of_equals() {
        let values = [1., 5., 3., 5., f32::NEG_INFINITY];
        assert_eq!(top_k(values, 3), [(1, 5.), (3, 5.), (2, 3.)]);
        assert_eq!(top_k(values, 9).len(), 5, "fewer than asked for");
        assert_eq!(top_k(values, 0), []);
    }
}
