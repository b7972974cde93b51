"""The order in which an epoch sees the rows: a pure function of lengths, seed and epoch.

So a run resumes by epoch and batch number alone; no iterator has state that must be stored.
"""

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np

from tfdomain.errors import InputError

__all__ = ["Batches", "epoch_batches"]

WINDOW_BATCHES = 50


class Batches(Sequence[np.ndarray]):
    """The batches of an epoch: a sequence of int64 arrays of row numbers, over one flat array.

    Args:
        rows: Row numbers `[n]`, int64, batch after batch.
        starts: Where each batch starts in `rows`, in the order in which batches come.
        ends: Where each ends.
    """

    def __init__(self, rows: np.ndarray, starts: np.ndarray, ends: np.ndarray):
        self._rows, self._starts, self._ends = rows, starts, ends

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, index: slice) -> "Batches": ...

    def __getitem__(self, index):
        if isinstance(index, slice):
            return Batches(self._rows, self._starts[index], self._ends[index])
        return self._rows[self._starts[index] : self._ends[index]]

    def __iter__(self) -> Iterator[np.ndarray]:
        for start, end in zip(self._starts.tolist(), self._ends.tolist(), strict=True):
            yield self._rows[start:end]


def epoch_batches(
    lengths: np.ndarray,
    *,
    batch_size: int,
    batch_tokens: int | None = None,
    seed: int = 0,
    epoch: int = 0,
    shuffle: bool = True,
    group: bool = True,
    window: int = WINDOW_BATCHES,
) -> Batches:
    """The batches of one epoch, each row in exactly one of them.

    Shuffled rows are cut into random windows of some batches. Within a window they are sorted by length,
    ties in random order, and cut into batches; then all batches are shuffled. So a batch holds rows of
    about one length and pads little, while which rows meet in it differs from epoch to epoch.

    Args:
        lengths: The number of tokens of each row, integers `[n]`.
        batch_size: Rows a batch; at least 1. The batch that the division leaves over has fewer.
        batch_tokens: In place of `batch_size` the most tokens of a batch with its padding: its rows times the longest
            of them. How many batches an epoch has then differs a little from epoch to epoch.
        seed: At least 0.
        epoch: From 0; each has an order of its own.
        shuffle: False gives one fixed order, the same in every epoch.
        group: Whether rows of like length share a batch. Without `shuffle`: True sorts all rows from the
            longest to the shortest, False keeps them in order.
        window: Batches a window; more pad less and mix less.

    Returns:
        `ceil(n / batch_size)` batches of row numbers, int64.

    Raises:
        InputError: An argument is out of range, or a row is longer than `batch_tokens`.
    """
    for name, value, least in (("batch_size", batch_size, 1), ("seed", seed, 0), ("epoch", epoch, 0)):
        if value < least:
            raise InputError(f"is {value}", where=name, mend=f"choose {least} or more")
    lengths = np.asarray(lengths)
    if batch_tokens is not None:
        longest, mean = int(lengths.max(initial=1)), max(float(lengths.mean()) if len(lengths) else 1.0, 1.0)
        if longest > batch_tokens:
            mend = f"choose {longest} or more, or a smaller max_length"
            raise InputError(f"is {batch_tokens}, and a text has {longest} tokens", where="batch_tokens", mend=mend)
        # What a window of batches holds, where texts are of all lengths.
        batch_size = max(1, int(batch_tokens / mean))

    def cut(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if batch_tokens is None:
            starts = np.arange(0, len(rows), batch_size)
        else:
            starts = _starts_by_tokens(lengths[rows], batch_tokens)
        return starts, np.append(starts[1:], len(rows)) if len(rows) else starts

    if not shuffle:
        rows = np.argsort(-lengths.astype(np.int64), kind="stable") if group else np.arange(len(lengths))
        return Batches(rows, *cut(rows))
    random = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch])))
    rows = random.permutation(len(lengths))
    if group:
        for start in range(0, len(rows), window * batch_size):
            part = rows[start : start + window * batch_size]
            # `part` is in random order and the sort is stable: that is the random tie-breaking.
            part[:] = part[np.argsort(lengths[part], kind="stable")]
    starts, ends = cut(rows)
    order = random.permutation(len(starts))
    return Batches(rows, starts[order], ends[order])


def _starts_by_tokens(lengths: np.ndarray, batch_tokens: int) -> np.ndarray:
    """Where batches start, so that each one's rows times its longest are at most `batch_tokens`."""
    starts, start = [], 0
    while start < len(lengths):
        starts.append(start)
        end = start + max(1, batch_tokens // max(int(lengths[start]), 1))
        while (end - start) * (longest := int(lengths[start:end].max())) > batch_tokens:
            end = start + batch_tokens // longest
        start = min(end, len(lengths))
    return np.asarray(starts, np.int64)
