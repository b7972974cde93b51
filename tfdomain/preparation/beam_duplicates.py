"""Duplicates among shards found by grouping keys on many workers; the pairs are those of `duplicates.find_duplicates`.

A row's signature is read where its shard is. Texts, letters and bands are grouped by key; of the rows that share a
band's key each is compared with the 15 behind it, in the same order as there. Which rows hang together is one pass
over the links alone, on the machine that started it, with the components and the choice of `duplicates`: links are
few, and what a component is named after depends on all of them. So the result is the same row by row.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tfdomain.config.preparation import Preparation
from tfdomain.preparation.deduplication import Found, tell_rows
from tfdomain.preparation.duplicates import KEPT, Duplicates
from tfdomain.preparation.links import NUM_BEHIND, Links
from tfdomain.preparation.minhash import FOLDED_KEYS, TEXT_KEYS, band_columns
from tfdomain.preparation.shards import Shard
from tfdomain.preparation.shingles import jaccard

__all__ = ["linked_rows", "write_links"]

LINKS = pa.schema([("row", pa.int64()), ("leader", pa.int64()), ("original", pa.int64())])
"""Two rows that are alike; where their texts are equal also the first row with that text."""

KEY_BYTES = 8
# What is compared at once: pairs, and characters of their texts.
LOT_PAIRS, LOT_CHARACTERS = 4_000, 1 << 24

Link = dict[str, Any]


def write_links(
    beam: Any, shards: Sequence[Shard], ranks: np.ndarray, preparation: Preparation, folder: Path, pipeline: Any
) -> None:
    """Adds to a pipeline what finds the links, and writes them to Parquet files.

    Args:
        beam: The module `apache_beam`.
        shards: All rows.
        ranks: int8 `[num_rows]`, how protected each row is (`duplicates.Duplicates`); -1: left out.
        preparation: Which kinds of duplicates are looked for.
        folder: Where files go that workers read and write.
        pipeline: A Beam pipeline.
    """
    (folder / "ranks").write_bytes(ranks.astype(np.int8).tobytes())
    starts = [shard.first_row for shard in shards]
    bands = band_columns(preparation.similarity) if preparation.steps.near_duplicates else []
    signed = (
        pipeline
        | "shards" >> beam.Create(shards)
        | "spread" >> beam.Reshuffle()
        | "signatures" >> beam.FlatMap(_signatures, folder / "ranks", bands)
    )
    links = [
        signed
        | "text keys" >> beam.Map(_text_key)
        | "by text" >> beam.GroupByKey()
        | "equal texts" >> beam.FlatMap(_equal_texts)
    ]
    if bands:
        letters = (
            signed
            | "with letters" >> beam.Filter(_has_letters)
            | "letter keys" >> beam.Map(_letter_key)
            | "by letters" >> beam.GroupByKey()
            | "equal letters" >> beam.FlatMap(_equal_letters)
        )
        alike = (
            letters
            | "band keys" >> beam.FlatMap(_band_keys)
            | "by band" >> beam.GroupByKey()
            | "pairs" >> beam.FlatMap(_pairs)
            | "each pair once" >> beam.Distinct()
            | "where the first is" >> beam.Map(_by_shard, starts)
            | "by first shard" >> beam.GroupByKey()
            | "first texts" >> beam.FlatMap(_first_texts, shards, starts)
            | "by second shard" >> beam.GroupByKey()
            | "alike" >> beam.FlatMap(_alike, shards, preparation.similarity)
        )
        links += [letters | "letter links" >> beam.FlatMap(_links), alike]
    written = beam.io.parquetio.WriteToParquet(str(folder / "links"), LINKS)
    _ = links | "all links" >> beam.Flatten() | "write" >> written


def linked_rows(folder: Path, splits: np.ndarray, ranks: np.ndarray, preparation: Preparation) -> Found:
    """Which rows go, of the links that were written to a folder.

    Args:
        folder: That of `write_links`.
        splits: int8 `[num_rows]`, places in `splits.SPLITS`.
        ranks: As `write_links` has them.
        preparation: Which kinds of duplicates go.
    """
    tables = [pq.read_table(file) for file in sorted(folder.glob("links*"))]
    table = pa.concat_tables(tables) if tables else LINKS.empty_table()
    first, second = (table.column(name).to_numpy() for name in ("row", "leader"))
    # Rows that are like no other need no place.
    rows, places = np.unique(np.concatenate([first, second]), return_inverse=True)
    first, second = places.reshape(2, -1)
    links = Links(ranks[rows], min(int(ranks.max(initial=0)) + 1, KEPT))
    links.join(first, second)
    is_copy = table.column("original").is_valid().to_numpy()
    originals = np.arange(len(rows))
    originals[first[is_copy]] = np.searchsorted(rows, table.column("original").drop_null().to_numpy())
    return tell_rows(Duplicates(originals, links.clusters(), ranks[rows]), rows, splits[rows], preparation)


def _signatures(shard: Shard, ranks_file: Path, bands: list[str]) -> Iterator[tuple]:
    """Of each row that is in: the key of its text, that of its letters or nothing, row, rank, keys of its bands."""
    table = pq.read_table(shard.signatures)
    rows = table.column("row").to_numpy()
    ranks = np.fromfile(ranks_file, np.int8, shard.num_rows, offset=shard.first_row)[rows - shard.first_row]
    texts = _as_bytes(table, TEXT_KEYS)
    letters, keys, has_letters = texts, texts, np.zeros(len(rows), bool)
    if bands:
        letters, keys = _as_bytes(table, FOLDED_KEYS), _as_bytes(table, bands)
        has_letters = table.column("letters").to_numpy() > 0
    for place in np.flatnonzero(ranks >= 0).tolist():
        row, rank = int(rows[place]), int(ranks[place])
        if has_letters[place]:
            yield texts[place], letters[place], row, rank, keys[place]
        else:
            yield texts[place], b"", row, rank, b""


def _as_bytes(table: pa.Table, columns: Sequence[str]) -> list[bytes]:
    """The values of each row one after the other; the higher value has the higher bytes."""
    values = np.stack([table.column(name).to_numpy() for name in columns], axis=1).astype(">u8")
    content, width = values.tobytes(), KEY_BYTES * len(columns)
    return [content[start : start + width] for start in range(0, len(content), width)]


def _text_key(signature: tuple) -> tuple[bytes, tuple[int, int]]:
    text, _, row, rank, _ = signature
    return text, (row, rank)


def _equal_texts(group: tuple[bytes, Iterable[tuple[int, int]]]) -> Iterator[Link]:
    found = sorted(group[1])
    if len(found) > 1:
        leader, _ = min(found, key=_protection)
        for row, _ in found:
            yield {"row": row, "leader": leader, "original": found[0][0]}


def _protection(member: tuple) -> tuple[int, int]:
    """What is smallest for the row that stands for all: of the highest rank, and the first of those."""
    row, rank, *_ = member
    return -rank, row


def _has_letters(signature: tuple) -> bool:
    return bool(signature[1])


def _letter_key(signature: tuple) -> tuple[bytes, tuple[int, int, bytes]]:
    _, letters, row, rank, bands = signature
    return letters, (row, rank, bands)


def _equal_letters(group: tuple[bytes, Iterable[tuple[int, int, bytes]]]) -> Iterator[Link | tuple]:
    """The one that stands for all is a candidate, all others are linked to it."""
    rows: list[int] = []
    leader: tuple[int, int, bytes] | None = None
    for member in group[1]:
        rows.append(member[0])
        leader = member if leader is None else min(leader, member, key=_protection)
    if leader is not None:
        yield leader
        for row in rows:
            if row != leader[0]:
                yield {"row": row, "leader": leader[0], "original": None}


def _links(found: Link | tuple) -> Iterator[Link]:
    if isinstance(found, dict):
        yield found


def _band_keys(found: Link | tuple) -> Iterator[tuple[bytes, tuple[bytes, int, int]]]:
    """Of each band of a candidate its number and key; and the next band's key, by which rows are put in order."""
    if isinstance(found, dict):
        return
    row, rank, bands = found
    keys = [bands[start : start + KEY_BYTES] for start in range(0, len(bands), KEY_BYTES)]
    for band, key in enumerate(keys):
        yield bytes([band]) + key, (keys[(band + 1) % len(keys)], row, rank)


