"""Trains `bert`. See README.md; the short of it:

    python training/bert.py train       # the stable phase: goes on from its last checkpoint until --until, or a kill
    python training/bert.py cooldown    # a releasable model out of the newest stable checkpoint
    python training/bert.py export      # the Hugging Face folder of the cooled-down model
    python training/bert.py compact     # the same without the word pieces that no English text needs
    python training/bert.py round       # the compact folder with matrices on the grid of Q8_0: what is packed
    python training/bert.py restore     # a stable checkpoint out of the released file, where the run's own are gone
"""

import json
import shutil
import unicodedata

import torch
from gguf import GGUFReader, dequantize
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

import tasks
from common import ROOT, rng_for, run_folder, save_atomically, write_json
from data import minilm_folder
from encoder import Encoder
from loop import Trainer, command_line
from pretrain_data import Pretraining
from rounding import Gram, by_products, product_error, to_nearest
from word_pieces import keep_pieces

SEED = 1
CALIBRATION, CALIBRATION_BATCHES = 99, 24
BODY_RATE, HEAD_RATE = 3e-4, 1e-3
TASK_WEIGHT = 0.4
# Rows a step, times --scale. The stable phase is masked words and next sentence alone: with the tasks' small, noisy batches
# beside them from early on, masked words stood still at 27% from 3 M to 7 M tokens. The tasks join in the cooldown.
ROWS = 64  # of 128 tokens
COOLDOWN_ROWS = {"pretraining": 40, "sentiment": 32, "nli": 24, "topic": 8, "ner": 16, "qa": 12}


def bert_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


class Bert(Trainer):
    name = "bert"

    def __init__(self, args, workers):
        self.scale = args.scale
        torch.manual_seed(SEED)
        tokenizer = bert_tokenizer()
        if workers.rank:  # the first fills the caches
            workers.wait()
        self.pretraining = Pretraining(tokenizer)
        self.tasks = tasks.load_all(tasks.Tokens(tokenizer))
        if not workers.rank:
            workers.wait()
        model = Encoder(tasks.HEADS)
        bias = model.cls.predictions.bias
        bias.data.copy_(self.pretraining.unigram_log_probabilities(len(bias)))
        super().__init__(workers, model, lambda name: BODY_RATE if name.startswith("bert.") else HEAD_RATE)

    def parts(self, step):
        rank = self.workers.rank

        def share(rows):
            return max(1, round(rows * self.scale / self.workers.size))

        rows = COOLDOWN_ROWS["pretraining"] if self.cooling else ROWS
        yield 1.0, self.pretraining.batch(rng_for(SEED, 0, step, rank), share(rows)), self.model.pretraining_loss
        if self.cooling:
            for i, (task, name) in enumerate(zip(self.tasks, tasks.HEADS), start=1):
                batch = task.batch(rng_for(SEED, i, step, rank), share(COOLDOWN_ROWS[name]))
                yield TASK_WEIGHT, batch, lambda b, task=task: task.loss(self.model, b)


def heads_entry(trained: set) -> list[dict]:
    def entry(name, kind, labels, prefix, **more):
        return {"name": name, "kind": kind, "labels": labels, "prefix": prefix, **more}

    found = [
        entry("masked-lm", "masked-lm", [], "cls.predictions"),
        entry("next-sentence", "next-sentence", ["next", "not next"], "cls.seq_relationship"),
    ]
    for name, labels in [("sentiment", tasks.SENTIMENT), ("nli", tasks.NLI), ("topic", tasks.TOPICS)]:
        found.append(entry(name, "sequence-classification", labels, f"heads.{name}", multi_label=False))
    found.append(entry("ner", "token-classification", tasks.NER, "heads.ner"))
    found.append(entry("qa", "question-answering", ["start", "end"], "heads.qa", null_threshold=0.0, max_length=256))
    return [h for h in found if h["name"] in trained]


def export(args):
    """config.json, model.safetensors and tokenizer.json, ready for unmask-pack."""
    folder = run_folder("bert")
    state = torch.load(folder / f"{args.checkpoint}.pt", map_location="cpu", weights_only=True)
    joint = "start" in state  # out of a cooldown
    trained = {"masked-lm", "next-sentence"} | (set(tasks.HEADS) if joint else set())
    weights = {k: v.float().contiguous() for k, v in state["model"].items()}
    if not joint:
        weights = {k: v for k, v in weights.items() if not k.startswith("heads.")}
    out = folder / "export"
    out.mkdir(exist_ok=True)
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    shutil.copy(minilm_folder() / "tokenizer.json", out / "tokenizer.json")
    config = Encoder({}).bert.config.to_dict()
    keep = ["hidden_act", "hidden_size", "initializer_range", "intermediate_size", "layer_norm_eps",
            "max_position_embeddings", "num_attention_heads", "num_hidden_layers", "pad_token_id", "type_vocab_size",
            "vocab_size"]  # fmt: skip
    write_json(out / "config.json", {
        "architectures": ["BertForPreTraining"], "model_type": "bert", **{k: config[k] for k in keep},
        "attention_probs_dropout_prob": 0.0, "hidden_dropout_prob": 0.0, "position_embedding_type": "absolute",
        "torch_dtype": "float32", "tie_word_embeddings": True,
        "unmask_name": "bert", "unmask_license": "CC-BY-SA-4.0",
        "unmask_source": "all-MiniLM-L6-v2 (Apache-2.0), trained on; see training/cards/bert.md",
        "unmask_description": DESCRIPTION if joint else DESCRIPTION_EARLY,
        "unmask_heads": heads_entry(trained),
    })  # fmt: skip
    print(out)
    if joint:
        from evaluate_bert import calibrate

        calibrate(out)


