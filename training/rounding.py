"""Rounding matrices to Q8_0's grid so that their products change least, in place of every weight to its nearest step.

A matrix's inputs on calibration texts say which errors cancel: columns are rounded one after the other, and each one's
error is made up for in those still to come (Frantar et al., GPTQ, 2022, arXiv 2210.17323)."""

import torch

BLOCK, STEPS = 32, 127
# Of the mean of the Gram matrix's diagonal: keeps it invertible where inputs hardly vary.
DAMPING = 0.01


class Gram:
    """Sums x x^T over the inputs of every linear layer of `model` (by name) that `wanted` says, in the `with` block."""

    def __init__(self, model, wanted):
        self.of = {}
        self.layers = {n: m for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and wanted(n)}

    def __enter__(self):
        self.hooks = [layer.register_forward_pre_hook(self._adder(name)) for name, layer in self.layers.items()]
        return self

    def _adder(self, name):
        def add(_, inputs):
            x = inputs[0].float().flatten(0, -2)
            self.of[name] = self.of.get(name, 0) + x.T @ x

        return add

    def __exit__(self, *_):
        for hook in self.hooks:
            hook.remove()


def block_scales(weight):
    """[rows, columns]: the step of each weight's block, as half precision keeps it."""
    scales = (weight.unflatten(1, (-1, BLOCK)).abs().amax(2) / STEPS).half().float().clamp_min(2**-24)
    return scales.repeat_interleave(BLOCK, 1)


def to_nearest(weight):
    scales = block_scales(weight)
    return (weight / scales).round().clamp(-STEPS, STEPS) * scales


def by_products(weight, gram):
    """`weight` on its own grid, errors made up for; each block's largest stays the largest, so that whoever quantizes the
    result finds the same scales and loses nothing."""
    rest, scales, n = weight.clone(), block_scales(weight), weight.shape[1]
    blocks = weight.unflatten(1, (-1, BLOCK))
    largest = torch.zeros_like(blocks).scatter_(2, blocks.abs().argmax(2, keepdim=True), 1).flatten(1).bool()
    gram = gram + DAMPING * gram.diag().mean() * torch.eye(n)
    spread = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(gram)), upper=True)
    rounded = torch.empty_like(weight)
    for j in range(n):
        steps = (rest[:, j] / scales[:, j]).round().clamp(-STEPS, STEPS)
        steps = torch.where(largest[:, j], weight[:, j].sign() * STEPS, steps)
        rounded[:, j] = steps * scales[:, j]
        error = (rest[:, j] - rounded[:, j]) / spread[j, j]
        rest[:, j + 1 :] -= error[:, None] * spread[j, j + 1 :]
    assert torch.equal(to_nearest(rounded), rounded)
    return rounded


def product_error(weight, rounded, gram):
    """Mean square of the change of the products on the calibration texts (up to their number)."""
    difference = weight - rounded
    return ((difference @ gram) * difference).sum().item()
