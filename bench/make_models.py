"""Makes what the benchmark runs: one checkpoint a shape with seeded random weights, and its ONNX graphs.

    python make_models.py OUTPUT_FOLDER SHAPE...
    python make_models.py OUTPUT_FOLDER --fidelity CHECKPOINT_FOLDER SENTENCES.json

OUTPUT_FOLDER/SHAPE/checkpoint is a Hugging Face folder, from which `unmask-pack` makes our file; the graphs beside it
hold the same weights, in f32 and in int8 as transformers.js's own conversion script makes them. Each graph is run
once against PyTorch before it is kept.

With --fidelity the weights are a trained checkpoint's, and what PyTorch makes of each sentence's mask is kept too.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import onnxslim
import torch
from onnxruntime.quantization import QuantizationMode, QuantType
from onnxruntime.quantization.onnx_quantizer import ONNXQuantizer
from onnxruntime.quantization.registry import IntegerOpsRegistry
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BartConfig, BartForConditionalGeneration, BertConfig, BertForMaskedLM
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

BERTS = {
    "tiny": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128, "vocab_size": 512},
    "minilm": {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536},
    "bert-base": {},
}  # fmt: skip
BARTS = {"bart-base": {}}
# What optimum exports BERT and BART with, and so what transformers.js's models have.
OPSET = 14


def randomize(model):
    """Weights that keep the variance, so that every layer has its say in the output."""
    torch.manual_seed(5)
    for name, weight in model.named_parameters():
        if weight.dim() == 2:
            std = 0.05 if "embed" in name or "shared" in name else weight.shape[1] ** -0.5
            weight.data.normal_(0, std)
        elif "norm" in name.lower() and name.endswith("weight"):
            weight.data.normal_(1, 0.1)
        else:
            weight.data.normal_(0, 0.02)


def tokenizer(vocabulary_size, opening, closing, others):
    """One token a word: `w17` is the token 17."""
    specials = {**opening, **closing, **others}
    names = {number: name for name, number in specials.items()}
    vocabulary = {names.get(i, f"w{i}"): i for i in range(vocabulary_size)}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token=next(iter(others))))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.add_special_tokens(list(specials))
    ((first, _),), ((last, _),) = opening.items(), closing.items()
    made.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}", pair=f"{first} $A {last} $B:1 {last}:1", special_tokens=[*opening.items(), *closing.items()]
    )
    return made


def save_checkpoint(model, made_tokenizer, folder: Path):
    model.save_pretrained(folder)
    made_tokenizer.save(str(folder / "tokenizer.json"))


class Encoder(torch.nn.Module):
    def __init__(self, bert):
        super().__init__()
        self.bert = bert

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.bert(input_ids, attention_mask, token_type_ids).last_hidden_state


class MaskedLm(torch.nn.Module):
    def __init__(self, bert):
        super().__init__()
        self.bert = bert

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.bert(input_ids, attention_mask, token_type_ids).logits


class BartEncoder(torch.nn.Module):
    def __init__(self, bart):
        super().__init__()
        self.encoder = bart.model.encoder

    def forward(self, input_ids, attention_mask):
        return self.encoder(input_ids, attention_mask).last_hidden_state


class BartDecoder(torch.nn.Module):
    """The first step without a past, which also projects the cross-attention's keys; later steps with one."""

    def __init__(self, bart, with_past):
        super().__init__()
        self.bart = bart
        self.with_past = with_past

    def forward(self, input_ids, encoder_attention_mask, *rest):
        own, cross = DynamicCache(), DynamicCache()
        if self.with_past:
            # Only their length is asked for: the keys and values that they became are in the cache.
            hidden_states = encoder_attention_mask[..., None].expand(-1, -1, self.bart.config.d_model).float()
            for layer in range(self.bart.config.decoder_layers):
                own_key, own_value, cross_key, cross_value = rest[4 * layer : 4 * layer + 4]
                own.update(own_key, own_value, layer)
                cross.update(cross_key, cross_value, layer)
        else:
            (hidden_states,) = rest
        past = EncoderDecoderCache(own, cross)
        if self.with_past:
            past.is_updated = dict.fromkeys(range(self.bart.config.decoder_layers), True)
        output = self.bart.model.decoder(
            input_ids=input_ids,
            encoder_hidden_states=hidden_states,
            encoder_attention_mask=encoder_attention_mask,
            past_key_values=past,
            use_cache=True,
        )
        logits = self.bart.lm_head(output.last_hidden_state) + self.bart.final_logits_bias
        caches = []
        for own_layer, cross_layer in zip(own.layers, cross.layers):
            caches += [own_layer.keys, own_layer.values]
            if not self.with_past:
                caches += [cross_layer.keys, cross_layer.values]
        return (logits, *caches)


