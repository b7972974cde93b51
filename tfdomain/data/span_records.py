"""Texts with their entities as spans, from JSON or from a column of JSON in a CSV or TSV file.

Three forms of entities are read, told apart record by record: CLUENER's object of labels, mentions and places,
`{"company": {"浙商银行": [[11, 14]]}}`, whose ends are in the span; a list of objects,
`[{"label": "company", "start": 11, "end": 15}]`; and a list of triples, `[[11, 15, "company"]]`.

Reference: Xu et al., "CLUENER2020: Fine-grained Named Entity Recognition Dataset and Benchmark for Chinese", 2020
(https://arxiv.org/abs/2001.04351).
"""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tfdomain.data.delimited import read_delimited
from tfdomain.data.faults import BROKEN_UTF8, Report
from tfdomain.data.json_lines import MALFORMED, NOT_AN_OBJECT
from tfdomain.data.sources import Advance, read_blocks, unknown_column
from tfdomain.data.span_forms import check_characters, entities_in, kind_of
from tfdomain.data.tag_schemes import Entity
from tfdomain.errors import InputError

__all__ = ["ENTITY_KEYS", "SpanRecord", "read_span_records"]

ENTITY_KEYS = ("entities", "spans", "label", "labels")
"""Where a record's entities are looked for if nobody says where they stand; the first of them counts."""

_GAP = re.compile(r"[ \t\r\n]*")


class SpanRecord(NamedTuple):
    """A text, the line that its record starts on, its entities as the record lists them, and further values of it."""

    line: int
    text: str
    entities: list[Entity]
    further: tuple[Any, ...] = ()


def read_span_records(
    path: Path,
    *,
    kind: Literal["json", "jsonl", "csv", "tsv"],
    zipped: bool,
    report: Report,
    text: str = "text",
    entities: str | None = None,
    ends: Literal["exclusive", "inclusive"] = "exclusive",
    further: Sequence[str] = (),
    may_be_empty: bool = False,
    advance: Advance | None = None,
) -> Iterator[SpanRecord]:
    """The records of a file whose form is sound; whether the spans fit their texts is not looked at.

    Args:
        path: The file.
        kind: `"jsonl"`: an object a line; `"json"`: an array of objects, or objects one after the other (held in
            memory as a whole); `"csv"` and `"tsv"`: with a header.
        zipped: Whether it is gzipped.
        report: Called with what is wrong and the line (from 1), once for every record left out.
        text: The key or column of the text.
        entities: The key or column of the entities; None: the first of `ENTITY_KEYS` that a record has.
        ends: Whether the ends of listed spans lie after their last character or on it. CLUENER's lie on it.
        further: More keys or columns to give of each record, None where it lacks one.
        may_be_empty: Whether a file without a byte is one without records.
        advance: Told of the bytes read.

    Raises:
        InputError: The file cannot be read, is no JSON as a whole, or has no such column or key.
    """
    if ends not in ("exclusive", "inclusive"):
        raise InputError(f"is {ends!r}", where="ends", mend="choose exclusive or inclusive")
    reader = _Reader(path, text, entities, ends, further, report)
    if kind in ("csv", "tsv"):
        yield from reader.of_columns(zipped, "," if kind == "csv" else "\t", advance)
        return
    blocks = read_blocks(path, zipped, advance=advance, may_be_empty=may_be_empty)
    for line, value in _json_lines(blocks, report) if kind == "jsonl" else _json_values(b"".join(blocks), path):
        record = reader.record(line, value)
        if record is not None:
            yield record
    reader.check_keys()


