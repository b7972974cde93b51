"""Raw files of any form become one table of texts, mapped from the disk."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from tfdomain.config.preparation import Preparation
from tfdomain.data.conll import choose_joiner, join_words, read_conll
from tfdomain.data.faults import BROKEN_UTF8, Faults
from tfdomain.data.progress import bar
from tfdomain.data.rest import as_json
from tfdomain.data.rows import read_rows
from tfdomain.data.sources import Advance, read_blocks
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

LINE_ENDINGS, SENTENCE_ENDINGS = (".txt", ".text"), (".conll", ".conllu", ".iob", ".bio")
BATCH_ROWS = 20_000
# Choosing what stands between words takes a look at this many sentences.
NUM_SAMPLED = 1000


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
    readers = {"lines": _lines, "documents": _documents, "conll": _sentences}
    with bar("reading", total=sum(file.stat().st_size for file in files), in_bytes=True) as advance:
        rows = readers[form](files, faults, advance)
        with whole_file(target, "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
            num_rows = 0
            while batch := list(islice(rows, BATCH_ROWS)):
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
        suffix = file.with_suffix("").suffix if file.suffix == ".gz" else file.suffix
        suffix = suffix.lower()
        form = "lines" if suffix in LINE_ENDINGS else "conll" if suffix in SENTENCE_ENDINGS else "table"
        forms.setdefault(form, file)
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


def _lines(files: Sequence[Path], faults: Faults, advance: Advance) -> Iterator[dict[str, Any]]:
    """Every line with a character in it."""
    for index, file in enumerate(files):
        number, ahead = 1, []
        for block in read_blocks(file, file.suffix == ".gz", advance=advance):
            # A document may be longer than many blocks: what has no end yet is joined once.
            *ended, last = block.split(b"\n")
            if not ended:
                ahead.append(last)
                continue
            ended[0], ahead = b"".join([*ahead, ended[0]]), [last]
            for line in ended:
                yield from _document(line, index, number, file, faults)
                number += 1
        yield from _document(b"".join(ahead), index, number, file, faults)


def _documents(files: Sequence[Path], faults: Faults, advance: Advance) -> Iterator[dict[str, Any]]:
    """Each file whole."""
    for index, file in enumerate(files):
        blocks = read_blocks(file, file.suffix == ".gz", advance=advance)
        yield from _document(b"".join(blocks), index, 1, file, faults)


def _document(content: bytes, index: int, line: int, file: Path, faults: Faults) -> Iterator[dict[str, Any]]:
    if b"\0" in content:
        raise InputError(f"line {line} holds a zero byte", where=str(file), mend="give text files, not binary ones")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        faults.add(index, BROKEN_UTF8, [line])
        return
    if text.strip():
        yield {"text": text, "rest": "{}", "file": index, "line": line}


def _sentences(files: Sequence[Path], faults: Faults, advance: Advance) -> Iterator[dict[str, Any]]:
    """The sentences of CoNLL files, with their words and tags beside the text."""
    for index, file in enumerate(files):
        report = partial(faults.add, index)
        sentences = read_conll(file, zipped=file.suffix == ".gz", report=report, advance=advance)
        first = list(islice(sentences, NUM_SAMPLED))
        joiner = choose_joiner([sentence.words for sentence in first])
        for sentence in (*first, *sentences):
            text, _ = join_words(sentence.words, joiner)
            rest = as_json({"words": sentence.words, "tags": sentence.tags})
            yield {"text": text, "rest": rest, "file": index, "line": sentence.line}


def _no_rows(files: Sequence[Path]) -> InputError:
    return InputError("there is no text", where=", ".join(map(str, files[:3])), mend="give files with documents")
