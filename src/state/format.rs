//! Numbers as a reader reads them.

/// A probability or weight as a percentage: whole from ten up, one decimal below, and never "0" for
/// something that is more than nothing.
pub fn percent(value: f32) -> String {
    let tenths = (value * 1000.0).round() as u32;
    match tenths {
        0 if value > 0.0 => "<0.1%".into(),
        0 => "0%".into(),
        1..100 => format!("{}.{}%", tenths / 10, tenths % 10),
        _ => format!("{}%", (tenths + 5) / 10),
    }
}

/// A probability or weight with nine decimals, for programs. (Printing floats exactly takes ten kilobytes of code.)
pub fn decimal(value: f32) -> String {
    let billionths = (f64::from(value) * 1e9).round() as u64;
    format!(
        "{}.{:09}",
        billionths / 1_000_000_000,
        billionths % 1_000_000_000
    )
}

/// A signed number with two decimals, as cosines are given.
pub fn hundredths(value: f32) -> String {
    let hundredths = (value * 100.0).round() as i64;
    let sign = if hundredths < 0 { "−" } else { "" };
    let size = hundredths.unsigned_abs();
    format!("{sign}{}.{:02}", size / 100, size % 100)
}

/// A number that is not below zero, with so many decimals, and never "0" for something that is more than nothing.
pub fn small(value: f64, decimals: u32) -> String {
    let scale = 10_u64.pow(decimals);
    let units = (value * scale as f64).round() as u64;
    let width = decimals as usize;
    let number = |units: u64| format!("{}.{:0width$}", units / scale, units % scale);
    match units {
        0 if value > 0.0 => format!("<{}", number(1)),
        units => number(units),
    }
}

/// Bytes in megabytes with one decimal, or kilobytes below one.
pub fn bytes(count: u64) -> String {
    match count {
        0..1_000_000 => format!("{} KB", count.div_ceil(1000)),
        _ => {
            let tenths = (count + 50_000) / 100_000;
            format!("{}.{} MB", tenths / 10, tenths % 10)
        }
    }
}

/// A count with its unit: thousands, millions.
pub fn count(value: u64) -> String {
    match value {
        0..10_000 => value.to_string(),
        10_000..1_000_000 => format!("{} thousand", value / 1000),
        _ => {
            let tenths = (value + 50_000) / 100_000;
            format!("{}.{} million", tenths / 10, tenths % 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_never_claim_nothing_for_something() {
        let cases = [
            (0.0, "0%"),
            (0.0001, "<0.1%"),
            (0.012, "1.2%"),
            (0.0999, "10%"),
            (0.417, "42%"),
            (1.0, "100%"),
        ];
        for (value, text) in cases {
            assert_eq!(percent(value), text);
        }
    }

    #[test]
    fn small_numbers_never_claim_nothing_for_something() {
        assert_eq!(small(0.0, 4), "0.0000");
        assert_eq!(small(0.000_04, 4), "<0.0001");
        assert_eq!(small(0.012_34, 4), "0.0123");
        assert_eq!(small(12.34, 1), "12.3");
    }

    #[test]
    fn decimals_are_numbers_to_every_program() {
        assert_eq!(decimal(0.25), "0.250000000");
        assert_eq!(decimal(1.0), "1.000000000");
        assert_eq!(decimal(3e-9), "0.000000003");
    }

    #[test]
    fn hundredths_keep_their_sign() {
        assert_eq!(hundredths(0.333), "0.33");
        assert_eq!(hundredths(-0.05), "−0.05");
        assert_eq!(hundredths(-0.001), "0.00");
        assert_eq!(hundredths(12.5), "12.50");
    }

    #[test]
    fn sizes_carry_their_unit() {
        assert_eq!(bytes(812_345), "813 KB");
        assert_eq!(bytes(25_149_000), "25.1 MB");
        assert_eq!(count(750_000), "750 thousand");
        assert_eq!(count(22_713_216), "22.7 million");
    }
}
