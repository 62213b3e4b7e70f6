// Which builds of the engine there are, and which of them this browser can run. The worker asks in order to start
// one, the service worker in order to keep one for when there is no network.

// `(func (result v128) i32.const 0 i8x16.splat)`: validates where a browser knows SIMD.
const SIMD128 = new Uint8Array([
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 5, 1, 0x60, 0, 1, 0x7b],
  ...[3, 2, 1, 0],
  ...[10, 8, 1, 6, 0, 0x41, 0, 0xfd, 0x0f, 0x0b],
]);

// `(func (result v128) i32.const 1 i8x16.splat i32.const 2 i8x16.splat i8x16.relaxed_swizzle)`: the relaxed instructions
// came all at once.
const RELAXED = new Uint8Array([
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 5, 1, 0x60, 0, 1, 0x7b],
  ...[3, 2, 1, 0],
  ...[10, 15, 1, 13, 0, 0x41, 1, 0xfd, 0x0f, 0x41, 2, 0xfd, 0x0f, 0xfd, 0x80, 2, 0x0b],
]);

/** Whether threads may share memory here, and there are cores for them. `waitAsync` is how futures wake in such a build. */
function threads(isolated) {
  return isolated && navigator.hardwareConcurrency > 1 && typeof Atomics.waitAsync === "function";
}

// Fastest first. Those that the build makes are in ARTIFACTS of xtask/src/build.rs; the folders bear the names.
const ARTIFACTS = [
  { name: "threads", runs: (isolated) => threads(isolated) && WebAssembly.validate(RELAXED) },
  { name: "relaxed", runs: () => WebAssembly.validate(RELAXED) },
  { name: "simd128", runs: () => WebAssembly.validate(SIMD128) },
];

/** The names of those that run here, or in a page that is `isolated`, fastest first; of `forced` alone, if it is given. */
export function usable(forced, isolated = globalThis.crossOriginIsolated) {
  return ARTIFACTS.filter(({ name, runs }) => (!forced || name === forced) && runs(isolated)).map(({ name }) => name);
}
