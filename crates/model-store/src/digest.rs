//! SHA-256 digests, and a hasher whose state can be put aside and taken up again: a file that came in two visits is
//! verified without being read twice.

use serde::{Deserialize, Serialize};
use sha2::compress256;
use sha2::digest::generic_array::GenericArray;

const BLOCK: usize = 64;

/// The state that FIPS 180-4 begins with.
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// A SHA-256 digest; 64 hexadecimal digits in JSON.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256Digest(pub [u8; 32]);

impl TryFrom<String> for Sha256Digest {
    type Error = String;

    fn try_from(hex: String) -> Result<Self, String> {
        Self::from_hex(&hex)
            .ok_or_else(|| format!("`{hex}` is not a SHA-256 digest in 64 hexadecimal digits"))
    }
}

impl From<Sha256Digest> for String {
    fn from(digest: Sha256Digest) -> Self {
        digest.to_string()
    }
}

impl Sha256Digest {
    /// Reads 64 hexadecimal digits; `None` for anything else.
    pub fn from_hex(hex: &str) -> Option<Self> {
        if hex.len() != 64 || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let mut digest = [0; 32];
        for (byte, at) in digest.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&hex[at..at + 2], 16).ok()?;
        }
        Some(Self(digest))
    }
}

impl std::fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Takes bytes in any portions; as JSON it is what it has taken so far.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct Hasher {
    state: [u32; 8],
    length: u64,
    /// The last `length % 64` bytes, which are no whole block yet.
    pending: Vec<u8>,
}

#[derive(Deserialize, Serialize)]
struct Saved {
    state: [u32; 8],
    length: u64,
    pending: Vec<u8>,
}

impl TryFrom<Saved> for Hasher {
    type Error = &'static str;

    fn try_from(
        Saved {
            state,
            length,
            pending,
        }: Saved,
    ) -> Result<Self, Self::Error> {
        match pending.len() as u64 == length % BLOCK as u64 {
            true => Ok(Self {
                state,
                length,
                pending,
            }),
            false => Err("a hash that was put aside has lost bytes"),
        }
    }
}

impl From<Hasher> for Saved {
    fn from(
        Hasher {
            state,
            length,
            pending,
        }: Hasher,
    ) -> Self {
        Self {
            state,
            length,
            pending,
        }
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self {
            state: INITIAL,
            length: 0,
            pending: Vec::new(),
        }
    }
}

impl Hasher {
    /// How many bytes it has taken.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if !self.pending.is_empty() {
            let missing = (BLOCK - self.pending.len()).min(bytes.len());
            self.pending.extend_from_slice(&bytes[..missing]);
            bytes = &bytes[missing..];
            if self.pending.len() < BLOCK {
                return;
            }
            compress(&mut self.state, &self.pending);
            self.pending.clear();
        }
        let whole = bytes.len() - bytes.len() % BLOCK;
        compress(&mut self.state, &bytes[..whole]);
        self.pending.extend_from_slice(&bytes[whole..]);
    }

    /// The digest of all that it has taken.
    pub fn digest(&self) -> Sha256Digest {
        let mut end = self.pending.clone();
        end.push(0x80);
        while end.len() % BLOCK != BLOCK - 8 {
            end.push(0);
        }
        end.extend((self.length * 8).to_be_bytes());
        let mut state = self.state;
        compress(&mut state, &end);
        let mut digest = [0; 32];
        for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        Sha256Digest(digest)
    }
}

/// Takes whole blocks.
fn compress(state: &mut [u32; 8], blocks: &[u8]) {
    for block in blocks.chunks_exact(BLOCK) {
        compress256(state, std::slice::from_ref(GenericArray::from_slice(block)));
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_digest_is_sha_256_however_the_bytes_are_cut() {
        let bytes: Vec<u8> = (0..1000u32).map(|i| (i * 31 % 251) as u8).collect();
        for length in [0, 1, 55, 56, 63, 64, 65, 119, 120, 127, 128, 1000] {
            let expected = Sha256Digest(Sha256::digest(&bytes[..length]).into());
            for step in [1, 7, 64, 1000] {
                let mut hasher = Hasher::default();
                bytes[..length]
                    .chunks(step)
                    .for_each(|chunk| hasher.update(chunk));
                assert_eq!(hasher.digest(), expected, "{length} bytes by {step}");
                assert_eq!(hasher.length(), length as u64);
            }
        }
    }

    #[test]
    fn a_hasher_that_was_put_aside_goes_on() {
        let bytes = [7; 300];
        for cut in [0, 63, 64, 130] {
            let mut hasher = Hasher::default();
            hasher.update(&bytes[..cut]);
            let saved = serde_json::to_string(&hasher).unwrap();
            let mut taken_up: Hasher = serde_json::from_str(&saved).unwrap();
            taken_up.update(&bytes[cut..]);
            assert_eq!(taken_up.digest().0, Sha256::digest(bytes)[..]);
        }
        let lost = r#"{"state":[0,0,0,0,0,0,0,0],"length":5,"pending":[1]}"#;
        assert!(serde_json::from_str::<Hasher>(lost).is_err());
    }

    #[test]
    fn a_digest_is_64_hexadecimal_digits_and_nothing_else() {
        let hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        assert_eq!(Sha256Digest::from_hex(hex).unwrap().to_string(), hex);
        for wrong in ["", &hex[1..], &"é".repeat(32), &"+1".repeat(32)] {
            assert_eq!(Sha256Digest::from_hex(wrong), None);
        }
    }
}
