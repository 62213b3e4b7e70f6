"""The training loop of `bert`, `bart` and `bart-de`: a stable phase without an end, cooldowns that branch off it, and
their command line."""

import argparse
import os
import time
from functools import partial

import torch

from common import (DEVICE, Log, StopFlag, autocast, cooldown, load_optimizer_state, optimizer_state, run_folder,
                    save_atomically, wsd)  # fmt: skip
from parallel import launch


class Trainer:
    """A model with its optimizer and counters. A subclass says what a step is made of."""

    name: str
    warmup = 100
    cooling = False  # whether this is the cooldown

    def __init__(self, workers, model, rates):
        """`rates`: a function from a parameter's name to its learning rate."""
        self.workers = workers
        self.model = model.to(DEVICE).train()
        self.names = {p: n for n, p in model.named_parameters()}
        groups = {}
        for p, name in self.names.items():
            groups.setdefault((rates(name), 0.01 if p.dim() > 1 else 0.0), []).append(p)
        self.optimizer = torch.optim.AdamW(
            [{"params": ps, "lr": rate, "base": rate, "weight_decay": decay} for (rate, decay), ps in groups.items()],
            betas=(0.9, 0.98), eps=1e-6, fused=True)  # fmt: skip
        # `moments_from`: the step at which the optimizer began to gather its moments; the rate warms up from there.
        self.counts = {"step": 0, "tokens": 0, "seconds": 0.0, "moments_from": 0}

    def parts(self, step: int):
        """Yields (weight, batch, function from batch to loss and measurements); each worker makes its share."""
        raise NotImplementedError

    def load(self, path):
        state = torch.load(path, map_location=DEVICE, weights_only=True)
        result = self.model.load_state_dict(state["model"], strict=False)  # heads may join later
        assert not result.unexpected_keys, result
        load_optimizer_state(self.optimizer, self.names, state["optimizer"])
        self.counts = {k: state.get(k, v) for k, v in self.counts.items()}

    def save(self, path, **more):
        save_atomically({"model": self.model.state_dict(), "optimizer": optimizer_state(self.optimizer, self.names),
                         **self.counts, **more}, path)  # fmt: skip

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

    def run(self, rate_of, until, path, log, save_every, **more):
        """Steps to `until` (or for ever), with a line every 20 and a checkpoint every `save_every` seconds."""
        flag, counts, stop, first = StopFlag(), self.counts, False, self.workers.rank == 0
        sums, since, saved, before = {}, time.time(), time.time(), counts["tokens"]
        while not stop and (until is None or counts["step"] < until):
            measured, stop = self.step(rate_of(counts["step"]), flag.set)
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
                self.save(path, **more)
                saved = time.time()
        if first:
            self.save(path, **more)
            log(event="stop", **counts)


def train(make, args, workers):
    """The stable phase: goes on from its last checkpoint."""
    folder = run_folder(make.name)
    trainer, path, log = make(args, workers), folder / "stable.pt", Log(folder / "train.jsonl")
    if path.exists():
        trainer.load(path)
    if workers.rank == 0:
        log(event="start", device=str(DEVICE), workers=workers.size, **trainer.counts)
    trainer.run(lambda step: wsd(step - trainer.counts["moments_from"], trainer.warmup), args.until, path, log, args.save_every)


def cool(make, args, workers):
    """Goes on with a cooldown that was interrupted; begins one from the stable checkpoint otherwise."""
    folder = run_folder(make.name)
    trainer, path, log = make(args, workers), folder / "cooldown.pt", Log(folder / "cooldown.jsonl")
    trainer.cooling = True
    state = torch.load(path, weights_only=True) if path.exists() else {}
    if state and state["step"] < state["start"] + state["steps"]:
        trainer.load(path)
        start, steps = state["start"], state["steps"]
    else:
        trainer.load(folder / "stable.pt")
        start, steps = trainer.counts["step"], args.steps
    del state
    if workers.rank == 0:
        log(event="start", device=str(DEVICE), workers=workers.size, start=start, steps=steps, **trainer.counts)
    trainer.run(lambda step: cooldown(step, start, steps), start + steps, path, log, args.save_every,
                start=start, steps=steps)  # fmt: skip


def command_line(make, commands: dict, steps: int, texts: tuple[int, str] | None = None) -> None:
    """Runs what the command line asks for: the two phases of `make`'s training, or one of a model's own `commands`.
    `steps`: a cooldown's, where nothing is said; `texts`: a number that a command takes, and what it is."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["train", "cooldown", *commands])
    parser.add_argument("--until", type=int, help="train: the step to stop at")
    parser.add_argument("--steps", type=int, default=steps, help="cooldown: how many")
    parser.add_argument("--checkpoint", default="cooldown", help="export: stable or cooldown")
    parser.add_argument("--scale", type=float, default=1.0, help="times as many rows a step")
    if texts:
        parser.add_argument("--texts", type=int, default=texts[0], help=texts[1])
    parser.add_argument("--workers", type=int, default=1 if DEVICE.type == "cuda" else os.cpu_count())
    parser.add_argument("--save-every", type=float, default=240, help="seconds between checkpoints")
    args = parser.parse_args()
    if args.command in commands:
        commands[args.command](args)
    else:
        launch(partial({"train": train, "cooldown": cool}[args.command], make), args, args.workers)
