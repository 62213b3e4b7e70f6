// The ceiling: how many multiply-accumulates a second the instructions that multiply integers do on registers, and nothing
// else. There are two: the relaxed dot product of bytes, and, for machines that have none worth the name, the one of words with
// its addition. The faster counts.
//
// The modules are written out here, byte by byte, so that no compiler stands between the number and the instruction.

const I32 = 0x7f;
const V128 = 0x7b;
/** Sums that don't wait for each other. A core has 16 registers: two are operands. */
const CHAINS = [8, 10, 12];
const leb = (value) => (value < 128 ? [value] : [(value & 127) | 128, ...leb(value >> 7)]);
const section = (id, bytes) => [id, ...leb(bytes.length), ...bytes];
const get = (local) => [0x20, local];
const set = (local) => [0x21, local];
const simd = (code, ...more) => [0xfd, ...leb(code), ...more];

/** What one step does to a sum, and how many multiply-accumulates that is. */
const BYTES = {
  macs: 16,
  // sum = i32x4.relaxed_dot_i8x16_i7x16_add_s(signed, unsigned, sum)
  step: (sum, signed, unsigned) => [...get(signed), ...get(unsigned), ...get(sum), ...simd(0x113), ...set(sum)],
};
const WORDS = {
  macs: 8,
  // sum = i32x4.add(i32x4.dot_i16x8_s(sum, signed), unsigned): a product of what never changes would be computed once
  step: (sum, signed, unsigned) => [...get(sum), ...get(signed), ...simd(0xba), ...get(unsigned), ...simd(0xae), ...set(sum)],
};

/** `(func (param $rounds i32) (param $seed i32) (result i32))`: `chains` steps a round. */
function moduleOf({ step }, chains) {
  const [rounds, seed, signed, unsigned, first] = [0, 1, 2, 3, 4];
  const sums = Array.from({ length: chains }, (_, i) => first + i);
  const splat = simd(0x0f);
  const body = [
    ...[1, ...leb(2 + chains), V128],
    ...[...get(seed), ...splat, ...set(signed)],
    ...[...get(seed), ...splat, ...set(unsigned)],
    // Different beginnings, so that no compiler finds two sums to be the same.
    ...sums.flatMap((sum, i) => [0x41, i, ...splat, ...set(sum)]),
    ...[0x03, 0x40], // loop
    ...sums.flatMap((sum) => step(sum, signed, unsigned)),
    ...[...get(rounds), 0x41, 1, 0x6b, 0x22, rounds, 0x0d, 0], // while (--rounds)
    0x0b,
    ...sums.flatMap((sum, i) => [...get(sum), ...simd(0x1b, 0), ...(i ? [0x6a] : [])]), // add the first lanes
    0x0b,
  ];
  return new Uint8Array([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 2, I32, I32, 1, I32]),
    ...section(3, [1, 0]),
    ...section(7, [1, 1, 0x66, 0, 0]), // export "f"
    ...section(10, [1, ...leb(body.length), ...body]),
  ]);
}

let loops;

/** GMAC/s on this thread now, the best of a few short runs; NaN where the browser lacks both instructions. */
export function measurePeak() {
  loops ??= [BYTES, WORDS].flatMap((kind) =>
    CHAINS.map((chains) => [kind.macs * chains, moduleOf(kind, chains)])
      .filter(([, bytes]) => WebAssembly.validate(bytes))
      .map(([macs, bytes]) => ({ macs, f: new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.f })),
  );
  const rates = loops.flatMap((loop) => Array.from({ length: 8 }, () => rate(loop)));
  return rates.length ? Math.max(...rates) : NaN;
}

function rate({ macs, f }) {
  const rounds = 500_000;
  const started = performance.now();
  f(rounds, 3);
  return (rounds * macs) / (performance.now() - started) / 1e6;
}
