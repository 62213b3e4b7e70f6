// ONNX Runtime Web as a contestant, used as transformers.js uses it: sessions in a worker, tensors in and out.

export class OrtModel {
  #worker;
  #pending;

  /** `threads` is 1 or more; `suffix` ends the graphs' names: "" for f32, "_quantized" for int8. */
  static async load({ threads, suffix }, shape) {
    const model = new OrtModel();
    model.#worker = new Worker("ort_worker.js", { type: "module", name: "ort" });
    model.#worker.onerror = (event) => model.#pending.reject(new Error(event.message));
    model.#worker.onmessage = ({ data }) => {
      if (data.token !== undefined) model.#pending.onToken?.();
      else if (data.error) model.#pending.reject(new Error(data.error));
      else model.#pending.resolve(data);
    };
    const graphs = Object.fromEntries(
      Object.entries(shape.graphs).map(([name, path]) => [name, new URL(path.replace(/\.onnx$/, `${suffix}.onnx`), location.href).href]),
    );
    await model.#ask({ kind: "load", threads, graphs });
    return model;
  }

  #ask(request, onToken) {
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject, onToken };
      this.#worker.postMessage(request);
    });
  }

  async encode({ ids }) {
    const { output, width } = await this.#ask({ kind: "encode", ids });
    // Unmask's embedding, computed on demand: the pooling is no part of what is timed here.
    return {
      get embedding() {
        return Float32Array.from({ length: width }, (_, column) => {
          let sum = 0;
          for (let at = column; at < output.length; at += width) sum += output[at];
          return sum / ids.length;
        });
      },
    };
  }

  generate({ ids }, newTokens, onToken) {
    return this.#ask({ kind: "generate", ids, newTokens, distinct: !onToken }, onToken);
  }

  async maskLogProbabilities({ ids }, vocabulary) {
    const { output } = await this.#ask({ kind: "encode", ids });
    const at = ids.indexOf(103) * vocabulary; // [MASK] in BERT's vocabulary
    const logits = output.subarray(at, at + vocabulary);
    const most = logits.reduce((a, b) => Math.max(a, b));
    const log = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0));
    return logits.map((logit) => logit - most - log);
  }

  async memory() {
    return (await this.#ask({ kind: "memory" })).bytes;
  }
}
