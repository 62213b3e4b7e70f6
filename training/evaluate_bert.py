"""Measures an exported `bert` on the held-out splits. Every number of the model card comes from here:

    python training/evaluate_bert.py            # the table
    python training/evaluate_bert.py --quick    # a fifth of it, while training goes on
    python training/evaluate_bert.py --fill "The capital of France is [MASK]."

README.md states the rules (which documents, which masks, which pairs) so that another program can apply them."""

import argparse
import collections
import json
import re
import string

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

import tasks
from common import DEVICE, autocast, hash32, part_of, run_folder, set_threads, write_json
from data import conll, jsonl, prose_documents
from encoder import Encoder

CLS, SEP, MASK = 101, 102, 103
WINDOW, HALF = 126, 62
QA_LENGTH, QA_STRIDE, QA_ANSWER = 256, 96, 30


class Evaluator:
    def __init__(self, folder, quick: bool, half: bool):
        self.config = json.loads((folder / "config.json").read_text())
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.tokens = tasks.Tokens(self.tokenizer)
        self.heads = {h["name"]: h for h in self.config["unmask_heads"]}
        self.model = Encoder({k: v for k, v in tasks.HEADS.items() if k in self.heads})
        result = self.model.load_state_dict(load_file(folder / "model.safetensors"))
        assert not result.missing_keys and not result.unexpected_keys, result
        self.model.to(DEVICE).eval()
        self.quick, self.half = quick, half

    def run(self, function, *arguments):
        with torch.no_grad(), torch.autocast(DEVICE.type, dtype=torch.bfloat16, enabled=self.half):
            return function(*arguments)

    def some(self, items, every: int = 5):
        return items[::every] if self.quick else items

    # --- masked words and next sentence ---

    def held_out(self):
        """Test documents as (number, source, paragraphs' ids)."""
        if not hasattr(self, "_held_out"):
            self._held_out = [(n, source, self.tokens(paragraphs)) for n, source, _, paragraphs in prose_documents()
                              if part_of(n) == "test"]  # fmt: skip
        return self._held_out

    def masked_words(self):
        windows = self.some([(source, chunk, masked) for number, source, paragraphs in self.held_out()
                             for chunk, masked in masked_windows(number, [i for p in paragraphs for i in p])])  # fmt: skip
        windows.sort(key=lambda w: len(w[1]))
        counts = collections.defaultdict(lambda: np.zeros(3))
        for i in range(0, len(windows), 16):
            some = windows[i : i + 16]
            batch = tasks.tensors(**tasks.encode_pairs([
                [MASK if k in masked else t for k, t in enumerate(chunk)] for _, chunk, masked in some]))  # fmt: skip
            hidden = self.run(self.model.hidden, batch)
            places = [(row, k + 1) for row, (_, _, masked) in enumerate(some) for k in masked]
            wanted = torch.tensor([chunk[k] for _, chunk, masked in some for k in masked])
            rows, columns = torch.tensor(places, device=DEVICE).T
            hits = self.run(self.guess, hidden[rows, columns]).topk(5).indices.cpu() == wanted[:, None]
            for (source, _, masked), hit in zip(some, hits.split([len(w[2]) for w in some])):
                new = np.array([len(masked), hit[:, 0].sum(), hit.any(1).sum()])
                counts[source] += new
                counts["all"] += new
        return {"mlm_top1": pct(counts["all"][1], counts["all"][0]), "mlm_top5": pct(counts["all"][2], counts["all"][0]),
                "masked": int(counts["all"][0]),
                "by_source": {s: [pct(c[1], c[0]), pct(c[2], c[0])] for s, c in counts.items() if s != "all"}}  # fmt: skip

    def guess(self, hidden):
        table = self.model.bert.embeddings.word_embeddings.weight
        return self.model.cls.predictions(hidden) @ table.T + self.model.cls.predictions.bias

    def next_sentence(self):
        pairs = boundary_pairs([(number, paragraphs) for number, _, paragraphs in self.held_out()])
        pairs = self.some(pairs)
        right = 0
        for i in range(0, len(pairs), 16):
            some = pairs[i : i + 16]
            batch = tasks.tensors(**tasks.encode_pairs([p[0] for p in some], [p[1] for p in some]))
            hidden = self.run(self.model.hidden, batch)
            scores = self.run(lambda h: self.model.cls.seq_relationship(self.model.bert.pooler(h)), hidden)
            right += int((scores.argmax(1).cpu() == torch.tensor([p[2] for p in some])).sum())
        return {"nsp": pct(right, len(pairs)), "pairs": len(pairs)}

    # --- the labelled tasks ---

    def classification(self, task):
        order = self.some(np.argsort(task.lengths))
        labels, guesses = [], []
        for i in range(0, len(order), 32):
            batch = task.rows(order[i : i + 32])
            scores = self.run(lambda b: self.model.heads[task.name](self.model.hidden(b)[:, 0]), batch)
            guesses += scores.argmax(1).tolist()
            labels += batch["labels"].tolist()
        labels, guesses = np.array(labels), np.array(guesses)
        return {task.name: pct((labels == guesses).sum(), len(labels)), "examples": len(labels),
                "by_label": {self.heads[task.name]["labels"][c]: pct((guesses[labels == c] == c).sum(), (labels == c).sum())
                             for c in range(len(self.heads[task.name]["labels"]))}}  # fmt: skip

    def entities(self, name):
        task = tasks.Entities(self.tokens, [name], [1.0])
        right = found = wanted = 0
        for i in self.some(list(range(len(task.ids)))):
            batch = task.rows([i])
            scores = self.run(lambda b: self.model.heads["ner"](self.model.hidden(b)), batch)[0]
            first = (batch["labels"][0] >= 0).cpu().numpy()
            guess = spans(scores.argmax(1).cpu().numpy()[first])
            truth = spans(batch["labels"][0].cpu().numpy()[first])
            right, found, wanted = right + len(guess & truth), found + len(guess), wanted + len(truth)
        return {f"ner_{name}": round(200 * right / max(1, found + wanted), 2), "precision": pct(right, found),
                "recall": pct(right, wanted), "entities": wanted}  # fmt: skip

    def answers(self, rows):
        """For each question: the best span's text, its score, and the score of there being none."""
        results = []
        for r in rows:
            question = self.tokens([r["question"]], 64)[0]
            encoded = self.tokenizer.encode(r["context"], add_special_tokens=False)
            room = QA_LENGTH - 3 - len(question)
            best, null = (-1e9, ""), 1e9
            starts = [0]
            while starts[-1] + room < len(encoded.ids):
                starts.append(starts[-1] + room - QA_STRIDE)
            chunks = [encoded.ids[s : s + room] for s in starts]
            batch = tasks.tensors(**tasks.encode_pairs([question] * len(chunks), chunks))
            scores = self.run(lambda b: self.model.heads["qa"](self.model.hidden(b)), batch).float().cpu()
            for row, (s, chunk) in enumerate(zip(starts, chunks)):
                null = min(null, float(scores[row, 0].sum()))
                begin = len(question) + 2
                start, end = scores[row, begin : begin + len(chunk)].T
                table = (start[:, None] + end[None, :]).triu().tril(QA_ANSWER - 1)
                table = table.masked_fill(table == 0, -1e9)
                at = int(table.argmax())
                i, j = at // len(chunk), at % len(chunk)
                if float(table[i, j]) > best[0]:
                    a, b = encoded.offsets[s + i][0], encoded.offsets[s + j][1]
                    best = (float(table[i, j]), r["context"][a:b])
            results.append((best[1], best[0], null))
        return results

    def questions(self, rows, threshold):
        answers = self.answers(rows)
        forced = [score_answer(a, r) for (a, _, _), r in zip(answers, rows)]
        refusing = [score_answer("" if null - best > threshold else a, r) for (a, best, null), r in zip(answers, rows)]
        return {"qa_f1": mean(f for f, _ in forced), "qa_exact": mean(e for _, e in forced),
                "f1_with_refusal": mean(f for f, _ in refusing), "questions": len(rows)}  # fmt: skip

    def null_threshold(self):
        """On the SQuAD 2.0 contexts kept back from training: the threshold with the best F1, where a question without
        an answer counts a quarter: half of the set has none, but people mostly ask what the passage tells."""
        rows = [r for r in jsonl("qa/squad2-dev-half.train.jsonl.xz") if tasks.in_qa_dev(r["context"])]
        answers = self.answers(rows)
        gaps = np.array([null - best for _, best, null in answers])
        weights = np.array([1.0 if r["answers"] else 0.25 for r in rows])
        best = (-1.0, 0.0, 0.0)
        for threshold in np.quantile(gaps, np.linspace(0, 1, 101)):
            f1 = np.array([score_answer("" if g > threshold else a, r)[0] for g, (a, _, _), r in zip(gaps, answers, rows)])
            best = max(best, (float(f1 @ weights / weights.sum()), float(threshold), float(f1.mean())))
        return {"null_threshold": round(best[1], 3), "weighted_f1": round(100 * best[0], 2),
                "squad2_dev_f1": round(100 * best[2], 2), "questions": len(rows),
                "refused": pct((gaps > best[1]).sum(), len(rows))}  # fmt: skip

    # --- by hand ---

    def fill(self, text: str, k: int = 5):
        ids = self.tokenizer.encode(text.replace("[MASK]", "[MASK]")).ids
        batch = tasks.tensors(**tasks.encode_pairs([ids[1:-1]]))
        hidden = self.run(self.model.hidden, batch)[0]
        for place in [i for i, t in enumerate(ids) if t == MASK]:
            p, best = self.run(self.guess, hidden[place : place + 1]).float().softmax(1)[0].topk(k)
            words = " ".join(f"{self.tokenizer.id_to_token(int(i))} {100 * float(q):.0f}%" for q, i in zip(p, best))
            print(f"{text}  ->  {words}")


