// Asking the default models through the page's own client, whatever the page looks like.

/** What BERT puts in the place of a hidden word, best first; loads it where it isn't loaded yet. */
export const fill = (page, text) =>
  page.evaluate(async (text) => {
    const { Unmask } = await import(document.getElementById("client").href);
    const model = await Unmask.load("bert");
    const [mask] = await model.fillMask(text, { topK: 5 });
    await model.dispose();
    return mask.candidates.map((candidate) => candidate.text.trim());
  }, text);

/** How BART pronounces a word. */
export const pronounce = (page, word) =>
  page.evaluate(async (word) => {
    const { Unmask } = await import(document.getElementById("client").href);
    const model = await Unmask.load("bart-g2p");
    const { text } = await model.complete(word, { task: "pronounce" });
    await model.dispose();
    return text;
  }, word);
