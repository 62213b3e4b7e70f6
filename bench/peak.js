// The ceiling: how many multiply-accumulates a second the relaxed dot product does on registers, and nothing else.
//
// The module is written out here, byte by byte, so that no compiler stands between the number and the instruction.

const I32 = 0x7f;
const V128 = 0x7b;
/** Sums that don't wait for each other. A core has 16 registers: two are operands. */
const CHAINS = [8, 10, 12];
const LANES_BY_BYTES = 16;

const leb = (value) => (value < 128 ? [value] : [(value & 127) | 128, ...leb(value >> 7)]);
const section = (id, bytes) => [id, ...leb(bytes.length), ...bytes];
const get = (local) => [0x20, local];
const set = (local) => [0x21, local];
const simd = (code, ...more) => [0xfd, ...leb(code), ...more];

/** `(func (param $rounds i32) (param $seed i32) (result i32))`: `chains` dot products a round. */
function moduleOf(chains) {
  const [rounds, seed, signed, unsigned, first] = [0, 1, 2, 3, 4];
  const sums = Array.from({ length: chains }, (_, i) => first + i);
  const splat = simd(0x0f);
  const dotAdd = simd(0x113); // i32x4.relaxed_dot_i8x16_i7x16_add_s
  const body = [
    ...[1, ...leb(2 + chains), V128],
    ...[...get(seed), ...splat, ...set(signed)],
    ...[...get(seed), ...splat, ...set(unsigned)],
    // Different beginnings, so that no compiler finds two sums to be the same.
    ...sums.flatMap((sum, i) => [0x41, i, ...splat, ...set(sum)]),
    ...[0x03, 0x40], // loop
    ...sums.flatMap((sum) => [...get(signed), ...get(unsigned), ...get(sum), ...dotAdd, ...set(sum)]),
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

/** GMAC/s on this thread now, the best of a few short runs; NaN where the browser lacks the instruction. */
export function measurePeak() {
  loops ??= CHAINS.map((chains) => {
    const bytes = moduleOf(chains);
    if (!WebAssembly.validate(bytes)) return undefined;
    const { f } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
    return { chains, f };
  });
  const rates = loops.flatMap((loop) => (loop ? Array.from({ length: 8 }, () => rate(loop)) : []));
  return rates.length ? Math.max(...rates) : NaN;
}

function rate({ chains, f }) {
  const rounds = 1_000_000;
  const started = performance.now();
  f(rounds, 3);
  return (rounds * chains * LANES_BY_BYTES) / (performance.now() - started) / 1e6;
}
