//! How BART chooses among its tokens, as the reader sets it. Values are hundredths, so that nothing here prints floats.

use unmask_protocol::GenerateOptions;

/// One number that the reader may set.
#[derive(Debug)]
pub struct Control {
    /// In the address.
    pub name: &'static str,
    /// On the page.
    pub label: &'static str,
    /// Smallest value, in hundredths.
    pub least: u32,
    /// Largest value, in hundredths.
    pub most: u32,
    /// From one value to the next, in hundredths.
    pub step: u32,
    /// When it has an effect.
    pub works: Works,
}

/// When a control has an effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Works {
    /// In every search.
    Always,
    /// With one beam.
    OneBeam,
    /// With one beam and a temperature: where chance decides.
    Drawing,
    /// With more than one beam.
    Beams,
}

const fn control(
    name: &'static str,
    label: &'static str,
    least: u32,
    most: u32,
    step: u32,
    works: Works,
) -> Control {
    Control {
        name,
        label,
        least,
        most,
        step,
        works,
    }
}

/// All of them, in the order of [`Decoding`].
pub static CONTROLS: [Control; 8] = [
    control("most", "Most tokens", 100, 20_000, 100, Works::Always),
    control("fewest", "Fewest tokens", 0, 20_000, 100, Works::Always),
    control("temperature", "Temperature", 0, 300, 10, Works::OneBeam),
    control("among", "Top k", 100, 100_000, 100, Works::Drawing),
    control("likely", "Top p", 5, 100, 5, Works::Drawing),
    control("seed", "Seed", 0, 99_999_900, 100, Works::Drawing),
    control(
        "unrepeated",
        "No repeated n-gram of",
        0,
        1_000,
        100,
        Works::Always,
    ),
    control("lengths", "Length penalty", 0, 500, 10, Works::Beams),
];

/// Place of the temperature among [`CONTROLS`].
const TEMPERATURE: usize = 2;

impl Control {
    /// A value as the reader types it, in hundredths; none where it isn't one that this control takes.
    pub fn read(&self, text: &str) -> Option<u32> {
        let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > 7 || part.len() > 2 || !digits(whole) || !digits(part)
        {
            return None;
        }
        let tenfold = if part.len() == 1 { 10 } else { 1 };
        let part = match part {
            "" => 0,
            part => part.parse::<u32>().ok()? * tenfold,
        };
        let value = whole.parse::<u32>().ok()? * 100 + part;
        let whole_only = self.step >= 100 && part > 0;
        ((self.least..=self.most).contains(&value) && !whole_only).then_some(value)
    }

    /// A value as [`Self::read`] takes it.
    pub fn write(&self, value: u32) -> String {
        hundredths(value)
    }

    /// What it takes, in words.
    pub fn range(&self) -> String {
        let (least, most) = (hundredths(self.least), hundredths(self.most));
        let kind = if self.step >= 100 {
            "a whole number"
        } else {
            "a number"
        };
        format!("{}: {kind} from {least} to {most}, please.", self.label)
    }
}

/// A number of hundredths, written with as many decimals as it needs.
pub fn hundredths(value: u32) -> String {
    match (value / 100, value % 100) {
        (whole, 0) => whole.to_string(),
        (whole, part) if part % 10 == 0 => format!("{whole}.{}", part / 10),
        (whole, part) => format!("{whole}.{part:02}"),
    }
}

/// What the reader has set, in hundredths; what is none is the model's own.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Decoding(pub [Option<u32>; CONTROLS.len()]);

impl Decoding {
    /// Place of the seed among [`CONTROLS`].
    pub const SEED: usize = 5;

    /// Whether chance decides: the reader wants a temperature, and there is one beam.
    pub fn draws(&self, beams: usize) -> bool {
        beams == 1 && self.0[TEMPERATURE].is_some_and(|temperature| temperature > 0)
    }

    /// Whether a control has an effect with so many beams.
    pub fn works(&self, control: &Control, beams: usize) -> bool {
        match control.works {
            Works::Always => true,
            Works::OneBeam => beams == 1,
            Works::Drawing => self.draws(beams),
            Works::Beams => beams > 1,
        }
    }

    /// As the engine takes it. What has no effect is left out, so that nothing is written anew for it.
    pub fn options(&self, beams: usize) -> GenerateOptions {
        let value = |at: usize| self.0[at].filter(|_| self.works(&CONTROLS[at], beams));
        let count = |at| value(at).map(|value| value as usize / 100);
        let share = |at| value(at).map(|value| f64::from(value) / 100.0);
        GenerateOptions {
            num_beams: Some(beams),
            max_new_tokens: count(0),
            min_new_tokens: count(1),
            temperature: share(TEMPERATURE),
            top_k: count(3),
            top_p: share(4),
            seed: value(Self::SEED).map(|value| u64::from(value) / 100),
            no_repeat_ngram_size: count(6),
            length_penalty: value(7).map(|value| value as f32 / 100.0),
            ..GenerateOptions::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_they_are_written_and_bad_ones_are_refused() {
        for control in &CONTROLS {
            for value in [control.least, control.most] {
                assert_eq!(control.read(&control.write(value)), Some(value));
            }
            for bad in [
                "",
                "-1",
                "1e2",
                "NaN",
                "9999999",
                "99999999999",
                "1.234",
                "1.2.3",
            ] {
                assert_eq!(control.read(bad), None, "{}: {bad}", control.name);
            }
            assert!(control.range().starts_with(control.label));
        }
        assert_eq!(CONTROLS[TEMPERATURE].read("0.7"), Some(70));
        assert_eq!(CONTROLS[4].read("0.05"), Some(5));
        assert_eq!(CONTROLS[0].read("1.5"), None, "half a token");
        assert_eq!(hundredths(5), "0.05");
    }

    #[test]
    fn what_has_no_effect_is_left_out() {
        let mut all = Decoding(std::array::from_fn(|at| Some(CONTROLS[at].most)));
        let beams = all.options(4);
        assert_eq!(
            (beams.temperature, beams.top_k, beams.seed),
            (None, None, None)
        );
        assert_eq!(beams.length_penalty, Some(5.0));
        let drawn = all.options(1);
        assert_eq!((drawn.temperature, drawn.top_p), (Some(3.0), Some(1.0)));
        assert_eq!(
            (drawn.length_penalty, drawn.max_new_tokens),
            (None, Some(200))
        );
        all.0[TEMPERATURE] = Some(0);
        assert_eq!(all.options(1).seed, None, "nothing is drawn");
    }
}
