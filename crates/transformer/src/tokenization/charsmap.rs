//! SentencePiece's table of normalizations, held to its own length before a library that trusts it reads it.
//!
//! The table is a double-array trie and the texts that it points to, in base64; a walk through the trie looks up whatever
//! place the units before it and the reader's bytes make of one.
//!
//! Format: <https://github.com/google/sentencepiece/blob/v0.2.0/src/normalizer.h>,
//! <https://github.com/s-yata/darts-clone>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Checks every table in a normalizer, which may be one of several in a sequence.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(normalizer: &Value) -> Result<(), &'static str> {
    if let Some(normalizers) = normalizer["normalizers"].as_array() {
        return normalizers.iter().try_for_each(check);
    }
    match normalizer["precompiled_charsmap"].as_str() {
        Some(table) => check_table(table),
        None if normalizer["type"] == "Precompiled" => Err("it lacks its table of normalizations"),
        None => Ok(()),
    }
}

fn check_table(table: &str) -> Result<(), &'static str> {
    let cut_short = "its table of normalizations is cut short";
    let table = STANDARD
        .decode(table)
        .map_err(|_| "its table of normalizations is not base64")?;
    let (length, rest) = table.split_first_chunk().ok_or(cut_short)?;
    let length = u32::from_le_bytes(*length) as usize / 4 * 4;
    let (trie, texts) = rest.split_at_checked(length).ok_or(cut_short)?;
    let texts = std::str::from_utf8(texts).map_err(|_| "its normalizations are not UTF-8")?;
    let trie: Vec<u32> = trie
        .as_chunks()
        .0
        .iter()
        .map(|&unit| u32::from_le_bytes(unit))
        .collect();
    match is_sound(&trie, texts) {
        true => Ok(()),
        false => Err("its table of normalizations points out of itself"),
    }
}

/// Whether every walk through the trie stays in it, and every text that one ends at is there.
fn is_sound(trie: &[u32], texts: &str) -> bool {
    let offset = |unit: u32| ((unit >> 10) << ((unit & (1 << 9)) >> 6)) as usize;
    let Some(&root) = trie.first() else {
        return false;
    };
    // A walk's next step depends on the base that its last unit led to alone.
    let mut seen = vec![false; trie.len()];
    let mut bases = vec![offset(root)];
    while let Some(base) = bases.pop() {
        match seen.get_mut(base) {
            Some(true) => continue,
            Some(seen) => *seen = true,
            None => return false,
        }
        for byte in 1..=255 {
            let at = base ^ byte;
            let Some(&unit) = trie.get(at) else {
                return false;
            };
            if unit & (1 << 31 | 0xff) != byte as u32 {
                continue;
            }
            let next = at ^ offset(unit);
            if unit & (1 << 8) != 0 {
                let text = trie.get(next).map(|value| value & !(1 << 31));
                if !text.is_some_and(|text| texts.is_char_boundary(text as usize)) {
                    return false;
                }
            }
            bases.push(next);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A trie in which `a` leads to the text at `place`.
    fn trie(place: u32) -> Vec<u32> {
        let (root_base, value) = (256, 512);
        let a = root_base ^ usize::from(b'a');
        let mut trie = vec![0; 768];
        trie[0] = (root_base as u32) << 10;
        trie[a] = ((a ^ value) as u32) << 10 | 1 << 8 | u32::from(b'a');
        trie[value] = place;
        trie
    }

    fn table(trie: &[u32], texts: &[u8]) -> String {
        let units = trie.iter().flat_map(|unit| unit.to_le_bytes());
        let length = (trie.len() as u32 * 4).to_le_bytes();
        STANDARD.encode([&length[..], &units.collect::<Vec<_>>(), texts].concat())
    }

    #[test]
    fn a_table_that_stays_within_itself_is_sound() {
        assert_eq!(check_table(&table(&trie(1), b"xy")), Ok(()));
        let nested = serde_json::json!({ "normalizers": [{ "type": "NFC" },
            { "precompiled_charsmap": table(&trie(0), b"x") }] });
        assert!(check(&nested).is_ok());
    }

    #[test]
    fn a_table_that_points_out_of_itself_is_refused() {
        let e_acute = "\u{e9}".as_bytes();
        for (trie, texts) in [
            (vec![], &b""[..]),
            (vec![0; 255], b""),
            (vec![300 << 10; 256], b""),
            (trie(3), b"xy"),
            (trie(1), e_acute),
            (trie(0), b"\xff"),
        ] {
            assert!(check_table(&table(&trie, texts)).is_err());
        }
        let promise = STANDARD.encode([0xff, 0xff, 0xff, 0xff, 0]);
        assert!(check_table(&promise).is_err());
        assert!(check_table("#").is_err());
        for table in [serde_json::json!("AAAA"), serde_json::json!(7)] {
            let precompiled =
                serde_json::json!({ "type": "Precompiled", "precompiled_charsmap": table });
            let nested = serde_json::json!({ "normalizers": [precompiled] });
            assert!(check(&nested).is_err());
        }
    }
}
