//! What a model puts out with all its heads, and without some.

use unmask_protocol::{Candidate, HeadPlace, HeadsOff};

use super::links::Place;

/// A head that is off: of which attention, layer and head, both counted from 0.
pub type Off = (Place, usize, usize);

/// What the engine is told about the heads of the model that `place` belongs to; none where all of them are on.
pub fn heads_off(off: &[Off], place: Place) -> Option<HeadsOff> {
    let of = |part: Place| -> Vec<HeadPlace> {
        let found = off.iter().filter(|(of, ..)| *of == part);
        found
            .map(|&(_, layer, head)| HeadPlace { layer, head })
            .collect()
    };
    let heads = match place {
        Place::Bert => HeadsOff {
            encoder: of(Place::Bert),
            ..HeadsOff::default()
        },
        _ => HeadsOff {
            encoder: of(Place::Encoder),
            decoder: of(Place::Decoder),
            cross: of(Place::Cross),
        },
    };
    (heads != HeadsOff::default()).then_some(heads)
}

/// The heads that are off of one layer of one attention.
pub fn off_in(off: &[Off], place: Place, layer: usize) -> Vec<usize> {
    let found = off
        .iter()
        .filter(|&&(of, at, _)| (of, at) == (place, layer));
    found.map(|&(.., head)| head).collect()
}

/// All heads that are off, attention by attention. Layers and heads count from 1, as the page shows them.
pub fn in_words(off: &[Off]) -> String {
    let mut parts = Vec::new();
    for place in Place::ATTENTIONS {
        let mut heads: Vec<(usize, usize)> = off
            .iter()
            .filter(|(of, ..)| *of == place)
            .map(|&(_, layer, head)| (layer, head))
            .collect();
        let Some(first) = heads.iter().min().copied() else {
            continue;
        };
        parts.push(match heads.len() {
            1 => format!(
                "{}, layer {} head {}",
                place.title(),
                first.0 + 1,
                first.1 + 1
            ),
            count => {
                heads.sort_unstable();
                heads.dedup_by_key(|(layer, _)| *layer);
                let layers: Vec<String> = heads
                    .iter()
                    .map(|(layer, _)| (layer + 1).to_string())
                    .collect();
                let noun = if layers.len() == 1 { "layer" } else { "layers" };
                format!(
                    "{}, {count} heads of {noun} {}",
                    place.title(),
                    layers.join(", ")
                )
            }
        });
    }
    parts.join("; ")
}

/// A word that a gap might hold, and how probable it is; none where it is beyond the candidates that were asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Shift {
    /// The word.
    pub text: String,
    /// With every head.
    pub before: Option<f32>,
    /// Without those that are off.
    pub after: Option<f32>,
}

/// The first `count` candidates of each side, those of `before` first.
pub fn shifts(before: &[Candidate], after: &[Candidate], count: usize) -> Vec<Shift> {
    let find = |among: &[Candidate], id: u32| {
        let found = among.iter().find(|candidate| candidate.id == id);
        found.map(|candidate| candidate.probability)
    };
    let mut seen: Vec<u32> = Vec::new();
    let mut shifts = Vec::new();
    for candidate in before.iter().take(count).chain(after.iter().take(count)) {
        if seen.contains(&candidate.id) {
            continue;
        }
        seen.push(candidate.id);
        shifts.push(Shift {
            text: candidate.text.trim().to_owned(),
            before: find(before, candidate.id),
            after: find(after, candidate.id),
        });
    }
    shifts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: u32, probability: f32) -> Candidate {
        Candidate {
            token: format!("t{id}"),
            id,
            probability,
            text: format!(" word{id}"),
        }
    }

    #[test]
    fn a_word_is_followed_from_one_list_to_the_other() {
        let before = [candidate(1, 0.6), candidate(2, 0.3), candidate(3, 0.1)];
        let after = [candidate(4, 0.5), candidate(1, 0.4), candidate(3, 0.05)];
        let shift = |text: &str, before, after| Shift {
            text: text.into(),
            before,
            after,
        };
        assert_eq!(
            shifts(&before, &after, 2),
            [
                shift("word1", Some(0.6), Some(0.4)),
                shift("word2", Some(0.3), None),
                shift("word4", None, Some(0.5)),
            ]
        );
    }

    #[test]
    fn each_model_is_told_of_its_own_heads_alone() {
        let off = [(Place::Bert, 2, 5), (Place::Cross, 0, 1)];
        let place = |layer, head| vec![HeadPlace { layer, head }];
        let bert = heads_off(&off, Place::Bert).unwrap();
        assert_eq!((bert.encoder, bert.cross), (place(2, 5), vec![]));
        let bart = heads_off(&off, Place::Decoder).unwrap();
        assert_eq!((bart.encoder, bart.cross), (vec![], place(0, 1)));
        assert_eq!(heads_off(&off[..1], Place::Encoder), None);
    }

    #[test]
    fn heads_that_are_off_are_named() {
        let mut off = vec![(Place::Cross, 0, 1), (Place::Bert, 2, 5)];
        assert_eq!(
            in_words(&off),
            "BERT’s encoder, layer 3 head 6; BART’s cross-attention, layer 1 head 2"
        );
        off.extend([(Place::Bert, 2, 0), (Place::Bert, 0, 0)]);
        assert_eq!(
            in_words(&off[..3]),
            "BERT’s encoder, 2 heads of layer 3; BART’s cross-attention, layer 1 head 2"
        );
        assert!(in_words(&off).starts_with("BERT’s encoder, 3 heads of layers 1, 3;"));
        assert_eq!(in_words(&[]), "");
        assert_eq!(off_in(&off, Place::Bert, 2), [5, 0]);
    }
}
