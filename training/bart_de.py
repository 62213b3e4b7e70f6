"""Trains `bart-de`, English to German, from pairs of sentences. See README.md; the short of it:

    python training/bart_de.py train       # the stable phase: goes on from its last checkpoint until --until, or a kill
    python training/bart_de.py cooldown    # a releasable model out of the newest stable checkpoint
    python training/bart_de.py export      # the Hugging Face folder of the cooled-down model
    python training/bart_de.py evaluate    # greedy translations of the dev split, their loss and a few to read
"""

import json
from functools import partial

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import BartConfig, BartForConditionalGeneration

from bart_checkpoint import write_bart
from bart_data import batch_of
from common import DEVICE, RUNS, autocast, rng_for, run_folder
from data import tsv
from loop import Trainer, command_line

SEED = 1
RATE, SMOOTHING = 1e-3, 0.1
WIDTH, LAYERS, HEADS, INNER = 256, (4, 3), 8, 1024
# The order of BART's data: [PAD] first, as in bart_data.py, whose batches these are.
SPECIAL = ["<pad>", "<unk>", "<s>", "</s>", "<mask>", "<de>"]
PAD, UNK, BOS, EOS, MASK, GERMAN = range(6)
VOCABULARY = 8_000
TOKENS = 4_000  # of the source, a step
DEBIAN = 0.15  # the share of Debian's descriptions, short lines for the most part, among everyday sentences
LONGEST = 96


def pairs(source: str, part: str) -> list[tuple[str, str]]:
    return [(r["en"], r["de"]) for r in tsv(f"translate/en-de/{source}.{part}.tsv.xz")]


def build_tokenizer() -> Tokenizer:
    """Byte-level BPE, cased, one vocabulary for both languages."""
    path = RUNS / "cache" / "bart-de-tokenizer.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        t = Tokenizer(models.BPE(unk_token="<unk>"))
        t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        t.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
        trainer = trainers.BpeTrainer(
            vocab_size=VOCABULARY, special_tokens=[AddedToken(s, special=True, lstrip=s == "<mask>") for s in SPECIAL],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), min_frequency=2, show_progress=False)  # fmt: skip
        texts = [text for source in ("tatoeba", "debian") for pair in pairs(source, "train") for text in pair]
        t.train_from_iterator(texts, trainer)
        t.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", BOS), ("</s>", EOS)])  # fmt: skip
        t.save(str(path))
    return Tokenizer.from_file(str(path))


def configuration() -> BartConfig:
    return BartConfig(
        vocab_size=VOCABULARY, d_model=WIDTH, encoder_layers=LAYERS[0], decoder_layers=LAYERS[1],
        encoder_attention_heads=HEADS, decoder_attention_heads=HEADS, encoder_ffn_dim=INNER, decoder_ffn_dim=INNER,
        max_position_embeddings=256, dropout=0.0, attention_dropout=0.0, activation_dropout=0.0,
        init_std=WIDTH**-0.5,  # see g2p.py: with BART's 0.02 the decoder is very slow to find the encoder
        bos_token_id=BOS, pad_token_id=PAD, eos_token_id=EOS, decoder_start_token_id=EOS, forced_bos_token_id=None,
        forced_eos_token_id=EOS, scale_embedding=False, tie_word_embeddings=True)  # fmt: skip


def build_model() -> BartForConditionalGeneration:
    torch.manual_seed(SEED)
    return BartForConditionalGeneration._from_config(configuration(), attn_implementation="eager")


