//! Which instructions to run: detected on a native machine, fixed when the module was built in WebAssembly.

use crate::simd::Simd;
#[cfg(any(test, not(all(target_arch = "wasm32", target_feature = "simd128"))))]
use crate::simd::scalar::Scalar;

/// An instruction set that this build has kernels for. A WebAssembly build has only one (its tests have all), because
/// the page has chosen among builds before, and every other set would be downloaded in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstructionSet {
    /// Plain Rust, the reference.
    #[cfg(any(test, not(all(target_arch = "wasm32", target_feature = "simd128"))))]
    Scalar,
    /// WebAssembly's 128-bit SIMD.
    #[cfg(all(
        target_arch = "wasm32",
        target_feature = "simd128",
        any(test, not(feature = "relaxed-simd"))
    ))]
    Simd128,
    /// WebAssembly's relaxed SIMD on a machine whose dot product takes bytes of 7 bits alone: fused multiply-adds, and
    /// bytes multiplied as 16-bit integers.
    #[cfg(all(
        target_arch = "wasm32",
        target_feature = "simd128",
        feature = "relaxed-simd"
    ))]
    RelaxedWide,
    /// WebAssembly's relaxed SIMD: dot products of bytes and fused multiply-adds.
    #[cfg(all(
        target_arch = "wasm32",
        target_feature = "simd128",
        feature = "relaxed-simd"
    ))]
    RelaxedSimd,
    /// x86 with AVX2, FMA and F16C.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// The same with AVX-VNNI.
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    /// The same with AVX-512 VNNI and VL, at 256 bits.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
}

/// The compute kernels on one instruction set: a handle that is free to copy. Its methods are the crate's operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernels {
    instruction_set: InstructionSet,
}

impl Kernels {
    /// The fastest instruction set that this machine and this build have.
    pub fn detect() -> Self {
        let mut all = Self::available();
        let first = all
            .next()
            .expect("every build has one that runs everywhere");
        all.last().unwrap_or(first)
    }

    /// Every instruction set that this machine and this build have, the slowest (the scalar reference) first.
    pub fn available() -> impl Iterator<Item = Self> {
        const KNOWN: &[InstructionSet] = &[
            #[cfg(any(test, not(all(target_arch = "wasm32", target_feature = "simd128"))))]
            InstructionSet::Scalar,
            #[cfg(all(
                target_arch = "wasm32",
                target_feature = "simd128",
                any(test, not(feature = "relaxed-simd"))
            ))]
            InstructionSet::Simd128,
            #[cfg(all(
                target_arch = "wasm32",
                target_feature = "simd128",
                feature = "relaxed-simd"
            ))]
            InstructionSet::RelaxedWide,
            #[cfg(all(
                target_arch = "wasm32",
                target_feature = "simd128",
                feature = "relaxed-simd"
            ))]
            InstructionSet::RelaxedSimd,
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2,
            #[cfg(target_arch = "x86_64")]
            InstructionSet::AvxVnni,
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512Vnni,
        ];
        KNOWN
            .iter()
            .filter(|&&instruction_set| runs_here(instruction_set))
            .map(|&instruction_set| Self { instruction_set })
    }

    /// The instruction set that these kernels use.
    pub fn instruction_set(self) -> InstructionSet {
        self.instruction_set
    }

    /// Runs a job with this instruction set's operations.
    #[inline]
    pub(crate) fn run<J: Job>(self, job: J) -> J::Output {
        match self.instruction_set {
            #[cfg(any(test, not(all(target_arch = "wasm32", target_feature = "simd128"))))]
            InstructionSet::Scalar => job.run(Scalar),
            #[cfg(all(
                target_arch = "wasm32",
                target_feature = "simd128",
                any(test, not(feature = "relaxed-simd"))
            ))]
            InstructionSet::Simd128 => wasm::simd128(job),
            #[cfg(all(
                target_arch = "wasm32",
                target_feature = "simd128",
                feature = "relaxed-simd"
            ))]
            InstructionSet::RelaxedWide if J::MULTIPLIES_BYTES => wasm::relaxed_wide(job),
            #[cfg(all(
                target_arch = "wasm32",
                target_feature = "simd128",
                feature = "relaxed-simd"
            ))]
            InstructionSet::RelaxedSimd | InstructionSet::RelaxedWide => wasm::relaxed(job),
            // SAFETY: a handle with this instruction set comes only from `available`, which detected it.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => unsafe { x86::avx2(job) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::AvxVnni => unsafe { x86::avx_vnni(job) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512Vnni => unsafe { x86::avx512_vnni(job) },
        }
    }
}

