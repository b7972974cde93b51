"""Raw files of any form become one table of texts, mapped from the disk."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from tfdomain.config.preparation import Preparation
from tfdomain.data.documents import document_form, read_documents
from tfdomain.data.faults import Faults
from tfdomain.data.progress import bar
from tfdomain.data.rows import read_rows
from tfdomain.data.sources import Advance
from tfdomain.errors import InputError
from tfdomain.files import whole_file

__all__ = ["SCHEMA", "Source", "read_source", "source_form"]

SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("label", pa.string()),
        ("group", pa.string()),
        ("time", pa.string()),
        ("rest", pa.string()),
        ("file", pa.int32()),
        ("line", pa.int64()),
    ]
)
"""A row: its text, what decides where it goes, its other columns as JSON, and where it stands."""

BATCH_ROWS, BATCH_CHARACTERS = 20_000, 4 << 20


class Source(NamedTuple):
    """The rows of some files.

    Attributes:
        form: `table`, `lines`, `documents` or `conll`.
        table: Of `SCHEMA`.
        faults: The rows that could not be read.
    """

    form: str
    table: pa.Table
    faults: Faults


def read_source(files: Sequence[Path], preparation: Preparation, folder: Path, *, require_rows: bool = True) -> Source:
    """Reads files of one form.

    Args:
        files: The files; each may be gzipped, but for Parquet.
        preparation: Says which columns count.
        folder: Where the rows are kept, to be mapped from there.
        require_rows: Whether files without a document are refused; a table needs rows in any case.

    Raises:
        InputError: The files are of several forms, cannot be read, are no text, or hold no row.
    """
    form = source_form(files, preparation.form)
    if form == "table":
        return _read_tables(files, preparation, folder)
    target, faults = folder / "source.arrow", Faults()
    num_rows, total = 0, sum(file.stat().st_size for file in files)
    with (
        bar("reading", total=total, in_bytes=True) as advance,
        whole_file(target, "wb") as sink,
        pa.ipc.new_file(sink, SCHEMA) as writer,
    ):
        for batch in _documents(files, form, faults, advance):
            writer.write_batch(pa.RecordBatch.from_pylist(batch, SCHEMA))
            num_rows += len(batch)
    if require_rows and not num_rows:
        raise faults.error(list(files), None) if faults.count else _no_rows(files)
    with pa.memory_map(str(target)) as mapped:
        return Source(form, pa.ipc.open_file(mapped).read_all(), faults)


def source_form(files: Sequence[Path], asked: str) -> str:
    """What the files hold: `table`, `lines`, `documents` or `conll`.

    Args:
        files: Their endings tell.
        asked: `Preparation.form`.

    Raises:
        InputError: They are of several forms.
    """
    if asked != "auto":
        return asked
    forms: dict[str, Path] = {}
    for file in files:
        forms.setdefault(document_form(file), file)
    if len(forms) > 1:
        problem = f"{' and '.join(file.name for file in forms.values())} are of different forms"
        raise InputError(problem, mend=f"prepare them apart, or set form to one of {', '.join(forms)}")
    return next(iter(forms))


def _read_tables(files: Sequence[Path], preparation: Preparation, folder: Path) -> Source:
    extra = [name for name in (preparation.group, preparation.time) if name not in (None, preparation.label)]
    rows = read_rows(
        files,
        texts=[preparation.text],
        label=preparation.label,
        extra=[name for name in extra if name is not None],
        rest=True,
        on_bad_row="skip",
        cache_dir=folder,
    )
    columns: dict[str, Any] = {"text": rows.texts[0], "label": rows.labels, "rest": rows.rest}
    for role, name in {"group": preparation.group, "time": preparation.time}.items():
        columns[role] = None if name is None else _as_text(rows.table.column(name))
    ends = np.array(rows.file_ends)
    columns["file"] = pa.array(np.searchsorted(ends, np.arange(rows.num_rows), side="right"), pa.int32())
    columns["line"] = pa.array(rows.line_numbers)
    arrays = [
        pa.nulls(rows.num_rows, field.type) if columns[field.name] is None else columns[field.name] for field in SCHEMA
    ]
    return Source("table", pa.table(arrays, schema=SCHEMA), rows.faults)


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column if pa.types.is_string(column.type) else column.cast(pa.string())


def _documents(files: Sequence[Path], form: str, faults: Faults, advance: Advance) -> Iterator[list[dict[str, Any]]]:
    """The documents with a character in them, in batches that fit in memory whatever their lengths."""
    batch: list[dict[str, Any]] = []
    size = 0
    for index, file in enumerate(files):
        for document in read_documents(file, form, report=partial(faults.add, index), advance=advance):
            if "\0" in document.text:
                mend = "give text files, not binary ones"
                raise InputError(f"line {document.line} holds a zero byte", where=str(file), mend=mend)
            if document.text.strip():
                batch.append(document._asdict() | {"file": index})
                size += len(document.text)
            if len(batch) == BATCH_ROWS or size >= BATCH_CHARACTERS:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def _no_rows(files: Sequence[Path]) -> InputError:
    return InputError("there is no text", where=", ".join(map(str, files[:3])), mend="give files with documents")