def masked_windows(number: int, ids: list[int]):
    """Yields the windows of document `number`: their tokens, and the places in them that are masked."""
    for at in range(0, len(ids), WINDOW):
        chunk = ids[at : at + WINDOW]
        masked = [k for k in range(len(chunk)) if hash32(number, at + k) % 100 < 15]
        if len(chunk) >= 32 and masked:
            yield chunk, masked


def boundary_pairs(documents: list[tuple[int, list[list[int]]]]) -> list[tuple[list[int], list[int], int]]:
    """Two segments and 0 where the second follows, for every boundary between paragraphs that has room around it;
    `documents` are numbers and paragraphs' tokens."""
    pairs = []
    for d, (number, paragraphs) in enumerate(documents):
        flat = [i for p in paragraphs for i in p]
        at = 0
        for k in range(len(paragraphs) - 1):
            at += len(paragraphs[k])
            if at < 16 or len(flat) - at < 16:
                continue
            first, real = flat[max(0, at - HALF) : at], hash32(number, k) % 2 == 0
            if real:
                second = flat[at : at + HALF + 1]
            else:
                other = documents[(d + 1) % len(documents)][1]
                begin = hash32(number, k, 1) % len(other)
                second = [i for p in other[begin:] for i in p][: HALF + 1]
            pairs.append((first, second, 0 if real else 1))
    return pairs


