"""Data-parallel training on one machine's cores: a process a core, one thread each, gradients averaged once a step.

Two threads inside one process meet at a barrier after every operation, which costs dearly when anything else runs on
the machine; two processes meet once a step."""

import os
import tempfile
from datetime import timedelta

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


class Workers:
    """rank and size, and the sum of gradients. With one worker it does nothing."""

    def __init__(self, rank: int = 0, size: int = 1, rendezvous: str | None = None):
        self.rank, self.size = rank, size
        if size > 1:
            torch.set_num_threads(1)
            dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=size,
                                    timeout=timedelta(minutes=30))  # fmt: skip

    def average(self, parameters, stop: bool) -> bool:
        """Averages the gradients in place; true when any worker wants to stop."""
        if self.size == 1:
            return stop
        grads = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in grads] + [torch.tensor([float(stop)])])
        dist.all_reduce(flat)
        flat /= self.size
        at = 0
        for g in grads:
            g.copy_(flat[at : at + g.numel()].view_as(g))
            at += g.numel()
        return bool(flat[-1] > 0)

    def wait(self):
        if self.size > 1:
            dist.barrier()


def _child(rank, size, rendezvous, function, args):
    function(args, Workers(rank, size, rendezvous))


def launch(function, args, size: int):
    """function(args, workers) in `size` processes, this one being the first. The others end when it does."""
    if size == 1:
        return function(args, Workers())
    rendezvous = os.path.join(tempfile.mkdtemp(), "rendezvous")
    context = mp.get_context("spawn")
    children = [context.Process(target=_child, args=(rank, size, rendezvous, function, args), daemon=True)
                for rank in range(1, size)]  # fmt: skip
    for child in children:
        child.start()
    function(args, Workers(0, size, rendezvous))
    for child in children:
        child.join()