def _pairs(group: tuple[bytes, Iterable[tuple[bytes, int, int]]]) -> Iterator[tuple[int, int]]:
    found = sorted(group[1])
    for place, (_, row, rank) in enumerate(found):
        for _, other, other_rank in found[place + 1 : place + 1 + NUM_BEHIND]:
            # What was written before is not compared with its like.
            if min(rank, other_rank) < KEPT:
                yield min(row, other), max(row, other)


def _by_shard(pair: tuple[int, int], starts: list[int]) -> tuple[int, tuple[int, int]]:
    return _shard_of(pair[0], starts), pair


def _shard_of(row: int, starts: list[int]) -> int:
    return int(np.searchsorted(starts, row, side="right")) - 1


def _first_texts(
    group: tuple[int, Iterable[tuple[int, int]]], shards: Sequence[Shard], starts: list[int]
) -> Iterator[tuple[int, tuple[int, int, str]]]:
    """Each pair with the text of its first row, for the worker that has the second."""
    number, pairs = group
    texts = shards[number].read("text").column(0)
    for first, second in pairs:
        yield _shard_of(second, starts), (first, second, texts[first - starts[number]].as_py())


def _alike(
    group: tuple[int, Iterable[tuple[int, int, str]]], shards: Sequence[Shard], threshold: float
) -> Iterator[Link]:
    number, pairs = group
    column = shards[number].read("text").column(0)
    for lot in _lots(pairs):
        others = [column[second - shards[number].first_row].as_py() for _, second, _ in lot]
        places = np.arange(len(lot))
        similarity = jaccard([*(text for _, _, text in lot), *others], places, places + len(lot))
        for place in np.flatnonzero(similarity >= threshold).tolist():
            first, second, _ = lot[place]
            yield {"row": first, "leader": second, "original": None}


def _lots(pairs: Iterable[tuple[int, int, str]]) -> Iterator[list[tuple[int, int, str]]]:
    lot: list[tuple[int, int, str]] = []
    num_characters = 0
    for pair in pairs:
        lot.append(pair)
        num_characters += len(pair[2])
        if len(lot) == LOT_PAIRS or num_characters > LOT_CHARACTERS:
            yield lot
            lot, num_characters = [], 0
    if lot:
        yield lot
