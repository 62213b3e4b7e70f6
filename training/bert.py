"""Trains `bert`. See README.md; the short of it:

    python training/bert.py train       # the stable phase: goes on from its last checkpoint until --until, or a kill
    python training/bert.py cooldown    # a releasable model out of the newest stable checkpoint
    python training/bert.py export      # the Hugging Face folder of the cooled-down model
"""

import argparse
import os
import shutil
import time

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

import tasks
from common import (DEVICE, Log, StopFlag, autocast, cooldown, load_optimizer_state, optimizer_state, rng_for,
                    run_folder, save_atomically, write_json, wsd)  # fmt: skip
from data import minilm_folder
from encoder import Encoder
from parallel import launch
from pretrain_data import Pretraining

SEED = 1
WARMUP = 100
BODY_RATE, HEAD_RATE = 3e-4, 1e-3
TASK_WEIGHT = 0.4
JOINT_FROM = 180  # steps of masked words and next sentence alone, before the tasks join
ROWS = 64  # of 128 tokens, before the tasks join
# rows a step, after; about half of all tokens stay with masked words and next sentence
JOINT_ROWS = {"pretraining": 32, "sentiment": 48, "nli": 32, "topic": 8, "ner": 12, "qa": 14}


def bert_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def build_optimizer(model):
    groups = {}
    for name, p in model.named_parameters():
        rate = BODY_RATE if name.startswith("bert.") else HEAD_RATE
        decay = 0.01 if p.dim() > 1 else 0.0
        groups.setdefault((rate, decay), []).append(p)
    return torch.optim.AdamW(
        [{"params": ps, "lr": rate, "base": rate, "weight_decay": decay} for (rate, decay), ps in groups.items()],
        betas=(0.9, 0.98), eps=1e-6, fused=True)  # fmt: skip


