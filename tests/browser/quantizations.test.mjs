// The comparison of quantizations, held to the engine's own logits.

import assert from "node:assert/strict";

import { readerTest } from "./reader.mjs";

const ALL = ["F32", "F16", "Q8_0", "Q4_0"];

/** Mean KL divergences from F32's distributions, and the largest difference of attention, in the page. */
const measured = (page, name, text, options, part) =>
  page.evaluate(
    async ([name, text, options, part, all]) => {
      const { Unmask } = await import(document.getElementById("client").href);
      const logSoftmax = (logits) => {
        const most = logits.reduce((most, logit) => Math.max(most, logit), -Infinity);
        const all = most + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0));
        return logits.map((logit) => logit - all);
      };
      const rows = ({ positions, vocabulary, values }) =>
        positions.map((_, row) => logSoftmax(Array.from(values.subarray(row * vocabulary, (row + 1) * vocabulary))));
      const runs = [];
      for (const requantize of all) {
        const model = await Unmask.load(name, { requantize });
        const { [part]: attention } = await model.attention(text, options);
        runs.push({ quantization: model.info.quantization, bytes: model.info.bytes, rows: rows(await model.logits(text, options)), weights: attention.weights });
        await model.dispose();
      }
      const [reference] = runs;
      return runs.map(({ quantization, bytes, rows, weights }) => {
        const each = rows.map((row, at) => row.reduce((sum, q, i) => sum + Math.exp(reference.rows[at][i]) * (reference.rows[at][i] - q), 0));
        return {
          quantization,
          bytes,
          divergence: each.reduce((sum, one) => sum + one, 0) / each.length,
          attention: weights.reduce((most, weight, i) => Math.max(most, Math.abs(weight - reference.weights[i])), 0),
        };
      });
    },
    [name, text, options, part, ALL],
  );

const shown = (panel) =>
  panel.locator("tbody tr").evaluateAll((rows) =>
    rows.map(({ dataset }) => ({ quantization: dataset.quantization, divergence: Number(dataset.divergence), attention: Number(dataset.attention) })),
  );

const compare = async (page, panel) => {
  await panel.getByRole("button", { name: "Compare" }).click();
  await panel.locator("tbody tr").nth(3).waitFor();
  await page.waitForFunction(() => document.querySelector("#quantization").ariaBusy === "false");
};

readerTest("four quantizations of the default BERT and BART are as far apart as their logits are", async (reader) => {
  const { page } = reader;
  const panel = page.getByRole("region", { name: "What fewer bits change" });
  await panel.getByText(/what it has lost does not come back/).waitFor();
  await compare(page, panel);
  const expected = await measured(page, "bert", await reader.sentence.inputValue(), {}, "encoder");
  assert.deepEqual(expected.map(({ quantization }) => quantization), ALL);
  const close = (found, expected) => {
    assert.deepEqual(found.map(({ quantization }) => quantization), ALL);
    found.forEach(({ divergence, attention }, i) => {
      assert.ok(Math.abs(divergence - expected[i].divergence) < 1e-4 + expected[i].divergence / 100, `${ALL[i]}: ${divergence} is not ${expected[i].divergence}`);
      assert.ok(Math.abs(attention - expected[i].attention) < 1e-5, `${ALL[i]}: ${attention} is not ${expected[i].attention}`);
    });
  };
  const found = await shown(panel);
  close(found, expected);
  const [f32, f16, q8, q4] = found;
  assert.equal(f32.divergence, 0);
  // The file is Q8_0: halves hold its values nearly, and its own format loses by the activations' rounding alone.
  assert.ok(f16.divergence < 1e-3 && q8.divergence < 1e-2 && q4.divergence > Math.max(f16.divergence, q8.divergence), JSON.stringify(found));
  assert.ok(expected.every(({ bytes }, i) => i === 0 || bytes < expected[i - 1].bytes));

  // The matrix is of the head that differs most, and says where and by how much.
  const choices = panel.getByRole("group", { name: "Of" });
  await reader.choose(choices, "Q4_0");
  const reading = panel.locator(".reading");
  assert.match(await reading.innerText(), /^Layer \d+, head \d+, where the attention differs most/);
  await panel.getByRole("application").focus();
  await page.keyboard.press("ArrowRight");
  assert.match(await reading.innerText(), /the weight differs by/);

  // Another text is another comparison.
  await reader.sentence.fill("A cat sat on the [MASK].");
  await panel.locator("table").waitFor({ state: "detached" });

  await reader.choose(panel.getByRole("group", { name: "Model" }), "BART");
  await page.waitForFunction(() => document.querySelector("#bart .written").dataset.stage === "Finished");
  await compare(page, panel);
  const source = await reader.bart.locator(".written .source").innerText();
  const target = await reader.bart.locator(".written output").innerText();
  const task = "denoise";
  close(await shown(panel), await measured(page, "bart", source, { target, task }, "cross"));
});
