"""Who does the work of a preparation that grows with the rows: this machine, or others."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from tfdomain.config.preparation import Preparation
from tfdomain.data.faults import Faults
from tfdomain.preparation.deduplication import Found, search_shards
from tfdomain.preparation.parts import Part, make_part
from tfdomain.preparation.reading import read_source
from tfdomain.preparation.shards import Shard, start_pool, write_shards

__all__ = ["LocalRunner", "Made", "Runner"]


class Made(NamedTuple):
    """The shards of some files: how many rows they have, and those that could not be read."""

    num_rows: int
    faults: Faults


class Runner(Protocol):
    """What `run.prepare` leaves to others; each gives the same, whoever does it."""

    def make_shards(self, files: Sequence[Path], folder: Path, preparation: Preparation, *, first_row: int) -> Made:
        """Reads files, takes the steps on single texts, and leaves shards in a folder.

        Args:
            files: In the order of their rows.
            folder: Where `shards.find_shards` looks; shards that are whole are not made again.
            preparation: Which steps.
            first_row: The number of the first row.
        """

    def find_duplicates(
        self, shards: Sequence[Shard], splits: np.ndarray, kept: np.ndarray, preparation: Preparation, folder: Path
    ) -> Found:
        """Which rows go since others stay, as `deduplication.search_shards` tells."""

    def make_parts(
        self,
        shards: Sequence[Shard],
        splits: np.ndarray,
        schema: pa.Schema,
        preparation: Preparation,
        folder: Path,
        *,
        with_words: bool,
    ) -> Iterator[Part]:
        """Makes of each shard what is written, as `parts.make_part` does; in the order of the shards."""


class LocalRunner:
    """This machine: texts on all its processors, duplicates on its disk."""

    def make_shards(self, files: Sequence[Path], folder: Path, preparation: Preparation, *, first_row: int) -> Made:
        """As `Runner` says."""
        with ExitStack() as stack:
            pool = start_pool(sum(file.stat().st_size for file in files))
            if pool is not None:
                stack.enter_context(pool)
            source = read_source(files, preparation, folder / "source")
            write_shards(source.table, folder, preparation, first_row=first_row, pool=pool)
        return Made(len(source.table), source.faults)

    def find_duplicates(
        self, shards: Sequence[Shard], splits: np.ndarray, kept: np.ndarray, preparation: Preparation, folder: Path
    ) -> Found:
        """As `Runner` says."""
        return search_shards(shards, splits, kept, preparation, folder)

    def make_parts(
        self,
        shards: Sequence[Shard],
        splits: np.ndarray,
        schema: pa.Schema,
        preparation: Preparation,
        folder: Path,
        *,
        with_words: bool,
    ) -> Iterator[Part]:
        """As `Runner` says."""
        for shard in shards:
            own = splits[shard.first_row : shard.first_row + shard.num_rows]
            yield make_part(shard, own, schema, preparation, with_words)
