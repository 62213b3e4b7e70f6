"""Trains `bart`. See README.md; the short of it:

    python training/bart.py train       # the stable phase: goes on from its last checkpoint until --until, or a kill
    python training/bart.py cooldown    # a releasable model out of the newest stable checkpoint
    python training/bart.py export      # the Hugging Face folder of the cooled-down model
    python training/bart.py evaluate    # denoising and samples, on held-out prose
"""

import json
from collections import Counter
from functools import partial

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import BartConfig, BartForConditionalGeneration, BertConfig

import bart_data as data
from bart_checkpoint import write_bart
from bart_data import BOS, EOS, PAD, TASK_IDS, VOCABULARY
from common import DEVICE, autocast, hash32, part_of, rng_for, run_folder
from data import Prose, minilm_folder, prose_documents, split_sentences
from encoder import TiedCrossEntropy
from loop import Trainer, command_line
from word_pieces import keep_pieces

SEED = 1
# What comes from BERT learns slowly, the decoder, whose cross-attention has to be found, fast.
ENCODER_RATE, DECODER_RATE = 2e-4, 8e-4
# The layers of BERT that the decoder's begin as.
DECODER_FROM = (1, 3, 5)
# Short texts first: the decoder has to find the encoder before long ones are worth their time.
LENGTHS = [(0, 40, 64), (520, 88, 32)]  # from step, tokens a text, texts a step (times --scale)
TASKS_FROM = 300  # before: denoising alone
# What is exported fits a host's 25 MiB: no training text was longer than these positions, and the rarest pieces go.
POSITIONS, PIECES = 256, 15_360
TASK_ROWS = {"continue": 2, "summarize": 8, "answer": 12}


def bert_weights() -> dict:
    """Our own BERT's newest checkpoint: it knows words in context, and its last layer names them."""
    folder = run_folder("bert")
    newest = max((folder / f"{n}.pt" for n in ("stable", "cooldown")), key=lambda p: p.stat().st_mtime if p.exists() else 0)
    return torch.load(newest, map_location="cpu", weights_only=True)["model"]


def configuration() -> BartConfig:
    bert = BertConfig.from_pretrained(minilm_folder())
    return BartConfig(
        vocab_size=VOCABULARY, d_model=bert.hidden_size,
        encoder_layers=bert.num_hidden_layers, decoder_layers=len(DECODER_FROM),
        encoder_attention_heads=bert.num_attention_heads, decoder_attention_heads=bert.num_attention_heads,
        encoder_ffn_dim=bert.intermediate_size, decoder_ffn_dim=bert.intermediate_size,
        max_position_embeddings=bert.max_position_embeddings, init_std=bert.initializer_range,
        dropout=0.0, attention_dropout=0.0, activation_dropout=0.0,
        bos_token_id=BOS, pad_token_id=PAD, eos_token_id=EOS, decoder_start_token_id=EOS, forced_bos_token_id=None,
        forced_eos_token_id=EOS, scale_embedding=False, tie_word_embeddings=True)  # fmt: skip


def build_model() -> BartForConditionalGeneration:
    """BERT's encoder as it is (BART's post-norm layers are the same), and a decoder out of copies of its layers, the
    cross-attention from their self-attention."""
    torch.manual_seed(SEED)
    model = BartForConditionalGeneration._from_config(configuration(), attn_implementation="eager")
    start_from_bert(model, bert_weights())
    return model


