// Unmask as a contestant: nothing but its public client, unmask.js.

export class UnmaskModel {
  #model;

  /** `site` is the built site that the engine comes from, `query` what its client's address says about the engine. */
  static async load({ site, query }, shape) {
    // Another address is another module, and so a worker of its own.
    const { Unmask } = await import(`../${site}/unmask.js?${query}`);
    const loaded = new UnmaskModel();
    loaded.#model = await Unmask.load(new URL(shape.gguf, location.href));
    return loaded;
  }

  async tokenize(text) {
    return (await this.#model.tokenize(text)).map((token) => token.id);
  }

  async encode({ text }) {
    const [embedding] = await this.#model.embed([text]);
    return { embedding };
  }

  /** Greedily; where nobody times it, no token twice: random weights like to say one thing again and again. */
  async generate({ text }, newTokens, onToken) {
    const tokens = [];
    const options = { numBeams: 1, minNewTokens: newTokens, maxNewTokens: newTokens, noRepeatNgramSize: onToken ? 0 : 1 };
    for await (const { id } of this.#model.generate(text, options)) {
      onToken?.();
      tokens.push(id);
    }
    return { tokens };
  }

  async maskLogProbabilities({ text }, vocabulary) {
    const [mask] = await this.#model.fillMask(text, { topK: vocabulary });
    const found = new Float32Array(vocabulary);
    // A probability below what f32 holds arrives as 0.
    for (const { id, probability } of mask.candidates) found[id] = Math.log(Math.max(probability, 1e-38));
    return found;
  }
}
