"""Duplicates among shards: which rows go, of which step they are, and which texts have several labels."""

import functools
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from tfdomain.config.preparation import Preparation
from tfdomain.data.progress import bar
from tfdomain.preparation.duplicates import Duplicates, find_duplicates, rows_to_drop
from tfdomain.preparation.label_conflicts import conflicting_labels
from tfdomain.preparation.removed import Places
from tfdomain.preparation.shards import Shard

__all__ = ["Duplicate", "drop_duplicates", "list_conflicts"]

# A shard's texts are some 4 MB.
CACHED_SHARDS = 32
SHOWN_CHARACTERS = 200


class Duplicate(NamedTuple):
    """A row that goes, the row that stays for it, and why: the step's name and the reason."""

    row: int
    of: int
    step: str
    reason: str


class ShardTexts:
    """Texts by their rows' numbers, with the shards that were read last at hand."""

    def __init__(self, shards: Sequence[Shard]):
        self._starts = np.array([shard.first_row for shard in shards])
        self._read = functools.lru_cache(CACHED_SHARDS)(lambda place: shards[place].read("text").column(0))

    def __call__(self, rows: np.ndarray) -> list[str]:
        """The texts of rows, int64, rising."""
        texts: list[str] = []
        owners = np.searchsorted(self._starts, rows, side="right") - 1
        for owner in np.unique(owners):
            texts += self._read(owner).take(rows[owners == owner] - self._starts[owner]).to_pylist()
        return texts


def drop_duplicates(
    shards: Sequence[Shard], splits: np.ndarray, kept: np.ndarray, preparation: Preparation, folder: Path
) -> tuple[list[Duplicate], Duplicates | None]:
    """Which rows go since others stay.

    Args:
        shards: All rows.
        splits: int8 `[num_rows]`, places in `splits.SPLITS`; -1: left out already.
        kept: bool `[num_rows]`: rows that stay whatever is like them.
        preparation: Which kinds of duplicates are looked for.
        folder: Where files may be put meanwhile.

    Returns:
        The rows, rising, and what was found; nothing where neither step is on.
    """
    steps = preparation.steps
    if not (steps.duplicates or steps.near_duplicates):
        return [], None
    with tempfile.TemporaryDirectory(dir=folder) as temporary, bar("comparing", total=len(splits)) as advance:
        found = find_duplicates(
            [shard.signatures for shard in shards],
            ShardTexts(shards),
            num_rows=len(splits),
            folder=Path(temporary),
            splits=splits,
            kept=kept,
            near=steps.near_duplicates,
            threshold=preparation.similarity,
            advance=advance,
        )
    dropped = rows_to_drop(found, splits)
    names = {"exact": "duplicates", "near": "near_duplicates"}
    rows = []
    for row, of, reason in zip(dropped.rows.tolist(), dropped.duplicate_of.tolist(), dropped.reasons, strict=True):
        kind, _, rest = reason.partition(" ")
        if kind == "near" or steps.duplicates:
            rows.append(Duplicate(row, of, names[kind], rest.removeprefix("duplicate").strip() or "repeated"))
    return rows, found


def list_conflicts(
    found: Duplicates | None, shards: Sequence[Shard], classes: np.ndarray, class_names: Sequence[str]
) -> Iterator[tuple[str, str, str]]:
    """The texts that stand there with several labels: the text, its labels, and the places of its rows."""
    if found is None or not class_names:
        return
    labels = pa.array([None if number < 0 else class_names[number] for number in classes.tolist()], pa.string())
    places, texts = Places(shards), ShardTexts(shards)
    for conflict in conflicting_labels(found.originals, labels):
        rows = np.array(conflict.rows, np.int64)
        named = places.find(rows)
        shown = texts(rows[:1])[0][:SHOWN_CHARACTERS]
        yield shown, " | ".join(dict.fromkeys(conflict.labels)), " ".join(named[row] for row in conflict.rows)
