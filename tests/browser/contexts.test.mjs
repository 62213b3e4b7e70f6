// The same word in two contexts, and in the plane of several.

import assert from "node:assert/strict";

import { readerTest } from "./reader.mjs";

const near = (found, wanted, what) => assert.ok(Math.abs(found - wanted) < 2e-4, `${what}: ${found} is not ${wanted}`);

/** In the page: cosines of two words state by state, the mean over other pairs, and the share of the plane, by the engine's door. */
const engine = (page, [first, second, ...more], word) =>
  page.evaluate(
    async ([first, second, more, word]) => {
      const { Unmask } = await import(document.getElementById("client").href);
      const bert = await Unmask.load("bert");
      const read = async (text) => {
        const { tokens, states, dimensions, values } = await bert.hiddenStates(text);
        const vector = (state, [start, end]) => {
          const pieces = tokens.map((token, i) => ({ ...token, i })).filter((token) => !token.special && token.start >= start && token.end <= end);
          const sum = Array(dimensions).fill(0);
          for (const { i } of pieces) for (let d = 0; d < dimensions; d++) sum[d] += values[(state * tokens.length + i) * dimensions + d] / pieces.length;
          return sum;
        };
        const words = [...text.matchAll(/[a-z]+/gi)].map((match) => ({ text: match[0].toLowerCase(), span: [match.index, match.index + match[0].length] }));
        return { words, vector, states };
      };
      const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
      const cosine = (a, b) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
      const all = await Promise.all([first, second, ...more].map(read));
      const chosen = all.map(({ words }) => words.findIndex(({ text }) => text === word));
      const rows = [];
      const [a, b] = all;
      for (let state = 0; state < a.states; state++) {
        const pair = cosine(a.vector(state, a.words[chosen[0]].span), b.vector(state, b.words[chosen[1]].span));
        const others = [];
        a.words.forEach((left, i) => b.words.forEach((right, j) => {
          if (i !== chosen[0] && j !== chosen[1] && left.text !== right.text) others.push(cosine(a.vector(state, left.span), b.vector(state, right.span)));
        }));
        rows.push({ pair, others: others.reduce((sum, x) => sum + x, 0) / others.length });
      }
      const vectors = all.map((one, i) => one.vector(a.states - 1, one.words[chosen[i]].span));
      const mean = vectors[0].map((_, d) => vectors.reduce((sum, vector) => sum + vector[d], 0) / vectors.length);
      let left = vectors.map((vector) => vector.map((x, d) => x - mean[d]));
      const total = left.reduce((sum, vector) => sum + dot(vector, vector), 0);
      let held = 0;
      for (let axis = 0; axis < 2; axis++) {
        let direction = left[0].map((_, d) => Math.sin(d + 1));
        for (let step = 0; step < 500; step++) {
          const next = direction.map(() => 0);
          for (const vector of left) {
            const along = dot(vector, direction);
            vector.forEach((x, d) => (next[d] += along * x));
          }
          const length = Math.sqrt(dot(next, next));
          direction = next.map((x) => x / length);
        }
        held += left.reduce((sum, vector) => sum + dot(vector, direction) ** 2, 0);
        left = left.map((vector) => vector.map((x, d) => x - dot(vector, direction) * direction[d]));
      }
      return { rows, share: held / total };
    },
    [first, second, more, word],
  );

const cosines = (lab) =>
  lab.locator(".similarities tbody tr").evaluateAll((rows) => rows.map((row) => [...row.querySelectorAll("td")].map((cell) => Number(cell.dataset.cosine))));

readerTest("a word's similarity is told layer by layer beside that of other words, and its plane with what it holds", async ({ page }) => {
  const lab = page.getByRole("region", { name: "The same word in two contexts" });
  const field = (name) => lab.getByRole("textbox", { name });
  const settled = () => page.waitForFunction(() => {
    const place = document.querySelector(".similarities");
    return place.ariaBusy === "false" && place.querySelector("tbody");
  });
  await settled();
  const texts = async () => [
    await field("First sentence").inputValue(),
    await field("Second sentence").inputValue(),
    ...(await field(/^More sentences/).inputValue()).split("\n"),
  ];
  const word = (await lab.getByRole("button", { pressed: true }).allInnerTexts())[0].toLowerCase();
  const truth = await engine(page, await texts(), word);
  const found = await cosines(lab);
  assert.equal(found.length, truth.rows.length);
  found.forEach(([pair, others], layer) => {
    near(pair, truth.rows[layer].pair, `pair, layer ${layer}`);
    near(others, truth.rows[layer].others, `others, layer ${layer}`);
  });
  // The opening example is one in which the model does tell the two apart.
  assert.ok(found.at(-1)[0] < found[0][0] - 0.2, `${found}`);
  near(Number(await lab.locator(".plane").getAttribute("data-share")), truth.share, "share");
  const places = lab.locator(".places li");
  assert.equal(await places.count(), (await texts()).length);
  const canvas = lab.getByRole("img");
  const picture = await canvas.evaluate((canvas) => canvas.toDataURL());
  // Sentences of one sense are each other's nearest in the opening example.
  const nearest = await places.evaluateAll((items) => items.map((item) => Number(item.dataset.nearest)));
  const sense = [0, 1, 0, 0, 1, 1];
  nearest.forEach((other, at) => assert.equal(sense[other - 1], sense[at], `${at + 1} is nearest to ${other}`));
  // Another layer, another plane.
  await lab.getByRole("radio", { name: "1", exact: true }).check({ force: true });
  await page.waitForFunction((picture) => document.querySelector(".plane canvas").toDataURL() !== picture, picture);

  // Other words are chosen, sentence by sentence.
  await field("First sentence").fill("The old man slept.");
  await field("Second sentence").fill("An old man ate.");
  await lab.getByRole("group", { name: "Word of the second sentence" }).getByRole("button", { name: "ate" }).click();
  await lab.getByText(/“old” and “ate”, two words/).first().waitFor();
  await lab.getByRole("group", { name: "Word of the second sentence" }).getByRole("button", { name: "old" }).click();
  await lab.getByText(/^“old” and “old”:/).waitFor();
  const old = await engine(page, ["The old man slept.", "An old man ate."], "old");
  near((await cosines(lab)).at(-1)[0], old.rows.at(-1).pair, "old");
  await lab.getByText(/^A plane takes three sentences/).waitFor();
});
