//! The colour of a weight: one hue, with lightness a straight line in Oklab, so that equal steps of weight look
//! equally large, with or without colour vision.

/// Cosine and sine of the accent's hue in Oklch, 36 degrees.
const HUE: (f32, f32) = (0.809_017, 0.587_785_24);

/// Which way the ramp runs: from the paper to the ink, whatever colour the paper has.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Scheme {
    /// Dark ink on light paper.
    #[default]
    Light,
    /// Light ink on dark paper.
    Dark,
}

impl Scheme {
    /// What the ramp's beginning and its end look like, in words.
    pub fn ends(self) -> [&'static str; 2] {
        match self {
            Self::Light => ["pale", "dark"],
            Self::Dark => ["dark", "bright"],
        }
    }
}

/// Position on the ramp (0 to 1) of an attention weight (0 to 1). The square root keeps the many small
/// weights of a row apart; the legend's ticks say so.
pub fn position(weight: f32) -> f32 {
    weight.clamp(0.0, 1.0).sqrt()
}

/// sRGB bytes at a position (0 to 1) on the ramp.
pub fn colour(scheme: Scheme, position: f32) -> [u8; 3] {
    let t = position.clamp(0.0, 1.0);
    let (lightness, chroma) = match scheme {
        Scheme::Light => (0.955 - 0.575 * t, 0.012 + 0.47 * t * (0.62 - 0.36 * t)),
        Scheme::Dark => (0.275 + 0.575 * t, 0.012 + 0.44 * t * (0.72 - 0.56 * t)),
    };
    oklab(lightness, chroma * HUE.0, chroma * HUE.1)
}

/// A CSS gradient along the ramp, for the legend.
pub fn gradient(scheme: Scheme) -> String {
    let stops: Vec<String> = (0..=8)
        .map(|step| {
            let [r, g, b] = colour(scheme, step as f32 / 8.0);
            format!("rgb({r} {g} {b})")
        })
        .collect();
    format!("linear-gradient(to right, {})", stops.join(", "))
}

/// Oklab to sRGB (Björn Ottosson's matrices).
fn oklab(lightness: f32, a: f32, b: f32) -> [u8; 3] {
    let l = (lightness + 0.396_337_78 * a + 0.215_803_76 * b).powi(3);
    let m = (lightness - 0.105_561_35 * a - 0.063_854_17 * b).powi(3);
    let s = (lightness - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
    [
        4.076_741_7 * l - 3.307_711_6 * m + 0.230_969_94 * s,
        -1.268_438 * l + 2.609_757_4 * m - 0.341_319_4 * s,
        -0.004_196_086 * l - 0.703_418_6 * m + 1.707_614_7 * s,
    ]
    .map(encode)
}

/// Linear light to an sRGB byte.
fn encode(linear: f32) -> u8 {
    let value = if linear <= 0.003_130_8 {
        12.92 * linear
    } else {
        1.055 * linear.powf(1.0 / 2.4) - 0.055
    };
    (value.clamp(0.0, 1.0) * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_the_ends_are_true_of_their_colours() {
        let light = |scheme, position| colour(scheme, position).map(u32::from).iter().sum::<u32>();
        for (scheme, begins_lighter) in [(Scheme::Light, true), (Scheme::Dark, false)] {
            assert_eq!(light(scheme, 0.0) > light(scheme, 1.0), begins_lighter);
            assert_eq!(scheme.ends()[0] == "pale", begins_lighter);
        }
    }

    /// Oklab lightness of an sRGB colour, the other way round.
    fn lightness(rgb: [u8; 3]) -> f32 {
        let [r, g, b] = rgb.map(|byte| {
            let value = f32::from(byte) / 255.0;
            if value <= 0.040_45 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        });
        let l = (0.412_221_46 * r + 0.536_332_55 * g + 0.051_445_995 * b).cbrt();
        let m = (0.211_903_5 * r + 0.680_699_5 * g + 0.107_396_96 * b).cbrt();
        let s = (0.088_302_46 * r + 0.281_718_85 * g + 0.629_978_7 * b).cbrt();
        0.210_454_26 * l + 0.793_617_8 * m - 0.004_072_047 * s
    }

    #[test]
    fn equal_steps_look_equal_and_stay_within_srgb() {
        for scheme in [Scheme::Light, Scheme::Dark] {
            let steps: Vec<f32> = (0..=20)
                .map(|step| lightness(colour(scheme, step as f32 / 20.0)))
                .collect();
            let whole = steps[20] - steps[0];
            assert!(whole.abs() > 0.55, "{scheme:?} spans {whole}");
            for pair in steps.windows(2) {
                let step = (pair[1] - pair[0]) / whole * 20.0;
                assert!((step - 1.0).abs() < 0.12, "{scheme:?}: a step of {step}");
            }
        }
    }

    #[test]
    fn the_ramp_starts_near_the_paper_of_its_scheme() {
        assert!(lightness(colour(Scheme::Light, 0.0)) > 0.94);
        assert!(lightness(colour(Scheme::Dark, 0.0)) < 0.3);
    }

    #[test]
    fn weights_outside_the_unit_interval_stay_on_the_ramp() {
        assert_eq!(position(-1.0), 0.0);
        assert_eq!(position(4.0), 1.0);
        assert_eq!(colour(Scheme::Light, 9.0), colour(Scheme::Light, 1.0));
    }
}
