"""JSON Lines files become Arrow columns, with numbers kept as they are written.

Reference: RFC 8259 (https://www.rfc-editor.org/rfc/rfc8259), one value a line.
"""

import json
import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tfdomain.data.faults import BROKEN_UTF8, Report
from tfdomain.data.rest import REST_COLUMN, as_json
from tfdomain.data.sources import BLOCK_BYTES, Advance, Block, read_blocks, unknown_column

__all__ = ["read_json_lines"]

MALFORMED = "malformed JSON"
NOT_AN_OBJECT = "not a JSON object"
HALF_A_PAIR = "holds half of a surrogate pair, which is no character"


class _Number(str):
    """A number as the file writes it: a label 1 stays "1", and 1.0 stays "1.0"."""

    __slots__ = ()


def read_json_lines(
    path: Path,
    *,
    texts: list[str],
    others: list[str],
    zipped: bool,
    report: Report,
    rest: bool = False,
    extra: Collection[str] = (),
    may_be_empty: bool = False,
    advance: Advance | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[Block]:
    """The sound rows of a JSON Lines file, block by block.

    Args:
        path: The file, one JSON object a line; empty lines are no rows.
        texts: The keys whose values must be strings.
        others: The keys whose values may be strings, numbers or booleans; all come as text, as the file
            writes them. Null, or a key that an object lacks, comes as null.
        zipped: Whether the file is gzipped.
        report: Called with a kind of fault and the lines (from 1) of the rows that have it.
        rest: Whether each object's other keys are read too, as one JSON object (`rest.REST_COLUMN`).
        extra: Those of `others` that stand in the rest too, and whose values may be lists of strings, numbers
            and booleans, which come as JSON.
        may_be_empty: Whether a file without a byte is one without rows.
        advance: Told of the bytes read.
        block_bytes: How much is read at once.

    Raises:
        InputError: The file cannot be read, is empty, or no object of its first block has one of the keys.
    """
    parser = _Parser(texts, others, report, rest, extra)
    ahead, line = b"", 1
    for block in read_blocks(path, zipped, block_bytes, advance=advance, may_be_empty=may_be_empty):
        *lines, ahead = (ahead + block).split(b"\n")
        if lines:
            yield parser.parse(lines, line)
            parser.check_keys(path)
        line += len(lines)
    yield parser.parse([ahead], line)
    parser.check_keys(path)


class _Parser:
    """Turns lines into columns and remembers which keys it has met."""

    def __init__(self, texts: list[str], others: list[str], report: Report, rest: bool, extra: Collection[str]):
        self.texts, self.report, self.rest = frozenset(texts), report, rest
        self.columns = list(dict.fromkeys([*texts, *others]))
        self.extra = frozenset(extra)
        self.apart = set(self.columns) - self.extra
        self.unmet, self.met = set(self.columns), dict[str, None]()

    def parse(self, lines: list[bytes], first: int) -> Block:
        names = [*self.columns, *([REST_COLUMN] if self.rest else [])]
        values: dict[str, list[str | None]] = {name: [] for name in names}
        numbers = []
        for number, line in enumerate(lines, first):
            if not line.strip(b" \t\r"):
                continue
            row = self._row(line)
            if isinstance(row, str):
                self.report(row, [number])
                continue
            for column, value in zip(values.values(), row, strict=True):
                column.append(value)
            numbers.append(number)
        arrays = {name: pa.array(column, pa.string()) for name, column in values.items()}
        return Block(arrays, np.array(numbers, np.int64))

    def check_keys(self, path: Path) -> None:
        if self.unmet and self.met:
            raise unknown_column(min(self.unmet, key=self.columns.index), list(self.met), path)

    def _row(self, line: bytes) -> list[str | None] | str:
        try:
            value = _DECODER.decode(line.decode("utf-8"))
        except UnicodeDecodeError:
            return BROKEN_UTF8
        except (ValueError, RecursionError):
            return MALFORMED
        if not isinstance(value, dict):
            return NOT_AN_OBJECT
        if self.unmet:
            self.unmet -= value.keys()
            self.met |= dict.fromkeys(value)
        row = []
        for name in self.columns:
            cell = _cell(value.get(name), only_text=name in self.texts, may_be_list=name in self.extra)
            if isinstance(cell, _Fault):
                return f"the value of {name!r} {cell}"
            row.append(cell)
        if self.rest:
            try:
                rest = as_json(_plain({name: each for name, each in value.items() if name not in self.apart}))
                rest.encode("utf-8")
            except UnicodeEncodeError:
                return f"a value {HALF_A_PAIR}"
            except RecursionError:
                return MALFORMED
            row.append(rest)
        return row


class _Fault(str):
    """What is wrong with a value, as the end of a sentence."""

    __slots__ = ()


def _cell(value: Any, only_text: bool, may_be_list: bool = False) -> str | _Fault | None:
    if type(value) is str:
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            return _Fault(HALF_A_PAIR)
        return value
    if value is None:
        return None
    if isinstance(value, _Number | bool) and not only_text:
        return str(value) if isinstance(value, _Number) else str(value).lower()
    if isinstance(value, list) and may_be_list and all(isinstance(each, str | bool) for each in value):
        return _cell(as_json(_plain(value)), only_text=True)
    kinds = {_Number: "a number", bool: "a boolean", list: "a list", dict: "an object"}
    return _Fault(f"is {kinds[type(value)]}, not a string")


def _plain(value: Any) -> Any:
    """A decoded value with its numbers as Python's; one that Python cannot hold stays text."""
    if isinstance(value, _Number):
        try:
            number = float(value) if set(value) & set(".eE") else int(value)
        except ValueError:
            return str(value)
        return number if isinstance(number, int) or math.isfinite(number) else str(value)
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _refuse_constant(name: str) -> None:
    # JSON has no NaN and no Infinity, though Python writes and reads them.
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_int=_Number, parse_float=_Number, parse_constant=_refuse_constant)
