"""Batches for masked words and next sentence, from the prose."""

import numpy as np
import torch

from common import DEVICE
from data import Prose

# Old fiction is half of the prose by size; readers type modern English.
WEIGHTS = {
    "openstax": 0.36,
    "classic-books": 0.22,
    "wikipedia-en": 0.08,
    "us-presidential-speeches": 0.03,
    "masc": 0.07,
    "everyday": 0.24,
}
MASK_RATE = 0.20
CLS, SEP, MASK, PAD = 101, 102, 103, 0


class Pretraining:
    def __init__(self, tokenizer, length: int = 128):
        self.prose = p = Prose("train", tokenizer, "bert")
        self.length = length
        self.first = np.searchsorted(p.sentences, p.documents)  # each document's first sentence
        self.weights = np.array([WEIGHTS[n] for n in p.names])
        self.by_source = []
        for s in range(len(p.names)):
            docs = np.flatnonzero(p.sources == s)
            self.by_source.append((docs, np.cumsum(np.diff(p.documents)[docs])))

    def unigram_log_probabilities(self, vocabulary: int):
        counts = np.bincount(self.prose.ids, minlength=vocabulary) + 0.1
        return torch.tensor(np.log(counts / counts.sum()), dtype=torch.float32)

    def _document(self, rng, source: int) -> int:
        docs, ends = self.by_source[source]
        return docs[np.searchsorted(ends, rng.integers(ends[-1]), side="right")]

    def pair(self, rng) -> tuple[np.ndarray, np.ndarray, int]:
        """Two segments that fill the length, and whether the second follows (0), doesn't (1), or isn't known (-100)."""
        p, room = self.prose, self.length - 3
        while True:
            source = rng.choice(len(self.weights), p=self.weights)
            doc = self._document(rng, source)
            start = p.sentences[rng.integers(self.first[doc], self.first[doc + 1])]
            end = p.documents[doc + 1]
            cut = p.sentences[np.searchsorted(p.sentences, start + rng.integers(8, room - 20))]
            a = p.ids[start : min(cut, end)][-(room - 12) :]
            known = p.names[source] != "everyday"
            if known and rng.random() < 0.5:
                other_source = source if rng.random() < 0.5 else rng.choice(len(self.weights), p=self.weights)
                other = self._document(rng, other_source)
                if other == doc:
                    continue
                cut = p.sentences[rng.integers(self.first[other], self.first[other + 1])]
                b = p.ids[cut : min(cut + room - len(a), p.documents[other + 1])]
                label = 1
            else:
                b = p.ids[cut : min(cut + room - len(a), end)]
                label = 0 if known else -100
            if len(a) and len(b) >= 6 and len(a) + len(b) >= room // 2:
                return a, b, label

    def batch(self, rng, size: int) -> dict:
        ids = np.full((size, self.length), PAD, dtype=np.int64)
        types = np.zeros_like(ids)
        labels = np.empty(size, dtype=np.int64)
        for row in range(size):
            a, b, labels[row] = self.pair(rng)
            n = len(a) + len(b) + 3
            ids[row, :n] = np.concatenate([[CLS], a, [SEP], b, [SEP]])
            types[row, len(a) + 2 : n] = 1
        real = (ids != PAD).astype(np.int64)
        masked = np.flatnonzero((ids > MASK) & (rng.random(ids.shape) < MASK_RATE))
        wanted = ids.flat[masked].copy()
        # 90% become [MASK]; the rest stay or become another word, so that unmasked places are kept honest.
        ids.flat[masked] = MASK
        fate = rng.random(len(masked))
        ids.flat[masked[fate < 0.05]] = wanted[fate < 0.05]
        swap = (fate >= 0.05) & (fate < 0.10)
        ids.flat[masked[swap]] = rng.choice(self.prose.ids, swap.sum())
        arrays = dict(input_ids=ids, token_type_ids=types, attention_mask=real, masked=masked, masked_ids=wanted,
                      next=labels)  # fmt: skip
        return {k: torch.from_numpy(v).to(DEVICE) for k, v in arrays.items()}
