"""Writes `default_bert.json`: the word that PyTorch, at full precision, puts first into each of 200 real sentences.

    python make_default_bert.py EXPORT PROSE

EXPORT is the folder that `training/bert.py export` made, PROSE the folder with the training prose. The sentences are
from documents that training never saw: textbooks by OpenStax (CC BY 4.0, named in `from`), and books and speeches in
the public domain. To be run again whenever the default model changes.
"""

import json
import lzma
import re
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import BertConfig, BertForMaskedLM

HERE = Path(__file__).parent
SENTENCES = {"openstax": 100, "classic-books": 80, "us-presidential-speeches": 20}

sys.path.insert(0, str(HERE.parents[3] / "training"))
from common import hash32, part_of  # noqa: E402


def documents(prose: Path):
    index = lzma.open(prose / "prose-en.index.tsv.xz", "rt").read().splitlines()[1:]
    texts = lzma.open(prose / "prose-en.txt.xz", "rt").read().strip("\n").split("\n\n")
    for row, text in zip(index, texts, strict=True):
        number, source, title = row.split("\t")
        if source in SENTENCES and part_of(int(number)) == "test":
            yield source, title, text.split("\n")


def sentences(prose: Path):
    """Of every paragraph with one of fitting length, the first such sentence, in an order that only looks random."""
    found = []
    for source, title, paragraphs in documents(prose):
        for paragraph in paragraphs:
            for sentence in re.split(r"(?<=[.?!]) (?=[A-Z])", paragraph):
                if re.fullmatch(r"[A-Z][A-Za-z ,;'-]{50,160}[.?!]", sentence):
                    found.append((hash32(*sentence.encode()), sentence, source, title))
                    break
    return sorted(found)


def masked(key: int, sentence: str, tokenizer: Tokenizer) -> str | None:
    """Hides one word that is a single token."""
    words = [m for m in re.finditer(r"[A-Za-z]+", sentence) if len(tokenizer.encode(m.group(), add_special_tokens=False).ids) == 1]
    if not words:
        return None
    word = words[key % len(words)]
    return f"{sentence[: word.start()]}[MASK]{sentence[word.end() :]}"


@torch.no_grad()
def main(export: Path, prose: Path):
    tokenizer = Tokenizer.from_file(str(export / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    config = BertConfig.from_pretrained(export)
    config._attn_implementation = "eager"
    model = BertForMaskedLM(config).eval()
    weights = {k: v.float() for k, v in load_file(export / "model.safetensors").items()}
    lacking = model.load_state_dict(weights, strict=False).missing_keys
    model.tie_weights()
    assert set(lacking) <= {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}, lacking
    mask_id = tokenizer.token_to_id("[MASK]")
    rows, seen, wanted = [], set(), dict(SENTENCES)
    for key, sentence, source, title in sentences(prose):
        text = masked(key, sentence, tokenizer)
        if text is None or text in seen or not wanted[source]:
            continue
        seen.add(text)
        wanted[source] -= 1
        encoding = tokenizer.encode(text)
        ids = torch.tensor([encoding.ids])
        logits = model(input_ids=ids, token_type_ids=torch.zeros_like(ids)).logits[0, encoding.ids.index(mask_id)]
        best = logits.softmax(0).topk(2)
        rows.append({
            "text": text,
            "id": best.indices[0].item(),
            "token": tokenizer.id_to_token(best.indices[0].item()),
            "probability": round(best.values[0].item(), 5),
            "second": round(best.values[1].item(), 5),
            "from": title,
        })  # fmt: skip
    assert not any(wanted.values()), wanted
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (HERE / "default_bert.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
