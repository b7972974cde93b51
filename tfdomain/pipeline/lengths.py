"""How many tokens each row has: computed once, in chunks, and kept."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfdomain.data.cache import sweep
from tfdomain.data.values import TextColumn
from tfdomain.files import whole_file

__all__ = ["token_lengths"]

CHUNK_ROWS = 8192


def token_lengths(
    columns: list[TextColumn], *, tokenizer: Any, max_length: int, content: str, folder: Path | None
) -> np.ndarray:
    """The number of tokens of each row, special tokens included, after truncation.

    Args:
        columns: The texts and, for pairs, the second texts, `[n]` each.
        tokenizer: Its `lengths(texts, pairs, max_length)` counts, its `fingerprint` tells it from others.
        max_length: The most tokens that a row may have.
        content: A fingerprint of the columns.
        folder: Where the lengths are kept, as `lengths/<key>.npy`; None: nowhere.

    Returns:
        int32 `[n]`.
    """
    target = None
    if folder is not None:
        key = hashlib.sha256(f"1 {content} {tokenizer.fingerprint} {max_length}".encode()).hexdigest()
        target = Path(folder) / "lengths" / f"{key}.npy"
        kept = _load(target, len(columns[0]))
        if kept is not None:
            return kept
    lengths = np.empty(len(columns[0]), np.int32)
    for start in range(0, len(lengths), CHUNK_ROWS):
        rows = np.arange(start, min(start + CHUNK_ROWS, len(lengths)))
        texts = [tf.constant(column.take(rows), tf.string) for column in columns]
        counted = tokenizer.lengths(texts[0], texts[1] if len(texts) == 2 else None, max_length=max_length)
        lengths[rows] = np.asarray(counted)
    if target is not None:
        sweep(target.parent)
        with whole_file(target, "wb") as file:
            np.save(file, lengths, allow_pickle=False)
    return lengths


def _load(target: Path, count: int) -> np.ndarray | None:
    try:
        lengths = np.load(target, allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError):
        return None
    return lengths if lengths.shape == (count,) else None