@torch.no_grad()
def export(module, inputs: dict, outputs: list, axes: dict, path: Path, other_inputs: dict):
    """Writes the f32 graph and its int8 version, after comparing the former with PyTorch on inputs of another length."""
    module.eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        module, tuple(inputs.values()), str(path), input_names=list(inputs), output_names=outputs,
        dynamic_axes=axes, opset_version=OPSET, do_constant_folding=True, dynamo=False,
    )  # fmt: skip
    onnx.save(onnxslim.slim(str(path)), str(path))
    session = onnxruntime.InferenceSession(str(path))
    taken = {graph_input.name for graph_input in session.get_inputs()}
    assert taken == set(inputs), set(inputs) - taken
    expected = module(*other_inputs.values())
    expected = expected if isinstance(expected, tuple) else (expected,)
    for name, ours, theirs in zip(outputs, expected, session.run(None, {k: v.numpy() for k, v in other_inputs.items()})):
        error = np.abs(ours.numpy() - theirs).max()
        assert error < 1e-3, f"{path.name}: {name} is off by {error}"
    quantize(path)


def quantize(path: Path):
    """int8 as scripts/quantize.py of transformers.js does it for BERT and BART: 7-bit signed weights a channel."""
    quantizer = ONNXQuantizer(
        onnx.load(str(path)),
        True,  # per_channel
        True,  # reduce_range
        mode=QuantizationMode.IntegerOps,
        static=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=None,
        nodes_to_quantize=[],
        nodes_to_exclude=[],
        op_types_to_quantize=set(IntegerOpsRegistry),
        extra_options={"EnableSubgraph": True, "MatMulConstBOnly": True},
    )
    quantizer.quantize_model()
    onnx.save(quantizer.model.model, str(path.with_name(f"{path.stem}_quantized.onnx")))


def text_inputs(vocabulary_size, length, names):
    ids = torch.randint(10, vocabulary_size, (1, length), generator=torch.Generator().manual_seed(length))
    every = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}
    return {name: every[name] for name in names}


def export_bert(module, vocabulary_size, output, path):
    names = ["input_ids", "attention_mask", "token_type_ids"]
    inputs, others = (text_inputs(vocabulary_size, length, names) for length in (12, 31))
    axes = {name: {0: "batch", 1: "sequence"} for name in [*names, output]}
    export(module, inputs, [output], axes, path, others)


def make_bert(folder: Path, shape):
    config = BertConfig(max_position_embeddings=512, **shape)
    config._attn_implementation = "eager"
    model = BertForMaskedLM(config)
    randomize(model)
    specials = {"[CLS]": 2}, {"[SEP]": 3}, {"[UNK]": 1, "[PAD]": 0, "[MASK]": 4}
    save_checkpoint(model, tokenizer(config.vocab_size, *specials), folder / "checkpoint")
    export_bert(Encoder(model.bert), config.vocab_size, "last_hidden_state", folder / "encoder.onnx")


