"""Texts chunk by chunk: mended, told by language, masked. Each chunk is a file, so that a killed run goes on."""

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tfdomain.config.preparation import Preparation
from tfdomain.data.progress import bar
from tfdomain.data.times import read_times
from tfdomain.files import whole_file
from tfdomain.preparation.cleaning import clean_texts
from tfdomain.preparation.minhash import signatures
from tfdomain.preparation.reading import SCHEMA
from tfdomain.preparation.splits import split_by_hash

__all__ = [
    "COUNTS_KEY",
    "SHARD_ROWS",
    "Shard",
    "find_shards",
    "read_objects",
    "start_pool",
    "take_text_steps",
    "write_shard",
    "write_shards",
]

SHARD_ROWS = 20_000
"""Rows of a shard: small enough to lose, large enough for the cost of a file."""

COUNTS_KEY = b"tfdomain"
# The columns whose values repeat; looking for such among texts takes time and finds none.
REPEATED = ["label", "group", "time", "file", "dropped"]

# Files of so many bytes give several shards, and reading them takes as long as processes need to start.
POOL_BYTES = 8 << 20


class Shard(NamedTuple):
    """A chunk of rows on the disk.

    Attributes:
        path: Parquet of `reading.SCHEMA`, with `row`, `dropped` (why; null: kept), `cleaned` and `masked`; and with
            `split` (int8, a place in `splits.SPLITS`) or, where time decides, `moment` (float64, NaN: unknown).
        first_row: The number of its first row.
        num_rows: How many it has, the dropped ones too.
        file_names: Of the files that `file` numbers.
    """

    path: Path
    first_row: int
    num_rows: int
    file_names: Sequence[str] = ()

    @property
    def signatures(self) -> Path:
        """Where what tells duplicates stands."""
        return self.path.with_suffix(".signatures.parquet")

    def read(self, *columns: str) -> pa.Table:
        """The named columns; all where none is named."""
        return pq.read_table(self.path, columns=list(columns) or None)

    def counts(self) -> dict[str, Any]:
        """What was found in it: `masked`, how often each kind of personal data; `types`, of the other columns."""
        return json.loads(pq.read_schema(self.path).metadata[COUNTS_KEY])


def write_shards(
    table: pa.Table,
    folder: Path,
    preparation: Preparation,
    *,
    first_row: int,
    pool: ProcessPoolExecutor | None = None,
) -> list[Shard]:
    """Takes the steps on single texts, on all processors.

    Args:
        table: Of `reading.SCHEMA`.
        folder: Where the shards go; those that are there already are complete, and stay.
        preparation: Which steps.
        first_row: The number of the table's first row.
        pool: Of `start_pool`; None: processes are started where there is work for several.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shards = find_shards(folder, len(table), first_row=first_row)
    # The signatures come last: where they are, all is.
    missing = [shard for shard in shards if not shard.signatures.exists()]
    with bar("preparing", total=sum(shard.num_rows for shard in missing)) as advance:
        work = (
            (shard, _as_bytes(table.slice(shard.first_row - first_row, shard.num_rows)), preparation)
            for shard in missing
        )
        for num_rows in _in_parallel(_write_shard_of, work, len(missing), pool):
            advance(num_rows)
    return shards


def find_shards(folder: Path, num_rows: int, *, first_row: int, file_names: Sequence[str] = ()) -> list[Shard]:
    """The shards of so many rows, be they written or not."""
    return [
        Shard(
            folder / f"{start // SHARD_ROWS:06d}.parquet",
            first_row + start,
            min(SHARD_ROWS, num_rows - start),
            file_names,
        )
        for start in range(0, num_rows, SHARD_ROWS)
    ]


def start_pool(num_bytes: int) -> ProcessPoolExecutor | None:
    """Processes that get ready while files of so many bytes are read; None where they would not pay."""
    workers = _num_processors()
    if workers < 2 or num_bytes < POOL_BYTES:
        return None
    pool = _new_pool(workers)
    for _ in range(workers):
        pool.submit(_get_ready)
    return pool


def _new_pool(workers: int) -> ProcessPoolExecutor:
    # A fork of this process, which has threads, may hang: processes come from one that has only imported, or anew.
    context = get_context("forkserver" if sys.platform == "linux" else "spawn")
    if sys.platform == "linux":
        # pyarrow imports pandas when it makes the first array.
        context.set_forkserver_preload([__name__, "pandas"])
    return ProcessPoolExecutor(workers, mp_context=context)


def _get_ready() -> None:
    """Nothing more: to call it a process imports this module."""


def _in_parallel(
    function: Callable, work: Iterator[tuple], count: int, pool: ProcessPoolExecutor | None
) -> Iterator[Any]:
    workers = min(_num_processors(), count)
    if workers < 2:
        yield from (function(*arguments) for arguments in work)
        return
    with pool or _new_pool(workers) as pool:
        pending: set[Future] = set()
        for arguments in work:
            pending.add(pool.submit(function, *arguments))
            # As much is under way as keeps everyone busy, and no more: what waits takes memory.
            if len(pending) > 2 * workers:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (each.result() for each in done)
        yield from (each.result() for each in pending)


def _num_processors() -> int:
    """Those that this process may use: a container or a user may have left it fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _as_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _write_shard_of(shard: Shard, content: bytes, preparation: Preparation) -> int:
    return write_shard(shard, pa.ipc.open_stream(content).read_all(), preparation)