/// A kernel with its arguments. `run` and all that it calls are inlined into one function per instruction set, which
/// alone carries that set's target features.
pub(crate) trait Job {
    /// Whether the kernel has to do with bytes: in everything else some instruction sets are the same, and one copy of
    /// the kernel serves them.
    #[cfg_attr(
        not(all(target_arch = "wasm32", feature = "relaxed-simd")),
        expect(dead_code, reason = "only relaxed SIMD has two ways with bytes")
    )]
    const MULTIPLIES_BYTES: bool = false;
    /// What the kernel returns.
    type Output;
    /// Runs it; implementations are `#[inline(always)]`.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

fn runs_here(instruction_set: InstructionSet) -> bool {
    match instruction_set {
        #[cfg(all(
            target_arch = "wasm32",
            target_feature = "simd128",
            feature = "relaxed-simd"
        ))]
        InstructionSet::RelaxedSimd => wasm::dots_take_eight_bits(),
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => x86::has_avx2(),
        #[cfg(target_arch = "x86_64")]
        InstructionSet::AvxVnni => x86::has_avx2() && is_x86_feature_detected!("avxvnni"),
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512Vnni => {
            x86::has_avx2()
                && is_x86_feature_detected!("avx512vnni")
                && is_x86_feature_detected!("avx512vl")
        }
        // The rest was decided when the module was built: a browser that lacks it wouldn't have loaded it.
        _ => true,
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm {
    use super::Job;
    use crate::simd::wasm::Wasm;

    #[cfg(any(test, not(feature = "relaxed-simd")))]
    pub(super) fn simd128<J: Job>(job: J) -> J::Output {
        job.run(Wasm::<crate::simd::wasm::Strict>::new())
    }

    #[cfg(feature = "relaxed-simd")]
    #[target_feature(enable = "relaxed-simd")]
    pub(super) fn relaxed<J: Job>(job: J) -> J::Output {
        job.run(Wasm::<crate::simd::wasm::Relaxed>::new())
    }

    #[cfg(feature = "relaxed-simd")]
    #[target_feature(enable = "relaxed-simd")]
    pub(super) fn relaxed_wide<J: Job>(job: J) -> J::Output {
        job.run(Wasm::<crate::simd::wasm::RelaxedWide>::new())
    }

    #[cfg(feature = "relaxed-simd")]
    #[target_feature(enable = "relaxed-simd")]
    pub(super) fn dots_take_eight_bits() -> bool {
        crate::simd::wasm::Relaxed::eight_bits().is_some()
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Job;
    use crate::simd::x86::{Avx, Avx512Vnni, AvxVnni, Wide};

    pub(super) fn has_avx2() -> bool {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
    }

    /// # Safety
    /// The machine has these features.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn avx2<J: Job>(job: J) -> J::Output {
        // SAFETY: the caller vouches for the features, and this function is compiled for them.
        job.run(unsafe { Avx::<Wide>::new() })
    }

    /// # Safety
    /// The machine has these features.
    #[target_feature(enable = "avx2,fma,f16c,avxvnni")]
    pub(super) unsafe fn avx_vnni<J: Job>(job: J) -> J::Output {
        // SAFETY: as above.
        job.run(unsafe { Avx::<AvxVnni>::new() })
    }

    /// # Safety
    /// The machine has these features.
    #[target_feature(enable = "avx2,fma,f16c,avx512vnni,avx512vl")]
    pub(super) unsafe fn avx512_vnni<J: Job>(job: J) -> J::Output {
        // SAFETY: as above.
        job.run(unsafe { Avx::<Avx512Vnni>::new() })
    }
}
