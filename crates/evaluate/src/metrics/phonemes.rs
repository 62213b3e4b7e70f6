//! Phonemes of the pronouncing dictionary, in IPA, and how many of them are wrong.

use std::collections::BTreeMap;

use super::edits;
use crate::hash::is_test_word;

/// ARPABET to IPA, as the model was taught (`training/g2p.py`).
const IPA: [(&str, &str); 39] = [
    ("AA", "ɑ"),
    ("AE", "æ"),
    ("AH", "ʌ"),
    ("AO", "ɔ"),
    ("AW", "aʊ"),
    ("AY", "aɪ"),
    ("B", "b"),
    ("CH", "ʧ"),
    ("D", "d"),
    ("DH", "ð"),
    ("EH", "ɛ"),
    ("ER", "ɝ"),
    ("EY", "eɪ"),
    ("F", "f"),
    ("G", "ɡ"),
    ("HH", "h"),
    ("IH", "ɪ"),
    ("IY", "i"),
    ("JH", "ʤ"),
    ("K", "k"),
    ("L", "l"),
    ("M", "m"),
    ("N", "n"),
    ("NG", "ŋ"),
    ("OW", "oʊ"),
    ("OY", "ɔɪ"),
    ("P", "p"),
    ("R", "ɹ"),
    ("S", "s"),
    ("SH", "ʃ"),
    ("T", "t"),
    ("TH", "θ"),
    ("UH", "ʊ"),
    ("UW", "u"),
    ("V", "v"),
    ("W", "w"),
    ("Y", "j"),
    ("Z", "z"),
    ("ZH", "ʒ"),
];
/// The unstressed forms of two vowels.
const REDUCED: [(&str, &str, &str); 2] = [("AH", "ʌ", "ə"), ("ER", "ɝ", "ɚ")];
/// Stress marks, primary and secondary.
const STRESS: [&str; 2] = ["ˈ", "ˌ"];

/// The held-out words of a dictionary in its own format, each with all its pronunciations in IPA.
pub fn held_out(dictionary: &str) -> BTreeMap<String, Vec<String>> {
    let mut words: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in dictionary.lines() {
        let mut parts = line
            .split('#')
            .next()
            .unwrap_or_default()
            .split_whitespace();
        let Some(entry) = parts.next() else { continue };
        // A word's further pronunciations are numbered: `read(2)`.
        let word = match entry
            .strip_suffix(')')
            .and_then(|entry| entry.rsplit_once('('))
        {
            Some((word, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => word,
            _ => entry,
        };
        if is_test_word(word) {
            let spoken = ipa(parts);
            let known = words.entry(word.to_owned()).or_default();
            if !known.contains(&spoken) {
                known.push(spoken);
            }
        }
    }
    words
}

/// A stress mark stands right before its vowel.
fn ipa<'p>(arpabet: impl Iterator<Item = &'p str>) -> String {
    let mut text = String::new();
    for phoneme in arpabet {
        let name = phoneme.trim_end_matches(['0', '1', '2']);
        match phoneme.strip_prefix(name) {
            Some("1") => text += STRESS[0],
            Some("2") => text += STRESS[1],
            Some("0") => {
                if let Some((.., reduced)) = REDUCED.iter().find(|(full, ..)| *full == name) {
                    text += reduced;
                    continue;
                }
            }
            _ => {}
        }
        let known = IPA.iter().find(|(arpabet, _)| *arpabet == name);
        text += known.map_or(name, |(_, ipa)| ipa);
    }
    text
}

/// The phonemes of IPA text. With `stress`, a mark belongs to the vowel after it; without, marks are left out and
/// reduced vowels count as full ones, as the literature has it.
fn phonemes(text: &str, stress: bool) -> Vec<String> {
    let mut rest = text.to_owned();
    if !stress {
        for (_, full, reduced) in REDUCED {
            rest = rest.replace(reduced, full);
        }
    }
    let (mut found, mut mark, mut rest) = (Vec::new(), "", rest.as_str());
    while let Some(character) = rest.chars().next() {
        // Of two that fit, the longer one: `aʊ` is not two phonemes.
        let fits = IPA.iter().filter(|(_, ipa)| rest.starts_with(ipa));
        let length = fits
            .map(|(_, ipa)| ipa.len())
            .max()
            .unwrap_or(character.len_utf8());
        let (unit, after) = rest.split_at(length);
        rest = after;
        match STRESS.iter().find(|known| **known == unit) {
            Some(known) => mark = if stress { known } else { "" },
            None => found.push(format!("{}{unit}", std::mem::take(&mut mark))),
        }
    }
    found
}

/// Wrong phonemes and all phonemes of the reference that is nearest to a guess.
pub fn errors(guess: &str, references: &[String], stress: bool) -> (usize, usize) {
    let guess = phonemes(guess, stress);
    let each = references.iter().map(|reference| {
        let reference = phonemes(reference, stress);
        (edits(&guess, &reference), reference.len())
    });
    each.min().unwrap_or((guess.len(), 0))
}
