//! The one hash that decides what is held out, masked and paired; `training/common.py` has its twin.

/// A small integer hash, the same in any language.
pub fn hash32(values: impl IntoIterator<Item = u32>) -> u32 {
    let mut h: u32 = 0x9E37_79B9;
    for value in values {
        h = (h ^ value).wrapping_mul(0x85EB_CA6B);
        h ^= h >> 13;
        h = h.wrapping_mul(0xC2B2_AE35);
        h ^= h >> 16;
    }
    h
}

/// Whether prose document `number` is held out from training for the last measurement: 2% are.
pub fn is_test_document(number: u32) -> bool {
    hash32([number]) % 100 < 2
}

/// Whether a word is held out from the pronouncing model's training: 5% are.
pub fn is_test_word(word: &str) -> bool {
    hash32(word.bytes().map(u32::from)) % 100 < 5
}