def write_shard(shard: Shard, table: pa.Table, preparation: Preparation) -> int:
    """Takes the steps on the texts of one shard, and leaves its two files.

    Args:
        shard: Which.
        table: Its rows, of `reading.SCHEMA`.
        preparation: Which steps.

    Returns:
        How many rows it has.
    """
    texts, columns, found = take_text_steps(table.column("text").to_pylist(), preparation)
    columns["row"] = np.arange(shard.first_row, shard.first_row + shard.num_rows)
    arrays = {**dict(zip(SCHEMA.names, table.columns, strict=True)), "text": pa.array(texts, pa.string())}
    arrays |= {name: pa.array(column) for name, column in columns.items() if name != "dropped"}
    arrays |= _split_columns(texts, table, preparation)
    arrays["dropped"] = pa.array(columns["dropped"], pa.string())
    counts = {"masked": found, "types": _types_of(table.column("rest"))}
    written = pa.table(arrays).replace_schema_metadata({COUNTS_KEY: json.dumps(counts)})
    with whole_file(shard.path, "wb") as sink:
        pq.write_table(written, sink, compression="zstd", use_dictionary=REPEATED)
    kept = [row for row, reason in enumerate(columns["dropped"]) if reason is None]
    told = signatures(
        [texts[row] for row in kept],
        rows=shard.first_row + np.array(kept, np.int64),
        threshold=preparation.similarity,
        near=preparation.steps.near_duplicates,
    )
    with whole_file(shard.signatures, "wb") as sink:
        # Hashes do not get smaller.
        pq.write_table(told, sink, compression="none", use_dictionary=False)
    return shard.num_rows


def _split_columns(texts: Sequence[str], table: pa.Table, preparation: Preparation) -> dict[str, pa.Array]:
    """Where each row goes, as far as the row itself tells."""
    if preparation.time is not None:
        return {"moment": pa.array(read_times(table.column("time").to_pylist()))}
    shares, seed = preparation.split, preparation.seed
    if preparation.group is not None:
        # A row of no group stands alone.
        groups = table.column("group").to_pylist()
        keys = [group or text for group, text in zip(groups, texts, strict=True)]
        return {"split": pa.array(split_by_hash(keys, shares, seed=seed))}
    labels = None if preparation.label is None else table.column("label").to_pylist()
    return {"split": pa.array(split_by_hash(texts, shares, seed=seed, labels=labels))}


def take_text_steps(texts: Sequence[str], preparation: Preparation) -> tuple[list[str], dict[str, Any], dict[str, int]]:
    """The steps on single texts.

    Returns:
        The texts; `cleaned` and `masked`, whether a step changed each, and `dropped`, why each goes or None; and how
        often each kind of personal data was found.
    """
    steps, before = preparation.steps, list(texts)
    after = clean_texts(before) if steps.clean else before
    dropped: list[str | None] = [None if text else "clean: no text is left" for text in after]
    columns: dict[str, Any] = {"cleaned": [one != other for one, other in zip(before, after, strict=True)]}
    if steps.language:
        # Its model takes a while to load, and most runs want none.
        from tfdomain.preparation.language import keep_languages

        languages = keep_languages(after, preparation.languages)
        dropped = [
            reason or (None if language is None else f"language: {language}")
            for reason, language in zip(dropped, languages, strict=True)
        ]
    found: Counter[str] = Counter()
    masked = after
    if steps.personal_data or steps.names:
        # The forms of telephone numbers take a while to load.
        from tfdomain.preparation.personal_data import PersonalDataMasker
        from tfdomain.preparation.personal_names import load_name_finder

        kinds = preparation.personal_data if steps.personal_data else []
        finder = load_name_finder(preparation.languages, models=preparation.name_models) if steps.names else None
        masker = PersonalDataMasker(kinds, regions=preparation.regions, name_finder=finder)
        masked = []
        for text in after:
            text, kinds_found = masker.mask(text)
            masked.append(text)
            found.update(kinds_found)
    columns["masked"] = [one != other for one, other in zip(after, masked, strict=True)]
    return masked, columns | {"dropped": dropped}, dict(found)


def _types_of(rest: pa.ChunkedArray) -> dict[str, list[str]]:
    """Which JSON types the values of each key have, in the order of the keys."""
    types: dict[str, set[str]] = {}
    pairs = ((name, type(value)) for row in read_objects(rest) for name, value in row.items())
    for name, kind in dict.fromkeys(pairs):
        types.setdefault(name, set()).add(kind.__name__)
    return {name: sorted(found) for name, found in types.items()}


def read_objects(rest: pa.ChunkedArray) -> list[dict[str, Any]]:
    """The JSON objects of a column, read at once: a call for each takes longer than its reading."""
    return json.loads(f"[{','.join(rest.to_pylist())}]")
