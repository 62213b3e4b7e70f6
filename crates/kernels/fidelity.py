"""How much of a real encoder's output each quantization scheme loses: the numbers in docs/KERNELS.md.

The schemes are simulated in PyTorch, as fake quantization around every linear layer of the encoder, because most of
them were not built. Needs torch and transformers; any BERT checkpoint and any text will do:

    python fidelity.py CHECKPOINT_FOLDER TEXT_FILE
"""

import sys

import torch
from transformers import AutoModel, AutoTokenizer

BLOCK = 32


def per_block(values, quantize):
    """Applies `quantize` to each run of 32 values along the last axis."""
    return quantize(values.unflatten(-1, (-1, BLOCK))).flatten(-2)


def divide(values, scale):
    """values / scale, and 0 where the scale is 0."""
    return torch.where(scale == 0, 0.0, values / torch.where(scale == 0, 1.0, scale))


def symmetric(steps):
    """-steps..steps, with a scale for each block."""
    def quantize(block):
        scale = block.abs().amax(-1, keepdim=True) / steps
        return divide(block, scale).round() * scale
    return lambda values: per_block(values, quantize)


def between(steps):
    """0..steps from a block's least value to its largest."""
    def quantize(block):
        least = block.amin(-1, keepdim=True)
        scale = (block.amax(-1, keepdim=True) - least) / steps
        return divide(block - least, scale).round() * scale + least
    return lambda values: per_block(values, quantize)


def q8_0(values):
    """The file format: as `symmetric(127)`, with half-precision scales."""
    def quantize(block):
        scale = (block.abs().amax(-1, keepdim=True) / 127).half().float()
        return divide(block, scale).round().clamp(-127, 127) * scale
    return per_block(values, quantize)


def q4_0(values):
    """The file format: -8..7, the value of largest magnitude at -8, half-precision scales."""
    def quantize(block):
        largest = block.gather(-1, block.abs().argmax(-1, keepdim=True))
        scale = (largest / -8).half().float()
        return divide(block, scale).round().clamp(-8, 7) * scale
    return per_block(values, quantize)


def whole_tensor(steps):
    """One symmetric scale for a whole tensor."""
    def quantize(values):
        scale = values.abs().max() / steps
        return (values / scale).round() * scale
    return quantize


def whole_tensor_unsigned(values):
    """One scale and zero point for a whole tensor, 8 bits: dynamic quantization."""
    least, most = values.min().clamp(max=0), values.max().clamp(min=0)
    scale = (most - least) / 255
    return ((values - least) / scale).round() * scale + least


# name: (weights, activations)
SCHEMES = {
    "Q8_0, activations in f32": (q8_0, lambda x: x),
    "Q8_0 x 8 bits": (q8_0, symmetric(127)),
    "Q8_0 x 7 bits around 0": (q8_0, symmetric(63)),
    "Q8_0 x 7 bits from least to largest": (q8_0, between(127)),
    "Q8_0 cut to 7 bits x 8 bits": (lambda w: symmetric(63)(q8_0(w)), symmetric(127)),
    "Q4_0, activations in f32": (q4_0, lambda x: x),
    "Q4_0 x 8 bits": (q4_0, symmetric(127)),
    "whole tensors in 8 bits": (whole_tensor(127), whole_tensor_unsigned),
    "whole tensors in 8 bits, weights in 7": (whole_tensor(63), whole_tensor_unsigned),
}


@torch.no_grad()
def main(checkpoint, text):
    model = AutoModel.from_pretrained(checkpoint).eval()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    with open(text, encoding="utf-8") as file:
        lines = [line for line in file if len(line) > 200][:64]
    ids = tokenizer(lines, truncation=True, max_length=64)["input_ids"]
    ids = torch.tensor([line for line in ids if len(line) == 64])
    layers = [m for m in model.encoder.modules() if isinstance(m, torch.nn.Linear)]
    weights = [layer.weight.data for layer in layers]
    reference = model(ids).last_hidden_state

    def pooled(hidden_states):
        return torch.nn.functional.normalize(hidden_states.mean(1), dim=-1)

    print(f"{len(ids)} texts of 64 tokens")
    for name, (of_weights, of_activations) in SCHEMES.items():
        hooks = []
        for layer, weight in zip(layers, weights):
            layer.weight.data = of_weights(weight)
            hook = lambda _, inputs: (of_activations(inputs[0]),)
            hooks.append(layer.register_forward_pre_hook(hook))
        hidden_states = model(ids).last_hidden_state
        for hook in hooks:
            hook.remove()
        error = (hidden_states - reference).norm() / reference.norm()
        cosine = (pooled(hidden_states) * pooled(reference)).sum(-1).mean()
        print(f"{name:40} hidden states off by {error:7.2%}, embeddings by {1 - cosine:.1e}")


if __name__ == "__main__":
    main(*sys.argv[1:])
