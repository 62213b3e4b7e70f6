//! What a list of noisy timings comes to. On a shared machine the mean says little: one interruption moves it.

/// The middle of the values (the mean of the two in the middle of an even number), or NaN where there are none.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value below which `fraction` of the values lie, interpolated between the two nearest; NaN where there are none.
pub fn quantile(values: &[f64], fraction: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = fraction * last as f64;
    let (below, above) = (
        sorted[place.floor() as usize],
        sorted[place.ceil() as usize],
    );
    below + (above - below) * place.fract()
}

/// How many times as long `slow` took as `fast`: the median of the ratios of the same round, so that a load that
/// lay on a whole round weighs on both. NaN where no round has both.
pub fn ratio(slow: &[f64], fast: &[f64]) -> f64 {
    let ratios: Vec<f64> = slow
        .iter()
        .zip(fast)
        .map(|(slow, fast)| slow / fast)
        .collect();
    median(&ratios)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        assert_eq!(median(&[9., 1., 5.]), 5.);
        assert_eq!(median(&[4., 1., 3., 2.]), 2.5);
        assert_eq!(median(&[7.]), 7.);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn one_interruption_does_not_move_the_median() {
        assert_eq!(median(&[10., 11., 12., 13., 900.]), 12.);
    }

    #[test]
    fn quartiles_lie_between_values() {
        let values = [1., 2., 3., 4., 5.];
        assert_eq!(
            [0., 0.25, 0.75, 1.].map(|at| quantile(&values, at)),
            [1., 2., 4., 5.]
        );
        assert_eq!(quantile(&[1., 2.], 0.25), 1.25);
    }

    #[test]
    fn a_ratio_compares_what_ran_in_the_same_round() {
        // The machine was three times as slow in the second round: the medians alone would say 2.
        assert_eq!(ratio(&[20., 60., 20.], &[10., 30., 10.]), 2.);
        assert_eq!(ratio(&[20., 60., 24.], &[10., 30., 30.]), 2.);
        assert!(ratio(&[1.], &[]).is_nan());
    }
}
