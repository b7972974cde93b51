"""Finds the rows that share a key among the signatures of millions of rows, on the disk."""

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import duckdb
import numpy as np

from tfdomain.errors import TfdomainError

__all__ = ["KeyGroups", "SharedKeys"]

# Rows whose keys are compared at once, where keys are spread evenly: they and the pairs among them are in memory.
PART_ROWS = 2_000_000


class KeyGroups(NamedTuple):
    """Rows in groups, all groups of a key whole.

    Attributes:
        groups: int64, the number of each row's group, rising.
        rows: int64, the row numbers.
        letters: int64, how many letters and digits each row's text has; 0 where that was not asked for.
    """

    groups: np.ndarray
    rows: np.ndarray
    letters: np.ndarray


class SharedKeys:
    """Signatures on the disk, for use in a `with` block.

    Args:
        files: Parquet files of `minhash.signatures`.
        memory_limit: What the search may take, `"1GB"` for instance; what is more goes to the disk.
        threads: How many processors it may take.
        folder: Where the search may put files; it removes them.

    Attributes:
        last_row: The largest row number; -1 where there is no row.
    """

    def __init__(self, files: Sequence[Path], *, memory_limit: str, threads: int, folder: Path):
        self._files = [glob.escape(str(file)) for file in files]
        self._folder = folder
        self._settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "threads": threads,
            "temp_directory": str(folder),
            "preserve_insertion_order": False,
            # Nothing is fetched from the network.
            "autoinstall_known_extensions": False,
        }

    def __enter__(self) -> "SharedKeys":
        self._connection = duckdb.connect(":memory:", config=self._settings)
        self._connection.execute("SET enable_progress_bar = false")
        self.last_row, self._num_parts = -1, 0
        if self._files:
            signatures = self._connection.read_parquet(self._files)
            signatures.create_view("signatures")
            [(num_rows, self.last_row)] = signatures.aggregate("count(*), coalesce(max(row), -1)").fetchall()
            self._num_parts = -(-num_rows // PART_ROWS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        if isinstance(error, (duckdb.OutOfMemoryException, duckdb.IOException)):
            problem = f"the search for duplicates stopped ({str(error).splitlines()[0]})"
            raise TfdomainError(problem, where=str(self._folder), mend="free some space and run it again") from error

    def groups(self, keys: Sequence[str], order: Sequence[str] = (), *, lettered: bool) -> Iterator[KeyGroups]:
        """The rows that have equal values in `keys`, those of some keys at a time.

        Args:
            keys: Columns of the signatures.
            order: Further columns: within a group rows stand in their order, then in that of their numbers.
            lettered: Whether texts without a letter or digit are left out, and letters are told.
        """
        columns, first = ", ".join(keys), keys[0]
        within = f"{first} BETWEEN ? AND ?" + (" AND letters > 0" if lettered else "")
        query = f"""
            SELECT {columns}, row, {"letters" if lettered else "0::BIGINT AS letters"} FROM signatures
            SEMI JOIN (
                SELECT {columns} FROM signatures WHERE {within} GROUP BY {columns} HAVING count(*) > 1
            ) USING ({columns})
            WHERE {within} ORDER BY {", ".join([*keys, *order, "row"])}
        """
        for part in range(self._num_parts):
            bounds = [(part << 64) // self._num_parts, ((part + 1) << 64) // self._num_parts - 1]
            found = self._connection.execute(query, [*bounds, *bounds]).fetchnumpy()
            changes = np.zeros(len(found["row"]), bool)
            for key in keys:
                changes[1:] |= found[key][1:] != found[key][:-1]
            yield KeyGroups(np.cumsum(changes), found["row"], found["letters"])