class _Reader:
    """Turns decoded records into texts and entities, and remembers which keys it has met."""

    def __init__(self, path: Path, text: str, entities: str | None, ends: str, further: Sequence[str], report: Report):
        self.path, self.text, self.further, self.report = path, text, further, report
        self.wanted = ENTITY_KEYS if entities is None else (entities,)
        self.inclusive = ends == "inclusive"
        self.met: dict[str, None] = {}

    def of_columns(self, zipped: bool, delimiter: str, advance: Advance | None) -> Iterator[SpanRecord]:
        column = self.wanted[0] if len(self.wanted) == 1 else self._entity_column(zipped, delimiter)
        shared: dict[str, Any] = {"delimiter": delimiter, "zipped": zipped, "report": self.report, "advance": advance}
        columns = list(dict.fromkeys([self.text, column, *self.further]))
        for block in read_delimited(self.path, columns=columns, **shared):
            rows = zip(*(block.columns[name].to_pylist() for name in columns), strict=True)
            for line, row in zip(block.line_numbers.tolist(), rows, strict=True):
                values = dict(zip(columns, row, strict=True))
                try:
                    spans = json.loads(values[column]) if values[column].strip() else None
                except (ValueError, RecursionError):
                    self.report(f"the value of {column!r} is not JSON", [line])
                    continue
                record = self.record(line, values | {column: spans})
                if record is not None:
                    yield record

    def record(self, line: int, value: Any) -> SpanRecord | None:
        try:
            return self._record(line, value)
        except InputError as fault:
            self.report(str(fault), [line])
            return None

    def check_keys(self) -> None:
        if not self.met:
            return
        if self.text not in self.met:
            raise unknown_column(self.text, list(self.met), self.path)
        if not self.met.keys() & set(self.wanted):
            raise self._no_entities(list(self.met))
        for name in self.further:
            if name not in self.met:
                raise unknown_column(name, list(self.met), self.path)

    def _no_entities(self, names: list[str]) -> InputError:
        if len(self.wanted) == 1:
            return unknown_column(self.wanted[0], names, self.path)
        problem = f"has entities in none of {', '.join(map(repr, self.wanted))}; it has {', '.join(map(repr, names))}"
        return InputError(problem, where=str(self.path), mend="name where they stand, or give a file with entities")

    def _entity_column(self, zipped: bool, delimiter: str) -> str:
        """The column of entities that the header has, if nobody named it."""
        header = next(read_blocks(self.path, zipped)).split(b"\n")[0].decode("utf-8", "replace")
        names = [name.strip(' "\r') for name in header.split(delimiter)]
        found = [name for name in ENTITY_KEYS if name in names]
        if not found:
            raise self._no_entities(names)
        return found[0]

    def _record(self, line: int, value: Any) -> SpanRecord:
        if not isinstance(value, dict):
            raise InputError(NOT_AN_OBJECT)
        self.met |= dict.fromkeys(value)
        text = value.get(self.text)
        if text is None or text != text:
            raise InputError(f"no text in {self.text!r}")
        if not isinstance(text, str):
            raise InputError(f"the value of {self.text!r} is {kind_of(text)}, not a string")
        check_characters(text, self.text)
        key = next((name for name in self.wanted if name in value), self.wanted[0])
        spans = value.get(key)
        if spans is None:
            raise InputError(f"no entities in {key!r} (where a text has none, write [])")
        if not isinstance(spans, list | dict):
            raise InputError(f"the value of {key!r} is {kind_of(spans)}, not a list or an object of entities")
        entities = entities_in(spans, text, inclusive=self.inclusive)
        return SpanRecord(line, text, entities, tuple(value.get(name) for name in self.further))


def _json_lines(blocks: Iterator[bytes], report: Report) -> Iterator[tuple[int, Any]]:
    ahead, number = b"", 0
    for block in chain(blocks, [b"\n"]):
        *lines, ahead = (ahead + block).split(b"\n")
        for line in lines:
            number += 1
            if not line.strip(b" \t\r"):
                continue
            try:
                yield number, json.loads(line.decode("utf-8"))
            except UnicodeDecodeError:
                report(BROKEN_UTF8, [number])
            except (ValueError, RecursionError):
                report(MALFORMED, [number])


def _json_values(data: bytes, path: Path) -> Iterator[tuple[int, Any]]:
    """The values of an array, or values one after the other, each with the line that it starts on."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = 1 + data.count(b"\n", 0, error.start)
        raise InputError(BROKEN_UTF8, where=f"{path}: line {line}", mend="mend the file") from None
    decoder, line, counted = json.JSONDecoder(), 1, 0
    position = _skip(text, 0)
    in_array = text.startswith("[", position)
    position = _skip(text, position + in_array)
    while position < len(text) and not (in_array and text[position] == "]"):
        line, counted = line + text.count("\n", counted, position), position
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            at = getattr(error, "lineno", line)
            mend = "mend the file (one object a line wants the ending .jsonl)"
            raise InputError(MALFORMED, where=f"{path}: line {at}", mend=mend) from None
        yield line, value
        position = _skip(text, end)
        if in_array and text.startswith(",", position):
            position = _skip(text, position + 1)
    if in_array and position >= len(text):
        raise InputError("the array of the file has no end", where=str(path), mend="copy it again")


def _skip(text: str, position: int) -> int:
    gap = _GAP.match(text, position)
    return gap.end() if gap else position