def pct(a, b):
    return round(100 * float(a) / max(1, float(b)), 2)


def mean(values):
    values = list(values)
    return round(100 * sum(values) / max(1, len(values)), 2)


def spans(tags) -> set:
    """(kind, first, last) of a BIO sequence; an I without its B begins one, as conlleval has it."""
    found, open_ = set(), None
    for i, t in enumerate([*tags, 0]):
        name = tasks.NER[int(t)]
        if open_ and (name == "O" or name.startswith("B-") or name[2:] != open_[0]):
            found.add((*open_, i - 1))
            open_ = None
        if name != "O" and not open_:
            open_ = (name[2:], i)
    return found


def normalise(text: str) -> list[str]:
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def score_answer(guess: str, row) -> tuple[float, float]:
    """SQuAD's F1 and exact match, the best over the reference answers."""
    guess = normalise(guess)
    best = (0.0, 0.0)
    for answer in [a["text"] for a in row["answers"]] or [""]:
        truth = normalise(answer)
        common = sum((collections.Counter(guess) & collections.Counter(truth)).values())
        f1 = float(guess == truth) if not guess or not truth else 2 * common / (len(guess) + len(truth))
        best = max(best, (f1, float(guess == truth)))
    return best


def calibrate(folder):
    """Writes the threshold of refusal into the exported config."""
    evaluator = Evaluator(folder, quick=False, half=True)
    found = evaluator.null_threshold()
    evaluator.heads["qa"]["null_threshold"] = found["null_threshold"]
    write_json(folder / "config.json", evaluator.config)
    print(json.dumps(found))


def main(args):
    folder = run_folder("bert") / "export"
    evaluator = Evaluator(folder, args.quick, args.half)
    if args.fill:
        for text in args.fill:
            evaluator.fill(text)
        return
    rows = {
        "mlm": evaluator.masked_words,
        "nsp": evaluator.next_sentence,
        "sentiment": lambda: evaluator.classification(tasks.sentiment(evaluator.tokens, ("dev",))),
        "nli": lambda: evaluator.classification(tasks.nli(evaluator.tokens, "test")),
        "topic": lambda: evaluator.classification(tasks.topic(evaluator.tokens, "test")),
        "ner": lambda: [evaluator.entities("wikigold.test"), evaluator.entities("wnut17.test")],
        "qa": lambda: evaluator.questions(evaluator.some(jsonl("qa/xquad-en.test.jsonl.xz")),
                                          evaluator.heads["qa"]["null_threshold"]),
    }  # fmt: skip
    for name, measure in rows.items():
        wanted = {"mlm": "masked-lm", "nsp": "next-sentence"}.get(name, name)
        if wanted in evaluator.heads and (not args.only or name in args.only):
            print(json.dumps({name: measure()}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--half", action="store_true", help="bfloat16 autocast: faster, a little less exact")
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--fill", nargs="*")
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    set_threads(args.threads)
    main(args)
