"""What every model's training shares: where things are, devices, schedules, checkpoints, logs."""

import ctypes
import json
import math
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("UNMASK_DATA", ROOT.parent / "shared" / "data"))
RUNS = Path(os.environ.get("UNMASK_RUNS", Path.home() / ".cache" / "unmask" / "runs"))
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")

if sys.platform == "linux":
    # Keep freed memory: every step asks for the same large tensors again, and fresh pages cost a sixth of the time.
    M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def run_folder(name: str) -> Path:
    folder = RUNS / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def set_threads(n: int | None) -> None:
    if n:
        torch.set_num_threads(n)


def autocast():
    """bfloat16 on both kinds of device: no loss scaling needed."""
    return torch.autocast(DEVICE.type, dtype=torch.bfloat16)


def rng_for(seed: int, *path: int) -> np.random.Generator:
    """A generator that depends on the seed and a path (task, step) alone, so that a resumed run
    sees exactly the batches that an uninterrupted one would have seen."""
    return np.random.default_rng([seed, *path])


def hash32(*values: int) -> int:
    """A small integer hash, the same in any language (all arithmetic modulo 2**32)."""
    h = 0x9E3779B9
    for v in values:
        h = ((h ^ (v & 0xFFFFFFFF)) * 0x85EBCA6B) & 0xFFFFFFFF
        h ^= h >> 13
        h = (h * 0xC2B2AE35) & 0xFFFFFFFF
        h ^= h >> 16
    return h


def part_of(number: int) -> str:
    """The split of prose document `number`: 2% test, 1% dev, the rest train."""
    h = hash32(number) % 100
    return "test" if h < 2 else "dev" if h < 3 else "train"


def wsd(step: int, warmup: int) -> float:
    """Warm-up, then constant: the stable phase, which has no end."""
    return min(1.0, (step + 1) / warmup)


def cooldown(step: int, start: int, steps: int) -> float:
    """The branch that makes a releasable model: from 1 to 0 as 1 - sqrt."""
    return max(0.0, 1.0 - math.sqrt((step - start) / steps))


class Log:
    """One JSON object a line."""

    def __init__(self, path: Path):
        self.file = open(path, "a", buffering=1)

    def __call__(self, **entry):
        entry = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **entry}
        line = json.dumps(entry)
        self.file.write(line + "\n")
        print(line, flush=True)


def save_atomically(state, path: Path) -> None:
    """A kill in the middle of saving leaves the previous checkpoint as it was."""
    tmp = path.with_suffix(".tmp")
    torch.save(state, tmp)
    os.replace(tmp, path)


def optimizer_state(optimizer, names: dict) -> dict:
    """The optimizer's moments by parameter name, so that heads may come and go between stages."""
    return {names[p]: s for p, s in optimizer.state.items()}


def load_optimizer_state(optimizer, names: dict, saved: dict) -> None:
    for group in optimizer.param_groups:
        for p in group["params"]:
            state = saved.get(names[p])
            if state:
                optimizer.state[p] = {
                    k: v.to(p.device) if torch.is_tensor(v) and k != "step" else v for k, v in state.items()
                }


class StopFlag:
    """SIGTERM and Ctrl-C ask for one last checkpoint. (A kill -9 loses what came after the last one.)"""

    def __init__(self):
        self.set = False
        for s in (signal.SIGTERM, signal.SIGINT):
            signal.signal(s, self._handle)

    def _handle(self, *_):
        self.set = True


def write_json(path: Path, value) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