class Trainer:
    def __init__(self, workers):
        torch.manual_seed(SEED)
        tokenizer = bert_tokenizer()
        self.workers = workers
        if workers.rank:  # the first fills the caches
            workers.wait()
        self.pretraining = Pretraining(tokenizer)
        self.tasks = tasks.load_all(tasks.Tokens(tokenizer))
        if not workers.rank:
            workers.wait()
        self.model = Encoder(tasks.HEADS)
        bias = self.model.cls.predictions.bias
        bias.data.copy_(self.pretraining.unigram_log_probabilities(len(bias)))
        self.model.to(DEVICE).train()
        self.names = {p: n for n, p in self.model.named_parameters()}
        self.optimizer = build_optimizer(self.model)
        self.counts = {"step": 0, "tokens": 0, "seconds": 0.0}

    def load(self, path):
        state = torch.load(path, map_location=DEVICE, weights_only=True)
        missing = self.model.load_state_dict(state["model"], strict=False)
        assert not missing.unexpected_keys, missing
        load_optimizer_state(self.optimizer, self.names, state["optimizer"])
        self.counts = {k: state[k] for k in self.counts}
        return state

    def save(self, path, **more):
        save_atomically({"model": self.model.state_dict(), "optimizer": optimizer_state(self.optimizer, self.names),
                         **self.counts, **more}, path)  # fmt: skip

    def parts(self, step):
        """The batches of a step, with their losses' weights and functions. Each worker makes its share."""
        rank, size = self.workers.rank, self.workers.size
        joint = step >= JOINT_FROM
        rows = JOINT_ROWS["pretraining"] if joint else ROWS
        yield 1.0, self.pretraining.batch(rng_for(SEED, 0, step, rank), rows // size), self.model.pretraining_loss
        if joint:
            for i, (task, name) in enumerate(zip(self.tasks, tasks.HEADS), start=1):
                batch = task.batch(rng_for(SEED, i, step, rank), JOINT_ROWS[name] // size)
                yield TASK_WEIGHT, batch, lambda b, task=task: task.loss(self.model, b)

    def step(self, factor: float, stop: bool) -> tuple[dict, bool]:
        for group in self.optimizer.param_groups:
            group["lr"] = group["base"] * factor
        measured = {}
        for weight, batch, loss_of in self.parts(self.counts["step"]):
            with autocast():
                loss, values = loss_of(batch)
            (weight * loss).backward()
            measured.update({k: v.detach() for k, v in values.items()})
            self.counts["tokens"] += batch["input_ids"].numel() * self.workers.size
        stop = self.workers.average(self.model.parameters(), stop)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.counts["step"] += 1
        return {k: float(v) for k, v in measured.items()}, stop


def run(trainer: Trainer, rate_of, until, path, log, save_every, **more):
    """Steps to `until` (or for ever), with a line every 20 and a checkpoint every `save_every` seconds."""
    flag, counts, stop, first = StopFlag(), trainer.counts, False, trainer.workers.rank == 0
    sums, since, saved, before = {}, time.time(), time.time(), counts["tokens"]
    while not stop and (until is None or counts["step"] < until):
        measured, stop = trainer.step(rate_of(counts["step"]), flag.set)
        for k, v in measured.items():
            sums.setdefault(k, []).append(v)
        if counts["step"] % 20 == 0:
            now = time.time()
            counts["seconds"] += now - since
            means = {k: round(sum(v) / len(v), 4) for k, v in sums.items()}
            if first:
                log(step=counts["step"], tokens=counts["tokens"],
                    rate=round((counts["tokens"] - before) / (now - since)), **means)  # fmt: skip
            sums, since, before = {}, now, counts["tokens"]
        if first and time.time() - saved > save_every:
            trainer.save(path, **more)
            saved = time.time()
    if first:
        trainer.save(path, **more)
        log(event="stop", **counts)


def train(args, workers):
    folder = run_folder("bert")
    trainer, path, log = Trainer(workers), folder / "stable.pt", Log(folder / "train.jsonl")
    if path.exists():
        trainer.load(path)
    if workers.rank == 0:
        log(event="start", device=str(DEVICE), workers=workers.size, **trainer.counts)
    run(trainer, lambda step: wsd(step, WARMUP), args.until, path, log, args.save_every)


def cool(args, workers):
    """Goes on with a cooldown that was interrupted; begins a new one after a finished one."""
    folder = run_folder("bert")
    trainer, path, log = Trainer(workers), folder / "cooldown.pt", Log(folder / "cooldown.jsonl")
    state = torch.load(path, weights_only=True) if path.exists() else {}
    if state and state["step"] < state["start"] + state["steps"]:
        trainer.load(path)
        start, steps = state["start"], state["steps"]
    else:
        trainer.load(folder / "stable.pt")
        start, steps = trainer.counts["step"], args.steps
    if workers.rank == 0:
        log(event="start", device=str(DEVICE), workers=workers.size, start=start, steps=steps, **trainer.counts)
    run(trainer, lambda step: cooldown(step, start, steps), start + steps, path, log, args.save_every,
        start=start, steps=steps)  # fmt: skip


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
    found.append(entry("qa", "question-answering", ["start", "end"], "heads.qa", null_threshold=0.0))
    return [h for h in found if h["name"] in trained]


def export(args):
    """config.json, model.safetensors and tokenizer.json, ready for unmask-pack."""
    folder = run_folder("bert")
    state = torch.load(folder / f"{args.checkpoint}.pt", map_location="cpu", weights_only=True)
    joint = state["step"] > JOINT_FROM
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


DESCRIPTION = "One small English BERT for every task: masked words, next sentence, sentiment, entailment, topics, names and answers."
DESCRIPTION_EARLY = "A small English BERT that fills masked words and tells whether one sentence follows another."


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["train", "cooldown", "export"])
    parser.add_argument("--until", type=int, help="train: the step to stop at")
    parser.add_argument("--steps", type=int, default=300, help="cooldown: how many")
    parser.add_argument("--checkpoint", default="cooldown", help="export: stable or cooldown")
    parser.add_argument("--workers", type=int, default=1 if DEVICE.type == "cuda" else os.cpu_count())
    parser.add_argument("--save-every", type=float, default=240, help="seconds between checkpoints")
    args = parser.parse_args()
    if args.command == "export":
        export(args)
    else:
        launch({"train": train, "cooldown": cool}[args.command], args, args.workers)
