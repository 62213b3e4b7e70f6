"""BART's vocabulary and its pre-training noise, as the paper has it: text infilling, masking and deletion of tokens,
permutation of sentences, rotation of the document."""

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from common import DEVICE, RUNS
from data import Prose, jsonl, minilm_folder, tsv

TASKS = ["denoise", "summarize", "answer", "continue"]
# BERT's own special pieces first, then the tasks' and the separator between a question and its passage.
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *[f"<{t}>" for t in TASKS], "<sep>"]
PAD, UNK, BOS, EOS, MASK = range(5)
TASK_IDS = {t: 5 + i for i, t in enumerate(TASKS)}
SEPARATOR = 5 + len(TASKS)
# 98.7% of all pieces in the prose are among the 16,000 most frequent; the rest of BERT's 30,522 would be half of the file.
VOCABULARY = 16_000

# The share of each source in pre-training (see pretrain_data.py).
WEIGHTS = {
    "openstax": 0.38,
    "classic-books": 0.20,
    "wikipedia-en": 0.08,
    "us-presidential-speeches": 0.03,
    "masc": 0.07,
    "everyday": 0.24,
}


def build_tokenizer() -> Tokenizer:
    """BERT's word pieces, so that the two models' matrices line up token by token: those that the training prose uses
    most, and all single characters of the Latin script, so that any English word can be spelt."""
    path = RUNS / "cache" / "bart-wordpiece.json"
    if not path.exists():
        bert = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
        counts = np.bincount(Prose("train", bert, "bert").ids, minlength=bert.get_vocab_size())
        spelling = [bert.id_to_token(i) for i in range(len(counts))]
        letters = {i for i, s in enumerate(spelling) if len(s.removeprefix("##")) == 1 and ord(s[-1]) < 0x250}
        special = {bert.token_to_id(s) for s in SPECIAL[:5]}
        frequent = [int(i) for i in np.argsort(-counts, kind="stable") if i not in letters | special]
        chosen = sorted(letters | set(frequent[: VOCABULARY - len(SPECIAL) - len(letters)]))
        pieces = SPECIAL + [spelling[i] for i in chosen]
        t = Tokenizer(models.WordPiece({s: i for i, s in enumerate(pieces)}, unk_token="[UNK]"))
        t.normalizer = normalizers.BertNormalizer(lowercase=True)
        t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        closer = [(" ' ", "'"), (" - ", "-"), ("( ", "("), (" )", ")"), ("$ ", "$")]
        t.decoder = decoders.Sequence([decoders.WordPiece(cleanup=True), decoders.Fuse(),
                                       *[decoders.Replace(apart, near) for apart, near in closer]])  # fmt: skip
        t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in SPECIAL])
        t.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A <sep> $B [SEP]",
            special_tokens=[("[CLS]", BOS), ("[SEP]", EOS), ("<sep>", SEPARATOR)])  # fmt: skip
        t.save(str(path))
    return Tokenizer.from_file(str(path))


def infill(rng, ids: np.ndarray, rate: float, mean: float = 3.0) -> list[int]:
    """Spans of Poisson length become one <mask> each, until `rate` of the tokens are gone; a span of none inserts one."""
    ids, left = list(ids), int(round(rate * len(ids)))
    keep = np.ones(len(ids), dtype=bool)
    starts = {}
    for _ in range(4 * len(ids)):
        if left <= 0:
            break
        length = min(int(rng.poisson(mean)), left)
        at = int(rng.integers(0, len(ids) - length + 1))
        low, high = max(0, at - 1), min(len(ids), at + length + 1)
        if not keep[low:high].all() or any(s in starts for s in range(low, high)):
            continue  # spans don't touch
        keep[at : at + length] = False
        starts[at] = length
        left -= max(1, length)
    out = []
    for i in range(len(ids) + 1):
        if i in starts:
            out.append(MASK)
        if i < len(ids) and keep[i]:
            out.append(int(ids[i]))
    return out


def noise(rng, sentences: list[np.ndarray]) -> list[int]:
    """One text, spoilt in one of the paper's ways. Infilling, the best of them, alone or after permutation, mostly."""
    kind = rng.random()
    if kind < 0.35 and len(sentences) > 1:  # the slowest to be learned
        order = rng.permutation(len(sentences))
        if (order[:-1] < order[1:]).all():
            order = order[::-1]
        sentences = [sentences[i] for i in order]
        kind = rng.random()  # and then perhaps something else on top
        if kind < 0.5:
            return [int(i) for s in sentences for i in s]
    ids = np.concatenate(sentences)
    if kind < 0.72:
        return infill(rng, ids, rng.uniform(0.1, 0.4))
    if kind < 0.82:
        return [MASK if r < 0.2 else int(i) for i, r in zip(ids, rng.random(len(ids)))]
    if kind < 0.92:
        return [int(i) for i, r in zip(ids, rng.random(len(ids))) if r >= 0.15] or [MASK]
    at = int(rng.integers(len(ids)))
    return [int(i) for i in np.concatenate([ids[at:], ids[:at]])]


