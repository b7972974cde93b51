"""Duplicates among shards: which rows go, of which step they are, and which texts have several labels."""

import functools
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfdomain.config.preparation import Preparation
from tfdomain.data.components import Components
from tfdomain.data.progress import bar
from tfdomain.preparation.duplicates import Duplicates, find_duplicates, rows_to_drop
from tfdomain.preparation.label_conflicts import conflicting_labels
from tfdomain.preparation.removed import Places
from tfdomain.preparation.shards import Shard

__all__ = ["COPIES", "DROPPED", "Found", "ShardTexts", "join_copies", "list_conflicts", "search_shards", "tell_rows"]

DROPPED = pa.schema([("row", pa.int64()), ("of", pa.int64()), ("step", pa.string()), ("reason", pa.string())])
"""A row that goes, the row that stays for it, and why: the step's name and the reason."""
COPIES = pa.schema([("row", pa.int64()), ("original", pa.int64())])
"""A row whose text other rows have too, and the first row with that text."""

# A shard's texts are some 4 MB.
CACHED_SHARDS = 32
SHOWN_CHARACTERS = 200
# Each lot may need places and texts of every shard.
LISTED_CONFLICTS = 20_000


class Found(NamedTuple):
    """What a search for duplicates told.

    Attributes:
        dropped: Of `DROPPED`, rows rising.
        copies: Of `COPIES`, rows rising.
    """

    dropped: pa.Table = DROPPED.empty_table()
    copies: pa.Table = COPIES.empty_table()


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


def search_shards(
    shards: Sequence[Shard], splits: np.ndarray, kept: np.ndarray, preparation: Preparation, folder: Path
) -> Found:
    """Which rows go since others stay, found on this machine.

    Args:
        shards: All rows.
        splits: int8 `[num_rows]`, places in `splits.SPLITS`; -1: left out already.
        kept: bool `[num_rows]`: rows that stay whatever is like them.
        preparation: Which kinds of duplicates are looked for; one at least.
        folder: Where files may be put meanwhile.
    """
    with tempfile.TemporaryDirectory(dir=folder) as temporary, bar("comparing", total=len(splits)) as advance:
        found = find_duplicates(
            [shard.signatures for shard in shards],
            ShardTexts(shards),
            num_rows=len(splits),
            folder=Path(temporary),
            splits=splits,
            kept=kept,
            near=preparation.steps.near_duplicates,
            threshold=preparation.similarity,
            advance=advance,
        )
    return tell_rows(found, np.arange(len(splits)), splits, preparation)


def tell_rows(found: Duplicates, rows: np.ndarray, splits: np.ndarray, preparation: Preparation) -> Found:
    """Says of duplicates which rows go and why.

    Args:
        found: Of all rows, or of those that are like another.
        rows: int64, the numbers of these, rising.
        splits: int8, their places in `splits.SPLITS`.
        preparation: Which kinds of duplicates go.
    """
    dropped = rows_to_drop(found, splits)
    encoded = pa.array(dropped.reasons, pa.string()).dictionary_encode()
    told = [_told(reason) for reason in encoded.dictionary.to_pylist()]
    steps, reasons = (pa.array([each[place] for each in told], pa.string()).take(encoded.indices) for place in (0, 1))
    columns = [pa.array(rows[dropped.rows]), pa.array(rows[dropped.duplicate_of]), steps, reasons]
    table = pa.table(columns, schema=DROPPED)
    if not preparation.steps.duplicates:
        table = table.filter(pc.equal(table.column("step"), "near_duplicates"))
    members = np.flatnonzero(np.bincount(found.originals, minlength=len(rows))[found.originals] > 1)
    copies = pa.table([pa.array(rows[members]), pa.array(rows[found.originals[members]])], schema=COPIES)
    return Found(table, copies)


def _told(reason: str) -> tuple[str, str]:
    kind, _, rest = reason.partition(" ")
    step = {"exact": "duplicates", "near": "near_duplicates"}[kind]
    return step, rest.removeprefix("duplicate").strip() or "repeated"


def join_copies(before: pa.Table, now: pa.Table) -> pa.Table:
    """The copies among all rows, of those that earlier searches found and those of the last one.

    Args:
        before: Of `COPIES`.
        now: Of `COPIES`; it need not name rows that were left out before.
    """
    first, second = (
        np.concatenate([table.column(name).to_numpy() for table in (before, now)]) for name in COPIES.names
    )
    rows, places = np.unique(np.concatenate([first, second]), return_inverse=True)
    components = Components(len(rows))
    components.join(*places.reshape(2, -1))
    originals = rows[components.find(np.arange(len(rows)))]
    return pa.table([pa.array(rows), pa.array(originals)], schema=COPIES)


def list_conflicts(
    copies: pa.Table, shards: Sequence[Shard], classes: np.ndarray, class_names: Sequence[str]
) -> Iterator[tuple[str, str, str]]:
    """The texts that stand there with several labels: the text, its labels, and the places of its rows.

    Args:
        copies: Of `COPIES`.
        shards: All rows.
        classes: Integers `[num_rows]`, places in `class_names`; -1: no label.
        class_names: The labels.
    """
    if not class_names:
        return
    rows, originals = (copies.column(name).to_numpy() for name in COPIES.names)
    labels = [None if number < 0 else class_names[number] for number in classes[rows].tolist()]
    places, texts = Places(shards), ShardTexts(shards)
    conflicts = conflicting_labels(np.searchsorted(rows, originals), labels)
    for start in range(0, len(conflicts), LISTED_CONFLICTS):
        lot = conflicts[start : start + LISTED_CONFLICTS]
        first = rows[[conflict.rows[0] for conflict in lot]]
        shown = {row: text[:SHOWN_CHARACTERS] for row, text in zip(first.tolist(), texts(first), strict=True)}
        named = places.find(rows[[row for conflict in lot for row in conflict.rows]])
        for conflict in lot:
            own = rows[conflict.rows].tolist()
            yield shown[own[0]], " | ".join(dict.fromkeys(conflict.labels)), " ".join(named[row] for row in own)
