"""The lists beside a data set: what is not in it and why, and what somebody should look at."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from tfdomain.data.faults import Faults
from tfdomain.files import whole_file
from tfdomain.preparation.parts import Part
from tfdomain.preparation.shards import Shard

__all__ = ["Places", "Reasons", "Removal", "RemovedList", "write_list"]

SHOWN_PLACES = 10
# Each lot of duplicates may need places of every shard.
LOOKED_UP_ROWS = 100_000


class Removal(NamedTuple):
    """A row that is left out.

    Attributes:
        place: Where it stands: file and line.
        row: Its number; None for one that could not be read.
        step: Which step left it out.
        reason: Why.
        duplicate_of: Where the row stands that it is like, or nothing.
    """

    place: str
    row: int | None
    step: str
    reason: str
    duplicate_of: str = ""


class Places:
    """Where rows stand in their files; it reads what it is asked for, shard by shard."""

    def __init__(self, shards: Sequence[Shard]):
        self._shards = shards
        self._starts = np.array([shard.first_row for shard in shards])

    def find(self, rows: np.ndarray) -> dict[int, str]:
        """The places of rows: `train.csv:12`."""
        found = {}
        rows = np.unique(rows)
        owners = np.searchsorted(self._starts, rows, side="right") - 1
        for owner in np.unique(owners):
            shard, own = self._shards[owner], rows[owners == owner]
            table = shard.read("file", "line").take(own - shard.first_row)
            for row, file, line in zip(own, *(column.to_pylist() for column in table.columns), strict=True):
                found[int(row)] = f"{shard.file_names[file]}:{line}"
        return found


class Reasons:
    """How often each reason of each step occurs, with the first places."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self._places: dict[tuple[str, str], list[str]] = {}

    def add(self, removal: Removal) -> None:
        """Counts a row."""
        key = removal.step, removal.reason
        self.counts[key] += 1
        places = self._places.setdefault(key, [])
        if len(places) < SHOWN_PLACES:
            places.append(removal.place)

    def add_many(self, step: str, reason: str, count: int, places: Sequence[str]) -> None:
        """Counts rows of which only the first are known."""
        self.counts[step, reason] += count
        self._places.setdefault((step, reason), []).extend(places[:SHOWN_PLACES])

    def of(self, step: str) -> dict[str, Any]:
        """`removed`, `reasons` and `examples` of a step."""
        reasons = {reason: count for (name, reason), count in self.counts.items() if name == step}
        examples = {reason: self._places[step, reason] for reason in reasons}
        return {"removed": sum(reasons.values()), "reasons": reasons, "examples": examples}


class RemovedList:
    """A CSV file of every row that is left out, for use in a `with` block: it appears when the block ends.

    Attributes:
        reasons: What was counted on the way.
    """

    def __init__(self, path: Path):
        self.reasons = Reasons()
        self._path = path

    def __enter__(self) -> "RemovedList":
        self._stack = ExitStack()
        self._writer = csv.writer(self._stack.enter_context(whole_file(self._path)), lineterminator="\n")
        self._writer.writerow(("place", "row", "step", "reason", "duplicate_of"))
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def add_faults(self, batches: Sequence[Mapping[str, Any]]) -> None:
        """The rows that could not be read; all are counted, the first thousand of each batch are listed."""
        for batch in batches:
            names, faults = [file["name"] for file in batch["files"]], Faults.from_json(batch["faults"])
            for (file, problem), count in faults.counts.items():
                kept = [fault.line for fault in faults.kept if (fault.file, fault.problem) == (file, problem)]
                self.reasons.add_many("read", problem, count, [f"{names[file]}:{line}" for line in kept])
            for fault in faults.kept:
                self._write(Removal(f"{names[fault.file]}:{fault.line}", None, "read", fault.problem))

    def add_dropped(self, part: Part) -> None:
        """The rows of a part that a step on single texts left out."""
        for row, place, told in part.counts["dropped"]:
            step, _, reason = told.partition(": ")
            self._count(Removal(place, row, step, reason))

    def add_duplicates(self, dropped: pa.Table, shards: Sequence[Shard]) -> None:
        """The rows that went since others stay.

        Args:
            dropped: Of `deduplication.DROPPED`.
            shards: All rows.
        """
        places = Places(shards)
        for start in range(0, len(dropped), LOOKED_UP_ROWS):
            rows, others, steps, told = (column.to_pylist() for column in dropped.slice(start, LOOKED_UP_ROWS).columns)
            found = places.find(np.array([*rows, *others], np.int64))
            for row, other, step, reason in zip(rows, others, steps, told, strict=True):
                self._count(Removal(found[row], row, step, reason, found[other]))

    def _count(self, removal: Removal) -> None:
        self.reasons.add(removal)
        self._write(removal)

    def _write(self, removal: Removal) -> None:
        self._writer.writerow(["" if cell is None else cell for cell in removal])


def write_list(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Writes a CSV file, whole or not at all, and says how many rows it has."""
    count = 0
    with whole_file(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow(["" if cell is None else cell for cell in row])
            count += 1
    return count
