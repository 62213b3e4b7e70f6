"""Makes tiny random BART checkpoints, and writes down what PyTorch and transformers make of them.

Run: python make_bart.py (torch, transformers 5, tokenizers, safetensors). Everything is seeded; weights are rounded to
half precision before anything is computed, so that the stored halves are exact.
"""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BartForSequenceClassification,
    MBartConfig,
    MBartForConditionalGeneration,
)
from transformers.models.bart import modeling_bart
from transformers.models.mbart import modeling_mbart

HERE = Path(__file__).parent / "bart"
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
LANGUAGES = ["en_XX", "de_DE", "ro_RO"]
CORPUS = [
    "The quick brown fox jumps over the lazy dog, and the dog sleeps on.",
    "A reader opens the page; the page reads the reader's sentence.",
    "Der Fuchs springt über den Hund → der Hund schläft weiter.",
    "Un café près de la gare, s'il vous plaît: c'est déjà l'été.",
    "日本 and 日光 are two words; sun and book, sun and light.",
    "She sells sea shells by the sea shore; the shells she sells are sea shells.",
]
TEXTS = ["The lazy fox sleeps on the sea shore.", "über den café", "a 日本 book; the reader's page"]

# What each row is there for, and the arguments of `generate`.
CASES = [
    ("greedy search", dict(num_beams=1, max_new_tokens=14)),
    ("one token", dict(num_beams=1, max_new_tokens=1)),
    ("greedy: no bigram twice", dict(num_beams=1, max_new_tokens=14, no_repeat_ngram_size=2)),
    ("greedy: no trigram twice", dict(num_beams=1, max_new_tokens=14, no_repeat_ngram_size=3)),
    ("greedy: no token twice", dict(num_beams=1, max_new_tokens=14, no_repeat_ngram_size=1)),
    ("greedy: repetition penalised, on logits", dict(num_beams=1, max_new_tokens=14, repetition_penalty=1.3)),
    ("greedy: repetition encouraged", dict(num_beams=1, max_new_tokens=14, repetition_penalty=0.8)),
    ("greedy: the end may not come early", dict(num_beams=1, max_new_tokens=20, min_new_tokens=12)),
    ("greedy: the same, counting the start token", dict(num_beams=1, max_length=21, min_length=13)),
    ("greedy: forced first and last tokens", dict(num_beams=1, max_length=9, forced_bos_token_id=7, forced_eos_token_id=2)),
    ("greedy: several ends", dict(num_beams=1, max_new_tokens=14, eos_token_id=[2, 74, 137, 146])),
    ("four beams", dict(num_beams=4, max_new_tokens=14)),
    ("two beams", dict(num_beams=2, max_new_tokens=14)),
    ("seven beams", dict(num_beams=7, max_new_tokens=10)),
    ("beams: shorter preferred", dict(num_beams=4, max_new_tokens=14, length_penalty=0.6)),
    ("beams: longer preferred", dict(num_beams=4, max_new_tokens=14, length_penalty=2.0)),
    ("beams: plain sums", dict(num_beams=4, max_new_tokens=14, length_penalty=0.0)),
    ("beams: shortest preferred", dict(num_beams=4, max_new_tokens=14, length_penalty=-1.0)),
    ("beams: stop when three have ended", dict(num_beams=3, max_new_tokens=14, early_stopping=True, length_penalty=2.0)),
    ("beams: stop when nothing can overtake", dict(num_beams=4, max_new_tokens=14, early_stopping="never")),
    ("beams: never, longer preferred", dict(num_beams=3, max_new_tokens=14, early_stopping="never", length_penalty=2.0)),
    ("beams: never, shorter preferred", dict(num_beams=3, max_new_tokens=14, early_stopping="never", length_penalty=-0.5)),
    ("beams: no bigram twice", dict(num_beams=4, max_new_tokens=14, no_repeat_ngram_size=2)),
    ("beams: no trigram twice", dict(num_beams=4, max_new_tokens=14, no_repeat_ngram_size=3)),
    ("beams: repetition penalised, on log-probabilities", dict(num_beams=4, max_new_tokens=14, repetition_penalty=1.3)),
    ("beams: the end may not come early", dict(num_beams=4, max_new_tokens=20, min_new_tokens=12)),
    ("beams: minimum and maximum with the start token", dict(num_beams=4, max_length=12, min_length=6)),
    ("beams: forced first and last tokens", dict(num_beams=4, max_length=9, forced_bos_token_id=7, forced_eos_token_id=2)),
    ("beams: several ends", dict(num_beams=3, max_new_tokens=14, eos_token_id=[2, 74, 137, 146])),
    ("everything at once", dict(num_beams=4, max_length=16, min_length=5, no_repeat_ngram_size=2, repetition_penalty=1.2,
                                length_penalty=1.5, early_stopping=True, forced_bos_token_id=0, forced_eos_token_id=2)),
    ("what the checkpoint itself says", dict()),
]

