import { chromium } from "playwright-core";
import { writeFile, readFile } from "node:fs/promises";
import { serve } from "./harness.mjs";
const { url } = await serve();
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--headless","--no-sandbox","--disable-gpu"] });
const page = await (await browser.newContext({ serviceWorkers: "block" })).newPage();
page.on("console", (m) => console.log(m.text()));
await page.goto(url + "models/models.json");
await page.goto(url);
const run = await page.evaluate(async () => {
  const { Unmask } = await import(document.getElementById("client").href);
  const bart = await Unmask.load("bart");
  const text = "I want to [MASK] to the beach with you.", task = "denoise";
  const steps = [];
  for await (const step of bart.generate(text, { task, alternatives: 5, topK: 5 })) steps.push(step);
  const a = await bart.attention(text, { task });
  const part = ({ queryTokens, keyTokens, layers, heads, mask, weights }) => {
    const cells = new Uint8Array(weights.length);
    const size = mask.length;
    for (let i = 0; i < weights.length; i++) cells[i] = mask[i % size] ? Math.round(weights[i] * 254) : 255;
    let s = ""; for (const b of cells) s += String.fromCharCode(b);
    return { queryTokens, keyTokens, layers, heads, cells: btoa(s) };
  };
  const bert = await Unmask.load("bert");
  const out = { probes: {} };
  for (const t of ["The plot is thin, but the actors are wonderful.", "The film is slow, but the ending is beautiful.", "The actors are good, but the story is boring.", "It is not a bad film, just a little too long.", "A slow start, but the second half is worth the wait.", "The food was cold, but the people were kind."]) {
    const whole = await bert.classify(t, { head: "sentiment" });
    const hid = [];
    for (const w of t.match(/\w+/g)) { const l = await bert.classify(t.replace(w, "[MASK]"), { head: "sentiment" }); hid.push([w, +l.find((o) => o.label === whole[0].label).probability.toFixed(3)]); }
    out.probes[t] = [whole[0].label, +whole[0].probability.toFixed(3), hid];
  }
  for (const [a, b] of [["The castle was built by the king in the twelfth century.", "The protein is found in the cells of the liver."], ["She opened the letter with shaking hands.", "It was from her brother."], ["The castle was built by the king in the twelfth century.", "It was destroyed in the war and rebuilt by his son."]]) out.probes[a + "|" + b] = (await bert.nextSentence(a, b)).isNext;
  const f = async (t, o) => (await bert.fillMask(t, { topK: 4, ...o }))[0].candidates.map((c) => [c.text, +c.probability.toFixed(3)]);
  out.probes.open = await f(text); out.probes.book = await f("I want to [MASK] this book before I sleep."); out.probes.left = await f(text, { mask: { encoder: { pattern: "causal" } } });
  const spoilt = "Then she went home. Mary was at school all day.";
  out.probes.perm = (await bart.complete(spoilt, { task })).text;
  return { steps, method: "generate", text, task, attention: { encoder: part(a.encoder), decoder: part(a.decoder), cross: part(a.cross) }, out };
});
console.log(JSON.stringify(run.out.probes, null, 1));
const old = JSON.parse(await readFile("../../public/traces/denoise.json"));
const short = (p) => Math.round(p * 1e4) / 1e4;
const cand = ({ token, id, probability, text }) => ({ token, id, probability: short(probability), text });
console.log(Object.keys(old.output[0]), JSON.stringify(old.output[0]).slice(0, 300), JSON.stringify(run.steps[0]).slice(0, 300));
const trace = { format: 1, name: "restore", model: old.model, method: "generate", input: { task: run.task, text: run.text }, output: run.steps.map((s) => { const o = {}; for (const k of Object.keys(old.output[0])) o[k] = k === "alternatives" ? s[k].map(cand) : k === "probability" ? short(s[k]) : s[k]; return o; }), attention: run.attention };
await writeFile("/tmp/restore.json", JSON.stringify(trace) + "\n");
console.log(trace.output.map((s) => [s.token, s.probability]).join(" "));
await browser.close(); process.exit(0);
