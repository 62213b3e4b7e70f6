"""Writes `goldens.json`: what the training pipeline and the field's own packages make of a few inputs.

    pip install -r training/requirements.txt sacrebleu==2.6.0 rouge-score==0.1.2
    python crates/evaluate/tests/goldens/make_goldens.py

To be run again whenever a rule in `training/README.md` changes. All texts are made up.
"""

import json
import random
import sys
from pathlib import Path

from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[3] / "training"))

import g2p  # noqa: E402
import tasks  # noqa: E402
from common import hash32, part_of  # noqa: E402
from data import split_sentences  # noqa: E402
from evaluate_bert import boundary_pairs, masked_windows, score_answer, spans  # noqa: E402

random.seed(5)


def numbers(n: int) -> list[int]:
    return [random.randrange(1000, 30000) for _ in range(n)]


DOCUMENTS = [(17, [numbers(n) for n in (9, 40, 70, 3, 130)]), (4242, [numbers(n) for n in (20, 20, 1, 64)]),
             (5765, [numbers(30)])]  # fmt: skip
PARAGRAPHS = [
    "Dr. Smith went home. He was tired! Was he? \"Yes.\" He slept (badly.) It was 5 p.m. when J. Doe called.",
    "No full stop here",
    "It cost $3.50 vs. $4. Nobody paid... Everyone left. e.g. Tom stayed.",
]  # fmt: skip
ANSWERS = [("the Blue House", ["blue house", "a house"]), ("", []), ("something", []), ("well-known men", ["well known men"]),
           ("in 1,920 or so", ["1920"]), ("The the", ["an"])]  # fmt: skip
TAGS = [0, 1, 2, 1, 2, 4, 0, 6, 6, 5, 0, 8]
TRANSLATIONS = [("Das ist ein Test, nicht wahr?", "Das ist ein Test."), ("Er kam um 10.30 Uhr an - endlich!", "Er kam um 10:30 Uhr an."),
                ("\"Nein\", sagte sie & ging.", "\"Nein\", sagte sie und ging."), ("Kurz.", "Ein ganz anderer Satz steht hier.")]  # fmt: skip
SUMMARIES = [("The cat sat on the mat.", "A cat was on a mat"), ("Nothing alike", "whatever else"), ("Same words", "same WORDS!"),
             ("one two three four", "four three two one")]  # fmt: skip
PRONUNCIATIONS = [("ɹˈɛd", ["ɹˈid", "ɹˈɛd"]), ("ˈaʊɚ", ["ˈaʊˌɝ"]), ("kəmpˈutə", ["kəmpjˈutɚ"]), ("", ["ˈoʊ"]), ("ʧˈɑkələt", ["ʧˈɔklət"])]
DICTIONARY = {"read": [["R", "EH1", "D"], ["R", "IY1", "D"]], "banana": [["B", "AH0", "N", "AE1", "N", "AH0"]],
              "teacher": [["T", "IY1", "CH", "ER0"]], "boyhood": [["B", "OY1", "HH", "UH2", "D"]]}  # fmt: skip


def pronunciation_errors(guess, references):
    found = {}
    for name, stress in [("plain", False), ("stress", True)]:
        merge = str.maketrans({} if stress else {"ə": "ʌ", "ɚ": "ɝ"})
        heard = g2p.phonemes(guess.translate(merge), stress)
        spoken = [g2p.phonemes(r.translate(merge), stress) for r in references]
        found[name] = min((g2p.edits(heard, r), len(r)) for r in spoken)
    return found


rouge = RougeScorer(["rougeL"])
golden = {
    "hash": [[values, hash32(*values)] for values in ([], [0], [1, 2, 3], [2**32 - 1, 7], list(b"cmudict"))],
    "test_documents": [n for n in range(600) if part_of(n) == "test"],
    "test_words": [w for w in map("w{}".format, range(200)) if g2p.split_of(w) == "test"],
    "documents": DOCUMENTS,
    "windows": [[number, list(masked_windows(number, [i for p in paragraphs for i in p]))] for number, paragraphs in DOCUMENTS],
    "pairs": boundary_pairs(DOCUMENTS),
    "sentences": [[p, split_sentences(p)] for p in PARAGRAPHS],
    "answers": [[guess, references, score_answer(guess, {"answers": [{"text": r} for r in references]})]
                for guess, references in ANSWERS],
    "spans": [[tasks.NER[t] for t in TAGS], sorted(spans(TAGS))],
    "tokens_13a": [[line, Tokenizer13a()(line).split()] for pair in TRANSLATIONS for line in pair],
    "bleu": [TRANSLATIONS, BLEU().corpus_score([g for g, _ in TRANSLATIONS], [[r for _, r in TRANSLATIONS]]).score],
    "bleu_smoothed": [TRANSLATIONS[3:] + TRANSLATIONS[:1], BLEU().corpus_score(
        [TRANSLATIONS[3][0], TRANSLATIONS[0][0]], [[TRANSLATIONS[3][1], TRANSLATIONS[0][1]]]).score],
    "rouge_l": [[guess, reference, rouge.score(reference, guess)["rougeL"].fmeasure] for guess, reference in SUMMARIES],
    "ipa": [[word, spoken, [g2p.ipa(p) for p in spoken]] for word, spoken in DICTIONARY.items()],
    "pronunciations": [[guess, references, pronunciation_errors(guess, references)] for guess, references in PRONUNCIATIONS],
}  # fmt: skip
lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in golden.items())
(HERE / "goldens.json").write_text("{\n" + lines + "\n}\n")