SHAPE = dict(
    d_model=32, encoder_layers=2, decoder_layers=2, encoder_ffn_dim=64, decoder_ffn_dim=64, encoder_attention_heads=4,
    decoder_attention_heads=4, max_position_embeddings=40, bos_token_id=0, pad_token_id=1, eos_token_id=2,
)


def tokenizer():
    """A byte-level BPE like BART's, with the special tokens first and languages among them."""
    tok = Tokenizer(models.BPE(unk_token="<unk>"))
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=170, special_tokens=SPECIAL + LANGUAGES, show_progress=False)
    tok.train_from_iterator(CORPUS, trainer)
    return tok


def framed(tok, single, pair):
    """The tokenizer with special tokens around its texts."""
    copy = Tokenizer.from_str(tok.to_str())
    names = [piece for piece in SPECIAL + LANGUAGES if piece in single + pair]
    copy.post_processor = processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=[(name, tok.token_to_id(name)) for name in names]
    )
    return copy


def sharpen(model, seed, end):
    """Weights wide enough that attention and outputs are far from even; `end` makes the end more likely."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in list(model.named_parameters()) + list(model.named_buffers()):
            noise = torch.randn(tensor.shape, generator=generator)
            if name.endswith("final_logits_bias"):
                noise[0, 2] = end
                noise[0, 1] = noise[0, 3:8] = -9.0
            elif "norm" in name:
                noise = noise * 0.1 + (1.0 if name.endswith("weight") else 0.0)
            elif "embed_positions" in name:
                noise = noise * 2.5
            elif "shared" in name:  # rows of one length: no token is likelier than all others everywhere
                noise = noise / noise.norm(dim=1, keepdim=True) * 2.5
            elif "encoder_attn.out_proj" in name:  # quieter than the positions, or every step says the same
                noise = noise * 0.1
            elif tensor.dim() == 2:
                noise = noise * 2.0 / tensor.shape[1] ** 0.5
            else:
                noise = noise * 0.1
            tensor.copy_(noise.half().float())
    return model.eval()


def record_scores(call):
    """Runs `call` and collects the scaled products of every attention before its mask, in order."""
    scores = []
    originals = {module: module.eager_attention_forward for module in (modeling_bart, modeling_mbart)}

    def recording(original):
        def forward(module, query, key, value, attention_mask, scaling=None, **kwargs):
            scores.append(torch.matmul(query, key.transpose(2, 3)) * scaling)
            return original(module, query, key, value, attention_mask, scaling=scaling, **kwargs)

        return forward

    for module, original in originals.items():
        module.eager_attention_forward = recording(original)
    try:
        return call(), scores
    finally:
        for module, original in originals.items():
            module.eager_attention_forward = original


def activations(model, ids, target):
    """Encoder states, logits, and the weights and scores of all three attentions, for a decoder that reads `target`."""
    ids, target = torch.tensor([ids]), torch.tensor([target])
    out, scores = record_scores(lambda: model(input_ids=ids, decoder_input_ids=target, output_attentions=True, use_cache=False))
    layers = model.config.encoder_layers
    encoder, decoder = scores[:layers], scores[layers:]
    stack = lambda tensors: torch.cat(list(tensors)).contiguous()
    return {
        "encoder_last_hidden_state": out.encoder_last_hidden_state[0],
        "logits": out.logits[0],
        "encoder_weights": stack(out.encoder_attentions),
        "decoder_weights": stack(out.decoder_attentions),
        "cross_weights": stack(out.cross_attentions),
        "encoder_scores": stack(encoder),
        "decoder_scores": stack(decoder[0::2]),
        "cross_scores": stack(decoder[1::2]),
    }


def generations(model, inputs, cases, **more):
    """What `generate` gives for each case and input."""
    rows = []
    for comment, options in cases:
        outputs = []
        for ids in inputs:
            out = model.generate(
                torch.tensor([ids]), **options, **more, return_dict_in_generate=True, output_scores=True, do_sample=False
            )
            score = getattr(out, "sequences_scores", None)
            outputs.append({"ids": out.sequences[0].tolist(), "score": None if score is None else score.item()})
        rows.append({"comment": comment, "options": {**options, **more}, "outputs": outputs})
    return rows


def save(folder, model, tok, goldens, tensors):
    folder.mkdir(parents=True)
    config = model.config.to_dict()
    config["architectures"] = [type(model).__name__]
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    if hasattr(model, "generation_config"):
        defaults = model.generation_config.to_diff_dict()
        (folder / "generation_config.json").write_text(json.dumps(defaults, indent=1, sort_keys=True) + "\n")
    (folder / "tokenizer.json").write_text(tok.to_str() + "\n")
    (folder / "golden.json").write_text(json.dumps(goldens, ensure_ascii=False) + "\n")
    copies = ("embed_tokens.weight", "lm_head.weight")
    weights = {name: value.half().contiguous() for name, value in model.state_dict().items() if not name.endswith(copies)}
    save_file(weights, folder / "model.safetensors")
    save_file({name: value.float().contiguous() for name, value in tensors.items()}, folder / "golden.safetensors")


def language_model(tok, scaled):
    """The same weights with and without `scale_embedding`; outputs differ."""
    config = BartConfig(vocab_size=tok.get_vocab_size(), scale_embedding=scaled, decoder_start_token_id=2,
                        forced_eos_token_id=None, attn_implementation="eager", **SHAPE)
    model = sharpen(BartForConditionalGeneration(config), seed=29, end=5.5)
    model.generation_config.forced_eos_token_id = None
    return model


def main():
    torch.manual_seed(0)
    shutil.rmtree(HERE, ignore_errors=True)
    base = tokenizer()

    tok = framed(base, "<s> $A </s>", "<s> $A </s> </s> $B:1 </s>:1")
    inputs = [tok.encode(text).ids for text in TEXTS]
    for name, scaled in (("lm", False), ("scaled", True)):
        model = language_model(tok, scaled)
        target = [2, 0] + tok.encode("the sea reads on", add_special_tokens=False).ids
        goldens = {
            "texts": TEXTS, "inputs": inputs, "target": target,
            "cases": generations(model, inputs, CASES if not scaled else CASES[:1] + CASES[11:12]),
        }
        save(HERE / name, model, tok, goldens, activations(model, inputs[0], target))
    for same in ("model.safetensors", "tokenizer.json", "generation_config.json"):
        (HERE / "scaled" / same).unlink()  # lm has them

    config = BartConfig(vocab_size=tok.get_vocab_size(), decoder_start_token_id=2, attn_implementation="eager",
                        id2label={0: "contradiction", 1: "neutral", 2: "entailment"},
                        label2id={"contradiction": 0, "neutral": 1, "entailment": 2}, **SHAPE)
    model = sharpen(BartForSequenceClassification(config), seed=5, end=0.0)
    pairs = [[text, f"This text is about {label}."] for text in TEXTS for label in ("sea", "dog", "café")]
    pair_ids = [tok.encode(*pair).ids for pair in pairs]
    logits = torch.stack([model(torch.tensor([ids])).logits[0] for ids in pair_ids])
    save(HERE / "mnli", model, tok, {"pairs": pairs, "inputs": pair_ids}, {"logits": logits.detach()})

    # mBART-50 puts languages first and forces the target's; mBART-25 puts the source's last and starts with the target's.
    lang = {name: tok.token_to_id(name) for name in LANGUAGES}
    config = MBartConfig(vocab_size=tok.get_vocab_size(), scale_embedding=True, decoder_start_token_id=2,
                         forced_eos_token_id=2, attn_implementation="eager", **SHAPE)
    model = sharpen(MBartForConditionalGeneration(config), seed=11, end=3.5)
    defaults = model.generation_config
    defaults.num_beams, defaults.no_repeat_ngram_size, defaults.max_length, defaults.forced_eos_token_id = 3, 2, 18, 2
    pieces = [base.encode(text).ids for text in TEXTS]
    fifty = [[lang["de_DE"], *ids, 2] for ids in pieces]
    twenty_five = [[*ids, 2, lang["de_DE"]] for ids in pieces]
    cases = [CASES[-1], CASES[0], CASES[11]]
    goldens = {
        "texts": TEXTS,
        "inputs": fifty,
        "cases": generations(model, fifty, cases, forced_bos_token_id=lang["ro_RO"]),
        "inputs_25": twenty_five,
        "cases_25": generations(model, twenty_five, cases, decoder_start_token_id=lang["ro_RO"]),
        "target": [2, lang["ro_RO"], *pieces[1]],
    }
    tok = framed(base, "en_XX $A </s>", "en_XX $A $B </s>")
    save(HERE / "mbart", model, tok, goldens, activations(model, fifty[0], goldens["target"]))


if __name__ == "__main__":
    with torch.no_grad():
        main()