def make_bart(folder: Path, shape):
    config = BartConfig(
        vocab_size=50265, d_model=768, encoder_layers=6, decoder_layers=6, encoder_attention_heads=12,
        decoder_attention_heads=12, encoder_ffn_dim=3072, decoder_ffn_dim=3072, max_position_embeddings=1024,
        forced_eos_token_id=None, **shape,
    )  # fmt: skip
    config._attn_implementation = "eager"
    model = BartForConditionalGeneration(config)
    randomize(model)
    specials = {"<s>": 0}, {"</s>": 2}, {"<unk>": 3, "<pad>": 1, "<mask>": 4}
    save_checkpoint(model, tokenizer(config.vocab_size, *specials), folder / "checkpoint")

    names = ["input_ids", "attention_mask"]
    inputs, others = (text_inputs(config.vocab_size, length, names) for length in (12, 31))
    axes = {name: {0: "batch", 1: "source"} for name in [*names, "last_hidden_state"]}
    export(BartEncoder(model), inputs, ["last_hidden_state"], axes, folder / "encoder.onnx", others)

    heads, width = config.decoder_attention_heads, config.d_model // config.decoder_attention_heads

    def names_of(prefix, parts):
        layers = range(config.decoder_layers)
        return [f"{prefix}.{layer}.{part}.{what}" for layer in layers for part in parts for what in ("key", "value")]

    def first_inputs(source):
        ids = text_inputs(config.vocab_size, 1, ["input_ids"])["input_ids"]
        return {
            "input_ids": ids,
            "encoder_attention_mask": torch.ones(1, source, dtype=torch.int64),
            "encoder_hidden_states": torch.randn(1, source, config.d_model, generator=torch.Generator().manual_seed(source)),
        }

    def next_inputs(source, past):
        inputs = first_inputs(source)
        del inputs["encoder_hidden_states"]
        generator = torch.Generator().manual_seed(past)
        for name in names_of("past_key_values", ["decoder", "encoder"]):
            length = past if "decoder" in name else source
            inputs[name] = torch.randn(1, heads, length, width, generator=generator)
        return inputs

    def axes_of(names):
        axes = {"input_ids": {0: "batch", 1: "target"}, "logits": {0: "batch", 1: "target"},
                "encoder_attention_mask": {0: "batch", 1: "source"}, "encoder_hidden_states": {0: "batch", 1: "source"}}  # fmt: skip
        for name in names:
            axes[name] = {0: "batch", 2: "source" if "encoder" in name else name.split(".")[0] + "_length"}
        return axes

    presents = names_of("present", ["decoder", "encoder"])
    export(
        BartDecoder(model, False), first_inputs(12), ["logits", *presents], axes_of(presents),
        folder / "decoder.onnx", first_inputs(31),
    )  # fmt: skip
    presents = names_of("present", ["decoder"])
    pasts = names_of("past_key_values", ["decoder", "encoder"])
    export(
        BartDecoder(model, True), next_inputs(12, 3), ["logits", *presents], axes_of([*presents, *pasts]),
        folder / "decoder_with_past.onnx", next_inputs(31, 7),
    )  # fmt: skip


@torch.no_grad()
def make_fidelity(folder: Path, checkpoint: Path, sentences: Path):
    """The trained masked-LM as graphs, and PyTorch's log-probabilities at the mask of each sentence."""
    config = BertConfig.from_pretrained(checkpoint)
    config._attn_implementation = "eager"
    model = BertForMaskedLM(config).eval()
    weights = {name: weight.float() for name, weight in load_file(checkpoint / "model.safetensors").items()}
    lacking = model.load_state_dict(weights, strict=False).missing_keys
    model.tie_weights()
    assert set(lacking) <= {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}, lacking
    made_tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    made_tokenizer.no_padding()
    made_tokenizer.no_truncation()
    mask_id = made_tokenizer.token_to_id("[MASK]")
    rows = []
    for row in json.loads(sentences.read_text()):
        ids = torch.tensor([made_tokenizer.encode(row["text"]).ids])
        logits = model(input_ids=ids, token_type_ids=torch.zeros_like(ids)).logits[0, ids[0].tolist().index(mask_id)]
        assert logits.argmax() == row["id"], f"this is not the checkpoint that the sentences' answers are from: {row['text']}"
        rows.append(logits.log_softmax(0).numpy())
    export_bert(MaskedLm(model), config.vocab_size, "logits", folder / "model.onnx")
    np.stack(rows).astype("<f4").tofile(folder / "reference.f32")


def main(output, *wanted):
    output = Path(output)
    if wanted[:1] == ("--fidelity",):
        make_fidelity(output, *map(Path, wanted[1:]))
        return
    for name in wanted:
        make, shape = (make_bert, BERTS[name]) if name in BERTS else (make_bart, BARTS[name])
        make(output / name, shape)


if __name__ == "__main__":
    main(*sys.argv[1:])