@torch.no_grad()
def start_from_bert(model, weights: dict) -> None:
    def copy(module, name):
        module.weight.copy_(weights[f"{name}.weight"])
        module.bias.copy_(weights[f"{name}.bias"])

    def copy_attention(to, norm, layer):
        for ours, theirs in [("q_proj", "self.query"), ("k_proj", "self.key"), ("v_proj", "self.value"),
                             ("out_proj", "output.dense")]:  # fmt: skip
            copy(getattr(to, ours), f"{layer}.attention.{theirs}")
        copy(norm, f"{layer}.attention.output.LayerNorm")

    def copy_layer(to, number):
        layer = f"bert.encoder.layer.{number}"
        copy_attention(to.self_attn, to.self_attn_layer_norm, layer)
        if hasattr(to, "encoder_attn"):
            copy_attention(to.encoder_attn, to.encoder_attn_layer_norm, layer)
        copy(to.fc1, f"{layer}.intermediate.dense")
        copy(to.fc2, f"{layer}.output.dense")
        copy(to.final_layer_norm, f"{layer}.output.LayerNorm")

    tokenizer = data.build_tokenizer()
    bert = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    like = {f"<{t}>": "[CLS]" for t in data.TASKS} | {"<sep>": "[SEP]"}  # what our own special pieces begin as
    spelling = [tokenizer.id_to_token(i) for i in range(VOCABULARY)]
    rows = torch.tensor([bert.token_to_id(like.get(s, s)) for s in spelling])
    embeddings = "bert.embeddings"
    model.model.shared.weight.copy_(weights[f"{embeddings}.word_embeddings.weight"][rows])
    model.final_logits_bias.copy_(weights["cls.predictions.bias"][rows])
    # A text of one segment alone: its type's row is part of every position. BART's positions begin at 2.
    positions = weights[f"{embeddings}.position_embeddings.weight"] + weights[f"{embeddings}.token_type_embeddings.weight"][0]
    for side, layers in [(model.model.encoder, range(len(model.model.encoder.layers))), (model.model.decoder, DECODER_FROM)]:
        side.embed_positions.weight[2:].copy_(positions)
        copy(side.layernorm_embedding, f"{embeddings}.LayerNorm")
        for to, number in zip(side.layers, layers, strict=True):
            copy_layer(to, number)


class Bart(Trainer):
    name = "bart"
    warmup = 100

    def __init__(self, args, workers):
        self.scale = args.scale
        if workers.rank:  # the first fills the caches
            workers.wait()
        tokenizer = data.build_tokenizer()
        self.denoising = data.Denoising(tokenizer)
        self.pairs = {"summarize": data.Seq2Seq(tokenizer, data.summaries("train"), 200, 60),
                      "answer": data.Seq2Seq(tokenizer, data.answers(), 250, 40)}  # fmt: skip
        if not workers.rank:
            workers.wait()
        super().__init__(
            workers, build_model(),
            lambda name: DECODER_RATE if name.startswith("model.decoder.") else ENCODER_RATE)  # fmt: skip

    def parts(self, step):
        _, longest, rows = [stage for stage in LENGTHS if stage[0] <= step][-1]
        share = self.scale / self.workers.size
        rng = rng_for(SEED, 0, step, self.workers.rank)
        # texts of about one length side by side
        found = sorted((self.denoising.example(rng, longest) for _ in range(max(1, round(rows * share)))),
                       key=lambda e: len(e[1]))  # fmt: skip
        yield 1.0, data.batch_of([(TASK_IDS["denoise"], *e) for e in found]), partial(self.loss, "denoise")
        if step >= TASKS_FROM:
            for i, (task, rows) in enumerate(TASK_ROWS.items(), start=1):
                rng = rng_for(SEED, i, step, self.workers.rank)
                some = [self.example(task, rng, longest) for _ in range(max(1, round(rows * share)))]
                yield 0.3, data.batch_of(some), partial(self.loss, task)

    def example(self, task, rng, longest):
        if task != "continue":
            return self.pairs[task].example(rng)
        while True:
            sentences = self.denoising.text(rng, 2 * longest)
            if len(sentences) > 1:
                cut = int(rng.integers(1, len(sentences)))
                return TASK_IDS[task], *([int(i) for s in half for i in s] for half in (sentences[:cut], sentences[cut:]))

    def loss(self, task, batch):
        hidden = self.model.model(**{k: v for k, v in batch.items() if k != "labels"}, use_cache=False).last_hidden_state
        real = batch["labels"] >= 0
        bias = self.model.final_logits_bias[0]
        loss, right = TiedCrossEntropy.apply(hidden[real], self.model.model.shared.weight, bias, batch["labels"][real])
        return loss, {task: loss, f"{task}_right": right}


