"""The labelled tasks of `bert`: their labels, examples, batches and losses."""

import pickle
import re

import numpy as np
import torch
import torch.nn.functional as F

from common import DEVICE, RUNS, hash32, part_of
from data import conll, jsonl, prose_documents, tsv

CLS, SEP, PAD = 101, 102, 0

SENTIMENT = ["negative", "positive"]
NLI = ["entailment", "neutral", "contradiction"]
NER = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"]
TOPIC = {
    "introduction-political-science": "Politics", "american-government": "Politics",
    "anatomy-physiology": "Anatomy", "microbiology": "Microbiology", "astronomy": "Astronomy",
    "chemistry-bundle": "Chemistry", "college-physics-bundle": "Physics", "psychology": "Psychology",
    "introduction-sociology": "Sociology", "introduction-anthropology": "Anthropology",
    "introduction-philosophy": "Philosophy", "principles-economics-bundle": "Economics",
    "introduction-business": "Business", "business-ethics": "Business", "entrepreneurship": "Business",
    "principles-marketing": "Business", "introduction-intellectual-property": "Law", "us-history": "History",
    "world-history": "History", "writing-guide": "Writing", "college-success": "Study skills",
}  # fmt: skip
TOPICS = sorted(set(TOPIC.values()))
NER_OF_WNUT = {"person": "PER", "location": "LOC", "corporation": "ORG", "group": "ORG", "creative-work": "MISC",
               "product": "MISC"}  # fmt: skip
QA_TRAIN = ["qamr", "squadshifts-wiki", "squadshifts-reddit", "squadshifts-amazon", "squad2-dev-half",
            "openstax-terms", "covid-qa"]  # fmt: skip

# name -> (number of outputs, whether the head has a pooled vector of its own)
HEADS = {
    "sentiment": (len(SENTIMENT), True),
    "nli": (len(NLI), True),
    "topic": (len(TOPICS), True),
    "ner": (len(NER), False),
    "qa": (2, False),
}


