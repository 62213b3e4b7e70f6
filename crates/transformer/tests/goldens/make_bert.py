"""Writes tiny random BERT and DistilBERT checkpoints, three tiny tokenizers, and what PyTorch, transformers and
tokenizers make of them: `bert/` and `tokens/`. Needs torch, transformers, tokenizers and safetensors:

    python make_bert.py

Every variant's own tensors and results are in one file, `bert/<variant>.safetensors`; what it shares with others of
its family (`bert/bert.safetensors`, `bert/distilbert.safetensors`) is added by the test that reads it.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    DistilBertConfig,
    DistilBertForMaskedLM,
    DistilBertForQuestionAnswering,
    DistilBertForSequenceClassification,
    DistilBertForTokenClassification,
    DistilBertModel,
)

HERE = Path(__file__).parent
TEXT = """
The cat sat on the mat and the dog ran after the cat. Anna Berg lives in Paris, Texas, and works for the Red Cross.
The river was frozen when we crossed it, but the ice was not thick enough. Who lives in Paris? Nobody knows.
It is not what it was. They were reading, she was writing, he had been singing. An unbelievable, unhappy ending.
Rain in the morning, sun at noon; a long walk by the sea. What did the dog do? The capital of France is Paris.
"""


def wordpiece():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = list("abcdefghijklmnopqrstuvwxyz0123456789.,;:!?'-()") + ["日", "本", "é", "ß"]
    tokenizer.train_from_iterator(
        TEXT.split("\n"),
        trainers.WordPieceTrainer(vocab_size=190, special_tokens=special, initial_alphabet=letters, show_progress=False),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(t, tokenizer.token_to_id(t)) for t in ["[CLS]", "[SEP]"]],
    )
    tokenizer.decoder = decoders.WordPiece()
    # What a model's size decides, the engine decides: these have to be ignored.
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=12)
    return tokenizer


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(
        TEXT.split("\n"),
        trainers.BpeTrainer(
            vocab_size=300,
            special_tokens=["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True)],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", tokenizer.token_to_id("</s>")), ("<s>", tokenizer.token_to_id("<s>")), add_prefix_space=False
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(
        TEXT.split("\n"),
        trainers.UnigramTrainer(
            vocab_size=120, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", tokenizer.token_to_id("</s>"))]
    )
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


# text, pair, positions (none: no truncation)
TOKEN_CASES = [
    ("The cat sat on the mat.", None, None),
    ("The cat sat.", "Who lives in Paris?", None),
    ("", None, None),
    ("   ", None, None),
    ("", "The cat", None),
    ("THE CAFÉ was Straße-like: naïve!", None, None),
    ("cafe\u0301 re\u0301sume\u0301 \u0301", None, None),  # combining accents, one of them alone
    ("the 😀 cat 👩‍👩‍👧 ran 🇫🇷.", "😀😀 dog", None),
    ("日本 cat日本dog 語", None, None),
    ("ﬁne ﬀ ½ Ⅻ ＡＢＣ", None, None),  # what NFKC makes longer or shorter
    ("the\u200bcat\u00a0sat\ton\r\nthe\u3000mat\u0000\ufffd", None, None),
    ("اللغة the עברית cat नमस्ते", None, None),
    ("The [MASK] sat on [MASK].", None, None),
    ("The <mask> sat on<mask>.", None, None),
    ("[CLS] typed [SEP] specials </s> <s>", None, None),
    ("unbelievableunbelievable writing-reading singing's", None, None),
    ("a" * 150 + " cat", None, None),
    ("The cat sat on the mat and the dog ran after the cat.", None, 8),
    ("The cat sat on the mat 😀 and the dog ran.", "Who lives in Paris, Texas, and why?", 16),
    ("The cat.", "Who lives in Paris, Texas, and works for the Red Cross?", 12),
    ("Who lives in Paris, Texas, and works for the Red Cross?", "The cat.", 13),
]


def utf16(text, chars):
    return len(text[:chars].encode("utf-16-le", "surrogatepass")) // 2


def token_goldens(tokenizer, literal_mask):
    tokenizer.no_padding()
    rows = []
    for text, pair, positions in TOKEN_CASES:
        if "[MASK]" in text and not literal_mask:
            continue  # there, the engine knows more than the tokenizer
        tokenizer.no_truncation()
        if positions:
            tokenizer.enable_truncation(positions, strategy="longest_first")
        encoding = tokenizer.encode(text, pair)
        texts = [text, pair or ""]
        rows.append({
            "text": text,
            "pair": pair,
            "positions": positions,
            "ids": encoding.ids,
            "type_ids": encoding.type_ids,
            "tokens": encoding.tokens,
            "words": encoding.word_ids,
            "offsets": [
                [0, 0] if special else [utf16(texts[segment or 0], at) for at in span]
                for special, segment, span in zip(
                    encoding.special_tokens_mask, encoding.sequence_ids, encoding.offsets
                )
            ],
            "segments": encoding.sequence_ids,
            "special": [bool(x) for x in encoding.special_tokens_mask],
            "dropped": bool(encoding.overflowing),
            "decoded": [tokenizer.decode(encoding.ids, skip_special_tokens=skip) for skip in (True, False)],
        })  # fmt: skip
    return rows


def window_goldens(tokenizer):
    """A long passage read through windows of 24 positions that overlap by 6 tokens."""
    question, context = "Who lives in Paris?", " ".join(TEXT.split())
    tokenizer.no_padding()
    tokenizer.enable_truncation(24, stride=6, strategy="only_second")
    first = tokenizer.encode(question, context)
    windows = [{"ids": e.ids, "offsets": e.offsets} for e in [first, *first.overflowing]]
    return {"question": question, "context": context, "positions": 24, "stride": 6, "windows": windows}


def randomize(model, seed):
    """Weights large enough that attention and logits are far from uniform."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        is_scale = "norm" in name.lower() and name.endswith("weight")
        parameter.data = 1 + 0.1 * noise if is_scale else 0.15 * noise if parameter.dim() > 1 else 0.1 * noise
    return model.eval()