def export(args):
    folder = run_folder("bart")
    state = torch.load(folder / f"{args.checkpoint}.pt", map_location="cpu", weights_only=True)
    out = folder / "export"
    out.mkdir(exist_ok=True)
    weights = state["model"]
    rows = compact_tokenizer(out / "tokenizer.json")
    weights["model.shared.weight"] = weights["model.shared.weight"][rows]
    weights["final_logits_bias"] = weights["final_logits_bias"][:, rows]
    for side in ("encoder", "decoder"):
        name = f"model.{side}.embed_positions.weight"
        weights[name] = weights[name][: POSITIONS + 2]
    names = data.TASKS if state["step"] > TASKS_FROM else ["denoise"]
    write_bart(
        out, weights, configuration().to_dict() | {"vocab_size": len(rows), "max_position_embeddings": POSITIONS}, 128,
        name="bart", license="CC-BY-SA-4.0",
        source="our own bert, trained on as an encoder and decoder; see training/cards/bart.md",
        description="A small English BART that undoes masked and shuffled text, shortens, answers and goes on.",
        tasks=[{"name": t, "source_token": f"<{t}>", "target_token": None} for t in names])  # fmt: skip


def compact_tokenizer(path) -> torch.Tensor:
    """Writes the tokenizer without the word pieces that the training prose uses least, and returns the rows that stay.
    Special pieces and single characters stay, so that any English word can still be spelt."""
    tokenizer = data.build_tokenizer()
    counts = np.bincount(Prose("train", tokenizer, "bart-wordpiece").ids, minlength=VOCABULARY)
    spelling = [tokenizer.id_to_token(i) for i in range(VOCABULARY)]
    held = {i for i, s in enumerate(spelling) if i < len(data.SPECIAL) or len(s.removeprefix("##")) == 1}
    frequent = [int(i) for i in np.argsort(-counts, kind="stable") if int(i) not in held]
    rows = sorted(held | set(frequent[: PIECES - len(held)]))
    return keep_pieces(json.loads(tokenizer.to_str()), rows, path)


def evaluate(args):
    """Denoising, 30% infilled: the share of unmasked words that are kept and of masked words that come back."""
    out = run_folder("bart") / "export"
    model = BartForConditionalGeneration.from_pretrained(out, attn_implementation="eager").to(DEVICE).eval()
    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    texts = []
    for number, _, _, paragraphs in prose_documents():
        if part_of(number) == "test":
            for k, p in enumerate(paragraphs):
                if hash32(number, k) % 8 == 0:
                    sentences = split_sentences(p)
                    ids = tokenizer.encode(" ".join(sentences[:2]), add_special_tokens=False).ids
                    if 12 <= len(ids) <= 60:
                        texts.append((number * 1000 + k, ids))
    texts = sorted(texts, key=lambda t: len(t[1]))[:: max(1, len(texts) // args.texts)]
    kept = masked = kept_right = masked_right = 0
    for i in range(0, len(texts), 32):
        some = texts[i : i + 32]
        spoilt = [data.infill(np.random.default_rng(seed), np.array(ids), 0.3) for seed, ids in some]
        batch = data.batch_of([(TASK_IDS["denoise"], s, ids) for s, (_, ids) in zip(spoilt, some)])
        with torch.no_grad(), autocast():
            made = model.generate(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"],
                                  max_new_tokens=96, num_beams=1, do_sample=False)  # fmt: skip
        for s, (_, ids), row in zip(spoilt, some, made.tolist()):
            row = [t for t in row if t not in (EOS, PAD)]
            visible = Counter(s)
            truth, guess = Counter(ids), Counter(row)
            hidden = truth - visible
            both = truth & guess
            kept_right += sum((both & visible).values())
            kept += sum((truth & visible).values())
            masked_right += sum(((guess - visible) & hidden).values())
            masked += sum(hidden.values())
        if i == 0:
            for s, (_, ids), row in list(zip(spoilt, some, made.tolist()))[:3]:
                for name, t in [("in ", s), ("out", row), ("was", ids)]:
                    print(name, tokenizer.decode([x for x in t if x not in (EOS, PAD)], skip_special_tokens=False))
    print(json.dumps({"kept": round(100 * kept_right / max(1, kept), 2),
                      "recovered": round(100 * masked_right / max(1, masked), 2), "texts": len(texts)}))  # fmt: skip


if __name__ == "__main__":
    command_line(Bart, {"export": export, "evaluate": evaluate}, steps=1_000, texts=(300, "evaluate: about how many"))
