// The bytes of a .gguf file whose tensors are all F32, and the tensors of a .safetensors file.

const [STRING, F32, ALIGNMENT] = [8, 0, 32];

const padded = (length) => Math.ceil(length / ALIGNMENT) * ALIGNMENT;

/** `metadata` maps keys to texts; tensors are `{ name, shape, values: Float32Array }`, shapes in PyTorch's order. */
export function writeGguf(metadata, tensors) {
  const parts = [];
  const integers = (...values) => values.forEach((value) => parts.push(Buffer.from(BigUint64Array.of(BigInt(value)).buffer)));
  const type = (value) => parts.push(Buffer.from(Uint32Array.of(value).buffer));
  const text = (value) => {
    const bytes = Buffer.from(value);
    integers(bytes.length);
    parts.push(bytes);
  };
  parts.push(Buffer.from("GGUF"));
  type(3);
  integers(tensors.length, Object.keys(metadata).length);
  for (const [key, value] of Object.entries(metadata)) {
    text(key);
    type(STRING);
    text(value);
  }
  let offset = 0;
  for (const { name, shape, values } of tensors) {
    text(name);
    type(shape.length);
    integers(...shape.slice().reverse());
    type(F32);
    integers(offset);
    offset += padded(values.byteLength);
  }
  const header = Buffer.concat(parts);
  const file = Buffer.alloc(padded(header.length) + offset);
  header.copy(file);
  let place = padded(header.length);
  for (const { values } of tensors) {
    Buffer.from(values.buffer, values.byteOffset, values.byteLength).copy(file, place);
    place += padded(values.byteLength);
  }
  return file;
}

/** The tensors of a file, F32 and F16: `{ name, shape, values: Float32Array }`. */
export function readSafetensors(bytes) {
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + length));
  delete header.__metadata__;
  return Object.entries(header).map(([name, { dtype, shape, data_offsets: offsets }]) => {
    const [begin, end] = offsets.map((offset) => 8 + length + offset);
    const { buffer } = Uint8Array.from(bytes.subarray(begin, end));
    if (dtype === "F32") return { name, shape, values: new Float32Array(buffer) };
    if (dtype === "F16") return { name, shape, values: Float32Array.from(new Uint16Array(buffer), halfFloat) };
    throw new Error(`${name} is ${dtype}`);
  });
}

function halfFloat(bits) {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
}
