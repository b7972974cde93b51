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

from tfdomain.data.cache import cache_dir, sweep
from tfdomain.data.delimited import read_delimited
from tfdomain.data.faults import Faults, Report
from tfdomain.data.json_lines import read_json_lines
from tfdomain.data.parquet import read_parquet
from tfdomain.data.sources import Block, file_format
from tfdomain.errors import InputError
from tfdomain.files import hash_file, read_json, whole_file, write_json

__all__ = ["LINE_COLUMN", "cached_rows"]

FORMAT_VERSION = 1
LINE_COLUMN = "\x00line"
"""The column of line numbers in the cache; no file's header has a name like it."""


def cached_rows(
    files: list[Path],
    *,
    texts: list[str],
    label: str | None,
    extra: list[str],
    require_text: bool,
    refuse: bool,
    folder: Path | None,
) -> tuple[pa.Table, dict[str, Any]]:
    """The rows of `files`, memory mapped, and the summary of their reading; read first if need be."""
    reading = _Reading(files, texts, label, extra, require_text)
    folder = (cache_dir() if folder is None else Path(folder)) / "rows"
    key = reading.key()
    target = folder / f"{key}.arrow"
    entry = _open(target)
    if entry is None:
        sweep(folder)
        reading.write(target, refuse)
        entry = _open(target)
        if entry is None:
            raise InputError("vanished while it was read", where=str(target), mend="run it again")
    faults = Faults.from_json(entry[1]["faults"])
    if refuse and faults.count:
        raise faults.error(files)
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

    def __init__(self, files: list[Path], texts: list[str], label: str | None, extra: list[str], require_text: bool):
        self.files, self.texts, self.label, self.extra = files, texts, label, extra
        self.require_text = require_text
        self.formats = [file_format(file) for file in files]
        for file in files:
            if not file.is_file():
                raise InputError("no such file", where=str(file), mend="check the path")
        self.sha256 = [hash_file(file) for file in files]

    def key(self) -> str:
        """A SHA-256 over the files' content and everything that decides what is made of it."""
        parts = [
            FORMAT_VERSION,
            self.formats,
            self.sha256,
            self.texts,
            self.label,
            self.extra,
            self.require_text,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def write(self, target: Path, refuse: bool) -> None:
        """Reads the files into the entry at `target`; nothing is there unless all of it is."""
        faults, file_rows = Faults(), []
        with ExitStack() as stack:
            sink = stack.enter_context(whole_file(target, "wb"))
            writer = schema = None
            for index, file in enumerate(self.files):
                num_rows = 0
                for batch in self._batches(index, partial(faults.add, index)):
                    if writer is None:
                        schema = batch.schema
                        writer = stack.enter_context(pa.ipc.new_file(sink, schema))
                    self._check_types(batch.schema, schema, file)
                    writer.write_batch(batch)
                    num_rows += batch.num_rows
                if not num_rows and not any(at == index for at, _ in faults.counts):
                    raise InputError("has no rows", where=str(file), mend="give a file with rows")
                file_rows.append(num_rows)
            if faults.count and (refuse or not sum(file_rows)):
                raise faults.error(self.files)
        summary = {
            "fingerprint": target.stem,
            "sha256": self.sha256,
            "file_rows": file_rows,
            "faults": faults.to_json(),
        }
        write_json(target.with_suffix(".json"), summary)

    def _batches(self, index: int, report: Report) -> Iterator[pa.RecordBatch]:
        for block in self._blocks(index, report):
            sound = self._sound(block, report)
            columns = block.columns | {LINE_COLUMN: pa.array(block.line_numbers)}
            batch = pa.RecordBatch.from_pydict(columns)
            batch = batch if sound.all() else batch.filter(pa.array(sound))
            if batch.num_rows:
                yield batch

    def _blocks(self, index: int, report: Report) -> Iterator[Block]:
        file, (kind, zipped) = self.files[index], self.formats[index]
        others = [*([self.label] if self.label is not None else []), *self.extra]
        if kind == "parquet":
            return read_parquet(file, texts=self.texts, label=self.label, extra=self.extra)
        if kind == "jsonl":
            return read_json_lines(file, texts=self.texts, others=others, zipped=zipped, report=report)
        delimiter = {"csv": ",", "tsv": "\t"}[kind]
        columns = [*self.texts, *others]
        return read_delimited(file, columns=columns, delimiter=delimiter, zipped=zipped, report=report)

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
