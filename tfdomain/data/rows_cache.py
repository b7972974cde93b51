"""The Arrow cache that `rows.read_rows` fills and maps.

An entry is two files, `<key>.arrow` with the rows and `<key>.json` with the summary. Each appears
whole, the summary last, and both depend on the key alone: a killed writer leaves no entry, and two
processes that write the same one at once write the same bytes.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfdomain.data.cache import cache_dir, explained_cache, sweep
from tfdomain.data.faults import Faults, Report
from tfdomain.data.progress import bar
from tfdomain.data.rest import REST_COLUMN
from tfdomain.data.sources import Advance, Block, explained_reading, file_format
from tfdomain.data.table_blocks import read_table_blocks
from tfdomain.errors import InputError, TfdomainError
from tfdomain.files import hash_file, read_json, whole_file, write_json

__all__ = ["LINE_COLUMN", "cached_rows"]

FORMAT_VERSION = 3
LINE_COLUMN = "\x00line"
"""The column of line numbers in the cache; no file's header has a name like it."""


def cached_rows(
    files: list[Path],
    *,
    texts: list[str],
    label: str | None,
    extra: list[str],
    rest: bool,
    column_names: list[str] | None,
    require_text: bool,
    require_rows: bool,
    refuse: bool,
    skip_mend: str,
    folder: Path | None,
) -> tuple[pa.Table, dict[str, Any]]:
    """The rows of `files`, memory mapped, and the summary of their reading; read first if need be."""
    reading = _Reading(files, texts, label, extra, rest, column_names, require_text, require_rows)
    folder = cache_dir() if folder is None else Path(folder)
    target = folder / "rows" / f"{reading.key()}.arrow"
    with explained_cache(folder):
        entry = _open(target)
        if entry is None:
            sweep(target.parent)
            reading.write(target, refuse, skip_mend)
            entry = _open(target)
    if entry is None:
        raise TfdomainError("vanished while it was read", where=str(target), mend="run it again")
    faults = Faults.from_json(entry[1]["faults"])
    if refuse and faults.count:
        raise faults.error(files, skip_mend)
    return entry


def _open(target: Path) -> tuple[pa.Table, dict[str, Any]] | None:
    summary = target.with_suffix(".json")
    if not (target.exists() and summary.exists()):
        return None
    try:
        with pa.memory_map(str(target)) as source:
            return pa.ipc.open_file(source).read_all(), read_json(summary)
    except (pa.ArrowInvalid, InputError):
        # A disk that lost part of a file: what can be made again is made again.
        return None


class _Reading:
    """One way of reading some files: what to take from them and what to refuse."""

    def __init__(
        self,
        files: list[Path],
        texts: list[str],
        label: str | None,
        extra: list[str],
        rest: bool,
        column_names: list[str] | None,
        require_text: bool,
        require_rows: bool,
    ):
        self.files, self.texts, self.label, self.extra, self.rest = files, texts, label, extra, rest
        self.column_names, self.require_text, self.require_rows = column_names, require_text, require_rows
        self.formats = [file_format(file) for file in files]
        self.sha256, self.num_bytes = [], 0
        for file in files:
            with explained_reading(file):
                self.sha256.append(hash_file(file))
                self.num_bytes += file.stat().st_size

    def key(self) -> str:
        """A SHA-256 over the files' content and everything that decides what is made of it."""
        parts = [
            FORMAT_VERSION,
            self.formats,
            self.sha256,
            self.texts,
            self.label,
            self.extra,
            self.rest,
            self.column_names,
            self.require_text,
            self.require_rows,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def write(self, target: Path, refuse: bool, skip_mend: str) -> None:
        """Reads the files into the entry at `target`; nothing is there unless all of it is."""
        faults, file_rows = Faults(), []
        with ExitStack() as stack:
            advance = stack.enter_context(bar("reading", total=self.num_bytes, in_bytes=True))
            sink = stack.enter_context(whole_file(target, "wb"))
            writer = schema = None
            for index, file in enumerate(self.files):
                num_rows = 0
                for batch in self._batches(index, partial(faults.add, index), advance):
                    if writer is None:
                        schema = batch.schema
                        writer = stack.enter_context(pa.ipc.new_file(sink, schema))
                    self._check_types(batch.schema, schema, file)
                    writer.write_batch(batch)
                    num_rows += batch.num_rows
                if self.require_rows and not num_rows and not any(at == index for at, _ in faults.counts):
                    raise InputError("has no rows", where=str(file), mend="give a file with rows")
                file_rows.append(num_rows)
            if faults.count and (refuse or not sum(file_rows)):
                raise faults.error(self.files, skip_mend if refuse else None)
            if writer is None:
                stack.enter_context(pa.ipc.new_file(sink, self._schema()))
        summary = {
            "fingerprint": target.stem,
            "sha256": self.sha256,
            "file_rows": file_rows,
            "faults": faults.to_json(),
        }
        write_json(target.with_suffix(".json"), summary)

    def _schema(self) -> pa.Schema:
        """The columns of a cache without rows, whose types no row decides."""
        columns = [*self.texts, *([self.label] if self.label is not None else []), *self.extra]
        names = [*columns, *([REST_COLUMN] if self.rest else [])]
        return pa.schema([*((name, pa.string()) for name in names), (LINE_COLUMN, pa.int64())])

    def _batches(self, index: int, report: Report, advance: Advance) -> Iterator[pa.RecordBatch]:
        blocks = read_table_blocks(
            self.files[index],
            texts=self.texts,
            label=self.label,
            extra=self.extra,
            rest=self.rest,
            column_names=self.column_names,
            may_be_empty=not self.require_rows,
            report=report,
            advance=advance,
        )
        for block in blocks:
            sound = self._sound(block, report)
            columns = block.columns | {LINE_COLUMN: pa.array(block.line_numbers)}
            batch = pa.RecordBatch.from_pydict(columns)
            batch = batch if sound.all() else batch.filter(pa.array(sound))
            if batch.num_rows:
                yield batch

    def _sound(self, block: Block, report: Report) -> np.ndarray:
        sound = np.ones(len(block.line_numbers), bool)
        for problem, wrong in self._checks(block.columns):
            report(problem, block.line_numbers[sound & wrong])
            sound &= ~wrong
        return sound

    def _checks(self, columns: dict[str, pa.Array]) -> Iterator[tuple[str, np.ndarray]]:
        if self.label is not None:
            yield f"no label in {self.label!r}", _as_mask(pc.equal(columns[self.label], ""), missing=True)
        for name in self.texts:
            text = columns[name]
            yield f"no text in {name!r}", _as_mask(pc.is_null(text))
            if self.require_text:
                yield (
                    f"an empty text in {name!r}",
                    _as_mask(pc.or_(pc.equal(text, ""), pc.utf8_is_space(text))),
                )

    def _check_types(self, schema: pa.Schema, first: pa.Schema, file: Path) -> None:
        for field, expected in zip(schema, first, strict=True):
            if field.type != expected.type:
                problem = f"column {field.name!r} holds {field.type}, in {self.files[0]} {expected.type}"
                raise InputError(problem, where=str(file), mend="store the column in one type")


def _as_mask(values: pa.Array, missing: bool = False) -> np.ndarray:
    return pc.fill_null(values, missing).to_numpy(zero_copy_only=False)
