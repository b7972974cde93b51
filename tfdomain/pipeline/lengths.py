"""How many tokens each row has: computed once, in chunks, and kept."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfdomain.data.cache import explained_cache, sweep
from tfdomain.data.progress import bar
from tfdomain.data.values import TextColumn
from tfdomain.files import whole_file

__all__ = ["token_lengths"]

CHUNK_ROWS = 8192


def token_lengths(
    columns: list[TextColumn],
    rows: np.ndarray,
    *,
    tokenizer: Any,
    max_length: int | None,
    content: Callable[[], str],
    folder: Path | None,
) -> np.ndarray:
    """The number of tokens of some rows, special tokens included, after truncation.

    Args:
        columns: The texts and, for pairs, the second texts, `[n]` each.
        rows: Row numbers, int64 `[m]`. Where lengths are kept, those of all `n` rows are counted, since
            the others are soon asked for.
        tokenizer: Its `lengths(texts, pairs, max_length)` counts, its `fingerprint` tells it from others.
        max_length: The most tokens that a row may have; None: any number.
        content: Gives a fingerprint of the columns.
        folder: Where the lengths are kept, as `lengths/<key>.npy`; None: nowhere. A counting that is kept
            shows a bar on a terminal; others are parts of something that has one of its own.

    Returns:
        int32 `[m]`.

    Raises:
        TfdomainError: The folder cannot be read or written.
    """
    if folder is None:
        return _count(columns, rows, tokenizer, max_length, lambda count: None)
    key = hashlib.sha256(f"1 {content()} {tokenizer.fingerprint} {max_length}".encode()).hexdigest()
    target = Path(folder) / "lengths" / f"{key}.npy"
    num_rows = len(columns[0])
    with explained_cache(folder):
        lengths = _load(target, num_rows)
    if lengths is None:
        with bar("counting tokens", total=num_rows) as advance:
            lengths = _count(columns, np.arange(num_rows), tokenizer, max_length, advance)
        with explained_cache(folder):
            sweep(target.parent)
            with whole_file(target, "wb") as file:
                np.save(file, lengths, allow_pickle=False)
    return lengths[rows]


def _count(
    columns: list[TextColumn],
    rows: np.ndarray,
    tokenizer: Any,
    max_length: int | None,
    advance: Callable[[int], object],
) -> np.ndarray:
    lengths = np.empty(len(rows), np.int32)
    for start in range(0, len(rows), CHUNK_ROWS):
        chunk = slice(start, start + CHUNK_ROWS)
        texts = [tf.constant(column.take(rows[chunk]), tf.string) for column in columns]
        pairs = texts[1] if len(texts) == 2 else None
        lengths[chunk] = np.asarray(tokenizer.lengths(texts[0], pairs, max_length=max_length))
        advance(len(rows[chunk]))
    return lengths


def _load(target: Path, count: int) -> np.ndarray | None:
    try:
        lengths = np.load(target, allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError):
        return None
    return lengths if lengths.shape == (count,) else None
