"""The prepared rows as Parquet files, a file a split."""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tfdomain.data.progress import bar
from tfdomain.files import whole_file
from tfdomain.preparation.parts import Part
from tfdomain.preparation.splits import SPLITS

__all__ = ["write_splits"]


def write_splits(parts: Iterable[Part], schema: pa.Schema, folder: Path, *, num_rows: int) -> None:
    """Writes `train.parquet`, `validation.parquet` and `test.parquet`, rows in the order of their sources.

    Args:
        parts: Of all shards, in their order.
        schema: Of the tables of all parts.
        folder: Where the files go; those of before are replaced when all are whole.
        num_rows: How many there are in all, for the bar.
    """
    with ExitStack() as stack:
        sinks = [stack.enter_context(whole_file(folder / f"{name}.parquet", "wb")) for name in SPLITS]
        writers = [stack.enter_context(pq.ParquetWriter(sink, schema, compression="zstd")) for sink in sinks]
        advance = stack.enter_context(bar("writing", total=num_rows))
        for part in parts:
            start = 0
            for writer, split in zip(writers, part.counts["splits"], strict=True):
                if split["rows"]:
                    writer.write_table(part.table.slice(start, split["rows"]))
                start += split["rows"]
            advance(start)