class Denoising:
    def __init__(self, tokenizer):
        self.prose = p = Prose("train", tokenizer, "bart-wordpiece")
        self.first = np.searchsorted(p.sentences, p.documents)
        self.weights = np.array([WEIGHTS[n] for n in p.names])
        self.by_source = []
        for s in range(len(p.names)):
            docs = np.flatnonzero(p.sources == s)
            self.by_source.append((docs, np.cumsum(np.diff(p.documents)[docs])))

    def text(self, rng, longest: int) -> list[np.ndarray]:
        """Whole sentences in a row from one document, as many as fit."""
        p = self.prose
        while True:
            docs, ends = self.by_source[rng.choice(len(self.weights), p=self.weights)]
            doc = docs[np.searchsorted(ends, rng.integers(ends[-1]), side="right")]
            at = int(rng.integers(self.first[doc], self.first[doc + 1]))
            found, length = [], 0
            while at < self.first[doc + 1]:
                sentence = p.ids[p.sentences[at] : p.sentences[at + 1]]
                if length + len(sentence) > longest:
                    break
                if len(sentence):
                    found.append(sentence)
                length += len(sentence)
                at += 1
            if length >= 6:
                return found

    def example(self, rng, longest: int) -> tuple[list[int], list[int]]:
        sentences = self.text(rng, longest)
        return noise(rng, sentences), [int(i) for s in sentences for i in s]


class Seq2Seq:
    """Labelled pairs: a task's name, what goes in and what comes out."""

    def __init__(self, tokenizer, pairs: list[tuple[str, str, str]], longest_in: int, longest_out: int):
        def encode(texts, limit):
            found = []
            for i in range(0, len(texts), 2000):
                found += [np.array(e.ids[:limit], dtype=np.uint16)
                          for e in tokenizer.encode_batch(texts[i : i + 2000], add_special_tokens=False)]  # fmt: skip
            return found

        self.tasks = [TASK_IDS[t] for t, _, _ in pairs]
        self.sources = encode([s for _, s, _ in pairs], longest_in)
        self.targets = encode([t for _, _, t in pairs], longest_out)

    def example(self, rng) -> tuple[int, list[int], list[int]]:
        i = int(rng.integers(len(self.tasks)))
        return self.tasks[i], [int(t) for t in self.sources[i]], [int(t) for t in self.targets[i]]


def summaries(part: str) -> list[tuple[str, str, str]]:
    names = ["openstax-heading", "debian", "scitldr"] + (["openstax-summary"] if part == "train" else [])
    return [("summarize", r["document"], r["summary"]) for n in names for r in jsonl(f"summ/{n}.{part}.jsonl.xz")]


def answers() -> list[tuple[str, str, str]]:
    """Question, separator, passage; the answer, or nothing where the passage doesn't hold one."""
    names = ["qamr", "squadshifts-wiki", "squadshifts-reddit", "squadshifts-amazon", "squad2-dev-half"]
    return [("answer", r["question"] + "<sep>" + r["context"], r["answers"][0]["text"] if r["answers"] else "")
            for n in names for r in jsonl(f"qa/{n}.train.jsonl.xz")]  # fmt: skip


def batch_of(rows: list[tuple[int, list[int], list[int]]]) -> dict:
    """(task, source, target) -> tensors. The task's token stands first in the encoder's input, in place of <s>."""

    def padded(rows, value):
        width = -(-max(map(len, rows)) // 8) * 8
        return torch.tensor([r + [value] * (width - len(r)) for r in rows], device=DEVICE)

    source = padded([[task, *s, EOS] for task, s, _ in rows], PAD)
    labels = padded([[*t, EOS] for _, _, t in rows], -100)
    shifted = padded([[EOS, *t] for _, _, t in rows], PAD)
    return dict(input_ids=source, attention_mask=(source != PAD).long(), decoder_input_ids=shifted, labels=labels)


def tatoeba_pairs(language: str, part: str) -> list[tuple[str, str]]:
    return [(r["en"], r[language]) for r in tsv(f"translate/en-{language}/tatoeba.{part}.tsv.xz")]