class Pairs:
    """Encoded pairs, and batches of them of about one length."""

    def __init__(self, tokenizer, source: str, part: str):
        found = pairs(source, part)

        def encode(texts):
            return [np.array(e.ids, dtype=np.uint16) for e in tokenizer.encode_batch(texts, add_special_tokens=False)]

        both = zip(encode([a for a, _ in found]), encode([b for _, b in found]))
        self.pairs = sorted((p for p in both if 0 < max(map(len, p)) <= LONGEST), key=lambda p: (len(p[0]), len(p[1])))
        self.lengths = np.array([len(a) for a, _ in self.pairs])

    def batch(self, rng, tokens: int) -> dict:
        start = int(rng.integers(len(self.pairs)))
        rows = max(1, tokens // (2 + int(self.lengths[start])))
        chosen = self.pairs[start : start + rows] or self.pairs[-rows:]
        return batch_of([(GERMAN, a.tolist(), b.tolist()) for a, b in chosen])


class Translation(Trainer):
    name = "bart-de"
    warmup = 300

    def __init__(self, args, workers):
        self.tokens = args.scale * TOKENS / workers.size
        if workers.rank:  # the first fills the cache
            workers.wait()
        tokenizer = build_tokenizer()
        if not workers.rank:
            workers.wait()
        self.sources = {"tatoeba": Pairs(tokenizer, "tatoeba", "train"), "debian": Pairs(tokenizer, "debian", "train")}
        super().__init__(workers, build_model(), lambda name: RATE)

    def parts(self, step):
        # several lengths a step, so that none has a step to itself
        for i, (source, share) in enumerate([("tatoeba", (1 - DEBIAN) / 4)] * 4 + [("debian", DEBIAN)]):
            rng = rng_for(SEED, i, step, self.workers.rank)
            batch = self.sources[source].batch(rng, int(share * self.tokens))
            yield share, batch, partial(loss_of, self.model, source)


def loss_of(model, name, batch):
    logits = model(**{k: v for k, v in batch.items() if k != "labels"}, use_cache=False).logits
    real = batch["labels"] >= 0
    logits, labels = logits[real].float(), batch["labels"][real]
    loss = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=SMOOTHING)
    return loss, {name: loss, f"{name}_right": (logits.argmax(1) == labels).float().mean()}


def export(args):
    folder = run_folder("bart-de")
    state = torch.load(folder / f"{args.checkpoint}.pt", map_location="cpu", weights_only=True)
    out = folder / "export"
    out.mkdir(exist_ok=True)
    build_tokenizer().save(str(out / "tokenizer.json"))
    write_bart(
        out, state["model"], configuration().to_dict(), 128, name="bart-de", license="CC-BY-SA-4.0",
        source="trained from nothing; see training/cards/bart-de.md",
        description="A small BART that translates everyday English into German.",
        tasks=[{"name": "translate", "source_token": "<de>", "target_token": None}])  # fmt: skip


@torch.no_grad()
def evaluate(args):
    out = run_folder("bart-de") / "export"
    model = BartForConditionalGeneration.from_pretrained(out, attn_implementation="eager").to(DEVICE).eval()
    tokenizer = build_tokenizer()
    dev = Pairs(tokenizer, "tatoeba", "dev").pairs
    total = count = 0
    for i in range(0, len(dev), 64):
        batch = batch_of([(GERMAN, a.tolist(), b.tolist()) for a, b in dev[i : i + 64]])
        with autocast():
            logits = model(**{k: v for k, v in batch.items() if k != "labels"}, use_cache=False).logits.float()
        total += torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), batch["labels"].flatten(), ignore_index=-100, reduction="sum").item()  # fmt: skip
        count += int((batch["labels"] >= 0).sum())
    for a, b in dev[:: max(1, len(dev) // args.texts)]:
        batch = batch_of([(GERMAN, a.tolist(), b.tolist())])
        made = model.generate(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], max_new_tokens=96,
                              num_beams=1, do_sample=False)[0]  # fmt: skip
        print(" | ".join(tokenizer.decode(list(map(int, ids))) for ids in (a, made, b)))
    print(json.dumps({"dev_loss": round(total / count, 4), "pairs": len(dev)}))


if __name__ == "__main__":
    command_line(Translation, {"export": export, "evaluate": evaluate}, steps=1_000,
                 texts=(20, "evaluate: translations to print"))  # fmt: skip