def recorded(base, **inputs):
    """Hidden states, attention weights `[layer, head, query, key]`, and the scores before the mask."""
    projections = {}
    hooks = []
    for name, module in base.named_modules():
        kind = {"query": "q", "q_lin": "q", "key": "k", "k_lin": "k"}.get(name.split(".")[-1])
        if kind:
            hooks.append(module.register_forward_hook(lambda m, i, o, key=(name.split(".")[2], kind): projections.update({key: o})))
    out = base(**inputs, output_attentions=True)
    for hook in hooks:
        hook.remove()
    heads = base.config.num_attention_heads

    def split(x):
        return x.view(x.shape[1], heads, -1).transpose(0, 1)

    scores = [
        split(projections[layer, "q"]) @ split(projections[layer, "k"]).transpose(1, 2) / (base.config.hidden_size // heads) ** 0.5
        for layer in sorted({layer for layer, _ in projections})
    ]
    return {
        "hidden_states": out.last_hidden_state[0],
        "attention_weights": torch.cat(out.attentions),
        "attention_scores": torch.stack(scores),
    }


INPUTS = {
    "single": ("The [MASK] sat on the mat, unhappy.", None),
    "pair": ("Who lives in Paris?", "Anna Berg lives in Paris, Texas."),
}


class Variants:
    def __init__(self, family, base, tokenizer):
        self.family, self.base, self.tokenizer = family, base, tokenizer

    def inputs(self, which):
        tokenizer = self.tokenizer
        tokenizer.no_truncation()
        tokenizer.no_padding()
        encoding = tokenizer.encode(*INPUTS[which])
        inputs = {"input_ids": torch.tensor([encoding.ids])}
        if self.family == "bert":
            inputs["token_type_ids"] = torch.tensor([encoding.type_ids])
        return inputs

    def write_base(self):
        prefix = self.family
        tensors = {f"{prefix}.{k}": v for k, v in self.base.state_dict().items() if "position_ids" not in k}
        for which in INPUTS:
            inputs = self.inputs(which)
            for name, value in recorded(self.base, **inputs).items():
                tensors[f"golden.{which}.{name}"] = value
        inputs = self.inputs("pair")
        n = inputs["input_ids"].shape[1]
        visible = torch.ones(1, n, dtype=torch.long)
        visible[:, n - 3 :] = 0
        causal = torch.triu(torch.full((1, 1, n, n), torch.finfo(torch.float32).min), diagonal=1)
        for name, mask in {"padding": visible, "causal": causal}.items():
            for key, value in recorded(self.base, **inputs, attention_mask=mask).items():
                tensors[f"golden.{name}.{key}"] = value
        hidden = self.base(**self.inputs("single")).last_hidden_state.mean(1)
        tensors["golden.embedding"] = torch.nn.functional.normalize(hidden, dim=1)[0]
        self.save(self.family, tensors)
        config = self.base.config.to_dict()
        keep = ["model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
                "hidden_act", "max_position_embeddings", "type_vocab_size", "layer_norm_eps", "dim", "n_layers", "n_heads",
                "hidden_dim", "activation"]  # fmt: skip
        text = json.dumps({key: config[key] for key in keep if key in config}, indent=1)
        (HERE / "bert" / f"{self.family}.json").write_text(text + "\n")

    def write(self, variant, model_class, which, seed, **config):
        """The head's own tensors and its logits, on the shared encoder."""
        model = model_class(type(self.base.config)(**{**self.base.config.to_dict(), **config}))
        randomize(model, seed)
        missing = getattr(model, self.family).load_state_dict(self.base.state_dict(), strict=False)
        assert not missing.missing_keys, missing
        model.tie_weights()
        shared = {v.data_ptr() for v in getattr(model, self.family).state_dict().values()}
        tensors, seen = {}, set()
        for name, value in model.state_dict().items():
            if value.data_ptr() not in shared | seen:
                seen.add(value.data_ptr())
                tensors[name] = value
        out = model(**self.inputs(which))
        for key in ["logits", "start_logits", "end_logits"]:
            if key in out:
                tensors[f"golden.{key}"] = out[key][0]
        self.save(variant, tensors)

    def save(self, name, tensors):
        tensors = {k: v.detach().float().contiguous().clone() for k, v in tensors.items()}
        save_file(tensors, HERE / "bert" / f"{name}.safetensors")


@torch.no_grad()
def main():
    (HERE / "bert").mkdir(exist_ok=True)
    (HERE / "tokens").mkdir(exist_ok=True)
    tokenizers = {}
    for name, train in {"wordpiece": wordpiece, "byte_level": byte_level, "unigram": unigram}.items():
        path = HERE / "tokens" / f"{name}.tokenizer.json"
        if not path.exists():  # trainers break ties by chance: a second run would make another vocabulary
            path.write_text(train().to_str(pretty=False))
        tokenizer = tokenizers[name] = Tokenizer.from_file(str(path))
        rows = token_goldens(tokenizer, literal_mask=name == "wordpiece")
        lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        (HERE / "tokens" / f"{name}.golden.json").write_text(f"[\n{lines}\n]\n")
    windows = window_goldens(tokenizers["wordpiece"])
    (HERE / "tokens" / "windows.golden.json").write_text(json.dumps(windows) + "\n")

    tokenizer = tokenizers["wordpiece"]
    size = tokenizer.get_vocab_size()
    bert_config = BertConfig(
        vocab_size=size, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=48, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    bert_config._attn_implementation = "eager"
    bert = Variants("bert", randomize(BertModel(bert_config), 1), tokenizer)
    bert.write_base()
    bert.write("bert-masked-lm", BertForMaskedLM, "single", 2)
    bert.write("bert-next-sentence", BertForNextSentencePrediction, "pair", 3)
    bert.write("bert-single-label", BertForSequenceClassification, "pair", 4, num_labels=3)
    bert.write("bert-multi-label", BertForSequenceClassification, "single", 5, num_labels=4)
    bert.write("bert-tokens", BertForTokenClassification, "pair", 6, num_labels=5)
    bert.write("bert-answers", BertForQuestionAnswering, "pair", 7)

    distil_config = DistilBertConfig(
        vocab_size=size, dim=32, n_layers=2, n_heads=4, hidden_dim=64, max_position_embeddings=48, dropout=0.0,
        attention_dropout=0.0, seq_classif_dropout=0.0, qa_dropout=0.0,
    )  # fmt: skip
    distil_config._attn_implementation = "eager"
    distil = Variants("distilbert", randomize(DistilBertModel(distil_config), 11), tokenizer)
    distil.write_base()
    distil.write("distilbert-masked-lm", DistilBertForMaskedLM, "single", 12)
    distil.write("distilbert-single-label", DistilBertForSequenceClassification, "pair", 13, num_labels=3)
    distil.write("distilbert-tokens", DistilBertForTokenClassification, "pair", 14, num_labels=5)
    distil.write("distilbert-answers", DistilBertForQuestionAnswering, "pair", 15)


if __name__ == "__main__":
    main()
