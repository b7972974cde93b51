"""A file of rows in blocks, whatever format its ending names."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tfdomain.data.delimited import read_delimited
from tfdomain.data.faults import Report
from tfdomain.data.json_lines import read_json_lines
from tfdomain.data.parquet import read_parquet
from tfdomain.data.sources import BLOCK_BYTES, Advance, Block, file_format

__all__ = ["read_table_blocks"]


def read_table_blocks(
    file: Path,
    *,
    texts: Sequence[str] = (),
    label: str | None = None,
    extra: Sequence[str] = (),
    rest: bool = False,
    column_names: Sequence[str] | None = None,
    may_be_empty: bool = False,
    report: Report,
    advance: Advance | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[Block]:
    """The sound rows of a CSV, TSV, JSON Lines or Parquet file, block by block.

    Args:
        file: The file; its ending is one of `sources.FORMATS`.
        texts: Columns of strings.
        label: A column that comes as text.
        extra: Further columns.
        rest: Whether all columns but texts and label are read too, folded into one (`rest.fold`).
        column_names: All columns of a CSV or TSV without a header.
        may_be_empty: Whether a JSON Lines file without a byte is one without rows.
        report: Called with a kind of fault and the lines (from 1) of the rows that have it.
        advance: Told of the bytes read.
        block_bytes: How much of a text file is read at once; a quoted field of a CSV may take 16 such blocks.

    Raises:
        InputError: An unknown ending, or a file that cannot be read or lacks a column.
    """
    kind, zipped = file_format(file)
    others = [*([label] if label is not None else []), *extra]
    if kind == "parquet":
        return read_parquet(file, texts=list(texts), label=label, extra=list(extra), rest=rest, advance=advance)
    shared: dict[str, Any] = {"zipped": zipped, "report": report, "rest": rest, "advance": advance}
    shared["block_bytes"] = block_bytes
    if kind == "jsonl":
        return read_json_lines(file, texts=list(texts), others=others, extra=extra, may_be_empty=may_be_empty, **shared)
    return read_delimited(
        file,
        columns=[*texts, *others],
        delimiter={"csv": ",", "tsv": "\t"}[kind],
        in_rest=extra,
        column_names=None if column_names is None else list(column_names),
        **shared,
    )
