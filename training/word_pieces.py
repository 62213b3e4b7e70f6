"""Leaving word pieces out of a finished model: fewer rows of its tables, in their old order."""

import json
from pathlib import Path

import torch


def keep_pieces(tokenizer: dict, rows: list[int], path: Path) -> torch.Tensor:
    """Writes the described `tokenizer` with the pieces numbered `rows` alone, numbered anew, to `path`; returns the
    rows as an index into the model's tables. What falls away becomes other pieces or [UNK]."""
    pieces = {row: piece for piece, row in tokenizer["model"]["vocab"].items()}
    place = {pieces[row]: i for i, row in enumerate(rows)}
    tokenizer["model"]["vocab"] = place
    for added in tokenizer["added_tokens"]:
        added["id"] = place[added["content"]]
    for special in tokenizer["post_processor"]["special_tokens"].values():
        special["ids"] = [place[token] for token in special["tokens"]]
    path.write_text(json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")))
    return torch.tensor(rows)
