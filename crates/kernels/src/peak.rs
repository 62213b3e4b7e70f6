//! The ceiling that the multiplications are measured against: the dot product instruction, and nothing else.

use crate::dispatch::{Job, Kernels};
use crate::simd::{LANES, Simd};
use std::hint::black_box;

/// Independent chains of dot products: enough to cover the instruction's latency, few enough for the registers.
const CHAINS: usize = 6;

impl Kernels {
    /// Runs `rounds` rounds of byte dot products on values that never leave the registers, and returns the number of
    /// multiply-accumulates in them: divided by the time it took, the most that any multiplication could reach here.
    ///
    /// None where a dot product takes several instructions: a compiler would take those apart.
    pub fn multiply_in_registers(self, rounds: usize) -> Option<u64> {
        let ran = self.run(Chains { rounds });
        ran.then_some((rounds * CHAINS * 4 * LANES) as u64)
    }
}

/// Whether it ran.
struct Chains {
    rounds: usize,
}

impl Job for Chains {
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> bool {
        if !S::ONE_DOT {
            return false;
        }
        let signed = simd.load_bytes(&black_box([-3; 4 * LANES]));
        let unsigned = simd.load_bytes(&black_box([1; 4 * LANES]));
        let mut sums = [simd.splat_i32(0); CHAINS];
        for _ in 0..self.rounds {
            for sum in &mut sums {
                *sum = simd.dot_add(*sum, signed, unsigned);
            }
        }
        for sum in sums {
            let mut lanes = [0.0; LANES];
            simd.store(simd.to_f32(sum), &mut lanes);
            black_box(lanes);
        }
        true
    }
}