def pad(rows: list[list[int]], value: int = PAD) -> np.ndarray:
    width = -(-max(map(len, rows)) // 8) * 8
    return np.array([row + [value] * (width - len(row)) for row in rows], dtype=np.int64)


def tensors(**arrays) -> dict:
    return {k: torch.from_numpy(np.asarray(v)).to(DEVICE) for k, v in arrays.items()}


def encode_pairs(firsts: list[list[int]], seconds: list[list[int]] | None = None) -> dict:
    rows, types = [], []
    for i, a in enumerate(firsts):
        b = seconds[i] + [SEP] if seconds else []
        rows.append([CLS, *a, SEP, *b])
        types.append([0] * (len(a) + 2) + [1] * len(b))
    ids = pad(rows)
    return dict(input_ids=ids, token_type_ids=pad(types), attention_mask=(ids != PAD).astype(np.int64))


def slice_of_like_length(rng, pool: np.ndarray, lengths: np.ndarray, size: int) -> np.ndarray:
    """Examples of about one length, so that little is spent on padding: a random slice of a sorted sample."""
    sample = rng.choice(pool, size * 6)
    sample = sample[np.argsort(lengths[sample], kind="stable")]
    start = rng.integers(0, len(sample) - size + 1)
    return sample[start : start + size]


class Tokens:
    """Texts to ids, in bulk."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def __call__(self, texts: list[str], limit: int = 10**9) -> list[list[int]]:
        return [e.ids[:limit] for e in self.tokenizer.encode_batch(texts, add_special_tokens=False)]


class Classification:
    """Sentiment, NLI and topic: a label from the first token."""

    def __init__(self, name: str, firsts, seconds, labels, weights=None):
        self.name, self.firsts, self.seconds = name, firsts, seconds
        self.labels = np.array(labels)
        self.lengths = np.array([len(a) + (len(seconds[i]) if seconds else 0) for i, a in enumerate(firsts)])
        self.weights = None if weights is None else np.cumsum(weights) / np.sum(weights)

    def batch(self, rng, size: int) -> dict:
        pool = np.arange(len(self.labels))
        if self.weights is not None:
            pool = np.searchsorted(self.weights, rng.random(size * 6))
        return self.rows(slice_of_like_length(rng, pool, self.lengths, size))

    def rows(self, chosen) -> dict:
        encoded = encode_pairs([self.firsts[i] for i in chosen], self.seconds and [self.seconds[i] for i in chosen])
        return tensors(**encoded, labels=self.labels[chosen])

    def loss(self, model, batch):
        scores = model.heads[self.name](model.hidden(batch)[:, 0]).float()
        right = (scores.argmax(1) == batch["labels"]).float().mean()
        return F.cross_entropy(scores, batch["labels"]), {self.name: right}


def sentiment(tokens, parts=("train",)):
    """Whole sentences and their phrases in training; the published dev set for evaluation."""
    if parts == ("train",):
        rows, weight = [], []
        for name, share in [("sst2/train", 0.35), ("sst2/phrases.train", 0.50), ("sst2/graded-extra.train", 0.15)]:
            found = tsv(f"{name}.tsv.xz")
            rows += found
            weight += [share / len(found)] * len(found)
    else:
        rows, weight = tsv(f"sst2/{parts[0]}.tsv.xz"), None
    return Classification("sentiment", tokens([r["sentence"] for r in rows], 126), None,
                          [int(r["label"]) for r in rows], weight)  # fmt: skip


def nli(tokens, part="train"):
    rows = tsv(f"nli/snli-devtest.{part}.tsv.xz")
    return Classification("nli", tokens([r["premise"] for r in rows], 90), tokens([r["hypothesis"] for r in rows], 35),
                          [NLI.index(r["label"]) for r in rows])  # fmt: skip


def topic(tokens, part="train"):
    """Paragraphs of at least 100 characters from the textbooks; the split is the documents'."""
    texts, labels = [], []
    for number, source, title, paragraphs in prose_documents():
        if source == "openstax" and part_of(number) == part:
            book = re.match(r"osbooks-([\w-]+)/", title).group(1)
            found = [p for p in paragraphs if len(p) >= 100]
            texts += found
            labels += [TOPICS.index(TOPIC[book])] * len(found)
    weights = None
    if part == "train":  # between as they come and all classes alike
        weights = 1 / np.sqrt(np.bincount(labels, minlength=len(TOPICS)))[labels]
    return Classification("topic", tokens(texts, 94 if part == "train" else 126), None, labels, weights)


class Entities:
    """A BIO tag for the first piece of each word."""

    def __init__(self, tokens, names=("wikigold.train", "wnut17.train"), shares=(0.6, 0.4)):
        self.sentences, weights = [], []
        for name, share in zip(names, shares):
            found = conll(f"ner/{name}.conll.xz")
            weights += [share / len(found)] * len(found)
            for words, tags in found:
                self.sentences.append((words, [self.tag(t) for t in tags]))
        pieces = tokens([w for words, _ in self.sentences for w in words])
        self.ids, self.labels, at = [], [], 0
        for words, tags in self.sentences:
            ids, labels = [], []
            for t in tags:
                piece = pieces[at] or [100]
                ids += piece
                labels += [NER.index(t)] + [-100] * (len(piece) - 1)
                at += 1
            self.ids.append(ids[:126])
            self.labels.append(labels[:126])
        self.lengths = np.array([len(i) for i in self.ids])
        self.weights = np.cumsum(weights) / np.sum(weights)

    @staticmethod
    def tag(tag: str) -> str:
        if tag == "O":
            return tag
        prefix, kind = tag.split("-", 1)
        return f"{prefix}-{NER_OF_WNUT.get(kind, kind)}"

    def batch(self, rng, size: int) -> dict:
        pool = np.searchsorted(self.weights, rng.random(size * 6))
        return self.rows(slice_of_like_length(rng, pool, self.lengths, size))

    def rows(self, chosen) -> dict:
        encoded = encode_pairs([self.ids[i] for i in chosen])
        labels = np.full(encoded["input_ids"].shape, -100, dtype=np.int64)
        for row, i in enumerate(chosen):
            labels[row, 1 : 1 + len(self.labels[i])] = self.labels[i]
        return tensors(**encoded, labels=labels)

    def loss(self, model, batch):
        scores = model.heads["ner"](model.hidden(batch)).float().flatten(0, 1)
        labels = batch["labels"].flatten()
        named = labels > 0
        right = (scores.argmax(1) == labels)[named].float().mean() if named.any() else torch.ones(())
        return F.cross_entropy(scores, labels), {"ner": right}


def in_qa_dev(context: str) -> bool:
    """15% of the SQuAD 2.0 contexts are kept back, to set the threshold below which an answer is refused."""
    return hash32(*context.encode()[:64]) % 100 < 15


class Questions:
    """Start and end of the answer; both on [CLS] when the passage doesn't hold one."""

    def __init__(self, tokens, length: int = 128, long: int = 256):
        self.length, self.long = length, long
        rows, weights = [], []
        shares = dict(zip(QA_TRAIN, [0.22, 0.24, 0.13, 0.13, 0.17, 0.08, 0.03]))
        for name in QA_TRAIN:
            found = jsonl(f"qa/{name}.train.jsonl.xz")
            if name == "squad2-dev-half":
                found = [r for r in found if not in_qa_dev(r["context"])]
            rows += found
            weights += [shares[name] / len(found)] * len(found)
        self.weights = np.cumsum(weights) / np.sum(weights)
        contexts = list(dict.fromkeys(r["context"] for r in rows))
        place = {c: i for i, c in enumerate(contexts)}
        self.contexts, offsets = [], []
        for i in range(0, len(contexts), 2000):
            for e in tokens.tokenizer.encode_batch(contexts[i : i + 2000], add_special_tokens=False):
                self.contexts.append(np.array(e.ids, dtype=np.uint16))
                offsets.append(np.array(e.offsets, dtype=np.int32).reshape(-1, 2))
        questions = tokens([r["question"] for r in rows], 40)
        self.examples = []
        for r, q in zip(rows, questions):
            c, span = place[r["context"]], None
            if r["answers"]:
                a = r["answers"][0]
                first, last = a["answer_start"], a["answer_start"] + len(a["text"])
                inside = np.flatnonzero((offsets[c][:, 0] < last) & (offsets[c][:, 1] > first))
                if len(inside) == 0:
                    continue
                span = (int(inside[0]), int(inside[-1]))
            self.examples.append((q, c, span))
        if len(self.examples) != len(rows):
            raise ValueError("an answer lies between tokens")

    def batch(self, rng, size: int) -> dict:
        limit = self.length
        if rng.random() < 0.2:
            size, limit = max(2, size // 2), self.long
        questions, contexts, spans = [], [], []
        for i in np.searchsorted(self.weights, rng.random(size)):
            q, c, span = self.examples[i]
            if rng.random() < 0.08:  # a passage about something else
                c, span = int(rng.integers(len(self.contexts))), None
            context, room = self.contexts[c], limit - 3 - len(q)
            if len(context) > room:  # a window, which nearly always holds the answer
                low, high = 0, len(context) - room
                if span and rng.random() < 0.95:
                    low, high = max(0, min(span[1] - room + 1, high)), min(high, span[0])
                at = int(rng.integers(low, max(low, high) + 1))
                context = context[at : at + room]
                if span:
                    span = (span[0] - at, span[1] - at)
                    if span[0] < 0 or span[1] >= room:
                        span = None
            questions.append(q)
            contexts.append([int(t) for t in context])
            spans.append((span[0] + len(q) + 2, span[1] + len(q) + 2) if span else (0, 0))
        return tensors(**encode_pairs(questions, contexts), spans=np.array(spans))

    def loss(self, model, batch):
        scores = model.heads["qa"](model.hidden(batch)).float()
        allowed = batch["token_type_ids"].bool() & batch["attention_mask"].bool()
        allowed[:, 0] = True
        scores = scores.masked_fill(~allowed[..., None], -1e4)
        loss = (F.cross_entropy(scores[..., 0], batch["spans"][:, 0])
                + F.cross_entropy(scores[..., 1], batch["spans"][:, 1])) / 2  # fmt: skip
        right = (scores.argmax(1) == batch["spans"]).all(1).float().mean()
        return loss, {"qa": right}


def load_all(tokens) -> list:
    """The training sides of all tasks, in the order of HEADS; tokenized once."""
    cache = RUNS / "cache" / "bert-tasks.pickle"
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        made = [sentiment(tokens), nli(tokens), topic(tokens), Entities(tokens), Questions(tokens)]
        tmp = cache.with_suffix(".tmp")
        tmp.write_bytes(pickle.dumps(made))
        tmp.rename(cache)
    return pickle.loads(cache.read_bytes())