def is_needed(piece: str) -> bool:
    """Placeholders that no text becomes, and letters and marks of scripts other than Latin and Greek, are not."""
    if piece.startswith("[unused"):
        return False
    return all(
        unicodedata.category(c)[0] not in "LM" or unicodedata.name(c).startswith(("LATIN", "GREEK", "MODIFIER"))
        for c in piece.removeprefix("##")
    )


def compact(args):
    """The exported folder with fewer word pieces, in their old order: a tenth of the embeddings, and nothing that English
    is written with. What falls away becomes [UNK]."""
    folder, out = run_folder("bert") / "export", run_folder("bert") / "compact"
    out.mkdir(exist_ok=True)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    pieces = sorted(tokenizer["model"]["vocab"].items(), key=lambda piece: piece[1])
    rows = keep_pieces(tokenizer, [row for piece, row in pieces if is_needed(piece)], out / "tokenizer.json")
    weights = load_file(folder / "model.safetensors")
    for name in ["bert.embeddings.word_embeddings.weight", "cls.predictions.bias"]:
        weights[name] = weights[name][rows].contiguous()
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    write_json(out / "config.json", {**config, "vocab_size": len(rows), "pad_token_id": tokenizer["model"]["vocab"]["[PAD]"]})
    print(out, f"{len(rows)} of {len(pieces)} word pieces")


@torch.no_grad()
def round_weights(args):
    """The compact folder with the encoder's matrices rounded to Q8_0 by their products on training text."""
    folder, compacted, out = (run_folder("bert") / name for name in ["export", "compact", "rounded"])
    model = Encoder(tasks.HEADS).eval()
    exported = {k: v.float() for k, v in load_file(folder / "model.safetensors").items()}
    model.load_state_dict({k: exported[k] for k in model.state_dict() if k in exported}, strict=False)
    batches = Pretraining(bert_tokenizer())
    with Gram(model, lambda name: not name.startswith("heads.")) as gram:
        for step in range(CALIBRATION_BATCHES):
            model.pretraining_loss(batches.batch(rng_for(SEED, CALIBRATION, step), 16))
    out.mkdir(exist_ok=True)
    for name in ["config.json", "tokenizer.json"]:
        shutil.copy(compacted / name, out / name)
    weights = load_file(compacted / "model.safetensors")
    for layer, of in gram.of.items():
        name = f"{layer}.weight"
        weight = weights[name].float()
        rounded = by_products(weight, of)
        share = product_error(weight, rounded, of) / product_error(weight, to_nearest(weight), of)
        print(f"{layer}: {share:.2f} of the error of rounding to the nearest")
        weights[name] = rounded
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    print(out)


def restore(args):
    """The released file's weights as stable.pt: what it learned is kept, the optimizer's moments are gathered anew. Word
    pieces that the release left out come back as MiniLM has them."""
    path = run_folder("bert") / "stable.pt"
    if path.exists():
        raise SystemExit(f"{path} is there already: go on from it, or move it away first")
    model = Encoder(tasks.HEADS)
    released = GGUFReader(ROOT / "public" / "models" / "bert.gguf")
    found = {t.name: torch.from_numpy(dequantize(t.data, t.tensor_type).copy()) for t in released.tensors}
    tokenizer = json.loads(released.fields["tokenizer.huggingface.json"].contents())
    pieces, all_pieces = tokenizer["model"]["vocab"], bert_tokenizer().get_vocab()
    rows = torch.tensor([all_pieces[p] for p in sorted(pieces, key=pieces.get)])
    weights = model.state_dict()
    for name, value in found.items():
        if len(value) == len(rows):
            weights[name][rows] = value
        else:
            weights[name] = value.reshape(weights[name].shape)
    model.load_state_dict(weights)
    step, tokens = RELEASED
    save_atomically({"model": model.state_dict(), "optimizer": {}, "step": step, "tokens": tokens, "seconds": 0.0,
                     "moments_from": step}, path)  # fmt: skip
    print(path, f"{len(found)} tensors, {len(rows)} of {len(all_pieces)} word pieces")


# What the released file has behind it: steps and tokens.
RELEASED = (2704, 20_290_000)
DESCRIPTION = "One small English BERT for every task: masked words, next sentence, sentiment, entailment, topics, names and answers."
DESCRIPTION_EARLY = "A small English BERT that fills masked words and tells whether one sentence follows another."


if __name__ == "__main__":
    command_line(Bert, {"export": export, "compact": compact, "round": round_weights, "restore": restore}, steps=300)
