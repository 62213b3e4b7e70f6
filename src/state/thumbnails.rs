//! Where the thumbnails of all heads lie, and their pixels.

use super::attention::Attention;

/// Layers downwards, heads across; lengths in CSS pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thumbnails {
    /// Layers.
    pub layers: usize,
    /// Heads per layer.
    pub heads: usize,
    /// Side of a thumbnail, a whole number.
    pub side: f64,
}

impl Thumbnails {
    /// Room above and to the left, for the numbers.
    pub const MARGIN: f64 = 22.0;
    const GAP: f64 = 6.0;
    const SIDES: std::ops::RangeInclusive<f64> = 18.0..=112.0;

    /// The largest thumbnails that fit into `width`.
    pub fn fit(width: f64, layers: usize, heads: usize) -> Self {
        let room = (width - Self::MARGIN) / heads.max(1) as f64 - Self::GAP;
        Self {
            layers,
            heads,
            side: room.floor().clamp(*Self::SIDES.start(), *Self::SIDES.end()),
        }
    }

    /// Upper left corner of a thumbnail.
    pub fn corner(&self, layer: usize, head: usize) -> (f64, f64) {
        let step = self.side + Self::GAP;
        (
            Self::MARGIN + head as f64 * step,
            Self::MARGIN + layer as f64 * step,
        )
    }

    /// Width of the whole.
    pub fn width(&self) -> f64 {
        self.corner(0, self.heads).0
    }

    /// Height of the whole.
    pub fn height(&self) -> f64 {
        self.corner(self.layers, 0).1
    }

    /// Layer and head under a point; what lies between two belongs to the one before.
    pub fn hit(&self, x: f64, y: f64) -> Option<(usize, usize)> {
        let step = self.side + Self::GAP;
        let index = |offset: f64, count: usize| {
            let index = ((offset - Self::MARGIN) / step).floor();
            (index >= 0.0 && (index as usize) < count).then_some(index as usize)
        };
        Some((index(y, self.layers)?, index(x, self.heads)?))
    }
}

/// Width, height and RGBA bytes of all thumbnails, at `ratio` device pixels to a CSS pixel. A pixel that covers several
/// cells shows the largest; what is forbidden is hatched, and what lies beyond `extent` (rows, columns) stays empty.
/// `palette` has a colour for each of 256 steps on the ramp.
pub fn pixels(
    attention: &Attention,
    extent: (usize, usize),
    layout: &Thumbnails,
    ratio: f64,
    palette: &[[u8; 3]],
    hatch: [u8; 3],
) -> (usize, usize, Vec<u8>) {
    let width = (layout.width() * ratio).ceil() as usize;
    let height = (layout.height() * ratio).ceil() as usize;
    let mut pixels = vec![0; width * height * 4];
    let (rows, columns) = (attention.rows(), attention.columns());
    let side = (layout.side * ratio).floor() as usize;
    if rows == 0 || columns == 0 || palette.len() < 256 {
        return (width, height, pixels);
    }
    // Cells that a pixel covers: at least one.
    let covered = |pixel: usize, cells: usize| {
        let start = pixel * cells / side;
        start..((pixel + 1) * cells / side).max(start + 1)
    };
    for plane in 0..attention.planes() {
        let (x, y) = layout.corner(plane / attention.heads(), plane % attention.heads());
        let (left, top) = ((x * ratio) as usize, (y * ratio) as usize);
        for dy in 0..side {
            for dx in 0..side {
                let (across, down) = (covered(dx, columns), covered(dy, rows));
                if down.start >= extent.0 || across.start >= extent.1 {
                    continue;
                }
                let mut largest = None;
                for row in down {
                    let weights = attention.weights_of(plane, row);
                    for column in across.clone() {
                        if attention.allows(row, column) {
                            largest = Some(weights[column].max(largest.unwrap_or(0.0)));
                        }
                    }
                }
                let colour = match largest {
                    Some(weight) => palette[(weight.clamp(0.0, 1.0).sqrt() * 255.0) as usize],
                    None if (dx + dy) % 5 == 0 => hatch,
                    None => continue,
                };
                let at = ((top + dy) * width + left + dx) * 4;
                if let Some(pixel) = pixels.get_mut(at..at + 4) {
                    pixel.copy_from_slice(&[colour[0], colour[1], colour[2], 255]);
                }
            }
        }
    }
    (width, height, pixels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::attention::tests::header;

    #[test]
    fn thumbnails_fill_the_width_and_are_found_again() {
        let layout = Thumbnails::fit(700.0, 6, 12);
        assert!(layout.width() <= 700.0 && layout.side > 40.0);
        let (x, y) = layout.corner(5, 11);
        assert_eq!(layout.hit(x + 1.0, y + 1.0), Some((5, 11)));
        assert_eq!(layout.hit(3.0, y), None);
        assert_eq!(layout.hit(x, layout.height() + 9.0), None);
        assert_eq!(Thumbnails::fit(0.0, 1, 12).side, 18.0);
    }

    #[test]
    fn weights_get_their_colour_and_forbidden_cells_their_hatching() {
        let weights = vec![1.0, 0.0, 0.25, 0.75];
        let attention =
            Attention::new(header(2, 1, 1), vec![1, 0, 1, 1], vec![0.0; 4], weights).unwrap();
        let layout = Thumbnails::fit(60.0, 1, 1);
        let palette: Vec<[u8; 3]> = (0..=255).map(|step| [step, 0, 9]).collect();
        let all = (usize::MAX, usize::MAX);
        let (width, _, picture) = pixels(&attention, all, &layout, 1.0, &palette, [1, 2, 3]);
        let (x, y) = layout.corner(0, 0);
        let pixel = |dx: f64, dy: f64| {
            let at = ((y + dy) as usize * width + (x + dx) as usize) * 4;
            [
                picture[at],
                picture[at + 1],
                picture[at + 2],
                picture[at + 3],
            ]
        };
        let end = layout.side - 1.0;
        assert_eq!(pixel(0.0, 0.0), [255, 0, 9, 255]);
        assert_eq!(pixel(0.0, end), [127, 0, 9, 255]);
        let half = (layout.side / 2.0).ceil();
        let forbidden: Vec<_> = (0..5)
            .map(|step| pixel(half + f64::from(step), 1.0))
            .collect();
        assert!(forbidden.contains(&[1, 2, 3, 255]) && forbidden.contains(&[0; 4]));
        // A decoder that has written one token.
        let (_, _, first) = pixels(&attention, (1, 1), &layout, 1.0, &palette, [1, 2, 3]);
        let seen = |pixels: &[u8]| pixels.chunks(4).filter(|pixel| pixel[3] > 0).count();
        assert_eq!(first[(y as usize * width + x as usize) * 4 + 3], 255);
        let cell = (layout.side * layout.side / 4.0) as usize;
        assert!(seen(&first) <= cell && seen(&picture) > 3 * cell);
    }
}
