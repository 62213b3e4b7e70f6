"""Makes the checkpoints beside it: tiny models with random weights, saved in every way that `unmask-pack` reads.

Each folder also has `golden.json`: the SHA-256 of every tensor that the packed file must hold, as little-endian f32,
and what PyTorch's own tokenizer makes of some texts. Run with torch, transformers and safetensors installed:
    python crates/pack/tests/make_fixtures.py
"""

import hashlib
import json
from pathlib import Path

import torch
import transformers as hf
from safetensors.torch import save_file
from tokenizers.pre_tokenizers import ByteLevel

HERE = Path(__file__).resolve().parent / "fixtures"
TEXTS = ["The cat sat, un-moved!", "Über den  Wolken: 日本", "a_b c's dog", "", "[MASK] cat", "x" * 5, "🙂 no"]
ENCODER = dict(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
               max_position_embeddings=32, vocab_size=64)


def folder(name, config):
    path = HERE / name
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(config.to_dict(), indent=1, sort_keys=True) + "\n")
    return path


def digests(tensors):
    def of(tensor):
        flat = tensor.to(torch.float32).contiguous().numpy().astype("<f4")
        return {"shape": list(tensor.shape), "sha256": hashlib.sha256(flat.tobytes()).hexdigest()}
    return {name: of(tensor) for name, tensor in sorted(tensors.items())}


def golden(path, tensors, tokenizer=None):
    encodings = []
    for text in TEXTS if tokenizer else []:
        encoding = tokenizer(text, "the dog", return_offsets_mapping=True, return_token_type_ids=True)
        encodings.append({"text": text, "pair": "the dog", "ids": encoding["input_ids"],
                          "type_ids": encoding["token_type_ids"], "offsets": encoding["offset_mapping"],
                          "decoded": tokenizer.decode(encoding["input_ids"], skip_special_tokens=True)})
    document = {"tensors": digests(tensors), "encodings": encodings}
    (path / "golden.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def own(model, *tied):
    """The model's state without the tied copies: what the packed file holds."""
    return {name: tensor.clone() for name, tensor in model.state_dict().items()
            if name not in tied and not name.endswith("position_ids")}


def word_pieces(path):
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat dog un ##mov ##ed moved uber den wolken no".split()
    letters = [c for c in "abcdefghijklmnopqrstuvwxyz_-!,.:'"]
    pieces = words + letters + ["##x", "日", "本", "##s"]
    (path / "vocab.txt").write_text("\n".join(pieces) + "\n")
    (path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}) + "\n")
    return hf.BertTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, do_lower_case=True)


BERT_TIED = ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias")


def bert():
    """One model, four ways to save it."""
    config = hf.BertConfig(**ENCODER, architectures=["BertForPreTraining"])
    model = hf.BertForPreTraining(config).eval()
    weights = own(model, *BERT_TIED)
    names = sorted(weights)
    halves = [{n: weights[n] for n in names[:10]}, {n: weights[n] for n in names[10:]}]
    for name in ["bert", "bert-sharded", "bert-bin", "bert-bin-sharded"]:
        path = folder(name, config)
        golden(path, weights, word_pieces(path))
    save_file(weights, HERE / "bert/model.safetensors", metadata={"format": "pt"})
    torch.save(model.state_dict(), HERE / "bert-bin/pytorch_model.bin")
    for stem, kind, save in [("model", "safetensors", save_file), ("pytorch_model", "bin", torch.save)]:
        path = HERE / ("bert-sharded" if kind == "safetensors" else "bert-bin-sharded")
        index = {}
        for number, half in enumerate(halves, 1):
            file = f"{stem}-{number:05}-of-00002.{kind}"
            save(half, path / file)
            index |= {n: file for n in half}
        text = json.dumps({"metadata": {"total_size": 0}, "weight_map": index}, indent=1)
        (path / f"{stem}.{kind}.index.json").write_text(text + "\n")


def bert_old():
    """As TensorFlow's converter left them: gamma and beta, counted positions, tied copies, a transposed view."""
    config = hf.BertConfig(**ENCODER, architectures=["BertForMaskedLM"])
    model = hf.BertForMaskedLM(config).eval().half()
    path = folder("bert-old", config)
    weights = own(model, *BERT_TIED)
    old = {}
    for name, tensor in model.state_dict().items():
        name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        old[name] = tensor
    query = "bert.encoder.layer.0.attention.self.query.weight"
    old[query] = old[query].t().contiguous().t()
    old["bert.embeddings.position_ids"] = torch.arange(32).unsqueeze(0)
    torch.save(old, path / "pytorch_model.bin")
    golden(path, weights, word_pieces(path))


def minilm():
    """A bare model's names have no prefix."""
    config = hf.BertConfig(**ENCODER, architectures=["BertModel"])
    model = hf.BertModel(config).eval().bfloat16()
    path = folder("minilm", config)
    save_file(own(model), path / "model.safetensors")
    golden(path, {f"bert.{name}": tensor for name, tensor in own(model).items()}, word_pieces(path))


def distilbert():
    config = hf.DistilBertConfig(dim=32, n_layers=1, n_heads=2, hidden_dim=64, max_position_embeddings=32,
                                 vocab_size=64, architectures=["DistilBertForMaskedLM"])
    model = hf.DistilBertForMaskedLM(config).eval()
    path = folder("distilbert", config)
    weights = own(model, "vocab_projector.weight")
    save_file(weights, path / "model.safetensors")
    golden(path, weights, word_pieces(path))


def byte_pairs(path):
    symbols = sorted(ByteLevel.alphabet())
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("c", "a"), ("ca", "t"), ("Ġ", "cat"), ("d", "o"), ("do", "g")]
    tokens = ["<s>", "<pad>", "</s>", "<unk>"] + symbols + ["".join(merge) for merge in merges] + ["<mask>"]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    (path / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False) + "\n")
    lines = ["#version: 0.2"] + [" ".join(merge) for merge in merges]
    (path / "merges.txt").write_text("\n".join(lines) + "\n")
    return len(tokens), hf.BartTokenizer(vocab=vocabulary, merges=merges)


BART = dict(d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
            encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=32, vocab_size=269)
BART_TIED = ("model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "lm_head.weight")


def bart():
    """Saved with every tied copy, as `torch.save` does."""
    config = hf.BartConfig(**BART, architectures=["BartForConditionalGeneration"],
                           task_specific_params={"summarization": {"num_beams": 4}})
    model = hf.BartForConditionalGeneration(config).eval()
    path = folder("bart", config)
    size, tokenizer = byte_pairs(path)
    assert size == config.vocab_size, size
    torch.save(model.state_dict(), path / "pytorch_model.bin")
    golden(path, own(model, *BART_TIED), tokenizer)


def bart_classifier():
    labels = {0: "contradiction", 1: "neutral", 2: "entailment"}
    config = hf.BartConfig(**BART, architectures=["BartForSequenceClassification"], id2label=labels)
    model = hf.BartForSequenceClassification(config).eval()
    path = folder("bart-classifier", config)
    _, tokenizer = byte_pairs(path)
    weights = own(model, *BART_TIED)
    save_file(weights, path / "model.safetensors")
    golden(path, weights, tokenizer)


if __name__ == "__main__":
    torch.manual_seed(0)
    for make in [bert, bert_old, minilm, distilbert, bart, bart_classifier]:
        make()
